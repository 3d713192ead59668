// SPDX-License-Identifier: MPL-2.0

//! Our two ends of a caller's connections: the signallers of webrtcsink and webrtcsrc, as peers of the caller's room.
//!
//! Both elements bring a signaller that would connect to a server. Its signals are there for applications that carry the
//! messages themselves: a handler that returns true takes the place of the socket, and what the other side says is emitted.
//! So no port is opened for them, and no address has to be kept secret.

use gst::glib;
use gst::prelude::*;
use gst_plugin_webrtc_signalling_protocol::{
    EndSessionMessage, IncomingMessage, OutgoingMessage, PeerMessage, PeerMessageInner, PeerRole,
    PeerStatus, SdpMessage,
};

use super::connections::Connections;
use super::room::Door;

/// The end that speaks to the caller.
pub const MOUTH: &str = "voice-out";
/// The end that hears the caller.
pub const EARS: &str = "voice-in";
/// Both.
pub const NAMES: [&str; 2] = [MOUTH, EARS];

/// One end.
#[derive(Clone, Debug)]
pub struct End {
    name: &'static str,
    // The signaller is its property; a plain object may not cross threads.
    element: glib::WeakRef<gst::Element>,
    connections: Connections,
}

impl End {
    /// Takes over the signaller of a webrtcsink (which produces) or a webrtcsrc (which waits for a producer).
    pub fn new(
        element: &gst::Element,
        name: &'static str,
        door: &Door,
        connections: &Connections,
    ) -> End {
        let signaller = element.property::<glib::Object>("signaller");
        let end = End {
            name,
            element: element.downgrade(),
            connections: connections.clone(),
        };
        let role = if name == MOUTH {
            PeerRole::Producer
        } else {
            PeerRole::Consumer
        };

        let (start, joining) = (door.clone(), end.clone());
        signaller.connect("start", false, move |_| {
            if name == MOUTH {
                joining.connections.started();
            }
            start.join(joining.clone());
            let meta = Some(serde_json::json!({ "name": name }));
            let status = PeerStatus {
                roles: vec![role.clone()],
                meta,
                peer_id: None,
            };
            start.message(name, IncomingMessage::SetPeerStatus(status));
            Some(true.to_value())
        });
        let stop = door.clone();
        signaller.connect("stop", false, move |_| {
            stop.leave(name);
            Some(true.to_value())
        });
        let describe = door.clone();
        signaller.connect("send-session-description", false, move |values| {
            let said = values
                .get(1)
                .zip(values.get(2))
                .and_then(|(session, description)| {
                    let session_id = session.get::<String>().ok()?;
                    let description = description
                        .get::<gst_webrtc::WebRTCSessionDescription>()
                        .ok()?;
                    let sdp = description.sdp().as_text().ok()?;
                    let message = match description.type_() {
                        gst_webrtc::WebRTCSDPType::Offer => SdpMessage::Offer { sdp },
                        _ => SdpMessage::Answer { sdp },
                    };
                    Some(PeerMessage {
                        session_id,
                        peer_message: PeerMessageInner::Sdp(message),
                    })
                });
            if let Some(message) = said {
                describe.message(name, IncomingMessage::Peer(message));
            }
            Some(true.to_value())
        });
        let ice = door.clone();
        signaller.connect("send-ice", false, move |values| {
            let said = (|| {
                let session_id = values.get(1)?.get::<String>().ok()?;
                let candidate = values.get(2)?.get::<String>().ok()?;
                let sdp_m_line_index = values.get(3)?.get::<u32>().ok()?;
                let peer_message = PeerMessageInner::Ice {
                    candidate,
                    sdp_m_line_index,
                };
                Some(PeerMessage {
                    session_id,
                    peer_message,
                })
            })();
            if let Some(message) = said {
                ice.message(name, IncomingMessage::Peer(message));
            }
            Some(true.to_value())
        });
        let over = door.clone();
        signaller.connect("end-session", false, move |values| {
            if let Some(session_id) = values.get(1).and_then(|value| value.get::<String>().ok()) {
                over.message(
                    name,
                    IncomingMessage::EndSession(EndSessionMessage { session_id }),
                );
            }
            Some(true.to_value())
        });
        end
    }

    /// Its name in the room.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tells the element what was said to it. May block while it makes or takes down a connection.
    pub fn take(&self, message: OutgoingMessage) {
        self.connections.while_open(|| self.tell(message));
    }

    fn tell(&self, message: OutgoingMessage) {
        let Some(element) = self.element.upgrade() else {
            return;
        };
        let signaller = element.property::<glib::Object>("signaller");
        match message {
            OutgoingMessage::StartSession {
                peer_id,
                session_id,
                ..
            } => {
                let offer = None::<gst_webrtc::WebRTCSessionDescription>;
                if self.name == MOUTH {
                    self.connections.asked();
                }
                signaller.emit_by_name::<()>("session-requested", &[&session_id, &peer_id, &offer]);
            }
            OutgoingMessage::SessionStarted {
                peer_id,
                session_id,
            } => {
                signaller.emit_by_name::<()>("session-started", &[&session_id, &peer_id]);
            }
            OutgoingMessage::EndSession(end) => {
                signaller.emit_by_name::<bool>("session-ended", &[&end.session_id]);
            }
            OutgoingMessage::Peer(message) => self.hear(&signaller, message),
            OutgoingMessage::Error { details } => tracing::warn!("{}: {details}", self.name),
            OutgoingMessage::Welcome { .. }
            | OutgoingMessage::PeerStatusChanged(_)
            | OutgoingMessage::List { .. }
            | OutgoingMessage::ListConsumers { .. } => {}
        }
    }

    fn hear(&self, signaller: &glib::Object, message: PeerMessage) {
        match message.peer_message {
            PeerMessageInner::Ice {
                candidate,
                sdp_m_line_index,
            } => {
                let mid = None::<String>;
                signaller.emit_by_name::<()>(
                    "handle-ice",
                    &[&message.session_id, &sdp_m_line_index, &mid, &candidate],
                );
            }
            PeerMessageInner::Sdp(description) => {
                // The elements answer an offer where they wait for one, and take an answer where they made one; the
                // other way round is a client's mistake, and theirs not to survive.
                let (kind, sdp) = match (description, self.name) {
                    (SdpMessage::Offer { sdp }, EARS) => (gst_webrtc::WebRTCSDPType::Offer, sdp),
                    (SdpMessage::Answer { sdp }, MOUTH) => (gst_webrtc::WebRTCSDPType::Answer, sdp),
                    _ => return tracing::warn!("{}: a description of the wrong kind", self.name),
                };
                match gst_sdp::SDPMessage::parse_buffer(sdp.as_bytes()) {
                    Ok(sdp) => {
                        let description = gst_webrtc::WebRTCSessionDescription::new(kind, sdp);
                        signaller.emit_by_name::<()>(
                            "session-description",
                            &[&message.session_id, &description],
                        );
                    }
                    Err(_) => tracing::warn!("{}: a description that is no SDP", self.name),
                }
            }
        }
    }
}

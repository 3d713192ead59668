// SPDX-License-Identifier: MPL-2.0

//! What a signalling server says, for the three peers of one caller: the browser, the webrtcsink that speaks to it and the
//! webrtcsrc that hears it. Nobody else is in the room, so nobody else can be listed, called or listened to.
//!
//! The messages are those of gst-plugins-rs (`gst-plugin-webrtc-signalling-protocol`), whose elements are two of the peers.
//! Of a pair the producer offers: whoever asked for the session, the producer is told `startSession` and the consumer
//! `sessionStarted`. Everything here is pure: a message in, messages out.

use std::collections::BTreeMap;

use gst_plugin_webrtc_signalling_protocol::{
    EndSessionMessage, IncomingMessage, OutgoingMessage, Peer, PeerMessage, PeerMessageInner,
    PeerStatus, StartSessionMessage,
};

/// Peers in one room; a browser, a sink and a source are three, and a page that reloads may be there twice for a moment.
pub const PEERS: usize = 6;
/// Sessions between two peers in one room.
pub const SESSIONS: usize = 8;
/// Names of peers and sessions are ours; `meta` is the peer's own, and bounded.
const META_BYTES: usize = 4096;

/// Who is to be told what.
pub type Replies = Vec<(String, OutgoingMessage)>;

#[derive(Debug)]
struct Pair {
    producer: String,
    consumer: String,
}

impl Pair {
    fn other(&self, peer: &str) -> Option<&str> {
        if self.producer == peer {
            Some(&self.consumer)
        } else if self.consumer == peer {
            Some(&self.producer)
        } else {
            None
        }
    }
}

/// One caller's room.
#[derive(Debug, Default)]
pub struct Relay {
    peers: BTreeMap<String, PeerStatus>,
    pairs: BTreeMap<String, Pair>,
    named: u64,
    /// Peers of our own machine, and the address under which the world reaches it.
    announced: Option<(Vec<String>, String)>,
}

impl Relay {
    /// Host candidates of the `ours` peers also go out with this address: where a server stands behind a one-to-one
    /// translation of addresses (a cloud's), that is the one which callers reach.
    pub fn announce(&mut self, ours: Vec<String>, address: String) {
        self.announced = Some((ours, address));
    }

    /// A peer has come in. `None` if the room is full.
    pub fn join(&mut self, peer: &str) -> Option<Replies> {
        if self.peers.len() >= PEERS || self.peers.contains_key(peer) {
            return None;
        }
        self.peers.insert(peer.to_owned(), PeerStatus::default());
        let peer_id = peer.to_owned();
        Some(vec![(
            peer.to_owned(),
            OutgoingMessage::Welcome { peer_id },
        )])
    }

    /// A peer has gone, and its sessions with it.
    pub fn leave(&mut self, peer: &str) -> Replies {
        let Some(status) = self.peers.remove(peer) else {
            return Vec::new();
        };
        let mut replies = Vec::new();
        let ended: Vec<String> = (self.pairs.iter())
            .filter(|(_, pair)| pair.other(peer).is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in ended {
            replies.extend(self.end(peer, &id));
        }
        if status.producing() {
            replies.extend(self.tell_listeners(
                peer,
                PeerStatus {
                    roles: Vec::new(),
                    meta: status.meta,
                    peer_id: None,
                },
            ));
        }
        replies
    }

    /// A peer says something.
    pub fn step(&mut self, from: &str, message: IncomingMessage) -> Replies {
        if !self.peers.contains_key(from) {
            return Vec::new();
        }
        match message {
            // The upstream server's answer to a first message; ours welcomes everybody who comes.
            IncomingMessage::NewPeer => Vec::new(),
            IncomingMessage::SetPeerStatus(status) => self.status(from, status),
            IncomingMessage::StartSession(start) => self.start(from, start),
            IncomingMessage::EndSession(end) => match self
                .pairs
                .get(&end.session_id)
                .and_then(|pair| pair.other(from))
            {
                Some(_) => self.end(from, &end.session_id),
                None => refuse(
                    from,
                    format!("there is no session {} of yours", end.session_id),
                ),
            },
            IncomingMessage::Peer(message) => self.pass(from, message),
            IncomingMessage::List => {
                let producers = self.listed(from, PeerStatus::producing);
                vec![(from.to_owned(), OutgoingMessage::List { producers })]
            }
            IncomingMessage::ListConsumers => {
                let consumers = self.listed(from, PeerStatus::consuming);
                vec![(
                    from.to_owned(),
                    OutgoingMessage::ListConsumers { consumers },
                )]
            }
        }
    }

    fn listed(&self, asking: &str, role: impl Fn(&PeerStatus) -> bool) -> Vec<Peer> {
        let of_role = self
            .peers
            .iter()
            .filter(|(id, status)| *id != asking && role(status));
        of_role
            .map(|(id, status)| Peer {
                id: id.clone(),
                meta: status.meta.clone(),
            })
            .collect()
    }

    fn status(&mut self, from: &str, mut status: PeerStatus) -> Replies {
        if status
            .meta
            .as_ref()
            .is_some_and(|meta| meta.to_string().len() > META_BYTES)
        {
            return refuse(from, format!("`meta` has more than {META_BYTES} bytes"));
        }
        // A peer speaks for itself alone.
        status.peer_id = None;
        let told = status.producing() || self.peers.get(from).is_some_and(PeerStatus::producing);
        self.peers.insert(from.to_owned(), status.clone());
        if told {
            self.tell_listeners(from, status)
        } else {
            Vec::new()
        }
    }

    fn tell_listeners(&self, about: &str, status: PeerStatus) -> Replies {
        let listeners = self
            .peers
            .iter()
            .filter(|(id, peer)| *id != about && peer.listening());
        listeners
            .map(|(id, _)| {
                let status = PeerStatus {
                    peer_id: Some(about.to_owned()),
                    ..status.clone()
                };
                (id.clone(), OutgoingMessage::PeerStatusChanged(status))
            })
            .collect()
    }

    fn start(&mut self, from: &str, start: StartSessionMessage) -> Replies {
        let to = start.peer_id;
        let Some(called) = self.peers.get(&to).filter(|_| to != from) else {
            return refuse(from, format!("there is no peer {to}"));
        };
        if self.pairs.len() >= SESSIONS {
            return refuse(
                from,
                format!("{SESSIONS} sessions are open, and no more may be"),
            );
        }
        let (producer, consumer) = if called.producing() {
            (to, from.to_owned())
        } else if called.consuming() && self.peers[from].producing() {
            (from.to_owned(), to)
        } else {
            return refuse(
                from,
                format!("{to} neither produces nor waits for a producer"),
            );
        };
        self.named += 1;
        let session_id = format!("session-{}", self.named);
        let replies = vec![
            (
                consumer.clone(),
                OutgoingMessage::SessionStarted {
                    peer_id: producer.clone(),
                    session_id: session_id.clone(),
                },
            ),
            (
                producer.clone(),
                OutgoingMessage::StartSession {
                    peer_id: consumer.clone(),
                    session_id: session_id.clone(),
                    offer: start.offer,
                },
            ),
        ];
        self.pairs.insert(session_id, Pair { producer, consumer });
        replies
    }

    fn end(&mut self, from: &str, session_id: &str) -> Replies {
        let Some(pair) = self.pairs.remove(session_id) else {
            return Vec::new();
        };
        let Some(other) = pair.other(from) else {
            return Vec::new();
        };
        let session_id = session_id.to_owned();
        vec![(
            other.to_owned(),
            OutgoingMessage::EndSession(EndSessionMessage { session_id }),
        )]
    }

    fn pass(&self, from: &str, message: PeerMessage) -> Replies {
        let pair = self.pairs.get(&message.session_id);
        let Some(other) = pair.and_then(|pair| pair.other(from)) else {
            return refuse(
                from,
                format!("there is no session {} of yours", message.session_id),
            );
        };
        let mut replies = Vec::new();
        if let Some((ours, address)) = &self.announced
            && ours.iter().any(|peer| peer == from)
            && let PeerMessageInner::Ice {
                candidate,
                sdp_m_line_index,
            } = &message.peer_message
            && let Some(candidate) = readdressed(candidate, address)
        {
            let peer_message = PeerMessageInner::Ice {
                candidate,
                sdp_m_line_index: *sdp_m_line_index,
            };
            let session_id = message.session_id.clone();
            replies.push((
                other.to_owned(),
                OutgoingMessage::Peer(PeerMessage {
                    session_id,
                    peer_message,
                }),
            ));
        }
        replies.push((other.to_owned(), OutgoingMessage::Peer(message)));
        replies
    }
}

fn refuse(peer: &str, details: String) -> Replies {
    vec![(peer.to_owned(), OutgoingMessage::Error { details })]
}

/// A host candidate with another address (RFC 8839, `candidate:foundation component transport priority address port typ …`).
fn readdressed(candidate: &str, address: &str) -> Option<String> {
    let mut fields: Vec<&str> = candidate.split(' ').collect();
    let host = fields.windows(2).any(|pair| pair == ["typ", "host"]);
    let found = fields.get_mut(4)?;
    if !host || *found == address || found.contains(':') != address.contains(':') {
        return None;
    }
    *found = address;
    Some(fields.join(" "))
}

#[cfg(test)]
mod tests {
    use gst_plugin_webrtc_signalling_protocol::{PeerRole, SdpMessage};

    use super::*;

    fn status(roles: &[PeerRole]) -> IncomingMessage {
        IncomingMessage::SetPeerStatus(PeerStatus {
            roles: roles.to_vec(),
            meta: Some(serde_json::json!({ "name": "somebody" })),
            peer_id: Some("an id that it makes up".into()),
        })
    }

    fn start(peer: &str) -> IncomingMessage {
        IncomingMessage::StartSession(StartSessionMessage {
            peer_id: peer.into(),
            offer: None,
        })
    }

    fn ice(session: &str, candidate: &str) -> PeerMessage {
        PeerMessage {
            session_id: session.into(),
            peer_message: PeerMessageInner::Ice {
                candidate: candidate.into(),
                sdp_m_line_index: 0,
            },
        }
    }

    /// A sink that produces, a source that waits for a producer, a browser that is all three.
    fn room() -> Relay {
        let mut relay = Relay::default();
        for peer in ["browser", "sink", "source"] {
            let welcome = relay.join(peer).unwrap();
            assert_eq!(
                welcome,
                [(
                    peer.to_owned(),
                    OutgoingMessage::Welcome {
                        peer_id: peer.into()
                    }
                )]
            );
        }
        assert!(
            relay
                .step("browser", status(&[PeerRole::Listener, PeerRole::Producer]))
                .is_empty()
        );
        assert!(
            relay
                .step("source", status(&[PeerRole::Consumer]))
                .is_empty()
        );
        let told = relay.step("sink", status(&[PeerRole::Producer]));
        let [(to, OutgoingMessage::PeerStatusChanged(changed))] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(
            (to.as_str(), changed.peer_id.as_deref()),
            ("browser", Some("sink"))
        );
        relay
    }

    fn session_of(replies: &Replies) -> String {
        let id = replies.iter().find_map(|(_, message)| match message {
            OutgoingMessage::StartSession { session_id, .. } => Some(session_id.clone()),
            _ => None,
        });
        id.unwrap_or_else(|| panic!("{replies:?}"))
    }

    #[test]
    fn the_producer_offers_whoever_asked() {
        for (asked, producer, consumer) in
            [("sink", "sink", "browser"), ("source", "browser", "source")]
        {
            let mut relay = room();
            let replies = relay.step("browser", start(asked));
            let session_id = session_of(&replies);
            let (peer_id, other) = (producer.to_owned(), consumer.to_owned());
            assert_eq!(
                replies,
                [
                    (
                        other.clone(),
                        OutgoingMessage::SessionStarted {
                            peer_id: peer_id.clone(),
                            session_id: session_id.clone()
                        }
                    ),
                    (
                        peer_id,
                        OutgoingMessage::StartSession {
                            peer_id: other,
                            session_id,
                            offer: None
                        }
                    ),
                ]
            );
        }
    }

    #[test]
    fn what_a_peer_says_reaches_the_other_of_the_pair_alone() {
        let mut relay = room();
        let replies = relay.step("browser", start("sink"));
        let session = session_of(&replies);
        let offer = PeerMessage {
            session_id: session.clone(),
            peer_message: PeerMessageInner::Sdp(SdpMessage::Offer { sdp: "v=0".into() }),
        };
        let passed = relay.step("sink", IncomingMessage::Peer(offer));
        assert!(
            matches!(&passed[..], [(to, OutgoingMessage::Peer(_))] if to == "browser"),
            "{passed:?}"
        );
        let refused = relay.step(
            "source",
            IncomingMessage::Peer(ice(&session, "candidate:1")),
        );
        assert!(
            matches!(&refused[..], [(to, OutgoingMessage::Error { .. })] if to == "source"),
            "{refused:?}"
        );
    }

    #[test]
    fn who_goes_ends_its_sessions() {
        let mut relay = room();
        let heard = session_of(&relay.step("browser", start("sink")));
        let spoken = session_of(&relay.step("browser", start("source")));
        let told = relay.leave("browser");
        let ended = |peer: &str, session: &str| {
            let session_id = session.to_owned();
            (
                peer.to_owned(),
                OutgoingMessage::EndSession(EndSessionMessage { session_id }),
            )
        };
        assert_eq!(told, [ended("sink", &heard), ended("source", &spoken)]);
        assert!(relay.leave("browser").is_empty());
        assert!(relay.step("browser", IncomingMessage::List).is_empty());
    }

    #[test]
    fn a_producer_that_goes_is_told_to_the_listener() {
        let mut relay = room();
        let told = relay.leave("sink");
        assert!(
            matches!(&told[..], [(to, OutgoingMessage::PeerStatusChanged(status))] if to == "browser" && status.roles.is_empty()),
            "{told:?}"
        );
    }

    #[test]
    fn lists_are_of_the_others() {
        let mut relay = room();
        let ids = |replies: Replies| match replies.into_iter().next() {
            Some((
                _,
                OutgoingMessage::List { producers: peers }
                | OutgoingMessage::ListConsumers { consumers: peers },
            )) => peers.into_iter().map(|peer| peer.id).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(ids(relay.step("browser", IncomingMessage::List)), ["sink"]);
        assert_eq!(
            ids(relay.step("browser", IncomingMessage::ListConsumers)),
            ["source"]
        );
        assert_eq!(ids(relay.step("sink", IncomingMessage::List)), ["browser"]);
    }

    #[test]
    fn bounds_and_nonsense_are_refused() {
        let mut relay = room();
        let refused = |replies: Replies| matches!(&replies[..], [(to, OutgoingMessage::Error { .. })] if to == "browser");
        assert!(refused(relay.step("browser", start("nobody"))));
        assert!(refused(relay.step("browser", start("browser"))));
        let end = EndSessionMessage {
            session_id: "session-9".into(),
        };
        assert!(refused(
            relay.step("browser", IncomingMessage::EndSession(end))
        ));
        let meta = Some(serde_json::Value::String("x".repeat(META_BYTES)));
        let long = PeerStatus {
            meta,
            ..PeerStatus::default()
        };
        assert!(refused(
            relay.step("browser", IncomingMessage::SetPeerStatus(long))
        ));
        for _ in 0..SESSIONS {
            session_of(&relay.step("browser", start("sink")));
        }
        assert!(refused(relay.step("browser", start("sink"))));
        assert!(relay.join("browser").is_none());
        for n in 3..PEERS {
            assert!(relay.join(&format!("peer {n}")).is_some());
        }
        assert!(relay.join("one more").is_none());
    }

    #[test]
    fn our_host_candidates_go_out_with_the_announced_address_too() {
        let mut relay = room();
        relay.announce(vec!["sink".into(), "source".into()], "203.0.113.7".into());
        let session = session_of(&relay.step("browser", start("sink")));
        let candidate = |message: &OutgoingMessage| match message {
            OutgoingMessage::Peer(PeerMessage {
                peer_message: PeerMessageInner::Ice { candidate, .. },
                ..
            }) => candidate.clone(),
            other => panic!("{other:?}"),
        };
        let local = "candidate:1 1 UDP 2015363327 10.0.0.5 40000 typ host";
        let sent = relay.step("sink", IncomingMessage::Peer(ice(&session, local)));
        let sent: Vec<String> = sent.iter().map(|(_, message)| candidate(message)).collect();
        assert_eq!(
            sent,
            [
                "candidate:1 1 UDP 2015363327 203.0.113.7 40000 typ host",
                local
            ]
        );
        // The browser's own, reflexive ones and those of the other family stay as they are.
        for (from, text) in [
            ("browser", local),
            (
                "sink",
                "candidate:2 1 UDP 1 198.51.100.1 40000 typ srflx raddr 10.0.0.5 rport 40000",
            ),
            ("sink", "candidate:3 1 UDP 2 fe80::1 40000 typ host"),
            ("sink", "nonsense"),
        ] {
            let sent = relay.step(from, IncomingMessage::Peer(ice(&session, text)));
            assert_eq!(sent.len(), 1, "{text}");
            assert_eq!(candidate(&sent[0].1), text);
        }
    }
}

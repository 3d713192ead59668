// SPDX-License-Identifier: MPL-2.0

//! The pipeline of one session: made, asked and taken down. Making it and taking it down block; nothing else does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use super::framer::Framer;
use super::happening::{Failure, Happenings, Place};
use super::media::Media;
use super::stamps::Stamps;
use crate::plan::Plan;

/// How far ahead of its time speech leaves for a client, unless the description says so: one frame of the client's, and
/// one of the mouth's that is under way.
const LEAD: gst::ClockTime = gst::ClockTime::from_mseconds(30);

/// A pipeline that plays. Dropping it takes it down, which blocks for as long as its elements take.
pub struct Running {
    pipeline: gst::Pipeline,
    media: Box<dyn Media>,
    mouth: Option<gst::Element>,
    asker: Option<gst::Element>,
    stamps: Stamps,
}

/// Whether an element has a signal of that name.
fn has(element: &gst::Element, signal: &str) -> bool {
    glib::subclass::SignalId::lookup(signal, element.type_()).is_some()
}

impl Running {
    /// Makes a pipeline and lets it play. A client that knows nothing of conversations (`greeted` false) is not greeted.
    pub fn start(
        plan: &Plan,
        mut media: Box<dyn Media>,
        happenings: &Happenings,
        greeted: bool,
        sample_rate: u32,
    ) -> Result<Running, Failure> {
        let fail = |sentence: String| Failure {
            place: Place::Elsewhere,
            sentence,
        };
        let pipeline = plan.build(&mut *media).map_err(|err| {
            let at = err.at;
            fail(format!(
                "{}:{}:{}: {}",
                plan.name, at.line, at.column, err.message
            ))
        })?;
        let children = pipeline.children();
        let found = |signals: &[&str]| {
            let mut elements = children.iter();
            elements
                .find(|element| signals.iter().all(|signal| has(element, signal)))
                .cloned()
        };
        let running = Running {
            mouth: found(&["say", "interrupt"]),
            asker: found(&["ask"]),
            media,
            stamps: Stamps::new(sample_rate),
            pipeline,
        };
        // A client's frame is two of the mouth's: both are to leave at once.
        if let Some(mouth) = &running.mouth
            && running.media.framer().is_some()
            && mouth.find_property("lead").is_some()
            && !plan.sets(&mouth.name(), "lead")
        {
            mouth.set_property("lead", LEAD.nseconds());
        }
        if !greeted {
            for element in &children {
                if (element.find_property("greeting"))
                    .is_some_and(|spec| spec.value_type() == String::static_type())
                {
                    element.set_property("greeting", "");
                }
            }
        }
        running.play(happenings)
    }

    fn play(mut self, happenings: &Happenings) -> Result<Running, Failure> {
        let first = Arc::new(Mutex::new(None));
        if let Some(bus) = self.pipeline.bus() {
            // The sync handler is all that reads it: nothing is queued, and no file descriptor is polled.
            let (weak, happenings) = (self.pipeline.downgrade(), happenings.clone());
            let first = first.clone();
            bus.set_sync_handler(move |_, message| {
                if let Some(pipeline) = weak.upgrade() {
                    if let gst::MessageView::Error(error) = message.view() {
                        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                        first.get_or_insert_with(|| super::happening::failure(error, &pipeline));
                    }
                    happenings.message(message, &pipeline);
                }
                gst::BusSyncReply::Drop
            });
        }
        if self.pipeline.set_state(gst::State::Playing).is_err() {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(first.unwrap_or_else(|| Failure {
                place: Place::Elsewhere,
                sentence: "the pipeline cannot be started".into(),
            }));
        }
        self.media.playing(&self.pipeline);
        // What hears waits for its first sound, and others wait for it.
        self.hear(&vec![0; self.stamps.bytes_in(Duration::from_millis(20))]);
        Ok(self)
    }

    /// Whether it speaks at all.
    pub fn speaks(&self) -> bool {
        self.mouth.is_some()
    }

    /// Whether typed text is a turn of the conversation, and not merely something to be said.
    pub fn converses(&self) -> bool {
        self.asker.is_some()
    }

    /// Whether the description reads typed text.
    pub fn reads(&self) -> bool {
        self.asker.is_some() || self.media.text().is_some()
    }

    /// Has the mouth say a text; the utterance's id, or `None` where too much waits already.
    pub fn say(&self, text: &str) -> Option<Arc<str>> {
        let id = self
            .mouth
            .as_ref()?
            .emit_by_name::<Option<String>>("say", &[&text]);
        id.map(Arc::from)
    }

    /// A typed turn. False where nobody takes it.
    pub fn ask(&self, text: &str) -> bool {
        if let Some(asker) = &self.asker {
            asker.emit_by_name_with_values("ask", &[text.to_value()]);
            return true;
        }
        let Some(source) = self.media.text() else {
            return false;
        };
        let now = self.pipeline.current_running_time();
        let turn = gst::Structure::builder("voice/end-of-turn")
            .field("text", text)
            .field("language", "")
            .field("speech-end", now.map_or(0, gst::ClockTime::nseconds))
            .build();
        let utterance = gst::Structure::builder("voice/end-of-utterance")
            .field("utterance-id", "")
            .build();
        let pushed = source.push_buffer(gst::Buffer::from_slice(text.to_owned().into_bytes()));
        // A recogniser's word for it, and a mouth's.
        pushed.is_ok()
            && [turn, utterance]
                .into_iter()
                .all(|structure| source.send_event(gst::event::CustomDownstream::new(structure)))
    }

    /// Tells the mouth to `pause`, `resume` or `interrupt`.
    pub fn mouth(&self, action: &str) {
        if let Some(mouth) = &self.mouth {
            mouth.emit_by_name_with_values(action, &[]);
        }
    }

    /// Tells whoever speaks through the mouth what was really heard.
    pub fn correct(&self, structure: gst::Structure) {
        if let Some(mouth) = &self.mouth {
            mouth.send_event(gst::event::CustomUpstream::new(structure));
        }
    }

    /// Sound of the client: S16LE, mono.
    pub fn hear(&mut self, sound: &[u8]) {
        let Some(ear) = self.media.ear() else {
            return;
        };
        let Some(now) = self.pipeline.current_running_time() else {
            return;
        };
        let Some(stamp) = self.stamps.stamp(now.into(), sound.len()) else {
            return;
        };
        let mut buffer = gst::Buffer::from_slice(sound.to_vec());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::try_from(stamp.at).ok());
            buffer.set_duration(gst::ClockTime::try_from(stamp.duration).ok());
            if stamp.discont {
                buffer.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        // Fails only where the pipeline ends.
        let _ = ear.push_buffer(buffer);
    }

    /// What cuts the mouth's sound into frames.
    pub fn framer(&self) -> Option<Arc<Mutex<Framer>>> {
        self.media.framer()
    }

    /// Computes the latency anew, on a thread of its own.
    pub fn recalculate_latency(&self) {
        self.pipeline.call_async(|pipeline| {
            let _ = pipeline.recalculate_latency();
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.media.stopping();
        let _ = self.pipeline.set_state(gst::State::Null);
        self.media.stopped();
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
    }
}

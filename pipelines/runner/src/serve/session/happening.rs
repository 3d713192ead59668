// SPDX-License-Identifier: MPL-2.0

//! What a session's pipeline tells: messages of its bus and frames of its sound, in order, without GStreamer's types.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gst::prelude::*;
use tokio::sync::mpsc;

use super::framer::Frame;

/// Happenings that may wait for their session: some seconds of sound and words.
const WAITING: usize = 1024;

/// Something that happened in a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// 20 ms of speech leave for the client.
    Frame(Frame),
    /// An utterance begins to sound.
    Started(Arc<str>),
    /// A word begins to sound.
    Word(Word),
    /// An utterance has sounded to its end.
    Finished(Arc<str>),
    /// Speech fell silent for now; true where the caller's voice was the cause.
    Paused(Arc<str>, bool),
    /// Speech goes on.
    Resumed(Arc<str>),
    /// Speech was stopped.
    Interrupted(Interrupted),
    /// The caller's voice: whether it is there.
    Voice(bool),
    /// Words that were recognised.
    Transcript {
        /// What was understood.
        text: String,
        /// Whether that is all of it.
        is_final: bool,
        /// It only said that somebody listens; nobody answers it.
        backchannel: bool,
        /// Between the end of the speech and this, where it is final.
        endpointing: Option<Duration>,
    },
    /// An answer has its first words.
    Answer,
    /// The pipeline's latency has to be computed anew.
    Latency,
    /// An element cannot go on.
    Failed(Failure),
}

/// A word of an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The utterance.
    pub utterance: Arc<str>,
    /// As written.
    pub text: String,
    /// Where it begins in the utterance.
    pub start: Duration,
    /// How long it sounds.
    pub duration: Duration,
}

/// An utterance that was stopped, as its mouth saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// The utterance.
    pub utterance: Arc<str>,
    /// What had left before it was stopped.
    pub heard: String,
    /// The rest of its text.
    pub unheard: String,
    /// Where in the utterance it was stopped.
    pub position: Duration,
    /// True once all of the unheard text is known.
    pub is_final: bool,
    /// The caller's voice was the cause.
    pub by_voice: bool,
    /// From the decision to the last sample that sounds.
    pub took: Duration,
}

/// Why a pipeline cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it happened.
    pub place: Place,
    /// The element's own sentence, for the log.
    pub sentence: String,
}

/// The part of a conversation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A voice elsewhere does not answer.
    Worker,
    /// The mouth.
    Mouth,
    /// Something else.
    Elsewhere,
}

/// Where a pipeline tells what happens. Never blocks; from any thread.
#[derive(Clone, Debug)]
pub struct Happenings {
    sender: mpsc::Sender<Happening>,
    lost: Arc<AtomicBool>,
}

impl Happenings {
    /// A way from a pipeline to its session.
    pub fn new() -> (Happenings, mpsc::Receiver<Happening>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicBool::new(false));
        (Happenings { sender, lost }, receiver)
    }

    /// Tells. What finds no room is lost, and [`Self::lost`] says so.
    pub fn tell(&self, happening: Happening) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(happening) {
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    /// Whether anything was lost: the machine is far too slow for what runs on it.
    pub fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Reads a message of the bus; what means nothing to a session is dropped.
    pub fn message(&self, message: &gst::MessageRef, pipeline: &gst::Pipeline) {
        let happening = match message.view() {
            gst::MessageView::Element(element) => {
                let now = pipeline.current_running_time();
                element
                    .structure()
                    .and_then(|structure| read(structure, now))
            }
            gst::MessageView::Latency(_) => Some(Happening::Latency),
            gst::MessageView::Error(error) => Some(Happening::Failed(failure(error, pipeline))),
            gst::MessageView::Warning(warning) => {
                tracing::warn!("{}", warning.error());
                None
            }
            gst::MessageView::Eos(_) => Some(Happening::Failed(Failure {
                place: Place::Elsewhere,
                sentence: "the pipeline has ended by itself".into(),
            })),
            _ => None,
        };
        if let Some(happening) = happening {
            self.tell(happening);
        }
    }
}

pub(super) fn failure(error: &gst::message::Error, pipeline: &gst::Pipeline) -> Failure {
    let source = error.src();
    let factory = |object: &gst::Object, name: &str| {
        let mut object = Some(object.clone());
        while let Some(at) = object {
            let element = at.downcast_ref::<gst::Element>();
            if element
                .and_then(|e| e.factory())
                .is_some_and(|f| f.name() == name)
            {
                return true;
            }
            if at == *pipeline.upcast_ref::<gst::Object>() {
                return false;
            }
            object = at.parent();
        }
        false
    };
    let place = match source {
        Some(source) if factory(source, "grpctts") => Place::Worker,
        Some(source) if factory(source, "ttssink") => Place::Mouth,
        _ => Place::Elsewhere,
    };
    let name = source.map(|source| source.path_string().to_string());
    let text = error.error().message().trim_end().to_string();
    Failure {
        place,
        sentence: match name {
            Some(name) => format!("{name}: {text}"),
            None => text,
        },
    }
}

fn text(structure: &gst::StructureRef, field: &str) -> String {
    let value = structure.get::<Option<String>>(field).ok().flatten();
    value.unwrap_or_default()
}

fn time(structure: &gst::StructureRef, field: &str) -> Duration {
    let time = structure.get::<u64>(field).ok().filter(|t| *t != u64::MAX);
    Duration::from_nanos(time.unwrap_or(0))
}

fn read(structure: &gst::StructureRef, now: Option<gst::ClockTime>) -> Option<Happening> {
    let utterance = || Arc::<str>::from(text(structure, "utterance-id"));
    Some(match structure.name().as_str() {
        "ttssink/utterance-started" => Happening::Started(utterance()),
        "ttssink/word" => Happening::Word(Word {
            utterance: utterance(),
            text: text(structure, "text"),
            start: time(structure, "start"),
            duration: time(structure, "duration"),
        }),
        "ttssink/utterance-finished" => Happening::Finished(utterance()),
        "ttssink/paused" => Happening::Paused(
            utterance(),
            structure.get::<bool>("by-ear").unwrap_or(false),
        ),
        "ttssink/resumed" => Happening::Resumed(utterance()),
        "ttssink/interrupted" => Happening::Interrupted(Interrupted {
            utterance: utterance(),
            heard: text(structure, "heard-text"),
            unheard: text(structure, "unheard-text"),
            position: time(structure, "position"),
            is_final: structure.get::<bool>("final").unwrap_or(true),
            by_voice: text(structure, "reason") == "onset-commit",
            took: time(structure, "sounds-until").saturating_sub(time(structure, "decided-at")),
        }),
        "voice-activity" => match text(structure, "state").as_str() {
            "started" => Happening::Voice(true),
            "ended" | "cancelled" => Happening::Voice(false),
            _ => return None,
        },
        "transcript" => Happening::Transcript {
            text: text(structure, "text"),
            is_final: structure.get::<bool>("final").unwrap_or(false),
            backchannel: structure.get::<bool>("backchannel").unwrap_or(false),
            endpointing: (structure.get::<u64>("speech-end").ok())
                .zip(now)
                .map(|(end, now)| Duration::from(now).saturating_sub(Duration::from_nanos(end))),
        },
        "chat-answer" => Happening::Answer,
        _ => return None,
    })
}

// SPDX-License-Identifier: MPL-2.0

//! One pipeline from NULL to its end: start, messages, Ctrl-C, drain, NULL again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use crate::plan::{Bindings, Plan, PlannedElement};
use crate::run::devices;

/// How long the pipeline may take to drain after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(3);
/// How long the pipeline may take to start before a line in the log says so.
const START: Duration = Duration::from_secs(5);

/// What else a session is to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Ends by itself after this time.
    pub duration: Option<Duration>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything that ends has ended.
    Eos,
    /// Ctrl-C, SIGTERM, or the given duration.
    Stopped,
    /// An element failed, or it could not be started: one sentence, with the place in the description.
    Failed(String),
}

/// Follows what happens in a session.
pub trait Observer<B> {
    /// The pipeline is ready, and its sound devices are open.
    fn ready(&mut self, _pipeline: &gst::Pipeline, _bindings: &B) {}
    /// A message of the pipeline's bus; `now` is the running time.
    fn message(&mut self, _message: &gst::Message, _now: gst::ClockTime) {}
}

/// Follows nothing.
impl<B> Observer<B> for () {}

/// What a session needs of its bindings while it runs.
pub trait Started: Bindings {
    /// The pipeline was told to play.
    fn start(&mut self);
    /// The pipeline is about to end.
    fn stop(&mut self);
}

/// Runs a plan to its end on the calling thread.
pub fn run<B: Started>(
    plan: &Plan,
    mut bindings: B,
    options: &Options,
    observer: &mut dyn Observer<B>,
) -> Ending {
    let pipeline = match plan.build(&mut bindings) {
        Ok(pipeline) => pipeline,
        Err(err) => {
            return Ending::Failed(format!(
                "{}:{}:{}: {}",
                plan.name, err.at.line, err.at.column, err.message
            ));
        }
    };
    let ending = play(plan, &pipeline, &mut bindings, options, observer);
    bindings.stop();
    let _ = pipeline.set_state(gst::State::Null);
    ending
}

fn play<B: Started>(
    plan: &Plan,
    pipeline: &gst::Pipeline,
    bindings: &mut B,
    options: &Options,
    observer: &mut dyn Observer<B>,
) -> Ending {
    let Some(bus) = pipeline.bus() else {
        return Ending::Failed(format!("{}: the pipeline has no bus", plan.name));
    };
    let places = Places::follow(plan, pipeline, &bus);
    if pipeline.set_state(gst::State::Ready).is_err() {
        return Ending::Failed(failure(plan, &bus, &places));
    }
    if let Some(message) = devices::missing(pipeline) {
        return Ending::Failed(if plan.name.is_empty() {
            message.to_string()
        } else {
            format!("{}: {message}", plan.name)
        });
    }
    // From here on something may be written, which Ctrl-C is to end well.
    let signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(err) => return Ending::Failed(format!("Ctrl-C cannot be caught: {err}")),
    };
    observer.ready(pipeline, bindings);
    if pipeline.set_state(gst::State::Playing).is_err() {
        return Ending::Failed(failure(plan, &bus, &places));
    }

    bindings.start();
    let started = std::time::Instant::now();
    let mut playing = false;
    let mut stopping: Option<std::time::Instant> = None;
    loop {
        let called = signals.take();
        let over = options
            .duration
            .is_some_and(|duration| started.elapsed() >= duration);
        if stopping.is_none() && (called || over) {
            stopping = Some(std::time::Instant::now());
            drain(pipeline);
        } else if called {
            // A second Ctrl-C does not wait.
            break Ending::Stopped;
        }
        if stopping.is_some_and(|since| since.elapsed() > DRAIN) {
            tracing::warn!("the pipeline did not drain within {DRAIN:?}");
            break Ending::Stopped;
        }
        if !playing && started.elapsed() > START {
            playing = true;
            tracing::warn!("the pipeline does not play yet: an element waits for its first data");
        }
        // Signals are seen within this time as well.
        let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(20)) else {
            continue;
        };
        let now = pipeline
            .current_running_time()
            .unwrap_or(gst::ClockTime::ZERO);
        observer.message(&message, now);
        match message.view() {
            gst::MessageView::Eos(_) => {
                break if stopping.is_some() {
                    Ending::Stopped
                } else {
                    Ending::Eos
                };
            }
            gst::MessageView::Error(err) => {
                break Ending::Failed(sentence(plan, &message, err, &places));
            }
            gst::MessageView::Warning(warning) => {
                tracing::warn!("{}", warning.error());
            }
            gst::MessageView::Latency(_) => {
                let _ = pipeline.recalculate_latency();
            }
            gst::MessageView::StateChanged(change)
                if change.current() == gst::State::Playing
                    && message.src().is_some_and(|src| *src == *pipeline) =>
            {
                playing = true;
            }
            gst::MessageView::ClockLost(_) => {
                // The device that set the pace went away: the pipeline chooses another clock when it plays anew.
                tracing::info!("the clock was lost; another is chosen");
                let _ = pipeline.set_state(gst::State::Paused);
                if pipeline.set_state(gst::State::Playing).is_err() {
                    break Ending::Failed(failure(plan, &bus, &places));
                }
            }
            gst::MessageView::RequestState(request) => {
                let _ = pipeline.set_state(request.requested_state());
            }
            _ => {}
        }
    }
}

/// Ctrl-C and SIGTERM as a flag, while it lives.
struct Signals {
    flag: Arc<AtomicBool>,
    registered: Vec<signal_hook::SigId>,
}

impl Signals {
    fn catch() -> std::io::Result<Signals> {
        let flag = Arc::new(AtomicBool::new(false));
        let mut signals = Signals {
            flag: flag.clone(),
            registered: Vec::new(),
        };
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let id = signal_hook::flag::register(signal, flag.clone())?;
            signals.registered.push(id);
        }
        Ok(signals)
    }

    /// Whether there was one since the last call.
    fn take(&self) -> bool {
        self.flag.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// Stops a mouth in the middle of its text and lets everything else run out.
fn drain(pipeline: &gst::Pipeline) {
    let elements: Vec<gst::Element> = pipeline.iterate_recurse().into_iter().flatten().collect();
    for element in elements {
        let ours = element
            .factory()
            .is_some_and(|factory| factory.name() == "ttssink");
        if ours && glib::subclass::SignalId::lookup("interrupt", element.type_()).is_some() {
            element.emit_by_name_with_values("interrupt", &[]);
        }
    }
    pipeline.send_event(gst::event::Eos::new());
}

/// Where in the description the errors of a pipeline come from, found while they are posted: an element that could not be
/// started is taken out of its bin before anybody reads the bus.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<Vec<(gst::Seqnum, PlannedElement)>>>);

impl Places {
    fn follow(plan: &Plan, pipeline: &gst::Pipeline, bus: &gst::Bus) -> Places {
        let places = Places::default();
        let (plan, weak, found) = (plan.clone(), pipeline.downgrade(), places.clone());
        bus.set_sync_handler(move |_, message| {
            if message.type_() == gst::MessageType::Error
                && let (Some(pipeline), Some(source)) = (weak.upgrade(), message.src())
                && let Some(element) = plan.element_of(&pipeline, source)
            {
                let mut found = found.0.lock().unwrap_or_else(PoisonError::into_inner);
                found.push((message.seqnum(), element.clone()));
            }
            gst::BusSyncReply::Pass
        });
        places
    }

    fn of(&self, message: &gst::Message) -> Option<PlannedElement> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = found.iter().find(|(posted, _)| *posted == message.seqnum());
        at.map(|(_, element)| element.clone())
    }
}

/// The sentence of the first error on the bus.
fn failure(plan: &Plan, bus: &gst::Bus, places: &Places) -> String {
    while let Some(message) = bus.pop() {
        if let gst::MessageView::Error(err) = message.view() {
            return sentence(plan, &message, err, places);
        }
    }
    format!(
        "{}: the pipeline cannot be started; `duplex -v run` shows why",
        plan.name
    )
}

/// The sentence to show: where an element had none of its own, and GStreamer put a general one in its place, what the
/// element said for its developers. There it stands behind a line with file, line and path, and a chain of causes may follow.
fn telling(sentence: &str, debug: &str) -> String {
    const LONG: usize = 300;
    let general = sentence.starts_with("GStreamer encountered a general")
        || sentence.starts_with("Internal ");
    let detail = debug.split_once(":\n").map_or("", |(_, detail)| detail);
    let detail = detail.split("Stack backtrace:").next().unwrap_or_default();
    let words: Vec<&str> = detail.split_whitespace().collect();
    if !general || words.is_empty() {
        return sentence.to_owned();
    }
    words.join(" ").chars().take(LONG).collect()
}

/// An element's own sentence, with the place of the element in the description where there is one.
fn sentence(
    plan: &Plan,
    message: &gst::Message,
    err: &gst::message::Error,
    places: &Places,
) -> String {
    tracing::info!(
        debug = err.debug().map(|debug| debug.to_string()),
        "{}",
        err.error()
    );
    let error = err.error();
    let debug = err.debug().unwrap_or_default();
    let text = telling(error.message().trim_end(), &debug);
    let advice = if text.starts_with("no sound device") {
        "; duplex run does without one by --quiet"
    } else {
        ""
    };
    if plan.name.is_empty() {
        return text.to_string();
    }
    let place = match places.of(message) {
        Some(element) => format!(
            "{}:{}:{}: {}",
            plan.name, element.at.line, element.at.column, element.id
        ),
        None => plan.name.clone(),
    };
    format!("{place}: {text}{advice}")
}

#[cfg(test)]
mod tests {
    use super::telling;

    #[test]
    fn a_general_sentence_gives_way_to_what_the_element_said() {
        let debug = "src/imp.rs(99): start (): /Pipeline:p/Sink:s:\nno room\n\nCaused by:\n    0: refused\n\nStack backtrace:\n 0: f";
        let general = "GStreamer encountered a general stream error.";
        assert_eq!(telling(general, debug), "no room Caused by: 0: refused");
        assert_eq!(telling(general, ""), general);
        assert_eq!(telling("no such voice", debug), "no such voice");
    }
}

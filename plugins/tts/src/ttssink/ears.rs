// SPDX-License-Identifier: MPL-2.0

//! Who interrupts the mouth: finding the ear and listening to it.
//!
//! The ear's handlers run in its streaming thread and only tell playout, which sets an atomic and wakes. Lock:
//! `ears`, for taking things out and putting them in.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::imp::{CAT, TtsSink};
use crate::playout::EarEvent;

const SIGNALS: [(&str, EarEvent); 5] = [
    ("speech-suspected", EarEvent::Suspected),
    ("speech-onset", EarEvent::Onset),
    ("speech-started", EarEvent::Started),
    ("speech-cancelled", EarEvent::Cancelled),
    ("speech-ended", EarEvent::Ended),
];

/// What is connected while the mouth runs.
#[derive(Default)]
pub struct Ears {
    ear: Option<(glib::WeakRef<gst::Element>, Vec<glib::SignalHandlerId>)>,
    top: Option<(glib::WeakRef<gst::Bin>, Vec<glib::SignalHandlerId>)>,
}

/// What the name in `interrupted-by` stands for.
enum Found {
    Ear(gst::Element),
    Nobody,
}

/// A signal of that name that can be listened to: one that returns nothing.
fn tells(element: &gst::Element, name: &str) -> bool {
    glib::subclass::SignalId::lookup(name, element.type_())
        .is_some_and(|signal| signal.query().return_type().type_() == glib::Type::UNIT)
}

fn is_ear(element: &gst::Element) -> bool {
    tells(element, "speech-started")
}

/// Why an element is no ear.
fn deaf(element: &gst::Element) -> String {
    let name = "speech-started";
    let has = glib::subclass::SignalId::lookup(name, element.type_()).is_some();
    format!(
        "{} has no signal {name}{} (vad and vadsrc have)",
        factory(element),
        if has { " without a return value" } else { "" }
    )
}

/// The outermost bin around an element.
fn top_level(element: &gst::Element) -> Option<gst::Bin> {
    let mut top = element.parent()?;
    while let Some(parent) = top.parent() {
        top = parent;
    }
    top.downcast().ok()
}

/// `/bin/ears`: the names from below `top` down to the element.
fn path(element: &gst::Element, top: &gst::Bin) -> String {
    let mut path = String::new();
    let mut object: Option<gst::Object> = Some(element.clone().upcast());
    while let Some(this) = object {
        if &this == top.upcast_ref::<gst::Object>() {
            break;
        }
        path = format!("/{}{path}", this.name());
        object = this.parent();
    }
    path
}

/// Whether a path ends with the names asked for; a leading `/` asks for the whole path.
fn matches(path: &str, wanted: &str) -> bool {
    if wanted.starts_with('/') {
        return path == wanted;
    }
    path.strip_suffix(wanted)
        .is_some_and(|before| before.ends_with('/'))
}

fn collect(bin: &gst::Bin, except: &gst::Element, all: &mut Vec<gst::Element>) {
    for child in bin.children() {
        if &child == except {
            continue;
        }
        if let Some(bin) = child.downcast_ref::<gst::Bin>() {
            collect(bin, except, all);
        }
        all.push(child);
    }
}

impl TtsSink {
    /// Listens to the ear that the properties name. `Err` is a sentence.
    pub(super) fn connect_ears(&self) -> Result<(), String> {
        let settings = self.settings();
        if settings.interrupter_set {
            return match settings.interrupter.upgrade() {
                Some(ear) if is_ear(&ear) => {
                    self.listen_to(&ear);
                    Ok(())
                }
                Some(other) => Err(format!(
                    "interrupter `{}` cannot interrupt: {}",
                    other.name(),
                    deaf(&other)
                )),
                None if settings.interrupted_by_optional => Ok(()),
                None => Err(
                    "the element that was set as interrupter is gone; keep it, or set interrupter=NULL"
                        .into(),
                ),
            };
        }
        let Some(wanted) = settings.interrupted_by else {
            return Ok(());
        };
        let this = self.obj().clone().upcast::<gst::Element>();
        let top = top_level(&this);
        if let Some(top) = &top {
            self.watch(top);
        }
        match self.find(&wanted, top.as_ref())? {
            Found::Ear(ear) => self.listen_to(&ear),
            Found::Nobody if settings.interrupted_by_optional => {
                gst::info!(
                    CAT,
                    imp = self,
                    "No element `{wanted}` to be interrupted by yet"
                );
            }
            Found::Nobody => {
                return Err(format!(
                    "interrupted-by={wanted}: there is no element of that name in the pipeline; name a vad or vadsrc \
                     `{wanted}`, or set interrupted-by-optional=true"
                ));
            }
        }
        Ok(())
    }

    fn find(&self, wanted: &str, top: Option<&gst::Bin>) -> Result<Found, String> {
        let Some(top) = top else {
            return Ok(Found::Nobody);
        };
        let this = self.obj();
        let mut all = Vec::new();
        collect(top, this.upcast_ref(), &mut all);
        let mut named: Vec<(String, gst::Element)> = all
            .into_iter()
            .map(|element| (path(&element, top), element))
            .filter(|(path, _)| matches(path, wanted))
            .collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let (mut ears, others): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|(_, element)| is_ear(element));
        match (ears.pop(), ears.is_empty(), others.first()) {
            (Some((_, ear)), true, _) => Ok(Found::Ear(ear)),
            (Some((last, _)), false, _) => {
                let mut paths: Vec<String> = ears.into_iter().map(|(path, _)| path).collect();
                paths.push(last);
                Err(format!(
                    "interrupted-by={wanted} could be any of {}: give the path of the one",
                    paths.join(", ")
                ))
            }
            (None, _, Some((path, other))) => Err(format!(
                "interrupted-by={wanted}: {path} cannot interrupt, {}",
                deaf(other)
            )),
            (None, _, None) => Ok(Found::Nobody),
        }
    }

    /// Has the outermost bin tell who comes and goes.
    fn watch(&self, top: &gst::Bin) {
        let weak = self.obj().downgrade();
        let added = top.connect_deep_element_added(move |top, _, element| {
            if let Some(mouth) = weak.upgrade() {
                mouth.imp().arrived(top, element);
            }
        });
        let weak = self.obj().downgrade();
        let removed = top.connect_deep_element_removed(move |_, _, element| {
            if let Some(mouth) = weak.upgrade() {
                mouth.imp().left(element);
            }
        });
        self.ears().top = Some((top.downgrade(), vec![added, removed]));
    }

    fn arrived(&self, top: &gst::Bin, element: &gst::Element) {
        let Some(wanted) = self.settings().interrupted_by else {
            return;
        };
        if !is_ear(element) || !matches(&path(element, top), &wanted) {
            return;
        }
        match self.ear() {
            None => {
                self.listen_to(element);
                if let Err(fault) = self.probe_for(element) {
                    gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{fault}"));
                }
            }
            Some(ear) if &ear == element => {}
            Some(ear) => gst::element_imp_warning!(
                self,
                gst::ResourceError::Busy,
                (
                    "interrupted-by={wanted} now also names {}; {} stays the one",
                    path(element, top),
                    path(&ear, top)
                )
            ),
        }
    }

    fn left(&self, element: &gst::Element) {
        let ours = self
            .ears()
            .ear
            .as_ref()
            .is_some_and(|(ear, _)| ear.upgrade().as_ref() == Some(element));
        if ours {
            gst::info!(CAT, imp = self, "The ear {} is gone", element.name());
            self.deafen();
        }
    }

    fn listen_to(&self, ear: &gst::Element) {
        {
            // It may be found and arrive at the same time.
            let mut ears = self.ears();
            if (ears.ear.as_ref()).is_some_and(|(known, _)| known.upgrade().is_some()) {
                return;
            }
            ears.ear = Some((ear.downgrade(), Vec::new()));
        }
        gst::info!(CAT, imp = self, "Interrupted by {}", ear.path_string());
        let mut handlers = Vec::new();
        for (name, event) in SIGNALS {
            if !tells(ear, name) {
                continue;
            }
            let playout = self.playout.downgrade();
            handlers.push(ear.connect(name, false, move |_| {
                if let Some(playout) = playout.upgrade() {
                    playout.ear(event);
                }
                None
            }));
        }
        let mut ears = self.ears();
        match &mut ears.ear {
            Some((known, all)) if known.upgrade().as_ref() == Some(ear) => {
                all.append(&mut handlers)
            }
            _ => {
                // It has gone meanwhile.
                drop(ears);
                for handler in handlers {
                    ear.disconnect(handler);
                }
                return;
            }
        }
        drop(ears);
        if hears_far_end(ear) {
            let ear = ear.downgrade();
            let mouth = self.downgrade();
            let warned = AtomicBool::new(false);
            self.playout.set_frame_listener(Some(Arc::new(
                move |running_time, duration, rms_db| {
                    let (Some(mouth), Some(ear)) = (mouth.upgrade(), ear.upgrade()) else {
                        return;
                    };
                    let Some(running_time) = mouth.time_of_ear(&ear, running_time, &warned) else {
                        return;
                    };
                    let report = gst::Structure::builder("far-end")
                        .field("running-time", running_time.nseconds())
                        .field("duration", duration.nseconds())
                        .field("rms-db", rms_db)
                        .build();
                    ear.emit_by_name::<()>("far-end", &[&report]);
                },
            )));
        }
    }

    /// A running time of ours as the ear's, which may be in a pipeline with another base time. `None` where the ear
    /// does not run, or where no time of ours is one of its: then it hears the agent as it would hear anybody.
    fn time_of_ear(
        &self,
        ear: &gst::Element,
        running_time: gst::ClockTime,
        warned: &AtomicBool,
    ) -> Option<gst::ClockTime> {
        let mouth = self.obj();
        let (ours, its) = (mouth.clock()?, ear.clock()?);
        if ours != its {
            if !warned.swap(true, Ordering::Relaxed) {
                gst::element_imp_warning!(
                    self,
                    gst::CoreError::Clock,
                    (
                        "the ear {} runs on another clock and cannot be told what is played, so an echo may interrupt \
                         the speech: have both pipelines use one clock (gst_pipeline_use_clock)",
                        ear.name()
                    )
                );
            }
            return None;
        }
        (running_time + mouth.base_time()?).checked_sub(ear.base_time()?)
    }

    fn deafen(&self) {
        let ear = self.ears().ear.take();
        self.playout.set_frame_listener(None);
        let Some((ear, handlers)) = ear else { return };
        if let Some(ear) = ear.upgrade() {
            for handler in handlers {
                ear.disconnect(handler);
            }
        }
        self.playout.forget_ear();
    }

    /// Ends all listening.
    pub(super) fn disconnect_ears(&self) {
        let top = self.ears().top.take();
        if let Some((top, handlers)) = top
            && let Some(top) = top.upgrade()
        {
            for handler in handlers {
                top.disconnect(handler);
            }
        }
        self.deafen();
    }

    /// The ear of the moment.
    pub(super) fn ear(&self) -> Option<gst::Element> {
        self.ears().ear.as_ref().and_then(|(ear, _)| ear.upgrade())
    }
}

/// Whether the ear wants to know what the mouth plays, in the form that we tell it.
fn hears_far_end(ear: &gst::Element) -> bool {
    let Some(signal) = glib::subclass::SignalId::lookup("far-end", ear.type_()) else {
        return false;
    };
    let query = signal.query();
    query.flags().contains(glib::SignalFlags::ACTION)
        && query.return_type().type_() == glib::Type::UNIT
        && matches!(query.param_types(), [only] if only.type_() == gst::Structure::static_type())
}

fn factory(element: &gst::Element) -> String {
    element
        .factory()
        .map_or_else(|| element.type_().to_string(), |f| f.name().to_string())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_name_or_the_end_of_a_path_is_enough() {
        for (path, wanted) in [
            ("/ears", "ears"),
            ("/bin/ears", "ears"),
            ("/bin/ears", "bin/ears"),
            ("/a/bin/ears", "bin/ears"),
            ("/ears", "/ears"),
        ] {
            assert!(matches(path, wanted), "{path} {wanted}");
        }
        for (path, wanted) in [
            ("/dears", "ears"),
            ("/bin/ears", "/ears"),
            ("/bin/ears", "in/ears"),
            ("/ears", "bin/ears"),
            ("/ears", ""),
        ] {
            assert!(!matches(path, wanted), "{path} {wanted}");
        }
    }
}

// SPDX-License-Identifier: MPL-2.0

//! The pads themselves: how they lead to [`Core`], their activation and their queries.

use gst::{prelude::*, subclass::prelude::*};

use crate::{
    core::{Core, Host, Speaker},
    src::Output,
    stream::caps,
};

pub(crate) fn sink_pad<T: Host>(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .chain_function(|_, parent, buffer| {
            T::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |imp| imp.core().chain(imp.obj().upcast_ref(), &buffer),
            )
        })
        .event_function(|pad, parent, event| {
            T::catch_panic_pad_function(
                parent,
                || false,
                |imp| imp.core().sink_event(imp.obj().upcast_ref(), pad, event),
            )
        })
        .query_function(|pad, parent, query| {
            T::catch_panic_pad_function(
                parent,
                || false,
                |imp| imp.core().sink_query(imp.obj().upcast_ref(), pad, query),
            )
        })
        .build()
}

pub(crate) fn src_pad<T: Host>(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .activatemode_function(|_, parent, mode, active| {
            T::catch_panic_pad_function(
                parent,
                || Err(gst::loggable_error!(gst::CAT_DEFAULT, "panicked")),
                |imp| activate(imp, mode, active),
            )
        })
        .event_function(|pad, parent, event| {
            T::catch_panic_pad_function(
                parent,
                || false,
                |imp| imp.core().src_event(imp.obj().upcast_ref(), pad, event),
            )
        })
        .query_function(|pad, parent, query| {
            T::catch_panic_pad_function(
                parent,
                || false,
                |imp| imp.core().src_query(imp.obj().upcast_ref(), pad, query),
            )
        })
        .build()
}

/// Starts and joins the source pad's task.
fn activate<T: Host>(imp: &T, mode: gst::PadMode, active: bool) -> Result<(), gst::LoggableError> {
    let core = imp.core();
    if mode != gst::PadMode::Push {
        return Err(gst::loggable_error!(
            core.cat,
            "only push mode is supported"
        ));
    }
    if !active {
        core.flush_start(true);
        let stopped = core.srcpad.stop_task();
        core.task_ended();
        return stopped.map_err(|error| gst::loggable_error!(core.cat, "{error}"));
    }
    core.start();
    let weak = imp.obj().upcast_ref::<gst::Element>().downgrade();
    let mut output = Output::default();
    core.srcpad
        .start_task(move || {
            // Gone only where the pad is being deactivated, which ends this task.
            let element = weak.upgrade();
            if let Some(host) = element.and_downcast_ref::<T::Type>() {
                host.imp().core().step(host.upcast_ref(), &mut output);
            }
        })
        .map_err(|error| gst::loggable_error!(core.cat, "{error}"))
}

impl<S: Speaker> Core<S> {
    pub(crate) fn sink_query(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        query: &mut gst::QueryRef,
    ) -> bool {
        match query.view_mut() {
            // Buffers of text need no allocator of an audio sink.
            gst::QueryViewMut::Allocation(_) => false,
            gst::QueryViewMut::Caps(query) => {
                let caps = pad.pad_template_caps();
                let caps = match query.filter() {
                    Some(filter) => {
                        filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First)
                    }
                    None => caps,
                };
                query.set_result(&caps);
                true
            }
            _ => gst::Pad::query_default(pad, Some(element), query),
        }
    }

    pub(crate) fn src_event(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        event: gst::Event,
    ) -> bool {
        match event.type_() {
            // GStreamer marks the pad; the task looks before its next buffer.
            gst::EventType::Reconfigure => true,
            // Speech cannot be made in lower quality to save time.
            gst::EventType::Qos => true,
            _ => gst::Pad::event_default(pad, Some(element), event),
        }
    }

    pub(crate) fn src_query(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        query: &mut gst::QueryRef,
    ) -> bool {
        use gst::QueryViewMut;

        match query.view_mut() {
            QueryViewMut::Latency(query) => {
                let (live, min, max) = self.ask_latency();
                let ours = self.settings().latency;
                query.set(live, min + ours, max.map(|max| max + ours));
                true
            }
            QueryViewMut::Caps(query) => {
                let request = self.request("");
                let native = self
                    .engine()
                    .and_then(|engine| engine.sample_rate(&request).ok());
                let mut ours = native.map_or_else(gst::Caps::new_empty, |rate| caps(Some(rate)));
                ours.merge(caps(None));
                let ours = match query.filter() {
                    Some(filter) => ours.intersect_with_mode(filter, gst::CapsIntersectMode::First),
                    None => ours,
                };
                query.set_result(&ours);
                true
            }
            // Upstream knows these of its text, in bytes or of its cues: nothing of the sound's.
            QueryViewMut::Position(_) | QueryViewMut::Duration(_) | QueryViewMut::Convert(_) => {
                false
            }
            QueryViewMut::Seeking(query) if query.format() != gst::Format::Time => {
                let format = query.format();
                query.set(
                    false,
                    gst::GenericFormattedValue::none_for_format(format),
                    gst::GenericFormattedValue::none_for_format(format),
                );
                true
            }
            _ => gst::Pad::query_default(pad, Some(element), query),
        }
    }
}

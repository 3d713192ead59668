// SPDX-License-Identifier: MPL-2.0

//! The pads themselves: how they lead to [`Core`], their activation and their queries.

use std::sync::atomic::Ordering;

use gst::{prelude::*, subclass::prelude::*};

use crate::{
    core::{Core, Host, Listener},
    events,
    worker::Worker,
};

pub(crate) fn sink_pad<T: Host>(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .chain_function(|_, parent, buffer| {
            T::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |imp| imp.core().chain(imp.obj().upcast_ref(), buffer),
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
                |imp| {
                    if event.has_name(events::INTERRUPTED) {
                        imp.core().interrupted.store(true, Ordering::Release);
                    }
                    let element = imp.obj();
                    gst::Pad::event_default(pad, Some(element.upcast_ref::<gst::Element>()), event)
                },
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
    let mut worker = Worker::default();
    core.srcpad
        .start_task(move || {
            // Gone only where the pad is being deactivated, which ends this task.
            let element = weak.upgrade();
            if let Some(host) = element.and_downcast_ref::<T::Type>() {
                host.imp().core().step(host.upcast_ref(), &mut worker);
            }
        })
        .map_err(|error| gst::loggable_error!(core.cat, "{error}"))
}

impl<L: Listener> Core<L> {
    pub(crate) fn sink_query(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        query: &mut gst::QueryRef,
    ) -> bool {
        match query.type_() {
            // Audio waits here, and nothing downstream knows of it.
            gst::QueryType::Allocation | gst::QueryType::Drain => false,
            _ => gst::Pad::query_default(pad, Some(element), query),
        }
    }

    pub(crate) fn src_query(
        &self,
        element: &gst::Element,
        pad: &gst::Pad,
        query: &mut gst::QueryRef,
    ) -> bool {
        match query.view_mut() {
            // Words come when they are known, which is after their time by however long a turn is: nothing that a sink
            // could wait for.
            gst::QueryViewMut::Latency(query) => {
                let (live, min, max) = self.ask_latency();
                query.set(live, min, max);
                true
            }
            _ => gst::Pad::query_default(pad, Some(element), query),
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! What stands between `vadsrc`'s source and the rest, so that the rest always hears a live
//! stream: files are paced on the pipeline clock, and while no caller is there silence flows.
//!
//! A private element: it is not registered as a feature.

use gst::glib;
use gst::subclass::prelude::*;

mod filler;
mod imp;
mod waiter;

use super::Pace;

glib::wrapper! {
    pub struct Intake(ObjectSubclass<imp::Intake>) @extends gst::Element, gst::Object;
}

impl Intake {
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// Sets, while stopped, how to pace, and whether callers come and go.
    pub fn configure(&self, pace: Pace, callers: bool) {
        self.imp().configure(pace, callers);
    }
}

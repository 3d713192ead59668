// SPDX-License-Identifier: MPL-2.0

//! What the bus hears while an engine loads.

use std::cell::RefCell;

use duplex_synthesis::Error;
use gst::prelude::*;

/// The code of the messages.
const CODE: &str = "load";

/// Tells of a load in PROGRESS messages of the code `load`: START with the first news, CONTINUE while it goes on, then
/// COMPLETE or ERROR. Each bears `percent` (gint, 0 to 100). A load without news posts nothing.
///
/// Used by one thread, that of the state change.
pub struct Loading<'a> {
    element: &'a gst::Element,
    last: RefCell<Option<(i32, String)>>,
}

impl<'a> Loading<'a> {
    pub(crate) fn new(element: &'a gst::Element) -> Self {
        Self {
            element,
            last: RefCell::default(),
        }
    }

    /// So much is done, 0.0 to 1.0, and this is being done. Posts where a whole percent or the words are new.
    pub fn progress(&self, done: f64, what: &str) {
        // A load is complete once it has ended well, no sooner.
        let percent = ((done * 100.0) as i32).clamp(0, 99);
        let news = Some((percent, what.to_owned()));
        let before = self.last.replace(news.clone());
        if before == news {
            return;
        }
        let kind = match before {
            None => gst::ProgressType::Start,
            Some(_) => gst::ProgressType::Continue,
        };
        self.post(kind, percent, what);
    }

    /// A WARNING message: it loads, but not as was wished.
    pub fn warn(&self, what: &str) {
        gst::element_warning!(self.element, gst::ResourceError::NotFound, ("{what}"));
    }

    /// Whatever came of it.
    pub(crate) fn ended(&self, error: Option<&Error>) {
        let Some((percent, _)) = self.last.take() else {
            return;
        };
        match error {
            None => self.post(gst::ProgressType::Complete, 100, "loaded"),
            Some(error) => self.post(gst::ProgressType::Error, percent, &error.to_string()),
        }
    }

    fn post(&self, kind: gst::ProgressType, percent: i32, what: &str) {
        let message = gst::message::Progress::builder(kind, CODE, what)
            .src(self.element)
            .other_field("percent", percent)
            .build();
        // Without a bus there is nobody to tell.
        let _ = self.element.post_message(message);
    }
}

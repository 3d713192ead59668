// SPDX-License-Identifier: MPL-2.0

//! Engines and voices that do not work.

use duplex_tests::{ending::expect_error, speaking::Rig};
use gst::prelude::*;

use crate::{bus, errors, init, texts};

#[test]
fn a_wrong_voice_is_said_before_anything_starts() {
    init();
    let rig = Rig::new("tonetts");
    let bus = bus(&rig);
    rig.element.set_property("voice", "tonne");
    assert!(rig.element.set_state(gst::State::Ready).is_err());
    let errors = errors(&bus);
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains("`tonne`") && errors[0].contains("`tone`"),
        "{errors:?}"
    );
    assert_eq!(rig.element.current_state(), gst::State::Null);
    rig.element.set_property("voice", "tone-text");
    rig.start();
}

#[test]
fn a_panicking_engine_is_an_error_message() {
    init();
    let rig = Rig::playing("tonetts");
    let bus = bus(&rig);
    rig.element.set_property("panic", true);
    rig.push("Hello.").unwrap();
    rig.event(gst::event::Eos::new());
    expect_error(&bus, "the engine panics");
    // It stops as it should, and starts again.
    rig.element.set_property("panic", false);
    rig.stop();
    rig.clear();
    rig.start();
    rig.begin_bytes();
    rig.push("Hello.").unwrap();
    assert_eq!(texts(&rig.drain()), ["Hello"]);
}

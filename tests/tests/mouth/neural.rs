// SPDX-License-Identifier: MPL-2.0

//! A mouth with a neural voice: it speaks, stops, and knows what was heard as well as its voice does.

use duplex_neural_small::SmallModel;
use gst::prelude::*;

use crate::line::{Line, PATIENCE};

#[test]
fn a_neural_voice_is_interrupted_and_tells_what_was_heard() {
    let model = SmallModel::new("lsd");
    let mut line = Line::playing(&format!(
        "ttssink name=mouth synthesizer=\"cudattsynth name=voice model={}\" audio-sink=\"fakesink sync=true\"",
        model.path().display()
    ));
    // What the voice tells while it loads reaches the application.
    let loaded = line.wait_for(PATIENCE, |message| {
        matches!(message.view(), gst::MessageView::Progress(progress)
            if progress.get().0 == gst::ProgressType::Complete)
    });
    assert!(loaded.is_some(), "the bus has not heard of the load");
    let text = "We were told that the harbour lies behind the hill. ".repeat(20);
    for _ in 0..3 {
        let id = line.say(&text).unwrap();
        let begun = line.expect("ttssink/utterance-started");
        assert_eq!(begun.get::<String>("utterance-id").unwrap(), id);
        line.expect_word("hill");
        line.act("interrupt");
        let told = line.expect("ttssink/interrupted");
        assert_eq!(told.get::<String>("utterance-id").unwrap(), id);
        assert_eq!(told.get::<&str>("marks").unwrap(), "estimated", "{told}");
        let heard = told.get::<&str>("heard-text").unwrap();
        let unheard = told.get::<&str>("unheard-text").unwrap();
        // The last word has begun, and may not have been heard; the text is what was heard and the rest.
        assert!(
            heard.starts_with("We were told that the harbour lies behind"),
            "{told}"
        );
        let all: Vec<&str> = heard
            .split_whitespace()
            .chain(unheard.split_whitespace())
            .collect();
        let said: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(
            all[..heard.split_whitespace().count()],
            said[..heard.split_whitespace().count()]
        );
        assert!(said.len() >= all.len(), "{told}");
        line.words();
    }
    // Nobody works for what was dropped.
    let voice = line.pipeline.by_name("voice").unwrap();
    let open = || {
        let stats: gst::Structure = voice.property("stats");
        stats.get::<u64>("open-utterances").unwrap()
    };
    for _ in 0..1_000 {
        if open() == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(open(), 0);
    line.say("It goes on.").unwrap();
    line.expect_word("on");
    line.expect("ttssink/utterance-finished");
}

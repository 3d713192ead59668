// SPDX-License-Identifier: MPL-2.0

//! A mouth with the small voice: what was heard is exact to the word.

use std::{thread, time::Duration};

use duplex_tests::{
    random::Random,
    speaking::{Rig, words},
};

use crate::line::{self, Line};

const TEXT: &str = "We were told that the harbour lies behind the hill, and that nobody had seen it for a year. \
                    One of them had been there, with $3.50 in his pocket, on the second of May.";

#[test]
fn what_was_heard_of_the_small_voice_is_exact_to_the_word() {
    line::init();
    // Where the words are does not depend on who listens.
    let rig = Rig::playing("cudattsynth");
    rig.push(TEXT).unwrap();
    let marks = words(&rig.drain());
    assert_eq!(marks.len(), TEXT.split_whitespace().count());
    let last = marks.last().unwrap();
    let length = (last.start + last.duration).mseconds();
    let mut line = Line::playing(
        "ttssink name=mouth synthesizer=cudattsynth fade-duration=0 audio-sink=\"fakesink sync=true\"",
    );
    let mut random = Random::new(11);
    for _ in 0..6 {
        let id = line.say(TEXT).unwrap();
        let begun = line.expect("ttssink/utterance-started");
        assert_eq!(begun.get::<String>("utterance-id").unwrap(), id);
        let wait = random.below(length as usize / 2) as u64;
        thread::sleep(Duration::from_millis(100 + wait));
        line.act("interrupt");
        let told = line.expect("ttssink/interrupted");
        assert_eq!(told.get::<&str>("marks").unwrap(), "exact", "{told}");
        let position = told.get::<u64>("position").unwrap();
        let position = gst::ClockTime::from_nseconds(position);
        let heard = told.get::<&str>("heard-text").unwrap();
        let heard: Vec<&str> = heard.split_whitespace().collect();
        // A word is heard when at least half of it left.
        let expected = marks
            .iter()
            .filter(|mark| position >= mark.start + mark.duration / 2)
            .count();
        let said: Vec<&str> = TEXT.split_whitespace().take(expected).collect();
        assert_eq!(heard, said, "{told}");
        let cut = marks
            .iter()
            .find(|mark| mark.start < position && position < mark.start + mark.duration);
        let cut = cut.map_or("", |mark| mark.text.as_str());
        assert_eq!(told.get::<&str>("cut-word").unwrap(), cut, "{told}");
        line.words();
    }
    line.say("It goes on.").unwrap();
    line.expect_word("on");
    line.expect("ttssink/utterance-finished");
}

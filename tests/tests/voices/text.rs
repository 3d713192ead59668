// SPDX-License-Identifier: MPL-2.0

//! Text as it comes: in slices, broken, or a lot of it.

use std::time::Duration;

use duplex_tests::speaking::{Out, Rig, samples, utterances, words};
use gst::prelude::*;

use crate::{bus, errors, init, texts};

#[test]
fn characters_may_be_split_anywhere() {
    init();
    let text = "Ünïcödé wörds 漢字 und Straße.".as_bytes();
    let mut whole = None;
    for at in 0..=text.len() {
        let rig = Rig::playing("tonetts");
        rig.push(&text[..at]).unwrap();
        rig.push(&text[at..]).unwrap();
        let out = rig.drain();
        let heard = (texts(&out), samples(&out));
        assert_eq!(
            &heard,
            whole.get_or_insert_with(|| heard.clone()),
            "split at {at}"
        );
    }
    assert!(whole.unwrap().0.contains(&"Straße".to_owned()));
}

#[test]
fn a_byte_order_mark_is_no_text() {
    init();
    let rig = Rig::playing("tonetts");
    rig.push("\u{feff}One two.").unwrap();
    let out = rig.drain();
    let words = words(&out);
    assert_eq!(words[0].text, "One");
    assert_eq!(words[0].text_start, 0);
}

#[test]
fn invalid_utf8_is_one_warning_an_utterance() {
    init();
    let rig = Rig::playing("tonetts");
    let bus = bus(&rig);
    rig.push(b"caf\xe9 cr\xe8me br\xfbl\xe9e. ").unwrap();
    rig.push(b"na\xefve").unwrap();
    let out = rig.drain();
    assert_eq!(utterances(&out).len(), 1);
    assert!(!samples(&out).is_empty());
    let warnings: Vec<String> = bus
        .iter_filtered(&[gst::MessageType::Warning])
        .map(|message| match message.view() {
            gst::MessageView::Warning(warning) => warning.error().to_string(),
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("no valid UTF-8"), "{warnings:?}");
    assert_eq!(errors(&bus), [""; 0]);
}

#[test]
fn a_megabyte_of_text_is_spoken_in_little_memory() {
    init();
    let rig = Rig::playing("tonetts");
    rig.element.set_property("rate", 4.0f64);
    rig.take_rates(&[8_000]);
    let text = "It was the best of times, it was the worst of times. ".repeat(20_000);
    assert!(text.len() > 1_000_000);
    rig.credit(Some(2));
    // Nobody listens: text is refused after a while by waiting.
    std::thread::scope(|scope| {
        let (rig, text) = (&rig, &text);
        let pushing = scope.spawn(move || rig.push(text));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!pushing.is_finished(), "a megabyte was taken in");
        let stats: gst::Structure = rig.element.property("stats");
        let taken = stats.get::<u64>("text-bytes").unwrap();
        assert!(taken < 256 * 1024, "{taken} bytes were taken in");
        rig.credit(None);
        assert_eq!(pushing.join().unwrap(), Ok(gst::FlowSuccess::Ok));
    });
    rig.event(gst::event::Eos::new());
    let out = rig.wait_for("EOS", |out| out.contains(&Out::Eos));
    let words = words(&out);
    assert_eq!(words.len(), 12 * 20_000);
    let last = words.last().unwrap();
    assert_eq!(
        &text[last.text_start as usize..last.text_end as usize],
        "times"
    );
}

// SPDX-License-Identifier: MPL-2.0

//! Text in all its shapes.

use std::time::Duration;

use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

use crate::line::{Line, PATIENCE, Story};

const MOUTH: &str = "ttssink name=mouth synthesizer=tonetts audio-sink=\"fakesink sync=true\"";

fn appsrc(line: &Line) -> gst_app::AppSrc {
    let source = line.pipeline.by_name("text").unwrap();
    source.downcast().unwrap()
}

fn push(source: &gst_app::AppSrc, text: &str) {
    source
        .push_buffer(gst::Buffer::from_slice(text.to_owned().into_bytes()))
        .unwrap();
}

fn tokens() -> Line {
    Line::playing(&format!(
        "appsrc name=text caps=text/x-raw,format=utf8 format=time ! {MOUTH}"
    ))
}

#[test]
fn a_story_is_told_and_ends() {
    let story = Story::new("Once upon a time. The end.");
    let mut line = Line::playing(&format!("{} ! {MOUTH}", story.line()));
    let begun = line.expect("ttssink/utterance-started");
    line.expect_eos();
    let ended = line.expect("ttssink/utterance-finished");
    assert_eq!(
        begun.get::<&str>("utterance-id").unwrap(),
        ended.get::<&str>("utterance-id").unwrap()
    );
    assert_eq!(ended.get::<u64>("words").unwrap(), 6);
    assert_eq!(line.words(), ["Once", "upon", "a", "time", "The", "end"]);
}

#[test]
fn a_story_reaches_its_end_after_ten_interruptions() {
    // Each interruption drops what the queue and the synthesizer hold, some 64 KiB in each.
    let words: Vec<String> = (0..200_000).map(|n| format!("word{n}")).collect();
    let story = Story::new(words.join(" ") + ".");
    for after in ["discard", "continue"] {
        let mut line = Line::playing(&format!(
            "{} ! {MOUTH} after-interruption={after} text-queue-size=4096",
            story.line()
        ));
        let ear = |line: &mut Line| {
            line.act("interrupt");
            line.expect("ttssink/interrupted")
        };
        line.expect("ttssink/word");
        for n in 0..10 {
            if after == "continue" || n == 0 {
                let told = ear(&mut line);
                let unheard = told.get::<u64>("unheard-characters").unwrap();
                assert!(unheard > 0, "{told}");
            } else {
                line.act("interrupt");
            }
            if after == "continue" {
                // The story goes on under another name.
                line.words();
                line.expect("ttssink/word");
            }
        }
        if after == "continue" {
            line.mouth
                .set_property_from_str("after-interruption", "discard");
            line.act("interrupt");
        }
        line.expect_eos();
    }
}

#[test]
fn tokens_of_a_stopped_answer_are_never_spoken() {
    let mut line = tokens();
    let source = appsrc(&line);
    source.send_event(UtteranceBegin::new("first").to_event());
    push(&source, "one, two, three, four, five, six, seven, ");
    line.expect_word("two");
    line.act("interrupt");
    let told = line.expect("ttssink/interrupted");
    assert_eq!(told.get::<&str>("utterance-id").unwrap(), "first");
    assert_eq!(told.get::<&str>("reason").unwrap(), "action");
    assert!(!told.get::<bool>("final").unwrap());
    push(&source, "eight nine ");
    push(&source, "ten.");
    source.send_event(UtteranceEnd::of_text("first").to_event());
    let rest = line.expect("ttssink/interrupted");
    assert!(rest.get::<bool>("final").unwrap());
    assert!(
        rest.get::<&str>("unheard-text")
            .unwrap()
            .ends_with("eight nine ten.")
    );
    assert_eq!(
        told.get::<&str>("heard-text").unwrap(),
        rest.get::<&str>("heard-text").unwrap()
    );
    source.send_event(UtteranceBegin::new("second").to_event());
    push(&source, "new words");
    source.send_event(UtteranceEnd::of_text("second").to_event());
    let ended = line.expect("ttssink/utterance-finished");
    assert_eq!(ended.get::<&str>("utterance-id").unwrap(), "second");
    let words = line.words();
    assert!(
        words.ends_with(&["new".to_owned(), "words".to_owned()]),
        "{words:?}"
    );
    for stale in ["eight", "nine", "ten"] {
        assert!(!words.contains(&stale.to_owned()), "{words:?}");
    }
}

#[test]
fn the_interruption_goes_upstream_and_a_flush_does_not() {
    let mut line = tokens();
    let source = appsrc(&line);
    let (tell, told) = std::sync::mpsc::channel();
    source
        .static_pad("src")
        .unwrap()
        .add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && let Some(heard) = duplex_textpad::events::Interrupted::from_event(event)
            {
                tell.send(heard).unwrap();
            }
            gst::PadProbeReturn::Ok
        })
        .unwrap();
    push(&source, "one, two, three, four, five, six");
    line.expect_word("two");
    line.act("interrupt");
    let heard = told.recv_timeout(PATIENCE).unwrap();
    assert!(heard.heard_text.starts_with("one"), "{heard:?}");
    let message = line.expect("ttssink/interrupted");
    assert_eq!(
        duplex_textpad::events::Interrupted::from_structure(&message),
        Some(heard)
    );

    source.send_event(UtteranceBegin::new("again").to_event());
    push(&source, "seven, eight, nine, ten, eleven");
    line.expect_word("eight");
    source.send_event(gst::event::FlushStart::new());
    source.send_event(gst::event::FlushStop::new(false));
    loop {
        // The one before is told once more, now that its text is complete.
        let message = line.expect("ttssink/interrupted");
        if message.get::<&str>("reason").unwrap() == "flush" {
            assert_eq!(message.get::<&str>("utterance-id").unwrap(), "again");
            break;
        }
        assert!(message.get::<bool>("final").unwrap());
    }
    line.expect_no("no such message", Duration::from_millis(50));
    assert!(told.try_recv().is_err());

    // It speaks again, and what comes right behind a flush is not lost.
    source.send_event(gst::event::FlushStart::new());
    source.send_event(gst::event::FlushStop::new(false));
    push(&source, "after all.");
    line.words();
    line.expect_word("after");
    line.expect_word("all");
    source.end_of_stream().unwrap();
    line.expect_eos();
}

#[test]
fn it_can_be_said_without_any_stream_and_before_playing() {
    let mut line = Line::new(MOUTH);
    line.pipeline.set_state(gst::State::Paused).unwrap();
    assert!(line.say("ready when you are").is_some());
    line.expect_no("ttssink/word", Duration::from_millis(100));
    line.play();
    line.expect("ttssink/utterance-finished");
    assert_eq!(line.words(), ["ready", "when", "you", "are"]);
    // Right after an interruption, and it is not lost with what was interrupted.
    let first = line
        .say("a long sentence that nobody hears to its very end")
        .unwrap();
    line.expect_word("sentence");
    line.act("interrupt");
    let second = line.say("instead").unwrap();
    let told = line.expect("ttssink/interrupted");
    assert_eq!(told.get::<String>("utterance-id").unwrap(), first);
    let ended = line.expect("ttssink/utterance-finished");
    assert_eq!(ended.get::<String>("utterance-id").unwrap(), second);
    line.expect_word("instead");
}

#[test]
fn nothing_is_said_in_null_and_that_is_told() {
    let line = Line::new(MOUTH);
    assert_eq!(line.say("nobody hears this"), None);
}

#[test]
fn pause_and_resume_lose_no_word() {
    let mut line = Line::playing(MOUTH);
    let all = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"];
    line.say(&all.join(" "));
    line.expect_word("bravo");
    line.act("pause");
    let paused = line.expect("ttssink/paused");
    assert!(paused.get::<u64>("sounds-until").unwrap() >= paused.get::<u64>("decided-at").unwrap());
    line.expect_no("ttssink/utterance-finished", Duration::from_millis(300));
    let said = line.words();
    line.act("resume");
    line.expect("ttssink/resumed");
    line.expect("ttssink/utterance-finished");
    let rest = line.words();
    let mut both = vec!["alpha".to_owned(), "bravo".to_owned()];
    both.extend(said);
    both.extend(rest);
    assert_eq!(both, all);
}

#[test]
fn a_pipeline_that_pauses_goes_on_where_it_was() {
    let mut line = Line::playing(MOUTH);
    line.say("alpha bravo charlie delta");
    line.expect_word("bravo");
    line.pipeline.set_state(gst::State::Paused).unwrap();
    line.expect_no("ttssink/utterance-finished", Duration::from_millis(400));
    line.play();
    line.expect("ttssink/utterance-finished");
    assert_eq!(line.words(), ["charlie", "delta"]);
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_told() {
    let story = Story::new(b"good \xff\xfe words \xe4 here");
    let mut line = Line::playing(&format!("{} blocksize=1 ! {MOUTH}", story.line()));
    let warning = line
        .wait_for(PATIENCE, |m| m.type_() == gst::MessageType::Warning)
        .expect("a warning");
    let gst::MessageView::Warning(warning) = warning.view() else {
        unreachable!()
    };
    assert!(
        warning.error().to_string().contains("not UTF-8 at byte 5"),
        "{warning:?}"
    );
    line.expect_eos();
    let words = line.words();
    assert!(
        words.contains(&"good".to_owned()) && words.contains(&"here".to_owned()),
        "{words:?}"
    );
}

#[test]
fn characters_may_be_cut_anywhere() {
    let story = Story::new("naïve Übergröße 語 日本");
    let mut line = Line::playing(&format!("{} blocksize=1 ! {MOUTH}", story.line()));
    line.expect_eos();
    let words = line.words().concat();
    assert!(words.contains("naïveÜbergröße"), "{words}");
}

#[test]
fn empty_text_ends_like_any_other() {
    for text in ["", " \n\t ", "..."] {
        let story = Story::new(text);
        let mut line = Line::playing(&format!("{} ! {MOUTH}", story.line()));
        line.expect_eos();
        assert_eq!(line.words(), [] as [&str; 0], "{text:?}");
    }
    let mut line = Line::playing(MOUTH);
    line.say("");
    line.say("  ");
    line.say("word");
    line.expect_word("word");
}

#[test]
fn a_megabyte_waits_its_turn_and_is_dropped_at_once() {
    let text = "the quick brown fox jumps over the lazy dog ".repeat(24_000);
    let story = Story::new(&text);
    let mut line = Line::playing(&format!("{} ! {MOUTH}", story.line()));
    line.expect_word("fox");
    // One buffer of filesrc, 4 KiB, and one piece may stand beside what the queue holds.
    assert!(
        line.stat("text-bytes") <= 65_536 + 512,
        "{}",
        line.stat("text-bytes")
    );
    line.act("interrupt");
    let told = line.expect("ttssink/interrupted");
    assert!(told.get::<&str>("unheard-text").unwrap().len() <= 9000);
    line.expect_eos();
    let told = match told.get::<bool>("final").unwrap() {
        true => told,
        false => line.expect("ttssink/interrupted"),
    };
    let unheard = told.get::<u64>("unheard-characters").unwrap();
    let heard = told.get::<&str>("heard-text").unwrap();
    // All of it is heard or unheard, but the space between.
    assert!(text.starts_with(heard));
    let rest = text[heard.len()..].trim_start();
    assert_eq!(unheard, rest.len() as u64, "of {}", text.len());
}

/// Tokens come while the ear interrupts: some are handed over when speech has just stopped and nobody has told so yet.
#[test]
fn no_token_is_lost_between_a_stop_and_its_report() {
    for (after, lines, rounds) in [("discard", 1, 20), ("continue", 5, 1)] {
        for line in 0..lines {
            tokens_under_fire(after, line, rounds);
        }
    }
}

fn tokens_under_fire(after: &str, number: u64, rounds: u64) {
    let mut line = Line::playing(&format!(
        "audiotestsrc is-live=true ! testear name=ears ! fakesink \
         appsrc name=text caps=text/x-raw,format=utf8 format=time ! {MOUTH} interrupted-by=ears \
         interruption=immediate after-interruption={after}"
    ));
    let (source, ear) = (appsrc(&line), line.ear("ears"));
    let mut tokens = Vec::new();
    let mut told = String::new();
    for round in 0..rounds {
        let id = format!("answer-{round}");
        source.send_event(UtteranceBegin::new(&id).to_event());
        let first = format!("r{round}n0");
        // A mark, so that it is spoken before the next.
        push(&source, &format!("{first}, "));
        line.expect_word(&first);
        let feeder = source.clone();
        let writer = std::thread::spawn(move || {
            let token = |n| format!("r{round}n{n}");
            for n in 1..100 {
                push(&feeder, &format!("{} ", token(n)));
                std::thread::sleep(Duration::from_micros(200));
            }
            (1..100).map(token).collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_millis(1 + (round + number) % 12));
        ear.hear("speech-onset");
        tokens.push(first);
        tokens.extend(writer.join().unwrap());
        source.send_event(UtteranceEnd::of_text(&id).to_event());
        ear.hear("speech-ended");
        told += &stopped(&mut line);
    }
    if after == "continue" {
        // What was not given to the synthesizer goes on; all of that is told now.
        line.mouth
            .set_property_from_str("after-interruption", "discard");
        line.act("interrupt");
        told += &stopped(&mut line);
    }
    let known: std::collections::HashSet<&str> =
        told.split(|c: char| !c.is_alphanumeric()).collect();
    let lost: Vec<_> = tokens
        .iter()
        .filter(|token| !known.contains(token.as_str()))
        .collect();
    assert!(lost.is_empty(), "{after}: {lost:?} of {told}");
}

/// All that is told of the next interruption, once its text is complete.
fn stopped(line: &mut Line) -> String {
    loop {
        let told = line.expect("ttssink/interrupted");
        if told.get::<bool>("final").unwrap() {
            let part = |name| told.get::<&str>(name).unwrap();
            return format!("{} {} ", part("heard-text"), part("unheard-text"));
        }
    }
}

#[test]
fn text_with_a_nul_can_be_interrupted() {
    let mut line = tokens();
    let source = appsrc(&line);
    push(
        &source,
        "alpha bravo\0charlie, delta echo\0 foxtrot, golf, hotel",
    );
    line.expect_word("charlie");
    line.act("interrupt");
    let told = line.expect("ttssink/interrupted");
    assert!(
        told.get::<&str>("heard-text")
            .unwrap()
            .starts_with("alpha bravo")
    );
    assert!(
        told.get::<&str>("unheard-text")
            .unwrap()
            .contains("echo  foxtrot")
    );
}

#[test]
fn a_number_that_stalls_is_not_cut() {
    let mut line = tokens();
    let source = appsrc(&line);
    for (first, rest) in [
        ("Pi is 3.", "14 or so."),
        ("See Dr.", " Smith."),
        ("at 10:", "30."),
    ] {
        push(&source, first);
        // Longer than max-delay.
        std::thread::sleep(Duration::from_millis(400));
        push(&source, rest);
        let ended = line.expect("ttssink/utterance-finished");
        assert_eq!(
            ended.get::<u64>("words").unwrap(),
            duplex_synthesis::words(&format!("{first}{rest}"), false).len() as u64,
            "{first}{rest}: {:?}",
            line.words()
        );
    }
}

#[test]
fn a_stopped_answer_stays_stopped_when_something_was_said_in_between() {
    let mut line = tokens();
    let source = appsrc(&line);
    source.send_event(UtteranceBegin::new("a").to_event());
    push(&source, "One, two");
    line.expect_word("One");
    line.say("Hold on").unwrap();
    line.expect_word("Hold");
    line.act("interrupt");
    line.expect("ttssink/interrupted");
    push(&source, " three.");
    source.send_event(UtteranceEnd::of_text("a").to_event());
    let rest = line.expect("ttssink/interrupted");
    assert!(rest.get::<bool>("final").unwrap());
    assert!(
        rest.get::<&str>("unheard-text")
            .unwrap()
            .ends_with("three."),
        "{rest}"
    );
    source.send_event(UtteranceBegin::new("b").to_event());
    push(&source, "four.");
    line.expect_word("four");
    assert!(!line.words().contains(&"three".to_owned()));
}

#[test]
fn an_answer_goes_on_behind_what_is_said() {
    let mut line = tokens();
    let source = appsrc(&line);
    source.send_event(UtteranceBegin::new("a").to_event());
    push(&source, "One, two ");
    line.expect_word("One");
    line.say("Hold on").unwrap();
    push(&source, "three four");
    source.send_event(UtteranceEnd::of_text("a").to_event());
    let four = line.expect_word("four");
    assert_eq!(four.get::<&str>("utterance-id").unwrap(), "a");
    for n in 0..3 {
        let ended = line.expect("ttssink/utterance-finished");
        let id = ended.get::<&str>("utterance-id").unwrap();
        assert_eq!(id == "a", n != 1, "{ended}");
    }
    // Each half is accounted for by itself.
    source.send_event(UtteranceBegin::new("b").to_event());
    push(&source, "one, ");
    line.expect_word("one");
    line.say("two").unwrap();
    push(&source, "three, four, five, six");
    line.expect_word("four");
    line.act("interrupt");
    let told = line.expect("ttssink/interrupted");
    let heard = told.get::<&str>("heard-text").unwrap();
    assert!(heard.starts_with("three"), "{told}");
}

/// A pad that writes to the mouth as any element would.
fn writer(line: &Line) -> gst::Pad {
    let pad = gst::Pad::new(gst::PadDirection::Src);
    pad.set_active(true).unwrap();
    pad.link(&line.mouth.static_pad("sink").unwrap()).unwrap();
    pad
}

fn begin_stream(pad: &gst::Pad, id: &str) {
    pad.push_event(gst::event::StreamStart::new(id));
    let caps = gst::Caps::builder("text/x-raw").field("format", "utf8");
    pad.push_event(gst::event::Caps::new(&caps.build()));
    let segment = gst::FormattedSegment::<gst::format::Bytes>::new();
    pad.push_event(gst::event::Segment::new(&segment));
}

#[test]
fn a_new_stream_after_the_end_of_one_is_heard() {
    let mut line = Line::playing(MOUTH);
    let pad = writer(&line);
    for round in 0..3 {
        begin_stream(&pad, &format!("stream-{round}"));
        let word = ["alpha", "bravo", "charlie"][round];
        pad.push(gst::Buffer::from_slice(word)).unwrap();
        pad.push_event(gst::event::Eos::new());
        line.expect_word(word);
        if round > 0 {
            // The second begins while the end of the first is still on its way.
            line.expect_eos();
        }
    }
    let frames = line.stat("frames");
    assert!(frames > 0);
    assert!(line.say("too late").is_none());
}

#[test]
fn nothing_piles_up_without_bounds_while_the_mouth_is_paused() {
    let mut line = Line::new(&format!("{MOUTH} text-queue-size=10000"));
    line.pipeline.set_state(gst::State::Paused).unwrap();
    // Some hundred are taken before the first is refused aloud.
    let said = (0..10_000).take_while(|_| line.say("").is_some()).count();
    assert!((50..2_000).contains(&said), "{said}");
    let warned = line.wait_for(PATIENCE, |m| m.type_() == gst::MessageType::Warning);
    assert!(warned.is_some());

    // Events wait for room like text, and go on once there is some.
    let pad = writer(&line);
    begin_stream(&pad, "events");
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = sent.clone();
    let feeder = std::thread::spawn(move || {
        for n in 0..2_000 {
            let event = UtteranceBegin::new(format!("empty-{n}")).to_event();
            if !pad.push_event(event) {
                break;
            }
            let other = gst::Structure::builder("some/thing").field("n", n).build();
            pad.push_event(gst::event::CustomDownstream::new(other));
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        pad.push_event(UtteranceBegin::new("last").to_event());
        pad.push(gst::Buffer::from_slice("finally")).unwrap();
        pad.push_event(UtteranceEnd::of_text("last").to_event());
    });
    std::thread::sleep(Duration::from_millis(300));
    let queued = sent.load(std::sync::atomic::Ordering::Relaxed);
    assert!(queued < 1_500, "{queued}");
    line.play();
    line.expect_word("finally");
    feeder.join().unwrap();
}

#[test]
fn timed_text_is_spoken_at_its_time() {
    let story = Story::new(
        "1\n00:00:00,300 --> 00:00:00,900\nalpha bravo\n\n2\n00:00:01,500 --> 00:00:02,000\ncharlie\n\n",
    );
    let mut line = Line::playing(&format!("{} ! subparse ! {MOUTH}", story.line()));
    let at = |said: gst::Structure| said.get::<u64>("running-time").unwrap() / 1_000_000;
    let first = at(line.expect_word("alpha"));
    let second = at(line.expect_word("charlie"));
    assert!((300..450).contains(&first), "{first}");
    assert!((1500..1650).contains(&second), "{second}");
    line.expect("ttssink/utterance-finished");
    line.expect("ttssink/utterance-finished");
    line.expect_eos();
}

#[test]
fn tokens_make_one_utterance_and_a_pause_after_a_sentence_ends_it() {
    let mut line = tokens();
    let source = appsrc(&line);
    for token in ["one ", "two", " three."] {
        push(&source, token);
    }
    let first = line.expect("ttssink/utterance-finished");
    assert_eq!(line.words(), ["one", "two", "three"]);
    push(&source, "four.");
    let second = line.expect("ttssink/utterance-finished");
    assert_ne!(
        first.get::<&str>("utterance-id").unwrap(),
        second.get::<&str>("utterance-id").unwrap()
    );
    assert_eq!(line.words(), ["four"]);
}

#[test]
fn text_at_another_speed_of_playback_is_refused() {
    let line = Line::new(&format!(
        "appsrc name=text caps=text/x-raw,format=utf8 format=time ! {MOUTH}"
    ));
    let source = appsrc(&line);
    let pad = source.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        if let Some(gst::EventView::Segment(_)) = info.event().map(|event| event.view()) {
            let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
            segment.set_rate(2.0);
            info.data = Some(gst::PadProbeData::Event(gst::event::Segment::new(&segment)));
        }
        gst::PadProbeReturn::Ok
    })
    .unwrap();
    line.pipeline.set_state(gst::State::Playing).unwrap();
    push(&source, "x");
    let bus = line.pipeline.bus().unwrap();
    let error = bus.timed_pop_filtered(gst::ClockTime::from_seconds(5), &[gst::MessageType::Error]);
    let error = error.expect("an error");
    let gst::MessageView::Error(error) = error.view() else {
        unreachable!()
    };
    let error = error.error().to_string();
    assert!(error.contains("playback rate 2"), "{error}");
}

#[test]
fn a_story_is_told_again_after_a_seek_in_the_middle_and_at_the_end() {
    let story = Story::new("alpha bravo charlie delta.");
    let mut line = Line::playing(&format!("{} ! {MOUTH}", story.line()));
    let again = |line: &mut Line| {
        let seek = line.pipeline.seek(
            1.0,
            gst::SeekFlags::FLUSH,
            gst::SeekType::Set,
            gst::format::Bytes::ZERO,
            gst::SeekType::None,
            gst::format::Bytes::NONE,
        );
        assert!(seek.is_ok());
    };
    line.expect_word("bravo");
    again(&mut line);
    let told = line.expect("ttssink/interrupted");
    assert_eq!(told.get::<&str>("reason").unwrap(), "flush");
    line.words();
    line.expect_eos();
    assert_eq!(line.words(), ["alpha", "bravo", "charlie", "delta"]);
    for _ in 0..3 {
        again(&mut line);
        line.expect_eos();
        assert_eq!(line.words(), ["alpha", "bravo", "charlie", "delta"]);
    }
}

#[test]
fn after_the_end_nothing_can_be_said_and_nothing_hangs() {
    let story = Story::new("alpha.");
    let mut line = Line::playing(&format!("{} ! {MOUTH}", story.line()));
    line.expect_eos();
    line.act("interrupt");
    line.expect_no("ttssink/interrupted", Duration::from_millis(100));
    assert_eq!(line.say("too late"), None);
}

#[test]
fn without_sync_a_story_is_told_as_fast_as_it_is_taken() {
    let story = Story::new("alpha bravo charlie delta. ".repeat(200));
    let mut line = Line::playing(
        &format!("{} ! {MOUTH} sync=false", story.line())
            .replace("fakesink sync=true", "fakesink sync=false"),
    );
    let begin = std::time::Instant::now();
    line.expect_eos();
    // Over two minutes of speech.
    assert!(begin.elapsed() < PATIENCE);
    assert_eq!(line.words().len(), 800);
}

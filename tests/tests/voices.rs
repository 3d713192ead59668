// SPDX-License-Identifier: MPL-2.0

//! What every text-to-audio element does, shown on the tone engine.

#![allow(clippy::print_stderr)]

use std::time::{Duration, Instant};

use duplex_synthesis::tone;
use duplex_tests::{
    plugins,
    pulse::Pulse,
    signal,
    speaking::{Out, Rig, brief, samples, utterances, words},
    tonetts,
    watchdog::Watchdog,
};
use duplex_textpad::events::{UtteranceBegin, UtteranceEnd};
use gst::prelude::*;

const RATE: u32 = 22_050;

fn init() {
    gst::init().unwrap();
    tonetts::register();
}

fn texts(out: &[Out]) -> Vec<String> {
    words(out).into_iter().map(|word| word.text).collect()
}

fn bus(rig: &Rig) -> gst::Bus {
    let bus = gst::Bus::new();
    rig.element.set_bus(Some(&bus));
    bus
}

fn errors(bus: &gst::Bus) -> Vec<String> {
    bus.iter_filtered(&[gst::MessageType::Error])
        .map(|message| match message.view() {
            gst::MessageView::Error(error) => error.error().to_string(),
            _ => unreachable!(),
        })
        .collect()
}

#[test]
fn a_text_comes_out_in_the_promised_order() {
    init();
    let rig = Rig::playing("tonetts");
    rig.push("Hello wide world. ").unwrap();
    rig.push("Good").unwrap();
    rig.push("bye.").unwrap();
    let out = rig.drain();
    assert_eq!(out[0], Out::StreamStart);
    assert_eq!(out[1], Out::Caps(RATE as i32));
    let spoken = utterances(&out);
    assert_eq!(spoken.len(), 1, "{:?}", brief(&out));
    let (id, base, inside) = &spoken[0];
    assert!(id.starts_with("u-"));
    assert_eq!(*base, gst::ClockTime::ZERO);
    assert_eq!(texts(inside), ["Hello", "wide", "world", "Goodbye"]);
    // Each word sounds where its mark says.
    let sound = samples(inside);
    for (index, word) in words(inside).iter().enumerate() {
        let middle = (word.start + word.duration / 2).nseconds() * u64::from(RATE) / 1_000_000_000;
        let middle = usize::try_from(middle).unwrap();
        assert_eq!(
            tone::word_at(&sound[middle - 60..middle + 60], RATE),
            Some(index % tone::PITCHES),
            "{word:?}"
        );
        assert!(word.exact);
    }
    let goodbye = &words(inside)[3];
    assert_eq!((goodbye.text_start, goodbye.text_end), (18, 25));
}

#[test]
fn utterances_follow_one_another_in_running_time() {
    init();
    let rig = Rig::playing("tonetts");
    for (id, text) in [("a", "One two three."), ("b", "Four five.")] {
        rig.event(UtteranceBegin::new(id).to_event());
        rig.push(text).unwrap();
        rig.event(UtteranceEnd::of_text(id).to_event());
    }
    let out = rig.drain();
    let spoken = utterances(&out);
    assert_eq!(spoken.len(), 2);
    assert_eq!((spoken[0].0.as_str(), spoken[1].0.as_str()), ("a", "b"));
    let first = samples(&spoken[0].2).len() as u64;
    let length = gst::ClockTime::from_nseconds(first * 1_000_000_000 / u64::from(RATE));
    assert_eq!(spoken[1].1, length);
}

#[test]
fn a_discont_buffer_begins_a_new_utterance() {
    init();
    let rig = Rig::playing("tonetts");
    let discont = |text: &str| {
        let mut buffer = gst::Buffer::from_slice(text.as_bytes().to_vec());
        buffer
            .get_mut()
            .unwrap()
            .set_flags(gst::BufferFlags::DISCONT);
        rig.text.push(buffer).unwrap();
    };
    // Marked as the first buffer of a stream always is: of an utterance that was named already.
    rig.event(UtteranceBegin::new("named").to_event());
    discont("One ");
    rig.push("two").unwrap();
    discont("three");
    let spoken = utterances(&rig.drain());
    assert_eq!(spoken.len(), 2);
    assert_eq!(spoken[0].0, "named");
    assert_eq!(texts(&spoken[0].2), ["One", "two"]);
    assert_eq!(texts(&spoken[1].2), ["three"]);
}

#[test]
fn a_sentence_is_spoken_to_its_end_after_a_pause() {
    init();
    let rig = Rig::playing("tonetts");
    rig.element.set_property("max-delay", 50_000_000u64);
    rig.push("One two. ").unwrap();
    let out = rig.wait_for("the end", |out| matches!(out.last(), Some(Out::End(..))));
    assert_eq!(texts(&out), ["One", "two"]);
    // In the middle of a sentence it waits on.
    rig.push("Three").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    rig.push(" four.").unwrap();
    let out = rig.wait_for("two ends", |out| {
        utterances_begun(out) == 2 && ends(out) == 2
    });
    assert_eq!(texts(&utterances(&out)[1].2), ["Three", "four"]);
    // A named utterance is spoken so far, but does not end.
    rig.event(UtteranceBegin::new("named").to_event());
    rig.push("Five six. ").unwrap();
    let out = rig.wait_for("six", |out| texts(out).contains(&"six".to_owned()));
    assert_eq!(ends(&out), 2);
    rig.push("Seven.").unwrap();
    let out = rig.drain();
    assert_eq!(texts(&utterances(&out)[2].2), ["Five", "six", "Seven"]);
}

fn utterances_begun(out: &[Out]) -> usize {
    out.iter()
        .filter(|out| matches!(out, Out::Begin(_)))
        .count()
}

fn ends(out: &[Out]) -> usize {
    out.iter().filter(|out| matches!(out, Out::End(..))).count()
}

#[test]
fn no_text_is_no_sound_but_a_whole_stream() {
    init();
    for text in ["", "\n", "  \n\t "] {
        let rig = Rig::playing("tonetts");
        rig.push(text).unwrap();
        let out = rig.drain();
        assert_eq!(
            out,
            [
                Out::StreamStart,
                Out::Caps(RATE as i32),
                Out::Segment {
                    start: gst::ClockTime::ZERO,
                    base: gst::ClockTime::ZERO
                },
                Out::Eos
            ]
        );
    }
    // A named utterance ends all the same: somebody waits for it.
    let rig = Rig::playing("tonetts");
    rig.event(UtteranceBegin::new("empty").to_event());
    rig.event(UtteranceEnd::of_text("empty").to_event());
    let spoken = utterances(&rig.drain());
    assert_eq!(spoken.len(), 1);
    assert!(samples(&spoken[0].2).is_empty());
}

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
fn downstream_chooses_the_rate_and_may_change_its_mind() {
    init();
    let text = "One two three four five six seven eight nine ten.";
    for rate in [8_000, 16_000, 48_000] {
        let rig = Rig::playing("tonetts");
        rig.take_rates(&[rate]);
        rig.push(text).unwrap();
        let out = rig.drain();
        assert_eq!(out[1], Out::Caps(rate));
        let spoken = utterances(&out);
        let sound = samples(&out);
        let rate = rate as u32;
        for (index, word) in words(&spoken[0].2).iter().enumerate() {
            let middle =
                (word.start + word.duration / 2).nseconds() * u64::from(rate) / 1_000_000_000;
            let middle = usize::try_from(middle).unwrap();
            let half = rate as usize / 200;
            assert_eq!(
                tone::word_at(&sound[middle - half..middle + half], rate),
                Some(index % tone::PITCHES),
                "{word:?} at {rate} Hz"
            );
        }
    }

    // Native where it is among others.
    let rig = Rig::playing("tonetts");
    rig.take_rates(&[48_000, RATE as i32, 8_000]);
    rig.push(text).unwrap();
    assert_eq!(rig.drain()[1], Out::Caps(RATE as i32));

    // In the middle of an utterance.
    let rig = Rig::playing("tonetts");
    rig.take_rates(&[8_000]);
    rig.credit(Some(3));
    rig.push(text).unwrap();
    rig.wait_for("three buffers", |out| {
        out.iter()
            .filter(|out| matches!(out, Out::Sound { .. }))
            .count()
            == 3
    });
    rig.take_rates(&[48_000]);
    rig.credit(None);
    let out = rig.drain();
    let spoken = utterances(&out);
    assert!(out.contains(&Out::Caps(48_000)));
    let length: gst::ClockTime = out
        .iter()
        .filter_map(|out| match out {
            Out::Sound { duration, .. } => Some(*duration),
            _ => None,
        })
        .sum();
    let native: u64 = text
        .split_whitespace()
        .map(|word| tone::samples_of(word, 1.0, RATE))
        .sum::<u64>();
    let native = gst::ClockTime::from_nseconds(native * 1_000_000_000 / u64::from(RATE));
    assert!(length >= native && length < native + gst::ClockTime::from_mseconds(400));
    assert_eq!(words(&spoken[0].2).len(), 10);
}

#[test]
fn caps_in_vain_are_said() {
    init();
    let rig = Rig::new("tonetts");
    let bus = bus(&rig);
    let filter = gst::ElementFactory::make("capsfilter")
        .property(
            "caps",
            gst::Caps::builder("audio/x-raw")
                .field("format", "F32LE")
                .build(),
        )
        .build()
        .unwrap();
    let src = rig.element.static_pad("src").unwrap();
    src.unlink(&src.peer().unwrap()).unwrap();
    // Linking would refuse at once; what is downstream may also change later.
    src.link_full(
        &filter.static_pad("sink").unwrap(),
        gst::PadLinkCheck::empty(),
    )
    .unwrap();
    filter.set_state(gst::State::Playing).unwrap();
    rig.start();
    rig.begin_bytes();
    rig.push("Hello.").unwrap();
    rig.event(gst::event::Eos::new());
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error])
        .expect("an ERROR");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(
        error.error().to_string().contains("audioconvert"),
        "{error:?}"
    );
    filter.set_state(gst::State::Null).unwrap();
}

#[test]
fn cues_are_spoken_at_their_time() {
    init();
    let rig = Rig::new("tonetts");
    rig.start();
    rig.begin_time("pango-markup");
    let s = gst::ClockTime::from_seconds;
    rig.cue("<i>One</i> &amp; two", s(1), s(1)).unwrap();
    // While the one before still speaks: right after it.
    rig.cue("Three", gst::ClockTime::from_mseconds(1_100), s(1))
        .unwrap();
    rig.cue("Four", s(10), s(1)).unwrap();
    let out = rig.drain();
    let spoken = utterances(&out);
    assert_eq!(spoken.len(), 3, "{:?}", brief(&out));
    assert_eq!(texts(&spoken[0].2).last().unwrap(), "two");
    assert_eq!(spoken[0].1, s(1));
    let length = |index: usize| {
        let count = samples(&spoken[index].2).len() as u64;
        gst::ClockTime::from_nseconds(count * 1_000_000_000 / u64::from(RATE))
    };
    assert_eq!(spoken[1].1, s(1) + length(0));
    assert_eq!(spoken[2].1, s(10));
    // Time passes between them: sinks are told.
    let gaps: Vec<_> = out
        .iter()
        .filter(|out| matches!(out, Out::Gap(..)))
        .collect();
    assert_eq!(
        gaps,
        [
            &Out::Gap(gst::ClockTime::ZERO, Some(s(1))),
            &Out::Gap(gst::ClockTime::ZERO, Some(s(9) - length(0) - length(1))),
        ]
    );
}

#[test]
fn gaps_in_the_text_are_gaps_in_the_sound() {
    init();
    let rig = Rig::new("tonetts");
    rig.start();
    rig.begin_time("utf8");
    let s = gst::ClockTime::from_seconds;
    rig.event(gst::event::Gap::builder(s(0)).duration(s(3)).build());
    let out = rig.wait_for("a GAP", |out| {
        out.iter().any(|out| matches!(out, Out::Gap(..)))
    });
    assert_eq!(out[1], Out::Caps(RATE as i32));
    assert!(out.contains(&Out::Gap(s(0), Some(s(3)))));
    rig.cue("One", s(3), s(1)).unwrap();
    assert_eq!(utterances(&rig.drain())[0].1, s(3));
}

#[test]
fn faster_segments_are_refused_with_a_sentence() {
    init();
    let rig = Rig::new("tonetts");
    let bus = bus(&rig);
    rig.start();
    rig.begin_time("utf8");
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(2.0);
    rig.event(gst::event::Segment::new(&segment));
    // A sticky event: GStreamer keeps it, and offers it again with the next buffer.
    assert!(
        rig.cue("One", gst::ClockTime::ZERO, gst::ClockTime::SECOND)
            .is_err()
    );
    let errors = errors(&bus);
    assert!(!errors.is_empty());
    assert!(
        errors[0].contains("2 times") && errors[0].contains("property rate"),
        "{errors:?}"
    );
}

#[test]
fn foreign_events_pass_in_their_place() {
    init();
    let rig = Rig::playing("tonetts");
    let name = "rstranscribe/speaker-change";
    rig.event(gst::event::CustomDownstream::new(
        gst::Structure::new_empty(name),
    ));
    let mut tags = gst::TagList::new();
    tags.get_mut()
        .unwrap()
        .add::<gst::tags::Title>(&"Story", gst::TagMergeMode::Append);
    rig.event(gst::event::Tag::new(tags));
    rig.push("Hello.").unwrap();
    rig.event(UtteranceEnd::of_text("").to_event());
    rig.event(gst::event::CustomDownstream::new(
        gst::Structure::new_empty("my/own"),
    ));
    let out = rig.drain();
    let place = |wanted: &Out| out.iter().position(|out| out == wanted).unwrap();
    let begin = out
        .iter()
        .position(|out| matches!(out, Out::Begin(_)))
        .unwrap();
    let end = out
        .iter()
        .position(|out| matches!(out, Out::End(..)))
        .unwrap();
    assert!(place(&Out::Other(name.into())) < begin);
    assert!(
        out.iter()
            .any(|out| matches!(out, Out::Other(name) if name.contains("Tag"))),
        "{:?}",
        brief(&out)
    );
    assert!(place(&Out::Other("my/own".into())) > end);
    // Upstream events go upstream.
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = heard.clone();
    rig.text
        .add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
            if let Some(structure) = info.event().and_then(|event| event.structure()) {
                seen.lock().unwrap().push(structure.name().to_string());
            }
            gst::PadProbeReturn::Ok
        });
    let src = rig.element.static_pad("src").unwrap();
    src.send_event(gst::event::CustomUpstream::new(gst::Structure::new_empty(
        "voice/interrupted",
    )));
    assert_eq!(*heard.lock().unwrap(), ["voice/interrupted"]);
}

fn query_latency(rig: &Rig) -> (bool, gst::ClockTime, Option<gst::ClockTime>) {
    let mut query = gst::query::Latency::new();
    assert!(rig.element.static_pad("src").unwrap().query(&mut query));
    query.result()
}

#[test]
fn latency_is_known_before_any_text() {
    init();
    let ms = gst::ClockTime::from_mseconds;
    let rig = Rig::new("tonetts");
    let bus = bus(&rig);
    rig.start();
    assert_eq!(query_latency(&rig), (false, ms(20), None));
    rig.latency(true, ms(30));
    assert_eq!(query_latency(&rig), (true, ms(50), None));
    rig.element.set_property("latency", ms(100));
    assert_eq!(query_latency(&rig), (true, ms(130), None));
    assert!(bus.pop_filtered(&[gst::MessageType::Latency]).is_some());
}

#[test]
fn a_flush_ends_what_is_spoken_within_20_ms() {
    init();
    let rig = Rig::playing("tonetts");
    // A request that takes ten seconds, one that waits for text, one whose sound is not taken.
    for case in 0..3 {
        rig.clear();
        rig.element
            .set_property("first-delay", if case == 0 { 10_000_000_000u64 } else { 0 });
        rig.credit((case == 2).then_some(0));
        rig.push(if case == 1 { "One" } else { "One two three." })
            .unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let asked = Instant::now();
        rig.event(gst::event::FlushStart::new());
        rig.event(gst::event::FlushStop::new(true));
        let took = asked.elapsed();
        // 20 ms, and what a busy machine adds.
        assert!(took < Duration::from_millis(500), "case {case}: {took:?}");
        rig.element.set_property("first-delay", 0u64);
        rig.credit(None);
        let out = rig.out();
        assert_eq!(samples(&out).len(), 0, "case {case}: {:?}", brief(&out));
        rig.clear();
        rig.begin_bytes();
        rig.event(UtteranceBegin::new("after").to_event());
        rig.push("Seven.").unwrap();
        rig.event(UtteranceEnd::of_text("after").to_event());
        let out = rig.wait_for("the end", |out| ends(out) == 1);
        let spoken = utterances(&out);
        assert_eq!(
            (spoken[0].0.as_str(), spoken[0].1),
            ("after", gst::ClockTime::ZERO)
        );
        assert_eq!(texts(&out), ["Seven"]);
    }
    let stats: gst::Structure = rig.element.property("stats");
    assert_eq!(stats.get::<u64>("cancelled"), Ok(3));
    assert_eq!(stats.get::<u64>("utterances"), Ok(3));
}

/// After each flush another word, told by its pitch: nothing of an earlier text is heard.
#[test]
fn two_hundred_random_flushes_leave_nothing_stale() {
    init();
    let rig = Rig::playing("tonetts");
    rig.element.set_property("voice", "tone-text");
    rig.element.set_property("delay", 1_000_000u64);
    let vocabulary = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"];
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut heard_any = 0;
    for round in 0..200 {
        let word = vocabulary[round % vocabulary.len()];
        let pitch = tone::class_of_text(word);
        rig.clear();
        for _ in 0..1 + next(4) {
            let _ = rig.push(format!("{word} {word}, {word} {word} {word}. "));
        }
        if next(3) == 0 {
            rig.event(UtteranceEnd::of_text("").to_event());
            let _ = rig.push(format!("{word} {word}"));
        }
        std::thread::sleep(Duration::from_micros(next(12_000)));
        rig.event(gst::event::FlushStart::new());
        std::thread::sleep(Duration::from_micros(next(500)));
        rig.event(gst::event::FlushStop::new(next(2) == 0));
        rig.begin_bytes();
        let sound = samples(&rig.out());
        for piece in sound.chunks_exact(200) {
            if let Some(at) = tone::word_at(piece, RATE) {
                assert_eq!(at, pitch, "round {round}: a sample of another text");
                heard_any += 1;
            }
        }
    }
    assert!(heard_any > 100, "the flushes came before any sound");
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

#[test]
fn eos_twice_and_a_restart_leave_nothing_behind() {
    init();
    let rig = Rig::playing("tonetts");
    let mut first = None;
    for round in 0..3 {
        rig.push("Hello again.").unwrap();
        let out = rig.drain();
        let heard = brief(&utterances(&out)[0].2)
            .into_iter()
            .filter(|out| matches!(out, Out::Sound { .. }))
            .collect::<Vec<_>>();
        assert_eq!(
            &heard,
            first.get_or_insert_with(|| heard.clone()),
            "round {round}"
        );
        assert_eq!(utterances(&out)[0].1, gst::ClockTime::ZERO, "round {round}");
        let stats: gst::Structure = rig.element.property("stats");
        assert_eq!(stats.get::<u64>("utterances"), Ok(1));
        assert_eq!(stats.get::<u64>("words"), Ok(2));
        assert!(stats.get::<gst::ClockTime>("first-audio-last").is_ok());
        rig.element.set_state(gst::State::Ready).unwrap();
        rig.text.set_active(false).unwrap();
        if round == 1 {
            rig.element.set_state(gst::State::Null).unwrap();
        }
        rig.clear();
        rig.start();
        rig.begin_bytes();
    }
}

/// Text, flushes, states and queries from three threads at once: nobody waits for ever.
#[test]
fn flushes_and_states_at_any_moment_hang_nobody() {
    init();
    let watchdog = Watchdog::new("text, flushes and states at once", Duration::from_secs(60));
    let rig = Rig::playing("tonetts");
    // A stream's text follows its segment: nobody pushes between a flush and that.
    let turn = std::sync::Mutex::new(());
    let over = std::sync::atomic::AtomicBool::new(false);
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    std::thread::scope(|scope| {
        let (rig, over, turn) = (&rig, &over, &turn);
        let is_over = || over.load(std::sync::atomic::Ordering::Relaxed);
        scope.spawn(move || {
            let mut round = 0;
            while !is_over() {
                round += 1;
                let turn = turn.lock().unwrap();
                if round % 3 == 0 {
                    rig.event(UtteranceBegin::new(format!("n-{round}")).to_event());
                }
                let _ = rig.push("One two three, four. Five");
                if round % 7 == 0 {
                    rig.event(gst::event::Eos::new());
                }
                drop(turn);
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        scope.spawn(move || {
            while !is_over() {
                query_latency(rig);
                let _: gst::Structure = rig.element.property("stats");
                rig.element.set_property("max-delay", 100_000u64);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        for round in 0..300 {
            std::thread::sleep(Duration::from_micros(next(2_000)));
            match next(4) {
                0 => {
                    rig.element.set_state(gst::State::Ready).unwrap();
                    let _turn = turn.lock().unwrap();
                    rig.element.set_state(gst::State::Playing).unwrap();
                    rig.begin_bytes_of_a_running_stream();
                }
                1 => {
                    rig.element.set_state(gst::State::Paused).unwrap();
                    rig.element.set_state(gst::State::Playing).unwrap();
                }
                _ => {
                    rig.event(gst::event::FlushStart::new());
                    std::thread::sleep(Duration::from_micros(next(300)));
                    let _turn = turn.lock().unwrap();
                    rig.event(gst::event::FlushStop::new(round % 2 == 0));
                    rig.begin_bytes_of_a_running_stream();
                }
            }
            if round % 50 == 49 {
                rig.clear();
            }
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    // It still speaks.
    rig.event(gst::event::FlushStart::new());
    rig.event(gst::event::FlushStop::new(true));
    rig.clear();
    rig.begin_bytes();
    rig.push("Six seven.").unwrap();
    assert_eq!(texts(&rig.drain()), ["Six", "seven"]);
    drop(watchdog);
}

#[test]
fn a_stop_in_the_middle_waits_for_nobody() {
    init();
    for case in 0..3 {
        let rig = Rig::playing("tonetts");
        match case {
            0 => rig.element.set_property("first-delay", 10_000_000_000u64),
            1 => rig.credit(Some(1)),
            _ => (),
        }
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| {
                let mut flow = Ok(gst::FlowSuccess::Ok);
                // Until the element refuses it.
                while flow.is_ok() {
                    flow = rig.push("One two three. ".repeat(1_000));
                }
                flow
            });
            std::thread::sleep(Duration::from_millis(100));
            let asked = Instant::now();
            // The task may wait in the neighbour's chain function, which its pad must end.
            rig.credit(None);
            rig.element.set_state(gst::State::Ready).unwrap();
            assert!(asked.elapsed() < Duration::from_secs(2), "case {case}");
            assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing));
        });
    }
}

#[test]
fn what_downstream_refuses_reaches_upstream() {
    init();
    for (flow, said) in [
        (gst::FlowError::Eos, 0),
        (gst::FlowError::NotLinked, 1),
        (gst::FlowError::Error, 1),
    ] {
        let rig = Rig::playing("tonetts");
        let bus = bus(&rig);
        rig.answer(Some(flow));
        let until = Instant::now() + Duration::from_secs(10);
        let refused = loop {
            assert!(Instant::now() < until, "{flow:?} did not reach upstream");
            if let Err(refused) = rig.push("One two three. ") {
                break refused;
            }
        };
        assert_eq!(refused, flow);
        assert_eq!(errors(&bus).len(), said, "{flow:?}");
        if flow == gst::FlowError::Eos {
            rig.drain();
        }
        // A flush makes it ready again.
        rig.answer(None);
        rig.event(gst::event::FlushStart::new());
        rig.event(gst::event::FlushStop::new(true));
        rig.clear();
        rig.begin_bytes();
        rig.push("Four.").unwrap();
        assert_eq!(texts(&rig.drain()), ["Four"]);
    }
}

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
    let message = bus
        .timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error])
        .expect("an ERROR");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert!(
        error.error().to_string().contains("the engine panics"),
        "{error:?}"
    );
    // It stops as it should, and starts again.
    rig.element.set_property("panic", false);
    rig.stop();
    rig.clear();
    rig.start();
    rig.begin_bytes();
    rig.push("Hello.").unwrap();
    assert_eq!(texts(&rig.drain()), ["Hello"]);
}

/// Text that comes while a pipeline plays is spoken now, not where the last utterance ended.
#[test]
fn late_text_is_spoken_now() {
    init();
    let rig = Rig::new("tonetts");
    let clock = gst::SystemClock::obtain();
    rig.element.set_clock(Some(&clock)).unwrap();
    rig.element.set_base_time(clock.time());
    rig.start();
    rig.begin_bytes();
    let say = |text: &str| {
        rig.push(text).unwrap();
        rig.event(UtteranceEnd::of_text("").to_event());
    };
    say("One.");
    let out = rig.wait_for("one", |out| ends(out) == 1);
    let first = utterances(&out)[0].1;
    assert!(first < gst::ClockTime::from_seconds(5), "{first}");
    std::thread::sleep(Duration::from_millis(900));
    let before = rig.element.current_running_time().unwrap();
    say("Two.");
    let out = rig.wait_for("two", |out| ends(out) == 2);
    let second = out
        .iter()
        .rposition(|out| matches!(out, Out::Begin(_)))
        .map(|at| match out[at - 1] {
            Out::Segment { base, .. } => base,
            _ => unreachable!(),
        })
        .unwrap();
    let after = rig.element.current_running_time().unwrap();
    assert!(
        second >= before && second <= after,
        "{before} {second} {after}"
    );
    // A sentence whose text pauses goes on when the text does.
    rig.push("Three four, ").unwrap();
    rig.wait_for("four", |out| texts(out).contains(&"four".to_owned()));
    std::thread::sleep(Duration::from_millis(1_500));
    rig.push("five six.").unwrap();
    let out = rig.drain();
    let third = &utterances(&out)[2];
    let (at, segment) = third
        .2
        .iter()
        .find_map(|out| match out {
            Out::Segment { start, base } => Some((*start, *base)),
            _ => None,
        })
        .expect("a SEGMENT where the text paused");
    assert!(segment > third.1 + at, "{segment} {} {at}", third.1);
}

#[test]
fn the_rate_is_heard() {
    init();
    let mut lengths = Vec::new();
    for rate in [0.5f64, 1.0, 2.0] {
        let rig = Rig::new("tonetts");
        rig.element.set_property("rate", rate);
        rig.start();
        rig.begin_bytes();
        rig.push("How long is this?").unwrap();
        lengths.push(samples(&rig.drain()).len() as f64);
    }
    assert!((lengths[0] / lengths[1] - 2.0).abs() < 0.01, "{lengths:?}");
    assert!((lengths[1] / lengths[2] - 2.0).abs() < 0.01, "{lengths:?}");
}

/// With a sink that plays in real time: two utterances, one after another, and nothing lost.
#[test]
fn speech_is_heard_as_long_as_it_was_made() {
    init();
    let pulse = match Pulse::start() {
        Ok(pulse) => pulse,
        Err(error) => {
            eprintln!("SKIPPED: {error:#}");
            return;
        }
    };
    let wav = pulse.folder().join("heard.wav");
    let mut recorder = plugins::command("gst-launch-1.0")
        .arg("-q")
        .args(
            format!(
                "{} num-buffers=500 ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! wavenc ! filesink location={}",
                pulse.monitor(),
                wav.display()
            )
            .split(' '),
        )
        .spawn()
        .unwrap();
    // As `espeaktts ! autoaudiosink`; a mono sink of 22,050 Hz is what pulsesink is.
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=text caps=text/x-raw,format=utf8 ! tonetts name=voice ! {}",
        pulse.loudspeaker()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let text = pipeline
        .by_name("text")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let say = |words: &'static str| {
        text.push_buffer(gst::Buffer::from_slice(words)).unwrap();
        text.send_event(UtteranceEnd::of_text("").to_event());
    };
    say("One two three.");
    say("Four five.");
    // Long after the sound of these has ended.
    std::thread::sleep(Duration::from_millis(2_000));
    say("Six.");
    text.end_of_stream().unwrap();
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(20),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .expect("an end");
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(recorder.wait().unwrap().success());
    let (heard, rate) = signal::read_wav(&wav).unwrap();
    let heard: Vec<i16> = heard.iter().map(|s| (s * 32_767.0) as i16).collect();
    // How long each word's pitch sounds, in steps of 5 ms.
    let step = rate as usize / 200;
    let mut sounded = std::collections::BTreeMap::new();
    for piece in heard.chunks_exact(step) {
        if let Some(word) = tone::word_at(piece, rate) {
            *sounded.entry(word).or_insert(0u32) += 5;
        }
    }
    // Indices start over with each utterance.
    let ms = |word: &str| tone::samples_of(word, 1.0, 1_000) as u32;
    for (index, wanted) in [
        (0, ms("One") + ms("Four") + ms("Six")),
        (1, ms("two") + ms("five")),
        (2, ms("three")),
    ] {
        let sounded = sounded.get(&index).copied().unwrap_or(0);
        assert!(
            sounded + 60 >= wanted && sounded <= wanted + 30,
            "pitch {index} sounded {sounded} ms of {wanted}"
        );
    }
}

/// A live pipeline plays before there is any text, and its sound is on time when text comes.
#[test]
fn live_text_is_spoken_on_time() {
    init();
    let pipeline = gst::parse::launch(
        "appsrc name=text caps=text/x-raw,format=utf8 is-live=true do-timestamp=true format=time ! \
         tonetts name=voice ! fakesink name=sink sync=true max-lateness=200000000",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let text = pipeline
        .by_name("text")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    let bases = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = bases.clone();
    let src = pipeline
        .by_name("voice")
        .unwrap()
        .static_pad("src")
        .unwrap();
    src.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        let event = info.event().unwrap();
        if UtteranceBegin::from_event(event).is_some() {
            let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
            let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap();
            seen.lock().unwrap().push(segment.base().unwrap());
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let (result, state, _) = pipeline.state(gst::ClockTime::from_seconds(5));
    assert_eq!((result.is_ok(), state), (true, gst::State::Playing));
    let mut said = Vec::new();
    for words in ["One two.", "Three.", "Four."] {
        std::thread::sleep(Duration::from_millis(700));
        said.push(pipeline.current_running_time().unwrap());
        text.push_buffer(gst::Buffer::from_slice(words)).unwrap();
        text.send_event(UtteranceEnd::of_text("").to_event());
    }
    text.end_of_stream().unwrap();
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(20),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .expect("an end");
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    let stats: gst::Structure = pipeline.by_name("sink").unwrap().property("stats");
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(stats.get::<u64>("dropped"), Ok(0), "{stats}");
    let bases = bases.lock().unwrap().clone();
    assert_eq!(bases.len(), 3);
    for (base, said) in bases.iter().zip(&said) {
        let late = base.nseconds() as i64 - said.nseconds() as i64;
        // It may begin as much early as `latency` makes up for; a busy machine makes it late.
        assert!(
            (-25_000_000..500_000_000).contains(&late),
            "{bases:?} for {said:?}"
        );
    }
}

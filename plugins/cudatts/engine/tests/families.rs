// SPDX-License-Identifier: MPL-2.0

//! The engine with families of a page each: what is promised of any family is shown here, to the sample.

mod toy;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    thread,
    time::{Duration, Instant},
};

use duplex_neural::{NeuralEngine, Options, Settings, registry};
use duplex_synthesis::{Engine, Error, Piece, Request, Utterance, WordMark, words};
use toy::{FRAME, MOST, RATE, Toy, Trap};

/// Nothing here takes so long, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);
const TEXT: &str =
    "Here we are, said the old man. And where is that? Nobody knows, but it is warm.";

fn options() -> Options {
    Options {
        // Where text is cut is not to depend on when it comes.
        join: false,
        warm_up: false,
        margin: 0.0,
        idle_after: LONG,
        ..Options::default()
    }
}

fn engine(toy: &Arc<Toy>) -> NeuralEngine {
    NeuralEngine::new(toy.clone(), options()).unwrap()
}

fn plain() -> Settings {
    Settings {
        temperature: Some(0.0),
        ..Settings::default()
    }
}

fn seeded(seed: u64) -> Settings {
    Settings {
        seed: Some(seed),
        ..Settings::default()
    }
}

fn open(engine: &NeuralEngine, settings: Settings) -> Utterance {
    engine.open_with(&Request::default(), settings).unwrap()
}

/// Pulls to the end.
fn pull(utterance: &mut Utterance) -> Result<(Vec<i16>, Vec<WordMark>), Error> {
    pull_after(utterance, Piece::default())
}

/// The same where the first piece was pulled already.
fn pull_after(utterance: &mut Utterance, first: Piece) -> Result<(Vec<i16>, Vec<WordMark>), Error> {
    let (mut samples, mut marks) = (first.samples, first.words);
    while let Some(piece) = utterance.audio.next()? {
        assert!((1..=RATE as usize / 10).contains(&piece.samples.len()));
        let begin = samples.len() as u64;
        samples.extend(piece.samples);
        for mark in &piece.words {
            assert!((begin..samples.len() as u64).contains(&mark.start));
        }
        marks.extend(piece.words);
    }
    Ok((samples, marks))
}

fn speak(engine: &NeuralEngine, text: &str, settings: Settings) -> Vec<i16> {
    let mut utterance = open(engine, settings);
    utterance.text.push(text).unwrap();
    utterance.text.finish().unwrap();
    pull(&mut utterance).unwrap().0
}

/// Waits for what other threads bring about.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn idle(engine: &NeuralEngine, toy: &Toy) {
    until("nothing is open", || engine.stats().open == 0);
    until("no slot is held", || toy.counts.held.load(Relaxed) == 0);
}

#[test]
fn two_passes_a_frame_and_four_frames_ahead_both_fit_the_seam() {
    let toy = Toy::shared();
    let ahead = Arc::new(Toy {
        ahead: true,
        ..Toy::default()
    });
    let expected = toy.expected(TEXT, "anna");
    assert!(expected.len() > 50 * FRAME);
    assert!(speak(&engine(&toy), TEXT, plain()) == expected);
    assert!(speak(&engine(&ahead), TEXT, plain()) == expected);
    // Sampled, too.
    let sampled = speak(&engine(&toy), TEXT, seeded(7));
    assert!(sampled != expected && sampled.len() == expected.len());
    assert!(speak(&engine(&ahead), TEXT, seeded(7)) == sampled);
    assert!(speak(&engine(&toy), TEXT, seeded(8)) != sampled);
}

#[test]
fn all_frames_are_decoded_once_and_none_for_the_end() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let samples = speak(&engine, TEXT, plain());
    assert_eq!(toy.counts.decoded.load(Relaxed) * FRAME, samples.len());
    idle(&engine, &toy);
    let stats = engine.stats();
    assert_eq!(
        stats.sound,
        Duration::from_secs_f64(samples.len() as f64 / f64::from(RATE))
    );
    assert!(stats.generator.count >= stats.decoder.count && stats.decoder.count > 0);
    assert!(stats.first_audio > Duration::ZERO && stats.mean_batch >= 1.0);
    assert!(stats.generator.p99 >= stats.generator.mean && stats.real_time_factor > 0.0);
}

#[test]
fn whoever_else_is_in_the_batch_the_sound_is_the_same() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let texts: Vec<String> = (0..12)
        .map(|n| format!("Number {n} begins. {} And it ends.", &TEXT[..20 + 4 * n]))
        .collect();
    let alone: Vec<_> = (0..12)
        .map(|n| speak(&engine, &texts[n], seeded(n as u64)))
        .collect();
    toy.counts.largest.store(0, Relaxed);
    // All at once, each a little later than the last, some by word and some whole, in three rounds.
    thread::scope(|scope| {
        for n in 0..12 {
            let (engine, text, alone) = (&engine, &texts[n], &alone[n]);
            scope.spawn(move || {
                for round in 0..3 {
                    thread::sleep(Duration::from_micros(700 * n as u64));
                    let mut utterance = open(engine, seeded(n as u64));
                    if (n + round) % 2 == 0 {
                        utterance.text.push(text).unwrap();
                    } else {
                        for part in text.split_inclusive(' ') {
                            utterance.text.push(part).unwrap();
                        }
                    }
                    utterance.text.finish().unwrap();
                    assert!(pull(&mut utterance).unwrap().0 == *alone, "{n}");
                }
            });
        }
    });
    assert!(toy.counts.largest.load(Relaxed) > 1, "they never met");
    idle(&engine, &toy);
}

#[test]
fn seeds_come_from_the_engine_and_the_number_of_the_utterance() {
    let toy = Toy::shared();
    let run = |seed| {
        let options = Options { seed, ..options() };
        let engine = NeuralEngine::new(toy.clone(), options).unwrap();
        (0..3)
            .map(|_| speak(&engine, "Once more.", Settings::default()))
            .collect::<Vec<_>>()
    };
    let first = run(1);
    assert!(first == run(1));
    assert!(first != run(2));
    assert!(first[0] != first[1] && first[1] != first[2]);
}

#[test]
fn cancelled_at_any_step_it_frees_its_slot_and_disturbs_nobody() {
    let toy = Toy::shared();
    let options = Options {
        slots: 2,
        max_batch: 2,
        ..options()
    };
    let engine = NeuralEngine::new(toy.clone(), options).unwrap();
    let text = TEXT.repeat(8);
    let expected = toy.expected(&text, "anna");
    let mut other = open(&engine, plain());
    other.text.push(&text).unwrap();
    other.text.finish().unwrap();
    let mut heard = Piece::default();
    for pieces in 0..40 {
        // There are two slots, so this is only admitted once the last one has gone.
        let mut utterance = open(&engine, plain());
        utterance.text.push(TEXT).unwrap();
        for _ in 0..pieces {
            utterance.audio.next().unwrap().unwrap();
        }
        match pieces % 3 {
            0 => {
                utterance.cancel.cancel();
                assert_eq!(utterance.audio.next(), Err(Error::Cancelled));
                assert_eq!(utterance.text.push("more"), Err(Error::Cancelled));
            }
            1 => drop(utterance.audio),
            _ => {
                drop(utterance.text);
                let end = loop {
                    match utterance.audio.next() {
                        Ok(Some(_)) => {}
                        end => break end,
                    }
                };
                assert_eq!(end, Err(Error::Cancelled));
            }
        }
        let piece = other.audio.next().unwrap().unwrap();
        heard.samples.extend(piece.samples);
    }
    assert!(pull_after(&mut other, heard).unwrap().0 == expected);
    idle(&engine, &toy);
}

#[test]
fn a_blocked_consumer_hears_of_a_cancel() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let utterance = open(&engine, plain());
    let (mut audio, cancel) = (utterance.audio, utterance.cancel);
    let waiter = thread::spawn(move || audio.next());
    thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    cancel.cancel();
    assert_eq!(waiter.join().unwrap(), Err(Error::Cancelled));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_chunk_that_finds_no_end_is_stopped_and_the_next_one_follows() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let text = "On and on ~ we go. Done.";
    let samples = speak(&engine, text, plain());
    assert!(samples == toy.expected(text, "anna"));
    assert_eq!(samples.len(), (MOST + 4 + 2) * FRAME);
    idle(&engine, &toy);
}

#[test]
fn text_without_anything_to_say_ends_at_once() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    for text in ["", " ", "…", ". . .\n\n – ! "] {
        assert!(speak(&engine, text, plain()).is_empty(), "{text:?}");
    }
    assert_eq!(toy.counts.steps.load(Relaxed), 0);
    idle(&engine, &toy);
}

#[test]
fn a_very_long_text_keeps_all_its_words_and_is_never_far_ahead() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    // No mark in the first half; longer than the text half holds at once.
    let text = format!("{} {}", "one more word ".repeat(4000), TEXT.repeat(300));
    assert!(text.len() > duplex_synthesis::MAX_UNREAD);
    let mut utterance = open(&engine, plain());
    let (mut half, pushed) = (utterance.text, text.clone());
    let writer = thread::spawn(move || {
        half.push(&pushed).unwrap();
        half.finish().unwrap();
        half
    });
    let first = utterance.audio.next().unwrap().unwrap();
    until("it has enough", || {
        engine.stats().sound > Duration::from_millis(450)
    });
    thread::sleep(Duration::from_millis(50));
    assert!(engine.stats().sound < Duration::from_millis(700));
    utterance.text = Box::new(Nothing);
    let (samples, marks) = pull_after(&mut utterance, first).unwrap();
    drop(writer.join().unwrap());
    assert!(samples == toy.expected(&text, "anna"));
    let words = words(&text, false);
    assert_eq!(marks.len(), words.len());
    for (mark, word) in marks.iter().zip(words) {
        assert!(mark.bytes == word && mark.text == text[word] && !mark.exact);
    }
    assert!(marks.is_sorted_by_key(|mark| mark.start));
}

/// Stands where a text half was taken from.
struct Nothing;

impl duplex_synthesis::TextHalf for Nothing {
    fn push(&mut self, _: &str) -> Result<(), Error> {
        Ok(())
    }
    fn try_push(&mut self, text: &str) -> Result<usize, Error> {
        Ok(text.len())
    }
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn words_are_marked_where_their_sound_is() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let text = "A first clause, and a second one. <Then> it's 3.14!";
    let mut utterance = open(&engine, plain());
    utterance.text.push(text).unwrap();
    utterance.text.finish().unwrap();
    let (samples, marks) = pull(&mut utterance).unwrap();
    let texts: Vec<&str> = marks.iter().map(|mark| mark.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "A", "first", "clause", "and", "a", "second", "one", "Then", "it's", "3.14"
        ]
    );
    // A clause's words lie in the clause's sound, which is known here.
    let clauses = [
        "A first clause,",
        " and a second one.",
        " <Then> it's 3.14!",
    ];
    let mut end = 0;
    for (clause, (first, last)) in clauses.iter().zip([(0, 3), (3, 7), (7, 10)]) {
        let begin = end;
        end += toy.expected(clause, "anna").len() as u64;
        for mark in &marks[first..last] {
            assert!((begin..end).contains(&mark.start), "{mark:?}");
        }
        assert_eq!(marks[first].start, begin);
    }
    assert_eq!(end, samples.len() as u64);
}

#[test]
fn markup_is_not_spoken() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let request = Request {
        ssml: true,
        ..Request::default()
    };
    let mut utterance = engine.open_with(&request, plain()).unwrap();
    let source = "<speak>Salt and <emphasis>pepper</emphasis>.</speak>";
    utterance.text.push(source).unwrap();
    utterance.text.finish().unwrap();
    let (samples, marks) = pull(&mut utterance).unwrap();
    assert!(samples == toy.expected("Salt and pepper.", "anna"));
    let texts: Vec<&str> = marks
        .iter()
        .map(|mark| &source[mark.bytes.clone()])
        .collect();
    assert_eq!(texts, ["Salt", "and", "pepper"]);
}

#[test]
fn speed_changes_the_length() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let whole = toy.expected(TEXT, "anna").len() as f64;
    for rate in [0.5, 2.0] {
        let request = Request {
            rate,
            ..Request::default()
        };
        let mut utterance = engine.open_with(&request, plain()).unwrap();
        utterance.text.push(TEXT).unwrap();
        utterance.text.finish().unwrap();
        let (samples, marks) = pull(&mut utterance).unwrap();
        let expected = whole / rate;
        assert!((samples.len() as f64 - expected).abs() < 10.0);
        assert_eq!(marks.len(), words(TEXT, false).len());
    }
    let request = Request {
        rate: 9.0,
        ..Request::default()
    };
    assert!(matches!(engine.open(&request), Err(Error::BadRequest(_))));
}

#[test]
fn a_consumer_that_stops_pulling_gets_nothing_more_and_delays_nobody() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let text = TEXT.repeat(20);
    let mut stopped = open(&engine, plain());
    stopped.text.push(&text).unwrap();
    stopped.text.finish().unwrap();
    let first = stopped.audio.next().unwrap().unwrap();
    until("it has enough", || {
        engine.stats().sound > Duration::from_millis(450)
    });
    thread::sleep(Duration::from_millis(20));
    let made = toy.counts.frames.load(Relaxed);
    assert!(made <= 40, "{made}");
    let expected = toy.expected(TEXT, "anna");
    let chunks = 5;
    for _ in 0..3 {
        assert!(speak(&engine, TEXT, plain()) == expected);
    }
    let others = 3 * (expected.len() / FRAME + chunks);
    assert!(toy.counts.frames.load(Relaxed) <= made + others + 1);
    // It goes on where it stopped.
    let samples = pull_after(&mut stopped, first).unwrap().0;
    assert!(samples == toy.expected(&text, "anna"));
}

#[test]
fn waiting_for_text_takes_no_steps_and_no_slot() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let mut utterance = open(&engine, plain());
    let mut heard = Vec::new();
    let mut expected = Vec::new();
    for part in ["One thing", " after another.", " And so", " on"] {
        utterance.text.push(part).unwrap();
        utterance.text.flush().unwrap();
        expected.extend(toy.expected(part, "anna"));
        while heard.len() < expected.len() {
            heard.extend(utterance.audio.next().unwrap().unwrap().samples);
        }
        until("the slot is free", || toy.counts.held.load(Relaxed) == 0);
        let steps = toy.counts.steps.load(Relaxed);
        thread::sleep(Duration::from_millis(20));
        assert_eq!(toy.counts.steps.load(Relaxed), steps);
    }
    utterance.text.finish().unwrap();
    assert_eq!(utterance.audio.next(), Ok(None));
    assert!(heard == expected);
}

#[test]
fn clauses_that_are_there_are_spoken_as_one() {
    let toy = Toy::shared();
    let options = Options {
        join: true,
        ..options()
    };
    let engine = NeuralEngine::new(toy.clone(), options).unwrap();
    let mut utterance = open(&engine, plain());
    // All three clauses of the sentence are there before the engine can look.
    utterance.text.push("One, two, three. Four").unwrap();
    utterance.text.finish().unwrap();
    let samples = pull(&mut utterance).unwrap().0;
    // A chunk has one tail.
    assert_eq!(samples.len(), (11 + 2 + 4 + 2) * FRAME);
}

#[test]
fn ten_times_more_ask_than_fit_and_the_admitted_are_served() {
    // A frame of 20 ms costs 4 ms for each: four fit, and a fifth where nothing is kept free.
    let toy = Arc::new(Toy {
        each: Duration::from_millis(4),
        ..Toy::default()
    });
    let options = Options {
        slots: 64,
        max_batch: 64,
        margin: 0.1,
        warm_up: true,
        ..options()
    };
    let engine = NeuralEngine::new(toy.clone(), options).unwrap();
    let (mut admitted, mut refusals) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        match engine.open_with(&Request::default(), plain()) {
            Ok(utterance) => admitted.push(utterance),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    // A busy machine sleeps longer than it is told to, never shorter.
    assert!((1..=4).contains(&admitted.len()), "{}", admitted.len());
    for part in ["is full", "ms of the generator", "20 ms of sound", "10 %"] {
        assert!(refusals[0].contains(part), "{part}: {}", refusals[0]);
    }
    assert_eq!(engine.stats().refused, refusals.len() as u64);
    let expected = toy.expected(TEXT, "anna");
    thread::scope(|scope| {
        for mut utterance in admitted {
            let expected = &expected;
            scope.spawn(move || {
                utterance.text.push(TEXT).unwrap();
                utterance.text.finish().unwrap();
                assert!(pull(&mut utterance).unwrap().0 == *expected);
            });
        }
    });
    // There is room again.
    until("nothing is open", || engine.stats().open == 0);
    assert!(speak(&engine, TEXT, plain()) == expected);
}

#[test]
fn without_a_free_slot_the_reason_is_named() {
    let toy = Toy::shared();
    let options = Options {
        slots: 2,
        ..options()
    };
    let engine = NeuralEngine::new(toy, options).unwrap();
    let _held = [open(&engine, plain()), open(&engine, plain())];
    let Err(Error::Busy(sentence)) = engine.open(&Request::default()) else {
        panic!("a third was admitted to two slots");
    };
    assert!(sentence.contains("all of its 2 slots"), "{sentence}");
}

#[test]
fn after_a_failure_of_the_model_the_open_ones_are_told_and_the_next_one_speaks() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let expected = toy.expected(TEXT, "anna");
    for (trap, word) in [
        (Trap::ErrorInStep, "the device is lost"),
        (Trap::PanicInStep, "panicked at a step: expected by"),
        (Trap::ErrorInDecode, "the device is lost"),
        (Trap::PanicInDecode, "panicked at making sound"),
        (Trap::PanicInAdmit, "panicked at beginning a chunk"),
        (Trap::ShortAnswer, "fault of its family"),
    ] {
        let made = toy.counts.generators.load(Relaxed);
        let mut open: Vec<_> = (0..3).map(|_| open(&engine, plain())).collect();
        for utterance in &mut open {
            utterance.text.push(TEXT).unwrap();
            utterance.audio.next().unwrap();
        }
        toy.set(trap);
        for utterance in &mut open {
            // Not every one is being stepped when it happens; none of them waits for ever.
            let _ = utterance.text.finish();
            let error = loop {
                match utterance.audio.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{trap:?} went unnoticed"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, Error::Failed(_)), "{trap:?}: {error:?}");
            assert!(error.to_string().contains(word), "{trap:?}: {error}");
        }
        idle(&engine, &toy);
        assert!(speak(&engine, TEXT, plain()) == expected, "{trap:?}");
        assert_eq!(toy.counts.generators.load(Relaxed), made + 1, "{trap:?}");
    }
    assert_eq!(engine.stats().failures, 6);
}

#[test]
fn a_text_that_the_model_refuses_fails_alone() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let mut other = open(&engine, plain());
    other.text.push(TEXT).unwrap();
    let fail = |text: &str, word: &str| {
        let mut utterance = open(&engine, plain());
        utterance.text.push(text).unwrap();
        utterance.text.finish().unwrap();
        let error = pull(&mut utterance).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    fail("A forbidden word.", "cannot say that");
    let first = other.audio.next().unwrap().unwrap();
    // The other one has begun all that it can for now.
    until("it has enough", || {
        engine.stats().sound > Duration::from_millis(450)
    });
    thread::sleep(Duration::from_millis(20));
    toy.set(Trap::PanicInChunks);
    fail("Anything.", "panicked at cutting its text");
    toy.set(Trap::ErrorInAdmit);
    fail("Anything.", "no such token");
    other.text.finish().unwrap();
    let samples = pull_after(&mut other, first).unwrap().0;
    assert!(samples == toy.expected(TEXT, "anna"));
    assert_eq!(engine.stats().failures, 0);
    idle(&engine, &toy);
}

#[test]
fn a_model_that_cannot_be_started_again_is_unavailable() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    toy.lost.store(true, Relaxed);
    toy.set(Trap::ErrorInStep);
    let attempt = || -> Error {
        let mut utterance = match engine.open_with(&Request::default(), plain()) {
            Ok(utterance) => utterance,
            Err(error) => return error,
        };
        let _ = utterance.text.push(TEXT);
        let _ = utterance.text.finish();
        pull(&mut utterance).unwrap_err()
    };
    assert!(matches!(attempt(), Error::Failed(_)));
    let error = attempt();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("could not be started again"));
    // It is told at once now.
    let start = Instant::now();
    assert_eq!(attempt(), error);
    assert!(start.elapsed() < Duration::from_secs(4));
    // And tried again later.
    toy.lost.store(false, Relaxed);
    until("it has come back", || {
        engine.open(&Request::default()).is_ok()
    });
    assert!(speak(&engine, TEXT, plain()) == toy.expected(TEXT, "anna"));
    toy.lost.store(true, Relaxed);
    assert!(matches!(
        NeuralEngine::new(toy, options()),
        Err(Error::Failed(_))
    ));
}

#[test]
fn voices_are_chosen_by_name_and_language_and_loaded_once() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let request = |voice: Option<&str>, language: Option<&str>| Request {
        voice: voice.map(Into::into),
        language: language.map(Into::into),
        ..Request::default()
    };
    for (voice, language, expected) in [
        (None, None, "anna"),
        (Some("carl"), None, "carl"),
        (Some("carl"), Some("de"), "carl"),
        (None, Some("EN-us"), "carl"),
        (None, Some("de-AT"), "bert"),
        (None, Some("en-AU"), "anna"),
    ] {
        let request = request(voice, language);
        engine.prepare(&request).unwrap();
        let mut utterance = engine.open_with(&request, plain()).unwrap();
        utterance.text.push("Good day.").unwrap();
        utterance.text.finish().unwrap();
        let samples = pull(&mut utterance).unwrap().0;
        assert!(samples == toy.expected("Good day.", expected), "{expected}");
    }
    assert_eq!(toy.counts.voices.load(Relaxed), 3);
    for request in [request(Some("dora"), None), request(None, Some("fr"))] {
        let Err(Error::NoSuchVoice { remedy, .. }) = engine.open(&request) else {
            panic!("{request:?}");
        };
        assert!(
            remedy.contains("anna") || remedy.contains("en-US"),
            "{remedy}"
        );
    }
    assert_eq!(engine.voices().unwrap().len(), 3);
    let toy = Arc::new(Toy {
        any_language: true,
        ..Toy::default()
    });
    let engine = self::engine(&toy);
    let request = request(None, Some("fr"));
    let mut utterance = engine.open_with(&request, plain()).unwrap();
    utterance.text.push("Bonjour.").unwrap();
    utterance.text.finish().unwrap();
    assert!(pull(&mut utterance).unwrap().0 == toy.expected("Bonjour.", "dora"));
    assert_eq!(engine.sample_rate(&Request::default()), Ok(RATE));
}

#[test]
fn two_engines_in_one_process_know_nothing_of_each_other() {
    let toys = [Toy::shared(), Toy::shared()];
    let engines = [engine(&toys[0]), engine(&toys[1])];
    thread::scope(|scope| {
        for (toy, engine) in toys.iter().zip(&engines) {
            scope.spawn(move || {
                for _ in 0..5 {
                    assert!(speak(engine, TEXT, plain()) == toy.expected(TEXT, "anna"));
                }
            });
        }
    });
    let [first, second] = engines;
    drop(first);
    assert!(speak(&second, TEXT, plain()) == toys[1].expected(TEXT, "anna"));
}

#[test]
fn dropping_the_engine_ends_its_threads_and_tells_who_is_open() {
    let toy = Toy::shared();
    let engine = engine(&toy);
    let mut utterance = open(&engine, plain());
    utterance.text.push(TEXT).unwrap();
    utterance.audio.next().unwrap();
    let mut waiting = open(&engine, plain()).audio;
    let (told, hears) = mpsc::channel();
    let waiter = thread::spawn(move || told.send(waiting.next()).unwrap());
    drop(engine);
    // Both threads had a hand on it.
    assert_eq!(Arc::strong_count(&toy), 1);
    assert_eq!(toy.counts.held.load(Relaxed), 0);
    let end = loop {
        match utterance.audio.next() {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(end, Err(Error::Unavailable(_))), "{end:?}");
    // Its text half is gone, which cancels it; or else the engine has ended it.
    assert!(hears.recv().unwrap().is_err());
    waiter.join().unwrap();
}

#[test]
fn the_registry_shares_an_engine_by_its_key() {
    let toy = Toy::shared();
    let get = |key: &str| {
        let load = |_: &dyn Fn(_)| Ok(Arc::new(engine(&toy)));
        registry::engines()
            .get(format!("families: {key}"), &|_| (), load)
            .unwrap()
    };
    let (first, second, other) = (get("toy on cpu"), get("toy on cpu"), get("toy on cuda:0"));
    assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
    assert_eq!(toy.counts.generators.load(Relaxed), 2);
    drop((first, other));
    assert!(speak(&second, TEXT, plain()) == toy.expected(TEXT, "anna"));
    drop(second);
    assert_eq!(Arc::strong_count(&toy), 1);
}

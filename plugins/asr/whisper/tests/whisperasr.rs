// SPDX-License-Identifier: MPL-2.0

//! `whisperasr` with models of random weights: what they understand is nonsense, all else is as with real ones.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError},
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::Harness;

const RATE: u64 = 16_000;
/// Whatever is waited for has come by then.
const PATIENCE: Duration = Duration::from_secs(120);

// ---- models -------------------------------------------------------------------------------------

/// A file of this process alone.
fn file(name: &str) -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("models");
        fs::create_dir_all(&folder).unwrap();
        folder
    });
    FOLDER.join(name)
}

/// A model, written once.
fn model(name: &str, arguments: &[&str]) -> PathBuf {
    let path = file(name);
    let written = Command::new(env!("CARGO_BIN_EXE_random-model"))
        .arg(&path)
        .args(arguments)
        .status();
    assert!(written.unwrap().success());
    path
}

fn small() -> &'static Path {
    static MODEL: LazyLock<PathBuf> = LazyLock::new(|| model("small.bin", &[]));
    &MODEL
}

/// A model that knows English only.
fn english() -> &'static Path {
    static MODEL: LazyLock<PathBuf> = LazyLock::new(|| model("small.en.bin", &["--english"]));
    &MODEL
}

/// A model that takes seconds for a turn.
fn slow() -> &'static Path {
    static MODEL: LazyLock<PathBuf> =
        LazyLock::new(|| model("slow.bin", &["--state", "256", "--layers", "48"]));
    &MODEL
}

// ---- a line -------------------------------------------------------------------------------------

/// Figures of the process are compared.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstduplexwhisper::plugin_register_static().unwrap();
    });
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn element(model: Option<&Path>) -> gst::Element {
    let asr = gst::ElementFactory::make("whisperasr").build().unwrap();
    asr.set_property("model", model.map(|path| path.to_str().unwrap()));
    asr
}

/// The sentence with which READY is refused.
fn refusal(asr: &gst::Element) -> String {
    let bus = gst::Bus::new();
    asr.set_bus(Some(&bus));
    assert!(
        asr.set_state(gst::State::Ready).is_err(),
        "READY is refused"
    );
    let message = bus.pop_filtered(&[gst::MessageType::Error]);
    let _ = asr.set_state(gst::State::Null);
    match message.expect("an error is told").view() {
        gst::MessageView::Error(error) => error.error().to_string(),
        other => panic!("no error: {other:?}"),
    }
}

fn stat<T: for<'a> gst::glib::value::FromValue<'a> + 'static>(asr: &gst::Element, name: &str) -> T {
    let stats: gst::Structure = asr.property("stats");
    (stats
        .value(name)
        .unwrap_or_else(|error| panic!("{name}: {error}")))
    .get()
    .unwrap()
}

#[derive(Clone, Debug, PartialEq)]
enum Out {
    Text(String),
    Event(String, gst::Structure),
    Eos,
}

/// An element between the ears, which the test plays, and whoever wants the text.
struct Line {
    asr: gst::Element,
    harness: Harness,
    bus: gst::Bus,
    out: Arc<Mutex<Vec<Out>>>,
    fed: u64,
}

impl Line {
    fn new(asr: gst::Element) -> Self {
        let bus = gst::Bus::new();
        asr.set_bus(Some(&bus));
        let out = Arc::new(Mutex::new(Vec::new()));
        let seen = out.clone();
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        let pad = asr.static_pad("src").unwrap();
        pad.add_probe(mask, move |_, info| {
            let one = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => Some(Out::Text(
                    String::from_utf8(buffer.map_readable().unwrap().to_vec()).unwrap(),
                )),
                Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                    Some(Out::Eos)
                }
                Some(gst::PadProbeData::Event(event)) => (event.structure())
                    .filter(|structure| structure.name().ends_with("end-of-turn"))
                    .map(|s| Out::Event(s.name().to_string(), s.to_owned())),
                _ => None,
            };
            seen.lock().unwrap().extend(one);
            gst::PadProbeReturn::Ok
        });
        asr.set_state(gst::State::Ready).unwrap();
        let mut harness = Harness::with_element(&asr, Some("sink"), Some("src"));
        // As a file: time is that of the audio alone.
        let ears = asr.static_pad("sink").and_then(|pad| pad.peer()).unwrap();
        ears.add_probe(gst::PadProbeType::QUERY_UPSTREAM, |_, info| {
            match info.query_mut().map(gst::QueryRef::view_mut) {
                Some(gst::QueryViewMut::Latency(latency)) => {
                    latency.set(false, gst::ClockTime::ZERO, None);
                    gst::PadProbeReturn::Handled
                }
                _ => gst::PadProbeReturn::Ok,
            }
        });
        harness
            .set_src_caps_str("audio/x-raw,format=S16LE,layout=interleaved,rate=16000,channels=1");
        harness.play();
        Self {
            asr,
            harness,
            bus,
            out,
            fed: 0,
        }
    }

    fn milliseconds(&self) -> u64 {
        self.fed * 1000 / RATE
    }

    /// So many milliseconds of a sound.
    fn sound(&mut self, milliseconds: u64, loud: bool) {
        for _ in 0..milliseconds / 10 {
            let samples = (self.fed..self.fed + RATE / 100).map(|n| {
                let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51;
                if loud { noise as i16 - 4096 } else { 0 }
            });
            let bytes: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
            let mut buffer = gst::Buffer::from_slice(bytes);
            let unshared = buffer.get_mut().unwrap();
            unshared.set_pts(gst::ClockTime::from_mseconds(self.milliseconds()));
            unshared.set_duration(gst::ClockTime::from_mseconds(10));
            self.fed += RATE / 100;
            self.harness.push(buffer).unwrap();
        }
    }

    fn ears(&mut self, name: &str) {
        let event = gst::Structure::builder(name)
            .field("running-time", self.milliseconds() * 1_000_000)
            .field("over-speech", false)
            .build();
        assert!(
            self.harness
                .push_event(gst::event::CustomDownstream::new(event))
        );
    }

    fn start(&mut self) {
        self.ears("voice/start-of-speech");
    }

    fn end(&mut self) {
        self.ears("voice/end-of-speech");
    }

    /// Speech of that length and what follows it, until the turn is over.
    fn turn(&mut self, milliseconds: u64) {
        self.start();
        self.sound(milliseconds, true);
        self.end();
        self.sound(1500, false);
    }

    fn eos(&mut self) {
        assert!(self.harness.push_event(gst::event::Eos::new()));
    }

    fn out(&self) -> Vec<Out> {
        self.out.lock().unwrap().clone()
    }

    fn texts(&self) -> Vec<String> {
        let texts = self.out().into_iter().filter_map(|one| match one {
            Out::Text(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    fn until(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + PATIENCE;
        while !wanted(self) {
            assert!(Instant::now() < limit, "{what}: {:#?}", self.out());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn passes(&self) -> u64 {
        stat(&self.asr, "passes")
    }

    fn cancelled(&self) -> u64 {
        stat(&self.asr, "passes-cancelled")
    }

    fn hearing(&self) -> bool {
        stat(&self.asr, "hearing")
    }

    /// The transcripts so far; whatever else is told must not be an error.
    fn transcripts(&self) -> Vec<gst::Structure> {
        let mut found = Vec::new();
        while let Some(message) = self.bus.pop() {
            match message.view() {
                gst::MessageView::Error(error) => panic!("{error:?}"),
                gst::MessageView::Warning(warning) => panic!("{warning:?}"),
                gst::MessageView::Element(_) => found.push(message.structure().unwrap().to_owned()),
                _ => {}
            }
        }
        found
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.asr.set_state(gst::State::Null);
    }
}

// ---- turns --------------------------------------------------------------------------------------

#[test]
fn a_turn_gives_partial_transcripts_a_final_one_its_text_and_its_end() {
    let _turn = one_at_a_time();
    let asr = element(Some(small()));
    asr.set_property("language", "de-AT");
    let mut line = Line::new(asr);
    line.sound(500, false);
    line.start();
    for pass in 1..=2 {
        // As much as the machine needs before it hears the turn again.
        line.until("a pass over what was said so far", |line| {
            line.passes() >= pass || !line.hearing()
        });
        while line.passes() < pass {
            line.sound(100, true);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    line.sound(400, true);
    let end = line.milliseconds();
    line.end();
    line.sound(1500, false);
    line.until("the end of the turn", |line| line.out().len() >= 2);

    let out = line.out();
    let Some(Out::Text(text)) = out.iter().find(|one| matches!(one, Out::Text(_))) else {
        panic!("{out:?}");
    };
    assert!(!text.is_empty());
    let at = out
        .iter()
        .position(|one| *one == Out::Text(text.clone()))
        .unwrap();
    let Some(Out::Event(name, event)) = out.get(at + 1) else {
        panic!("{out:?}");
    };
    assert_eq!(name, "voice/end-of-turn");
    assert_eq!(event.get::<&str>("text").unwrap(), text);
    assert_eq!(event.get::<&str>("language").unwrap(), "de");
    assert_eq!(event.get::<u64>("speech-end").unwrap(), end * 1_000_000);

    let transcripts = line.transcripts();
    let finals: Vec<bool> = transcripts
        .iter()
        .map(|t| t.get("final").unwrap())
        .collect();
    let partials = finals.len() - 1;
    assert!(partials >= 1, "{transcripts:#?}");
    assert!(
        finals[..partials].iter().all(|last| !last) && finals[partials],
        "{finals:?}"
    );
    let last = &transcripts[partials];
    assert_eq!(last.get::<&str>("text").unwrap(), text);
    assert_eq!(last.get::<&str>("language").unwrap(), "de");
    let words = last.get::<gst::Array>("words").unwrap();
    let mut before = 0;
    let mut joined = Vec::new();
    for word in words.iter() {
        let word = word.get::<gst::Structure>().unwrap();
        let start: u64 = word.get("start").unwrap();
        let duration: u64 = word.get("duration").unwrap();
        let confidence: f64 = word.get("confidence").unwrap();
        assert!(start >= before, "{words:#?}");
        assert!(
            start + duration <= line.milliseconds() * 1_000_000,
            "{word:?}"
        );
        assert!((0.0..=1.0).contains(&confidence), "{word:?}");
        before = start;
        joined.push(word.get::<String>("text").unwrap());
    }
    assert_eq!(joined.join(" "), *text);
    assert_eq!(stat::<u64>(&line.asr, "turns"), 1);
}

#[test]
fn the_same_audio_gives_the_same_text() {
    let _turn = one_at_a_time();
    let texts = [(); 2].map(|()| {
        let asr = element(Some(small()));
        asr.set_property("language", "en");
        asr.set_property("partial-interval", 0u64);
        asr.set_property("threads", 1u32);
        let mut line = Line::new(asr);
        line.turn(1200);
        line.until("the text", |line| !line.texts().is_empty());
        // No one asked for more than the end.
        assert_eq!(line.passes(), 1);
        line.texts()
    });
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn the_language_is_found_out_where_nobody_says_it() {
    let _turn = one_at_a_time();
    for language in [None, Some("auto"), Some(" Auto ")] {
        let asr = element(Some(small()));
        asr.set_property("language", language);
        let mut line = Line::new(asr);
        line.turn(1000);
        line.until("the end of the turn", |line| line.out().len() >= 2);
        let transcript = line.transcripts().pop().unwrap();
        let found: String = transcript.get("language").unwrap();
        assert!((2..=3).contains(&found.len()) && found != "auto", "{found}");
        let out = line.out();
        let told = out.iter().find_map(|one| match one {
            Out::Event(name, event) if name == "voice/end-of-turn" => {
                event.get::<String>("language").ok()
            }
            _ => None,
        });
        assert_eq!(told.as_ref(), Some(&found));
    }
}

#[test]
fn a_translation_is_english() {
    let _turn = one_at_a_time();
    let asr = element(Some(small()));
    asr.set_property("language", "fr");
    asr.set_property("translate", true);
    let mut line = Line::new(asr);
    line.turn(1000);
    line.until("the end of the turn", |line| line.out().len() >= 2);
    let transcript = line.transcripts().pop().unwrap();
    assert_eq!(transcript.get::<&str>("language").unwrap(), "en");
}

#[test]
fn speech_that_the_stream_ends_in_is_a_turn() {
    let _turn = one_at_a_time();
    for milliseconds in [20, 1500] {
        let mut line = Line::new(element(Some(english())));
        line.start();
        line.sound(milliseconds, true);
        line.eos();
        line.until("EOS", |line| line.out().contains(&Out::Eos));
        let out = line.out();
        assert_eq!(line.texts().len(), 1, "{out:?}");
        assert_eq!(out.last(), Some(&Out::Eos), "after the turn: {out:?}");
        let transcript = line.transcripts().pop().unwrap();
        assert_eq!(transcript.get::<&str>("language").unwrap(), "en");
    }
}

#[test]
fn speech_that_goes_on_is_heard_again() {
    let _turn = one_at_a_time();
    let asr = element(Some(small()));
    asr.set_property("language", "en");
    asr.set_property("partial-interval", 0u64);
    let mut line = Line::new(asr);
    line.start();
    line.sound(800, true);
    line.end();
    line.sound(200, false);
    line.until("a pass at the end of speech", |line| line.passes() == 1);
    line.start();
    line.sound(800, true);
    line.end();
    line.sound(1500, false);
    line.until("the end of the turn", |line| line.out().len() >= 2);
    assert_eq!(line.passes(), 2);
    assert_eq!(line.texts().len(), 1, "one turn");
}

#[test]
fn what_is_set_while_it_plays_counts_from_the_next_turn_on() {
    let _turn = one_at_a_time();
    let asr = element(Some(small()));
    asr.set_property("language", "en");
    let mut line = Line::new(asr);
    let mut language = |set: &str| {
        let before = line.texts().len();
        line.asr.set_property("language", set);
        line.turn(600);
        line.until("the text", |line| line.texts().len() > before);
        // Some model's language is none.
        let warned = line.bus.pop_filtered(&[gst::MessageType::Warning]);
        line.until("the end of the turn", |line| {
            line.out().len().is_multiple_of(2)
        });
        let told = line.out().into_iter().rev().find_map(|one| match one {
            Out::Event(_, event) => event.get::<String>("language").ok(),
            _ => None,
        });
        (told.unwrap(), warned.is_some())
    };
    assert_eq!(language("en"), ("en".to_owned(), false));
    assert_eq!(language("nl"), ("nl".to_owned(), false));
    assert_eq!(language("klingon"), ("nl".to_owned(), true));
    assert_eq!(language("sv"), ("sv".to_owned(), false));
}

// ---- cancelling ---------------------------------------------------------------------------------

/// Neither a flush nor the audio after it waits for what the library computes.
#[test]
fn a_flush_ends_a_turn_that_is_being_heard() {
    let _turn = one_at_a_time();
    for ending in [false, true] {
        let asr = element(Some(slow()));
        asr.set_property("language", "en");
        asr.set_property("threads", 1u32);
        // One pass, that at the end of speech.
        asr.set_property("partial-interval", 0u64);
        let mut line = Line::new(asr);
        line.start();
        line.sound(600, true);
        line.end();
        if ending {
            // The source pad's task waits for the result.
            line.eos();
        }
        line.until("a pass", Line::hearing);
        let passes = line.passes();
        assert!(line.harness.push_event(gst::event::FlushStart::new()));
        assert!(
            line.harness
                .push_event(gst::event::FlushStop::builder(true).build())
        );
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(line.harness.push_event(gst::event::Segment::new(&segment)));
        line.sound(200, false);
        assert!(line.hearing(), "the flush did not wait for the library");
        assert_eq!(line.passes(), passes);
        line.until("the cancel", |line| !line.hearing());
        assert_eq!(line.cancelled(), line.passes(), "all were cancelled");
        assert_eq!(line.out(), [], "nothing of it is told");
        assert!(line.transcripts().is_empty());
        // And it hears the next turn.
        line.fed = 0;
        line.turn(600);
        line.until("the text", |line| line.texts().len() == 1);
    }
}

#[test]
fn a_stop_ends_what_is_being_heard() {
    let _turn = one_at_a_time();
    let mut line = Line::new(element(Some(slow())));
    line.start();
    line.sound(600, true);
    line.end();
    line.until("a pass", Line::hearing);
    line.asr.set_state(gst::State::Ready).unwrap();
    assert!(
        line.hearing(),
        "PAUSED to READY does not wait for the library"
    );
    line.asr.set_state(gst::State::Null).unwrap();
    assert!(
        !line.hearing(),
        "nothing computes behind an element in NULL"
    );
    assert_eq!(line.texts(), [""; 0]);
    assert_eq!(
        stat::<u64>(&line.asr, "models"),
        0,
        "and nobody holds the model"
    );
}

// ---- models -------------------------------------------------------------------------------------

#[test]
fn elements_share_a_model_and_free_it() {
    let _turn = one_at_a_time();
    let first = element(Some(small()));
    let loaded = |asr: &gst::Element| stat::<u64>(asr, "models-loaded");
    let before = loaded(&first);
    first.set_state(gst::State::Ready).unwrap();
    // By another name of it, too.
    let link = file("link.bin");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(small(), &link).unwrap();
    let mut lines: Vec<Line> = [small(), &link]
        .map(|path| Line::new(element(Some(path))))
        .into();
    for line in &mut lines {
        line.turn(800);
    }
    for line in &lines {
        line.until("the text", |line| line.texts().len() == 1);
    }
    assert_eq!(loaded(&first), before + 1);
    assert_eq!(stat::<u64>(&first, "models"), 1);
    for _ in 0..20 {
        let asr = element(Some(small()));
        asr.set_state(gst::State::Ready).unwrap();
        asr.set_state(gst::State::Null).unwrap();
    }
    assert_eq!(loaded(&first), before + 1, "many starts load nothing");
    drop(lines);
    first.set_state(gst::State::Null).unwrap();
    assert_eq!(stat::<u64>(&first, "models"), 0);
    // Whoever comes next loads it again.
    first.set_state(gst::State::Ready).unwrap();
    assert_eq!(loaded(&first), before + 2);
    first.set_state(gst::State::Null).unwrap();
}

#[test]
fn an_element_starts_again_and_again() {
    let _turn = one_at_a_time();
    for _ in 0..10 {
        let mut line = Line::new(element(Some(english())));
        line.turn(300);
        line.until("the text", |line| line.texts().len() == 1);
    }
}

#[test]
fn a_wrong_language_is_refused_with_what_to_do() {
    let _turn = one_at_a_time();
    for (path, language, translate, says) in [
        (
            small(),
            "klingon",
            false,
            "Whisper knows no language `klingon`: set language=",
        ),
        (small(), "", true, ""),
        (
            english(),
            "de",
            false,
            "knows English only: set language=en",
        ),
        (
            english(),
            "en",
            true,
            "cannot translate: set translate=false",
        ),
        (english(), "en-GB", false, ""),
    ] {
        let asr = element(Some(path));
        asr.set_property("language", language);
        asr.set_property("translate", translate);
        if says.is_empty() {
            asr.set_state(gst::State::Ready).unwrap();
            asr.set_state(gst::State::Null).unwrap();
        } else {
            let told = refusal(&asr);
            assert!(told.contains(says), "{told}");
        }
    }
}

#[test]
fn a_device_that_is_not_there_is_refused_with_what_to_do() {
    let _turn = one_at_a_time();
    for device in ["auto", "cpu", ""] {
        let asr = element(Some(small()));
        asr.set_property("device", device);
        asr.set_state(gst::State::Ready).unwrap();
        asr.set_state(gst::State::Null).unwrap();
    }
    for (device, says) in [
        (
            "tpu",
            "there is no device `tpu`: set device= to auto, cpu, cuda or cuda:1",
        ),
        ("cuda:-1", "there is no device `cuda:-1`"),
        #[cfg(not(any(feature = "cuda", feature = "vulkan")))]
        (
            "cuda:0",
            "set device=cpu, or build it with make build WHISPER=cuda",
        ),
    ] {
        let asr = element(Some(small()));
        asr.set_property("device", device);
        let told = refusal(&asr);
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn what_is_no_model_is_refused_with_what_to_do() {
    let _turn = one_at_a_time();
    let whole = fs::read(small()).unwrap();
    let path = file("broken.bin");
    let told = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let told = refusal(&element(Some(&path)));
        assert!(told.contains(path.to_str().unwrap()), "{told}");
        assert!(!told.contains('\n'), "one sentence: {told}");
        told
    };
    // The header is 48 bytes, the mel filters end at 64,376, the tokens some 600 KiB later.
    for length in [
        4,
        20,
        47,
        50,
        1000,
        64_376,
        64_380,
        64_400,
        300_000,
        whole.len() / 2,
        whole.len() - 1_000,
        whole.len() - 1,
    ] {
        let told = told(&whole[..length]);
        assert!(
            told.contains("is cut off: copy or download it once more"),
            "{length}: {told}"
        );
    }
    let no_model = "is no model in whisper.cpp's format";
    for (bytes, says) in [
        (&b""[..], "it has 0 bytes"),
        (b"hello, world", "it does not begin like one"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"PK\x03\x04 and so on", "PyTorch"),
    ] {
        let told = told(bytes);
        assert!(told.contains(no_model) && told.contains(says), "{told}");
        assert!(told.contains("ggml-base.bin"), "{told}");
    }
    // Each number of the header but the last, which tells how weights are stored, and the counts that follow.
    for at in (4..44).step_by(4).chain([48, 52, 64_376]) {
        for value in [0u32, 7, 0x7fff_ffff, u32::MAX] {
            let mut bytes = whole.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let told = told(&bytes);
            assert!(
                told.contains(no_model)
                    || told.contains("is cut off")
                    || told.contains("does not take the model"),
                "{at}: {told}"
            );
        }
    }
    let mut longer = whole.clone();
    longer.extend([0; 12]);
    assert!(told(&longer).contains("12 bytes follow its last tensor"));

    let missing = refusal(&element(Some(Path::new("/nowhere/ggml-base.bin"))));
    assert!(
        missing.contains("/nowhere/ggml-base.bin cannot be read"),
        "{missing}"
    );
    let folder = refusal(&element(Some(Path::new("/tmp"))));
    assert!(folder.contains("it is no file"), "{folder}");
    for none in [None, Some(Path::new(" "))] {
        let told = refusal(&element(none));
        assert!(
            told.contains("whisperasr has no model: set model="),
            "{told}"
        );
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later

//! espeaktts in lines as people type them, and what it says when it cannot work.

#![allow(clippy::print_stderr)]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use gst::prelude::*;

fn init() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstduplexespeak::plugin_register_static().unwrap();
    });
}

/// A folder of this test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("espeaktts-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    fn wav(&self, name: &str) -> (hound::WavSpec, Vec<i16>) {
        let mut wav = hound::WavReader::open(self.0.join(name)).unwrap();
        let samples = wav.samples::<i16>().map(Result::unwrap).collect();
        (wav.spec(), samples)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where cargo built the plugin as a file.
fn plugins() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap().parent().unwrap();
    let plugin = folder.join("libgstduplexespeak.so");
    assert!(
        plugin.exists(),
        "{} is missing: cargo build",
        plugin.display()
    );
    folder.to_owned()
}

/// `gst-launch-1.0` with that line, as a shell would split it, in that folder.
fn launch(folder: &Path, line: &str, input: &[u8]) -> Output {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("exec gst-launch-1.0 -q {line}"))
        .current_dir(folder)
        .env("GST_PLUGIN_PATH", plugins())
        .env("GST_REGISTRY", folder.join("registry.bin"))
        .env("G_DEBUG", "fatal_criticals")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gst-launch-1.0 runs: Debian's gstreamer1.0-tools");
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn launched(folder: &Folder, line: &str, input: &[u8]) {
    let output = launch(&folder.0, line, input);
    assert!(
        output.status.success(),
        "{line}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

const STORY: &str = "Once upon a time there was an old man, who lived in a small house near the river. \
    Every morning he walked to the market to buy bread and milk.\n";

#[test]
fn a_story_becomes_a_file_as_typed() {
    let folder = Folder::new("story");
    folder.write("story.txt", STORY);
    launched(
        &folder,
        "filesrc location=story.txt ! text/x-raw,format=utf8 ! espeaktts ! wavenc ! filesink location=out.wav",
        b"",
    );
    let (spec, samples) = folder.wav("out.wav");
    assert_eq!(
        (spec.sample_rate, spec.channels, spec.bits_per_sample),
        (22_050, 1, 16)
    );
    let seconds = samples.len() as f64 / 22_050.0;
    // 29 words at eSpeak's 175 a minute, and their pauses.
    assert!((6.0..14.0).contains(&seconds), "{seconds} s");
    let square: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    let rms = (square / samples.len() as f64).sqrt();
    assert!(rms > 500.0, "rms {rms}: that is no speech");

    // The same text in single bytes, and with each line's characters cut.
    launched(
        &folder,
        "fdsrc blocksize=1 ! text/x-raw,format=utf8 ! espeaktts max-delay=18446744073709551615 ! wavenc ! filesink location=bytes.wav",
        STORY.as_bytes(),
    );
    let bytes = folder.wav("bytes.wav").1.len() as f64;
    let whole = samples.len() as f64;
    assert!(
        (bytes / whole - 1.0).abs() < 0.05,
        "{bytes} samples from bytes, {whole} from the file"
    );
}

#[test]
fn an_empty_story_is_a_file_without_sound() {
    let folder = Folder::new("empty");
    folder.write("story.txt", "\n");
    launched(
        &folder,
        "filesrc location=story.txt ! text/x-raw,format=utf8 ! espeaktts ! wavenc ! filesink location=out.wav",
        b"",
    );
    // Its header alone.
    let file = std::fs::read(folder.0.join("out.wav")).unwrap();
    assert_eq!(file.len(), 44);
    assert_eq!(file[24..28], 22_050u32.to_le_bytes());
}

#[test]
fn what_is_spoken_is_recognised() {
    let folder = Folder::new("recognised");
    let words = "market telephone yellow mother seventeen river window pocket morning telephone \
        river mother seventeen yellow market window";
    folder.write(
        "words.txt",
        words
            .replace("mother", "mother,")
            .replace("window", "window."),
    );
    folder.write(
        "words.gram",
        "#JSGF V1.0;\ngrammar words;\npublic <words> = ( river | market | mother | morning | window | \
         yellow | telephone | seventeen | pocket | animal | garden | doctor | paper | sunday )+ ;\n",
    );
    launched(
        &folder,
        "filesrc location=words.txt ! text/x-raw,format=utf8 ! espeaktts voice=en-us ! \
         audio/x-raw,rate=16000 ! wavenc ! filesink location=words.wav",
        b"",
    );
    let recognised = Command::new("pocketsphinx_continuous")
        .args(["-infile", "words.wav", "-jsgf", "words.gram"])
        .current_dir(&folder.0)
        .stderr(Stdio::null())
        .output();
    let Ok(recognised) = recognised else {
        eprintln!(
            "SKIPPED: pocketsphinx_continuous is missing: Debian's pocketsphinx and pocketsphinx-en-us"
        );
        return;
    };
    let recognised = String::from_utf8_lossy(&recognised.stdout).into_owned();
    let heard: Vec<&str> = recognised.split_whitespace().collect();
    let said: Vec<&str> = words.split_whitespace().collect();
    let common = in_order(&said, &heard);
    assert!(
        common * 10 >= said.len() * 7 && heard.len() <= said.len() + 4,
        "{common} of {} words: {recognised}",
        said.len()
    );
}

/// How many words two texts have in common, in their order.
fn in_order(a: &[&str], b: &[&str]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let up = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { up.max(row[j]) };
            diagonal = up;
        }
    }
    row[b.len()]
}

#[test]
fn a_wrong_voice_ends_the_line_with_a_sentence() {
    let folder = Folder::new("voice");
    folder.write("story.txt", STORY);
    let output = launch(
        &folder.0,
        "filesrc location=story.txt ! text/x-raw,format=utf8 ! espeaktts voice=en-uss ! fakesink",
        b"",
    );
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("no voice `en-uss`") && said.contains("`en-us`"),
        "{said}"
    );
}

#[test]
fn other_languages_and_rates_speak_too() {
    let folder = Folder::new("languages");
    let length = |properties: &str, text: &str| {
        folder.write("text.txt", text);
        launched(
            &folder,
            &format!(
                "filesrc location=text.txt ! text/x-raw,format=utf8 ! espeaktts {properties} ! wavenc ! \
                 filesink location=out.wav"
            ),
            b"",
        );
        folder.wav("out.wav").1.len() as f64 / 22_050.0
    };
    let text = "Das ist ein schöner Tag für einen Spaziergang.";
    let german = length("language=de", text);
    assert!((1.5..6.0).contains(&german), "{german} s");
    let fast = length("language=de rate=2.0", text);
    assert!(fast < german * 0.7, "{fast} s of {german} s");
    let chinese = length("language=cmn", "今天天气很好，我们去公园散步。");
    assert!((1.0..10.0).contains(&chinese), "{chinese} s");
    let plain = length("voice=en-us", "One two.");
    let paused = length(
        "voice=en-us ssml=true",
        "<speak>One <break time=\"2s\"/> two.</speak>",
    );
    assert!(
        paused > plain + 0.3,
        "{paused} s with a break, {plain} s without"
    );
}

/// Runs a line with `name=voice` in it to its end, in this process. Gives the running time and
/// the text of each utterance that left the element.
fn spoken(line: &str) -> Vec<(gst::ClockTime, String)> {
    init();
    let pipeline = gst::parse::launch(line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let heard = Arc::new(Mutex::new((gst::ClockTime::ZERO, Vec::new())));
    let seen = heard.clone();
    let src = pipeline
        .by_name("voice")
        .unwrap()
        .static_pad("src")
        .unwrap();
    src.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let event = info.event().unwrap();
        let mut heard = seen.lock().unwrap();
        let (base, utterances): &mut (gst::ClockTime, Vec<(gst::ClockTime, String)>) = &mut heard;
        match event.view() {
            gst::EventView::Segment(segment) => {
                let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap();
                *base = segment.base().unwrap();
            }
            gst::EventView::CustomDownstream(custom) => {
                let structure = custom.structure().unwrap();
                match structure.name().as_str() {
                    "voice/utterance" => utterances.push((*base, String::new())),
                    "voice/word" => {
                        let text = &mut utterances.last_mut().unwrap().1;
                        if !text.is_empty() {
                            text.push(' ');
                        }
                        text.push_str(&structure.get::<String>("text").unwrap());
                    }
                    _ => (),
                }
            }
            _ => (),
        }
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(60),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        )
        .expect("an end within a minute");
    pipeline.set_state(gst::State::Null).unwrap();
    if let gst::MessageView::Error(error) = message.view() {
        panic!("{line}: {} ({:?})", error.error(), error.debug());
    }
    let heard = heard.lock().unwrap();
    heard.1.clone()
}

#[test]
fn subtitles_are_spoken_at_their_times() {
    let folder = Folder::new("subtitles");
    folder.write(
        "film.srt",
        "1\n00:00:01,000 --> 00:00:02,000\n<i>Good evening</i>, Tom &amp; Mary.\n\n\
         2\n00:00:05,500 --> 00:00:07,000\nIt is late\nalready.\n\n\
         3\n00:00:08,000 --> 00:00:09,000\nGoodbye.\n\n",
    );
    let film = folder.0.join("film.srt");
    let heard = spoken(&format!(
        "filesrc location={} ! subparse ! espeaktts name=voice ! fakesink",
        film.display()
    ));
    let ms = gst::ClockTime::from_mseconds;
    let times: Vec<_> = heard.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [ms(1_000), ms(5_500), ms(8_000)], "{heard:?}");
    assert!(heard[0].1.starts_with("Good evening"), "{heard:?}");
    assert!(!heard[0].1.contains(['<', ';']), "{heard:?}");
    assert_eq!(heard[1].1, "It is late already");
    assert_eq!(heard[2].1, "Goodbye");

    // A sink that plays them in time ends when the last one does, and was never late.
    let began = std::time::Instant::now();
    let heard = spoken(&format!(
        "filesrc location={} ! subparse ! espeaktts name=voice ! fakesink sync=true",
        film.display()
    ));
    assert_eq!(heard.iter().map(|(at, _)| *at).collect::<Vec<_>>(), times);
    assert!(
        began.elapsed() >= std::time::Duration::from_millis(8_300),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn properties_read_back_as_they_were_set() {
    init();
    let element = gst::ElementFactory::make("espeaktts").build().unwrap();
    assert_eq!(element.property::<Option<String>>("voice"), None);
    for (name, value) in [
        ("voice", "fr".to_value()),
        ("language", "en-GB".to_value()),
        ("rate", 1.5f64.to_value()),
        ("ssml", true.to_value()),
        ("max-delay", 1_000_000_000u64.to_value()),
        ("max-delay", u64::MAX.to_value()),
        ("latency", 5_000_000u64.to_value()),
    ] {
        let default = element.property_value(name);
        assert_ne!(format!("{default:?}"), format!("{value:?}"), "{name}");
        element.set_property_from_value(name, &value);
        assert_eq!(
            format!("{:?}", element.property_value(name)),
            format!("{value:?}"),
            "{name}"
        );
    }
    element.set_property("voice", None::<&str>);
    assert_eq!(element.property::<Option<String>>("voice"), None);
    let stats: gst::Structure = element.property("stats");
    assert_eq!(stats.get::<u64>("utterances"), Ok(0));
    let factory = element.factory().unwrap();
    assert_eq!(factory.rank(), gst::Rank::SECONDARY);
    assert_eq!(factory.metadata("klass"), Some("Synthesizer/Audio/Text"));
}

#[test]
fn it_starts_and_stops_again_and_again() {
    init();
    let pipeline = gst::parse::launch(
        "appsrc name=text caps=text/x-raw,format=utf8 format=bytes ! espeaktts name=voice ! fakesink sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    for round in 0..20 {
        pipeline.set_state(gst::State::Playing).unwrap();
        let text = pipeline.by_name("text").unwrap();
        for part in ["Round ", "and round", " it goes."] {
            let buffer = gst::Buffer::from_slice(part.as_bytes());
            let _ = text.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
        }
        if round % 2 == 0 {
            let _ = text.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
            let message = pipeline
                .bus()
                .unwrap()
                .timed_pop_filtered(
                    gst::ClockTime::from_seconds(20),
                    &[gst::MessageType::Eos, gst::MessageType::Error],
                )
                .expect("an end");
            assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
            let stats: gst::Structure = pipeline.by_name("voice").unwrap().property("stats");
            assert_eq!(stats.get::<u64>("words"), Ok(5), "{stats}");
        }
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

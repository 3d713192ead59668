// SPDX-License-Identifier: MPL-2.0

//! Descriptions: what is wrong with the broken ones, to the word and the column, and that those we ship are good.
//!
//! `broken/*.yaml` are wrong in one way each, `broken/*.expected` hold what `duplex check` says (`run-*.yaml`: what `duplex run` says). After
//! a change of the messages, `UPDATE_EXPECTED=1` writes them anew; their difference is to be reviewed like code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use duplex_runner::run::feeder::Sound;
use duplex_runner::run::follower::{Follower, Keep};
use duplex_runner::run::{Ending, LocalBindings, Options};
use duplex_runner::timeline::What;
use duplex_runner::{Session, say};
use duplex_tests::{caller, plugins, random::Random, recordings, signal};

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstduplexvad::plugin_register_static().unwrap();
        gstduplexchat::plugin_register_static().unwrap();
        gstduplexasr::plugin_register_static().unwrap();
        gstduplextts::plugin_register_static().unwrap();
        gstduplexcuda::plugin_register_static().unwrap();
        gstduplexespeak::plugin_register_static().unwrap();
        // One of the broken descriptions names what a machine may lack; this one lacks it in any case.
        let registry = gst::Registry::get();
        if let Some(feature) = registry.lookup_feature("amrnbenc") {
            registry.remove_feature(&feature);
        }
    });
}

/// The names in messages are those of the files as seen from the folder of this crate, where cargo runs tests.
fn check(path: &Path, complete: bool) -> Result<(), String> {
    init();
    let session = Session {
        complete,
        ..Session::default()
    };
    duplex_runner::check_file(path, &session)
        .map(drop)
        .map_err(|report| report.to_string())
}

fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|err| panic!("{folder}: {err}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == end))
        .collect();
    files.sort();
    files
}

#[test]
fn each_broken_description_gets_its_message_and_place() {
    let broken = files("broken", "yaml");
    assert!(
        broken.len() >= 40,
        "only {} broken descriptions",
        broken.len()
    );
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    assert!(update || broken.len() == files("broken", "expected").len());
    let mut wrong = String::new();
    for path in broken {
        let complete = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("run-"));
        let said = check(&path, complete).expect_err(&format!("{} is good", path.display()));
        let expected_path = path.with_extension("expected");
        if update {
            std::fs::write(&expected_path, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if said != expected {
            writeln!(
                wrong,
                "{}\n-- expected\n{expected}-- said\n{said}",
                path.display()
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_no_file_gets_a_sentence() {
    assert_eq!(
        check(Path::new("broken/none.yaml"), false).unwrap_err(),
        "broken/none.yaml: there is no such file\n"
    );
    assert_eq!(
        check(Path::new("broken"), false).unwrap_err(),
        "broken: is a directory; name a .yaml file inside it\n"
    );
    assert_eq!(
        check(Path::new("/dev/null"), false).unwrap_err(),
        "/dev/null:1:1: the file is empty; a description has at least `elements` and `links`\n"
    );
    assert_eq!(
        check(Path::new("/dev/zero"), false).unwrap_err(),
        "/dev/zero: does not end; a description has at most 1048576 bytes\n"
    );
    let large = std::env::temp_dir().join(format!("duplex-large-{}.yaml", std::process::id()));
    std::fs::write(&large, "#".repeat(2 << 20)).unwrap();
    let said = check(&large, false).unwrap_err();
    std::fs::remove_file(&large).unwrap();
    assert!(
        said.ends_with("has 2097152 bytes; a description has at most 1048576\n"),
        "{said}"
    );
}

#[test]
fn what_we_ship_is_good() {
    let shipped = files("../pipelines", "yaml");
    assert!(shipped.len() >= 3);
    for path in shipped {
        check(&path, true).unwrap();
    }
}

/// Checks a text that stands in no file of this tree.
fn check_text(text: &str) -> Result<(), String> {
    let folder = Folder::new("text");
    let path = folder.0.join("it.yaml");
    std::fs::write(&path, text).unwrap();
    check(&path, false).map_err(|told| told.replace(&format!("{}/", folder.0.display()), ""))
}

#[test]
fn an_ear_may_come_later_where_it_is_optional() {
    let mouth = |more: &str| {
        format!(
            "elements:\n  mouth: {{ factory: ttssink, audio-sink: caller.audio, interrupted-by: room/ears{more} }}\nlinks: [ caller.text -> mouth ]\n"
        )
    };
    let told = check_text(&mouth("")).unwrap_err();
    assert!(told.contains("there is no element `room`"), "{told}");
    check_text(&mouth(", interrupted-by-optional: true")).unwrap();
    let told = check_text(&mouth(", interrupted-by-optional: false")).unwrap_err();
    assert!(told.contains("there is no element `room`"), "{told}");
}

#[test]
fn bins_that_fit_are_good() {
    let text = "
elements:
  ears: { factory: vadsrc, audio-source: \"filesrc location=x.wav ! wavparse\" }
  more: { factory: vadsrc, audio-source: \"filesrc location=x.ogg ! decodebin\" }
  test: { factory: vadsrc, audio-source: audiotestsrc }
  away: { factory: fakesink }
  mouth: { factory: ttssink, voice: fr, audio-sink: \"tee name=t ! queue ! autoaudiosink t. ! queue ! wavenc ! filesink location=heard.wav\" }
  other: { factory: ttssink, synthesizer: \"queue ! espeaktts\", rate: 1.5, audio-sink: autoaudiosink }
  third: { factory: ttssink, synthesizer: identity, audio-sink: \"audioconvert ! audiomixer ! fakesink\" }
  texts: { factory: tee }
  all: { factory: funnel }
links:
  - ears -> all -> away
  - more -> all
  - test -> all
  - caller.text -> texts
  - texts -> mouth
  - texts -> other
  - texts -> third
";
    check_text(text).unwrap();
}

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        Folder(plugins::temporary(name).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_caller_speaks_up_and_the_mouth_stops() {
    init();
    let folder = Folder::new("barge-in");
    let caller = folder.0.join("caller.wav");
    let speech = recordings::speaker_tests().unwrap();
    // By then the ears know that none of the mouth's sound comes back to them.
    let recording = caller::Plan::new(Duration::from_secs(8))
        .say(Duration::from_secs(5), &speech[0])
        .record();
    recording.write_wav(&caller).unwrap();
    let labels = folder.0.join("caller.json");
    recording.write_labels(&labels).unwrap();

    let plan =
        duplex_runner::check_file(Path::new("../pipelines/barge-in.yaml"), &Session::default())
            .unwrap();
    let bindings = LocalBindings {
        caller: Some(Sound::read(&caller).unwrap()),
        quiet: true,
        ..LocalBindings::default()
    };
    let (heard, html, lines) = (
        folder.0.join("heard.wav"),
        folder.0.join("page.html"),
        folder.0.join("lines.txt"),
    );
    let mut follower = Follower::new(Keep {
        heard: Some(heard.clone()),
        html: Some(html.clone()),
        lines_file: Some(lines.clone()),
        labels: Some(labels),
        title: "barge-in".into(),
        ..Keep::default()
    })
    .unwrap();
    let ending = duplex_runner::run::run(&plan, bindings, &Options::default(), &mut follower);
    assert_eq!(ending, Ending::Eos);

    let timeline = follower.timeline().clone();
    assert!(timeline.words.len() >= 3, "{:?}", timeline.words);
    let order: Vec<&str> = timeline
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Began => Some("began"),
            What::Paused(_) => Some("paused"),
            What::Interrupted(_) => Some("interrupted"),
            What::Finished { .. } => Some("finished"),
            _ => None,
        })
        .collect();
    assert_eq!(order.first(), Some(&"began"), "{order:?}");
    assert_eq!(order.last(), Some(&"interrupted"), "{order:?}");
    let told = timeline
        .events
        .iter()
        .find_map(|event| match &event.what {
            What::Interrupted(told) => Some(told),
            _ => None,
        })
        .unwrap();
    assert!(told.heard.starts_with("There was once"), "{told:?}");
    assert!(
        told.unheard.trim_end().ends_with("bring a piano."),
        "{told:?}"
    );
    // What was heard ends where the mouth says that it fell silent.
    let last = told.stop.sounds.unwrap();
    assert!((5000..8000).contains(&last.mseconds()), "{last}");
    follower.finish().unwrap();
    let wav = hound::WavReader::open(&heard).unwrap();
    let rate = u64::from(wav.spec().sample_rate);
    let loud = wav
        .into_samples::<i16>()
        .map(|sample| sample.unwrap())
        .enumerate()
        .filter(|(_, sample)| sample.unsigned_abs() > 100)
        .map(|(index, _)| index as u64 * 1000 / rate)
        .last()
        .unwrap();
    assert!(
        loud <= last.mseconds() + 5,
        "something sounded at {loud} ms, after {last}"
    );
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("\"kind\":\"interrupted\"") && page.ends_with("</html>\n"));
    let lines = std::fs::read_to_string(&lines).unwrap();
    assert!(lines.contains("stops for good"), "{lines}");
    assert!(lines.contains("“front center”"), "{lines}");
}

#[test]
fn it_says_words_into_a_file() {
    init();
    let folder = Folder::new("say");
    let output = folder.0.join("it's.wav");
    let request = say::Request {
        text: Some("It costs ${100}, \"about\".".into()),
        rate: Some(1.5),
        voice: Some("en-us".into()),
        output: Some(output.clone()),
        synthesizer: "espeaktts".into(),
        ..say::Request::default()
    };
    say::say(&request).unwrap();
    let wav = hound::WavReader::open(&output).unwrap();
    let rate = wav.spec().sample_rate;
    assert!(wav.duration() > rate / 2, "{} samples", wav.duration());

    // A synthesizer with properties of its own, as gst-launch-1.0 would have it.
    let bin = folder.0.join("a bin.wav");
    let with = say::Request {
        synthesizer: "espeaktts voice=fr".into(),
        voice: None,
        output: Some(bin.clone()),
        ..request.clone()
    };
    say::say(&with).unwrap();
    let spoken = hound::WavReader::open(&bin).unwrap();
    assert!(spoken.duration() > spoken.spec().sample_rate / 2);

    let wrong = say::Request {
        voice: Some("xx-nobody".into()),
        ..request
    };
    let said = say::say(&wrong).unwrap_err();
    assert!(said.starts_with("no voice `xx-nobody`"), "{said}");
}

/// The descriptions that are shipped, run as they are and as their launch lines, without a sound device.
#[test]
fn what_we_ship_runs_and_so_do_its_launch_lines() {
    init();
    let folder = Folder::new("shipped");
    let at = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    std::fs::write(at("story.txt"), "Good morning.\n").unwrap();
    let speech = recordings::speaker_tests().unwrap();
    caller::Plan::new(Duration::from_secs(3))
        .say(Duration::from_secs(1), &speech[0])
        .record()
        .write_wav(Path::new(&at("caller.wav")))
        .unwrap();
    let duplex = |arguments: &[&str]| {
        let mut run = plugins::command("timeout");
        run.args(["--signal=KILL", "30"])
            .arg(plugins::built("duplex"));
        plugins::succeeds(run.args(arguments))
    };
    let launch = |line: &str| {
        let mut shell = plugins::command("timeout");
        shell.args(["--signal=KILL", "30", "bash", "-c", line]);
        plugins::succeeds(&mut shell)
    };
    let audible = |name: &str| {
        let (samples, rate) = signal::read_wav(Path::new(&at(name))).unwrap();
        let first = signal::first_audible(&samples, rate, -50.0).expect("something is heard");
        let last = signal::last_audible(&samples, rate, -50.0).unwrap();
        (last - first) as f64 / f64::from(rate)
    };
    let story = format!("story={}", at("story.txt"));
    let (said, launched) = (at("said.wav"), at("launched.wav"));
    let say = ["pipelines/say.yaml", &story, "--quiet", "--heard"];
    duplex(&[&["run"], &say[..], &[said.as_str()]].concat());
    launch(&duplex(
        &[&["launch-line"], &say[..], &[launched.as_str()]].concat(),
    ));
    let (ours, theirs) = (audible("said.wav"), audible("launched.wav"));
    assert!(
        ours > 0.3 && (ours - theirs).abs() < 0.1,
        "{ours} s, {theirs} s"
    );

    let caller = at("caller.wav");
    let listen = ["pipelines/listen.yaml", "--quiet", "--caller", &caller];
    let told = duplex(&[&["run"], &listen[..], &["--timeline"]].concat());
    for part in ["onset: ", "confirmed: ", "the speech has ended"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let line = duplex(&[&["launch-line"], &listen[..]].concat());
    let told = launch(&line.replacen("gst-launch-1.0 -e", "gst-launch-1.0 -e -m", 1));
    for state in ["tentative", "started", "ended"] {
        assert!(
            told.contains(&format!("state=(string){state}")),
            "{state}: {told}"
        );
    }
}

/// `duplex say` as it is typed: from standard input, and without a device.
#[test]
fn say_reads_standard_input_and_needs_a_device_or_a_file() {
    let folder = Folder::new("stdin");
    let output = folder.0.join("w.wav");
    let mut say = plugins::command(plugins::built("duplex"));
    say.args(["say", "-o"])
        .arg(&output)
        .stdin(std::process::Stdio::piped());
    let mut say = say.spawn().unwrap();
    let mut input = say.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"Good morning.\n").unwrap();
    drop(input);
    assert!(say.wait().unwrap().success());
    let wav = hound::WavReader::open(&output).unwrap();
    assert!(wav.duration() > wav.spec().sample_rate / 3);

    let mut say = plugins::command(plugins::built("duplex"));
    say.args(["say", "Good morning."])
        .env("PULSE_SERVER", "unix:/nonexistent")
        .env("ALSA_CONFIG_PATH", "/nonexistent");
    let told = plugins::told(&say.output().unwrap());
    assert!(
        told.contains("duplex: no sound device: start PulseAudio or PipeWire, or write a file with -o FILE.wav\n"),
        "{told}"
    );
}

/// A story that is no text, or that nobody may read, is told of at the element that reads it.
#[test]
fn an_odd_story_gets_a_sentence() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("story");
    let story = folder.0.join("story.txt");
    let run = || {
        let mut run = plugins::command("timeout");
        run.args(["--signal=KILL", "30"])
            .arg(plugins::built("duplex"));
        run.args(["run", "pipelines/say.yaml", "--quiet"]);
        let output = run
            .arg(format!("story={}", story.display()))
            .output()
            .unwrap();
        (output.status.code(), plugins::told(&output))
    };
    std::fs::write(&story, b"\x7fELF\x02\x01\x01\0\0\xff\xfe\0 and so on\0").unwrap();
    let (status, told) = run();
    // Bytes that are no text are left out, as in any text that arrives damaged; it ends, and well or with a sentence.
    assert!(
        status == Some(0) || told.contains("duplex: pipelines/say.yaml:"),
        "{told}"
    );
    std::fs::set_permissions(&story, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads whatever it likes.
    if std::fs::File::open(&story).is_err() {
        let (status, told) = run();
        assert_eq!(status, Some(1), "{told}");
        assert!(told.contains(": story: "), "{told}");
    }
}

/// What is no better known than by the element that failed is told with the element's place.
#[test]
fn a_wrong_voice_is_told_at_the_mouth() {
    let folder = Folder::new("voice");
    let heard = folder.0.join("heard.wav");
    let mut run = plugins::command(plugins::built("duplex"));
    run.args([
        "run",
        "pipelines/barge-in.yaml",
        "voice=xx-nobody",
        "--quiet",
        "--heard",
    ]);
    let output = run.arg(&heard).output().unwrap();
    let told = plugins::told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let text = std::fs::read_to_string("../pipelines/barge-in.yaml").unwrap();
    let line = 1 + text
        .lines()
        .position(|l| l.starts_with("  mouth:"))
        .unwrap();
    let place = format!("duplex: pipelines/barge-in.yaml:{line}:3: mouth: no voice `xx-nobody`");
    assert!(told.contains(&place), "{told}");
    assert!(!heard.exists());

    let output = folder.0.join("w.wav");
    let mut say = plugins::command(plugins::built("duplex"));
    say.args(["say", "--voice", "xx-nobody", "-o"])
        .arg(&output)
        .arg("Hello.");
    assert!(!say.status().unwrap().success());
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

/// Characters that mean something in YAML or in a value.
const ODD: &[u8] = b"{}[]:,&*!|>'\"%@#-\n\t $.0aZ\xff";

/// Whatever is done to a description, it is read or refused, and nothing panics.
#[test]
fn a_mutilated_description_is_refused_or_read() {
    init();
    let texts: Vec<Vec<u8>> = files("../pipelines", "yaml")
        .iter()
        .chain(&files("broken", "yaml"))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    let path = std::env::temp_dir().join(format!("duplex-odd-{}.yaml", std::process::id()));
    let mut numbers = Random::new(0x2545_f491);
    let mut random = |below: usize| numbers.below(below.max(1));
    for round in 0..1500 {
        let mut text = texts[round % texts.len()].clone();
        for _ in 0..=random(4) {
            let at = random(text.len() + 1);
            match random(4) {
                0 => text.truncate(at),
                1 => text.insert(at, ODD[random(ODD.len())]),
                2 if at < text.len() => {
                    text.remove(at);
                }
                _ => {
                    let end = (at + random(40)).min(text.len());
                    let piece = text[at..end].to_vec();
                    let to = random(text.len() + 1);
                    text.splice(to..to, piece);
                }
            }
        }
        std::fs::write(&path, &text).unwrap();
        let (loaded, report) = duplex_runner::load(&path);
        let _ = report.to_string();
        assert!(loaded.is_some() || !report.is_empty());
    }
    std::fs::remove_file(&path).unwrap();
}

// SPDX-License-Identifier: MPL-2.0

//! The `duplex` binary as it is typed, with ordinary GStreamer elements.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn duplex() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duplex"));
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/descriptions"))
        .stdin(Stdio::null())
        // No sound device, whatever this machine has.
        .env("PULSE_SERVER", "unix:/nonexistent")
        .env("ALSA_CONFIG_PATH", "/nonexistent")
        .env_remove("GST_DEBUG");
    command
}

fn run(arguments: &[&str]) -> Output {
    duplex().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("duplex-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that does not outlive its test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn samples(path: &Path) -> usize {
    let reader = hound::WavReader::open(path)
        .unwrap_or_else(|err| panic!("{} is no WAV: {err}", path.display()));
    reader.duration() as usize
}

#[test]
fn usage_errors_are_one_sentence() {
    let table: [(&[&str], &str); 8] = [
        (
            &[],
            "duplex: a subcommand is missing: run, serve, check, launch-line, say or model; `duplex --help` explains them\n",
        ),
        (
            &["play"],
            "duplex: unrecognized subcommand 'play'; `duplex --help` explains\n",
        ),
        (
            &["run"],
            "duplex: the following required arguments were not provided: <FILE>; `duplex --help` explains\n",
        ),
        (
            &["run", "--loud", "tone.yaml"],
            "duplex: unexpected argument '--loud' found; `duplex --help` explains\n",
        ),
        (
            &["run", "tone.yaml", "pitch"],
            "duplex: `pitch` is no parameter; write name=value, such as voice=fr\n",
        ),
        (
            &["run", "tone.yaml", "pitch=1", "pitch=2"],
            "duplex: the parameter `pitch` is given twice\n",
        ),
        (&["run", "none.yaml"], "none.yaml: there is no such file\n"),
        (
            &["run", "tone.yaml", "pich=1"],
            "tone.yaml: there is no parameter `pich`: it has count, pitch; did you mean `pitch`?\n",
        ),
    ];
    for (arguments, sentence) in table {
        let output = run(arguments);
        assert_eq!(text(&output.stderr), sentence, "{arguments:?}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn help_teaches() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["check", "--help"],
        &["launch-line", "--help"],
        &["say", "--help"],
    ] {
        let output = run(arguments);
        assert!(output.status.success());
        assert!(
            text(&output.stdout).contains("Examples:\n  duplex "),
            "{arguments:?}"
        );
    }
    assert!(text(&run(&["--version"]).stdout).contains("MPL-2.0"));
}

#[test]
fn a_good_description_checks_and_runs() {
    let output = run(&["check", "tone.yaml", "branches.yaml"]);
    assert_eq!(
        text(&output.stdout),
        "tone.yaml: good: 3 elements, 3 links\nbranches.yaml: good: 10 elements, 9 links\n",
        "{}",
        text(&output.stderr)
    );
    let output = run(&["run", "tone.yaml", "--quiet", "count=10"]);
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}

#[test]
fn without_a_sound_device_it_says_so() {
    let output = run(&["run", "tone.yaml"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("duplex: tone.yaml: no sound device: start PulseAudio or PipeWire"),
        "{stderr}"
    );
}

#[test]
fn an_element_that_fails_is_named_with_its_place() {
    let output = run(&["run", "branches.yaml", "folder=/nonexistent/folder"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.starts_with("duplex: branches.yaml:13:3: file: Could not open file"),
        "{stderr}"
    );
}

#[test]
fn the_launch_line_does_the_same() {
    let folder = Folder::new("launch");
    let setting = format!("folder={}", folder.0.display());
    let output = run(&["run", "branches.yaml", &setting]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let file = folder.join("it's a \"tone\" of ours.wav");
    let ours = samples(&file);
    assert_eq!(ours, 20 * 1024);
    std::fs::remove_file(&file).unwrap();

    let output = run(&["launch-line", "branches.yaml", &setting]);
    let line = text(&output.stdout);
    assert!(line.starts_with("gst-launch-1.0 -e "), "{line}");
    let launched = Command::new("sh").arg("-c").arg(&line).output().unwrap();
    assert!(
        launched.status.success(),
        "{line}{}",
        text(&launched.stderr)
    );
    assert_eq!(samples(&file), ours, "{line}");
}

#[test]
fn a_launch_line_with_files_runs() {
    let folder = Folder::new("files");
    let (caller, heard) = (
        folder.join("the \"caller\" of it.wav"),
        folder.join("what's \"heard\" of it.wav"),
    );
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&caller, spec).unwrap();
    for n in 0..4000i16 {
        writer.write_sample(n).unwrap();
    }
    writer.finalize().unwrap();
    std::fs::write(
        folder.join("through.yaml"),
        "elements: { heard: { factory: queue } }\nlinks: [ caller.audio -> heard -> caller.audio ]\n",
    )
    .unwrap();
    let description = folder.join("through.yaml");
    let arguments = |command: &'static str| {
        vec![
            command.to_string(),
            description.display().to_string(),
            "--caller".into(),
            caller.display().to_string(),
            "--heard".into(),
            heard.display().to_string(),
            "--quiet".into(),
        ]
    };
    let line = duplex().args(arguments("launch-line")).output().unwrap();
    let line = text(&line.stdout);
    let launched = Command::new("sh").arg("-c").arg(&line).output().unwrap();
    assert!(
        launched.status.success(),
        "{line}{}",
        text(&launched.stderr)
    );
    assert_eq!(samples(&heard), 4000, "{line}");
    std::fs::remove_file(&heard).unwrap();

    let begun = Instant::now();
    let output = duplex().args(arguments("run")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The file arrives in real time.
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert_eq!(samples(&heard), 4000);
}

#[test]
fn ctrl_c_drains_and_finishes_the_file() {
    let folder = Folder::new("interrupt");
    let heard = folder.join("heard.wav");
    let mut child = Running(
        duplex()
            .args(["run", "tone.yaml", "count=-1", "--quiet", "--heard"])
            .arg(&heard)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    // It writes its file a second at a time.
    let begun = Instant::now();
    let part = folder.join("heard.wav.part");
    while std::fs::metadata(&part).map_or(0, |file| file.len()) < 80_000 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "nothing was written"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill")
        .args(["-INT", &child.0.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let status = child.0.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(samples(&heard) >= 40_000);
}

#[test]
fn it_ends_after_the_duration() {
    let begun = Instant::now();
    let output = run(&[
        "run",
        "tone.yaml",
        "count=-1",
        "--quiet",
        "--duration",
        "300ms",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn odd_sound_and_text_files_get_a_sentence() {
    let output = run(&["run", "tone.yaml", "--quiet", "--caller", "tone.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).starts_with("duplex: the sound file tone.yaml is not a WAV file"),
        "{}",
        text(&output.stderr)
    );
    let output = run(&[
        "run",
        "tone.yaml",
        "--quiet",
        "--heard",
        "/nonexistent/x.wav",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).starts_with("duplex: /nonexistent/x.wav cannot be written"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn one_log_for_gstreamer_and_the_binary() {
    let output = run(&[
        "-vvv",
        "--log-format",
        "json",
        "run",
        "tone.yaml",
        "--quiet",
        "count=3",
    ]);
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let mut categories = std::collections::BTreeSet::new();
    for line in stderr.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|err| panic!("{line}: {err}"));
        categories.extend(line["category"].as_str().map(String::from));
    }
    assert!(categories.contains("GST_STATES"), "{categories:?}");
}

#[test]
fn text_comes_from_standard_input_or_a_file() {
    let folder = Folder::new("text");
    let description = folder.join("text.yaml");
    std::fs::write(
        &description,
        "elements: { wait: { factory: queue } }\nlinks: [ caller.text -> wait -> caller.text ]\n",
    )
    .unwrap();
    let story = folder.join("a story.txt");
    std::fs::write(&story, "Once upon a time.").unwrap();
    let mut child = duplex()
        .arg("run")
        .arg(&description)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"Good morning.").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "Good morning.");
    let output = duplex()
        .arg("run")
        .arg(&description)
        .arg("--text")
        .arg(&story)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "Once upon a time.");
}

#[test]
fn a_quiet_microphone_is_silent_and_live() {
    let folder = Folder::new("quiet");
    let (description, heard) = (folder.join("echo.yaml"), folder.join("heard.wav"));
    std::fs::write(
        &description,
        "elements: { wait: { factory: queue } }\nlinks: [ caller.audio -> wait -> caller.audio ]\n",
    )
    .unwrap();
    let output = duplex()
        .arg("run")
        .arg(&description)
        .args(["--quiet", "--duration", "600ms", "--heard"])
        .arg(&heard)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let samples = samples(&heard);
    assert!((1600..16_000).contains(&samples), "{samples}");
}

/// A second of a tone at 8 kHz.
fn tone(path: &Path) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..8000 {
        writer.write_sample((n % 16) as i16 * 1000).unwrap();
    }
    writer.finalize().unwrap();
}

#[test]
fn an_id_is_never_an_element_inside_a_bin() {
    let folder = Folder::new("ids");
    let (description, story) = (folder.join("ids.yaml"), folder.join("story.txt"));
    std::fs::write(&story, "Once upon a time.").unwrap();
    // The runner reads the story by an element that it calls `file`; what it supplies has names, too.
    std::fs::write(
        &description,
        format!(
            "elements:\n  bin0: {{ factory: queue }}\n  file: {{ factory: filesink, location: {} }}\nlinks: [ caller.text -> bin0 -> file ]\n",
            folder.join("copy.txt").display()
        ),
    )
    .unwrap();
    let output = duplex()
        .arg("run")
        .arg(&description)
        .arg("--text")
        .arg(&story)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        std::fs::read_to_string(folder.join("copy.txt")).unwrap(),
        "Once upon a time."
    );
}

#[test]
fn a_run_that_fails_leaves_files_as_they_were() {
    let folder = Folder::new("failed");
    let (heard, page, lines) = (
        folder.join("h.wav"),
        folder.join("p.html"),
        folder.join("t.txt"),
    );
    std::fs::write(&heard, "before").unwrap();
    // The file sink cannot be opened, so the pipeline never plays.
    let output = duplex()
        .args([
            "run",
            "branches.yaml",
            "folder=/nonexistent/folder",
            "--heard",
        ])
        .arg(&heard)
        .arg("--html")
        .arg(&page)
        .arg(format!("--timeline={}", lines.display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(&heard).unwrap(), "before");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);

    // One that plays keeps them all, and nothing beside them.
    let output = duplex()
        .args(["run", "tone.yaml", "--quiet", "count=10", "--heard"])
        .arg(&heard)
        .arg("--html")
        .arg(&page)
        .arg(format!("--timeline={}", lines.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(samples(&heard) >= 10 * 1024);
    assert!(page.exists() && lines.exists());
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 3);
}

#[test]
fn what_is_read_is_not_written() {
    let folder = Folder::new("same");
    let caller = folder.join("caller.wav");
    tone(&caller);
    let before = std::fs::read(&caller).unwrap();
    let output = duplex()
        .args(["run", "tone.yaml", "--quiet", "--caller"])
        .arg(&caller)
        .arg("--heard")
        .arg(folder.join("./caller.wav"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).starts_with("duplex: --caller and --heard are the same file, "),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(std::fs::read(&caller).unwrap(), before);
}

#[test]
fn broken_descriptions_among_good_ones_are_told_of() {
    let folder = Folder::new("among");
    let broken = folder.join("broken.yaml");
    std::fs::write(&broken, "elements: { tone: { factory: audiotestsrk } }\n").unwrap();
    let output = duplex()
        .args(["check", "tone.yaml"])
        .arg(&broken)
        .args(["none.yaml", "branches.yaml", "/dev/zero"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stdout),
        "tone.yaml: good: 3 elements, 3 links\nbranches.yaml: good: 10 elements, 9 links\n"
    );
    let stderr = text(&output.stderr);
    for told in [
        "broken.yaml:1:30: there is no element `audiotestsrk`; did you mean `audiotestsrc`?",
        "\nnone.yaml: there is no such file\n",
        "\n/dev/zero: does not end; a description has at most 1048576 bytes\n",
    ] {
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
}

#[test]
fn nothing_to_hear_is_told() {
    let folder = Folder::new("nothing");
    let output = duplex()
        .args(["run", "branches.yaml", "--quiet", "--heard"])
        .arg(folder.join("heard.wav"))
        .arg(format!("folder={}", folder.0.display()))
        .output()
        .unwrap();
    assert_eq!(
        text(&output.stderr),
        "duplex: --heard keeps nothing: no element of branches.yaml gives the caller sound\n"
    );
    assert!(output.status.success());
}

#[test]
fn odd_rates_of_speech_are_refused() {
    for rate in ["nan", "inf", "0", "-1"] {
        let output = run(&["say", &format!("--rate={rate}"), "Hello."]);
        assert_eq!(output.status.code(), Some(1), "{rate}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(", but speech has one above 0"), "{stderr}");
    }
}

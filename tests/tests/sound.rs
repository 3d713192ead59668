// SPDX-License-Identifier: MPL-2.0

//! Sound devices as people have them: nothing chosen, a PulseAudio with null sinks for loudspeaker and microphone.
//!
//! A null sink that idled begins up to two seconds late, which no test with a fakesink shows. The tests of this file
//! run one after the other: what is recorded depends on a machine that gives each of them its time.

#![allow(clippy::print_stdout)] // a test tells what it measured and what it skips

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use duplex_tests::{caller::Plan, plugins, pulse::Pulse, recordings, signal, watchdog::Watchdog};

/// About ten seconds, with no pause in which a stall could hide.
const STORY: &str = "One of the many things that a voice can say without a pause is that it goes on and on, while \
    nobody at all wants to hear any of it, and so it goes on some more until the day is over and everybody has left.";

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|e| e.into_inner())
}

/// A server of our own, or the reason why there is none, said aloud.
fn pulse() -> Option<Pulse> {
    match Pulse::start() {
        Ok(pulse) => Some(pulse),
        Err(error) => {
            println!("SKIPPED: sound devices: {error:#}");
            None
        }
    }
}

fn launch(pulse: &Pulse, line: &str) -> Command {
    // A test that hangs takes its pipeline with it.
    let mut command = plugins::command("timeout");
    command.args(["--signal=KILL", "40", "bash", "-c"]);
    command.arg(format!("exec gst-launch-1.0 {line}"));
    pulse.environment(&mut command);
    command
}

/// What the loudspeaker plays, in a file, until this is ended.
struct Recorder {
    child: Child,
    wav: PathBuf,
}

impl Recorder {
    fn start(pulse: &Pulse, name: &str) -> Self {
        let wav = pulse.folder().join(name);
        let line = format!(
            "-q -e {} ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! wavenc ! filesink location={}",
            pulse.monitor(),
            wav.display()
        );
        let mut command = plugins::command("gst-launch-1.0");
        command.args(line.split(' '));
        pulse.environment(&mut command);
        let child = command.spawn().expect("gst-launch-1.0 runs");
        let recorder = Self { child, wav };
        // Recording: more than the header is there.
        let end = Instant::now() + Duration::from_secs(10);
        while std::fs::metadata(&recorder.wav).map_or(0, |m| m.len()) < 4096 {
            assert!(Instant::now() < end, "the monitor gives no sound");
            thread::sleep(Duration::from_millis(20));
        }
        recorder
    }

    /// Ends the recording. Gives the audible seconds: from the first to the last, and how many of these sound.
    fn stop(mut self) -> Heard {
        let pid = self.child.id().to_string();
        plugins::succeeds(Command::new("kill").args(["-INT", &pid]));
        assert!(self.child.wait().unwrap().success(), "the recorder failed");
        heard(&self.wav)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    /// From the first to the last sound, in seconds.
    length: f64,
    /// How many of these are above −50 dBFS.
    sounding: f64,
}

fn heard(wav: &Path) -> Heard {
    heard_last(wav, f64::INFINITY)
}

/// The same of the last so many seconds up to the last sound.
fn heard_last(wav: &Path, seconds: f64) -> Heard {
    let (samples, rate) = signal::read_wav(wav).unwrap();
    let last = signal::last_audible(&samples, rate, -50.0).expect("something is heard");
    let begin = last.saturating_sub((seconds * f64::from(rate)) as usize);
    let first = begin + signal::first_audible(&samples[begin..], rate, -50.0).unwrap_or(0);
    let threshold = f64::from(signal::from_db(-50.0));
    let frames = signal::frames(&samples[first..last], (rate / 1000) as usize);
    let loud = frames.iter().filter(|level| **level > threshold).count();
    Heard {
        length: (last - first) as f64 / f64::from(rate),
        sounding: loud as f64 / 1000.0,
    }
}

/// The text of the tests as the voice alone says it.
fn reference(folder: &Path) -> (PathBuf, Heard) {
    let text = folder.join("story.txt");
    std::fs::write(&text, STORY).unwrap();
    let wav = folder.join("reference.wav");
    let line = format!(
        "-q filesrc location={} ! text/x-raw,format=utf8 ! espeaktts ! wavenc ! filesink location={}",
        text.display(),
        wav.display()
    );
    plugins::succeeds(plugins::command("gst-launch-1.0").args(line.split(' ')));
    (text, heard(&wav))
}

#[test]
fn a_story_is_spoken_completely_and_without_stalls() {
    let _turn = one_at_a_time();
    let Some(pulse) = pulse() else { return };
    let _watchdog = Watchdog::new("a story on a device", Duration::from_secs(120));
    let (text, expected) = reference(pulse.folder());
    println!("the voice alone: {expected:?}");
    assert!((8.0..13.0).contains(&expected.length), "{expected:?}");
    let line = format!(
        "-q filesrc location={} ! text/x-raw,format=utf8 ! ttssink",
        text.display()
    );
    let same = |is: f64, should: f64| (is / should - 1.0).abs() < 0.05;

    // A device that has never played. Whoever listens to the monitor keeps it awake.
    let recorder = Recorder::start(&pulse, "fresh.wav");
    let begin = Instant::now();
    plugins::succeeds(&mut launch(&pulse, &line));
    let took = begin.elapsed().as_secs_f64();
    let fresh = recorder.stop();
    println!("fresh: {fresh:?}, {took:.2} s in all");
    assert!(
        same(fresh.length, expected.length),
        "{fresh:?} {expected:?}"
    );
    // Not only the ends: what lies between is there too.
    assert!(
        same(fresh.sounding, expected.sounding),
        "{fresh:?} {expected:?}"
    );
    assert!(took < expected.length + 3.0, "{took} s");

    // The same after it has idled, with nobody listening until it speaks: it begins late, and must not stay so.
    thread::sleep(Duration::from_secs(3));
    let begin = Instant::now();
    let mut mouth = launch(&pulse, &line).spawn().unwrap();
    const UNHEARD: f64 = 4.0;
    thread::sleep(Duration::from_secs_f64(UNHEARD));
    let recorder = Recorder::start(&pulse, "idle.wav");
    assert!(mouth.wait().unwrap().success());
    let took = begin.elapsed().as_secs_f64();
    let idle = recorder.stop();
    println!("idle: {idle:?} after {UNHEARD} s, {took:.2} s in all");
    assert!(took < expected.length + 3.0, "{took} s");
    assert!(idle.length > expected.length - UNHEARD - 1.0, "{idle:?}");
    // What it said then is the end of the text, without holes.
    let end = heard_last(&pulse.folder().join("reference.wav"), idle.length);
    assert!(same(idle.sounding, end.sounding), "{idle:?} {end:?}");
}

/// The device that the mouth opened by itself, in a process of its own: this one has no sound server.
#[test]
fn the_default_device_has_a_short_buffer() {
    let _turn = one_at_a_time();
    let Some(pulse) = pulse() else { return };
    let line = "-v filesrc location=/dev/null ! text/x-raw,format=utf8 ! ttssink";
    let told = plugins::succeeds(&mut launch(&pulse, line));
    assert!(told.contains("buffer-time = 40000"), "{told}");
    assert!(told.contains("latency-time = 10000"), "{told}");
    assert!(told.contains("drift-tolerance = 10000"), "{told}");
}

/// A caller who speaks `after` this long, from the recordings of the machine.
fn caller(pulse: &Pulse, after: Duration, length: Duration) -> PathBuf {
    let speech = recordings::speaker_tests().unwrap();
    let wav = pulse.folder().join("caller.wav");
    Plan::new(length)
        .say(after, &speech[0])
        .record()
        .write_wav(&wav)
        .unwrap();
    wav
}

/// Plays a recording into the microphone.
fn feed(pulse: &Pulse, wav: &Path) -> Child {
    let line = format!(
        "-q filesrc location={} ! wavparse ! audioconvert ! audioresample ! {}",
        wav.display(),
        pulse.microphone_feed()
    );
    let mut command = plugins::command("gst-launch-1.0");
    command.args(line.split(' '));
    pulse.environment(&mut command);
    command.spawn().expect("gst-launch-1.0 runs")
}

#[test]
fn the_default_microphone_is_heard() {
    let _turn = one_at_a_time();
    let Some(pulse) = pulse() else { return };
    let _watchdog = Watchdog::new("ears on a device", Duration::from_secs(60));
    let wav = caller(&pulse, Duration::from_millis(1500), Duration::from_secs(4));
    // A line with a microphone ends with Ctrl-C: timeout types it.
    let mut ears = plugins::command("timeout");
    ears.args(["--preserve-status", "--signal=INT", "--kill-after=10", "6"]);
    ears.args("gst-launch-1.0 -m vadsrc ! fakesink".split(' '));
    pulse.environment(&mut ears);
    let ears = ears.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let ears = ears.unwrap();
    thread::sleep(Duration::from_millis(700));
    let mut voice = feed(&pulse, &wav);
    let output = ears.wait_with_output().unwrap();
    let _ = voice.kill();
    voice.wait().unwrap();
    let told = plugins::told(&output);
    for state in ["tentative", "started", "ended"] {
        let state = format!("state=(string){state}");
        assert!(told.contains(&state), "{state}: {told}");
    }
}

/// Runs `duplex run pipelines/barge-in.yaml` with sound. Gives what it printed.
fn barge_in(pulse: &Pulse, arguments: &[&str]) -> String {
    let mut run = plugins::command("timeout");
    run.args(["--preserve-status", "--signal=INT", "--kill-after=10", "30"]);
    run.arg(plugins::built("duplex"));
    run.args(["run", "pipelines/barge-in.yaml"]).args(arguments);
    pulse.environment(&mut run);
    plugins::succeeds(&mut run)
}

/// What `make run` types on a machine with a sound device, and the same with a microphone.
#[test]
fn a_caller_at_the_devices_interrupts() {
    let _turn = one_at_a_time();
    let Some(pulse) = pulse() else { return };
    let _watchdog = Watchdog::new("barge-in on devices", Duration::from_secs(120));
    let wav = caller(&pulse, Duration::from_secs(5), Duration::from_secs(7));
    let folder = pulse.folder().join("out");
    std::fs::create_dir_all(&folder).unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();

    let recorder = Recorder::start(&pulse, "file.wav");
    let told = barge_in(
        &pulse,
        &[
            "--caller",
            wav.to_str().unwrap(),
            "--heard",
            &at("heard.wav"),
            &format!("--timeline={}", at("timeline.txt")),
            "--html",
            &at("page.html"),
        ],
    );
    let loud = recorder.stop();
    assert!(told.contains("stops for good"), "{told}");
    // The loudspeaker played what the file has.
    let kept = heard(Path::new(&at("heard.wav")));
    println!("loudspeaker {loud:?}, file {kept:?}");
    assert!((loud.length - kept.length).abs() < 0.3, "{loud:?} {kept:?}");
    assert!((3.0..8.0).contains(&loud.length), "{loud:?}");

    let mut voice = feed(&pulse, &wav);
    let told = barge_in(&pulse, &["--timeline", "--duration", "8s"]);
    let _ = voice.kill();
    voice.wait().unwrap();
    assert!(told.contains("stops for good"), "{told}");
}

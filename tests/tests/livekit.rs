// SPDX-License-Identifier: MPL-2.0

//! Speech published into a room of a real LiveKit server, and heard there by another participant.

#![allow(clippy::print_stdout)] // a test tells what it skips

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock, Mutex},
    thread,
    time::{Duration, Instant},
};

use duplex_synthesis::tone;
use duplex_tests::{plugins, tonetts, watchdog::Watchdog};
use gst::prelude::*;

const VERSION: &str = "v1.13.5";
const KEY: &str = "devkey";
/// At least 32 characters, as the server asks.
const SECRET: &str = "a secret of thirty-two characters";
const RATE: u32 = 48_000;

/// The server's program, built below target/ by the first test that asks. `None`, said aloud, where it cannot be had.
fn program() -> Option<PathBuf> {
    static PROGRAM: LazyLock<Option<PathBuf>> = LazyLock::new(build);
    PROGRAM.clone()
}

fn build() -> Option<PathBuf> {
    let folder = plugins::folder().parent()?.join("livekit").join(VERSION);
    let program = folder.join("server");
    if !program.exists() {
        let source = format!("github.com/livekit/livekit-server/cmd/server@{VERSION}");
        let built = Command::new("go")
            .args(["install", &source])
            .env("GOBIN", &folder)
            .output();
        let failed = match built {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(plugins::told(&output)),
            Err(error) => Some(format!("go: {error}: install Go 1.21 or later")),
        };
        if let Some(why) = failed {
            println!("SKIPPED: LIVEKIT: NOT TESTED, since {source} cannot be built: {why}");
            return None;
        }
    }
    if !plugins::folder().join("libgstrswebrtc.so").exists() {
        println!(
            "SKIPPED: LIVEKIT: NOT TESTED without libgstrswebrtc.so: cargo build -p gst-plugin-webrtc"
        );
        return None;
    }
    Some(program)
}

/// Our plugins, and the one that takes speech into rooms.
fn init() {
    plugins::init();
    let plugin = gst::Plugin::load_file(plugins::built("libgstrswebrtc.so")).unwrap();
    gst::Registry::get().add_plugin(&plugin).unwrap();
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

struct Server {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Server {
    fn start() -> Option<Self> {
        let program = program()?;
        let folder = plugins::temporary("livekit").unwrap();
        let port = free_port();
        let config = folder.join("livekit.yaml");
        let mut file = std::fs::File::create(&config).unwrap();
        write!(
            file,
            "port: {port}\nbind_addresses: [127.0.0.1]\nkeys:\n  {KEY}: {SECRET}\nlogging: {{level: warn}}\n\
             rtc: {{udp_port: {}, tcp_port: {}, use_external_ip: false, enable_loopback_candidate: true}}\n",
            free_port(),
            free_port(),
        )
        .unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(program)
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self {
            child,
            port,
            folder,
        };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                Instant::now() < end,
                "livekit-server does not listen: {}",
                server.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The properties of a participant.
    fn participant(&self, identity: &str) -> String {
        format!(
            "stun-server=NULL signaller::ws-url={} signaller::api-key={KEY} signaller::secret-key=\"{SECRET}\" \
             signaller::room-name=hall signaller::identity={identity}",
            self.url()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Somebody in the room who hears whoever speaks.
struct Listener {
    pipeline: gst::Pipeline,
    heard: Arc<Mutex<Vec<i16>>>,
}

impl Listener {
    fn enter(server: &Server) -> Self {
        let line = format!(
            "livekitwebrtcsrc name=room {} room. ! audio/x-raw ! audioconvert ! audioresample \
             ! audio/x-raw,format=S16LE,rate={RATE},channels=1 ! appsink name=sink sync=false",
            server.participant("listener")
        );
        let pipeline = gst::parse::launch(&line)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = heard.clone();
        let sink = pipeline
            .by_name("sink")
            .unwrap()
            .downcast::<gst_app::AppSink>()
            .unwrap();
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let map = sample.buffer().ok_or(gst::FlowError::Error)?.map_readable();
                    let map = map.map_err(|_| gst::FlowError::Error)?;
                    let samples = map
                        .chunks_exact(2)
                        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
                    into.lock().unwrap().extend(samples);
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, heard }
    }

    /// The words of the tone engine that were heard, each once where it goes on.
    fn words(&self) -> Vec<usize> {
        let heard = self.heard.lock().unwrap();
        let mut words = Vec::new();
        let mut before = None;
        // 20 ms of one tone are a word; between two of them stands what is none.
        for part in heard.chunks_exact(RATE as usize / 100) {
            let now = tone::word_at(part, RATE);
            if now.is_some() && now == before && words.last() != now.as_ref() {
                words.extend(now);
            }
            before = now;
        }
        words
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Every word arrives, in order, and the end of the text is the end of the pipeline.
#[test]
fn what_is_said_is_heard_in_the_room_word_by_word() {
    let _watchdog = Watchdog::new("livekit", Duration::from_secs(300));
    let Some(server) = Server::start() else {
        return;
    };
    init();
    tonetts::register();
    let listener = Listener::enter(&server);
    let line = format!(
        "appsrc name=text format=time caps=text/x-raw,format=utf8 ! ttssink synthesizer=tonetts voice=tone \
         audio-sink=\"livekitwebrtcsink {}\"",
        server.participant("reader").replace('"', "\\\"")
    );
    let mouth = gst::parse::launch(&line)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    mouth.set_state(gst::State::Playing).unwrap();
    // Silence flows, and with it the track: from here on nothing is missed.
    until("no sound comes from the room", || {
        !listener.heard.lock().unwrap().is_empty()
    });
    let text = mouth
        .by_name("text")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    let said = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima.";
    text.push_buffer(gst::Buffer::from_slice(said)).unwrap();
    text.end_of_stream().unwrap();
    let bus = mouth.bus().unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let wanted: Vec<usize> = (0..said.split(' ').count()).collect();
    until("words are missing in the room", || {
        listener.words() == wanted || listener.words().len() > wanted.len()
    });
    assert_eq!(listener.words(), wanted);
    assert!(
        matches!(end.as_ref().map(|m| m.type_()), Some(gst::MessageType::Eos)),
        "{end:?}"
    );
    mouth.set_state(gst::State::Null).unwrap();
}

/// The description that people run, with the environment that LiveKit's own tools read.
#[test]
fn the_description_publishes_a_story() {
    let _watchdog = Watchdog::new("livekit description", Duration::from_secs(300));
    let Some(server) = Server::start() else {
        return;
    };
    init();
    let story = server.folder.join("story.txt");
    std::fs::write(
        &story,
        "One, two, three, four, five, six, seven, eight, nine, ten, and so on for a while.",
    )
    .unwrap();
    let listener = Listener::enter(&server);
    let publish = |secret: &str| {
        let mut command = plugins::command(plugins::built("duplex"));
        command.args(["run", "pipelines/publish-livekit.yaml", "room=hall"]);
        command.arg(format!("story={}", story.display()));
        command
            .env("LIVEKIT_URL", server.url())
            .env("LIVEKIT_API_KEY", KEY);
        command.env("LIVEKIT_API_SECRET", secret);
        command.output().unwrap()
    };
    let output = publish(SECRET);
    assert!(
        output.status.success(),
        "{}\n{}",
        plugins::told(&output),
        server.log()
    );
    let loud = || {
        let heard = listener.heard.lock().unwrap();
        heard
            .chunks_exact(RATE as usize / 100)
            .filter(|part| part.iter().any(|s| s.abs() > 1000))
            .count()
    };
    until("nobody was heard in the room", || loud() > 100);

    // What is wrong is said in a sentence, and the run fails.
    let refused = publish("another secret of thirty-two char");
    assert!(!refused.status.success());
    assert!(
        plugins::told(&refused).contains("mouth: "),
        "{}",
        plugins::told(&refused)
    );
}

// SPDX-License-Identifier: MPL-2.0

//! `duplex serve` in a process of its own, and WebSocket clients that talk to it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::plugins;
use crate::said::keep;
use crate::watchdog;
use crate::worker::Worker;

/// Longest that any one thing may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The server; it is killed with the value. That it neither panicked nor died before is checked then.
pub struct Server {
    // Behind a lock, so that whoever waits for an answer can see whether it still runs.
    child: Mutex<Child>,
    /// Where it listens.
    pub address: SocketAddr,
    said: Arc<Mutex<String>>,
    folder: Option<PathBuf>,
    /// Its process leads a group of others, which end with it.
    leads: bool,
}

impl Server {
    /// With these words on its command line, on a free port.
    pub fn start(words: &[&str]) -> Server {
        Self::with(words, "", &[])
    }

    /// With this configuration beside them, and variables in its environment.
    pub fn with(words: &[&str], config: &str, environment: &[(&str, &str)]) -> Server {
        let mut command = plugins::command(plugins::built("duplex"));
        command.arg("serve").args(words);
        if !words.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let folder = (!config.is_empty()).then(|| {
            let folder = plugins::temporary("serve").unwrap();
            std::fs::write(folder.join("serve.yaml"), config).unwrap();
            command.arg("--config").arg(folder.join("serve.yaml"));
            folder
        });
        command.envs(environment.iter().copied());
        Self::of(command, folder, false)
    }

    /// What `make run` starts, with these words and variables; it builds nothing.
    pub fn made(words: &[&str], environment: &[(&str, &str)]) -> Server {
        let mut command = plugins::command("make");
        plugins::without_make(&mut command)
            .args(["run", "PORT=0", "CARGO=true"])
            .args(words)
            .env(
                "CARGO_TARGET_DIR",
                plugins::folder().parent().expect("target/"),
            )
            .envs(environment.iter().copied())
            .process_group(0);
        Self::of(command, None, true)
    }

    fn of(mut command: Command, folder: Option<PathBuf>, leads: bool) -> Server {
        let mut child = command
            .current_dir(plugins::source())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = Arc::new(Mutex::new(String::new()));
        keep(child.stderr.take().unwrap(), said.clone());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            if out.read_line(&mut line).unwrap() == 0 {
                thread::sleep(Duration::from_millis(100));
                panic!("{command:?} ended: {}", said.lock().unwrap());
            }
            said.lock().unwrap().push_str(&line);
            if let Some(url) = line.trim().strip_prefix("serving on ") {
                let (_, address) = url.split_once("://").expect("a URL");
                break address.parse().expect("an address");
            }
        };
        keep(out, said.clone());
        Server {
            child: Mutex::new(child),
            address,
            said,
            folder,
            leads,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Everything that it has said.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.pid());
        plugins::succeeds(std::process::Command::new("sh").args(["-c", &line]));
    }

    /// Whether it runs, or how it ended: a request may fail because its server died.
    fn state(&self) -> String {
        // A process that dies closes its sockets a moment before it can be waited for.
        thread::sleep(Duration::from_millis(500));
        match self.child.lock().unwrap().try_wait() {
            Ok(Some(status)) => format!("has ended: {status}"),
            Ok(None) => "is still running".to_owned(),
            Err(error) => format!("cannot be asked: {error}"),
        }
    }

    /// How it ended.
    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            let child = self.child.get_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {}", self.said());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A client of old, which knows nothing of `configure`.
    pub async fn client(&self) -> Client {
        match self.connect("/", &[]).await {
            Ok(client) => client,
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                panic!("{}: {}", response.status(), String::from_utf8_lossy(&body))
            }
            Err(error) => panic!("a WebSocket: {error}"),
        }
    }

    /// A client that has told the rate of its sound, and was told whose turn it is.
    pub async fn configured(&self, sample_rate: u32) -> Client {
        let mut client = self.client().await;
        client
            .send(json!({"type": "configure", "audio": {"format": "s16le", "sample_rate": sample_rate}}))
            .await;
        client.until("turn").await;
        client
    }

    /// A WebSocket with these headers; the first message is taken.
    pub async fn connect(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, tungstenite::Error> {
        let url = format!("ws://{}{path}", self.address);
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        // As browsers do it: nothing waits for more to be sent, and no large buffer is cleared for each frame.
        let config = WebSocketConfig::default().read_buffer_size(16 * 1024);
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        let (socket, _) = connecting.await?;
        let mut client = Client {
            socket,
            id: String::new(),
            kept: VecDeque::new(),
        };
        let start = client.next().await;
        assert_eq!(start["type"], "session_start", "{start}");
        client.id = start["session_id"].as_str().unwrap().to_owned();
        Ok(client)
    }

    /// The status and body of a GET.
    pub async fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.address
        );
        let answer = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut text = Vec::new();
            stream.read_to_end(&mut text).await?;
            std::io::Result::Ok(text)
        };
        let text = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => panic!("{path}: {error}; the server {}", self.state()),
            Err(_) => panic!("{path}: no answer; the server {}", self.state()),
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        (status, text)
    }

    /// The JSON that it answers with.
    pub async fn json(&self, path: &str) -> Value {
        let (_, text) = self.get(path, "").await;
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Waits until a figure of the summary is this.
    pub async fn expect(&self, figure: &str, wanted: i64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let summary = self.json("/metrics/summary").await;
            if summary["metrics"][figure] == wanted {
                return;
            }
            if Instant::now() > until {
                let stacks = watchdog::stacks_of(self.pid());
                panic!("{figure} does not become {wanted}: {summary}\n{stacks}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A server whose voice is the tone engine's, where each word has its exact place; a text is said. `config` is its
/// configuration. The folder is the test's to remove.
pub fn tones(worker: &Worker, config: &str) -> (Server, PathBuf) {
    let folder = plugins::temporary("tones").unwrap();
    let text = format!(
        "elements:
  ears: {{ factory: vadsrc, audio-source: caller.audio, min-speech-duration: 200ms }}
  nowhere: {{ factory: fakesink }}
  mouth: {{ factory: ttssink, synthesizer: \"grpctts uri={}\", interrupted-by: ears, audio-sink: caller.audio }}
links: [ ears -> nowhere, caller.text -> mouth ]
",
        worker.uri()
    );
    std::fs::write(folder.join("tones.yaml"), text).unwrap();
    let description = folder.join("tones.yaml");
    let server = Server::with(&[description.to_str().unwrap()], config, &[]);
    (server, folder)
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.pid();
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Whoever killed it before, it was no test.
        let died = child.try_wait().ok().flatten();
        let died = died.filter(|status| status.signal().is_some());
        if self.leads {
            let group = format!("-{pid}");
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        let _ = child.kill();
        let _ = child.wait();
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
        let said = self.said();
        if !thread::panicking() {
            assert!(!said.contains("panicked"), "the server panicked: {said}");
            assert!(died.is_none(), "the server died: {died:?}: {said}");
        } else {
            let tail: Vec<&str> = said.lines().rev().take(20).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            #[expect(
                clippy::print_stderr,
                reason = "a failed test shows what the server said"
            )]
            {
                if let Some(died) = died {
                    eprintln!("the server died: {died}");
                }
                eprintln!("the server said: {}", tail.join("\n"));
            }
        }
    }
}

/// One WebSocket.
pub struct Client {
    /// The socket itself.
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The session.
    pub id: String,
    kept: VecDeque<Value>,
}

/// What came of one utterance.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Frames of sound.
    pub frames: usize,
    /// All of their bytes.
    pub pcm: Vec<u8>,
    /// The number of the last frame.
    pub sequence: u64,
    /// The utterance.
    pub utterance: String,
}

impl Client {
    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.raw(Message::text(message.to_string())).await;
    }

    /// Sends a frame.
    pub async fn raw(&mut self, message: Message) {
        self.socket.send(message).await.expect("an open socket");
    }

    /// Has something said.
    pub async fn text(&mut self, text: &str) {
        self.send(json!({"type": "text", "text": text})).await;
    }

    /// PAUSE, RESUME or STOP.
    pub async fn control(&mut self, command: &str) {
        self.send(json!({"type": "control", "command": command}))
            .await;
    }

    /// Whatever the socket gives next; `None` where it has ended.
    pub async fn frame(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        tokio::time::timeout(PATIENCE, self.socket.next())
            .await
            .expect("something in time")
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        if let Some(message) = self.kept.pop_front() {
            return message;
        }
        loop {
            match self.frame().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).expect("JSON");
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("instead of a message: {other:?}"),
            }
        }
    }

    /// The next message within that time.
    pub async fn within(&mut self, time: Duration) -> Option<Value> {
        tokio::time::timeout(time, self.next()).await.ok()
    }

    /// The next message of a type; others are dropped.
    pub async fn until(&mut self, kind: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
            assert!(Instant::now() < end, "no {kind} comes");
        }
    }

    /// All frames of the next utterance, up to its last one.
    pub async fn utterance(&mut self) -> Heard {
        let mut heard = Heard::default();
        loop {
            let message = self.next().await;
            match message["type"].as_str() {
                Some("audio") => {}
                Some("error" | "session_end") => panic!("{message}"),
                _ => continue,
            }
            let id = message["utterance_id"].as_str().unwrap();
            if heard.frames == 0 {
                heard.utterance = id.to_owned();
            }
            assert_eq!(heard.utterance, id, "an utterance in the midst of another");
            heard.frames += 1;
            heard.sequence = message["sequence"].as_u64().unwrap();
            heard.pcm.extend(pcm(&message));
            if message["is_final"] == true {
                return heard;
            }
        }
    }

    /// Reads to the end: what `session_end` says, and the code of the close frame.
    pub async fn end(&mut self) -> (Option<String>, Option<u16>) {
        let (mut reason, mut code) = (None, None);
        loop {
            match self.frame().await {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] == "session_end" {
                        reason = message["reason"].as_str().map(str::to_owned);
                    }
                }
                Some(Ok(Message::Close(frame))) => code = frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (reason, code),
            }
        }
    }
}

/// The sound of an `audio` message.
pub fn pcm(message: &Value) -> Vec<u8> {
    use base64::Engine;

    let text = message["pcm"].as_str().expect("sound");
    let pcm = base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64");
    assert_eq!(pcm.len(), 1920, "20 ms");
    pcm
}

/// Runs on a runtime of the test's own.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}

// SPDX-License-Identifier: MPL-2.0

//! The program in a process of its own, and clients of it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use duplex_proto::{
    AudioFrame, StartSessionRequest, StartSessionResponse, TextChunk,
    tts_service_client::TtsServiceClient,
};
use tokio::sync::mpsc::Sender;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming, transport::Channel};

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a configuration has to have.
pub const LEAST: &str = "worker: {name: here}\nmodel_manager: {default_model_id: tone}\n";

/// A folder of a test's own.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("command-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The command, in a folder, with nothing of this process's environment that it heeds.
pub fn command(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duplex-worker"));
    command.args(arguments).current_dir(&folder.0);
    for name in [
        "DEFAULT_MODEL_ID",
        "DEFAULT_MODEL",
        "ADAPTER_TYPE",
        "DUPLEX_WORKER_API_KEY",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that serves instead of ending would be waited for in vain.
    let (ended, end) = mpsc::channel();
    let pid = child.id();
    let watch = std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE).is_err() {
            signal(pid, "KILL");
        }
    });
    let output = child.wait_with_output().unwrap();
    let _ = ended.send(());
    watch.join().unwrap();
    output
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// A worker that serves; killed when dropped.
pub struct Worker {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Worker {
    /// On a free port of the loopback.
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = command(folder, &["--listen", "127.0.0.1:0"]);
        command.args(arguments);
        Self::spawn(command)
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let mut stderr = child.stderr.take().unwrap();
        let reader = {
            let log = log.clone();
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = stderr.read(&mut piece) {
                    log.lock().unwrap().push_str(&text(&piece[..read]));
                }
            })
        };
        let (tell, told) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = tell.send(line);
        });
        let line = told.recv_timeout(PATIENCE).unwrap_or_default();
        let address = line.trim_end().strip_prefix("listening on ");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = child.kill();
            let _ = reader.join();
            panic!("said {line:?}: {}", log.lock().unwrap());
        };
        Self {
            child,
            address,
            log,
            reader: Some(reader),
        }
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// How it ended, and all that it logged.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.reader.take().map(|reader| reader.join());
                return (status, self.log());
            }
            assert!(started.elapsed() < PATIENCE, "does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the log has this.
    pub async fn logs(&self, part: &str) {
        let started = Instant::now();
        while !self.log().contains(part) {
            assert!(started.elapsed() < PATIENCE, "no {part}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub async fn client(&self) -> TtsServiceClient<Channel> {
        TtsServiceClient::new(self.channel().await)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn open(
    client: &mut TtsServiceClient<Channel>,
    session: &str,
    model: &str,
) -> Result<StartSessionResponse, Status> {
    let request = StartSessionRequest {
        session_id: session.into(),
        model_id: model.into(),
        ..StartSessionRequest::default()
    };
    let reply = client.start_session(request).await;
    reply.map(Response::into_inner)
}

/// An utterance whose text is still open.
pub struct Speaking {
    pub text: Sender<TextChunk>,
    pub frames: Streaming<AudioFrame>,
}

impl Speaking {
    /// Says this, with so much sound granted.
    pub async fn begin(
        client: &mut TtsServiceClient<Channel>,
        session: &str,
        text: &str,
    ) -> Result<Self, Status> {
        let (sender, receiver) = tokio::sync::mpsc::channel(8);
        let chunk = TextChunk {
            session_id: session.into(),
            text: text.into(),
            flush: true,
            credit_ms: Some(600_000),
            ..TextChunk::default()
        };
        sender.send(chunk).await.unwrap();
        let reply = client.synthesize(ReceiverStream::new(receiver)).await?;
        Ok(Self {
            text: sender,
            frames: reply.into_inner(),
        })
    }

    /// Ends the text; the sound that is left, in samples, up to the end marker.
    pub async fn finish(mut self) -> Result<usize, Status> {
        let last = TextChunk {
            is_final: true,
            ..TextChunk::default()
        };
        self.text.send(last).await.unwrap();
        let mut samples = 0;
        while let Some(frame) = self.frames.message().await? {
            samples += frame.audio_data.len() / 2;
            if frame.is_final {
                return Ok(samples);
            }
        }
        panic!("no end marker");
    }
}

/// Says a text, whole.
pub async fn speak(
    client: &mut TtsServiceClient<Channel>,
    session: &str,
    text: &str,
) -> Result<usize, Status> {
    Speaking::begin(client, session, text).await?.finish().await
}

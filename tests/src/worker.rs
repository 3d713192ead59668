// SPDX-License-Identifier: MPL-2.0

//! A worker in a process of its own: started, asked, stopped, frozen and killed.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use duplex_proto::{
    EndSessionRequest, GetCapabilitiesRequest, tts_service_client::TtsServiceClient,
};
use tonic::transport::Channel;

use crate::{plugins, said::keep};

/// Longest that any one thing may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration with more sessions than a machine can have, and a log that takes no time: for benches.
pub const BENCH: &str = "worker: { name: bench, capabilities: { max_concurrent_sessions: 100000 } }
model_manager: { default_model_id: tone }
logging: { level: WARNING }
";

/// The worker; it ends with the value. That it never panicked is checked then.
pub struct Worker {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    said: Arc<Mutex<String>>,
}

/// A signal that the system has for processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It ends at once.
    Kill,
    /// It stands still.
    Freeze,
    /// It goes on.
    Thaw,
    /// It is asked to end.
    Interrupt,
}

impl Worker {
    /// A worker whose default voice is the tone engine's, on a free port.
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same at this address.
    pub fn start_at(address: SocketAddr) -> Self {
        let mut command = Command::new(plugins::built("duplex-worker"));
        command.args(["--listen", &address.to_string(), "--model", "tone"]);
        Self::of(command)
    }

    /// With this configuration, on a free port.
    pub fn with(config: &str) -> Self {
        let folder = plugins::temporary("worker").unwrap();
        let file = folder.join("worker.yaml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(plugins::built("duplex-worker"));
        command
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(file);
        let worker = Self::of(command);
        std::fs::remove_dir_all(folder).unwrap();
        worker
    }

    /// What this command starts: it says `listening on ADDR` once it serves.
    pub fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = Arc::new(Mutex::new(String::new()));
        keep(child.stderr.take().unwrap(), said.clone());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| {
                thread::sleep(Duration::from_millis(100));
                panic!("{command:?} said {line:?}: {}", said.lock().unwrap())
            });
        let address = address.parse().expect("an address");
        keep(out, said.clone());
        Self {
            child,
            address,
            said,
        }
    }

    /// As `grpctts uri=` takes it.
    pub fn uri(&self) -> String {
        format!("grpc://{}", self.address)
    }

    /// As an HTTP client takes it.
    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has said.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Kill => "KILL",
            Signal::Freeze => "STOP",
            Signal::Thaw => "CONT",
            Signal::Interrupt => "INT",
        };
        // The shell has it built in.
        plugins::succeeds(Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]));
    }

    /// Kills it and waits until it is gone; its address is free then.
    pub fn kill(mut self) -> SocketAddr {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.address
    }

    /// Its own figures, over a connection of their own.
    pub fn metrics(&self) -> HashMap<String, f64> {
        self.ask(async |mut client| {
            let asked = client.get_capabilities(GetCapabilitiesRequest {}).await;
            asked.expect("capabilities").into_inner().metrics
        })
    }

    /// One of its figures.
    pub fn metric(&self, name: &str) -> f64 {
        self.metrics()[name]
    }

    /// Waits until a figure is this.
    pub fn expect(&self, name: &str, wanted: f64) {
        let end = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics();
            if metrics[name] == wanted {
                return;
            }
            assert!(
                Instant::now() < end,
                "{name} does not become {wanted}: {metrics:?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends a session behind its owner's back.
    pub fn forget(&self, session_id: &str) {
        let session_id = session_id.to_owned();
        let request = EndSessionRequest { session_id };
        self.ask(async |mut client| client.end_session(request).await.map(drop))
            .unwrap();
    }

    /// Does something with a client of its own.
    pub fn ask<T>(&self, question: impl AsyncFnOnce(TtsServiceClient<Channel>) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let address = self.http();
        runtime.block_on(async {
            let asked = async {
                let client = TtsServiceClient::connect(address).await.expect("a worker");
                question(client).await
            };
            let answer = tokio::time::timeout(PATIENCE * 2, asked).await;
            answer.expect("an answer in time")
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.said();
        if !thread::panicking() {
            assert!(!said.contains("panicked"), "the worker panicked: {said}");
        }
    }
}

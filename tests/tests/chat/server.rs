// SPDX-License-Identifier: MPL-2.0

//! An endpoint that does what a test wants on the wire, byte by byte.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::rig::PATIENCE;

type Seen = Arc<(Mutex<Vec<(String, Value)>>, Condvar)>;

pub struct Server {
    pub address: SocketAddr,
    /// Head and body of each request.
    seen: Seen,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// One request, to be answered.
pub struct Exchange {
    /// Which one it is, from 0.
    pub n: usize,
    pub head: String,
    pub body: Value,
    stream: TcpStream,
}

impl Server {
    /// Answers each connection's request by this function, in a thread of its own.
    pub fn start(answer: impl Fn(&mut Exchange) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (told, ended, answer) = (seen.clone(), stop.clone(), Arc::new(answer));
        let count = Arc::new(AtomicUsize::new(0));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (told, answer, count) = (told.clone(), answer.clone(), count.clone());
                thread::spawn(move || {
                    let Some(mut exchange) = read(stream.unwrap()) else {
                        return;
                    };
                    if exchange.head.starts_with("POST") {
                        exchange.n = count.fetch_add(1, Ordering::SeqCst);
                        let request = (exchange.head.clone(), exchange.body.clone());
                        told.0.lock().unwrap().push(request);
                        told.1.notify_all();
                    }
                    answer(&mut exchange);
                });
            }
        });
        Self {
            address,
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// Answers everything with these tokens.
    pub fn saying(tokens: &'static [&'static str]) -> Self {
        Self::start(move |exchange| exchange.say(tokens))
    }

    /// The element that asks it, with more properties.
    pub fn chat(&self, more: &str) -> String {
        format!("chatllm uri=http://{}/v1 {more}", self.address)
    }

    /// Bodies of the requests so far, once there are so many.
    pub fn requests(&self, count: usize) -> Vec<Value> {
        let end = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        while seen.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{} of {count} requests: {seen:?}",
                seen.len()
            );
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        seen.iter().map(|(_, body)| body.clone()).collect()
    }

    pub fn heads(&self) -> Vec<String> {
        self.seen
            .0
            .lock()
            .unwrap()
            .iter()
            .map(|(head, _)| head.clone())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn read(mut stream: TcpStream) -> Option<Exchange> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        all.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&all);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(Exchange {
                n: 0,
                head: head.to_owned(),
                body: serde_json::from_str(body).unwrap_or_default(),
                stream,
            });
        }
    }
}

impl Exchange {
    /// False where the other side is gone.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream
            .write_all(bytes.as_ref())
            .and_then(|()| self.stream.flush())
            .is_ok()
    }

    /// A whole answer that is not streamed.
    pub fn respond(&mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        self.raw(format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
        ));
    }

    /// An error as endpoints write it.
    pub fn fail(&mut self, status: &str, headers: &str, message: &str) {
        let body = json!({"error": {"message": message}}).to_string();
        self.respond(
            status,
            &format!("content-type: application/json\r\n{headers}"),
            &body,
        );
    }

    pub fn begin(&mut self) {
        self.raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n");
    }

    pub fn event(&mut self, value: &Value) -> bool {
        self.raw(format!("data: {value}\n\n"))
    }

    pub fn token(&mut self, text: &str) -> bool {
        self.event(&json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
    }

    pub fn finish(&mut self, reason: &str) {
        self.event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}));
        self.raw("data: [DONE]\n\n");
    }

    /// A whole answer.
    pub fn say(&mut self, tokens: &[&str]) {
        self.begin();
        for token in tokens {
            self.token(token);
        }
        self.finish("stop");
    }

    /// Waits until the other side hangs up, and gives how long that took.
    pub fn hangs_up(&mut self) -> Option<Duration> {
        let begun = Instant::now();
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => Some(begun.elapsed()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                Some(begun.elapsed())
            }
            _ => None,
        }
    }
}

/// Who said what in a request.
pub fn messages(body: &Value) -> Vec<(String, String)> {
    let all = body["messages"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|message| (text(&message["role"]), text(&message["content"])))
        .collect()
}

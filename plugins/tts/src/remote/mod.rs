// SPDX-License-Identifier: MPL-2.0

//! A voice on another machine or in another process: `tts.TTSService` as an engine. No GStreamer here.
//!
//! One HTTP/2 connection to each worker serves all engines of the process ([`connection`]); an engine
//! holds one session there, an utterance is one Synthesize call ([`call`]). What is due to the worker,
//! text and credit, waits in [`outbound`] until the connection takes it.
//!
//! # Threads
//! All connections live in one thread of the process, `grpctts`, which starts with the first of them.
//! Text is pushed and sound pulled from the caller's threads; both wait there, and a cancel ends that.

mod address;
mod call;
mod connection;
mod outbound;
mod sentences;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use duplex_proto::{EndSessionRequest, GetCapabilitiesRequest, StartSessionRequest, frames};
use duplex_synthesis::{Engine, Error, Request, Utterance, Voice, check_rate};

pub use address::{Address, parse_list};
use connection::{Connection, runtime};

/// A worker answers questions that take no synthesis within this.
const ANSWER: Duration = Duration::from_secs(5);

/// Where voices are, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Tried in order until one answers.
    pub addresses: Vec<Address>,
    /// As the worker calls it; empty is its default.
    pub model: String,
    /// Sent as `authorization: Bearer KEY`.
    pub api_key: Option<String>,
    /// For each address.
    pub connect_timeout: Duration,
}

/// What is known of the worker in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its address, as it was given.
    pub worker: String,
    /// Its protocol; 0 is an old worker.
    pub protocol: i32,
    /// Our session there.
    pub session: String,
}

/// Told once about each worker that is of the old protocol, and about each that is passed over.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// The engine of one element.
pub struct Remote {
    settings: Settings,
    notice: Notice,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    session: Option<Arc<Session>>,
    warned: bool,
}

/// A session at a worker. It ends there when this is dropped.
pub(crate) struct Session {
    connection: Arc<Connection>,
    id: String,
    options: Options,
    /// The rate that is asked for, in Hz.
    rate: u32,
}

/// What a session is opened with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    model: String,
    map: HashMap<String, String>,
}

impl Options {
    fn of(settings: &Settings, request: &Request) -> Self {
        let mut map = HashMap::new();
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                map.insert(name.to_owned(), value);
            }
        };
        set("voice", request.voice.clone());
        set("language", request.language.clone());
        set(
            "rate",
            (request.rate != 1.0).then(|| request.rate.to_string()),
        );
        set("ssml", request.ssml.then(|| "true".to_owned()));
        Self {
            model: settings.model.clone(),
            map,
        }
    }
}

impl Remote {
    /// Not connected yet.
    pub fn new(settings: Settings, notice: Notice) -> Self {
        Self {
            settings,
            notice,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker in use, once there is one.
    pub fn report(&self) -> Option<Report> {
        let state = self.state();
        let session = state.session.as_ref()?;
        Some(Report {
            worker: session.connection.address.to_string(),
            protocol: session.connection.protocol,
            session: session.id.clone(),
        })
    }

    /// The connection, made where there is none. Blocks.
    fn connect(&self) -> Result<Arc<Connection>, Error> {
        if let Some(connection) = self.state().connection.clone() {
            return Ok(connection);
        }
        self.first_that(Ok)
    }

    /// What comes of the first worker that `ask` is content with; the others are passed over where they cannot be
    /// reached or have no room. Its connection is the one in use from then on. Blocks.
    fn first_that<T>(&self, ask: impl Fn(Arc<Connection>) -> Result<T, Error>) -> Result<T, Error> {
        let mut failures: Vec<String> = Vec::new();
        let mut busy = true;
        for address in &self.settings.addresses {
            let connected = runtime()?.block_on(Connection::get(
                address,
                self.settings.api_key.as_deref(),
                self.settings.connect_timeout,
            ));
            let connection = match connected {
                Ok(connection) => connection,
                Err(sentence) => {
                    failures.push(sentence);
                    busy = false;
                    continue;
                }
            };
            match ask(connection.clone()) {
                Err(Error::Busy(sentence)) => failures.push(sentence),
                Err(error) => return Err(error),
                Ok(answer) => {
                    for failure in &failures {
                        (self.notice)(failure);
                    }
                    self.state().connection = Some(connection);
                    return Ok(answer);
                }
            }
        }
        let sentence = failures.join("; ");
        Err(match busy {
            true => Error::Busy(sentence),
            false => Error::Unavailable(sentence),
        })
    }

    /// The session for these options. Blocks where there is none yet.
    fn session(&self, request: &Request) -> Result<Arc<Session>, Error> {
        let options = Options::of(&self.settings, request);
        if let Some(session) = self.state().session.clone()
            && session.options == options
        {
            return Ok(session);
        }
        let start = |connection| runtime()?.block_on(Session::start(connection, options.clone()));
        let in_use = self.state().connection.clone();
        let session = match in_use.map(start) {
            None | Some(Err(Error::Busy(_))) => self.first_that(start)?,
            Some(started) => started?,
        };
        let session = Arc::new(session);
        let is_old = session.connection.protocol == 0;
        let mut state = self.state();
        let warn = is_old && !std::mem::replace(&mut state.warned, is_old);
        let before = state.session.replace(session.clone());
        drop(state);
        drop(before);
        if warn {
            (self.notice)(&format!(
                "The worker at {} is of the old protocol: it tells neither where words are nor takes \
                 credit, so heard words are estimated and it works further ahead than is played",
                session.connection.address
            ));
        }
        Ok(session)
    }
}

impl Engine for Remote {
    fn name(&self) -> &'static str {
        "grpc"
    }

    fn voices(&self) -> Result<Vec<Voice>, Error> {
        let connection = self.connect()?;
        let asked = connection.request(GetCapabilitiesRequest {});
        let mut client = connection.client();
        let answer = runtime()?
            .block_on(async { tokio::time::timeout(ANSWER, client.get_capabilities(asked)).await })
            .map_err(|_| connection.no_answer())?
            .map_err(|status| connection.error(&status))?
            .into_inner();
        let languages = answer.capabilities.unwrap_or_default().languages;
        let voices = answer.resident_models.into_iter().map(|name| Voice {
            name,
            languages: languages.clone(),
        });
        Ok(voices.collect())
    }

    fn prepare(&self, request: &Request) -> Result<(), Error> {
        check_rate(request.rate)?;
        self.session(request).map(drop)
    }

    fn sample_rate(&self, request: &Request) -> Result<u32, Error> {
        Ok(self.session(request)?.rate)
    }

    fn open(&self, request: &Request) -> Result<Utterance, Error> {
        check_rate(request.rate)?;
        let session = self.session(request)?;
        call::open(session, &request.utterance_id)
    }
}

impl Session {
    async fn start(connection: Arc<Connection>, options: Options) -> Result<Self, Error> {
        let mut session = Self {
            id: unique(),
            options,
            rate: frames::RATE,
            connection,
        };
        let native = session.open().await?;
        if frames::RATES.contains(&native) {
            session.rate = native;
        }
        Ok(session)
    }

    /// Opens it at the worker, again where the worker has lost it. Returns the voice's own rate, 0
    /// where it is not told.
    pub(crate) async fn open(&self) -> Result<u32, Error> {
        let request = StartSessionRequest {
            session_id: self.id.clone(),
            model_id: self.options.model.clone(),
            options: self.options.map.clone(),
        };
        let connection = &self.connection;
        let mut client = connection.client();
        let answer =
            tokio::time::timeout(ANSWER, client.start_session(connection.request(request)))
                .await
                .map_err(|_| connection.no_answer())?
                .map_err(|status| connection.error(&status))?
                .into_inner();
        if !answer.success {
            return Err(Error::BadRequest(format!(
                "the worker at {} refuses: {}",
                connection.address, answer.message
            )));
        }
        Ok(u32::try_from(answer.sample_rate).unwrap_or(0))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Ok(runtime) = runtime() else { return };
        let connection = self.connection.clone();
        let session_id = std::mem::take(&mut self.id);
        runtime.spawn(async move {
            let request = connection.request(EndSessionRequest { session_id });
            // A worker that is gone needs not be told.
            let _ = tokio::time::timeout(ANSWER, connection.client().end_session(request)).await;
        });
    }
}

/// A name that no other session has, in this process or another.
fn unique() -> String {
    use std::{
        hash::{BuildHasher, RandomState},
        sync::atomic::{AtomicU64, Ordering},
    };
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Seeded by the system for each process.
    let random = RandomState::new().hash_one((number, std::process::id(), Instant::now()));
    format!("gst-{random:016x}-{number}")
}

// SPDX-License-Identifier: MPL-2.0

//! One connection to each worker, shared by all engines of the process.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

use duplex_proto::{GetCapabilitiesRequest, tts_service_client::TtsServiceClient};
use duplex_synthesis::Error;
use tokio::{runtime::Runtime, task::JoinSet};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

use super::{
    address::Address,
    sentences::{of_connect, of_greeting, of_status},
};

/// A worker that is silent for so long is asked whether it is there …
const ASK_AFTER: Duration = Duration::from_millis(400);
/// … and has so long to answer: together less than the second within which a dead one is noticed.
const ANSWER_WITHIN: Duration = Duration::from_millis(450);
/// Where a peer may take being asked as an attack, the system finds out whether its machine is there.
const OF_OLD: Duration = Duration::from_secs(1);

/// Bytes of sound that a worker may send before they are taken: some seconds.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same of all calls together.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// The thread that all connections live in; `Err` where the system has none.
pub(super) fn runtime() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("grpctts")
            .on_thread_start(without_sigpipe)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    runtime
        .as_ref()
        .map_err(|error| Error::Unavailable(format!("no thread for connections: {error}")))
}

/// Lets writes to a connection that is gone fail in this thread, instead of ending the process.
///
/// Programs in Rust ignore SIGPIPE. Programs in C that load us, such as gst-launch, mostly do not, and what
/// they do with it is theirs to say. The system sends it to the thread that writes.
fn without_sigpipe() {
    let mut pipe = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is made by sigemptyset before anything else uses it; the mask is this thread's own.
    unsafe {
        libc::sigemptyset(pipe.as_mut_ptr());
        libc::sigaddset(pipe.as_mut_ptr(), libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, pipe.as_ptr(), std::ptr::null_mut());
    }
}

/// A connection to a worker. It is made again by itself where it was lost.
pub struct Connection {
    pub address: Address,
    /// What the worker says of itself; 0 for an old one.
    pub protocol: i32,
    channel: Channel,
    key: Option<MetadataValue<Ascii>>,
}

type Key = (Address, Option<String>);
/// Of each worker the one connection, made under its own lock: whoever wants it at the same time waits.
type Slot = Arc<tokio::sync::Mutex<Weak<Connection>>>;

impl Connection {
    /// The one to this address with this key, made where there is none. `Err` is a sentence.
    pub async fn get(
        address: &Address,
        key: Option<&str>,
        timeout: Duration,
    ) -> Result<Arc<Self>, String> {
        static ALL: LazyLock<Mutex<HashMap<Key, Slot>>> = LazyLock::new(Mutex::default);
        let slot = {
            let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody holds or waits for these any more.
            all.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot.try_lock().is_ok_and(|weak| weak.strong_count() > 0)
            });
            all.entry((address.clone(), key.map(str::to_owned)))
                .or_default()
                .clone()
        };
        let mut weak = slot.lock().await;
        if let Some(connection) = weak.upgrade() {
            return Ok(connection);
        }
        // In the connections' thread, which no SIGPIPE reaches; dropped, it ends.
        let mut connecting = JoinSet::new();
        let (to, with) = (address.clone(), key.map(str::to_owned));
        connecting.spawn(async move { Self::connect(&to, with.as_deref(), timeout).await });
        let connected = tokio::time::timeout(timeout, connecting.join_next()).await;
        let connection = connected
            .map_err(|_| {
                format!(
                    "the worker at {address} did not answer within {} ms: check that it runs and that nothing \
                     filters the port, or set connect-timeout higher",
                    timeout.as_millis()
                )
            })?
            .unwrap_or_else(|| unreachable!("one was spawned"))
            .map_err(|panic| format!("connecting to {address}: {panic}"))??;
        let connection = Arc::new(connection);
        *weak = Arc::downgrade(&connection);
        Ok(connection)
    }

    async fn connect(
        address: &Address,
        key: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let key = key
            .map(|key| format!("Bearer {key}").parse::<MetadataValue<Ascii>>())
            .transpose()
            .map_err(|_| "api-key has characters that no header can carry".to_owned())?;
        let endpoint = endpoint(address, timeout)?;
        let careful = endpoint
            .clone()
            .tcp_keepalive(Some(OF_OLD))
            .tcp_keepalive_interval(Some(OF_OLD))
            .tcp_keepalive_retries(Some(3));
        let mut connection = Self {
            address: address.clone(),
            protocol: 0,
            channel: open(address, &careful).await?,
            key,
        };
        let asked = connection.request(GetCapabilitiesRequest {});
        let answer = connection.client().get_capabilities(asked).await;
        let answer = answer.map_err(|status| of_greeting(address, &status))?;
        let capabilities = answer.into_inner().capabilities.unwrap_or_default();
        connection.protocol = capabilities.protocol;
        if connection.protocol > 0 {
            // One of ours may be asked as often as we like; servers of gRPC's own libraries close
            // connections that ask often.
            let watched = endpoint
                .http2_keep_alive_interval(ASK_AFTER)
                .keep_alive_timeout(ANSWER_WITHIN)
                .keep_alive_while_idle(false);
            connection.channel = open(address, &watched).await?;
        }
        Ok(connection)
    }

    /// A client on it.
    pub fn client(&self) -> TtsServiceClient<Channel> {
        TtsServiceClient::new(self.channel.clone())
    }

    /// A request with our key.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("authorization", key.clone());
        }
        request
    }

    /// What a failed call comes to.
    pub fn error(&self, status: &Status) -> Error {
        let sentence = of_status(&self.address, status);
        match status.code() {
            tonic::Code::InvalidArgument | tonic::Code::NotFound => Error::BadRequest(sentence),
            tonic::Code::Internal => Error::Failed(sentence),
            tonic::Code::ResourceExhausted => Error::Busy(sentence),
            _ => Error::Unavailable(sentence),
        }
    }

    /// The worker let us wait.
    pub fn no_answer(&self) -> Error {
        Error::Unavailable(format!(
            "the worker at {} takes calls but does not answer them; restart it",
            self.address
        ))
    }
}

fn endpoint(address: &Address, timeout: Duration) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from_shared(address.http())
        .map_err(|error| format!("uri `{address}` is no address: {error}"))?
        .connect_timeout(timeout)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if !address.tls {
        return Ok(endpoint);
    }
    let tls = ClientTlsConfig::new()
        .with_native_roots()
        .domain_name(address.name());
    endpoint
        .tls_config(tls)
        .map_err(|error| format!("TLS for {address} cannot be set up: {error}"))
}

async fn open(address: &Address, endpoint: &Endpoint) -> Result<Channel, String> {
    let opened = endpoint.connect().await;
    opened.map_err(|error| of_connect(address, &error))
}

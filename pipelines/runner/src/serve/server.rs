// SPDX-License-Identifier: MPL-2.0

//! The listener, what all connections share, and the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Extension;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;

use super::admission::Admission;
use super::config::{Config, Tls};
use super::designs::Designs;
use super::metrics::Metrics;
use super::routes;
use super::session::{Common, Ending};
use super::socket::Socket;

/// How long a client may take to agree on keys, and to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Connections that are no sessions (yet), at a time.
const CONNECTIONS: usize = 512;
/// The system would not let a connection in: so long until it is asked for the next one.
const AFTER_A_REFUSAL: Duration = Duration::from_millis(100);
/// How often addresses that are gone are forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How long a worker may take to answer, and for how long its answer counts.
const PROBE: Duration = Duration::from_secs(1);
/// How long sessions may take to take their pipelines down once they were told to end.
const CLOSING: Duration = Duration::from_secs(5);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    linger: Arc<AtomicBool>,
}

impl Peer {
    /// The connection is closed while its client still sends: what comes is read for a moment.
    pub fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }
}

/// A session that is counted for as long as this lives.
#[derive(Debug)]
pub struct Opened(IntGauge);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What all connections share.
#[derive(Debug)]
pub struct Server {
    config: Config,
    common: Arc<Common>,
    admission: Arc<Admission>,
    ending: watch::Sender<Ending>,
    started: Instant,
    /// Where the voice comes from, where that is not here.
    workers: Vec<String>,
    /// Whether one of them answered, and when that was looked at.
    probed: tokio::sync::Mutex<Option<(Instant, Option<String>)>>,
}

impl Server {
    /// A server that does not listen yet.
    pub fn new(config: Config, designs: Designs) -> Result<Arc<Server>, String> {
        let metrics = Metrics::new().map_err(|err| format!("metrics: {err}"))?;
        let workers = designs.workers();
        let common = Arc::new(Common::new(designs, config.limits, metrics));
        Ok(Arc::new(Server {
            admission: Arc::new(Admission::new(config.allowance)),
            common,
            config,
            ending: watch::Sender::new(Ending::No),
            started: Instant::now(),
            probed: tokio::sync::Mutex::default(),
            workers,
        }))
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What sessions have in common.
    pub fn common(&self) -> &Arc<Common> {
        &self.common
    }

    /// Who is in.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Tells sessions of the end.
    pub fn ending(&self) -> watch::Receiver<Ending> {
        self.ending.subscribe()
    }

    /// Whether it is about to end.
    pub fn is_draining(&self) -> bool {
        *self.ending.borrow() != Ending::No
    }

    /// How long it has been running.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The figures, as of now.
    pub fn metrics(&self) -> &Metrics {
        let metrics = &self.common.metrics;
        metrics.refresh(self.config.allowance.sessions, self.workers.len());
        metrics
    }

    /// Why no voice would answer; `None` where one would.
    pub async fn worker_error(&self) -> Option<String> {
        if self.workers.is_empty() {
            return self.common.last_failure();
        }
        // Health is asked for often, and by many.
        let mut probed = self.probed.lock().await;
        if let Some((at, error)) = &*probed
            && at.elapsed() < PROBE
        {
            return error.clone();
        }
        let asked = self.workers.iter().map(|worker| async move {
            let connected = TcpStream::connect(worker.as_str());
            match tokio::time::timeout(PROBE, connected).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(format!("{worker}: {error}")),
                Err(_) => Some(format!("{worker}: no answer within {PROBE:?}")),
            }
        });
        let answers = futures_util::future::join_all(asked).await;
        let error = match answers.iter().any(Option::is_none) {
            true => None,
            false => Some(answers.into_iter().flatten().collect::<Vec<_>>().join("; ")),
        };
        *probed = Some((Instant::now(), error.clone()));
        error
    }

    /// Counts a session.
    pub fn opened(&self) -> Opened {
        let gauge = self.common.metrics.sessions_active.clone();
        gauge.inc();
        Opened(gauge)
    }

    /// A session id that nobody guesses: `prefix-` and 12 hexadecimal digits.
    pub fn session_id(&self, prefix: &str) -> String {
        let mut random = [0; 6];
        // Fails only where the system has no randomness; then it is merely unique.
        if ring::default_provider()
            .secure_random
            .fill(&mut random)
            .is_err()
        {
            let now = self.started.elapsed().as_nanos().to_le_bytes();
            random.copy_from_slice(&now[..6]);
        }
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{prefix}-{digits}")
    }

    /// Serves until `stop` is done, then lets running turns end, for so long as they may.
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        health: Option<TcpListener>,
        stop: impl Future<Output = ()>,
    ) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let tls = match &self.config.tls {
            Some(Tls::Files(config)) => Some(TlsAcceptor::from(config.clone())),
            // That is replaced by what was made before anybody serves.
            Some(Tls::SelfSigned) | None => None,
        };
        let router = routes::main(self.clone());
        let accepting = tokio::spawn(accept(listener, router, tls, connections.clone()));
        let health = health.map(|listener| {
            let router = routes::health_only(self.clone());
            tokio::spawn(accept(listener, router, None, connections))
        });
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = housekeeping.tick() => self.admission.forget(),
            }
        }
        let sessions = self.admission.sessions();
        tracing::info!(sessions, "shutting down");
        let _ = self.ending.send(Ending::WhenQuiet);
        if !self.empty(self.config.drain).await {
            tracing::warn!(sessions = self.admission.sessions(), "turns are cut off");
            let _ = self.ending.send(Ending::Now);
            self.empty(CLOSING).await;
        }
        accepting.abort();
        if let Some(health) = health {
            health.abort();
        }
    }

    /// Whether all sessions are gone within that time.
    async fn empty(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while self.admission.sessions() > 0 {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

/// Binds, with a sentence where that fails.
pub async fn bind(address: &str) -> Result<TcpListener, String> {
    let resolved = tokio::net::lookup_host(address).await;
    let Some(at) = resolved.ok().and_then(|mut addresses| addresses.next()) else {
        return Err(format!(
            "`{address}` is no address to listen on; write for instance 127.0.0.1:8080, or 127.0.0.1:0 for a free port"
        ));
    };
    TcpListener::bind(at).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{at} is in use by another program; stop that, or choose another port with --listen {}:0",
            at.ip()
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "{at} is no address of this machine; --listen 127.0.0.1:{} serves this machine alone",
            at.port()
        ),
        io::ErrorKind::PermissionDenied => {
            format!("listening on {at} is not permitted; choose a port from 1024 up with --listen")
        }
        _ => format!("cannot listen on {at}: {error}"),
    })
}

async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    connections: Arc<Semaphore>,
) {
    loop {
        let Ok(place) = connections.clone().acquire_owned().await else {
            return;
        };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            // One connection that fails to be accepted is not the end of all. Where there are no file descriptors left the
            // next one would fail at once.
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(AFTER_A_REFUSAL).await;
                continue;
            }
        };
        let linger = Arc::new(AtomicBool::new(false));
        let socket = Socket::new(stream, linger.clone());
        let router = router.clone().layer(Extension(Peer { address, linger }));
        let tls = tls.clone();
        tokio::spawn(async move {
            // A session that was let in is counted elsewhere: the place is for heads of requests.
            let _place = place;
            match tls {
                None => requests(socket, router).await,
                Some(tls) => match tokio::time::timeout(HEAD, tls.accept(socket)).await {
                    Ok(Ok(stream)) => requests(stream, router).await,
                    Ok(Err(error)) => tracing::debug!("TLS: {error}"),
                    Err(_) => tracing::debug!("TLS: the client took too long"),
                },
            }
        });
    }
}

/// Answers the requests of a connection, until it is closed or becomes a WebSocket.
async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection failed: {error}");
    }
}

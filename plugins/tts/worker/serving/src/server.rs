// SPDX-License-Identifier: MPL-2.0

//! Serving: the listener, what stands beside the service, and the end.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use duplex_proto::{DESCRIPTOR, tts_service_server::TtsServiceServer};
use futures_util::stream;
use tokio::{net::TcpListener, sync::mpsc, time::Instant};
use tonic::{
    Request, Status,
    metadata::MetadataMap,
    service::interceptor::InterceptedService,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};
use tonic_health::ServingStatus;

use crate::{connections::Tracked, service::Service};

/// Longest message of a client, in bytes: a chunk of text.
const LONGEST_MESSAGE: usize = 4 * 1024 * 1024;

/// Calls on one connection at a time; each is bounded by the sessions' own limits too.
const CALLS_OF_A_CONNECTION: u32 = 4_096;

/// A peer that is silent for so long is asked whether it is there, and has as long to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Longest time that a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How often it is looked, at the end, whether calls still run.
const DRAINING: Duration = Duration::from_millis(20);

/// How long connections may take to close once no call runs.
const CLOSING: Duration = Duration::from_secs(1);

/// The system would not let a connection in: so long until it is asked for the next one.
const AFTER_A_REFUSAL: Duration = Duration::from_millis(100);

/// How often idle sessions and models are looked for, at most.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Certificates, as PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Ours, with its chain.
    pub certificate: Vec<u8>,
    /// The key of ours.
    pub key: Vec<u8>,
    /// Who may have issued our clients' certificates; none asks them for none.
    pub client_ca: Option<Vec<u8>>,
}

impl Tls {
    fn config(&self) -> ServerTlsConfig {
        let config = ServerTlsConfig::new()
            .identity(Identity::from_pem(&self.certificate, &self.key))
            .timeout(HANDSHAKE);
        match &self.client_ca {
            Some(ca) => config.client_ca_root(Certificate::from_pem(ca)),
            None => config,
        }
    }

    /// Whether it can be served with; `Err` is a sentence.
    pub fn check(&self) -> Result<(), String> {
        let built = Server::builder().tls_config(self.config());
        built.map(drop).map_err(|error| {
            format!(
                "the TLS certificate and key cannot be used: {}",
                causes(&error)
            )
        })
    }
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What each call has to carry as `authorization: Bearer KEY`.
    pub api_key: Option<String>,
    /// Without it connections are plain.
    pub tls: Option<Tls>,
    /// How often unused models are unloaded.
    pub evict_interval: Duration,
    /// How long running calls may go on at the end.
    pub drain: Duration,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            api_key: None,
            tls: None,
            evict_interval: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// Binds, with a sentence where that fails.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{address} is in use by another program; stop that, or choose another port with --listen {}:0",
            address.ip()
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "{address} is no address of this machine; --listen 127.0.0.1:{} serves this machine alone",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => {
            format!("listening on {address} is not permitted; choose a port from 1024 up with --listen")
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// Serves until `ending` is done, then lets running calls end, for so long as they may. Whoever comes
/// meanwhile is told so, by UNAVAILABLE and by the health service.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    serving: Serving,
    ending: impl Future<Output = ()>,
) -> Result<(), String> {
    let (gone, mut departures) = mpsc::unbounded_channel();
    let accepting = (listener, gone, service.clone());
    let incoming = stream::unfold(accepting, async |(listener, gone, service)| {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    let tracked = Tracked::new(socket, gone.clone());
                    service.sessions().connection_came(tracked.id());
                    return Some((Ok::<_, io::Error>(tracked), (listener, gone, service)));
                }
                // One connection that fails to be accepted is not the end of all. Where there are no file
                // descriptors left the next one would fail at once.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_A_REFUSAL).await;
                }
            }
        }
    });

    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<TtsServiceServer<Service>>().await;
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let no_reflection = |error| format!("the reflection service cannot be made: {error}");
    let reflection = described().build_v1().map_err(no_reflection)?;
    // What tools knew before there was a version 1.
    let reflection_alpha = described().build_v1alpha().map_err(no_reflection)?;

    let mut server = Server::builder()
        .max_concurrent_streams(CALLS_OF_A_CONNECTION)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE));
    if let Some(tls) = &serving.tls {
        tls.check()?;
        server = server
            .tls_config(tls.config())
            .map_err(|error| causes(&error))?;
    }
    let tts = TtsServiceServer::new(service.clone()).max_decoding_message_size(LONGEST_MESSAGE);
    let tts = InterceptedService::new(tts, key_check(serving.api_key.clone()));

    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let served = server
        .add_service(tts)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(reflection_alpha)
        .serve_with_incoming_shutdown(incoming, async {
            // Dropped means the same.
            let _ = stopping.await;
        });
    tokio::pin!(served, ending);
    let mut stop = Some(stop);
    let mut deadline: Option<Instant> = None;
    let mut ended = false;
    let mut draining = tokio::time::interval(DRAINING);
    let mut housekeeping = tokio::time::interval(HOUSEKEEPING.min(serving.evict_interval));
    let mut evicted = Instant::now();
    loop {
        let out_of_time = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = &mut served => {
                return result.map_err(|error| format!("serving failed: {}", causes(&error)));
            }
            () = &mut ending, if !ended => {
                service.close();
                health.set_not_serving::<TtsServiceServer<Service>>().await;
                health.set_service_status("", ServingStatus::NotServing).await;
                tracing::info!(calls = service.sessions().calls(), "shutting down");
                deadline = Some(Instant::now() + serving.drain);
                ended = true;
                // Not once for each time that it was not looked.
                draining.reset();
            }
            _ = draining.tick(), if ended && stop.is_some() => {
                if service.sessions().calls() == 0 {
                    // Idle connections are closed, and their clients told to go elsewhere.
                    stop = None;
                    let closing = Instant::now() + CLOSING;
                    deadline = deadline.map(|deadline| deadline.min(closing));
                }
            }
            () = out_of_time => {
                let calls = service.sessions().calls();
                if calls > 0 {
                    tracing::warn!(calls, "calls are cut off");
                }
                return Ok(());
            }
            Some(connection) = departures.recv() => {
                for id in service.sessions().connection_gone(connection).await {
                    tracing::info!(session_id = %id, "session ended: its connection is gone");
                }
            }
            _ = housekeeping.tick() => {
                for id in service.sessions().reap_idle(std::time::Instant::now()).await {
                    tracing::info!(session_id = %id, "session ended: it was idle");
                }
                if evicted.elapsed() >= serving.evict_interval {
                    evicted = Instant::now();
                    for model in service.models().evict(std::time::Instant::now()) {
                        tracing::info!(model, "model unloaded");
                    }
                }
            }
        }
    }
}

/// Refuses calls without the key. Compares all of it, however early it differs.
fn key_check(
    key: Option<String>,
) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone {
    move |request| {
        let Some(key) = &key else { return Ok(request) };
        match bearer(request.metadata()) {
            Some(given) if same(given.as_bytes(), key.as_bytes()) => Ok(request),
            Some(_) => Err(Status::unauthenticated("this key is not the worker's")),
            None => Err(Status::unauthenticated(
                "this worker asks for a key: send it as metadata, `authorization: Bearer KEY`",
            )),
        }
    }
}

fn bearer(metadata: &MetadataMap) -> Option<&str> {
    let value = metadata.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |different, (a, b)| different | (a ^ b))
            == 0
}

/// An error with all that caused it.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !sentence.contains(&part) {
            sentence = format!("{sentence}: {part}");
        }
        cause = error.source();
    }
    sentence
}

// SPDX-License-Identifier: GPL-3.0-or-later

//! The command `duplex-worker`.

mod logs;

use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;
use duplex_espeak::EspeakEngine;
use duplex_synthesis::{Engine, tone::ToneEngine};
use duplex_worker::{
    config::{self, Config, KnownEngine, Level, Listen, Overrides, Wrong},
    models::Models,
    server::{bind, serve},
    service::Service,
    sessions::Sessions,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

const LICENCES: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nThis program is GPL-3.0-or-later, since it links eSpeak NG; the rest of gst-duplex is MPL-2.0."
);

/// Serves voices to other processes and machines over gRPC.
///
/// What is given here goes before the environment (DEFAULT_MODEL_ID, DUPLEX_WORKER_API_KEY), and that
/// before the configuration. SIGTERM and Ctrl-C let running calls end first; a second one does not.
#[derive(Parser)]
#[command(version = LICENCES)]
struct Arguments {
    /// A configuration in YAML; configs/worker.yaml explains its keys.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:7001]; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
    /// The port to listen on, at the host of the configuration.
    #[arg(long, conflicts_with = "listen")]
    port: Option<u16>,
    /// The model of sessions that name none [default: espeak].
    #[arg(long, value_name = "MODEL", visible_alias = "default-model")]
    model: Option<String>,
    /// Models to load at the start, in place of those of the configuration.
    #[arg(long, value_name = "MODEL", num_args = 1..)]
    preload: Option<Vec<String>>,
    /// How much to log, to standard error: DEBUG, INFO, WARNING, ERROR or CRITICAL.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<Level>,
    /// Taken for the sake of old scripts; has no effect.
    #[arg(long, value_name = "NAME", hide = true)]
    adapter: Option<String>,
    /// Say whether the configuration is good, and end.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let overrides = Overrides {
        listen: arguments.listen,
        port: arguments.port,
        model: arguments.model,
        preload: arguments.preload,
        level: arguments.log_level,
        adapter: arguments.adapter,
    };
    let read = config::read(
        arguments.config.as_deref(),
        &overrides,
        &engines(),
        |name| std::env::var(name).ok(),
    );
    let config = match read {
        Ok(config) => config,
        Err(Wrong::File(report)) => {
            let _ = write!(std::io::stderr(), "{report}");
            return ExitCode::FAILURE;
        }
        Err(Wrong::Elsewhere(sentence)) => return fail(&sentence),
    };
    logs::start(config.logging);
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    if arguments.check {
        let default = &config.keeping.default;
        say(&format!(
            "the configuration is good: {} would listen on {} and speak with {default}",
            config.name, config.listen
        ));
        return ExitCode::SUCCESS;
    }
    // Half of the processors: what the calls of one thread send goes in fewer writes, and voices, the
    // system's network and whoever else is here need the rest.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(2))
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the system gives no threads: {error}")),
    };
    let ended = runtime.block_on(run(config));
    // A voice that still loads is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(sentence) => fail(&sentence),
    }
}

fn fail(sentence: &str) -> ExitCode {
    // Where nobody listens, the exit status tells.
    let _ = writeln!(std::io::stderr(), "duplex-worker: {sentence}");
    ExitCode::FAILURE
}

fn say(sentence: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{sentence}").and_then(|()| out.flush());
}

/// The first is the default.
fn engines() -> Vec<KnownEngine> {
    vec![
        KnownEngine {
            name: "espeak",
            make: Arc::new(|| Ok(Arc::new(EspeakEngine::new()) as Arc<dyn Engine>)),
        },
        KnownEngine {
            name: "tone",
            make: Arc::new(|| Ok(Arc::new(ToneEngine::new(48_000)) as Arc<dyn Engine>)),
        },
    ]
}

/// The first signal to end, and a second one, which does not wait; each with its exit status.
fn signals() -> Result<(oneshot::Receiver<()>, oneshot::Receiver<u8>), String> {
    let failed = |error: std::io::Error| format!("signals cannot be waited for: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (first, ending) = oneshot::channel();
    let (second, now) = oneshot::channel();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            }
        };
        next().await;
        let _ = first.send(());
        let kind = next().await;
        // As a shell tells of a signal.
        let _ = second.send(128 + u8::try_from(kind.as_raw_value()).unwrap_or(0));
    });
    Ok((ending, now))
}

async fn run(config: Config) -> Result<ExitCode, String> {
    let (mut ending, now) = signals()?;
    let models = Models::new(config.models, config.keeping);
    tokio::select! {
        loaded = load(&models) => loaded?,
        _ = &mut ending => return Ok(ExitCode::SUCCESS),
    }
    let address = config.listen.resolve().await?;
    let listener = bind(address).await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    if !address.ip().to_canonical().is_loopback() {
        let (tls, key) = (&config.serving.tls, &config.serving.api_key);
        let known = tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if key.is_none() && !known {
            tracing::warn!(
                "anybody who reaches {address} can use this worker: set api_key or {}, or listen on 127.0.0.1",
                config::KEY_VARIABLE
            );
        } else if tls.is_none() {
            tracing::warn!("the key and all texts can be read on the way to {address}: set tls");
        }
    }
    let service = Service::new(models, Sessions::new(config.limits));
    tracing::info!(name = config.name, %address, "serving");
    say(&format!("listening on {address}"));
    let ending = async {
        let _ = ending.await;
    };
    tokio::select! {
        served = serve(listener, service, config.serving, ending) => {
            served.map(|()| ExitCode::SUCCESS)
        }
        Ok(status) = now => {
            tracing::warn!("ended at once by a second signal");
            Ok(ExitCode::from(status))
        }
    }
}

/// The default model has to load, others better do.
async fn load(models: &Models) -> Result<(), String> {
    let keeping = models.keeping();
    models
        .load("", true)
        .await
        .map_err(|error| error.to_string())?;
    for id in &keeping.preload {
        if let Err(error) = models.load(id, true).await {
            tracing::warn!("{error}");
        }
    }
    Ok(())
}

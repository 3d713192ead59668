// SPDX-License-Identifier: MPL-2.0

//! What a worker is from its command line to its end, whatever voices it brings.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{
    config::{self, Config, KnownEngine, Level, Listen, Overrides, Wrong},
    logs,
    models::Models,
    server::{bind, serve},
    service::Service,
    sessions::Sessions,
};

/// The arguments of every worker.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// A configuration in YAML; configs/worker.yaml explains its keys.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:7001]; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
    /// The port to listen on, at the host of the configuration.
    #[arg(long, conflicts_with = "listen")]
    port: Option<u16>,
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

/// What tells one worker from another.
pub struct Program {
    /// Its command.
    pub name: &'static str,
    /// Its voices, the first being the default.
    pub engines: Vec<KnownEngine>,
    /// The model of sessions that name none, where the command line tells it.
    pub model: Option<String>,
}

/// Runs a worker to its end; what goes wrong is said on standard error. Starts threads, waits for signals and
/// has the process for itself: to be the last thing that a program does.
pub fn run(program: Program, arguments: Common) -> ExitCode {
    let Program {
        name,
        engines,
        model,
    } = program;
    let fail = |sentence: &str| {
        // Where nobody listens, the exit status tells.
        let _ = writeln!(std::io::stderr(), "{name}: {sentence}");
        ExitCode::FAILURE
    };
    let overrides = Overrides {
        listen: arguments.listen,
        port: arguments.port,
        model,
        preload: arguments.preload,
        level: arguments.log_level,
        adapter: arguments.adapter,
    };
    let read = config::read(arguments.config.as_deref(), &overrides, &engines, |name| {
        std::env::var(name).ok()
    });
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
    let ended = runtime.block_on(served(config));
    // A voice that still loads is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(sentence) => fail(&sentence),
    }
}

fn say(sentence: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{sentence}").and_then(|()| out.flush());
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

async fn served(config: Config) -> Result<ExitCode, String> {
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

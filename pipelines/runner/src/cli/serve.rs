// SPDX-License-Identifier: MPL-2.0

//! `duplex serve`

use std::path::PathBuf;

use duplex_runner::logging;
use duplex_runner::serve::config::{self, Config, Level, Tls, Wrong};
use duplex_runner::serve::designs::{self, Designs};
use duplex_runner::serve::server::{Server, bind};
use duplex_runner::serve::tls;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

/// Serve conversations to many callers, over WebSocket
///
/// SIGTERM and Ctrl-C let running turns end first; a second one does not.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  duplex serve
  duplex serve pipelines/speak.yaml voice=fr --listen 127.0.0.1:8080
  duplex serve --config configs/serve.yaml")]
pub struct Args {
    /// The description that callers get, and values of its parameters as name=value [default: the built-in one]
    #[arg(value_name = "DESCRIPTION|NAME=VALUE")]
    words: Vec<String>,
    /// A configuration in YAML; configs/serve.yaml explains its keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Make a certificate and print its fingerprint: `self-signed`
    #[arg(long, value_name = "HOW", value_parser = ["self-signed"])]
    tls: Option<String>,
}

pub fn main(args: &Args, log_format: logging::Format, verbose: u8) -> u8 {
    let (settings, mut files): (Vec<String>, Vec<String>) = args
        .words
        .iter()
        .cloned()
        .partition(|word| word.contains('=') && !PathBuf::from(word).exists());
    if files.len() > 1 {
        super::complain("one description is served; others are named in the configuration");
        return super::USAGE;
    }
    let mut told = match config::read(args.config.as_deref(), |name| std::env::var(name).ok()) {
        Ok(told) => told,
        Err(Wrong::File(report)) => {
            super::report(&report);
            return super::USAGE;
        }
        Err(Wrong::Elsewhere(sentences)) => {
            sentences
                .iter()
                .for_each(|sentence| super::complain(sentence));
            return super::USAGE;
        }
    };
    let session = super::values(&settings, true).and_then(|session| {
        if let Some(listen) = &args.listen {
            told.config.set_listen(listen)?;
        }
        Ok(session)
    });
    let session = match session {
        Ok(session) => session,
        Err(sentence) => {
            super::complain(&sentence);
            return super::USAGE;
        }
    };
    if args.tls.is_some() {
        told.config.tls = Some(Tls::SelfSigned);
    }
    logging::start_at(log_format, level(told.level, verbose), verbose);
    let named = files.pop().map(PathBuf::from);
    let path = named.or(told.description.take()).or_else(designs::default);
    let designs = match designs::all(path.as_deref(), session, &mut told) {
        Ok(designs) => designs,
        Err(report) => {
            super::report(&report);
            return super::USAGE;
        }
    };
    for notice in &told.notices {
        tracing::warn!("{notice}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run(told.config, designs));
            // A pipeline that does not come down is not waited for.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(format!("the system gives no threads: {error}")),
    };
    match ended {
        Ok(status) => status,
        Err(sentence) => {
            super::complain(&sentence);
            super::FAILED
        }
    }
}

/// What is logged: as much as the configuration says, or as each `-v` asks for beyond that.
fn level(told: Level, verbose: u8) -> LevelFilter {
    let told = match told {
        Level::Error => LevelFilter::ERROR,
        Level::Warning => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let asked = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    told.max(asked)
}

async fn run(mut config: Config, designs: Designs) -> Result<u8, String> {
    let failed = |error: std::io::Error| format!("signals cannot be waited for: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut next = async || {
        tokio::select! {
            _ = terminate.recv() => 128 + 15,
            _ = interrupt.recv() => 128 + 2,
        }
    };
    let listener = bind(&config.listen()).await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    if matches!(config.tls, Some(Tls::SelfSigned)) {
        let names = vec!["localhost".into(), address.ip().to_string()];
        let (made, fingerprint) = tls::self_signed(names)?;
        config.tls = Some(Tls::Files(made));
        super::print(&format!(
            "certificate fingerprint (SHA-256): {fingerprint}\n"
        ));
    }
    let health = match config.health_port {
        Some(port) => Some(bind(&format!("127.0.0.1:{port}")).await?),
        None => None,
    };
    let scheme = if config.tls.is_some() {
        "https"
    } else {
        "http"
    };
    if !address.ip().to_canonical().is_loopback() && config.token.is_none() {
        tracing::warn!(
            "anybody who reaches {address} can use this server: set a token, or listen on 127.0.0.1"
        );
    }
    let server = Server::new(config, designs)?;
    super::print(&format!("serving on {scheme}://{address}\n"));
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let serving = server.serve(listener, health, async {
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(0),
        _ = next() => {}
    }
    let _ = stop.send(());
    tokio::select! {
        () = serving => Ok(0),
        status = next() => {
            tracing::warn!("ended at once by a second signal");
            Ok(status)
        }
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later

//! The command `duplex-worker`.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use clap::Parser;
use duplex_espeak::EspeakEngine;
use duplex_proto::DEFAULT_PORT;
use duplex_synthesis::{Engine, tone::ToneEngine};
use duplex_worker::{
    models::{Keeping, MakeEngine, Models, Spec},
    server::{Serving, bind, serve},
    service::Service,
    sessions::{Limits, Sessions},
};

/// Serves voices over gRPC.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)))]
    listen: SocketAddr,
    /// The model of sessions that name none.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no threads: {error}")),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => fail(&sentence),
    }
}

#[allow(clippy::print_stderr)]
fn fail(sentence: &str) -> ExitCode {
    eprintln!("duplex-worker: {sentence}");
    ExitCode::FAILURE
}

fn specs() -> Vec<Spec> {
    let engine = |family: &str, engine: MakeEngine| Spec {
        id: family.to_owned(),
        family: family.to_owned(),
        voice: None,
        language: None,
        engine,
    };
    vec![
        engine(
            "tone",
            Arc::new(|| Ok(Arc::new(ToneEngine::new(48_000)) as Arc<dyn Engine>)),
        ),
        engine(
            "espeak",
            Arc::new(|| Ok(Arc::new(EspeakEngine::new()) as Arc<dyn Engine>)),
        ),
    ]
}

#[allow(clippy::print_stdout)]
async fn run(arguments: Arguments) -> Result<(), String> {
    let mut keeping = Keeping::default();
    if let Some(model) = arguments.model {
        keeping.default = model;
    }
    let models = Models::new(specs(), keeping);
    models
        .load("", true)
        .await
        .map_err(|error| error.to_string())?;
    let listener = bind(arguments.listen).await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let service = Service::new(models, Sessions::new(Limits::default()));
    println!("listening on {address}");
    let ending = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    serve(listener, service, Serving::default(), ending).await
}

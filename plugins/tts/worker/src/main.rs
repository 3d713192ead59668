// SPDX-License-Identifier: GPL-3.0-or-later

//! The command `duplex-worker`.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use duplex_espeak::EspeakEngine;
use duplex_synthesis::{Engine, tone::ToneEngine};
use duplex_worker::{
    command::{self, Program},
    config::KnownEngine,
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
    #[command(flatten)]
    common: command::Common,
    /// The model of sessions that name none [default: espeak].
    #[arg(long, value_name = "MODEL", visible_alias = "default-model")]
    model: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let program = Program {
        name: "duplex-worker",
        engines: engines(),
        model: arguments.model,
    };
    command::run(program, arguments.common)
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

// SPDX-License-Identifier: MPL-2.0

//! The command `duplex-worker-neural`.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use clap::{Parser, ValueEnum};
use duplex_neural::{COMPACT, Load, PITCHES, Settings, Tuned, device::Wish};
use duplex_synthesis::{Engine, Error};
use duplex_worker::{
    command::{self, Program},
    config::KnownEngine,
};

/// What configurations and clients call the model.
const NAME: &str = "neural";

/// Serves a neural voice to other processes and machines over gRPC, all their utterances in one batch.
///
/// What is given here goes before the environment (DEFAULT_MODEL_ID, DUPLEX_WORKER_API_KEY), and that
/// before the configuration, which calls the model `neural`. SIGTERM and Ctrl-C let running calls end
/// first; a second one does not. Whoever cannot be spoken for in time is refused with RESOURCE_EXHAUSTED.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    common: command::Common,
    /// The model: compact, which is built in and speaks English, the name of one that was fetched (duplex model list), or a
    /// folder with config.yaml, model.safetensors, tokenizer.json and voices/.
    #[arg(long, value_name = "NAME|FOLDER", default_value = COMPACT.name)]
    model: String,
    /// The model of sessions that name none: neural, or an alias of the configuration [default: neural].
    #[arg(long, value_name = "MODEL")]
    default_model: Option<String>,
    /// Where the model is computed.
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    device: Device,
    /// The number of the card, from 0 as CUDA counts those that are visible.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    device_id: u32,
    /// Most utterances that are spoken at once [default: what the device is good for, 16 on the CPU, 256 on a card; with compact 256 and 1024].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    max_batch: Option<u32>,
    /// Numbers of the large matrices.
    #[arg(long, value_enum, default_value_t = Quantization::Auto)]
    quantization: Quantization,
    /// How much chance is in the voice, 0.0 to 2.0 [default: the model's own].
    #[arg(long, value_name = "FACTOR", value_parser = temperature)]
    temperature: Option<f32>,
    /// Factor of the voice's fundamental frequency, 0.5 to 2.0; nothing with models that cannot change it.
    #[arg(long, value_name = "FACTOR", value_parser = pitch, default_value_t = 1.0)]
    pitch: f64,
    /// Words that are said otherwise: a file with a word and its phones on each line (gif jh ih1 f); for models that read
    /// phones, such as compact.
    #[arg(long, value_name = "FILE")]
    dictionary: Option<PathBuf>,
    /// The same seed gives the same sound for the same text [default: another one for each utterance].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Device {
    /// A card where one can be used, otherwise the CPU.
    Auto,
    /// An NVIDIA card.
    Cuda,
    /// The CPU.
    Cpu,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Quantization {
    /// What the device is best with: q8_0 or bf16.
    Auto,
    /// 32 bits, as they were trained.
    None,
    /// 8 bits on the CPU: a quarter of the memory, three times the speed.
    #[value(name = "q8_0")]
    Q8,
    /// 16 bits (bfloat16) on a card.
    Bf16,
}

fn temperature(text: &str) -> Result<f32, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (0.0..=2.0).contains(number));
    number.ok_or_else(|| format!("`{text}` is no number from 0.0 to 2.0"))
}

fn pitch(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| PITCHES.contains(number));
    number.ok_or_else(|| format!("`{text}` is no number from 0.5 to 2.0"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let load = Load {
        model: arguments.model,
        device: match arguments.device {
            Device::Auto => Wish::Auto,
            Device::Cuda => Wish::Cuda,
            Device::Cpu => Wish::Cpu,
        },
        ordinal: arguments.device_id,
        quantization: match arguments.quantization {
            Quantization::Auto => duplex_neural::Quantization::Auto,
            Quantization::None => duplex_neural::Quantization::None,
            Quantization::Q8 => duplex_neural::Quantization::Q8,
            Quantization::Bf16 => duplex_neural::Quantization::Bf16,
        },
        max_batch: arguments.max_batch.unwrap_or(0) as usize,
        dictionary: arguments.dictionary,
    };
    let settings = Settings {
        seed: arguments.seed,
        temperature: arguments.temperature,
        pitch: Some(arguments.pitch),
        look_ahead: None,
    };
    let program = Program {
        name: "duplex-worker-neural",
        engines: vec![KnownEngine {
            name: NAME,
            make: once(move || {
                let loaded = load.shared(&|news| {
                    tracing::info!("{:.0} %: {}", news.done * 100.0, news.what);
                })?;
                if let Some(why) = &loaded.fell_back {
                    tracing::warn!(
                        "{why}. The CPU speaks instead (--device cpu says so without this warning)"
                    );
                }
                if arguments.pitch != 1.0 && !loaded.engine.family().pitches() {
                    tracing::warn!(
                        "the model {} cannot change its pitch and speaks at its own: --pitch does nothing",
                        load.model
                    );
                }
                tracing::info!("{} is on {}", load.model, loaded.device);
                Ok(Arc::new(Tuned {
                    engine: loaded.engine,
                    settings,
                    listener: None,
                }))
            }),
        }],
        model: arguments.default_model,
    };
    command::run(program, arguments.common)
}

/// Makes an engine when it is first asked for, and keeps it: loading takes seconds, and each alias asks for it.
fn once<E: Engine + 'static>(
    make: impl Fn() -> Result<Arc<E>, Error> + Send + Sync + 'static,
) -> duplex_worker::models::MakeEngine {
    let made: Mutex<Option<Arc<E>>> = Mutex::new(None);
    Arc::new(move || {
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = match &*made {
            Some(engine) => engine.clone(),
            None => made.insert(make()?).clone(),
        };
        Ok(engine as Arc<dyn Engine>)
    })
}

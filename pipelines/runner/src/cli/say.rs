// SPDX-License-Identifier: MPL-2.0

//! `duplex say`

use std::path::PathBuf;

use duplex_runner::say;

/// Speak words, or what arrives on standard input
#[derive(clap::Args)]
#[command(after_help = "Examples:
  duplex say Good morning.
  duplex say --voice de --rate 1.2 Guten Morgen.
  fortune | duplex say
  duplex say -o hello.wav Hello.")]
pub struct Args {
    /// What to say; without it, standard input is spoken as it arrives
    words: Vec<String>,
    /// Voice of the synthesizer, such as en-us, fr, de
    #[arg(long)]
    voice: Option<String>,
    /// Language, where the synthesizer chooses a voice by it
    #[arg(long)]
    language: Option<String>,
    /// Speed: 1 is normal, 2 twice as fast
    #[arg(long)]
    rate: Option<f64>,
    /// Write a WAV file instead of speaking, as fast as it can be made
    #[arg(short, long, value_name = "FILE.wav")]
    output: Option<PathBuf>,
    /// The synthesizer, as in gst-launch-1.0
    #[arg(long, default_value = "espeaktts", value_name = "ELEMENT")]
    synthesizer: String,
}

pub fn main(args: &Args) -> u8 {
    let request = say::Request {
        text: (!args.words.is_empty()).then(|| args.words.join(" ")),
        voice: args.voice.clone(),
        language: args.language.clone(),
        rate: args.rate,
        output: args.output.clone(),
        synthesizer: args.synthesizer.clone(),
    };
    match say::say(&request) {
        Ok(()) => 0,
        Err(sentence) => {
            super::complain(&sentence);
            super::FAILED
        }
    }
}

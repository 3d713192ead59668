// SPDX-License-Identifier: MPL-2.0

//! Writes a model in whisper.cpp's format whose weights are random: it understands nothing, but loads, takes its time and
//! gives text, as tests need it. The same arguments give the same file.

#![allow(clippy::print_stderr)]

use std::{
    fs::File,
    io::{BufWriter, Result, Write},
    process::ExitCode,
};

const USAGE: &str = "random-model FILE [--seed N] [--state N] [--layers N] [--english]
  --state   width of the network, a multiple of 64 (default 64)
  --layers  layers that hear (default 1): with more it takes longer
  --english a model that knows English only";
/// Values of a head.
const HEAD: u32 = 64;
/// What all of Whisper's models have.
const AUDIO_CONTEXT: u32 = 1500;
const TEXT_CONTEXT: u32 = 448;
const MELS: u32 = 80;
const BINS: u32 = 201;

/// A small generator of Marsaglia's kind.
struct Random(u64);

impl Random {
    /// Between −1 and 1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Half precision, what is too small for it is zero.
fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xff) as i32 - 112;
    match exponent {
        1..=30 => sign | (exponent as u16) << 10 | (bits >> 13) as u16 & 0x3ff,
        _ => sign,
    }
}

struct Model {
    file: BufWriter<File>,
    random: Random,
}

impl Model {
    fn numbers(&mut self, numbers: &[u32]) -> Result<()> {
        for number in numbers {
            self.file.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    fn head(&mut self, name: &str, sizes: &[u32], kind: u32) -> Result<()> {
        self.numbers(&[sizes.len() as u32, name.len() as u32, kind])?;
        self.numbers(sizes)?;
        self.file.write_all(name.as_bytes())
    }

    /// A tensor in single precision, its values by their places.
    fn single(
        &mut self,
        name: &str,
        sizes: &[u32],
        value: impl Fn(&mut Random) -> f32,
    ) -> Result<()> {
        self.head(name, sizes, 0)?;
        for _ in 0..sizes.iter().product() {
            let value = value(&mut self.random);
            self.file.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    }

    /// A matrix in half precision that keeps what it multiplies at its size; `lean` is added to a row's values.
    fn matrix(&mut self, name: &str, sizes: &[u32], lean: impl Fn(u32) -> f32) -> Result<()> {
        self.head(name, sizes, 1)?;
        let (rows, inputs) = match sizes {
            [a, b, c] => (*c, a * b),
            [a, b] => (*b, *a),
            _ => unreachable!("matrices have two or three dimensions"),
        };
        let scale = (3.0 / inputs as f32).sqrt();
        for row in 0..rows {
            let lean = lean(row);
            for _ in 0..inputs {
                let value = half(self.random.next() * scale + lean);
                self.file.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    }

    fn norm(&mut self, name: &str, state: u32, bias: f32) -> Result<()> {
        self.single(&format!("{name}.weight"), &[state], |_| 1.0)?;
        self.single(&format!("{name}.bias"), &[state], |_| bias)
    }

    fn linear(&mut self, name: &str, from: u32, to: u32, bias: bool) -> Result<()> {
        self.matrix(&format!("{name}.weight"), &[from, to], |_| 0.0)?;
        if bias {
            self.single(&format!("{name}.bias"), &[to], |random| random.next() * 0.1)?;
        }
        Ok(())
    }

    fn attention(&mut self, name: &str, state: u32) -> Result<()> {
        self.norm(&format!("{name}_ln"), state, 0.0)?;
        for part in ["query", "key", "value", "out"] {
            self.linear(&format!("{name}.{part}"), state, state, part != "key")?;
        }
        Ok(())
    }

    fn layer(&mut self, name: &str, state: u32, crossed: bool) -> Result<()> {
        self.attention(&format!("{name}.attn"), state)?;
        if crossed {
            self.attention(&format!("{name}.cross_attn"), state)?;
        }
        self.norm(&format!("{name}.mlp_ln"), state, 0.0)?;
        self.linear(&format!("{name}.mlp.0"), state, 4 * state, true)?;
        self.linear(&format!("{name}.mlp.2"), 4 * state, state, true)
    }
}

/// Words of syllables, some of two tokens.
fn token(n: u32) -> String {
    match n {
        0 => " ".to_owned(),
        1 => " -".to_owned(),
        2 => " '".to_owned(),
        _ => {
            let mut text = if n.is_multiple_of(4) { "" } else { " " }.to_owned();
            let mut rest = n;
            while rest > 0 {
                let letters =
                    |set: &'static str, n: u32| set.as_bytes()[n as usize % set.len()] as char;
                text.push(letters("bdfgklmnprstvwz", rest));
                text.push(letters("aeiou", rest / 15));
                rest /= 75;
            }
            text
        }
    }
}

fn write(path: &str, seed: u64, state: u32, layers: u32, english: bool) -> Result<()> {
    let (vocabulary, tokens) = if english {
        (51_864, 50_256)
    } else {
        (51_865, 50_257)
    };
    let mut model = Model {
        file: BufWriter::with_capacity(1 << 20, File::create(path)?),
        // The generator stands still at zero.
        random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
    };
    let heads = state / HEAD;
    model.file.write_all(&0x6767_6d6c_u32.to_le_bytes())?;
    model.numbers(&[
        vocabulary,
        AUDIO_CONTEXT,
        state,
        heads,
        layers,
        TEXT_CONTEXT,
        state,
        heads,
        1,
        MELS,
        1,
    ])?;
    model.numbers(&[MELS, BINS])?;
    for mel in 0..MELS {
        for bin in 0..BINS {
            let weight: f32 = if bin * MELS / BINS == mel { 1.0 } else { 0.0 };
            model.file.write_all(&weight.to_le_bytes())?;
        }
    }
    model.numbers(&[tokens])?;
    for n in 0..tokens {
        let token = token(n);
        model.numbers(&[token.len() as u32])?;
        model.file.write_all(token.as_bytes())?;
    }

    let position = |random: &mut Random| random.next() * 0.5;
    model.single(
        "encoder.positional_embedding",
        &[state, AUDIO_CONTEXT],
        position,
    )?;
    model.matrix("encoder.conv1.weight", &[3, MELS, state], |_| 0.0)?;
    model.single("encoder.conv1.bias", &[1, state], |_| 0.0)?;
    model.matrix("encoder.conv2.weight", &[3, state, state], |_| 0.0)?;
    model.single("encoder.conv2.bias", &[1, state], |_| 0.0)?;
    model.norm("encoder.ln_post", state, 0.0)?;
    for n in 0..layers {
        model.layer(&format!("encoder.blocks.{n}"), state, false)?;
    }
    model.single(
        "decoder.positional_embedding",
        &[state, TEXT_CONTEXT],
        position,
    )?;
    // Words rather than marks of time, of which there are many: the last bias and this lean in the same direction.
    let lean = |row| if row < tokens { 4.0 } else { -4.0 } / state as f32;
    model.matrix("decoder.token_embedding.weight", &[state, vocabulary], lean)?;
    model.norm("decoder.ln", state, 1.0)?;
    model.layer("decoder.blocks.0", state, true)?;
    model.file.flush()
}

fn main() -> ExitCode {
    let (mut seed, mut state, mut layers, mut english) = (1u64, HEAD, 1u32, false);
    let mut path = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse::<u32>().ok());
        let understood = match argument.as_str() {
            "--seed" => number().map(|n| seed = n.into()),
            "--state" => number()
                .filter(|n| *n > 0 && n % HEAD == 0)
                .map(|n| state = n),
            "--layers" => number().filter(|n| *n > 0).map(|n| layers = n),
            "--english" => {
                english = true;
                Some(())
            }
            file if path.is_none() && !file.starts_with('-') => {
                path = Some(file.to_owned());
                Some(())
            }
            _ => None,
        };
        if understood.is_none() {
            path = None;
            break;
        }
    }
    let Some(path) = path else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match write(&path, seed, state, layers, english) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path} cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

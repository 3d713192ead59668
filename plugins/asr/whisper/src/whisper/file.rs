// SPDX-License-Identifier: MPL-2.0

//! A model's file, looked through before whisper.cpp reads it.
//!
//! The library takes what is cut off, or is something else, for numbers: it asks for any amount of memory, and ends the
//! process where it does not get it. So everything it goes by is checked here, without reading the weights.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read, Seek},
    path::Path,
};

use duplex_recognition::Error;

/// Where models come from.
const REMEDY: &str =
    "take one such as ggml-base.bin of https://huggingface.co/ggerganov/whisper.cpp";
/// "ggml", read as a number.
const MAGIC: u32 = 0x6767_6d6c;
/// Mel filters cover the spectrum of 400 samples.
const BINS: u32 = 201;
/// Sizes of the vocabulary: English, the other languages, and one more of those.
const VOCABULARIES: std::ops::RangeInclusive<u32> = 51_864..=51_866;
/// Tensors outside of layers, in a layer that hears and in one that writes.
const TENSORS: [u32; 3] = [11, 15, 24];
/// Tokens that the library takes for granted.
const TOKENS: [&[u8]; 3] = [b" ", b" -", b" '"];

/// What is wrong with a file.
enum Fault {
    /// It ends too soon.
    CutOff,
    /// It is none, because of this.
    NotAModel(String),
    /// It cannot be read.
    Io(std::io::Error),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Io(error),
        }
    }
}

/// Whether the file is a whole model.
///
/// # Errors
/// One sentence with what to do.
pub fn check(path: &Path) -> Result<(), Error> {
    let read = || -> Result<(), Fault> {
        let file = File::open(path)?;
        let data = file.metadata()?;
        if !data.is_file() {
            return Err(Fault::NotAModel("it is no file".to_owned()));
        }
        Reader {
            size: data.len(),
            file: BufReader::with_capacity(1 << 16, file),
        }
        .whole()
    };
    let path = path.display();
    read().map_err(|fault| {
        Error::Resource(match fault {
            Fault::Io(error) => {
                format!("the model {path} cannot be read ({error}): check the path, or {REMEDY}")
            }
            Fault::CutOff => {
                format!("the model {path} is cut off: copy or download it once more")
            }
            Fault::NotAModel(why) => {
                format!("{path} is no model in whisper.cpp's format ({why}): {REMEDY}")
            }
        })
    })
}

struct Reader {
    file: BufReader<File>,
    size: u64,
}

fn sane(condition: bool, why: impl Fn() -> String) -> Result<(), Fault> {
    if condition {
        Ok(())
    } else {
        Err(Fault::NotAModel(why()))
    }
}

impl Reader {
    fn number(&mut self) -> Result<u32, Fault> {
        let mut bytes = [0; 4];
        self.file.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        let at = self.file.stream_position()?;
        match at.checked_add(bytes) {
            Some(end) if end <= self.size => {
                // Relative, so that what is buffered stays.
                self.file
                    .seek_relative(i64::try_from(bytes).unwrap_or(i64::MAX))?;
                Ok(())
            }
            _ => Err(Fault::CutOff),
        }
    }

    fn whole(&mut self) -> Result<(), Fault> {
        if self.size < 4 {
            return Err(Fault::NotAModel(format!("it has {} bytes", self.size)));
        }
        let magic = self.number()?;
        sane(magic == MAGIC, || match &magic.to_le_bytes() {
            b"GGUF" => "it is a GGUF file, which whisper.cpp does not read".to_owned(),
            [b'P', b'K', ..] => {
                "it is a checkpoint of PyTorch, which has to be converted".to_owned()
            }
            _ => "it does not begin like one".to_owned(),
        })?;
        let mut header = [0; 11];
        for value in &mut header {
            *value = self.number()?;
        }
        let [
            vocabulary,
            audio_context,
            state,
            audio_heads,
            audio_layers,
            text_context,
            text_state,
            text_heads,
            text_layers,
            mels,
            _,
        ] = header;
        let dimensions = VOCABULARIES.contains(&vocabulary)
            && (1..=4096).contains(&audio_context)
            && (1..=4096).contains(&text_context)
            && (1..=8192).contains(&state)
            && state == text_state
            && [audio_heads, text_heads]
                .iter()
                .all(|heads| (1..=state).contains(heads) && state.is_multiple_of(*heads))
            && (1..=128).contains(&audio_layers)
            && (1..=128).contains(&text_layers)
            && (1..=512).contains(&mels);
        sane(dimensions, || format!("its dimensions are {header:?}"))?;

        let (filters, bins) = (self.number()?, self.number()?);
        sane(filters == mels && bins == BINS, || {
            format!("it has {filters} mel filters of {bins} values, not {mels} of {BINS}")
        })?;
        self.skip(u64::from(filters) * u64::from(bins) * 4)?;
        self.tokens(vocabulary)?;

        let expected = TENSORS[0] + TENSORS[1] * audio_layers + TENSORS[2] * text_layers;
        for n in 0..expected {
            if n > 0 && self.file.stream_position()? == self.size {
                return Err(Fault::CutOff);
            }
            let (name, dimensions) = self.tensor()?;
            let wanted = match name.as_str() {
                "encoder.positional_embedding" => [state, audio_context],
                "decoder.positional_embedding" => [state, text_context],
                "decoder.token_embedding.weight" => [state, vocabulary],
                _ => continue,
            };
            sane(dimensions == wanted, || {
                format!("its tensor {name} is of {dimensions:?}, not of {wanted:?}")
            })?;
        }
        let rest = self.size - self.file.stream_position()?;
        sane(rest == 0, || format!("{rest} bytes follow its last tensor"))
    }

    fn tokens(&mut self, most: u32) -> Result<(), Fault> {
        let tokens = self.number()?;
        sane((1..=most).contains(&tokens), || {
            format!("it has {tokens} tokens, not {most}")
        })?;
        let mut missing = TOKENS.to_vec();
        let mut token = Vec::new();
        for _ in 0..tokens {
            let length = self.number()?;
            sane(length <= 4096, || format!("a token of {length} bytes"))?;
            token.resize(length as usize, 0);
            self.file.read_exact(&mut token)?;
            missing.retain(|wanted| *wanted != token.as_slice());
        }
        sane(missing.is_empty(), || {
            "its tokens are not Whisper's".to_owned()
        })
    }

    /// The next tensor's name and dimensions, its weights skipped.
    fn tensor(&mut self) -> Result<(String, Vec<u32>), Fault> {
        let (dimensions, length, kind) = (self.number()?, self.number()?, self.number()?);
        sane((1..=4).contains(&dimensions) && length <= 256, || {
            format!("a tensor of {dimensions} dimensions with a name of {length} bytes")
        })?;
        let mut sizes = Vec::new();
        for _ in 0..dimensions {
            sizes.push(self.number()?);
        }
        let mut name = vec![0; length as usize];
        self.file.read_exact(&mut name)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        let (block, bytes) = block(kind)
            .ok_or_else(|| Fault::NotAModel(format!("its tensor {name} is of the kind {kind}")))?;
        let elements = (sizes.iter())
            .try_fold(1u64, |product, size| product.checked_mul(u64::from(*size)))
            .filter(|elements| {
                *elements > 0 && *elements < 1 << 31 && elements.is_multiple_of(block)
            })
            .ok_or_else(|| Fault::NotAModel(format!("its tensor {name} is of {sizes:?}")))?;
        self.skip(elements / block * bytes)?;
        Ok((name, sizes))
    }
}

/// Elements and bytes of a block of ggml's kinds of numbers, those that models are stored in.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 => (1, 4),
        1 | 30 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        _ => return None,
    })
}

// SPDX-License-Identifier: MPL-2.0

//! A file of weights (safetensors), read tensor by tensor.
//!
//! It is read, not mapped: the pages of a mapped file would count as the process's memory all at once, and a file that is
//! cut while it is read would kill the process.

use std::{
    borrow::Cow,
    cell::Cell,
    fmt,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use half::slice::HalfFloatSliceExt;
use safetensors::{Dtype, tensor::Metadata};

use crate::memory::Size;

/// Of a header, which names each tensor: none that is published comes near.
const MOST_HEADER: u64 = 64 << 20;

/// What can be wrong with a model's files.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{path} is no file of weights (safetensors): {why}")]
    NotWeights {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It ends too early.
    #[error("{path} is cut off: it has {found} bytes of {needed}; fetch it again")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// The bytes that its header tells of.
        needed: u64,
    },
    /// A tensor is missing.
    #[error(
        "{path} has no tensor `{name}` of shape {needed:?}{near}; it belongs to another configuration"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shape that it should have.
        needed: Vec<usize>,
        /// The nearest name that is there.
        near: String,
    },
    /// A tensor has another shape.
    #[error("{path}: tensor `{name}` has shape {found:?}, and the configuration needs {needed:?}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that it should have.
        needed: Vec<usize>,
    },
    /// A tensor holds other numbers.
    #[error("{path}: tensor `{name}` holds {found} numbers; {readable} can be read")]
    Numbers {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        readable: &'static str,
    },
    /// The system does not give the memory.
    #[error("{what} takes {needed} of memory, and the system gives no more; {remedy}")]
    Memory {
        /// What takes it.
        what: String,
        /// How much.
        needed: Size,
        /// What to do.
        remedy: &'static str,
    },
    /// Something else, in a sentence.
    #[error("{0}")]
    Other(String),
}

/// A file of weights, and who hears how far it has been read.
pub struct Weights<'w> {
    path: PathBuf,
    source: Source<'w>,
    metadata: Metadata,
    /// Where the first tensor begins.
    start: u64,
    /// Bytes of tensors that were read.
    read: Cell<usize>,
    watch: &'w dyn Fn(f64),
}

/// Where the bytes come from.
enum Source<'w> {
    File(File),
    Memory(&'w [u8]),
}

impl<'w> Source<'w> {
    fn len(&self) -> io::Result<u64> {
        match self {
            Source::File(file) => Ok(file.metadata()?.len()),
            Source::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    fn read(&self, from: u64, count: usize) -> io::Result<Cow<'w, [u8]>> {
        match self {
            Source::File(file) => {
                let mut bytes = vec![0; count];
                file.read_exact_at(&mut bytes, from)?;
                Ok(bytes.into())
            }
            Source::Memory(bytes) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let found = bytes.get(from..from.saturating_add(count));
                found
                    .map(Cow::Borrowed)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
        }
    }
}

impl fmt::Debug for Weights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weights")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Weights<'static> {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        Weights::watched(path, &|_| ())
    }
}

impl<'w> Weights<'w> {
    /// The same; `watch` hears which share of the file is read, 0.0 to 1.0, ahead of each tensor.
    pub fn watched(path: &Path, watch: &'w dyn Fn(f64)) -> Result<Self, LoadError> {
        let file = File::open(path).map_err(|error| LoadError::Read {
            path: path.to_owned(),
            error,
        })?;
        Weights::of(path, Source::File(file), watch)
    }

    /// What a file holds that was read already; messages call it `path`.
    pub fn of_bytes(path: &Path, bytes: &'w [u8]) -> Result<Self, LoadError> {
        Weights::of(path, Source::Memory(bytes), &|_| ())
    }

    fn of(path: &Path, source: Source<'w>, watch: &'w dyn Fn(f64)) -> Result<Self, LoadError> {
        let at = |error| LoadError::Read {
            path: path.to_owned(),
            error,
        };
        let not = |why: String| LoadError::NotWeights {
            path: path.to_owned(),
            why,
        };
        let found = source.len().map_err(at)?;
        if found < 8 {
            return Err(not("it is too short for a header".into()));
        }
        let length = source.read(0, 8).map_err(at)?;
        let length = length
            .first_chunk()
            .map_or(0, |length| u64::from_le_bytes(*length));
        if length > MOST_HEADER {
            return Err(not(format!("its header would have {length} bytes")));
        }
        if 8 + length > found {
            return Err(LoadError::Truncated {
                path: path.to_owned(),
                found,
                needed: 8 + length,
            });
        }
        let header = source.read(8, length as usize).map_err(at)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| not(error.to_string()))?;
        let needed = 8 + length + metadata.data_len() as u64;
        if found < needed {
            return Err(LoadError::Truncated {
                path: path.to_owned(),
                found,
                needed,
            });
        }
        Ok(Weights {
            path: path.to_owned(),
            source,
            metadata,
            start: 8 + length,
            read: Cell::new(0),
            watch,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// The names of all tensors.
    pub fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    fn tell(&self, more: usize) {
        let before = self.read.replace(self.read.get() + more);
        (self.watch)((before as f64 / self.metadata.data_len().max(1) as f64).min(1.0));
    }

    /// The numbers of a tensor of this name and shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let (dtype, bytes) = self.bytes(name, shape)?;
        let pairs = || bytes.as_chunks::<2>().0.iter();
        match dtype {
            Dtype::F32 => Ok(bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect()),
            // Converted as a whole: by the processor, where it can.
            Dtype::F16 => Ok(pairs()
                .map(|bytes| half::f16::from_le_bytes(*bytes))
                .collect::<Vec<_>>()
                .to_f32_vec()),
            Dtype::BF16 => Ok(pairs()
                .map(|bytes| half::bf16::from_le_bytes(*bytes).to_f32())
                .collect()),
            // A voice's position.
            Dtype::I64 => Ok(bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|bytes| i64::from_le_bytes(*bytes) as f32)
                .collect()),
            other => Err(self.numbers(name, other, "F32, F16 and BF16")),
        }
    }

    /// The bits of a tensor of whole numbers of 32 bits, of this name and shape.
    pub fn bits(&self, name: &str, shape: &[usize]) -> Result<Vec<u32>, LoadError> {
        match self.bytes(name, shape)? {
            (Dtype::I32 | Dtype::U32, bytes) => Ok(bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| u32::from_le_bytes(*bytes))
                .collect()),
            (other, _) => Err(self.numbers(name, other, "I32 and U32")),
        }
    }

    fn numbers(&self, name: &str, found: Dtype, readable: &'static str) -> LoadError {
        LoadError::Numbers {
            path: self.path.clone(),
            name: name.into(),
            found: format!("{found:?}"),
            readable,
        }
    }

    fn bytes(&self, name: &str, shape: &[usize]) -> Result<(Dtype, Cow<'w, [u8]>), LoadError> {
        let info = self.metadata.info(name).ok_or_else(|| {
            let names = self.names();
            LoadError::Missing {
                path: self.path.clone(),
                name: name.into(),
                needed: shape.to_vec(),
                near: duplex_yaml::nearest(name, names.iter().map(String::as_str)),
            }
        })?;
        if info.shape != shape {
            return Err(LoadError::Shape {
                path: self.path.clone(),
                name: name.into(),
                found: info.shape.clone(),
                needed: shape.to_vec(),
            });
        }
        let (from, to) = info.data_offsets;
        self.tell(to - from);
        let bytes = self
            .source
            .read(self.start + from as u64, to - from)
            .map_err(|error| LoadError::Read {
                path: self.path.clone(),
                error,
            })?;
        Ok((info.dtype, bytes))
    }
}

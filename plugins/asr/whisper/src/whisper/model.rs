// SPDX-License-Identifier: MPL-2.0

//! Models, shared by all elements of the process that name the same file.
//!
//! Lock: `SHELF`, held while a model loads, so that the second who wants it waits instead of loading it again.

use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use duplex_recognition::Error;
use whisper_rs::{WhisperContext, WhisperContextParameters};

use super::{file, log};

/// Whether this was built for cards.
const CARDS: bool = cfg!(any(feature = "cuda", feature = "vulkan"));

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Processor,
    /// The card of that number, or the processor where there is none.
    Card(i32),
}

impl Device {
    /// `auto`, `cpu`, `cuda`, `cuda:1`.
    ///
    /// # Errors
    /// It is none of these, or this was not built for it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim().to_ascii_lowercase();
        let card = |number: &str| {
            let number = number
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or_else(|| {
                    Error::Settings(format!(
                        "there is no device `{text}`: set device= to auto, cpu, cuda or cuda:1"
                    ))
                })?;
            if CARDS {
                Ok(Self::Card(number))
            } else {
                Err(Error::Settings(format!(
                    "whisperasr was built without device `{text}`: set device=cpu, or build it with make build WHISPER=cuda"
                )))
            }
        };
        match text.as_str() {
            "" | "auto" if CARDS => Ok(Self::Card(0)),
            "" | "auto" | "cpu" => Ok(Self::Processor),
            "cuda" | "vulkan" | "gpu" => card("0"),
            other => match other.split_once(':') {
                Some(("cuda" | "vulkan" | "gpu", number)) => card(number),
                _ => card(""),
            },
        }
    }
}

/// Which file, and which content of it: device, inode, bytes, seconds and nanoseconds of its last change.
type Key = (u64, u64, u64, i64, i64);

#[derive(Default)]
struct Shelf {
    /// Those that somebody uses, or did a moment ago.
    models: Vec<((Key, Device), Weak<WhisperContext>)>,
    loaded: u64,
    load_time: Duration,
}

/// Figures of the whole process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Models in memory.
    pub models: usize,
    /// Models that were loaded since the start.
    pub loaded: u64,
    /// How long the last of them took to load.
    pub load_time: Duration,
}

fn shelf() -> MutexGuard<'static, Shelf> {
    static SHELF: LazyLock<Mutex<Shelf>> = LazyLock::new(Mutex::default);
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Figures of the whole process. Waits while a model loads.
pub fn usage() -> Usage {
    let shelf = shelf();
    Usage {
        models: (shelf.models.iter())
            .filter(|(_, model)| model.strong_count() > 0)
            .count(),
        loaded: shelf.loaded,
        load_time: shelf.load_time,
    }
}

/// The model of that file. Blocks while it loads, which takes seconds where it is large.
///
/// # Errors
/// It is missing, cut off, or no model; the sentence says what to do.
pub fn load(path: &Path, device: Device) -> Result<Arc<WhisperContext>, Error> {
    log::redirect();
    let key = std::fs::metadata(path).map(|data| {
        let content = (
            data.dev(),
            data.ino(),
            data.size(),
            data.mtime(),
            data.mtime_nsec(),
        );
        (content, device)
    });
    let mut shelf = shelf();
    shelf.models.retain(|(_, model)| model.strong_count() > 0);
    if let Ok(key) = &key
        && let Some(model) = (shelf.models.iter())
            .find(|(of, _)| of == key)
            .and_then(|(_, model)| model.upgrade())
    {
        return Ok(model);
    }
    let began = Instant::now();
    file::check(path)?;
    let mut parameters = WhisperContextParameters::default();
    if let Device::Card(number) = device {
        parameters.use_gpu(true).gpu_device(number);
    } else {
        parameters.use_gpu(false);
    }
    let model = WhisperContext::new_with_params(path, parameters)
        .map_err(|_| {
            Error::Resource(format!(
                "whisper.cpp does not take the model {}: GST_DEBUG=whisper.cpp:4 shows why; another model may do",
                path.display()
            ))
        })?;
    let model = Arc::new(model);
    if let Ok(key) = key {
        shelf.models.push((key, Arc::downgrade(&model)));
    }
    shelf.loaded += 1;
    shelf.load_time = began.elapsed();
    Ok(model)
}

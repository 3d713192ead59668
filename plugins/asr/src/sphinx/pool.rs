// SPDX-License-Identifier: MPL-2.0

//! Decoders, shared by all elements of the process that want the same.
//!
//! Lock: `pool`, never held while a decoder loads or works.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{Seek as _, Write as _},
    os::fd::{AsRawFd, FromRawFd},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use duplex_recognition::{
    Cancel, Engine, Error, Hypothesis, Phrase, RATE, Turn, backchannel::Backchannels,
    grammar::Grammar,
};

use super::{
    confidence::confidence,
    decoder::{Decoder, Means, Search},
    dictionary,
};

/// Decoders that wait for somebody to speak, of all configurations together.
const MAX_IDLE: usize = 16;
/// Decoders that listen at a time.
const MAX_BUSY: usize = 64;
/// Samples that are handed over at a time; a cancel is noticed in between.
const PIECE: usize = RATE as usize / 10;

/// Words of a phrase that does not end which count as a turn; less may be a noise.
const HALF: usize = 2;

/// What a decoder is made for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Configuration {
    /// Folder of the acoustic model.
    pub model: PathBuf,
    /// The pronunciations.
    pub dictionary: PathBuf,
    /// The language model, for free speech.
    pub language_model: PathBuf,
    /// The grammar's text, in place of the language model.
    pub grammar: Option<String>,
    /// What listeners say, which may be said instead of a phrase of the grammar.
    pub backchannels: Vec<Vec<String>>,
    /// The language that all this is of.
    pub language: String,
}

/// What hears a turn.
struct Decoders {
    words: Decoder,
    /// Beside a grammar: hears the same, and takes it for phones in any order.
    phones: Option<Decoder>,
}

impl Decoders {
    fn start(&mut self, means: Option<&Means>) -> Result<(), Error> {
        self.words.start(means)?;
        (self.phones.as_mut()).map_or(Ok(()), |phones| phones.start(means))
    }

    fn feed(&mut self, samples: &[i16]) -> Result<(), Error> {
        self.words.feed(samples)?;
        (self.phones.as_mut()).map_or(Ok(()), |phones| phones.feed(samples))
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.words.finish()?;
        (self.phones.as_mut()).map_or(Ok(()), Decoder::finish)
    }

    fn abandon(&mut self) {
        self.words.abandon();
        if let Some(phones) = &mut self.phones {
            phones.abandon();
        }
    }

    /// How sure the words are, where that is known.
    fn confidence(&mut self) -> Option<f64> {
        match &mut self.phones {
            Some(phones) => confidence(self.words.fit()?, phones.fit()?),
            None => self.words.confidence(),
        }
    }
}

#[derive(Default)]
struct Pool {
    /// Those that are used again first come last.
    idle: Vec<(Configuration, Decoders)>,
    busy: usize,
    loaded: u64,
    /// The time that loading took the last time.
    load_time: Duration,
}

/// Figures of the whole process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Decoders that wait.
    pub idle: usize,
    /// Decoders that listen.
    pub busy: usize,
    /// Decoders that were loaded since the start.
    pub loaded: u64,
    /// How long the last of them took to load.
    pub load_time: Duration,
}

fn pool() -> MutexGuard<'static, Pool> {
    static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Figures of the whole process.
pub fn usage() -> Usage {
    let pool = pool();
    Usage {
        idle: pool.idle.len(),
        busy: pool.busy,
        loaded: pool.loaded,
        load_time: pool.load_time,
    }
}

/// A file in memory, which the library opens by its path.
struct MemoryFile(File);

impl MemoryFile {
    fn new(text: &str) -> std::io::Result<Self> {
        // SAFETY: a terminated name and a flag; what is given back is a descriptor of ours, or an error.
        let fd = unsafe { libc::memfd_create(c"dictionary".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made, and nobody else has it.
        let mut file = unsafe { File::from_raw_fd(fd) };
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(Self(file))
    }

    fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}

/// A path as the library takes it.
fn utf8(path: &Path) -> Result<&str, Error> {
    path.to_str()
        .ok_or_else(|| Error::Settings(format!("the path {} is not UTF-8", path.display())))
}

fn readable(path: &Path, what: &str) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Resource(format!(
            "{what} {} cannot be read ({error}); on Debian: apt install pocketsphinx-en-us",
            path.display()
        ))),
    }
}

fn load(configuration: &Configuration, grammar: Option<&Grammar>) -> Result<Decoders, Error> {
    let began = Instant::now();
    readable(&configuration.model.join("mdef"), "the acoustic model")?;
    let mut arguments = vec![
        ("-hmm", utf8(&configuration.model)?),
        // Whether somebody speaks is not for it to decide, and frames that it drops would shift the words' times.
        ("-remove_silence", "no"),
        // A microphone that is muted, or behind a noise gate, gives zeros, which sound like anything but silence to a
        // model of real rooms. The same noise each time.
        ("-dither", "yes"),
        ("-seed", "1"),
        // No second pass over the whole turn after its end: the answer waits for it.
        ("-fwdflat", "no"),
        ("-bestpath", "no"),
    ];
    let decoders = match grammar {
        Some(grammar) => {
            let wanted: BTreeSet<String> = configuration
                .backchannels
                .iter()
                .flatten()
                .cloned()
                .collect();
            let (text, found) =
                dictionary::extract(&configuration.dictionary, &grammar.words(), &wanted)?;
            let file = MemoryFile::new(&text).map_err(|error| {
                Error::Failed(format!("no memory for the grammar's dictionary: {error}"))
            })?;
            let path = file.path();
            arguments.push(("-dict", &path));
            let also = (configuration.backchannels.iter())
                .filter(|phrase| phrase.iter().all(|word| found.contains(word)))
                .filter(|phrase| !grammar.has(&phrase.join(" ")))
                .map(Vec::as_slice);
            let jsgf = grammar.to_jsgf(also);
            let words = Decoder::load(&arguments, Search::Grammar(&jsgf))?;
            // Phones whatever their neighbours: a third of the work, and as good a measure.
            arguments.push(("-allphone_ci", "yes"));
            Decoders {
                words,
                phones: Some(Decoder::load(&arguments, Search::Phones)?),
            }
        }
        None => {
            readable(&configuration.dictionary, "the dictionary")?;
            readable(&configuration.language_model, "the language model")?;
            arguments.push(("-dict", utf8(&configuration.dictionary)?));
            arguments.push(("-lm", utf8(&configuration.language_model)?));
            Decoders {
                words: Decoder::load(&arguments, Search::Model)?,
                phones: None,
            }
        }
    };
    let mut pool = pool();
    pool.loaded += 1;
    pool.load_time = began.elapsed();
    Ok(decoders)
}

/// Decoders that go back into the pool.
struct Lease {
    configuration: Arc<Configuration>,
    decoders: Option<Decoders>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(decoders) = &mut self.decoders {
            decoders.abandon();
        }
        let oldest;
        {
            let mut pool = pool();
            pool.busy -= 1;
            if let Some(decoders) = self.decoders.take() {
                pool.idle.push(((*self.configuration).clone(), decoders));
            }
            oldest = (pool.idle.len() > MAX_IDLE).then(|| pool.idle.remove(0));
        }
        drop(oldest);
    }
}

/// The engine of one element: what is wanted, and what is known about its caller.
pub struct SphinxEngine {
    configuration: Arc<Configuration>,
    grammar: Option<Arc<Grammar>>,
    means: Arc<Mutex<Option<Means>>>,
}

impl SphinxEngine {
    /// An engine of that configuration. Loads nothing.
    ///
    /// # Errors
    /// The grammar is none; the sentence says where.
    pub fn new(configuration: Configuration) -> Result<Self, Error> {
        let grammar = match &configuration.grammar {
            Some(text) => Some(Arc::new(Grammar::parse(text).map_err(|fault| {
                Error::Settings(format!("the grammar cannot be read at {fault}"))
            })?)),
            None => None,
        };
        Ok(Self {
            configuration: Arc::new(configuration),
            grammar,
            means: Arc::default(),
        })
    }

    fn lease(&self) -> Result<Lease, Error> {
        let found = {
            let mut pool = pool();
            if pool.busy >= MAX_BUSY {
                return Err(Error::Busy(format!(
                    "{MAX_BUSY} callers of this process are being recognised already"
                )));
            }
            pool.busy += 1;
            let at = pool
                .idle
                .iter()
                .rposition(|(of, _)| *of == *self.configuration);
            at.map(|at| pool.idle.remove(at).1)
        };
        let mut lease = Lease {
            configuration: self.configuration.clone(),
            decoders: found,
        };
        if lease.decoders.is_none() {
            lease.decoders = Some(load(&self.configuration, self.grammar.as_deref())?);
        }
        Ok(lease)
    }
}

impl Engine for SphinxEngine {
    fn prepare(&self) -> Result<(), Error> {
        let known = pool().idle.iter().any(|(of, _)| *of == *self.configuration);
        if !known {
            drop(self.lease()?);
        }
        Ok(())
    }

    fn start(&self, cancel: &Cancel) -> Result<Box<dyn Turn>, Error> {
        let mut lease = self.lease()?;
        let means = *self.means.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoders) = &mut lease.decoders {
            decoders.start(means.as_ref())?;
        }
        Ok(Box::new(SphinxTurn {
            lease,
            grammar: self.grammar.clone(),
            backchannels: Backchannels::new(
                self.configuration
                    .backchannels
                    .iter()
                    .map(|phrase| phrase.join(" ")),
            ),
            means: self.means.clone(),
            cancel: cancel.clone(),
            samples: Vec::new(),
        }))
    }
}

struct SphinxTurn {
    lease: Lease,
    grammar: Option<Arc<Grammar>>,
    backchannels: Backchannels,
    means: Arc<Mutex<Option<Means>>>,
    cancel: Cancel,
    samples: Vec<i16>,
}

impl SphinxTurn {
    fn decoders(&mut self) -> Result<&mut Decoders, Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        self.lease.decoders.as_mut().ok_or(Error::Cancelled)
    }

    fn hypothesis(&mut self, confidence: Option<f64>) -> Result<Hypothesis, Error> {
        let words = self.decoders()?.words.words();
        let text = words
            .iter()
            .map(|word| word.text.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let phrase = match &self.grammar {
            Some(grammar) => grammar.phrase(&text),
            None => Phrase::Unknown,
        };
        let voiced = (self.decoders()?.phones.as_mut()).and_then(Decoder::voiced);
        let backchannel =
            self.backchannels.judge(&text) == duplex_recognition::backchannel::Kind::Backchannel;
        Ok(Hypothesis {
            phrase: if backchannel {
                Phrase::Complete
            } else {
                phrase
            },
            text,
            words,
            voiced,
            confidence,
            language: Some(self.lease.configuration.language.clone()),
        })
    }
}

impl Turn for SphinxTurn {
    fn feed(&mut self, samples: &[f32]) -> Result<(), Error> {
        let mut converted = std::mem::take(&mut self.samples);
        for piece in samples.chunks(PIECE) {
            converted.clear();
            converted.extend(
                piece
                    .iter()
                    .map(|x| (x * 32_768.0).clamp(-32_768.0, 32_767.0) as i16),
            );
            self.decoders()?.feed(&converted)?;
        }
        self.samples = converted;
        Ok(())
    }

    fn partial(&mut self) -> Result<Hypothesis, Error> {
        let confidence = self.decoders()?.confidence();
        self.hypothesis(confidence)
    }

    fn finish(mut self: Box<Self>) -> Result<Hypothesis, Error> {
        // Half a phrase is none of the grammar, which then has nothing to say. It was said all the same, or something else was.
        let half = match self.decoders()?.phones {
            Some(_) => Some(self.hypothesis(Some(0.0))?),
            None => None,
        };
        let decoders = self.decoders()?;
        decoders.finish()?;
        let confidence = decoders.confidence();
        let mut hypothesis = self.hypothesis(confidence)?;
        if hypothesis.words.is_empty()
            && let Some(half) = half
            && half.words.len() >= HALF
        {
            hypothesis = half;
        }
        let means = self.decoders()?.words.means();
        *self.means.lock().unwrap_or_else(PoisonError::into_inner) = Some(means);
        Ok(hypothesis)
    }
}

// SPDX-License-Identifier: MPL-2.0

//! The engine: any [`Family`] of models, many utterances in one batch.
//!
//! # Threads
//! An engine has two. `neural-step` takes text from the utterances, begins chunks and steps the generator; `neural-sound` decodes its
//! frames, cuts them into pieces and wakes the consumers. Between them is a channel of two batches, which is where the first
//! waits when the second is slower. Both sleep while nobody wants anything.
//!
//! Text is split in the thread that pushes it. A consumer only takes from its own queue and tells the scheduler so;
//! it may be slow, stop or vanish without anybody else noticing. [`Engine::open`] loads the voice in the caller's thread, unless
//! [`Engine::prepare`] has.
//!
//! One lock guards the scheduler and the list of utterances, one each guards an utterance's queue. No two are held at once, and none
//! over a call of the family, a send or a waker.
//!
//! # Failures
//! A text that the family refuses fails its utterance. An error or a panic in a step fails all that are open, with one sentence;
//! generator and decoder are made anew when somebody speaks again. Where that fails, opening fails for the next five seconds with the
//! reason, and is then tried again.
//!
//! # Where an utterance begins
//! Up to 80 ms of what a family makes before the first sample of −50 dBFS are cut, but for 5 ms, once in an utterance; its words move
//! with its sound.
//!
//! # What is deterministic
//! The sound of a chunk depends on its text, voice, temperature and seed alone. The seed of an utterance is the caller's, or comes from
//! the engine's and from the number of the utterance. With [`Options::join`] clauses are joined as they are there, so *when* text
//! comes may change where it is cut; without it a clause is a chunk, whenever it comes. Word marks are guesses that get better,
//! and depend on what the voice has said before.

mod core;
mod generate;
mod lead;
mod marks;
mod script;
mod sound;
mod speech;
mod stats;
mod voices;

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    ops::{Deref, DerefMut, Range, RangeInclusive},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc::sync_channel,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use duplex_synthesis::{
    Cancel, Engine, Error, Request, Splitter, Utterance, Voice, check_rate, text_channel,
};

use crate::{
    family::{Decoder, Family, Frames, Generator, Manner},
    schedule::{Limits, Scheduler, Want},
};

use self::{
    core::Core,
    generate::Stepper,
    sound::Sounder,
    speech::{Facts, NeuralAudio, Speech},
    voices::Voices,
};

pub use stats::{Stats, StepTimes};

/// Batches that may lie between the threads.
const BETWEEN: usize = 2;
/// What the model says to itself to find out how fast it is.
const WARM_UP: &str = "One, two, three, four, five, six, seven.";
/// Steps of a size that are measured.
const WARM_UP_STEPS: usize = 3;
/// The larger size that is measured.
const WARM_UP_BATCH: usize = 4;

/// What an engine may use, and what utterances get that ask for nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Utterances that can be in the middle of a chunk. Each takes the memory of its caches.
    pub slots: usize,
    /// Most utterances of a step.
    pub max_batch: usize,
    /// Who has this much sound in store waits.
    pub look_ahead: Duration,
    /// Share of the time that is kept free when utterances are admitted, 0.0 to 1.0.
    pub margin: f64,
    /// Who has waited for text or has not taken sound for so long is no load any more.
    pub idle_after: Duration,
    /// Seeds come from this one and the number of the utterance.
    pub seed: u64,
    /// `None` is the model's own.
    pub temperature: Option<f32>,
    /// Factor of the voice's fundamental frequency, within [`PITCHES`]; nothing with a family that does not change it.
    pub pitch: f64,
    /// Whether clauses that are there are joined to sentences: better speech, cut where it depends on when text comes.
    pub join: bool,
    /// Whether a few words are spoken to nobody at first: the machine is warm then, and how many it can serve is known.
    pub warm_up: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slots: 16,
            max_batch: 16,
            look_ahead: Duration::from_millis(500),
            margin: 0.15,
            idle_after: Duration::from_secs(3),
            seed: 0,
            temperature: None,
            pitch: 1.0,
            join: true,
            warm_up: true,
        }
    }
}

/// What an utterance wants otherwise than its engine's [`Options`] say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// The seed itself.
    pub seed: Option<u64>,
    /// As in [`Options`].
    pub temperature: Option<f32>,
    /// As in [`Options`].
    pub pitch: Option<f64>,
    /// As in [`Options`].
    pub look_ahead: Option<Duration>,
}

/// Hears of what an utterance does not speak as it is written: its bytes in the utterance's text, and why, without quoting it.
/// Called by the engine's thread; it must return soon.
pub type Listener = Arc<dyn Fn(Range<usize>, &str) + Send + Sync>;

/// The factors of pitch that every engine accepts.
pub const PITCHES: RangeInclusive<f64> = 0.5..=2.0;

/// [`Error::BadRequest`] unless a factor lies in [`PITCHES`].
fn check_pitch(pitch: f64) -> Result<(), Error> {
    if PITCHES.contains(&pitch) {
        return Ok(());
    }
    Err(Error::BadRequest(format!(
        "pitch {pitch} is out of range: a voice can have 0.5 to 2.0 times its own"
    )))
}

/// The engine; see the [module](self). Dropped, it ends its threads and fails what is open.
pub struct NeuralEngine {
    family: Arc<dyn Family>,
    options: Options,
    core: Arc<Core>,
    voices: Voices,
    opened: AtomicU64,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for NeuralEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeuralEngine")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl NeuralEngine {
    /// Makes generator and decoder of a family, speaks a few words where the options say so, and starts the threads. Takes as
    /// long as that takes.
    pub fn new(family: Arc<dyn Family>, options: Options) -> Result<Self, Error> {
        let (rate, samples) = (family.sample_rate(), family.frame_samples());
        if rate == 0 || samples == 0 {
            return Err(Error::Failed(
                "the model names no sample rate or no length of a frame; its configuration is wrong".into(),
            ));
        }
        let mut scheduler = Scheduler::new(Limits {
            slots: options.slots,
            max_batch: options.max_batch,
            frame: Duration::from_secs_f64(samples as f64 / f64::from(rate)),
            margin: options.margin.clamp(0.0, 1.0),
            idle_after: options.idle_after,
        });
        let limits = scheduler.limits();
        let voices = Voices::default();
        let parts = attempt("starting", || {
            let mut generator = family.generator(limits.slots)?;
            let mut decoder = family.decoder(limits.slots)?;
            if options.warm_up {
                warm_up(
                    &*family,
                    &voices,
                    &mut *generator,
                    &mut *decoder,
                    &mut scheduler,
                )?;
            }
            Ok((generator, decoder))
        });
        let (generator, decoder) = parts.map_err(Failure::into_error)?;
        let core = Arc::new(Core::new(scheduler));
        let (batches, received) = sync_channel(BETWEEN);
        let stepper = Stepper {
            core: core.clone(),
            family: family.clone(),
            slots: limits.slots,
            join: options.join,
            generator: Some(Dropped::new(generator)),
            sound: batches,
            scripts: HashMap::new(),
            ends: Vec::new(),
        };
        let sounder = Sounder {
            core: core.clone(),
            decoder: Ok(Dropped::new(decoder)),
            frame_samples: samples,
            batches: received,
            sound: Vec::new(),
        };
        let mut engine = Self {
            family,
            options,
            core,
            voices,
            opened: AtomicU64::new(0),
            threads: Vec::new(),
        };
        engine.spawn("neural-sound", move || sounder.run())?;
        engine.spawn("neural-step", move || stepper.run())?;
        Ok(engine)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = thread::Builder::new()
            .name(name.into())
            .spawn(run)
            .map_err(|error| {
                Error::Unavailable(format!("cannot start the thread {name}: {error}"))
            })?;
        self.threads.push(thread);
        Ok(())
    }

    /// [`Engine::open`] with settings of its own.
    pub fn open_with(&self, request: &Request, settings: Settings) -> Result<Utterance, Error> {
        self.open_heard(request, settings, None)
    }

    /// The same where somebody hears what is not spoken; otherwise the log does.
    pub fn open_heard(
        &self,
        request: &Request,
        settings: Settings,
        listener: Option<Listener>,
    ) -> Result<Utterance, Error> {
        check_rate(request.rate)?;
        let pitch = settings.pitch.unwrap_or(self.options.pitch);
        check_pitch(pitch)?;
        let paces = self.family.paces();
        let speaker = self.voices.of(&*self.family, request)?;
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let seed = settings.seed;
        let manner = Manner {
            temperature: settings.temperature.or(self.options.temperature),
            seed: seed.unwrap_or_else(|| mix(self.options.seed, number)),
            rate: if paces { request.rate } else { 1.0 },
            pitch: if self.family.pitches() { pitch } else { 1.0 },
        };
        let tempo = if paces { 1.0 } else { request.rate };
        let language = request.language.as_deref().or(speaker.language.as_deref());
        let splitter = Splitter::new(language, request.ssml);
        let facts = Facts {
            id: number,
            speaker: speaker.clone(),
            manner,
            rate: request.rate,
            tempo,
            ssml: request.ssml,
            listener,
            sample_rate: self.family.sample_rate(),
        };
        let mut writer = None;
        let speech = Arc::new_cyclic(|weak: &Weak<Speech>| {
            let weak = weak.clone();
            let waker = Arc::new(move || {
                if let Some(speech) = weak.upgrade() {
                    speech.text_changed();
                }
            });
            let (text, reader) = text_channel(splitter, Some(waker));
            writer = Some(text);
            Speech::new(self.core.clone(), facts, reader)
        });
        let Some(writer) = writer else {
            unreachable!("the channel is made in the closure above")
        };
        let look_ahead = settings.look_ahead.unwrap_or(self.options.look_ahead);
        self.core.open(
            &speech,
            Want {
                look_ahead,
                rate: tempo,
            },
        )?;
        let weak = Arc::downgrade(&speech);
        let cancel = Cancel::new(move || {
            if let Some(speech) = weak.upgrade() {
                speech.cancel();
            }
        });
        Ok(Utterance {
            text: Box::new(writer),
            audio: Box::new(NeuralAudio(speech)),
            cancel,
        })
    }

    /// How it is doing.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The model.
    pub fn family(&self) -> &Arc<dyn Family> {
        &self.family
    }
}

impl Engine for NeuralEngine {
    fn name(&self) -> &'static str {
        "neural"
    }

    fn voices(&self) -> Result<Vec<Voice>, Error> {
        Ok(self.family.voices())
    }

    fn prepare(&self, request: &Request) -> Result<(), Error> {
        check_rate(request.rate)?;
        self.voices.of(&*self.family, request).map(drop)
    }

    fn sample_rate(&self, _request: &Request) -> Result<u32, Error> {
        Ok(self.family.sample_rate())
    }

    fn open(&self, request: &Request) -> Result<Utterance, Error> {
        self.open_with(request, Settings::default())
    }
}

impl Drop for NeuralEngine {
    fn drop(&mut self) {
        self.core.stop();
        // The thread that makes batches ends first, and the other with it.
        while let Some(thread) = self.threads.pop() {
            // A consumer's waker may be what drops the engine, in one of these very threads.
            if thread.thread().id() != thread::current().id() {
                // Neither panics, and there is nobody to tell.
                let _ = thread.join();
            }
        }
    }
}

/// Speaks a few words to nobody, and tells the scheduler how long that took.
fn warm_up(
    family: &dyn Family,
    voices: &Voices,
    generator: &mut dyn Generator,
    decoder: &mut dyn Decoder,
    scheduler: &mut Scheduler,
) -> Result<(), Error> {
    let Ok(speaker) = voices.of(family, &Request::default()) else {
        // No voice is there yet: that is for whoever speaks to name.
        return Ok(());
    };
    let Some(chunk) = family.chunks(WARM_UP)?.chunks.into_iter().next() else {
        return Ok(());
    };
    let larger = scheduler.limits().max_batch.min(WARM_UP_BATCH);
    let (mut frames, mut sound) = (Frames::default(), Vec::new());
    for size in [1, larger] {
        let slots: Vec<usize> = (0..size).collect();
        for slot in &slots {
            let start = Instant::now();
            generator.admit(*slot, &chunk, &speaker.loaded, Manner::default())?;
            scheduler.admitted(start.elapsed());
            decoder.reset(*slot);
        }
        // The first one allocates, and tells nothing.
        for step in 0..=WARM_UP_STEPS.min(chunk.most.saturating_sub(1)) {
            let start = Instant::now();
            generator.step(&slots, &mut frames)?;
            let generated = start.elapsed();
            if frames.over.iter().any(|over| *over) {
                break;
            }
            let start = Instant::now();
            decoder.decode(&slots, &frames.values, &mut sound)?;
            if step > 0 {
                scheduler.generated(size, generated);
                scheduler.decoded(size, start.elapsed());
            }
        }
        for slot in &slots {
            generator.release(*slot);
        }
    }
    Ok(())
}

/// A seed from a seed and a number: neighbours are nothing alike (SplitMix64's finaliser).
fn mix(seed: u64, number: u64) -> u64 {
    let mut x = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Why the model cannot go on.
enum Failure {
    /// It is to be made anew.
    Broke(Error),
    /// It could not be made anew.
    Gone(Error),
}

impl Failure {
    fn error(&self) -> &Error {
        match self {
            Self::Broke(error) | Self::Gone(error) => error,
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::Broke(error) | Self::Gone(error) => error,
        }
    }
}

/// Calls the family where an error or a panic leaves it in a state that nobody knows.
fn attempt<T>(what: &str, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    guarded(what, || Ok(call()))
        .and_then(|answer| {
            answer.map_err(|error| {
                let sentence = format!("the neural model failed at {what}: {error}");
                match error {
                    Error::Unavailable(_) => Error::Unavailable(sentence),
                    _ => Error::Failed(sentence),
                }
            })
        })
        .map_err(Failure::Broke)
}

/// Makes an error of a panic.
fn guarded<T>(what: &str, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        Err(Error::Failed(format!(
            "the neural model panicked at {what}: {}",
            sentence(&*panic)
        )))
    })
}

fn sentence(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the log says where".into())
}

/// A part of the family whose end, too, may panic.
struct Dropped<T: ?Sized>(Option<Box<T>>);

impl<T: ?Sized> Dropped<T> {
    fn new(part: Box<T>) -> Self {
        Self(Some(part))
    }
}

impl<T: ?Sized> Deref for Dropped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(part) => part,
            None => unreachable!("it is there until it is dropped"),
        }
    }
}

impl<T: ?Sized> DerefMut for Dropped<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.0 {
            Some(part) => part,
            None => unreachable!("it is there until it is dropped"),
        }
    }
}

impl<T: ?Sized> Drop for Dropped<T> {
    fn drop(&mut self) {
        let part = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(part))) {
            tracing::error!(
                "the neural model panicked at its end: {}",
                sentence(&*panic)
            );
        }
    }
}

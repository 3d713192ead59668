// SPDX-License-Identifier: MPL-2.0

//! An utterance: clauses go in through its channel, the decoder's thread puts pieces into its queue.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use duplex_synthesis::{AudioHalf, ClauseReader, Error, Piece};

use crate::{
    family::Manner,
    schedule::{Id, Moment},
    stretch::Stretch,
};

use super::{Listener, core::Core, marks::Assembler, sound::Begin, voices::Speaker};

/// What is fixed from the beginning of an utterance.
pub struct Facts {
    pub id: Id,
    pub speaker: Arc<Speaker>,
    pub manner: Manner,
    /// Speed of speech.
    pub rate: f64,
    /// Speed at which the family's sound is to be played: the same, or 1.0 where the family paces.
    pub tempo: f64,
    pub ssml: bool,
    pub listener: Option<Listener>,
    pub sample_rate: u32,
}

/// An utterance, shared by its consumer, its text half and the threads.
pub struct Speech {
    core: Arc<Core>,
    facts: Facts,
    reader: ClauseReader,
    /// The generator's thread knows already that there is news from the text half.
    woken: AtomicBool,
    /// When the first text came.
    asked: OnceLock<Moment>,
    output: Mutex<Output>,
    /// Used by the decoder's thread alone.
    maker: Mutex<Maker>,
}

#[derive(Default)]
struct Output {
    pieces: VecDeque<Piece>,
    ended: Option<Result<(), Error>>,
    consumer: Option<Waker>,
    /// Whether any sound has come.
    begun: bool,
}

/// Makes pieces of the sound of frames.
struct Maker {
    /// Samples of the chunk that are still to come, where it says how many.
    left: Option<usize>,
    stretch: Option<Stretch>,
    assembler: Assembler,
    stretched: Vec<f32>,
    samples: Vec<i16>,
    pieces: Vec<Piece>,
}

impl Speech {
    pub fn new(core: Arc<Core>, facts: Facts, reader: ClauseReader) -> Self {
        let pace = facts.speaker.pace() * facts.rate;
        let maker = Maker {
            left: None,
            stretch: Stretch::new(facts.sample_rate, facts.tempo),
            assembler: Assembler::new(facts.sample_rate, pace, facts.tempo),
            stretched: Vec::new(),
            samples: Vec::new(),
            pieces: Vec::new(),
        };
        Self {
            core,
            facts,
            reader,
            woken: AtomicBool::new(false),
            asked: OnceLock::new(),
            output: Mutex::default(),
            maker: Mutex::new(maker),
        }
    }

    pub fn id(&self) -> Id {
        self.facts.id
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn reader(&self) -> &ClauseReader {
        &self.reader
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn maker(&self) -> MutexGuard<'_, Maker> {
        self.maker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is news from the text half.
    pub fn text_changed(&self) {
        if self.reader.cancelled() {
            self.cancel();
            return;
        }
        self.asked.get_or_init(|| self.core.now());
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.core.wake(self.facts.id);
        }
    }

    /// From now on news is told again. To be called before the text half is read.
    pub fn listen(&self) {
        self.woken.store(false, Ordering::Release);
    }

    /// Ends it from any thread.
    pub fn cancel(&self) {
        self.end(Err(Error::Cancelled));
    }

    /// Ends it. What is made already can still be pulled where that is no error. Only the first call counts.
    pub fn end(&self, how: Result<(), Error>) {
        let failed = how.is_err();
        let mut output = self.lock();
        if matches!(output.ended, Some(Err(_))) || output.ended.is_some() && !failed {
            return;
        }
        output.ended = Some(how);
        let pieces = failed.then(|| std::mem::take(&mut output.pieces));
        let consumer = output.consumer.take();
        drop(output);
        drop(pieces);
        // Whoever hears of the end finds the place free.
        self.core.close(self.facts.id);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
        if failed {
            self.reader.canceller().cancel();
        }
    }

    /// Whether nobody wants any more of it.
    pub fn is_over(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// Whether its consumer waits for sound.
    pub fn is_awaited(&self) -> bool {
        let output = self.lock();
        output.consumer.is_some() && output.pieces.is_empty()
    }

    /// A chunk begins. In the decoder's thread, as all of the following.
    pub fn begin(&self, begin: Begin) {
        let mut maker = self.maker();
        maker.left = begin.samples;
        maker.assembler.begin(begin.words);
    }

    /// The sound of a frame, to be followed by [`store`](Self::store). Answers how much sound there is to take from it.
    pub fn sound(&self, sound: &[f32]) -> Duration {
        let mut maker = self.maker();
        let Maker {
            left,
            stretch,
            assembler,
            stretched,
            samples,
            pieces,
        } = &mut *maker;
        let sound = match left {
            None => sound,
            Some(left) => {
                let played = sound.len().min(*left);
                *left -= played;
                &sound[..played]
            }
        };
        let sound = match stretch {
            None => sound,
            Some(stretch) => {
                stretched.clear();
                stretch.push(sound, stretched);
                stretched
            }
        };
        samples.clear();
        samples.extend(sound.iter().map(|x| to_i16(*x)));
        assembler.push(samples, pieces);
        self.length(pieces)
    }

    /// The chunk is over; the same.
    pub fn over(&self) -> Duration {
        let mut maker = self.maker();
        let Maker {
            stretch,
            assembler,
            stretched,
            samples,
            pieces,
            ..
        } = &mut *maker;
        if let Some(stretch) = stretch {
            stretched.clear();
            stretch.finish(stretched);
            samples.clear();
            samples.extend(stretched.iter().map(|x| to_i16(*x)));
            assembler.push(samples, pieces);
        }
        assembler.over(pieces);
        let (speaker, pace) = (&self.facts.speaker, assembler.pace() / self.facts.rate);
        speaker.set_pace(pace);
        self.length(pieces)
    }

    fn length(&self, pieces: &[Piece]) -> Duration {
        let samples: usize = pieces.iter().map(|piece| piece.samples.len()).sum();
        self.duration(samples)
    }

    fn duration(&self, samples: usize) -> Duration {
        Duration::from_secs_f64(samples as f64 / f64::from(self.facts.sample_rate))
    }

    /// Hands what was made to the consumer.
    pub fn store(&self) {
        let pieces = std::mem::take(&mut self.maker().pieces);
        if pieces.is_empty() {
            return;
        }
        let mut output = self.lock();
        if output.ended.is_some() {
            return;
        }
        let first = !std::mem::replace(&mut output.begun, true);
        output.pieces.extend(pieces);
        let consumer = output.consumer.take();
        drop(output);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
        if first && let Some(asked) = self.asked.get() {
            self.core
                .first_audio(self.core.now().saturating_sub(*asked));
        }
    }
}

fn to_i16(sample: f32) -> i16 {
    // A number that is none becomes silence.
    (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16
}

/// The consumer's half.
pub struct NeuralAudio(pub Arc<Speech>);

impl AudioHalf for NeuralAudio {
    fn sample_rate(&self) -> u32 {
        self.0.facts.sample_rate
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Error>> {
        let speech = &self.0;
        let mut output = speech.lock();
        if let Some(piece) = output.pieces.pop_front() {
            drop(output);
            let sound = speech.duration(piece.samples.len());
            speech.core.taken(speech.facts.id, sound);
            return Poll::Ready(Ok(Some(piece)));
        }
        match &output.ended {
            Some(Ok(())) => Poll::Ready(Ok(None)),
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            None => {
                match &mut output.consumer {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for NeuralAudio {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

// SPDX-License-Identifier: MPL-2.0

//! The generator's thread: takes text in, begins chunks, makes steps.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{SendError, SyncSender},
    },
    time::{Duration, Instant},
};

use duplex_synthesis::Error;

use crate::{
    family::{Family, Frames, Generator, Manner, Slot},
    schedule::{Id, Work},
};

use super::{
    Dropped, Failure, attempt,
    core::{Core, Over, Turn},
    mix,
    script::{Line, Pulled, Script, set_times},
    sound::{Batch, Begin, Entry, Message},
    speech::Speech,
};

/// All that the thread owns.
pub struct Stepper {
    pub core: Arc<Core>,
    pub family: Arc<dyn Family>,
    pub slots: usize,
    pub join: bool,
    /// None after a failure, until somebody speaks again.
    pub generator: Option<Dropped<dyn Generator>>,
    pub sound: SyncSender<Message>,
    pub scripts: HashMap<Id, Script>,
    /// Utterances that have no more to say, to be told so once their sound is made.
    pub ends: Vec<Arc<Speech>>,
}

/// A chunk that was begun in this turn.
struct Begun {
    slot: Slot,
    begin: Begin,
}

impl Stepper {
    /// Works until the engine is dropped.
    pub fn run(mut self) {
        while let Some(turn) = self.core.wait() {
            if let Err(failure) = self.turn(turn) {
                self.fail(failure);
            }
        }
        self.core.shut_down();
    }

    fn turn(&mut self, turn: Turn) -> Result<(), Failure> {
        for id in &turn.closed {
            self.scripts.remove(id);
        }
        if let Some(error) = turn.failure {
            return Err(Failure::Broke(error));
        }
        let mut work = turn.work;
        let has_news = !turn.woken.is_empty();
        for id in turn.woken {
            let Some(speech) = self.core.speech(id) else {
                continue;
            };
            speech.listen();
            if self.scripts.entry(id).or_default().is_busy() {
                continue;
            }
            if self.pull(&speech) {
                self.core.ready(id);
            }
        }
        if has_news {
            work = self.core.work();
        }
        let stepped = self.step(work);
        let (mut batch, failure) = match stepped {
            Ok(batch) => (batch, Ok(())),
            Err(failure) => (Batch::default(), Err(failure)),
        };
        batch.ends = std::mem::take(&mut self.ends);
        if !batch.is_empty() {
            self.send(batch)?;
        }
        failure
    }

    /// The only place where this thread waits for the other.
    fn send(&self, batch: Batch) -> Result<(), Failure> {
        let Err(SendError(message)) = self.sound.send(Message::Batch(batch)) else {
            return Ok(());
        };
        let error = Error::Unavailable("the thread of the neural decoder has ended".into());
        if let Message::Batch(batch) = message {
            batch.fail(&error);
        }
        Err(Failure::Gone(error))
    }

    /// Looks for the next chunk of an utterance; answers whether there is one.
    fn pull(&mut self, speech: &Arc<Speech>) -> bool {
        let Some(script) = self.scripts.get_mut(&speech.id()) else {
            return false;
        };
        let ssml = speech.facts().ssml;
        let pulled = script.pull(speech.reader(), &*self.family, ssml, self.join);
        script.tell_skipped(speech.id(), speech.facts().listener.as_ref());
        match pulled {
            Ok(Pulled::Line) => return true,
            Ok(Pulled::Pending) => {}
            Ok(Pulled::Cancelled) => speech.cancel(),
            Ok(Pulled::Finished) => {
                self.scripts.remove(&speech.id());
                self.core.close(speech.id());
                self.ends.push(speech.clone());
            }
            Err(error) => speech.end(Err(error)),
        }
        false
    }

    fn step(&mut self, work: Work) -> Result<Batch, Failure> {
        let mut batch = Batch::default();
        if self.generator.is_none() && !work.begin.is_empty() {
            self.recover()?;
        }
        let Some(generator) = &mut self.generator else {
            return Ok(batch);
        };
        for slot in work.release {
            attempt("forgetting a slot", || {
                generator.release(slot);
                Ok(())
            })?;
        }
        let mut begun = HashMap::new();
        for (id, slot) in work.begin {
            let (Some(speech), Some(script)) = (self.core.speech(id), self.scripts.get_mut(&id))
            else {
                continue;
            };
            let Some((number, Line { chunk, mut words })) = script.begin() else {
                continue;
            };
            let facts = speech.facts();
            let manner = Manner {
                seed: mix(facts.manner.seed, number),
                ..facts.manner
            };
            let start = Instant::now();
            let admitted = attempt("beginning a chunk", || {
                Ok(generator.admit(slot, &chunk, &facts.speaker.loaded, manner))
            })?;
            match admitted {
                Ok(times) => {
                    self.core.admitted(start.elapsed());
                    if let Some(times) = times.words {
                        set_times(&mut words, &times);
                    }
                    let begin = Begin {
                        words,
                        samples: times.samples,
                    };
                    begun.insert(id, Begun { slot, begin });
                }
                // This text or voice is at fault, not the model.
                Err(error) => speech.end(Err(error)),
            }
        }
        // Who was cancelled since it was picked gets no step.
        let (mut steps, mut slots) = (Vec::new(), Vec::new());
        for (id, slot) in work.step {
            match self.core.speech(id) {
                Some(speech) if !speech.is_over() => {
                    steps.push(speech);
                    slots.push(slot);
                }
                _ => self.core.not_made(id),
            }
        }
        // Begun, but not in this step: the decoder must know all the same.
        for (id, Begun { slot, begin }) in begun
            .extract_if(|id, _| !steps.iter().any(|speech| speech.id() == *id))
            .collect::<Vec<_>>()
        {
            if let Some(speech) = self.core.speech(id) {
                batch.entries.push(Entry {
                    speech,
                    slot,
                    begin: Some(begin),
                    frame: None,
                    over: false,
                });
            }
        }
        if steps.is_empty() {
            return Ok(batch);
        }
        let start = Instant::now();
        attempt("a step", || generator.step(&slots, &mut batch.frames))?;
        let took = start.elapsed();
        check(&batch.frames, slots.len())?;
        self.finish(steps, slots, took, begun, &mut batch);
        Ok(batch)
    }

    /// What a step gave goes to the scheduler and into the batch.
    fn finish(
        &mut self,
        steps: Vec<Arc<Speech>>,
        slots: Vec<Slot>,
        took: Duration,
        mut begun: HashMap<Id, Begun>,
        batch: &mut Batch,
    ) {
        let mut outcomes = Vec::with_capacity(steps.len());
        for (place, (speech, slot)) in steps.into_iter().zip(slots).enumerate() {
            let is_sound = !batch.frames.over[place];
            let mut over = !is_sound;
            if let Some(script) = self.scripts.get_mut(&speech.id()) {
                if script.frame() && !over {
                    tracing::warn!(
                        utterance = speech.id(),
                        "the model found no end of its text and was stopped"
                    );
                    over = true;
                }
                if over {
                    script.over();
                }
            }
            let mut outcome = Over::No;
            let id = speech.id();
            batch.entries.push(Entry {
                speech: speech.clone(),
                slot,
                begin: begun.remove(&id).map(|begun| begun.begin),
                frame: is_sound.then_some(place),
                over,
            });
            if over {
                let more = self.pull(&speech);
                outcome = if more { Over::More } else { Over::Waits };
            }
            outcomes.push((id, is_sound, outcome));
        }
        self.core.stepped(took, &outcomes);
    }

    /// Makes what a failure took.
    fn recover(&mut self) -> Result<(), Failure> {
        let made = attempt("starting again", || {
            Ok((
                self.family.generator(self.slots)?,
                self.family.decoder(self.slots)?,
            ))
        });
        match made {
            Ok((generator, decoder)) => {
                self.generator = Some(Dropped::new(generator));
                self.sound
                    .send(Message::Decoder(Dropped::new(decoder)))
                    .map_err(|_| {
                        Failure::Gone(Error::Unavailable(
                            "the thread of the neural decoder has ended".into(),
                        ))
                    })
            }
            Err(failure) => Err(Failure::Gone(Error::Unavailable(format!(
                "the neural model failed and could not be started again: {}",
                failure.error()
            )))),
        }
    }

    /// Ends all that are open. The model is made anew when somebody speaks again.
    fn fail(&mut self, failure: Failure) {
        tracing::error!("{}", failure.error());
        self.scripts.clear();
        let gone = matches!(failure, Failure::Gone(_));
        self.core.fail_all(failure.error(), gone);
        // The last, and it takes a moment: who speaks again once slots are free is not to end with the others.
        self.generator = None;
    }
}

/// A family that answers for other slots than were asked would mix up utterances.
fn check(frames: &Frames, slots: usize) -> Result<(), Failure> {
    if frames.over.len() == slots && frames.values.len() == slots * frames.width {
        return Ok(());
    }
    Err(Failure::Broke(Error::Failed(format!(
        "the neural model answered a step of {slots} slots with {} frames; that is a fault of its family",
        frames.over.len()
    ))))
}

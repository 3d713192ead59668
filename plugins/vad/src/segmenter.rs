// SPDX-License-Identifier: MPL-2.0
//! From speech probabilities to decisions: when speech begins, is confirmed, turns out to
//! be nothing, ends.
//!
//! Pure: no clock, no threads, no GStreamer. Time is the media clock (nanoseconds of running
//! time) and moves only by what is fed in, so an hour of speech is judged in a blink and a
//! room without sound still comes to its end of speech through [`Segmenter::silence`].
//!
//! ```text
//!            p ≥ on                held for min_speech
//!  silence ─────────→ tentative ───────────────────────→ speech
//!     ↑  ↑   onset        │             started             │
//!     │  └────────────────┘ fell silent: cancelled          │
//!     └─────────────────────────────────────────────────────┘ min_silence: ended
//! ```

/// Nanoseconds in a millisecond.
pub(crate) const MS: u64 = 1_000_000;

/// Silence that calls a tentative onset off. Short, since the mouth commits an interruption
/// `commit-duration` after the onset unless it is called off before; long enough that one
/// doubtful hop in the middle of a syllable does not.
pub const TENTATIVE_DIP: u64 = 64 * MS;

/// The furthest an onset is dated back before the audio that decided it.
pub const MAX_BACKDATE: u64 = 200 * MS;

/// What the segmenter goes by. Durations in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Probability from which a hop is speech while nobody speaks.
    pub on: f32,
    /// Probability from which a hop still is speech while somebody speaks.
    pub off: f32,
    /// How many hops in a row must reach `on` for an onset.
    pub votes: u32,
    /// How long speech must last after the onset decision to be confirmed.
    pub min_speech: u64,
    /// How long it must be silent for the speech to be over. Shorter pauses are bridged.
    pub min_silence: u64,
    /// How long before the first suspicious hop speech is taken to have begun.
    pub lookback: u64,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has become louder, while nobody was found to speak. Not from the segmenter, but from
    /// [`crate::rise`]; an onset or a cancellation follows.
    Suspected,
    /// The first decision that somebody speaks; may yet be called off.
    Onset,
    /// The speech has lasted for the minimum duration.
    Started,
    /// It fell silent before that.
    Cancelled,
    /// Confirmed speech is over.
    Ended,
}

/// One decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// What was decided.
    pub kind: Kind,
    /// Running time at which the deciding audio ends, in nanoseconds.
    pub at: u64,
    /// Running time at which the speech is taken to have begun, in nanoseconds.
    pub onset: u64,
    /// Running time at which the last audio taken for speech ends, in nanoseconds.
    pub last_voice: u64,
    /// Speech probability of the deciding audio.
    pub probability: f32,
    /// The agent was speaking when the speech began. Not from the segmenter, which hears one side.
    pub over_speech: bool,
    /// It is about a suspicion, before any onset.
    pub suspicion: bool,
}

/// Where the segmenter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nobody speaks.
    #[default]
    Silence,
    /// An onset was decided and is not confirmed yet.
    Tentative,
    /// Confirmed speech.
    Speech,
}

/// The state machine. One per stream.
#[derive(Debug, Clone)]
pub struct Segmenter {
    config: Config,
    phase: Phase,
    /// End of the last judged audio.
    clock: u64,
    /// Start of the run of suspicious hops that may become an onset.
    rise: Option<u64>,
    votes: u32,
    decided: u64,
    onset: u64,
    last_voice: u64,
    /// Onsets are never dated back into speech that has already ended.
    not_before: u64,
    probability: f32,
}

impl Segmenter {
    /// A segmenter in silence at time zero.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            phase: Phase::Silence,
            clock: 0,
            rise: None,
            votes: 0,
            decided: 0,
            onset: 0,
            last_voice: 0,
            not_before: 0,
            probability: 0.0,
        }
    }

    /// Takes over new thresholds and durations without losing the current speech.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// Where the segmenter stands now.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Probability of the last judged audio.
    pub fn probability(&self) -> f32 {
        self.probability
    }

    /// Running time up to which it has judged.
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// Judges a hop of audio from `start` to `end` (running time, nanoseconds) with speech
    /// probability `p`; decisions go to `out`. Hops may overlap; `end` moves forward.
    pub fn step(&mut self, start: u64, end: u64, p: f32, out: &mut Vec<Event>) {
        let c = self.config;
        let end = end.max(self.clock);
        let hop = end - self.clock.max(start.min(end));
        self.clock = end;
        self.probability = p;
        if self.phase == Phase::Silence {
            // Half the release threshold is where a rise towards speech begins: engines need
            // a few hops before they are sure, and the onset belongs where they grew suspicious.
            if p >= c.off * 0.5 {
                self.rise.get_or_insert(end - hop);
            } else {
                self.rise = None;
            }
            self.votes = if p >= c.on { self.votes + 1 } else { 0 };
            if self.votes < c.votes.max(1) {
                return;
            }
            self.phase = Phase::Tentative;
            self.decided = end;
            self.last_voice = end;
            self.onset = self
                .rise
                .unwrap_or(start)
                .saturating_sub(c.lookback)
                .max(end.saturating_sub(MAX_BACKDATE))
                .max(self.not_before)
                .min(end);
            self.emit(Kind::Onset, end, out);
        } else if p >= c.off {
            self.last_voice = end;
        } else {
            self.expire(end, out);
        }
        if self.phase == Phase::Tentative && p >= c.off && end - self.decided >= c.min_speech {
            self.phase = Phase::Speech;
            self.emit(Kind::Started, end, out);
        }
    }

    /// The stream holds nothing up to `until` (running time): a gap, or a caller who stopped
    /// sending. Counts as silence, however long.
    pub fn silence(&mut self, until: u64, out: &mut Vec<Event>) {
        if until <= self.clock {
            return;
        }
        self.probability = 0.0;
        self.rise = None;
        self.votes = 0;
        self.expire(until, out);
        self.clock = until;
    }

    /// The stream is over, or is about to jump: open speech ends where the audio ended.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        match self.phase {
            Phase::Silence => {}
            Phase::Tentative => self.close(Kind::Cancelled, self.clock, out),
            Phase::Speech => self.close(Kind::Ended, self.clock, out),
        }
    }

    /// Forgets everything, for a stream that begins anew (flush, seek, restart). Call
    /// [`Self::finish`] before, so that nobody waits for an end of speech.
    pub fn reset(&mut self) {
        *self = Self::new(self.config);
    }

    /// Ends or cancels if silence has lasted long enough at `now`; the decision carries the
    /// time at which it fell due, or the end of the judged audio if that is later.
    fn expire(&mut self, now: u64, out: &mut Vec<Event>) {
        let (kind, patience) = match self.phase {
            Phase::Silence => return,
            Phase::Tentative => (Kind::Cancelled, TENTATIVE_DIP.min(self.config.min_silence)),
            Phase::Speech => (Kind::Ended, self.config.min_silence),
        };
        let due = self.last_voice.saturating_add(patience);
        if now >= due {
            self.close(kind, due.max(self.clock), out);
        }
    }

    fn close(&mut self, kind: Kind, at: u64, out: &mut Vec<Event>) {
        self.phase = Phase::Silence;
        self.not_before = self.last_voice;
        self.rise = None;
        self.votes = 0;
        self.emit(kind, at, out);
    }

    fn emit(&self, kind: Kind, at: u64, out: &mut Vec<Event>) {
        out.push(Event {
            kind,
            at,
            onset: self.onset,
            last_voice: self.last_voice,
            probability: self.probability,
            over_speech: false,
            suspicion: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config = Config {
        on: 0.7,
        off: 0.5,
        votes: 1,
        min_speech: 250 * MS,
        min_silence: 300 * MS,
        lookback: 0,
    };

    /// One row of the table: what the room does, and the decisions with their times in ms.
    struct Case {
        name: &'static str,
        config: Config,
        /// (milliseconds, probability); `NAN` is a gap in the stream.
        room: &'static [(u64, f32)],
        /// Ends the stream after the room.
        finish: bool,
        /// (kind, at, onset, last voice), in ms.
        expect: &'static [(Kind, u64, u64, u64)],
    }

    fn play(case: &Case) -> Vec<Event> {
        let mut s = Segmenter::new(case.config);
        let mut out = Vec::new();
        let mut now = 0;
        for &(ms, p) in case.room {
            if p.is_nan() {
                now += ms * MS;
                s.silence(now, &mut out);
                continue;
            }
            // 10 ms hops.
            for _ in 0..ms / 10 {
                s.step(now, now + 10 * MS, p, &mut out);
                now += 10 * MS;
            }
        }
        if case.finish {
            s.finish(&mut out);
        }
        out
    }

    #[test]
    fn table() {
        use Kind::*;
        let cases = [
            Case {
                name: "silence",
                config: CONFIG,
                room: &[(5000, 0.1)],
                finish: true,
                expect: &[],
            },
            Case {
                name: "a sentence",
                config: CONFIG,
                room: &[(1000, 0.1), (1000, 0.9), (1000, 0.1)],
                finish: false,
                expect: &[
                    (Onset, 1010, 1000, 1010),
                    (Started, 1260, 1000, 1260),
                    (Ended, 2300, 1000, 2000),
                ],
            },
            Case {
                name: "between the thresholds nothing begins",
                config: CONFIG,
                room: &[(2000, 0.6)],
                finish: true,
                expect: &[],
            },
            Case {
                name: "between the thresholds nothing ends",
                config: CONFIG,
                room: &[(300, 0.8), (2000, 0.6), (400, 0.2)],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 2600, 0, 2300),
                ],
            },
            Case {
                name: "a slow rise dates the onset back",
                config: CONFIG,
                room: &[(500, 0.1), (50, 0.3), (400, 0.9), (400, 0.0)],
                finish: false,
                expect: &[
                    (Onset, 560, 500, 560),
                    (Started, 810, 500, 810),
                    (Ended, 1250, 500, 950),
                ],
            },
            Case {
                name: "back-dating is bounded",
                config: CONFIG,
                room: &[(1000, 0.3), (20, 0.9), (100, 0.0)],
                finish: false,
                expect: &[(Onset, 1010, 810, 1010), (Cancelled, 1090, 810, 1020)],
            },
            Case {
                name: "a click",
                config: CONFIG,
                room: &[(100, 0.0), (30, 0.9), (1000, 0.0)],
                finish: false,
                expect: &[(Onset, 110, 100, 110), (Cancelled, 200, 100, 130)],
            },
            Case {
                name: "a dip of a hop or two is bridged before confirmation",
                config: CONFIG,
                room: &[(100, 0.9), (50, 0.1), (200, 0.9), (400, 0.0)],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 650, 0, 350),
                ],
            },
            Case {
                name: "no confirmation in a dip",
                config: CONFIG,
                room: &[(240, 0.9), (50, 0.1), (100, 0.9), (400, 0.0)],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 300, 0, 300),
                    (Ended, 690, 0, 390),
                ],
            },
            Case {
                name: "pauses shorter than min-silence are part of the speech",
                config: CONFIG,
                room: &[
                    (500, 0.9),
                    (290, 0.0),
                    (500, 0.6),
                    (290, 0.0),
                    (100, 0.9),
                    (400, 0.0),
                ],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 1980, 0, 1680),
                ],
            },
            Case {
                name: "two sentences",
                config: CONFIG,
                room: &[(300, 0.9), (400, 0.0), (300, 0.9), (400, 0.0)],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 600, 0, 300),
                    (Onset, 710, 700, 710),
                    (Started, 960, 700, 960),
                    (Ended, 1300, 700, 1000),
                ],
            },
            Case {
                name: "the caller stops sending",
                config: CONFIG,
                room: &[(500, 0.9), (60_000, f32::NAN)],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 800, 0, 500),
                ],
            },
            Case {
                name: "the caller stops sending before confirmation",
                config: CONFIG,
                room: &[(50, 0.9), (60_000, f32::NAN)],
                finish: false,
                expect: &[(Onset, 10, 0, 10), (Cancelled, 114, 0, 50)],
            },
            Case {
                name: "short gaps add up with silence",
                config: CONFIG,
                room: &[
                    (500, 0.9),
                    (100, f32::NAN),
                    (100, 0.0),
                    (100, f32::NAN),
                    (100, 0.9),
                ],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 800, 0, 500),
                    (Onset, 810, 800, 810),
                ],
            },
            Case {
                name: "the end of the stream ends speech",
                config: CONFIG,
                room: &[(500, 0.9)],
                finish: true,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 500, 0, 500),
                ],
            },
            Case {
                name: "the end of the stream cancels a tentative onset",
                config: CONFIG,
                room: &[(100, 0.9)],
                finish: true,
                expect: &[(Onset, 10, 0, 10), (Cancelled, 100, 0, 100)],
            },
            Case {
                name: "two of two",
                config: Config {
                    votes: 2,
                    on: 0.6,
                    off: 0.6,
                    ..CONFIG
                },
                room: &[(100, 0.0), (10, 0.9), (10, 0.0), (20, 0.9), (200, 0.0)],
                finish: false,
                expect: &[(Onset, 140, 120, 140), (Cancelled, 210, 120, 140)],
            },
            Case {
                name: "no minimum: confirmed with the onset",
                config: Config {
                    min_speech: 0,
                    ..CONFIG
                },
                room: &[(10, 0.9), (400, 0.0)],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 10, 0, 10),
                    (Ended, 310, 0, 10),
                ],
            },
            Case {
                name: "no minimum silence: the first silent hop ends",
                config: Config {
                    min_silence: 0,
                    ..CONFIG
                },
                room: &[(300, 0.9), (10, 0.0), (300, 0.9), (10, 0.0)],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 310, 0, 300),
                    (Onset, 320, 310, 320),
                    (Started, 570, 310, 570),
                    (Ended, 620, 310, 610),
                ],
            },
            Case {
                name: "an onset never reaches back into the speech before",
                config: Config {
                    lookback: 100 * MS,
                    min_silence: 20 * MS,
                    ..CONFIG
                },
                room: &[(300, 0.9), (30, 0.0), (20, 0.9)],
                finish: false,
                expect: &[
                    (Onset, 10, 0, 10),
                    (Started, 260, 0, 260),
                    (Ended, 320, 0, 300),
                    (Onset, 340, 300, 340),
                ],
            },
        ];
        for case in &cases {
            let got: Vec<_> = play(case)
                .iter()
                .map(|e| (e.kind, e.at / MS, e.onset / MS, e.last_voice / MS))
                .collect();
            assert_eq!(got, case.expect, "{}", case.name);
        }
    }

    /// Whatever the room does, the decisions come in pairs and in order.
    #[test]
    fn every_onset_is_resolved() {
        let mut x = 7u64;
        let mut random = move || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x
        };
        for _ in 0..200 {
            let mut s = Segmenter::new(CONFIG);
            let mut out = Vec::new();
            let (mut now, mut p) = (0, 0.0f32);
            for _ in 0..2000 {
                if random() % 8 == 0 {
                    p = (random() % 1000) as f32 / 1000.0;
                }
                match random() % 100 {
                    0 => {
                        now += random() % (500 * MS);
                        s.silence(now, &mut out);
                    }
                    1 => s.finish(&mut out),
                    _ => {
                        s.step(now, now + 16 * MS, p, &mut out);
                        now += 16 * MS;
                    }
                }
            }
            s.finish(&mut out);
            let mut phase = Phase::Silence;
            let mut last = 0;
            assert!(!out.is_empty());
            for e in &out {
                phase = match (phase, e.kind) {
                    (Phase::Silence, Kind::Onset) => Phase::Tentative,
                    (Phase::Tentative, Kind::Started) => Phase::Speech,
                    (Phase::Tentative, Kind::Cancelled) | (Phase::Speech, Kind::Ended) => {
                        Phase::Silence
                    }
                    other => panic!("{other:?}"),
                };
                assert!(e.at >= last && e.onset <= e.at && e.last_voice <= e.at);
                last = e.at;
            }
            assert_eq!(phase, Phase::Silence);
        }
    }
}

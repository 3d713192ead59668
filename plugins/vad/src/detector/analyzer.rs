// SPDX-License-Identifier: MPL-2.0
//! From interleaved samples of any rate to scores with positions.

use super::{ANALYSIS_RATE, Detector, Kind, Resampler};

/// Interleaved samples in native byte order.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    /// Unsigned 8 bit, 128 is zero.
    U8(&'a [u8]),
    /// Signed 16 bit.
    S16(&'a [i16]),
    /// Signed 32 bit.
    S32(&'a [i32]),
    /// 32-bit float, full scale ±1. NaN and infinities count as silence.
    F32(&'a [f32]),
    /// 64-bit float, as above.
    F64(&'a [f64]),
}

/// The score of one stretch of audio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// How much the audio resembles speech, 0 to 1.
    pub value: f32,
    /// Where the scored audio ends: input frames (one sample of each channel) since creation or
    /// [`reset`](Analyzer::reset). Grows from score to score.
    pub end: u64,
    /// How many input frames the score covers (32 ms for Silero, 16 ms for earshot). With two phases consecutive
    /// scores overlap.
    pub frames: u64,
    /// RMS of the scored 16 kHz mono audio, full scale 1.
    pub rms: f32,
    /// True if it comes from another phase than the first, whose memory began as a copy of the first's.
    pub second_phase: bool,
}

/// Converted input waiting for the resampler.
const CHUNK: usize = 512;

/// Scored audio that is kept, so that a second phase can begin before the present: half a hop and its context.
const HISTORY: usize = 1024;

/// Scores audio of any rate from 8 to 192 kHz and any number of channels, by a properly low-passed 16 kHz mono copy.
///
/// Scores do not depend on how the input is cut into buffers. One stream each; not shared between threads.
pub struct Analyzer {
    kind: Kind,
    rate: u32,
    channels: usize,
    resampler: Resampler,
    /// 16 kHz mono audio. The stream's first sample is preceded by `HISTORY` zeros.
    audio: Vec<f32>,
    /// The position of `audio[0]`, counted from the first of those zeros.
    audio_start: u64,
    first: Phase,
    /// Further phases, evenly spread over the first one's hop.
    others: Vec<Phase>,
    phases: usize,
    /// The end of the latest score, counted as `audio_start` is.
    scored: u64,
    frames: u64,
}

struct Phase {
    detector: Box<dyn Detector>,
    /// Where its next hop begins, counted as `audio_start` is.
    next: u64,
}

impl Analyzer {
    /// An analyzer for `channels` (at least 1) interleaved channels at `rate` Hz, one of
    /// [`INPUT_RATES`](super::INPUT_RATES).
    ///
    /// # Panics
    /// If the rate or the channel count is out of range: caps must exclude them.
    pub fn new(kind: Kind, rate: u32, channels: usize) -> Self {
        assert!(channels > 0, "audio without channels");
        Self {
            kind,
            rate,
            channels,
            resampler: Resampler::new(rate),
            audio: vec![0.0; HISTORY],
            audio_start: 0,
            first: Phase {
                detector: kind.detector(),
                next: HISTORY as u64,
            },
            others: Vec::new(),
            phases: 1,
            scored: 0,
            frames: 0,
        }
    }

    /// The detector in use.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Input frames taken since creation or [`reset`](Self::reset): what [`Score::end`] counts.
    pub fn position(&self) -> u64 {
        self.frames
    }

    /// Input frames that must follow the end of a stretch of audio before its score comes out: the resampler's
    /// delay, 1.25 ms, and none at 16 kHz.
    pub fn delay(&self) -> u64 {
        self.resampler.delay() as u64
    }

    /// The longest distance in input frames from any frame to the end of the score that first covers it.
    pub fn hop(&self) -> u64 {
        let hop = self.first.detector.hop() / (1 + self.others.len());
        self.to_frames(hop as u64)
    }

    /// Whether more than one phase was asked for.
    pub fn two_phase(&self) -> bool {
        self.phases > 1
    }

    /// Two phases, or one: see [`set_phases`](Self::set_phases).
    pub fn set_two_phase(&mut self, on: bool) {
        self.set_phases(if on { 2 } else { 1 });
    }

    /// Scores 1, 2 or 4 times per hop of Silero (every 32, 16 or 8 ms) at as many times the cost: further detectors run
    /// out of phase with the first. They begin with a copy of the first's memory, at once, so that their first scores
    /// are as good as its own. May be switched at any time. Earshot, which scores every 16 ms, keeps to one phase.
    ///
    /// # Panics
    /// For another number.
    pub fn set_phases(&mut self, phases: usize) {
        assert!(matches!(phases, 1 | 2 | 4), "{phases} phases");
        if phases == self.phases {
            return;
        }
        self.phases = phases;
        self.others.clear();
        let hop = self.first.detector.hop() as u64;
        let context = self.first.detector.context();
        for n in 1..phases as u64 {
            // What the first has heard up to `first.next` is what the others know: their first hops end soon after
            // that. If that audio is there already, the scores come out with the next call.
            let next = self.first.next - hop + n * hop / phases as u64;
            let before = (next - self.audio_start) as usize;
            let fork = (self.first.detector).fork(&self.audio[before - context..before]);
            self.others
                .extend(fork.map(|detector| Phase { detector, next }));
        }
    }

    /// Forgets the audio so far; the next frame has position 0. The number of phases stays.
    pub fn reset(&mut self) {
        let phases = self.phases;
        self.resampler.reset();
        self.audio.clear();
        self.audio.resize(HISTORY, 0.0);
        self.audio_start = 0;
        self.first.detector.reset();
        self.first.next = HISTORY as u64;
        self.scored = 0;
        self.frames = 0;
        self.set_phases(1);
        self.set_phases(phases);
    }

    /// Takes the next interleaved samples and hands over each score that they complete, in the order of their ends.
    /// An incomplete frame at the end is ignored.
    pub fn process(&mut self, samples: Samples<'_>, mut scored: impl FnMut(Score)) {
        match samples {
            Samples::U8(s) => self.convert(s, |x| (f32::from(x) - 128.0) / 128.0, &mut scored),
            Samples::S16(s) => self.convert(s, |x| f32::from(x) / 32_768.0, &mut scored),
            Samples::S32(s) => self.convert(s, |x| x as f32 / 2_147_483_648.0, &mut scored),
            Samples::F32(s) => self.convert(s, sane, &mut scored),
            Samples::F64(s) => self.convert(s, |x| sane(x as f32), &mut scored),
        }
    }

    /// Takes `frames` of silence, as a gap in the stream is.
    pub fn process_silence(&mut self, frames: u64, mut scored: impl FnMut(Score)) {
        let silence = [0.0; CHUNK];
        let mut left = frames;
        while left > 0 {
            let count = left.min(CHUNK as u64);
            self.take(&silence[..count as usize], &mut scored);
            left -= count;
        }
    }

    fn convert<T: Copy>(
        &mut self,
        samples: &[T],
        to_float: impl Fn(T) -> f32,
        scored: &mut impl FnMut(Score),
    ) {
        let mut mono = [0.0; CHUNK];
        let channels = self.channels;
        for part in samples.chunks(CHUNK * channels) {
            let mono = &mut mono[..part.len() / channels];
            match channels {
                1 => {
                    for (to, from) in mono.iter_mut().zip(part) {
                        *to = to_float(*from);
                    }
                }
                2 => {
                    for (to, [left, right]) in mono.iter_mut().zip(part.as_chunks().0) {
                        *to = (to_float(*left) + to_float(*right)) * 0.5;
                    }
                }
                _ => {
                    let scale = 1.0 / channels as f32;
                    for (to, frame) in mono.iter_mut().zip(part.chunks_exact(channels)) {
                        *to = frame.iter().map(|x| to_float(*x)).sum::<f32>() * scale;
                    }
                }
            }
            self.take(mono, scored);
        }
    }

    /// The mono audio of the input's rate.
    fn take(&mut self, mono: &[f32], scored: &mut impl FnMut(Score)) {
        self.frames += mono.len() as u64;
        self.resampler.push(mono, &mut self.audio);
        let available = self.audio_start + self.audio.len() as u64;
        let hop = self.first.detector.hop();
        loop {
            let mut phase = &mut self.first;
            let mut second_phase = false;
            for other in &mut self.others {
                if other.next < phase.next {
                    phase = other;
                    second_phase = true;
                }
            }
            let end = phase.next + hop as u64;
            if end > available {
                break;
            }
            let audio = &self.audio[(phase.next - self.audio_start) as usize..][..hop];
            let value = phase.detector.score(audio);
            let power = audio.iter().map(|x| x * x).sum::<f32>() / hop as f32;
            phase.next = end;
            // Phases that are switched off and on again go over the same audio.
            if end <= self.scored {
                continue;
            }
            self.scored = end;
            scored(Score {
                value,
                end: self.to_frames(end - HISTORY as u64),
                frames: self.to_frames(hop as u64),
                rms: power.sqrt(),
                second_phase,
            });
        }
        let keep = self.first.next - HISTORY as u64;
        if keep >= self.audio_start + 8 * HISTORY as u64 {
            self.audio.drain(..(keep - self.audio_start) as usize);
            self.audio_start = keep;
        }
    }

    /// From 16 kHz samples to input frames.
    fn to_frames(&self, samples: u64) -> u64 {
        (u128::from(samples) * u128::from(self.rate) / u128::from(ANALYSIS_RATE)) as u64
    }
}

/// Not a number and infinite are silence; far beyond full scale is full scale.
fn sane(x: f32) -> f32 {
    if x.is_finite() {
        x.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;

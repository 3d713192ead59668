// SPDX-License-Identifier: MPL-2.0

//! Faster and slower speech at its own pitch, piece by piece.

use std::num::{NonZeroU16, NonZeroU32};

use wsola::{Config, TimeStretch};

/// Half of the window. Short, so that consonants stay sharp; a window holds the period of any voice.
const HOP_MS: f32 = 12.0;
/// How far the place of a window may move to fit: half the period of a voice of 60 Hz.
const SEARCH_MS: f32 = 8.0;

/// Stretches mono sound. One chunk after another: [`finish`](Self::finish) ends one.
pub struct Stretch {
    inner: TimeStretch,
    tempo: f64,
    /// Silence that pushes the last of a chunk through.
    flush: usize,
    block: Vec<f32>,
    /// Stretched, but not handed out.
    ready: Vec<f32>,
    /// Samples of the chunk that went in and came out.
    read: u64,
    written: u64,
}

impl Stretch {
    /// For a speed within `duplex_synthesis::RATES`. `None` where it is 1.0 and there is nothing to do, or the rate is 0.
    pub fn new(sample_rate: u32, tempo: f64) -> Option<Self> {
        if tempo == 1.0 {
            return None;
        }
        let config = Config {
            hop_ms: HOP_MS,
            search_ms: SEARCH_MS,
        };
        let mono = NonZeroU16::MIN;
        let mut inner =
            TimeStretch::with_config(NonZeroU32::new(sample_rate)?, mono, config).ok()?;
        inner.set_tempo(tempo as f32);
        let block = vec![0.0; inner.min_output_buff_size()];
        let window = HOP_MS * 2.0 + SEARCH_MS * 2.0;
        Some(Self {
            inner,
            tempo,
            flush: (window * sample_rate as f32 / 1000.0) as usize + 4 * block.len(),
            block,
            ready: Vec::new(),
            read: 0,
            written: 0,
        })
    }

    /// Takes sound in, and adds to `out` what is ready. About 40 ms stay inside.
    pub fn push(&mut self, sound: &[f32], out: &mut Vec<f32>) {
        self.read += sound.len() as u64;
        self.inner.push(sound);
        self.pull();
        self.hand_out(out);
    }

    /// Adds the rest of the chunk, whose sound then has the length that its speed asks for, and begins the next one.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        while self.due() > self.ready.len() {
            self.inner.push(&vec![0.0; self.flush]);
            self.pull();
        }
        self.hand_out(out);
        self.inner.reset();
        self.ready.clear();
        (self.read, self.written) = (0, 0);
    }

    /// How many samples are owed for what went in.
    fn due(&self) -> usize {
        let length = (self.read as f64 / self.tempo).round() as u64;
        (length - self.written) as usize
    }

    fn pull(&mut self) {
        while let Ok(count) = self.inner.pull(&mut self.block) {
            self.ready.extend_from_slice(&self.block[..count]);
        }
    }

    fn hand_out(&mut self, out: &mut Vec<f32>) {
        let count = self.due().min(self.ready.len());
        out.extend(self.ready.drain(..count));
        self.written += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const RATE: u32 = 24_000;

    fn stretched(sound: &[f32], tempo: f64, piece: usize) -> Vec<f32> {
        let mut stretch = Stretch::new(RATE, tempo).unwrap();
        let mut out = Vec::new();
        for sound in sound.chunks(piece) {
            stretch.push(sound, &mut out);
        }
        stretch.finish(&mut out);
        out
    }

    fn sine(hertz: f64, seconds: f64) -> Vec<f32> {
        (0..(seconds * f64::from(RATE)) as usize)
            .map(|n| (0.5 * (TAU * hertz * n as f64 / f64::from(RATE)).sin()) as f32)
            .collect()
    }

    /// By its upward crossings of zero, in Hz.
    fn pitch(sound: &[f32]) -> f64 {
        let crossings: Vec<f64> = sound
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
            .map(|(at, pair)| at as f64 + f64::from(-pair[0] / (pair[1] - pair[0])))
            .collect();
        let periods = crossings.len() - 1;
        periods as f64 * f64::from(RATE) / (crossings[periods] - crossings[0])
    }

    #[test]
    fn the_length_changes_and_the_pitch_does_not() {
        for hertz in [80.0, 210.0, 330.0] {
            let sound = sine(hertz, 2.0);
            for tempo in [0.3, 0.5, 0.8, 1.25, 2.0, 4.0] {
                let out = stretched(&sound, tempo, 1920);
                assert_eq!(out.len(), (sound.len() as f64 / tempo).round() as usize);
                let middle = &out[out.len() / 8..out.len() * 7 / 8];
                let found = pitch(middle);
                assert!((found - hertz).abs() < 3.0, "{hertz} Hz × {tempo}: {found}");
                let energy: f32 = middle.iter().map(|x| x * x).sum::<f32>() / middle.len() as f32;
                assert!(
                    (0.11..0.14).contains(&energy),
                    "{hertz} × {tempo}: {energy}"
                );
            }
        }
    }

    #[test]
    fn it_sounds_the_same_however_the_sound_comes() {
        let sound = sine(140.0, 1.0);
        assert_eq!(stretched(&sound, 1.3, 240), stretched(&sound, 1.3, 1920));
    }

    #[test]
    fn chunks_do_not_know_of_each_other_and_short_ones_keep_their_length() {
        let sound = sine(140.0, 0.5);
        let mut stretch = Stretch::new(RATE, 0.7).unwrap();
        let mut out = Vec::new();
        for _ in 0..2 {
            stretch.push(&sound, &mut out);
            stretch.finish(&mut out);
        }
        assert_eq!(out[..out.len() / 2], out[out.len() / 2..]);
        for length in [0, 1, 100, 500] {
            let out = stretched(&sound[..length], 2.0, 50);
            assert_eq!(out.len(), (length as f64 / 2.0).round() as usize);
        }
    }

    #[test]
    fn the_voices_own_speed_costs_nothing() {
        assert!(Stretch::new(RATE, 1.0).is_none());
    }
}

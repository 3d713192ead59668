// SPDX-License-Identifier: MPL-2.0

//! What a room sounds like when nobody speaks to the microphone.

use crate::{
    random::Random,
    recordings::{RATE, Recording},
    signal,
};

/// A background, or a sound that is no speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Nothing at all.
    Silence,
    /// Even over all frequencies: a hiss.
    White,
    /// −3 dB an octave: ventilation, traffic.
    Pink,
    /// 50 Hz and its harmonics over a faint hiss.
    Hum,
    /// A click every half second or so.
    Clicks,
    /// Somebody types: bursts of some keys a second.
    Keys,
    /// Somebody knocks on the table, two or three times every few seconds.
    Knocks,
    /// Many people at once, none to be understood; needs recordings.
    Babble,
}

impl Noise {
    /// All that do without recordings.
    pub const MADE: [Noise; 6] = [
        Noise::White,
        Noise::Pink,
        Noise::Hum,
        Noise::Clicks,
        Noise::Keys,
        Noise::Knocks,
    ];

    /// `length` samples at [`RATE`] with an RMS of `level`. `speakers` are only used by
    /// [`Noise::Babble`], which falls back on pink noise where there are none.
    pub fn samples(
        self,
        length: usize,
        level: f64,
        random: &mut Random,
        speakers: &[Recording],
    ) -> Vec<f32> {
        let mut samples = match self {
            Noise::Silence => vec![0.0; length],
            Noise::White => (0..length).map(|_| random.normal() as f32).collect(),
            Noise::Pink => pink(length, random),
            Noise::Hum => hum(length, random),
            Noise::Clicks => clicks(length, random),
            Noise::Keys => keys(length, random),
            Noise::Knocks => knocks(length, random),
            Noise::Babble if speakers.is_empty() => pink(length, random),
            Noise::Babble => babble(length, random, speakers),
        };
        let now = signal::rms(&samples);
        if now > 0.0 {
            signal::scale(&mut samples, (level / now) as f32);
        }
        samples
    }
}

/// Paul Kellet's filter: within 0.05 dB of −3 dB an octave above 10 Hz.
fn pink(length: usize, random: &mut Random) -> Vec<f32> {
    let mut b = [0.0f64; 7];
    (0..length)
        .map(|_| {
            let white = random.normal();
            b[0] = 0.99886 * b[0] + white * 0.0555179;
            b[1] = 0.99332 * b[1] + white * 0.0750759;
            b[2] = 0.96900 * b[2] + white * 0.1538520;
            b[3] = 0.86650 * b[3] + white * 0.3104856;
            b[4] = 0.55000 * b[4] + white * 0.5329522;
            b[5] = -0.7616 * b[5] - white * 0.0168980;
            let sum = b.iter().sum::<f64>() + white * 0.5362;
            b[6] = white * 0.115926;
            sum as f32
        })
        .collect()
}

fn hum(length: usize, random: &mut Random) -> Vec<f32> {
    let phases: Vec<f64> = (0..12)
        .map(|_| random.between(0.0, std::f64::consts::TAU))
        .collect();
    (0..length)
        .map(|n| {
            let t = n as f64 / f64::from(RATE);
            let harmonics: f64 = phases
                .iter()
                .enumerate()
                .map(|(k, phase)| {
                    let order = k as f64 + 1.0;
                    (std::f64::consts::TAU * 50.0 * order * t + phase).sin() / order
                })
                .sum();
            (harmonics + 0.02 * random.normal()) as f32
        })
        .collect()
}

fn clicks(length: usize, random: &mut Random) -> Vec<f32> {
    let mut samples: Vec<f32> = (0..length)
        .map(|_| (0.002 * random.normal()) as f32)
        .collect();
    let mut at = 0.0;
    loop {
        at += random.between(0.2, 0.8) * f64::from(RATE);
        if at as usize >= length {
            return samples;
        }
        let ring = random.between(1500.0, 5000.0);
        let click: Vec<f32> = (0..RATE as usize / 100)
            .map(|n| {
                let t = n as f64 / f64::from(RATE);
                ((-t * 900.0).exp() * (std::f64::consts::TAU * ring * t).sin()) as f32
            })
            .collect();
        signal::add(&mut samples, &click, at as usize);
    }
}

/// Words of three to nine keys. A key is struck and, some 80 ms later and softer, let go: each a
/// burst of 12 ms around 2 to 4 kHz.
fn keys(length: usize, random: &mut Random) -> Vec<f32> {
    let mut samples = faint(length, random);
    let mut at = 0.2;
    while at < length as f64 / f64::from(RATE) {
        for _ in 0..3 + random.below(7) {
            for (after, level) in [(0.0, 1.0), (random.between(0.06, 0.1), 0.5)] {
                let hz = random.between(2000.0, 4000.0);
                let key = burst(0.012, 0.003, hz, 2500.0, level, random);
                signal::add(
                    &mut samples,
                    &key,
                    ((at + after) * f64::from(RATE)) as usize,
                );
            }
            at += random.between(0.09, 0.22);
        }
        at += random.between(0.4, 1.5);
    }
    samples
}

/// Two or three knocks of 60 ms around 200 Hz.
fn knocks(length: usize, random: &mut Random) -> Vec<f32> {
    let mut samples = faint(length, random);
    let mut at = 0.5;
    while at < length as f64 / f64::from(RATE) {
        for _ in 0..2 + random.below(2) {
            let hz = random.between(150.0, 300.0);
            let knock = burst(0.06, 0.012, hz, 120.0, 1.0, random);
            signal::add(&mut samples, &knock, (at * f64::from(RATE)) as usize);
            at += random.between(0.15, 0.3);
        }
        at += random.between(2.0, 4.0);
    }
    samples
}

fn faint(length: usize, random: &mut Random) -> Vec<f32> {
    (0..length)
        .map(|_| (0.002 * random.normal()) as f32)
        .collect()
}

/// `seconds` of noise around `hz` that has died away to a third after `decay` seconds.
fn burst(
    seconds: f64,
    decay: f64,
    hz: f64,
    width: f64,
    level: f64,
    random: &mut Random,
) -> Vec<f32> {
    let mut body = Resonance::new(hz, width);
    let mut samples: Vec<f32> = (0..(seconds * f64::from(RATE)) as usize)
        .map(|n| {
            let t = n as f64 / f64::from(RATE);
            body.step(random.normal() * (-t / decay).exp()) as f32
        })
        .collect();
    let loudest = samples.iter().fold(0.0f32, |max, s| max.max(s.abs()));
    signal::scale(&mut samples, level as f32 / loudest);
    samples
}

/// Twelve voices at random places, played backwards: the spectrum and rhythm of speech without a
/// word or a true onset in it.
fn babble(length: usize, random: &mut Random, speakers: &[Recording]) -> Vec<f32> {
    let mut samples = vec![0.0; length];
    for _ in 0..12 {
        let mut at = 0;
        while at < length {
            let recording = &speakers[random.below(speakers.len())];
            let mut voice: Vec<f32> = recording.speech().iter().rev().copied().collect();
            signal::scale(
                &mut voice,
                (random.between(0.5, 1.0) / recording.level) as f32,
            );
            signal::add(&mut samples, &voice, at);
            at += voice.len() + (random.between(0.0, 0.2) * f64::from(RATE)) as usize;
        }
    }
    samples
}

/// A cough of about 150 ms with a peak of `peak`: a burst of air that a throat colours, without
/// any pitch.
pub fn cough(peak: f32, random: &mut Random) -> Vec<f32> {
    let length = (random.between(0.13, 0.17) * f64::from(RATE)) as usize;
    // Two resonances of an open mouth.
    let mut low = Resonance::new(random.between(450.0, 650.0), 250.0);
    let mut high = Resonance::new(random.between(1300.0, 1800.0), 500.0);
    let mut samples: Vec<f32> = (0..length)
        .map(|n| {
            let t = n as f64 / f64::from(RATE);
            // Opens within 4 ms, then dies away.
            let envelope = (t / 0.004).min(1.0) * (-t * 28.0).exp();
            let air = random.normal() * envelope;
            (low.step(air) + 0.6 * high.step(air)) as f32
        })
        .collect();
    let loudest = samples.iter().fold(0.0f32, |max, s| max.max(s.abs()));
    signal::scale(&mut samples, peak / loudest);
    samples
}

struct Resonance {
    a1: f64,
    a2: f64,
    gain: f64,
    y1: f64,
    y2: f64,
}

impl Resonance {
    fn new(hz: f64, width: f64) -> Self {
        let r = (-std::f64::consts::PI * width / f64::from(RATE)).exp();
        let theta = std::f64::consts::TAU * hz / f64::from(RATE);
        Self {
            a1: 2.0 * r * theta.cos(),
            a2: -r * r,
            gain: 1.0 - r,
            y1: 0.0,
            y2: 0.0,
        }
    }

    fn step(&mut self, x: f64) -> f64 {
        let y = self.gain * x + self.a1 * self.y1 + self.a2 * self.y2;
        self.y2 = std::mem::replace(&mut self.y1, y);
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_noise_has_the_level_that_was_asked_for() {
        let speakers = crate::recordings::speaker_tests().unwrap();
        for noise in Noise::MADE.into_iter().chain([Noise::Babble]) {
            let samples = noise.samples(96_000, 0.05, &mut Random::new(1), &speakers);
            assert_eq!(samples.len(), 96_000);
            let level = signal::rms(&samples);
            assert!((level - 0.05).abs() < 1e-4, "{noise:?}: {level}");
            let again = noise.samples(96_000, 0.05, &mut Random::new(1), &speakers);
            assert_eq!(samples, again, "{noise:?} differs from run to run");
        }
    }
}

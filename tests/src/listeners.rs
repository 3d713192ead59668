// SPDX-License-Identifier: MPL-2.0

//! What is to be heard of somebody who listens to an agent: backchannels, the throat, things on the desk; and of somebody
//! who takes the floor.
//!
//! Two sets without a voice or a recording in common: thresholds are looked for on [`known`] and told of [`held_out`]. No
//! package of Debian has a recorded cough, so coughs are made ([`noise::cough`]).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gst::prelude::*;

use crate::{
    noise, plugins,
    random::Random,
    recordings::{self, RATE},
    signal, speaking,
};

/// What kind of sound it is, as a table calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A backchannel that a person has recorded.
    Recorded,
    /// A backchannel of a synthesizer.
    Spoken,
    /// A throat without a word, recorded.
    Throat,
    /// A cough, made.
    Cough,
    /// A thing, recorded or made.
    Thing,
    /// A sentence that takes the floor.
    Sentence,
}

impl Kind {
    /// As a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded backchannels",
            Self::Spoken => "synthesized backchannels",
            Self::Throat => "recorded throats",
            Self::Cough => "made coughs",
            Self::Thing => "things",
            Self::Sentence => "sentences",
        }
    }
}

/// A sound, at [`RATE`], as loud as somebody near a microphone.
#[derive(Clone, Debug)]
pub struct Sound {
    /// What it is.
    pub what: String,
    /// Of which kind.
    pub kind: Kind,
    /// Mono.
    pub samples: Vec<f32>,
}

impl Sound {
    fn new(kind: Kind, what: impl Into<String>, samples: Vec<f32>) -> Self {
        Self {
            what: what.into(),
            kind,
            samples: level(samples),
        }
    }
}

/// As loud as the recordings are.
pub fn level(mut samples: Vec<f32>) -> Vec<f32> {
    let peak = samples.iter().fold(0.0f32, |max, s| max.max(s.abs()));
    signal::scale(&mut samples, 0.4 / peak.max(1e-6));
    samples
}

/// The voice of espeaktts says so, at [`RATE`].
pub fn spoken(text: &str, voice: &str) -> Vec<f32> {
    plugins::init();
    let rig = speaking::Rig::new("espeaktts");
    rig.element.set_property("voice", voice);
    rig.start();
    rig.begin_bytes();
    rig.push(text).unwrap();
    let samples: Vec<f32> = speaking::samples(&rig.drain())
        .iter()
        .map(|sample| f32::from(*sample) / 32_768.0)
        .collect();
    signal::resample(&samples, 22_050, RATE)
}

const BACKCHANNELS: [&str; 6] = ["uh-huh", "mm-hmm", "yeah", "okay", "I see", "right"];

/// What thresholds are looked for on: four voices, coughs, murmurs of alsa-utils, and its noise.
pub fn known() -> Result<Vec<Sound>> {
    let mut sounds = Vec::new();
    for voice in ["en-us", "en-gb", "en-us+f3", "en-us+m5"] {
        for text in BACKCHANNELS {
            let what = format!("{text} ({voice})");
            sounds.push(Sound::new(Kind::Spoken, what, spoken(text, voice)));
        }
    }
    let mut random = Random::new(3);
    for n in 0..4 {
        let cough = noise::cough(0.4, &mut random);
        sounds.push(Sound::new(Kind::Cough, format!("cough {n}"), cough));
    }
    for recording in recordings::speaker_tests()?.iter().take(4) {
        let murmur = recording.speech()[..(RATE as usize * 13) / 100].to_vec();
        let what = format!("murmur of {}", recording.name);
        sounds.push(Sound::new(Kind::Throat, what, murmur));
    }
    let (hiss, rate) = signal::read_wav(Path::new("/usr/share/sounds/alsa/Noise.wav"))?;
    let hiss = signal::resample(&hiss, rate, RATE);
    let hiss = hiss[..RATE as usize].to_vec();
    sounds.push(Sound::new(Kind::Thing, "hiss", hiss));
    Ok(sounds)
}

/// Packages that have what [`held_out`] uses, each optional.
pub const PACKAGES: [&str; 6] = [
    "asterisk-core-sounds-en-wav",
    "asterisk-core-sounds-fr-wav",
    "asterisk-core-sounds-it-wav",
    "teeworlds-data",
    "sound-theme-freedesktop",
    "sound-icons",
];

/// What is told of: other voices, other coughs, and what packages have recorded: letters that sound as "ah", "eh" and "oh" do,
/// throats of a game, things of desktops. What is not installed is missing, and is said aloud.
pub fn held_out() -> Result<Vec<Sound>> {
    let mut sounds = Vec::new();
    for voice in ["en-us+f2", "en-us+m3", "en-gb-x-rp+f4", "en-gb-scotland"] {
        for text in [
            "uh-huh", "mm-hmm", "mhm", "yeah", "okay", "I see", "right", "sure",
        ] {
            let what = format!("{text} ({voice})");
            sounds.push(Sound::new(Kind::Spoken, what, spoken(text, voice)));
        }
    }
    let mut random = Random::new(1117);
    for n in 0..12 {
        // One, or two in a row.
        let mut cough = noise::cough(0.4, &mut random);
        if n % 3 == 2 {
            let pause = (random.between(0.08, 0.16) * f64::from(RATE)) as usize;
            cough.resize(cough.len() + pause, 0.0);
            cough.extend(noise::cough(0.35, &mut random));
        }
        sounds.push(Sound::new(Kind::Cough, format!("cough {n}"), cough));
    }
    for (kind, folder, names) in [
        // French and Italian letters, and the English ones, of three people.
        (
            Kind::Recorded,
            "/usr/share/asterisk/sounds/fr_CA_f_June/letters",
            &["a", "e", "o"][..],
        ),
        (
            Kind::Recorded,
            "/usr/share/asterisk/sounds/it_IT_m_Carlo/letters",
            &["a", "e", "o"],
        ),
        (
            Kind::Recorded,
            "/usr/share/asterisk/sounds/en_US_f_Allison/letters",
            &["o"],
        ),
        (
            Kind::Throat,
            "/usr/share/games/teeworlds/data/audio",
            &["vo_teefault_pain_short-", "vo_teefault_spawn-0"],
        ),
        (
            Kind::Thing,
            "/usr/share/sounds/freedesktop/stereo",
            &[
                "bell",
                "camera-shutter",
                "dialog-warning",
                "message.",
                "phone-outgoing-busy",
                "trash-empty",
                "audio-volume-change",
            ],
        ),
        (
            Kind::Thing,
            "/usr/share/sounds/sound-icons",
            &[
                "glass-water-1",
                "canary-long",
                "percussion-50",
                "cymbaly-1",
                "prompt",
            ],
        ),
    ] {
        let found = files(folder, names);
        if found.is_empty() {
            println!(
                "SKIPPED: nothing in {folder}: apt-get install {}",
                PACKAGES.join(" ")
            );
        }
        for path in found {
            let (samples, rate) = decoded(&path)?;
            let samples = signal::resample(&samples, rate, RATE);
            // What is long is no noise that passes.
            let samples = trimmed(&samples);
            let length = samples.len().min(RATE as usize * 12 / 10);
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let place = path
                .parent()
                .and_then(|p| p.parent())
                .and_then(Path::file_name);
            let place = place.unwrap_or_default().to_string_lossy();
            let what = format!("{name} ({place})");
            sounds.push(Sound::new(kind, what, samples[..length].to_vec()));
        }
    }
    Ok(sounds)
}

/// Sentences that take the floor: those of conversation.gram in voices that nothing was set on, and prompts that it does
/// not have.
pub fn sentences() -> Result<Vec<Sound>> {
    let mut sounds = Vec::new();
    for voice in ["en-us+f2", "en-us+m3", "en-gb-x-rp+f4"] {
        for text in [
            "stop",
            "wait a moment",
            "tell me another story",
            "what time is it",
            "no thank you",
            "count to ten please",
            "I lost my wallet yesterday",
            "can you recommend a book",
        ] {
            let what = format!("{text} ({voice})");
            sounds.push(Sound::new(Kind::Sentence, what, spoken(text, voice)));
        }
    }
    for recording in recordings::prompts(16).unwrap_or_default() {
        let what = format!("prompt {}", recording.name);
        let speech = recording.speech().to_vec();
        sounds.push(Sound::new(Kind::Sentence, what, speech));
    }
    Ok(sounds)
}

/// The files of a folder whose name begins so, in their order.
fn files(folder: &str, names: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let fits = |name: &str| {
                let rest = file.strip_prefix(name);
                rest.is_some_and(|rest| name.len() > 1 || rest.starts_with('.'))
            };
            names.iter().any(|name| fits(name))
        })
        .collect();
    files.sort();
    files
}

/// Without the silence around it.
fn trimmed(samples: &[f32]) -> Vec<f32> {
    let loudest = samples.iter().fold(0.0f32, |max, s| max.max(s.abs()));
    let floor = signal::to_db(f64::from(loudest)) - 35.0;
    let first = signal::first_audible(samples, RATE, floor).unwrap_or(0);
    let last = signal::last_audible(samples, RATE, floor).unwrap_or(samples.len());
    samples[first..last.max(first)].to_vec()
}

/// A sound file of any format that GStreamer reads: mono, with its rate.
fn decoded(path: &Path) -> Result<(Vec<f32>, u32)> {
    plugins::init();
    let pipeline = gst::parse::launch(
        "filesrc name=file ! decodebin ! audioconvert ! audioresample \
         ! audio/x-raw,format=F32LE,channels=1,rate=48000,layout=interleaved ! appsink name=out sync=false",
    )?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .ok()
        .context("a pipeline")?;
    let file = pipeline.by_name("file").context("a file")?;
    file.set_property("location", path.display().to_string());
    let out = pipeline.by_name("out").and_downcast::<gst_app::AppSink>();
    let out = out.context("a sink")?;
    pipeline.set_state(gst::State::Playing)?;
    let mut samples = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        let buffer = sample.buffer().context("a buffer")?;
        let map = buffer.map_readable()?;
        samples.extend(
            map.as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b)),
        );
    }
    pipeline.set_state(gst::State::Null)?;
    anyhow::ensure!(!samples.is_empty(), "{} cannot be read", path.display());
    Ok((samples, 48_000))
}

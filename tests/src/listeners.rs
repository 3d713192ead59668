// SPDX-License-Identifier: MPL-2.0

//! What is to be heard of somebody who listens to an agent: backchannels, the throat, things on the desk; and of somebody
//! who takes the floor.
//!
//! Three sets without a voice or a recording in common: thresholds are looked for on [`known`] and [`seen`], and told of
//! [`held_out`]. Of the packages looked at, one has recorded coughs, five of them, so most coughs are made ([`noise::cough`]).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

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
    /// A cough, made or recorded.
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
            Self::Cough => "coughs",
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

// A synthesizer spells what has no vowels: "mhm" would be three letters, and "um-hum" is nearest to what is meant.
const BACKCHANNELS: [&str; 6] = ["uh-huh", "um-hum", "yeah", "okay", "I see", "right"];

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

/// Packages that have what [`seen`] and [`held_out`] use, each optional.
pub const PACKAGES: [&str; 8] = [
    "asterisk-core-sounds-en-wav",
    "asterisk-core-sounds-fr-wav",
    "asterisk-core-sounds-it-wav",
    "asterisk-core-sounds-ru-wav",
    "hedgewars-data",
    "teeworlds-data",
    "sound-theme-freedesktop",
    "sound-icons",
];

/// A folder of recordings, and how the names of those wanted begin.
type Folder = (Kind, &'static str, &'static [&'static str]);

/// What was once held out and has been looked at since: it goes with [`known`]. Four other voices, other coughs, letters that sound
/// as "ah", "eh" and "oh" do, throats of a game, things of desktops.
pub fn seen() -> Result<Vec<Sound>> {
    let voices = ["en-us+f2", "en-us+m3", "en-gb-x-rp+f4", "en-gb-scotland"];
    let mut sounds = made(&voices, 1117);
    sounds.extend(recorded(&[
        // French and Italian letters, and the English ones, of three people.
        (
            Kind::Recorded,
            "/usr/share/asterisk/sounds/fr_CA_f_June/letters",
            &["a", "e", "o"],
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
    ])?);
    Ok(sounds)
}

/// Where hedgewars-data has what its hedgehogs say.
const HEDGEWARS: &str = "/usr/share/games/hedgewars/Data/Sounds";

/// What is told of: other voices, other coughs, and what other people have recorded: "hmm" of ten, coughs of five, a cry of
/// each, Russian letters that sound as "ah", "eh" and "oh" do; and things. What is not installed is missing, and is said
/// aloud.
pub fn held_out() -> Result<Vec<Sound>> {
    let mut sounds = made(&FRESH, 2129);
    sounds.extend(recorded(&[
        (
            Kind::Recorded,
            "/usr/share/asterisk/sounds/ru_RU_f_IvrvoiceRU/letters",
            &["a", "e", "o"],
        ),
        (
            Kind::Thing,
            HEDGEWARS,
            &[
                "baseballbat",
                "Droplet1",
                "egg",
                "hammer",
                "knife_impact",
                "shotgunreload",
                "shutterclick",
                "splash",
                "steps",
                "switchhog",
                "whipcrack",
            ],
        ),
    ])?);
    let mut people: Vec<PathBuf> = std::fs::read_dir(format!("{HEDGEWARS}/voices"))
        .map(|entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect()
        })
        .unwrap_or_default();
    people.sort();
    // Some share a recording.
    let mut had = BTreeSet::new();
    for (kind, name) in [
        (Kind::Recorded, "Hmm.ogg"),
        (Kind::Cough, "PoisonCough.ogg"),
        (Kind::Throat, "Ooff1.ogg"),
    ] {
        for path in people.iter().map(|person| person.join(name)) {
            if path.exists() && had.insert(std::fs::read(&path)?) {
                sounds.push(recording(kind, &path, 0)?);
            }
        }
    }
    Ok(sounds)
}

/// Backchannels of these voices, and twelve coughs.
fn made(voices: &[&str], seed: u64) -> Vec<Sound> {
    let mut sounds = Vec::new();
    for voice in voices {
        for text in [
            "uh-huh", "um-hum", "hmm", "yeah", "okay", "I see", "right", "sure",
        ] {
            let what = format!("{text} ({voice})");
            sounds.push(Sound::new(Kind::Spoken, what, spoken(text, voice)));
        }
    }
    let mut random = Random::new(seed);
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
    sounds
}

fn recorded(folders: &[Folder]) -> Result<Vec<Sound>> {
    let mut sounds = Vec::new();
    for (kind, folder, names) in folders {
        let found = files(folder, names);
        if found.is_empty() {
            println!(
                "SKIPPED: nothing in {folder}: apt-get install {}",
                PACKAGES.join(" ")
            );
        }
        for path in found {
            sounds.push(recording(*kind, &path, 1)?);
        }
    }
    Ok(sounds)
}

/// A recording without the silence around it, named by its file and the folder that is so far up.
fn recording(kind: Kind, path: &Path, up: usize) -> Result<Sound> {
    let (samples, rate) = decoded(path)?;
    let samples = trimmed(&signal::resample(&samples, rate, RATE));
    // What is long is no noise that passes.
    let length = samples.len().min(RATE as usize * 12 / 10);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let place = path.ancestors().nth(1 + up).and_then(Path::file_name);
    let place = place.unwrap_or_default().to_string_lossy();
    let what = format!("{name} ({place})");
    Ok(Sound::new(kind, what, samples[..length].to_vec()))
}

/// The voices that are told of.
const FRESH: [&str; 4] = ["en-us+f1", "en-us+m1", "en-gb+f5", "en-gb-x-gbcwmd+m7"];

/// Sentences that take the floor: those of conversation.gram in voices that nothing was set on, and prompts that it does
/// not have.
pub fn sentences() -> Vec<Sound> {
    demands(&FRESH[..3], 1)
}

/// The same of voices and prompts that were looked at.
pub fn seen_sentences() -> Vec<Sound> {
    demands(&["en-us+f2", "en-us+m3", "en-gb-x-rp+f4"], 0)
}

/// Every second prompt, from this one on.
fn demands(voices: &[&str], from: usize) -> Vec<Sound> {
    let mut sounds = Vec::new();
    for voice in voices {
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
    let prompts = recordings::prompts(32).unwrap_or_default();
    for recording in prompts.iter().skip(from).step_by(2) {
        let what = format!("prompt {}", recording.name);
        let speech = recording.speech().to_vec();
        sounds.push(Sound::new(Kind::Sentence, what, speech));
    }
    sounds
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

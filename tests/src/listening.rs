// SPDX-License-Identifier: MPL-2.0

//! A conversation in which the caller makes sounds while the agent tells stories: whether it goes on, how long it is silent, and
//! whether a word is lost.
//!
//! pipelines/conversation.yaml as it is served, in this process and in real time. The sound that leaves is kept sample by sample, and
//! so is what the mouth tells of it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use duplex_runner::plan::Bindings;
use gst::prelude::*;

use crate::{
    listeners::{Kind, Sound},
    plugins,
    random::Random,
    recordings, signal,
};

/// Of the caller's sound, in Hz.
const RATE: u32 = 16_000;
/// Of the agent's: what espeaktts speaks at.
const OUT_RATE: u32 = 22_050;
/// Sound is silent below, in dB of full scale.
const SILENT: f64 = -50.0;
/// How long after a sound the agent has to go on.
const SETTLED: Duration = Duration::from_millis(2500);
/// How long a story is told before the next sound comes, at least, and how much longer by chance.
const TOLD: (f64, f64) = (1.0, 2.2);
/// What follows of a story where a sound may still begin: its stories are longer than 30 s.
const LATEST: Duration = Duration::from_secs(28);

/// What one sound came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The sound.
    pub what: String,
    /// Its kind.
    pub kind: Kind,
    /// The agent was interrupted, so long after the sound began.
    pub interrupted: Option<Duration>,
    /// The longest silence: from the last sample of speech before the agent paused to the first after it went on.
    pub silence: Duration,
    /// The longest that was added: silence without what the story itself has of it at that place.
    pub added: Duration,
    /// The part of that for which it was paused.
    pub paused: Duration,
}

/// What all sounds of a line came to.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Of each sound.
    pub outcomes: Vec<Outcome>,
    /// Words of the stories that were told to their end or up to an interruption.
    pub words: usize,
    /// Those among them that were not spoken.
    pub lost: usize,
    /// Resumptions at whose place the sound that was cut is heard again from its beginning, of those that cut a word.
    pub joined: (usize, usize),
}

/// What left: each frame with its running time.
type Frames = Vec<(u64, Vec<i16>)>;

/// The caller's end of the line.
struct Ends {
    source: gst_app::AppSrc,
    out: Arc<Mutex<Frames>>,
}

impl Bindings for Ends {
    fn audio_source(&mut self, _: Option<&str>) -> Result<Option<gst::Element>, String> {
        Ok(Some(self.source.clone().upcast()))
    }

    fn audio_sink(&mut self, _: Option<&str>) -> Result<Option<gst::Element>, String> {
        let line = format!(
            "capsfilter caps=audio/x-raw,format=S16LE,rate={OUT_RATE},channels=1 ! fakesink name=out sync=true"
        );
        let bin = gst::parse::bin_from_description(&line, true).map_err(|e| e.to_string())?;
        let sink = bin.by_name("out").and_then(|sink| sink.static_pad("sink"));
        let out = self.out.clone();
        sink.ok_or("no sink")?
            .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if let Some(buffer) = info.buffer()
                    && let (Some(pts), Ok(map)) = (buffer.pts(), buffer.map_readable())
                {
                    let samples = map
                        .as_chunks::<2>()
                        .0
                        .iter()
                        .map(|b| i16::from_le_bytes(*b));
                    let mut out = out.lock().unwrap_or_else(|e| e.into_inner());
                    out.push((pts.nseconds(), samples.collect()));
                }
                gst::PadProbeReturn::Ok
            });
        Ok(Some(bin.upcast()))
    }

    fn text_source(&mut self) -> Result<gst::Element, String> {
        Err("nothing is typed".into())
    }

    fn text_sink(&mut self) -> Result<gst::Element, String> {
        Err("nothing is read".into())
    }

    fn devices(&self) -> bool {
        false
    }
}

/// Sends a room in real time, and the sounds that it is given; tells at which running time each begins.
fn caller(
    source: &gst_app::AppSrc,
    pipeline: &gst::Pipeline,
    sounds: &mpsc::Receiver<Vec<i16>>,
    began: &mpsc::Sender<u64>,
    stop: &AtomicBool,
) {
    const FRAME: usize = RATE as usize / 100;
    let mut random = Random::new(7);
    let mut sound: Vec<i16> = Vec::new();
    for n in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // A microphone delivers what it has heard.
        let end = gst::ClockTime::from_mseconds(10 * (n + 1));
        while pipeline.current_running_time().is_none_or(|now| now < end) {
            thread::sleep(Duration::from_millis(1));
            if stop.load(Ordering::Relaxed) {
                return;
            }
        }
        if sound.is_empty()
            && let Ok(next) = sounds.try_recv()
        {
            sound = next;
            let _ = began.send(10_000_000 * n);
        }
        let mut frame: Vec<i16> = (0..FRAME)
            .map(|_| (random.normal() * 15.0) as i16)
            .collect();
        let part = sound.len().min(FRAME);
        for (sample, more) in frame.iter_mut().zip(sound.drain(..part)) {
            *sample = sample.saturating_add(more);
        }
        let bytes: Vec<u8> = frame.into_iter().flat_map(i16::to_le_bytes).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_mseconds(10 * n));
            buffer.set_duration(gst::ClockTime::from_mseconds(10));
        }
        if source.push_buffer(buffer).is_err() {
            return;
        }
    }
}

/// The sound that left, as one stretch.
struct Recording {
    from: u64,
    samples: Vec<f32>,
}

impl Recording {
    fn new(frames: &[(u64, Vec<i16>)]) -> Self {
        let from = frames.first().map_or(0, |(pts, _)| *pts);
        let mut samples: Vec<f32> = Vec::new();
        for (pts, frame) in frames {
            let at = sample_at(pts.saturating_sub(from));
            // Timestamps are rounded; a hole is silence.
            if at > samples.len() + 4 {
                samples.resize(at, 0.0);
            }
            samples.extend(frame.iter().map(|sample| f32::from(*sample) / 32_768.0));
        }
        Self { from, samples }
    }

    fn at(&self, running_time: u64) -> usize {
        sample_at(running_time.saturating_sub(self.from)).min(self.samples.len())
    }

    /// From the last sound before a time to the first after another.
    fn silence(&self, since: u64, until: u64) -> Duration {
        let (since, until) = (self.at(since), self.at(until));
        self.silence_between(since, until, until.saturating_sub(since))
    }

    /// The silence before one sample, that after another, and so many samples more.
    fn silence_between(&self, since: usize, until: usize, more: usize) -> Duration {
        let second = OUT_RATE as usize;
        let before = &self.samples[since.saturating_sub(2 * second)..since];
        let last = signal::last_audible(before, OUT_RATE, SILENT).unwrap_or(0);
        let after = &self.samples[until..(until + 2 * second).min(self.samples.len())];
        let first = signal::first_audible(after, OUT_RATE, SILENT).unwrap_or(after.len());
        let samples = before.len() - last + more + first;
        Duration::from_secs_f64(samples as f64 / f64::from(OUT_RATE))
    }

    /// The silence that the undisturbed story has where it was cut: what left up to `cut`, and what left from `on` without
    /// the `again` of it that had been heard before, put together.
    fn own_silence(&self, cut: u64, on: u64, again: u64) -> Duration {
        self.silence_between(self.at(cut), self.at(on.saturating_add(again)), 0)
    }

    /// Whether what was cut is heard again: `length` of it that ended at `cut`, from `again` on.
    fn repeats(&self, cut: u64, again: u64, length: u64) -> bool {
        let length = sample_at(length);
        // Without the rise, and without the fade.
        let edge = OUT_RATE as usize / 100;
        let (cut, again) = (self.at(cut), self.at(again));
        if length <= 3 * edge || cut < length + edge {
            return true;
        }
        let second = &self.samples[(again + edge).min(self.samples.len())..];
        let second = &second[..(length - 2 * edge).min(second.len())];
        // When a fade ended is known to a frame.
        let spread = 3 * edge as isize;
        (-spread..=spread).any(|shift| {
            let start = (cut - length + edge).saturating_add_signed(shift);
            let Some(first) = self.samples.get(start..start + second.len()) else {
                return false;
            };
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
            };
            let norm = (dot(first, first) * dot(second, second)).sqrt();
            norm < 1e-6 || dot(first, second) / norm > 0.98
        })
    }
}

fn sample_at(nanos: u64) -> usize {
    (u128::from(nanos) * u128::from(OUT_RATE) / 1_000_000_000) as usize
}

fn words_of(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '-'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// How many of `expected` were not spoken, in their order; a word that was cut may be said again.
fn missing(expected: &[String], spoken: &[String]) -> usize {
    let mut at = 0;
    let mut found = 0;
    for word in expected {
        if let Some(n) = spoken[at..].iter().take(4).position(|said| said == word) {
            at += n + 1;
            found += 1;
        }
    }
    expected.len() - found
}

/// What is known of the stretch in which one sound counts.
struct Current {
    n: usize,
    began: u64,
    pause: Option<gst::Structure>,
    pauses: Vec<(gst::Structure, gst::Structure)>,
    interrupted: Option<u64>,
}

/// Makes the sounds, one after another, each while a story is told.
pub fn listen(sounds: &[Sound], seed: u64) -> Result<Found> {
    plugins::init();
    let path = plugins::source().join("pipelines/conversation.yaml");
    let plan = duplex_runner::check_file(&path, &session(&path))
        .map_err(|report| anyhow!("{}: {report}", path.display()))?;
    let source = gst::ElementFactory::make("appsrc")
        .property("is-live", true)
        .property_from_str("format", "time")
        .property_from_str(
            "caps",
            &format!("audio/x-raw,format=S16LE,layout=interleaved,rate={RATE},channels=1"),
        )
        .build()?;
    let source = source.downcast::<gst_app::AppSrc>();
    let source = source.map_err(|_| anyhow!("appsrc is none"))?;
    let mut ends = Ends {
        source: source.clone(),
        out: Arc::default(),
    };
    let pipeline = plan
        .build(&mut ends)
        .map_err(|error| anyhow!("{}", error.message))?;
    pipeline.set_state(gst::State::Playing)?;
    let (next, wanted) = mpsc::channel();
    let (tell, began) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let microphone = {
        let (pipeline, stop) = (pipeline.clone(), stop.clone());
        thread::spawn(move || caller(&source, &pipeline, &wanted, &tell, &stop))
    };
    let found = follow(&pipeline, sounds, &next, &began, &ends.out, seed);
    stop.store(true, Ordering::Relaxed);
    pipeline.set_state(gst::State::Null)?;
    let _ = microphone.join();
    found
}

fn session(path: &Path) -> duplex_runner::Session {
    duplex_runner::Session {
        values: BTreeMap::from([("greeting".into(), String::new())]),
        complete: true,
        folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
    }
}

fn follow(
    pipeline: &gst::Pipeline,
    sounds: &[Sound],
    next: &mpsc::Sender<Vec<i16>>,
    began: &mpsc::Receiver<u64>,
    out: &Mutex<Frames>,
    seed: u64,
) -> Result<Found> {
    let chat = pipeline.by_name("chat").context("a partner")?;
    let bus = pipeline.bus().context("a bus")?;
    let mut random = Random::new(seed);
    let mut found = Found::default();
    let mut current: Option<Current> = None;
    let mut stretches: Vec<Current> = Vec::new();
    let (mut texts, mut spoken) = (BTreeMap::new(), BTreeMap::<String, Vec<String>>::new());
    // Since when the story is told, and when the next sound or the next story is due.
    let mut told: Option<(u64, u64)> = None;
    let mut ask = Some(0);
    let limit = Instant::now() + Duration::from_secs(10 * sounds.len() as u64 + 60);
    let running = || {
        pipeline
            .current_running_time()
            .map_or(0, gst::ClockTime::nseconds)
    };
    let seconds = |s: f64| (s * 1e9) as u64;
    let mut asked = 0;
    while stretches.len() < sounds.len() {
        ensure!(Instant::now() < limit, "the line hangs");
        let now = running();
        if ask.is_some_and(|at| now >= at) {
            ask = None;
            asked += 1;
            ensure!(asked < 3 * sounds.len() + 10, "no story is told");
            chat.emit_by_name::<()>("ask", &[&"tell me a story"]);
        }
        if let Ok(began) = began.try_recv()
            && let Some(current) = &mut current
        {
            current.began = began;
        }
        if let Some(one) = &current
            && one.began > 0
            && now > one.began + SETTLED.as_nanos() as u64 + length(&sounds[one.n])
            && (one.pause.is_none() || one.interrupted.is_some())
        {
            if one.interrupted.is_some() {
                ask = Some(now);
            } else if let Some((_, due)) = &mut told {
                *due = now + seconds(random.between(0.2, TOLD.1));
            }
            stretches.extend(current.take());
        }
        if current.is_none()
            && stretches.len() < sounds.len()
            && ask.is_none()
            && let Some((since, due)) = told
            && now >= due
        {
            if now > since + LATEST.as_nanos() as u64 {
                // What is left of it is told without a sound.
            } else {
                let n = stretches.len();
                let samples = signal::resample(&sounds[n].samples, recordings::RATE, RATE);
                next.send(signal::to_s16(&samples))?;
                current = Some(Current {
                    n,
                    began: 0,
                    pause: None,
                    pauses: Vec::new(),
                    interrupted: None,
                });
            }
        }
        let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(10)) else {
            continue;
        };
        if let gst::MessageView::Error(error) = message.view() {
            anyhow::bail!("{} {:?}", error.error(), error.debug());
        }
        let Some(said) = message.structure() else {
            continue;
        };
        let id = said.get::<String>("utterance-id").unwrap_or_default();
        match said.name().as_str() {
            "chat-answer" => {
                texts.insert(id, said.get::<String>("text").unwrap_or_default());
            }
            "ttssink/utterance-started" => {
                let due = running() + seconds(random.between(TOLD.0, TOLD.1));
                told = Some((running(), due));
                ask = None;
            }
            "ttssink/word" => {
                let word = said.get::<String>("text").unwrap_or_default();
                spoken.entry(id).or_default().extend(words_of(&word));
            }
            "ttssink/utterance-finished" => {
                told = None;
                // An answer of a sentence or two is no story either.
                ask = Some(running() + seconds(0.3));
                let expected = words_of(texts.get(&id).map_or("", String::as_str));
                found.words += expected.len();
                let said = spoken.remove(&id).unwrap_or_default();
                found.lost += missing(&expected, &said);
            }
            "ttssink/paused" => {
                if let Some(current) = &mut current {
                    current.pause = Some(said.to_owned());
                }
            }
            "ttssink/resumed" => {
                if let Some(current) = &mut current
                    && let Some(pause) = current.pause.take()
                {
                    current.pauses.push((pause, said.to_owned()));
                }
            }
            "ttssink/interrupted" => {
                told = None;
                let heard = said.get::<String>("heard-text").unwrap_or_default();
                let heard = words_of(&heard);
                let said = spoken.remove(&id).unwrap_or_default();
                found.words += heard.len();
                found.lost += missing(&heard, &said);
                match &mut current {
                    Some(current) => {
                        current.interrupted.get_or_insert(running());
                    }
                    // By what we asked ourselves.
                    None => ask = ask.or(Some(running() + seconds(1.0))),
                }
            }
            _ => {}
        }
    }
    let frames = out.lock().unwrap_or_else(|e| e.into_inner());
    let recording = Recording::new(&frames);
    for one in stretches {
        let time = |structure: &gst::Structure, name: &str| structure.get::<u64>(name).unwrap_or(0);
        let (mut silence, mut added) = (Duration::ZERO, Duration::ZERO);
        let mut paused = Duration::ZERO;
        for (pause, resumed) in &one.pauses {
            let (left, on) = (time(pause, "sounds-until"), time(resumed, "running-time"));
            let (cut, from) = (time(pause, "position"), time(resumed, "position"));
            // Between words it goes on where the silence ends.
            if from < cut {
                let fade = Duration::from_millis(8).as_nanos() as u64;
                found.joined.1 += 1;
                let again = recording.repeats(left.saturating_sub(fade), on, cut - from);
                found.joined.0 += usize::from(again);
            }
            let whole = recording.silence(left, on);
            let own = recording.own_silence(left, on, cut.saturating_sub(from));
            silence = silence.max(whole);
            added = added.max(whole.saturating_sub(own));
            paused = paused.max(Duration::from_nanos(on.saturating_sub(left)));
        }
        let sound = &sounds[one.n];
        found.outcomes.push(Outcome {
            what: sound.what.clone(),
            kind: sound.kind,
            interrupted: (one.interrupted)
                .map(|at| Duration::from_nanos(at.saturating_sub(one.began))),
            silence,
            added,
            paused,
        });
    }
    Ok(found)
}

fn length(sound: &Sound) -> u64 {
    sound.samples.len() as u64 * 1_000_000_000 / u64::from(recordings::RATE)
}

/// The same by several lines at once, so that it does not take long.
pub fn listen_on(lines: usize, sounds: &[Sound]) -> Result<Found> {
    let each = sounds.len().div_ceil(lines.max(1)).max(1);
    let lines: Vec<_> = sounds
        .chunks(each)
        .enumerate()
        .map(|(n, sounds)| {
            let sounds = sounds.to_vec();
            thread::spawn(move || listen(&sounds, 11 + n as u64))
        })
        .collect();
    let mut all = Found::default();
    for line in lines {
        let found = line.join().map_err(|_| anyhow!("a line panicked"))??;
        all.outcomes.extend(found.outcomes);
        all.words += found.words;
        all.lost += found.lost;
        all.joined.0 += found.joined.0;
        all.joined.1 += found.joined.1;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_left_out_are_counted() {
        let words = |text: &str| words_of(text);
        let story = words("Once, there was a cat. It slept.");
        assert_eq!(missing(&story, &words("once there was a cat it slept")), 0);
        assert_eq!(
            missing(&story, &words("once there there was a a cat it slept")),
            0
        );
        assert_eq!(missing(&story, &words("once there a cat it")), 2);
        assert_eq!(missing(&story, &[]), 7);
    }

    #[test]
    fn a_cut_word_is_found_again_or_missed() {
        let mut random = Random::new(1);
        let mut word = |length: usize| -> Vec<f32> {
            (0..length).map(|_| 0.2 * random.normal() as f32).collect()
        };
        let (cut, rest) = (word(4_410), word(2_205));
        let silence = vec![0.0; 6_615];
        let sound = |again: &[f32]| Recording {
            from: 0,
            samples: [&vec![0.0; 4_410][..], &cut, &silence, again, &rest].concat(),
        };
        let ms = |ms: u64| ms * 1_000_000;
        assert!(sound(&cut).repeats(ms(400), ms(700), ms(200)));
        assert!(!sound(&rest).repeats(ms(400), ms(700), ms(200)));
        let silence = sound(&cut).silence(ms(400), ms(700)).as_millis();
        assert!((295..=305).contains(&silence), "{silence}");
        // In the middle of a word the story is not silent.
        let own = sound(&cut).own_silence(ms(400), ms(700), ms(200));
        assert!(own.as_millis() < 5, "{own:?}");
    }

    #[test]
    fn a_pause_of_the_story_is_its_own() {
        let mut random = Random::new(2);
        let mut word = |ms: usize| -> Vec<f32> {
            (0..ms * 22).map(|_| 0.2 * random.normal() as f32).collect()
        };
        // 100 ms of its pause, 300 ms of waiting, 150 ms that remain of its pause.
        let quiet = |ms: usize| vec![0.0; ms * 22];
        let samples = [word(500), quiet(100), quiet(300), quiet(150), word(500)].concat();
        let sound = Recording { from: 0, samples };
        let at = |ms: u64| ms * 22 * 1_000_000_000 / u64::from(OUT_RATE);
        let close = |found: Duration, ms: u64| found.as_millis().abs_diff(u128::from(ms)) < 5;
        assert!(close(sound.own_silence(at(600), at(900), 0), 250));
        assert!(close(sound.silence(at(600), at(900)), 550));
    }
}

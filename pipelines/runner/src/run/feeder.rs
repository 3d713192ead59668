// SPDX-License-Identifier: MPL-2.0

//! A file as the caller: its samples arrive as a microphone would deliver them, each buffer of 10 ms when its last sample has
//! been spoken.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gst::prelude::*;

/// Length of a buffer.
const PERIOD: gst::ClockTime = gst::ClockTime::from_mseconds(10);

/// Samples a second that a caller may have.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;
/// Most channels that a caller may have.
const MAX_CHANNELS: u16 = 64;

/// A sound file in memory, 16 bits a sample.
#[derive(Clone, Debug)]
pub struct Sound {
    /// Where it came from.
    pub path: PathBuf,
    /// Samples a second.
    pub rate: u32,
    /// Channels, interleaved.
    pub channels: u16,
    /// The samples.
    pub samples: Vec<i16>,
}

impl Sound {
    /// Reads a WAV file; the error is one sentence.
    pub fn read(path: &Path) -> Result<Sound, String> {
        let fail = |what: String| format!("the sound file {} {what}", path.display());
        let mut reader = hound::WavReader::open(path).map_err(|err| match err {
            hound::Error::IoError(err) if err.kind() == std::io::ErrorKind::NotFound => {
                fail("does not exist".into())
            }
            hound::Error::IoError(err) => fail(format!("cannot be read: {err}")),
            err => fail(format!("is not a WAV file: {err}")),
        })?;
        let spec = reader.spec();
        let samples: Result<Vec<i16>, hound::Error> = match spec.sample_format {
            hound::SampleFormat::Float => reader
                .samples::<f32>()
                .map(|sample| Ok((sample?.clamp(-1.0, 1.0) * 32767.0) as i16))
                .collect(),
            hound::SampleFormat::Int => {
                let bits = i32::from(spec.bits_per_sample);
                reader
                    .samples::<i32>()
                    .map(|sample| {
                        let sample = sample?;
                        Ok(if bits > 16 {
                            sample >> (bits - 16)
                        } else {
                            sample << (16 - bits)
                        } as i16)
                    })
                    .collect()
            }
        };
        let samples = samples.map_err(|err| fail(format!("ends early: {err}")))?;
        if !RATES.contains(&spec.sample_rate) || !(1..=MAX_CHANNELS).contains(&spec.channels) {
            return Err(fail(format!(
                "has {} samples a second in {} channels; a caller has {} to {} in 1 to {MAX_CHANNELS}",
                spec.sample_rate,
                spec.channels,
                RATES.start(),
                RATES.end()
            )));
        }
        if samples.is_empty() {
            return Err(fail("holds no sound".into()));
        }
        Ok(Sound {
            path: path.to_path_buf(),
            rate: spec.sample_rate,
            channels: spec.channels,
            samples,
        })
    }
}

/// Feeds a sound to an appsrc from a thread of its own, on the pipeline's clock.
#[derive(Debug)]
pub struct Feeder {
    source: gst_app::AppSrc,
    sound: Option<Sound>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    /// A feeder and the live source that it feeds.
    pub fn new(sound: Sound) -> Result<(Feeder, gst::Element), String> {
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", sound.rate as i32)
            .field("channels", i32::from(sound.channels))
            .build();
        gst::ElementFactory::find("appsrc")
            .ok_or("the element `appsrc` is missing: apt install gstreamer1.0-plugins-base")?;
        let source = gst_app::AppSrc::builder()
            .caps(&caps)
            .format(gst::Format::Time)
            .is_live(true)
            .max_bytes(0)
            .build();
        source.set_latency(PERIOD, gst::ClockTime::NONE);
        let element = source.clone().upcast();
        Ok((
            Feeder {
                source,
                sound: Some(sound),
                stop: Arc::new(AtomicBool::new(false)),
                thread: None,
            },
            element,
        ))
    }

    /// The pad that the sound leaves by.
    pub fn pad(&self) -> Option<gst::Pad> {
        self.source.static_pad("src")
    }

    /// Begins as soon as the source plays: running time 0 is the first sample. Harmless when it has begun already.
    pub fn start(&mut self) {
        let Some(sound) = self.sound.take() else {
            return;
        };
        let (source, stop) = (self.source.clone(), self.stop.clone());
        let started = std::thread::Builder::new()
            .name("caller-file".into())
            .spawn(move || {
                guarded(&source.clone(), move || {
                    // Sinks wait for the first sound before the pipeline as a whole plays, so its own state would be too late.
                    while source.current_state() != gst::State::Playing {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    let (Some(clock), Some(base)) = (source.clock(), source.base_time()) else {
                        fail(&source, "there is no clock to go by");
                        return;
                    };
                    feed(&source, &sound, &clock, base, &stop);
                });
            });
        match started {
            Ok(thread) => self.thread = Some(thread),
            Err(err) => fail(&self.source, &format!("there is no thread for it: {err}")),
        }
    }
}

/// A caller who cannot be heard ends the session, instead of a silence without end.
fn fail(source: &gst_app::AppSrc, why: &str) {
    gst::element_error!(
        source,
        gst::ResourceError::Failed,
        ("the sound file of the caller cannot be played: {why}")
    );
}

fn guarded(source: &gst_app::AppSrc, feed: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(feed)).is_err() {
        fail(source, "its thread panicked");
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn feed(
    source: &gst_app::AppSrc,
    sound: &Sound,
    clock: &gst::Clock,
    base: gst::ClockTime,
    stop: &AtomicBool,
) {
    let channels = usize::from(sound.channels.max(1));
    let frames = sound.samples.len() / channels;
    let period = (sound.rate as usize / 100).max(1);
    let time = |frame: usize| {
        gst::ClockTime::from_nseconds(
            (frame as u128 * 1_000_000_000 / u128::from(sound.rate)) as u64,
        )
    };
    let mut first = 0;
    while first < frames && !stop.load(Ordering::Relaxed) {
        let end = (first + period).min(frames);
        // A clock that does not advance (a paused test clock) must not keep the thread from ending.
        let target = base + time(end);
        loop {
            let now = clock.time();
            if now >= target {
                break;
            }
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let left = (target - now).min(gst::ClockTime::from_mseconds(50));
            std::thread::sleep(Duration::from(left));
        }
        let bytes: Vec<u8> = sound.samples[first * channels..end * channels]
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(time(first));
            buffer.set_duration(time(end) - time(first));
        }
        if source.push_buffer(buffer).is_err() {
            return;
        }
        first = end;
    }
    let _ = source.end_of_stream();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feeder_that_fails_says_so_on_the_bus() {
        gst::init().unwrap();
        let source = gst_app::AppSrc::builder().build();
        let bus = gst::Bus::new();
        source.set_bus(Some(&bus));
        guarded(&source, || panic!("a panic that a test wants"));
        let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else {
            unreachable!()
        };
        assert!(error.error().message().contains("its thread panicked"));
        source.set_bus(None);
    }

    #[test]
    fn a_rate_that_is_none_gets_a_sentence() {
        let path = std::env::temp_dir().join(format!("duplex-rate-{}.wav", std::process::id()));
        for (rate, good) in [
            (0, false),
            (999, false),
            (8000, true),
            (384_000, true),
            (0x7fff_ff00, false),
        ] {
            let mut file = Vec::new();
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 8000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut writer = hound::WavWriter::new(std::io::Cursor::new(&mut file), spec).unwrap();
            writer.write_sample(1000i16).unwrap();
            writer.finalize().unwrap();
            // Bytes 24 to 27 of a WAV hold its rate, then come the bytes a second.
            file[24..28].copy_from_slice(&u32::to_le_bytes(rate));
            file[28..32].copy_from_slice(&u32::to_le_bytes(rate.wrapping_mul(2)));
            std::fs::write(&path, &file).unwrap();
            match Sound::read(&path) {
                Ok(sound) => assert!(good && sound.rate == rate, "{rate}"),
                Err(told) => assert!(
                    !good && told.contains(&format!("has {rate} samples a second")),
                    "{told}"
                ),
            }
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn odd_files_get_a_sentence() {
        let folder = std::env::temp_dir().join(format!("duplex-feeder-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let missing = folder.join("missing.wav");
        assert!(
            Sound::read(&missing)
                .unwrap_err()
                .ends_with("missing.wav does not exist")
        );
        let text = folder.join("text.wav");
        std::fs::write(&text, "not a sound at all").unwrap();
        assert!(
            Sound::read(&text)
                .unwrap_err()
                .contains("is not a WAV file")
        );
        for bits in [8, 16, 24, 32] {
            let path = folder.join(format!("{bits}.wav"));
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 8000,
                bits_per_sample: bits,
                sample_format: hound::SampleFormat::Int,
            };
            let mut writer = hound::WavWriter::create(&path, spec).unwrap();
            writer.write_sample(1i32 << (bits - 2)).unwrap();
            writer.finalize().unwrap();
            assert_eq!(
                Sound::read(&path).unwrap().samples,
                [1 << 14],
                "{bits} bits"
            );
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

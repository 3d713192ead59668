// SPDX-License-Identifier: MPL-2.0

//! What passes a pad: its peaks for drawing, and on request its samples in a WAV file. Positions are running times, so that
//! lanes of different pads lie over each other.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use gst::prelude::*;

use crate::output::Output;

/// Length of the piece that one pair of peaks stands for.
pub const PEAK: gst::ClockTime = gst::ClockTime::from_mseconds(10);
/// Longest recording whose peaks are kept: an hour.
const MAX_PEAKS: usize = 360_000;
/// Blocks of samples that wait for the disk at most; more are dropped rather than delaying the sound.
const QUEUE: usize = 512;

/// Lowest and highest sample of each [`PEAK`], from −1 to 1.
pub type Peaks = Vec<(f32, f32)>;

struct Block {
    rate: u32,
    channels: u16,
    /// Position of the first sample in frames since running time 0.
    position: u64,
    samples: Vec<i16>,
}

#[derive(Default)]
struct State {
    peaks: Peaks,
    writer: Option<SyncSender<Block>>,
    dropped: u64,
}

/// A lane.
pub struct Capture {
    state: Arc<Mutex<State>>,
    file: Option<(Output, JoinHandle<Result<(), String>>)>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Capture {
    fn default() -> Self {
        Capture::new()
    }
}

impl Capture {
    /// A lane without a file.
    pub fn new() -> Capture {
        Capture {
            state: Arc::new(Mutex::new(State::default())),
            file: None,
        }
    }

    /// A lane that is written to a WAV file as well; the error is one sentence.
    pub fn with_file(path: &Path) -> Result<Capture, String> {
        // Opened here already, so that a path that cannot be written is an error before anything sounds.
        let output = Output::create(path)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let file = output.part().to_path_buf();
        let thread = std::thread::Builder::new()
            .name("wav-writer".into())
            .spawn(move || write(&file, &receiver))
            .map_err(|err| format!("no thread for {}: {err}", path.display()))?;
        let mut capture = Capture::new();
        lock(&capture.state).writer = Some(sender);
        capture.file = Some((output, thread));
        Ok(capture)
    }

    /// Takes everything that passes `pad` from now on.
    pub fn attach(&self, pad: &gst::Pad) {
        let state = self.state.clone();
        pad.add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST,
            move |pad, info| {
                match &info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) => take(&state, pad, buffer),
                    Some(gst::PadProbeData::BufferList(list)) => {
                        for buffer in list.iter() {
                            take(&state, pad, buffer);
                        }
                    }
                    _ => {}
                }
                gst::PadProbeReturn::Ok
            },
        );
    }

    /// The peaks so far.
    pub fn peaks(&self) -> Peaks {
        lock(&self.state).peaks.clone()
    }

    /// Finishes the file, if there is one, and gives it its name when it is to be kept; the error is one sentence.
    pub fn finish(&mut self, keep: bool) -> Result<(), String> {
        let dropped = {
            let mut state = lock(&self.state);
            state.writer = None;
            std::mem::take(&mut state.dropped)
        };
        let Some((output, thread)) = self.file.take() else {
            return Ok(());
        };
        let path = output.part().to_path_buf();
        thread
            .join()
            .map_err(|_| format!("writing {} failed", path.display()))??;
        if !keep {
            return Ok(());
        }
        if dropped > 0 {
            tracing::warn!(
                "{} lacks {dropped} pieces of sound: the disk was too slow",
                path.display()
            );
        }
        output.keep()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Err(message) = self.finish(false) {
            tracing::error!("{message}");
        }
    }
}

/// Samples of any interleaved format as 16 bits.
fn sixteen_bits(info: &gst_audio::AudioInfo, bytes: &[u8]) -> Option<Vec<i16>> {
    let format = info.format_info();
    let width = (format.width() / 8) as usize;
    if width == 0 || info.layout() != gst_audio::AudioLayout::Interleaved {
        return None;
    }
    if info.format() == gst_audio::AudioFormat::S16le {
        let pairs = bytes.chunks_exact(2);
        return Some(
            pairs
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                .collect(),
        );
    }
    // GStreamer unpacks whole numbers to 32 bits and the others to 64, in the order of this machine's bytes.
    let count = bytes.len() / width;
    let wide = gst_audio::AudioFormatInfo::from_format(format.unpack_format());
    let mut unpacked = vec![0u8; count * (wide.width() / 8) as usize];
    format.unpack(
        gst_audio::AudioPackFlags::TRUNCATE_RANGE,
        &mut unpacked,
        &bytes[..count * width],
    );
    Some(match wide.format() {
        format if format == gst_audio::AUDIO_FORMAT_S32 => unpacked
            .chunks_exact(4)
            .map(|b| (i32::from_ne_bytes([b[0], b[1], b[2], b[3]]) >> 16) as i16)
            .collect(),
        format if format == gst_audio::AUDIO_FORMAT_F64 => unpacked
            .chunks_exact(8)
            .map(|b| {
                let value = f64::from_ne_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
                (value.clamp(-1.0, 1.0) * 32767.0) as i16
            })
            .collect(),
        _ => return None,
    })
}

fn take(state: &Mutex<State>, pad: &gst::Pad, buffer: &gst::BufferRef) {
    let caps = pad.current_caps();
    let Some(info) = caps.and_then(|caps| gst_audio::AudioInfo::from_caps(&caps).ok()) else {
        return;
    };
    let segment = pad
        .sticky_event::<gst::event::Segment>(0)
        .and_then(|event| event.segment().downcast_ref::<gst::ClockTime>().cloned());
    let Some(start) = segment
        .zip(buffer.pts())
        .and_then(|(segment, pts)| segment.to_running_time(pts))
    else {
        return;
    };
    let Ok(map) = buffer.map_readable() else {
        return;
    };
    let Some(samples) = sixteen_bits(&info, &map) else {
        return;
    };
    let channels = (info.channels() as usize).max(1);
    let rate = u64::from(info.rate());
    let position = (u128::from(start.nseconds()) * u128::from(rate) + 500_000_000) / 1_000_000_000;
    let mut state = lock(state);
    for (index, sample) in samples.iter().enumerate() {
        let frame = position as u64 + (index / channels) as u64;
        let peak = (frame * 100 / rate) as usize;
        if peak >= MAX_PEAKS {
            break;
        }
        if state.peaks.len() <= peak {
            state.peaks.resize(peak + 1, (0.0, 0.0));
        }
        let value = f32::from(*sample) / 32768.0;
        let pair = &mut state.peaks[peak];
        pair.0 = pair.0.min(value);
        pair.1 = pair.1.max(value);
    }
    let block = Block {
        rate: info.rate(),
        channels: info.channels() as u16,
        position: position as u64,
        samples,
    };
    if let Some(writer) = &state.writer
        && let Err(TrySendError::Full(_)) = writer.try_send(block)
    {
        state.dropped += 1;
    }
}

fn write(path: &Path, blocks: &Receiver<Block>) -> Result<(), String> {
    let fail = |err: hound::Error| format!("{} cannot be written: {err}", path.display());
    let mut writer: Option<hound::WavWriter<_>> = None;
    let (mut written, mut format, mut flushed) = (0u64, (0, 0), 0u64);
    for block in blocks {
        let writer = match &mut writer {
            Some(writer) => writer,
            None => {
                format = (block.rate, block.channels);
                let spec = hound::WavSpec {
                    channels: block.channels,
                    sample_rate: block.rate,
                    bits_per_sample: 16,
                    sample_format: hound::SampleFormat::Int,
                };
                writer.insert(hound::WavWriter::create(path, spec).map_err(fail)?)
            }
        };
        if format != (block.rate, block.channels) {
            tracing::warn!(
                "{} keeps its first format; the sound changed its own",
                path.display()
            );
            continue;
        }
        // A gap is silence; a jitter below 2 ms in the timestamps is none. An hour and more is a mistake in them.
        let channels = u64::from(block.channels);
        let gap = block.position.saturating_sub(written);
        if gap > u64::from(block.rate) / 500 && gap < u64::from(block.rate) * 3600 {
            for _ in 0..gap * channels {
                writer.write_sample(0i16).map_err(fail)?;
            }
            written += gap;
        }
        for sample in &block.samples {
            writer.write_sample(*sample).map_err(fail)?;
        }
        written += block.samples.len() as u64 / channels;
        // A second at a time, so that the file is whole even when the machine stops.
        if written - flushed > u64::from(block.rate) {
            writer.flush().map_err(fail)?;
            flushed = written;
        }
    }
    match writer {
        Some(writer) => writer.finalize().map_err(fail),
        None => {
            // Nothing sounded: a WAV without samples is still a WAV.
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 16_000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            hound::WavWriter::create(path, spec)
                .and_then(|writer| writer.finalize())
                .map_err(fail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interleaved_format_is_understood() {
        gst::init().unwrap();
        let half = |format, bytes: &[u8]| {
            let info = gst_audio::AudioInfo::builder(format, 8000, 1)
                .build()
                .unwrap();
            sixteen_bits(&info, bytes)
        };
        use gst_audio::AudioFormat as F;
        assert_eq!(half(F::S16le, &[0, 0x40]), Some(vec![0x4000]));
        assert_eq!(half(F::S16be, &[0x40, 0]), Some(vec![0x4000]));
        assert_eq!(half(F::U8, &[0xc0]), Some(vec![0x4000]));
        assert_eq!(half(F::S2432le, &[0, 0, 0x40, 0]), Some(vec![0x4000]));
        assert_eq!(half(F::S32le, &[0, 0, 0, 0x40]), Some(vec![0x4000]));
        assert_eq!(half(F::F32le, &0.5f32.to_le_bytes()), Some(vec![16383]));
        assert_eq!(half(F::F64le, &(-0.5f64).to_le_bytes()), Some(vec![-16383]));
    }
}

// SPDX-License-Identifier: MPL-2.0

//! GStreamer's audio resampler for mono samples; its bindings do not have one.

use gst::glib::translate::IntoGlib;
use gst_audio::ffi;

/// Resamples one stretch of sound. Output is aligned with input: the filter's delay is taken off at
/// the start and made up for by [`Resampler::drain`].
pub(crate) struct Resampler {
    raw: std::ptr::NonNull<ffi::GstAudioResampler>,
    from: u32,
    to: u32,
    taken: u64,
    given: u64,
}

// SAFETY: the resampler is plain memory without ties to a thread, and only `&mut self` touches it.
unsafe impl Send for Resampler {}

impl Resampler {
    /// From one rate to another, both in Hz. `None` where the library refuses them.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let (from_int, to_int) = (i32::try_from(from).ok()?, i32::try_from(to).ok()?);
        if from == 0 || to == 0 {
            return None;
        }
        // SAFETY: plain values; options may be NULL, which means the default quality.
        let raw = unsafe {
            ffi::gst_audio_resampler_new(
                ffi::GST_AUDIO_RESAMPLER_METHOD_KAISER,
                ffi::GST_AUDIO_RESAMPLER_FLAG_NONE,
                gst_audio::AUDIO_FORMAT_S16.into_glib(),
                1,
                from_int,
                to_int,
                std::ptr::null_mut(),
            )
        };
        Some(Self {
            raw: std::ptr::NonNull::new(raw)?,
            from,
            to,
            taken: 0,
            given: 0,
        })
    }

    /// From and to, in Hz.
    pub fn rates(&self) -> (u32, u32) {
        (self.from, self.to)
    }

    /// Takes all of `samples` and gives what is complete by now.
    pub fn push(&mut self, samples: &[i16]) -> Vec<i16> {
        self.taken += samples.len() as u64;
        let out = self.run(samples);
        self.given += out.len() as u64;
        out
    }

    /// Gives the rest, so that the lengths of output and input agree, and starts anew.
    pub fn drain(&mut self) -> Vec<i16> {
        let whole =
            (u128::from(self.taken) * u128::from(self.to)).div_ceil(u128::from(self.from)) as u64;
        let missing = usize::try_from(whole.saturating_sub(self.given)).unwrap_or(0);
        let mut out = Vec::with_capacity(missing);
        // SAFETY: `raw` is a live resampler.
        let latency = unsafe { ffi::gst_audio_resampler_get_max_latency(self.raw.as_ptr()) };
        let silence = vec![0; latency.max(1)];
        for _ in 0..4 {
            if out.len() >= missing {
                break;
            }
            out.extend(self.run(&silence));
        }
        out.resize(missing, 0);
        // SAFETY: as above.
        unsafe { ffi::gst_audio_resampler_reset(self.raw.as_ptr()) };
        (self.taken, self.given) = (0, 0);
        out
    }

    fn run(&mut self, samples: &[i16]) -> Vec<i16> {
        if samples.is_empty() {
            return Vec::new();
        }
        let raw = self.raw.as_ptr();
        // SAFETY: `raw` is a live resampler.
        let frames = unsafe { ffi::gst_audio_resampler_get_out_frames(raw, samples.len()) };
        let mut out = vec![0i16; frames];
        let mut input = samples.as_ptr().cast_mut().cast::<std::ffi::c_void>();
        let mut output = out.as_mut_ptr().cast::<std::ffi::c_void>();
        // SAFETY: one plane each, as interleaved mono asks for; `input` is only read and holds
        // `samples.len()` frames, `output` has room for the `frames` that were asked for.
        unsafe {
            ffi::gst_audio_resampler_resample(raw, &mut input, samples.len(), &mut output, frames);
        }
        out
    }
}

impl Drop for Resampler {
    fn drop(&mut self) {
        // SAFETY: made by gst_audio_resampler_new, freed once.
        unsafe { ffi::gst_audio_resampler_free(self.raw.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sine in pieces of odd lengths comes out as the same sine, aligned, in the right length.
    #[test]
    fn length_and_place_are_kept() {
        gst::init().unwrap();
        for (from, to) in [
            (22_050, 48_000),
            (22_050, 16_000),
            (24_000, 8_000),
            (16_000, 44_100),
        ] {
            let sine = |rate: u32, i: u64| {
                (f64::from(10_000)
                    * (i as f64 * 440.0 * std::f64::consts::TAU / f64::from(rate)).sin())
                    as i16
            };
            let mut resampler = Resampler::new(from, to).unwrap();
            for _again in 0..2 {
                let input: Vec<i16> = (0..u64::from(from)).map(|i| sine(from, i)).collect();
                let mut out = Vec::new();
                for piece in input.chunks(777) {
                    out.extend(resampler.push(piece));
                }
                out.extend(resampler.drain());
                assert_eq!(out.len(), to as usize, "{from} to {to}");
                // Within the slope of half a sample.
                let near = 60 + (10_000.0 * 440.0 * std::f64::consts::PI / f64::from(to)) as i32;
                for i in (200..out.len() - 200).step_by(7) {
                    let want = sine(to, i as u64);
                    assert!(
                        (i32::from(out[i]) - i32::from(want)).abs() < near,
                        "{from} to {to}, {i}"
                    );
                }
            }
        }
    }

    #[test]
    fn impossible_rates_are_refused() {
        gst::init().unwrap();
        assert!(Resampler::new(0, 48_000).is_none());
        assert!(Resampler::new(22_050, u32::MAX).is_none());
    }
}

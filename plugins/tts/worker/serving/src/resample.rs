// SPDX-License-Identifier: MPL-2.0

//! From an engine's rate to the one on the wire, by rubato's synchronous FFT resampler.

use rubato::{Fft, FixedSync, Resampler as _, audioadapter_buffers::direct::SequentialSlice};

/// Resamples one utterance. What comes out is aligned with what goes in: the filter's delay is taken
/// off at the start and made up for at the end.
pub struct Resampler {
    fft: Fft<f32>,
    /// Less than a chunk that waits for the rest of it.
    waiting: Vec<f32>,
    out: Vec<f32>,
    converted: Vec<i16>,
    /// Output that is still to be thrown away: the filter's delay.
    delay: usize,
    taken: u64,
    given: u64,
    rates: (u32, u32),
}

impl Resampler {
    /// Between two rates in Hz; `None` where their ratio is too odd.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let fft = Fft::<f32>::new(
            from as usize,
            to as usize,
            // About 10 ms; it becomes what fits the ratio.
            from as usize / 100,
            1,
            FixedSync::Both,
        )
        .ok()?;
        // A second of delay is no resampling for conversations.
        if fft.input_frames_next() > from as usize / 10 {
            return None;
        }
        Some(Self {
            waiting: Vec::with_capacity(fft.input_frames_next()),
            out: vec![0.0; fft.output_frames_max()],
            converted: Vec::with_capacity(fft.output_frames_max()),
            delay: fft.output_delay(),
            fft,
            taken: 0,
            given: 0,
            rates: (from, to),
        })
    }

    /// Takes samples and hands over what is complete by now.
    pub fn push(&mut self, samples: &[i16], give: &mut dyn FnMut(&[i16])) {
        self.taken += samples.len() as u64;
        let chunk = self.fft.input_frames_next();
        for &sample in samples {
            self.waiting.push(f32::from(sample));
            if self.waiting.len() == chunk {
                self.run(u64::MAX, give);
            }
        }
    }

    /// Hands over the rest, as many samples as the length of what was taken asks for.
    pub fn finish(&mut self, give: &mut dyn FnMut(&[i16])) {
        let (from, to) = self.rates;
        let whole = (u128::from(self.taken) * u128::from(to)).div_ceil(u128::from(from)) as u64;
        let chunk = self.fft.input_frames_next();
        while self.given < whole {
            self.waiting.resize(chunk, 0.0);
            self.run(whole - self.given, give);
        }
    }

    /// One chunk, of whose output at most so much is handed over.
    fn run(&mut self, most: u64, give: &mut dyn FnMut(&[i16])) {
        let (frames_in, frames_out) = (self.waiting.len(), self.out.len());
        let done = match (
            SequentialSlice::new(&self.waiting, 1, frames_in),
            SequentialSlice::new_mut(&mut self.out, 1, frames_out),
        ) {
            (Ok(input), Ok(mut output)) => {
                self.fft.process_into_buffer(&input, &mut output, None).ok()
            }
            _ => None,
        };
        self.waiting.clear();
        let Some((_, made)) = done else {
            // Sizes are what the resampler itself asked for, so this cannot be; silence keeps time.
            self.out.fill(0.0);
            return;
        };
        let skip = self.delay.min(made);
        self.delay -= skip;
        let end = made.min(skip + usize::try_from(most).unwrap_or(usize::MAX).min(made));
        self.converted.clear();
        self.converted
            .extend(self.out[skip..end].iter().map(|x| x.round() as i16));
        self.given += self.converted.len() as u64;
        give(&self.converted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_place_are_kept() {
        for (from, to) in [
            (22_050, 48_000),
            (24_000, 48_000),
            (48_000, 8_000),
            (22_050, 16_000),
        ] {
            // A click in the middle of a second.
            let mut samples = vec![0_i16; from as usize];
            samples[from as usize / 2] = 20_000;
            let mut resampler = Resampler::new(from, to).unwrap();
            let mut out: Vec<i16> = Vec::new();
            for part in samples.chunks(777) {
                resampler.push(part, &mut |samples| out.extend(samples));
            }
            resampler.finish(&mut |samples| out.extend(samples));
            assert_eq!(out.len(), to as usize, "{from} to {to}");
            let loudest = (0..out.len())
                .max_by_key(|i| out[*i].unsigned_abs())
                .unwrap();
            assert!(
                loudest.abs_diff(to as usize / 2) <= 2,
                "{from} to {to}: the click is at {loudest}"
            );
        }
    }

    #[test]
    fn nothing_gives_nothing_and_a_sample_gives_its_time() {
        let mut count = 0;
        let mut resampler = Resampler::new(24_000, 48_000).unwrap();
        resampler.finish(&mut |samples| count += samples.len());
        assert_eq!(count, 0);
        let mut resampler = Resampler::new(24_000, 48_000).unwrap();
        resampler.push(&[1000], &mut |samples| count += samples.len());
        resampler.finish(&mut |samples| count += samples.len());
        assert_eq!(count, 2);
    }

    #[test]
    fn odd_ratios_are_refused() {
        assert!(Resampler::new(22_051, 48_000).is_none());
    }
}

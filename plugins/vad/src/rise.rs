// SPDX-License-Identifier: MPL-2.0
//! Sudden loudness: the quickest hint that somebody speaks up.
//!
//! A detector of voices hears an s only by the vowel after it, 150 ms later. That something new
//! begins is plain much sooner: a band is clearly louder than it was at any time in the last
//! seconds, for some cells in a row. It may as well be a cough or a chair, so this is good for a
//! pause and for nothing more.
//!
//! Two bands, since hisses and voices rise in different ones: where voices have their pitch and
//! first formant, and where an s or f is.
//!
//! Pure: samples in, levels of cells out, and a verdict for each.

use std::collections::VecDeque;

/// Lower and upper corner of the bands, in Hz.
const CORNERS: [(f32, Option<f32>); BANDS] = [(150.0, Some(1000.0)), (4000.0, None)];
const BANDS: usize = 2;
/// A level of nothing, in dB.
const SILENT: f32 = -120.0;
/// Cells of 10 ms in a row that make a rise.
const HELD: u32 = 3;
/// Cells over which the loudest counts as the floor, in blocks: 4 s.
const BLOCK: u32 = 10;
const BLOCKS: usize = 40;
/// Cells that must have been heard before anything is sudden.
const KNOWN: u32 = 250;
/// The latest cells do not count for the floor yet: the beginning of speech would, before the
/// detector knows it for speech.
const LATEST: usize = 15;
/// How much louder than the floor a cell must be, in dB. Chosen on the recordings of alsa-utils:
/// 2 dB less, and babble is taken for a rise twice as often; 2 dB more in the band of hisses, and
/// most of the weak ones are missed at a signal-to-noise ratio of 10 dB.
const ABOVE: [f32; BANDS] = [5.0, 2.5];
/// Each rise that was none and did harm raises what is asked of the next by so much, in dB, up to a limit. It
/// is forgiven within ten seconds.
const DOUBT: f32 = 4.0;
const MOST_DOUBT: f32 = 16.0;
const FORGIVEN: f32 = DOUBT / 1000.0;
/// Below this nothing is a rise, in dBFS.
const QUIETEST: f32 = -60.0;

/// A second-order section, Butterworth.
#[derive(Debug, Clone, Copy)]
struct Section {
    b: [f32; 3],
    a: [f32; 2],
    z: [f32; 2],
}

impl Section {
    fn new(high_pass: bool, hz: f32, rate: u64) -> Self {
        let (sin, cos) = (std::f32::consts::TAU * hz / rate as f32).sin_cos();
        let alpha = sin * std::f32::consts::FRAC_1_SQRT_2;
        let (outer, inner) = if high_pass {
            ((1.0 + cos) / 2.0, -1.0 - cos)
        } else {
            ((1.0 - cos) / 2.0, 1.0 - cos)
        };
        let scale = 1.0 / (1.0 + alpha);
        Self {
            b: [outer * scale, inner * scale, outer * scale],
            a: [-2.0 * cos * scale, (1.0 - alpha) * scale],
            z: [0.0; 2],
        }
    }

    fn step(&mut self, x: f32) -> f32 {
        let y = self.b[0] * x + self.z[0];
        self.z[0] = self.b[1] * x - self.a[0] * y + self.z[1];
        self.z[1] = self.b[2] * x - self.a[1] * y;
        y
    }
}

/// The two bands of mono audio: sums of squares, to be read out at the end of each cell.
#[derive(Debug, Clone)]
pub(crate) struct Bands {
    low: [Section; 2],
    high: Section,
    sums: [f64; BANDS],
}

impl Bands {
    pub fn new(rate: u64) -> Self {
        let [(from, to), (hiss, _)] = CORNERS;
        Self {
            low: [
                Section::new(true, from, rate),
                Section::new(false, to.unwrap_or(from), rate),
            ],
            // At 8 kHz there is no such band: what is left of it is the upper edge.
            high: Section::new(true, hiss.min(rate as f32 * 0.4), rate),
            sums: [0.0; BANDS],
        }
    }

    pub fn take(&mut self, x: f32) {
        let low = self.low[0].step(x);
        let low = self.low[1].step(low);
        let high = self.high.step(x);
        self.sums[0] += f64::from(low * low);
        self.sums[1] += f64::from(high * high);
    }

    /// Mean squares of the bands over the `count` samples since the last call.
    pub fn read(&mut self, count: u64) -> [f64; BANDS] {
        std::mem::take(&mut self.sums).map(|sum| sum / count.max(1) as f64)
    }
}

/// Finds rises in the levels of both bands.
#[derive(Debug, Clone)]
pub(crate) struct Rise {
    /// Levels in dB that do not count for the floor yet, oldest first.
    latest: VecDeque<[f32; BANDS]>,
    /// The loudest of each block, in dB; the block that is being filled, and how far.
    blocks: [[f32; BLOCKS]; BANDS],
    block: usize,
    cells: u32,
    known: u32,
    floor: [f32; BANDS],
    /// Cells in a row above the floor.
    held: [u32; BANDS],
    doubt: f32,
    /// A rise was found, and is not resolved.
    open: bool,
}

impl Rise {
    pub fn new() -> Self {
        Self {
            latest: VecDeque::with_capacity(2 * LATEST),
            blocks: [[SILENT; BLOCKS]; BANDS],
            block: 0,
            cells: 0,
            known: 0,
            floor: [SILENT; BANDS],
            held: [0; BANDS],
            doubt: 0.0,
            open: false,
        }
    }

    /// Takes a cell's mean squares; true where it completes a rise. To be followed by
    /// [`Self::borne_out`] or [`Self::withdrawn`].
    pub fn take(&mut self, cell: [f64; BANDS]) -> bool {
        let cell = cell.map(|power| (10.0 * power.max(1e-12).log10()) as f32);
        self.doubt = (self.doubt - FORGIVEN).max(0.0);
        let mut rise = false;
        for (band, db) in cell.into_iter().enumerate() {
            let above = db >= (self.floor[band] + ABOVE[band] + self.doubt).max(QUIETEST);
            self.held[band] = if above { self.held[band] + 1 } else { 0 };
            rise |= self.held[band] >= HELD;
        }
        self.latest.push_back(cell);
        while self.latest.len() > LATEST && !(self.open && self.latest.len() < 4 * LATEST) {
            if let Some(cell) = self.latest.pop_front() {
                self.settle(cell);
            }
        }
        let found = rise && !self.open && self.known >= KNOWN;
        self.open |= found;
        found
    }

    /// How far a cell is above the room, in dB of the band in which it is furthest; `None`
    /// before the room was heard. A cough of a second ago is not the room: the median of the
    /// blocks is.
    pub fn above(&self, cell: [f64; BANDS]) -> Option<f32> {
        if self.known < KNOWN {
            return None;
        }
        let above = |(power, mut blocks): (f64, [f32; BLOCKS])| {
            let (_, room, _) = blocks.select_nth_unstable_by(BLOCKS / 2, f32::total_cmp);
            (10.0 * power.max(1e-12).log10()) as f32 - *room
        };
        cell.into_iter()
            .zip(self.blocks)
            .map(above)
            .reduce(f32::max)
    }

    /// A cell that was no speech counts for the floor.
    fn settle(&mut self, cell: [f32; BANDS]) {
        for ((blocks, floor), db) in self.blocks.iter_mut().zip(&mut self.floor).zip(cell) {
            let block = &mut blocks[self.block];
            *block = if self.cells == 0 { db } else { block.max(db) };
            *floor = blocks.iter().copied().fold(SILENT, f32::max);
        }
        self.known = (self.known + 1).min(KNOWN);
        self.cells += 1;
        if self.cells == BLOCK {
            self.cells = 0;
            self.block = (self.block + 1) % BLOCKS;
        }
    }

    /// Somebody speaks: what was heard last is his, and not the room's.
    pub fn borne_out(&mut self) {
        self.latest.clear();
        self.held = [0; BANDS];
        self.open = false;
    }

    /// The rise that was found was not one of speech. `cost`: it did harm, and more is asked of
    /// the next.
    pub fn withdrawn(&mut self, cost: bool) {
        self.open = false;
        while let Some(cell) = self.latest.pop_front() {
            self.settle(cell);
        }
        if cost {
            self.doubt = (self.doubt + DOUBT).min(MOST_DOUBT);
        }
    }

    /// What was heard so far is not what comes.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 48_000;
    const NONE: [usize; 0] = [];

    /// Cells of white noise of `db`, all frequencies together.
    fn noise(bands: &mut Bands, db: f32, cells: usize, seed: &mut u32) -> Vec<[f64; BANDS]> {
        let scale = 10f32.powf(db / 20.0) * 3f32.sqrt();
        let mut cell = || {
            for _ in 0..RATE / 100 {
                *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bands.take(((*seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale);
            }
            bands.read(RATE / 100)
        };
        (0..cells).map(|_| cell()).collect()
    }

    /// The cells after which a rise was found.
    fn rises(rise: &mut Rise, cells: &[[f64; BANDS]]) -> Vec<usize> {
        let found = cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| rise.take(**cell));
        found.map(|(n, _)| n).collect()
    }

    #[test]
    fn bands_let_through_what_is_theirs() {
        for (hz, expected) in [
            (50.0, [-22.0, -70.0]),
            (400.0, [-3.0, -70.0]),
            (2_000.0, [-15.0, -15.0]),
            (7_000.0, [-37.0, -3.5]),
        ] {
            for rate in [16_000u64, 44_100, 48_000, 96_000] {
                let mut bands = Bands::new(rate);
                for n in 0..rate {
                    bands.take((std::f32::consts::TAU * hz * n as f32 / rate as f32).sin());
                    if n == rate / 2 {
                        bands.read(1);
                    }
                }
                let levels = bands.read(rate - rate / 2 - 1).map(|p| 10.0 * p.log10());
                for (level, expected) in levels.iter().zip(expected) {
                    let off = level - expected;
                    let outside = expected < -30.0 && *level < -35.0;
                    assert!(
                        off.abs() < 4.0 || outside,
                        "{hz} Hz at {rate} Hz: {levels:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_hiss_is_found_within_three_cells_and_a_click_is_not() {
        let (mut rise, mut bands, mut seed) = (Rise::new(), Bands::new(RATE), 1);
        let quiet = noise(&mut bands, -50.0, 500, &mut seed);
        assert_eq!(rises(&mut rise, &quiet), NONE);
        let click = noise(&mut bands, -20.0, 1, &mut seed);
        assert_eq!(rises(&mut rise, &click), NONE);
        let quiet = noise(&mut bands, -50.0, 500, &mut seed);
        assert_eq!(rises(&mut rise, &quiet), NONE);
        let hiss = noise(&mut bands, -44.0, 30, &mut seed);
        assert_eq!(rises(&mut rise, &hiss), [2]);
    }

    /// What was taken for speech is not the room: its beginning does not raise the floor.
    #[test]
    fn what_is_borne_out_does_not_count_and_what_is_not_does() {
        let (mut rise, mut bands, mut seed) = (Rise::new(), Bands::new(RATE), 1);
        let quiet = noise(&mut bands, -50.0, 500, &mut seed);
        let loud = noise(&mut bands, -30.0, 12, &mut seed);
        rises(&mut rise, &quiet);
        for _ in 0..3 {
            assert_eq!(rises(&mut rise, &loud), [2]);
            rise.borne_out();
            assert_eq!(rises(&mut rise, &quiet[..100]), NONE);
        }
        assert_eq!(rises(&mut rise, &loud), [2]);
        rise.withdrawn(true);
        assert_eq!(rises(&mut rise, &quiet[..100]), NONE);
        assert_eq!(rises(&mut rise, &loud), NONE);
        // Four seconds later it is sudden again, and for a while it has to be louder than before.
        assert_eq!(rises(&mut rise, &quiet[..450]), NONE);
        assert_eq!(rises(&mut rise, &loud), [2]);
    }

    #[test]
    fn a_noise_that_stays_is_found_once() {
        let (mut rise, mut bands, mut seed) = (Rise::new(), Bands::new(RATE), 1);
        rises(&mut rise, &noise(&mut bands, -60.0, 500, &mut seed));
        let fan = noise(&mut bands, -40.0, 20, &mut seed);
        assert_eq!(rises(&mut rise, &fan), [2]);
        rise.withdrawn(true);
        let fan = noise(&mut bands, -40.0, 3_000, &mut seed);
        assert_eq!(rises(&mut rise, &fan), NONE);
    }

    #[test]
    fn nothing_is_sudden_before_the_room_was_heard() {
        let (mut rise, mut bands, mut seed) = (Rise::new(), Bands::new(RATE), 1);
        rises(&mut rise, &noise(&mut bands, -60.0, 100, &mut seed));
        let loud = noise(&mut bands, -30.0, 10, &mut seed);
        assert_eq!(rises(&mut rise, &loud), NONE);
    }
}

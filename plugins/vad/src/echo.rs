// SPDX-License-Identifier: MPL-2.0
//! The echo gate: is what the microphone hears louder than what the agent's own voice can be?
//!
//! No detector tells the agent's echo from a caller. What the mouth plays (the far end) is
//! known, though, and so is how much of it came back so far (the echo return loss). Audio
//! counts as a caller only where it is louder than the loudest far-end level of the last
//! [`MEMORY`] less the return loss plus a margin. While nothing plays the gate is open, so a
//! quiet caller is never shut out by an absolute level.
//!
//! Pure: levels and running times in, a verdict out.
//!
//! The return loss is learned. Whatever the microphone hears is at least the echo, so far less
//! near is a lower bound of the loss at any time, and the estimate may rise towards it: slowly by
//! the loudest of what was played lately, and at once by what is true whatever the delay of the
//! echo is, so that somebody without loudspeakers is heard from the agent's first second on. It
//! falls only where the microphone's level demonstrably follows the far end's: their envelopes
//! correlate at one delay for several rounds running. A caller who talks over the agent does
//! not correlate, and so cannot lower the estimate and deafen the ear to himself.

mod gain;

use self::gain::Gain;
use crate::segmenter::MS;

/// Length of one cell of the level histories.
const CELL: u64 = 10 * MS;
/// Cells kept: 10.24 s. Bounded whatever is reported.
const CELLS: usize = 1024;
/// How far back the loudest far-end level counts: room delay, reverberation and the latency of
/// an audio device together.
pub const MEMORY: u64 = 300 * MS;
/// A cell without sound.
const SILENT: f32 = -120.0;
/// The far end plays when it is louder than this.
const PLAYING: f32 = -60.0;
/// Window over which the envelopes are compared, in cells.
const WINDOW: usize = 150;
/// Delays that are tried, in cells: 0-400 ms.
const DELAYS: usize = 41;
/// Every so many near cells the return loss is looked at.
const ROUND: usize = 10;
/// Correlation of the envelopes from which the microphone is said to follow the far end.
const FOLLOWS: f32 = 0.6;
/// Correlation from which it hears little else, so that the estimate may fall. An echo alone
/// gives 0.9 and more, a caller over it 0.5-0.8.
const ALONE: f32 = 0.85;
/// The same while somebody is found to be speaking: only where it is beyond doubt that it is the
/// agent himself, in a room that has grown louder.
const ALONE_SPEAKING: f32 = 0.95;
/// The estimate falls by no more than this in a round, in dB.
const FALL: f32 = 3.0;
/// For so many rounds (of 100 ms) a delay is believed without being heard again.
const BELIEVED: u32 = 100;
/// What arrives up to this much earlier or later than the known delay counts in full.
const SPREAD: u64 = 30 * MS;
/// How fast a room swallows sound at least, in dB per cell: 80 dB a second.
const DECAY: f32 = 0.8;
/// What is assumed before anything was learned: the echo arrives 6 dB below what is played.
/// Loud for a room, so that the agent's first words do not stop it.
pub const START: f32 = 6.0;
/// So many cells at least must tell the same before it counts as a bound of the loss.
const LOUD: usize = 10;
/// For so many rounds in which the agent speaks the bound is taken over at once; the slow way has
/// come as far by then. The dips of a restless noise would carry it too far in the long run.
const QUICK: u32 = 30;
/// The bound is taken over at once up to this, in dB: enough for a caller of −36 dBFS over the
/// loudest agent. A microphone that was muted for a moment shall not count for more.
const QUICK_LIMIT: f32 = 30.0;
/// Bounds of the estimate. Below zero: a microphone amplifier hotter than the loudspeaker.
const BOUNDS: (f32, f32) = (-12.0, 60.0);
/// Margin above the expected echo, in dB: for speech to count as a caller's.
pub const MARGIN: f32 = 6.0;
/// The same where an echo canceller works before the ear: its residue is less regular.
pub const MARGIN_AFTER_AEC: f32 = 14.0;
/// While somebody speaks the margin is smaller by this much: the dips between syllables
/// belong to the speech.
const SPEAKING_BONUS: f32 = 6.0;

/// What was heard in one cell.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// The time that it stands for, in cells.
    slot: u64,
    /// Mean square.
    power: f64,
    /// The same in dB: a cell is filled once or twice, and looked at some fifty times a second.
    db: f32,
}

impl Cell {
    fn empty(slot: u64) -> Self {
        Self {
            slot,
            power: 0.0,
            db: SILENT,
        }
    }
}

/// Level history by time: a ring of cells.
#[derive(Debug, Clone)]
struct Levels {
    cells: Box<[Cell]>,
}

impl Levels {
    fn new() -> Self {
        Self {
            cells: vec![Cell::empty(u64::MAX); CELLS].into_boxed_slice(),
        }
    }

    /// Spreads `power` (mean square) over the cells that `start..end` touches.
    fn add(&mut self, start: u64, end: u64, power: f64) {
        let end = end.min(start.saturating_add(CELLS as u64 * CELL));
        let mut t = start;
        while t < end {
            let slot = t / CELL;
            let stop = ((slot + 1) * CELL).min(end);
            let cell = &mut self.cells[slot as usize % CELLS];
            if cell.slot != slot {
                *cell = Cell::empty(slot);
            }
            cell.power += power * (stop - t) as f64 / CELL as f64;
            if cell.power > 1e-12 {
                cell.db = (10.0 * cell.power.log10()) as f32;
            }
            t = stop;
        }
    }

    /// Mean square of a cell.
    fn power(&self, slot: u64) -> f64 {
        let cell = self.cells[slot as usize % CELLS];
        if cell.slot == slot { cell.power } else { 0.0 }
    }

    /// Level of a cell in dB.
    fn db(&self, slot: u64) -> f32 {
        let cell = self.cells[slot as usize % CELLS];
        if cell.slot == slot { cell.db } else { SILENT }
    }

    /// Whether a cell was heard at all, if only as digital silence.
    fn known(&self, slot: u64) -> bool {
        self.cells[slot as usize % CELLS].slot == slot
    }

    /// Loudest level of the cells `from..=to`.
    fn max(&self, from: u64, to: u64) -> f32 {
        let from = from.max(to.saturating_sub(CELLS as u64 - 1));
        (from..=to).fold(SILENT, |max, slot| max.max(self.db(slot)))
    }

    fn clear(&mut self) {
        self.cells.fill(Cell::empty(u64::MAX));
    }
}

/// One report of what the far end played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FarFrame {
    /// Running time at which the frame begins, in nanoseconds.
    pub running_time: u64,
    /// Its length in nanoseconds.
    pub duration: u64,
    /// Its level in dB relative to full scale.
    pub rms_db: f64,
}

/// The gate of one ear.
#[derive(Debug, Clone)]
pub struct EchoGate {
    far: Levels,
    near: Levels,
    /// End of the latest near level.
    near_end: u64,
    /// Last cell that a round has seen.
    seen: u64,
    margin: f32,
    return_loss: f32,
    /// Rounds left of [`QUICK`].
    quick_rounds: u32,
    /// What an echo too faint to be heard can be at most.
    gain: Gain,
    /// The delay (in cells) at which the envelopes correlate, and for how many rounds they have.
    candidate: Option<(usize, u32)>,
    /// The delay that has proved itself, and for how many rounds more it is believed.
    delay: Option<(usize, u32)>,
}

impl Default for EchoGate {
    fn default() -> Self {
        Self::new()
    }
}

impl EchoGate {
    /// A gate that has learned nothing yet.
    pub fn new() -> Self {
        Self {
            far: Levels::new(),
            near: Levels::new(),
            near_end: 0,
            seen: 0,
            margin: MARGIN,
            return_loss: START,
            quick_rounds: QUICK,
            gain: Gain::new(),
            candidate: None,
            delay: None,
        }
    }

    /// Sets the margin above the expected echo, in dB.
    pub fn set_margin(&mut self, db: f32) {
        self.margin = db;
    }

    /// The far end plays a frame. Reports may come early, late, or out of order.
    pub fn far(&mut self, frame: FarFrame) {
        if frame.rms_db.is_nan() || frame.running_time > u64::MAX / 2 {
            return;
        }
        let end = frame.running_time.saturating_add(frame.duration);
        let power = 10f64.powf(frame.rms_db.clamp(-200.0, 20.0) / 10.0);
        self.far.add(frame.running_time, end, power);
    }

    /// The microphone heard audio of mean square `power` from `start` to `end`. `speaking`:
    /// somebody is found to be speaking.
    pub fn near(&mut self, start: u64, end: u64, power: f64, speaking: bool) {
        if start < self.near_end.saturating_sub(CELL) {
            // Time jumped back: what was heard then is not what is heard now.
            self.reset();
        }
        self.near.add(start, end, power);
        self.near_end = end;
        let complete = end / CELL;
        if complete >= self.seen + ROUND as u64 {
            if !speaking {
                self.weigh(self.seen.max(complete - ROUND as u64), complete);
            }
            self.seen = complete;
            self.learn(complete, speaking);
        }
    }

    /// Whether the far end plays, or did so within [`MEMORY`] before `time`.
    pub fn far_plays(&self, time: u64) -> bool {
        self.far_level(time, time) > PLAYING
    }

    /// Whether a hop from `start` to `end` of the mean square `power` can be a caller.
    /// `speaking`: somebody was already found to be speaking.
    pub fn is_open(&self, start: u64, end: u64, power: f64, speaking: bool) -> bool {
        let far = self.far_level(start, end);
        if far <= PLAYING {
            return true;
        }
        let bonus = if speaking { SPEAKING_BONUS } else { 0.0 };
        let db = 10.0 * power.max(1e-12).log10() as f32;
        db > far - self.return_loss + self.margin - bonus
    }

    /// The learned echo return loss in dB: how far below the far end its echo arrives.
    pub fn return_loss(&self) -> f32 {
        self.return_loss
    }

    /// The delay of the echo in nanoseconds, if one was heard lately.
    pub fn delay(&self) -> Option<u64> {
        self.delay.map(|(delay, _)| delay as u64 * CELL)
    }

    /// Forgets levels and delay, keeps the return loss: the room is the same after a seek.
    pub fn reset(&mut self) {
        self.far.clear();
        self.near.clear();
        self.gain = Gain::new();
        self.near_end = 0;
        self.seen = 0;
        self.candidate = None;
        self.delay = None;
    }

    /// Loudest far-end level that can be heard from `start` to `end`, less what the room has
    /// swallowed of it by then.
    fn far_level(&self, start: u64, end: u64) -> f32 {
        let last = end.saturating_sub(1) / CELL;
        let Some(delay) = self.delay() else {
            return self.far.max(start.saturating_sub(MEMORY) / CELL, last);
        };
        // What arrives now was played a delay ago; what arrived before still reverberates.
        let newest = (end + SPREAD).saturating_sub(delay) / CELL;
        let fresh = start.saturating_sub(delay + SPREAD) / CELL;
        let oldest = fresh.saturating_sub(MEMORY / CELL);
        (oldest..=newest.min(last)).fold(SILENT, |max, slot| {
            let faded = DECAY * fresh.saturating_sub(slot) as f32;
            max.max(self.far.db(slot) - faded)
        })
    }

    /// Takes cells into [`Gain`] where the far end plays, or did within the longest delay.
    fn weigh(&mut self, from: u64, to: u64) {
        for slot in from.max(DELAYS as u64)..to {
            let oldest = slot - DELAYS as u64 + 1;
            if self.near.known(slot) && self.far.max(oldest, slot) > PLAYING + 10.0 {
                let far = &self.far;
                self.gain.take(self.near.power(slot), |delay| {
                    far.power(slot - delay as u64)
                });
            }
        }
    }

    /// One round of learning over the window that ends before cell `end`.
    fn learn(&mut self, end: u64, speaking: bool) {
        // Before time zero there was nothing.
        let missing = ((WINDOW + DELAYS) as u64).saturating_sub(end) as usize;
        let cell = |i: usize| (end + i as u64).checked_sub((WINDOW + DELAYS) as u64);
        // far[i + DELAYS - 1 - d] is what was played d cells before near[i].
        let mut far = [SILENT; WINDOW + DELAYS - 1];
        for (i, level) in far.iter_mut().enumerate() {
            *level = cell(i + 1).map_or(SILENT, |slot| self.far.db(slot));
        }
        let loudest = far.iter().copied().fold(SILENT, f32::max);
        if loudest <= PLAYING {
            self.candidate = None;
            return;
        }
        let mut near = [SILENT; WINDOW];
        // Digital silence is heard too: a line without any echo.
        let mut known = [false; WINDOW];
        for (i, (level, known)) in near.iter_mut().zip(&mut known).enumerate() {
            if let Some(slot) = cell(i + DELAYS) {
                *level = self.near.db(slot);
                *known = self.near.known(slot);
            }
        }
        // Before an echo would have had the time to come, nothing says that there is none.
        let heard_out = match bound(&far, &near, &known) {
            Some(bound) if self.quick_rounds > 0 => {
                self.quick_rounds -= 1;
                self.return_loss = self.return_loss.max(bound.min(QUICK_LIMIT));
                true
            }
            bound => bound.is_some(),
        };
        if missing > 0 {
            return;
        }
        // Levels far below the loudest say nothing about an echo.
        let near_floor = near.iter().copied().fold(SILENT, f32::max) - 30.0;
        let near_clipped = near.map(|level| level.max(near_floor));
        let far_clipped = far.map(|level| level.max(loudest - 30.0));
        let (delay, r) = (0..DELAYS)
            .map(|d| {
                let far = &far_clipped[DELAYS - 1 - d..DELAYS - 1 - d + WINDOW];
                (d, correlation(far, &near_clipped))
            })
            .fold((0, -1.0), |best, x| if x.1 > best.1 { x } else { best });
        self.candidate = match self.candidate {
            _ if r < FOLLOWS => None,
            Some((d, rounds)) if d.abs_diff(delay) <= 3 => Some((delay, rounds + 1)),
            _ => Some((delay, 1)),
        };
        let follows = self.candidate.is_some_and(|(_, rounds)| rounds >= 3);
        if follows {
            self.delay = Some((delay, BELIEVED));
        } else if let Some((_, rounds)) = &mut self.delay {
            *rounds -= 1;
            if *rounds == 0 {
                self.delay = None;
            }
        }
        // Where the far end is loud: how far below it is the microphone?
        let mut below = [0.0f32; WINDOW];
        let mut n = 0;
        for (i, &near) in near.iter().enumerate() {
            let newest = i + DELAYS - 1;
            let heard = if follows {
                // One cell either way: the delay is not a whole number of cells.
                let at = newest - delay;
                far[at.saturating_sub(1)..=(at + 1).min(far.len() - 1)]
                    .iter()
                    .copied()
                    .fold(SILENT, f32::max)
            } else {
                far[newest + 1 - (MEMORY / CELL) as usize..=newest]
                    .iter()
                    .copied()
                    .fold(SILENT, f32::max)
            };
            if heard > PLAYING + 10.0 && heard > loudest - 15.0 && known[i] {
                below[n] = heard - near;
                n += 1;
            }
        }
        if n < WINDOW / 10 {
            return;
        }
        let below = &mut below[..n];
        below.sort_unstable_by(f32::total_cmp);
        // The louder echoes decide, not the average one.
        let mut loss = below[n / 8];
        if !follows && let Some(least) = self.gain.least_loss() {
            loss = loss.max(least);
        }
        let step = loss - self.return_loss;
        if step > 0.0 {
            if !follows && !heard_out {
                return;
            }
            self.return_loss += (step * 0.2).min(1.0);
        } else if follows && r > if speaking { ALONE_SPEAKING } else { ALONE } {
            self.return_loss += (step * 0.5).max(-FALL);
        }
        self.return_loss = self.return_loss.clamp(BOUNDS.0, BOUNDS.1);
    }
}

/// The least that the return loss can be, whatever the delay of the echo; `None` where not every
/// delay would have let an echo be heard by now.
///
/// For each delay: how far the near level is below the far level, by the median. If that is the
/// echo's delay, the near level is the echo's and more, and the loss is no less than that; the
/// delay of the least loss is the worst that can be. Levels as in [`EchoGate::learn`].
fn bound(
    far: &[f32; WINDOW + DELAYS - 1],
    near: &[f32; WINDOW],
    known: &[bool; WINDOW],
) -> Option<f32> {
    // A delay is not a whole number of cells: the weakest of three neighbours was surely heard.
    let mut sure = [SILENT; WINDOW + DELAYS - 1];
    for (sure, three) in sure[1..].iter_mut().zip(far.windows(3)) {
        *sure = three.iter().copied().fold(f32::INFINITY, f32::min);
    }
    let mut least = f32::INFINITY;
    for delay in 0..DELAYS {
        let mut below = [0.0f32; WINDOW];
        let mut n = 0;
        let far = &sure[DELAYS - 1 - delay..];
        for ((far, near), known) in far.iter().zip(near).zip(known) {
            if *far > PLAYING + 10.0 && *known {
                below[n] = far - near;
                n += 1;
            }
        }
        if n < LOUD {
            return None;
        }
        let at = n - (n / 2).max(LOUD);
        let (_, bound, _) = below[..n].select_nth_unstable_by(at, f32::total_cmp);
        least = least.min(*bound);
    }
    Some(least)
}

/// Pearson's correlation of two windows of the same length; 0 where one does not vary.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len()) as f32;
    let (mean_a, mean_b) = (a.iter().sum::<f32>() / n, b.iter().sum::<f32>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    // Less than half a decibel of variation is no envelope.
    if aa < 0.25 * n || bb < 0.25 * n {
        return 0.0;
    }
    ab / (aa * bb).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pseudo-random envelope in dB, a value for every 10 ms.
    fn envelope(n: u64, seed: u64) -> f32 {
        // Syllables of 100-200 ms between -40 and -10 dB.
        let mut x = (n / 13 + 1).wrapping_mul(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let syllable = (x ^ (x >> 27)) >> 33;
        -40.0 + (syllable % 31) as f32
    }

    fn power(db: f32) -> f64 {
        10f64.powf(f64::from(db) / 10.0)
    }

    fn frame(cell: u64, db: f32) -> FarFrame {
        FarFrame {
            running_time: cell * CELL,
            duration: CELL,
            rms_db: f64::from(db),
        }
    }

    /// Plays `cells` of agent and lets the microphone hear what `near` says of it.
    /// As in the ear, somebody speaks as long as the gate is open.
    fn run(gate: &mut EchoGate, from: u64, cells: u64, near: impl Fn(u64) -> f64) {
        let mut speaking_until = 0;
        for n in from..from + cells {
            gate.far(frame(n, envelope(n, 1)));
            if gate.is_open(n * CELL, (n + 1) * CELL, near(n), n < speaking_until) {
                speaking_until = n + 30;
            }
            gate.near(n * CELL, (n + 1) * CELL, near(n), n < speaking_until);
        }
    }

    #[test]
    fn open_while_nothing_plays() {
        let mut gate = EchoGate::new();
        assert!(gate.is_open(0, CELL, power(-80.0), false));
        for n in 0..100 {
            gate.far(frame(n, -75.0));
        }
        assert!(gate.is_open(90 * CELL, 93 * CELL, power(-80.0), false));
        assert!(!gate.far_plays(90 * CELL));
    }

    #[test]
    fn closed_to_what_the_echo_can_be_and_open_to_more() {
        let mut gate = EchoGate::new();
        for n in 0..100 {
            gate.far(frame(n, -20.0));
        }
        let at = 50 * CELL;
        assert!(gate.far_plays(at));
        let limit = -20.0 - START + MARGIN;
        assert!(!gate.is_open(at, at + CELL, power(limit - 0.5), false));
        assert!(gate.is_open(at, at + CELL, power(limit + 0.5), false));
        // Whoever speaks already may grow quieter.
        assert!(gate.is_open(at, at + CELL, power(limit - 5.0), true));
        // And 300 ms after the agent's last sound it is open again.
        assert!(!gate.is_open(125 * CELL, 126 * CELL, power(-60.0), false));
        assert!(gate.is_open(131 * CELL, 132 * CELL, power(-60.0), false));
    }

    #[test]
    fn the_room_is_learned_and_a_louder_one_too() {
        let mut gate = EchoGate::new();
        let room = |delay: u64, loss: f32| {
            move |n: u64| power(-70.0) + power(envelope(n.saturating_sub(delay), 1) - loss)
        };
        run(&mut gate, 0, 3000, room(8, 25.0));
        assert!(
            (gate.return_loss() - 25.0).abs() < 2.0,
            "{}",
            gate.return_loss()
        );
        assert_eq!(gate.delay(), Some(8 * CELL));
        // Somebody turns the loudspeaker up.
        run(&mut gate, 3000, 500, room(8, 12.0));
        assert!(
            (gate.return_loss() - 12.0).abs() < 2.0,
            "{}",
            gate.return_loss()
        );
    }

    /// The agent speaks from the start, or after a while of silence; nothing comes back.
    #[test]
    fn no_echo_is_learned_within_a_second() {
        for (begin, noise) in [(0, -46.0), (0, -75.0), (700, -46.0)] {
            let mut gate = EchoGate::new();
            for n in 0..begin {
                gate.near(n * CELL, (n + 1) * CELL, power(noise), false);
            }
            run(&mut gate, begin, 100, |_| power(noise));
            // A caller 20 dB above that noise is heard over the agent's words of -20 dB.
            let at = (begin + 100) * CELL;
            gate.far.clear();
            gate.far(frame(begin + 98, -20.0));
            let caller = f32::max(noise + 20.0, -34.0);
            assert!(
                gate.is_open(at - 3 * CELL, at, power(caller), false),
                "from {begin} on, {noise} dB: {}",
                gate.return_loss()
            );
            // What is as loud as the noise is still no caller, over the loudest.
            gate.far(frame(begin + 97, -10.0));
            assert!(!gate.is_open(at - 3 * CELL, at, power(noise), false));
        }
    }

    /// Whatever the delay and the room: no estimate above the truth at any time, or the agent's
    /// own echo would pass.
    #[test]
    fn the_echo_is_never_underestimated() {
        for delay in [0, 2, 15, 30, 40] {
            for loss in [0.0, 10.0, 25.0] {
                for begin in [0, 700] {
                    let mut gate = EchoGate::new();
                    let echo = |n: u64| {
                        let played = n.checked_sub(delay).filter(|n| *n >= begin);
                        power(-70.0) + played.map_or(0.0, |n| power(envelope(n, 1) - loss))
                    };
                    for n in 0..begin {
                        gate.near(n * CELL, (n + 1) * CELL, echo(n), false);
                    }
                    for n in 0..40 {
                        run(&mut gate, begin + n * 10, 10, echo);
                        let learned = gate.return_loss();
                        assert!(
                            learned <= loss.max(START) + 1.5,
                            "{delay} cells, {loss} dB, {n}: {learned}"
                        );
                    }
                }
            }
        }
    }

    /// Steady noise, and nothing comes back: the gate must ask for no more than the noise, at any
    /// time, or it would be a demand for a signal-to-noise ratio.
    #[test]
    fn without_an_echo_noise_is_no_reason_to_close() {
        for noise in [-36.0, -46.0] {
            let mut gate = EchoGate::new();
            // As much as the level of pink noise differs from cell to cell.
            let near = |n: u64| power(noise + (envelope(13 * n, 5) + 25.0) / 15.0);
            let mut closed = 0;
            for second in 0..60 {
                run(&mut gate, second * 100, 100, near);
                let at = (second + 1) * 100 * CELL;
                let caller = power(noise + 4.0);
                if second >= 4 && !gate.is_open(at - 3 * CELL, at, caller, false) {
                    closed += 1;
                }
            }
            assert!(
                closed <= 3,
                "{noise} dB: closed {closed} of 56 times, {}",
                gate.return_loss()
            );
        }
    }

    /// The same noise over an echo that is as loud: the loss stays the room's.
    #[test]
    fn an_echo_in_noise_is_not_underestimated() {
        for (delay, loss) in [(0, 20.0), (7, 26.0), (15, 32.0), (38, 20.0)] {
            let mut gate = EchoGate::new();
            let near = |n: u64| {
                let echo = n
                    .checked_sub(delay)
                    .map_or(0.0, |n| power(envelope(n, 1) - loss));
                power(-46.0 + (envelope(13 * n, 5) + 25.0) / 15.0) + echo
            };
            for n in 0..600 {
                run(&mut gate, n * 10, 10, near);
                let learned = gate.return_loss();
                assert!(
                    learned <= loss + 2.0,
                    "{delay} cells, {loss} dB, {n}: {learned}"
                );
            }
        }
    }

    #[test]
    fn a_headset_returns_nothing() {
        let mut gate = EchoGate::new();
        run(&mut gate, 0, 6000, |_| power(-75.0));
        assert!(gate.return_loss() > 40.0, "{}", gate.return_loss());
        assert_eq!(gate.delay(), None);
    }

    #[test]
    fn a_caller_over_the_agent_does_not_deafen_the_ear() {
        let mut gate = EchoGate::new();
        let echo = |n: u64| power(envelope(n.saturating_sub(8), 1) - 25.0);
        run(&mut gate, 0, 3000, echo);
        // As loud as the agent itself, for half a minute.
        run(&mut gate, 3000, 3000, |n| echo(n) + power(envelope(n, 77)));
        assert!(gate.return_loss() > 20.0, "{}", gate.return_loss());
    }

    #[test]
    fn reports_may_come_in_any_order_and_size() {
        let mut gate = EchoGate::new();
        for n in (0..50).rev() {
            gate.far(frame(2 * n, -20.0));
        }
        // One report of an hour, one from the end of time, and nonsense.
        for (running_time, duration, rms_db) in [
            (0, 3_600_000 * MS, -30.0),
            (u64::MAX - 5, u64::MAX, -10.0),
            (0, CELL, f64::NAN),
        ] {
            gate.far(FarFrame {
                running_time,
                duration,
                rms_db,
            });
        }
        assert!(gate.far_plays(20 * CELL));
        assert_eq!(gate.far.cells.len(), CELLS);
    }
}

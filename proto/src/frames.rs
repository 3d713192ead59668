// SPDX-License-Identifier: MPL-2.0

//! Frames of sound: how long they are, and when a client that grants no credit gets them.

use std::time::Duration;

/// A frame's length in ms, unless a client asks for another.
pub const FRAME_MS: u32 = 20;

/// An old client is never further ahead of real time than this.
pub const LEAD_MS: u32 = 60;

/// The rate in Hz, unless a client asks for another.
pub const RATE: u32 = 48_000;

/// Rates in Hz that may be asked for.
pub const RATES: [u32; 9] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
];

/// Frame lengths in ms that may be asked for: multiples of [`FRAME_MS`] from it to this.
pub const LONGEST_MS: u32 = 200;

/// Bytes of a sample: S16LE.
pub const SAMPLE_BYTES: usize = 2;

/// Samples in so many ms.
pub const fn samples(ms: u32, rate: u32) -> usize {
    (ms as u64 * rate as u64 / 1000) as usize
}

/// How far ahead of real time a client is kept that grants no credit and asks for frames of this
/// length: an old one by [`LEAD_MS`]; with longer frames by one of them and what is left of that.
pub const fn lead_ms(frame_ms: u32) -> u32 {
    frame_ms + LEAD_MS - FRAME_MS
}

/// How much sound a paced client is to have had, `elapsed` after its first frame. A late sender
/// catches up to it, and no further.
pub fn due_ms(elapsed: Duration, lead_ms: u32) -> u64 {
    let whole = elapsed.as_millis() / u128::from(FRAME_MS) * u128::from(FRAME_MS);
    u64::from(lead_ms).saturating_add(u64::try_from(whole).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_frame_is_what_it_always_was() {
        assert_eq!(samples(FRAME_MS, RATE) * SAMPLE_BYTES, 1920);
    }

    #[test]
    fn sixty_at_once_then_twenty_each_twenty() {
        for (elapsed, due) in [
            (0, 60),
            (19, 60),
            (20, 80),
            (39, 80),
            (40, 100),
            (1000, 1060),
        ] {
            assert_eq!(
                due_ms(Duration::from_millis(elapsed), lead_ms(FRAME_MS)),
                due,
                "after {elapsed} ms"
            );
        }
    }
}

// SPDX-License-Identifier: MPL-2.0
//! Interleaved raw audio of any format as `f32` samples.

use gst_audio::AudioFormat;

/// The raw formats that the ears read, in order of preference.
pub(crate) const FORMATS: [AudioFormat; 7] = [
    AudioFormat::S16le,
    AudioFormat::F32le,
    AudioFormat::S32le,
    AudioFormat::S2432le,
    AudioFormat::S24le,
    AudioFormat::F64le,
    AudioFormat::U8,
];

/// Caps of everything the ears read.
pub(crate) fn template_caps() -> gst::Caps {
    gst_audio::AudioCapsBuilder::new_interleaved()
        .format_list(FORMATS)
        .rate_range(8_000..=192_000)
        .build()
}

/// Converts `data` to samples between −1 and 1, appended to `out`. A format outside
/// [`FORMATS`] gives nothing; the pad templates keep it away.
pub(crate) fn convert(format: AudioFormat, data: &[u8], out: &mut Vec<f32>) {
    fn each<const N: usize>(data: &[u8], out: &mut Vec<f32>, f: impl Fn([u8; N]) -> f32) {
        out.extend(data.as_chunks::<N>().0.iter().map(|&bytes| f(bytes)));
    }
    const I24: f32 = 1.0 / (1 << 23) as f32;
    const I32: f32 = 1.0 / (1u32 << 31) as f32;
    let finite = |x: f32| {
        if x.is_finite() {
            x.clamp(-8.0, 8.0)
        } else {
            0.0
        }
    };
    match format {
        AudioFormat::S16le => each(data, out, |b| {
            f32::from(i16::from_le_bytes(b)) * (1.0 / 32_768.0)
        }),
        AudioFormat::F32le => each(data, out, |b| finite(f32::from_le_bytes(b))),
        AudioFormat::S32le => each(data, out, |b| i32::from_le_bytes(b) as f32 * I32),
        // 24 bits in the lower part of 32; the top byte says nothing.
        AudioFormat::S2432le => each(data, out, |b: [u8; 4]| {
            (i32::from_le_bytes(b) << 8 >> 8) as f32 * I24
        }),
        AudioFormat::S24le => each(data, out, |[a, b, c]: [u8; 3]| {
            (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 * I24
        }),
        AudioFormat::F64le => each(data, out, |b| finite(f64::from_le_bytes(b) as f32)),
        AudioFormat::U8 => each(data, out, |[b]: [u8; 1]| (f32::from(b) - 128.0) / 128.0),
        _ => {}
    }
}

/// Nanoseconds that `frames` last.
pub(crate) fn frames_to_time(frames: u64, rate: u64) -> u64 {
    (u128::from(frames) * 1_000_000_000 / u128::from(rate.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_a_half() {
        gst::init().unwrap();
        let half: [(AudioFormat, &[u8]); 7] = [
            (AudioFormat::S16le, &0x4000i16.to_le_bytes()),
            (AudioFormat::F32le, &0.5f32.to_le_bytes()),
            (AudioFormat::S32le, &0x4000_0000i32.to_le_bytes()),
            (AudioFormat::S2432le, &[0, 0, 0x40, 0xee]),
            (AudioFormat::S24le, &[0, 0, 0x40]),
            (AudioFormat::F64le, &0.5f64.to_le_bytes()),
            (AudioFormat::U8, &[192]),
        ];
        for (format, bytes) in half {
            let mut out = Vec::new();
            convert(format, bytes, &mut out);
            assert_eq!(out, [0.5], "{format}");
        }
        for (format, bytes) in [
            (AudioFormat::S24le, &[0u8, 0, 0xc0][..]),
            (AudioFormat::S2432le, &[0, 0, 0xc0, 0]),
        ] {
            let mut out = Vec::new();
            convert(format, bytes, &mut out);
            assert_eq!(out, [-0.5], "{format}");
        }
        let mut out = Vec::new();
        convert(AudioFormat::F32le, &f32::NAN.to_le_bytes(), &mut out);
        assert_eq!(out, [0.0]);
    }
}

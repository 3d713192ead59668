// SPDX-License-Identifier: MPL-2.0

#![allow(clippy::print_stdout)] // what was skipped, and why

use super::super::signals;
use super::*;

const RATES: [u32; 9] = [
    8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
];

fn scores(analyzer: &mut Analyzer, samples: &[f32]) -> Vec<Score> {
    let mut all = Vec::new();
    analyzer.process(Samples::F32(samples), |score| all.push(score));
    all
}

fn values(scores: &[Score]) -> Vec<f32> {
    scores.iter().map(|score| score.value).collect()
}

fn voice() -> Vec<f32> {
    signals::floats(&signals::named("voice-in-noise").unwrap())
}

/// Real speech at 48 kHz: four recordings in a row, or nothing if they are not installed.
fn speech() -> Option<Vec<f32>> {
    let mut all = Vec::new();
    for name in [
        "Front_Center.wav",
        "Rear_Left.wav",
        "Side_Right.wav",
        "Front_Left.wav",
    ] {
        let Some(samples) = signals::recorded(name) else {
            println!("SKIPPED: {name}: missing (it comes with Debian's alsa-utils)");
            return None;
        };
        all.extend(signals::floats(&samples));
    }
    Some(all)
}

/// The times in seconds at which the score rises to speech, and at which it falls again.
fn decisions(analyzer: &mut Analyzer, samples: &[f32]) -> Vec<f64> {
    let rate = f64::from(analyzer.rate);
    let (on, off) = (
        analyzer.kind().onset_threshold(),
        analyzer.kind().off_threshold(),
    );
    let mut speaking = false;
    let mut times = Vec::new();
    for score in scores(analyzer, samples) {
        let threshold = if speaking { off } else { on };
        if (score.value >= threshold) != speaking {
            speaking = !speaking;
            times.push(score.end as f64 / rate);
        }
    }
    times
}

#[test]
fn speech_is_the_same_at_every_rate_and_channel_count() {
    let Some(speech) = speech() else { return };
    for kind in [Kind::Silero, Kind::Earshot] {
        // At 16 kHz nothing is filtered: this is what the detector itself says.
        let reference = signals::converted(&speech, 48_000, 16_000);
        let reference = values(&scores(&mut Analyzer::new(kind, 16_000, 1), &reference));
        for rate in RATES {
            let samples = signals::converted(&speech, 48_000, rate);
            for channels in [1, 2, 3] {
                let interleaved: Vec<f32> = samples
                    .iter()
                    .flat_map(|x| std::iter::repeat_n(*x, channels))
                    .collect();
                let mut analyzer = Analyzer::new(kind, rate, channels);
                let found = values(&scores(&mut analyzer, &interleaved));
                let threshold = kind.onset_threshold();
                let pairs = || found.iter().zip(&reference);
                assert!(found.len().abs_diff(reference.len()) <= 1);
                let agreeing = pairs()
                    .filter(|(a, b)| (**a >= threshold) == (**b >= threshold))
                    .count() as f32
                    / reference.len() as f32;
                let difference =
                    pairs().map(|(a, b)| (a - b).abs()).sum::<f32>() / reference.len() as f32;
                println!("{kind:?} {rate} Hz × {channels}: {agreeing:.3} agree, {difference:.4}");
                // Below 16 kHz the upper half of the spectrum is gone, which is heard.
                let (agree, differ) = match (kind, rate) {
                    (Kind::Silero, 16_000..) => (0.97, 0.02),
                    (Kind::Silero, _) => (0.90, 0.10),
                    (Kind::Earshot, 16_000..) => (0.93, 0.05),
                    (Kind::Earshot, _) => (0.80, 0.15),
                };
                assert!(agreeing >= agree && difference <= differ);
            }
        }
    }
}

#[test]
fn stereo_is_the_mean_of_its_channels() {
    let voice = voice();
    let interleaved: Vec<f32> = voice.iter().flat_map(|x| [x * 0.9, x * 0.7]).collect();
    let voice: Vec<f32> = voice.iter().map(|x| x * 0.8).collect();
    let mono = scores(&mut Analyzer::new(Kind::Silero, 16_000, 1), &voice);
    let stereo = scores(&mut Analyzer::new(Kind::Silero, 16_000, 2), &interleaved);
    for (a, b) in mono.iter().zip(&stereo) {
        assert!((a.value - b.value).abs() < 1e-4);
    }
}

#[test]
fn every_format_gives_the_same() {
    let samples = signals::named("voice-in-noise").unwrap();
    let floats = signals::floats(&samples);
    let doubles: Vec<f64> = floats.iter().map(|x| f64::from(*x)).collect();
    let longs: Vec<i32> = samples.iter().map(|x| i32::from(*x) << 16).collect();
    let bytes: Vec<u8> = samples.iter().map(|x| ((x >> 8) + 128) as u8).collect();
    let run = |samples: Samples<'_>| {
        let mut all = Vec::new();
        Analyzer::new(Kind::Silero, 16_000, 1).process(samples, |score| all.push(score));
        all
    };
    let expected = run(Samples::S16(&samples));
    assert_eq!(run(Samples::F32(&floats)), expected);
    assert_eq!(run(Samples::F64(&doubles)), expected);
    assert_eq!(run(Samples::S32(&longs)), expected);
    let rough = run(Samples::U8(&bytes));
    assert_eq!(rough.len(), expected.len());
    let coarse: Vec<f32> = bytes
        .iter()
        .map(|x| (f32::from(*x) - 128.0) / 128.0)
        .collect();
    assert_eq!(run(Samples::F32(&coarse)), rough);
}

#[test]
fn buffers_of_any_size_give_the_same() {
    for (kind, rate, channels) in [
        (Kind::Silero, 48_000, 2),
        (Kind::Silero, 44_100, 1),
        (Kind::Silero, 8_000, 1),
        (Kind::Silero, 16_000, 6),
        (Kind::Earshot, 48_000, 1),
    ] {
        let samples: Vec<f32> = voice()
            .iter()
            .flat_map(|x| std::iter::repeat_n(*x, channels))
            .collect();
        let mut whole = Analyzer::new(kind, rate, channels);
        whole.set_two_phase(true);
        let expected = scores(&mut whole, &samples);
        let mut parts = Analyzer::new(kind, rate, channels);
        parts.set_two_phase(true);
        let mut found = Vec::new();
        let mut rest = samples.as_slice();
        let mut size = 0_usize;
        while !rest.is_empty() {
            size = (size * 7_919 + 13) % 1_733;
            let (part, left) = rest.split_at((size * channels).min(rest.len()));
            found.extend(scores(&mut parts, part));
            rest = left;
        }
        assert_eq!(found, expected, "{kind:?} {rate} Hz × {channels}");
        assert_eq!(parts.position(), whole.position());
    }
}

#[test]
fn positions_are_exact_to_a_millisecond() {
    for kind in [Kind::Silero, Kind::Earshot] {
        for rate in RATES {
            for boundary_ms in [320, 640, 960] {
                for offset_us in [-1_000_i64, 1_000] {
                    let place = (boundary_ms * 1_000 + offset_us) * i64::from(rate) / 1_000_000;
                    let mut samples = vec![0.0; rate as usize * 3 / 2];
                    samples[place as usize] = 1.0;
                    let mut analyzer = Analyzer::new(kind, rate, 1);
                    let loudest = scores(&mut analyzer, &samples)
                        .into_iter()
                        .max_by(|a, b| a.rms.total_cmp(&b.rms))
                        .unwrap();
                    let covered = loudest.end - loudest.frames..loudest.end;
                    assert!(
                        covered.contains(&(place as u64)),
                        "{rate} Hz: an impulse at {place} is heard within {covered:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_score_leaves_as_soon_as_its_audio_and_the_delay_have_passed() {
    for rate in RATES {
        let mut analyzer = Analyzer::new(Kind::Silero, rate, 1);
        let mut ends = Vec::new();
        for frame in 0..u64::from(rate) {
            analyzer.process(Samples::F32(&[0.0]), |score| {
                ends.push(score.end);
                let lag = (frame + 1).saturating_sub(score.end);
                assert!(
                    lag <= analyzer_delay(rate) + 1,
                    "{rate} Hz: {lag} frames late"
                );
            });
        }
        assert_eq!(ends.len(), 31);
        let exact = |n: usize| (n as u64 + 1) * 512 * u64::from(rate) / 16_000;
        assert!(ends.iter().enumerate().all(|(n, end)| *end == exact(n)));
        assert!(analyzer.delay() as f64 <= 0.00125 * f64::from(rate));
    }
}

fn analyzer_delay(rate: u32) -> u64 {
    Analyzer::new(Kind::Silero, rate, 1).delay()
}

#[test]
fn the_second_phase_is_a_whole_detector_half_a_hop_away() {
    let voice = voice();
    let mut both = Analyzer::new(Kind::Silero, 16_000, 1);
    both.set_two_phase(true);
    let found = scores(&mut both, &voice);
    assert!(found.is_sorted_by(|a, b| a.end < b.end));
    assert!(
        found
            .windows(2)
            .all(|pair| pair[1].end - pair[0].end == 256)
    );
    let of = |second: bool| -> Vec<f32> {
        values(&found)
            .into_iter()
            .zip(&found)
            .filter(|(_, score)| score.second_phase == second)
            .map(|(value, _)| value)
            .collect()
    };
    let alone = values(&scores(&mut Analyzer::new(Kind::Silero, 16_000, 1), &voice));
    assert_eq!(of(false), alone);
    // Begun with the stream, it hears what a detector would that had 16 ms of silence more.
    let shifted: Vec<f32> = std::iter::repeat_n(0.0, 256).chain(voice).collect();
    let shifted = values(&scores(
        &mut Analyzer::new(Kind::Silero, 16_000, 1),
        &shifted,
    ));
    assert_eq!(of(true), shifted[..of(true).len()]);
}

#[test]
fn the_second_phase_begins_warm_at_any_time() {
    let Some(speech) = speech() else { return };
    let speech = signals::converted(&speech, 48_000, 16_000);
    let (mut begun, mut compared, mut agreeing, mut apart) = (0, 0, 0, 0.0);
    for start in (1_000..speech.len() - 8_000).step_by(1_237) {
        let mut late = Analyzer::new(Kind::Silero, 16_000, 1);
        let mut early = Analyzer::new(Kind::Silero, 16_000, 1);
        early.set_two_phase(true);
        scores(&mut late, &speech[..start]);
        scores(&mut early, &speech[..start]);
        late.set_two_phase(true);
        assert!(late.two_phase());
        let late = scores(&mut late, &speech[start..start + 8_000]);
        let early = scores(&mut early, &speech[start..start + 8_000]);
        let first = late.iter().find(|score| score.second_phase).unwrap();
        assert!(
            first.end <= start as u64 + 256,
            "begun at {start}, its first score ends at {}",
            first.end
        );
        assert!(late.is_sorted_by(|a, b| a.end < b.end));
        begun += 1;
        // The same as if the second phase had always been there, but for what half a hop of memory changes.
        for a in late.iter().filter(|score| score.second_phase) {
            if let Some(b) = early.iter().find(|score| score.end == a.end) {
                compared += 1;
                agreeing += usize::from((a.value >= 0.5) == (b.value >= 0.5));
                apart += (a.value - b.value).abs();
            }
        }
    }
    let (agreeing, apart) = (agreeing as f32 / compared as f32, apart / compared as f32);
    println!("begun {begun} times: {agreeing:.4} of {compared} decisions agree, {apart:.4} apart");
    assert!(begun > 50 && compared > 500);
    assert!(agreeing > 0.98 && apart < 0.02);
}

#[test]
fn phases_can_be_switched_at_every_frame() {
    let voice = voice();
    let alone = values(&scores(&mut Analyzer::new(Kind::Silero, 16_000, 1), &voice));
    let mut analyzer = Analyzer::new(Kind::Silero, 16_000, 1);
    let mut found = Vec::new();
    for (n, part) in voice.chunks(97).enumerate() {
        let phases = [1, 2, 4][n % 3];
        analyzer.set_phases(phases);
        assert_eq!(analyzer.two_phase(), phases > 1);
        assert_eq!(analyzer.hop(), 512 / phases as u64);
        found.extend(scores(&mut analyzer, part));
    }
    assert!(found.is_sorted_by(|a, b| a.end < b.end));
    let first: Vec<f32> = found
        .iter()
        .filter(|score| !score.second_phase)
        .map(|score| score.value)
        .collect();
    assert_eq!(first, alone);
}

#[test]
fn four_phases_score_every_8_ms() {
    let voice = voice();
    let listen = |phases| {
        let mut analyzer = Analyzer::new(Kind::Silero, 48_000, 1);
        analyzer.set_phases(phases);
        let mut found = scores(&mut analyzer, &voice);
        analyzer.set_phases(2);
        analyzer.set_phases(phases);
        found.extend(scores(&mut analyzer, &voice));
        found
    };
    let (one, four) = (listen(1), listen(4));
    assert!(
        four.windows(2)
            .all(|pair| pair[1].end - pair[0].end == 128 * 3)
    );
    let first: Vec<Score> = (four.into_iter())
        .filter(|score| !score.second_phase)
        .collect();
    assert_eq!(first, one);
}

#[test]
fn earshot_scores_each_16_ms_with_or_without_two_phases() {
    let mut analyzer = Analyzer::new(Kind::Earshot, 16_000, 1);
    analyzer.set_two_phase(true);
    assert_eq!(analyzer.hop(), 256);
    let found = scores(&mut analyzer, &voice());
    assert!(
        found
            .windows(2)
            .all(|pair| pair[1].end - pair[0].end == 256)
    );
    assert!(found.iter().all(|score| !score.second_phase));
}

#[test]
fn reset_forgets() {
    for kind in [Kind::Silero, Kind::Earshot] {
        let mut analyzer = Analyzer::new(kind, 44_100, 1);
        analyzer.set_two_phase(true);
        let expected = scores(&mut analyzer, &voice());
        analyzer.reset();
        assert_eq!(analyzer.position(), 0);
        assert_eq!(scores(&mut analyzer, &voice()), expected);
    }
}

#[test]
fn a_gap_is_silence() {
    let voice = voice();
    let mut zeros = Analyzer::new(Kind::Silero, 48_000, 2);
    let mut gap = Analyzer::new(Kind::Silero, 48_000, 2);
    let mut expected = scores(&mut zeros, &voice);
    expected.extend(scores(&mut zeros, &vec![0.0; 2 * 77_777]));
    let mut found = scores(&mut gap, &voice);
    gap.process_silence(77_777, |score| found.push(score));
    assert_eq!(found, expected);
    assert_eq!(gap.position(), zeros.position());
}

#[test]
fn what_is_no_number_is_silence() {
    for kind in [Kind::Silero, Kind::Earshot] {
        for rate in [16_000, 48_000] {
            let mut analyzer = Analyzer::new(kind, rate, 1);
            for bad in [f32::NAN, f32::INFINITY, f32::MAX, -1e30, 1e-44] {
                for score in scores(&mut analyzer, &[bad; 5_000]) {
                    assert!((0.0..=1.0).contains(&score.value) && score.rms.is_finite());
                }
            }
            analyzer.process(Samples::F64(&[1e300, f64::NAN, -1e300]), |_| ());
        }
    }
}

#[test]
fn after_an_hour_it_still_listens() {
    let Some(speech) = speech() else { return };
    let speech = signals::converted(&speech, 48_000, 16_000);
    for kind in [Kind::Silero, Kind::Earshot] {
        let mut analyzer = Analyzer::new(kind, 16_000, 1);
        let expected = decisions(&mut analyzer, &speech).len();
        assert!(expected >= 8);
        let minute = 60 * 16_000;
        let mut talked = 0;
        // 25 minutes of speech, 20 of silence, 15 of noise.
        while analyzer.position() < 25 * minute {
            for score in scores(&mut analyzer, &speech) {
                assert!((0.0..=1.0).contains(&score.value));
                talked += usize::from(score.value > 0.7);
            }
        }
        assert!(talked > 10_000, "{talked} hops of speech in 25 minutes");
        let mut worst = 0.0_f32;
        analyzer.process_silence(20 * minute, |score| worst = score.value);
        assert!(worst < 0.2, "{kind:?}: silence ends at {worst}");
        let noise = signals::floats(&signals::noise(7, 300));
        while analyzer.position() < 60 * minute {
            scores(&mut analyzer, &noise);
        }
        let after = decisions(&mut analyzer, &speech).len();
        assert!(
            after.abs_diff(expected) <= 2,
            "{kind:?}: {after} decisions after an hour, {expected} at first"
        );
        assert!(analyzer.audio.len() <= 16 * HISTORY, "a buffer that grows");
    }
}

#[test]
fn speech_is_heard_and_nothing_else() {
    let Some(speech) = speech() else { return };
    let speech = signals::converted(&speech, 48_000, 16_000);
    for kind in [Kind::Silero, Kind::Earshot] {
        for quiet in ["silence", "noise", "full-scale"] {
            let audio = signals::floats(&signals::named(quiet).unwrap());
            let found = decisions(&mut Analyzer::new(kind, 16_000, 1), &audio);
            println!("{kind:?}: {quiet} {found:?}");
            assert!(
                kind == Kind::Earshot || found.is_empty(),
                "{kind:?} hears {quiet}"
            );
        }
        // Each recording names a place in two words, with a pause.
        let found = decisions(&mut Analyzer::new(kind, 16_000, 1), &speech);
        println!("{kind:?}: {found:?}");
        assert!((8..=24).contains(&found.len()));
    }
}

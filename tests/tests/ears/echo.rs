// SPDX-License-Identifier: MPL-2.0

//! The agent does not interrupt itself, and callers still interrupt it.

use std::sync::LazyLock;
use std::time::Duration;

use duplex_tests::noise::Noise;
use duplex_tests::random::Random;
use duplex_tests::recordings::{self, RATE};
use duplex_tests::room::Room;
use duplex_tests::{plugins, signal, speaking};

use crate::rig::{Rig, Shape, signals};

const FRAME: usize = RATE as usize / 100;

/// About half a minute of an agent who speaks without many pauses, at −20 dBFS.
static AGENT: LazyLock<Vec<f32>> = LazyLock::new(|| {
    plugins::init();
    let rig = speaking::Rig::playing("espeaktts");
    rig.begin_bytes();
    rig.push(
        "Good afternoon, and thank you for calling. I have looked at your order, and I can tell \
         you that the second parcel left our warehouse yesterday evening. It should reach you \
         by Friday at the latest. The first parcel is a different story: the carrier says that \
         nobody was at home, so they took it to the post office in Station Road, where it \
         waits for you until the end of next week. Please take a passport with you when you \
         collect it. If you would rather have it delivered again, I can arrange that right \
         now; it takes two working days, and it costs nothing. Would you like me to do that? \
         I could also send you a text message with the opening hours, the address, and the \
         number that you need at the counter.",
    )
    .unwrap();
    let out = rig.drain();
    let samples: Vec<f32> = speaking::samples(&out)
        .iter()
        .map(|s| f32::from(*s) / 32768.0)
        .collect();
    rig.stop();
    let mut samples = signal::resample(&samples, 22_050, RATE);
    let level = signal::rms(&samples);
    signal::scale(&mut samples, (0.1 / level) as f32);
    samples.truncate(samples.len() / FRAME * FRAME);
    samples
});

struct Scene {
    delay_ms: f64,
    echo_db: f64,
    seconds: usize,
    /// Level of the callers in dBFS, who speak every 7 s; `None`: nobody calls.
    caller_db: Option<f64>,
    properties: &'static [(&'static str, &'static str)],
}

#[derive(Debug, Default)]
struct Outcome {
    suspected: usize,
    onsets: usize,
    started: usize,
    calls: usize,
    answered: usize,
    /// Onset decisions after the labelled onset, ms.
    delays: Vec<f64>,
    return_loss: f64,
    echo_delay: u64,
}

fn play(scene: &Scene) -> Outcome {
    let mut rig = Rig::new(Shape::mono(RATE), scene.properties);
    let mut room = Room::living(RATE, scene.delay_ms, scene.echo_db);
    let mut random = Random::new(scene.delay_ms as u64 * 100 + scene.seconds as u64);
    let length = scene.seconds * RATE as usize;
    let mut near = Noise::Pink.samples(length, f64::from(signal::from_db(-60.0)), &mut random, &[]);
    let mut calls = Vec::new();
    if let Some(db) = scene.caller_db {
        let callers = recordings::speaker_tests().unwrap();
        for (n, caller) in (0..).zip(callers.iter().cycle()) {
            let at = (6 + n * 7) * RATE as usize + random.below(RATE as usize);
            if at + caller.samples.len() > length {
                break;
            }
            let mut speech = caller.speech().to_vec();
            signal::scale(
                &mut speech,
                (f64::from(signal::from_db(db)) / caller.level) as f32,
            );
            signal::add(&mut near, &speech, at);
            calls.push(at as f64 * 1000.0 / f64::from(RATE));
        }
    }
    let mut agent = AGENT.chunks(FRAME).cycle();
    for (n, near) in near.chunks_mut(FRAME).enumerate() {
        // Playout reports a frame when it pushes it.
        let played = agent.next().unwrap();
        let at = Duration::from_millis(10) * n as u32;
        rig.far_end(
            at,
            Duration::from_millis(10),
            signal::to_db(signal::rms(played)),
        );
        signal::add(near, &room.hear(played), 0);
        rig.hear(near);
    }
    let out = signals(&rig.take());
    let mut result = Outcome {
        calls: calls.len(),
        return_loss: rig.stats().get("echo-return-loss").unwrap(),
        echo_delay: rig.stats().get::<u64>("echo-delay").unwrap() / 1_000_000,
        ..Outcome::default()
    };
    for call in &calls {
        let heard = out.iter().find(|(name, at, _)| {
            *name == "speech-onset" && (call - 50.0..call + 1500.0).contains(&(*at as f64))
        });
        if let Some((_, at, _)) = heard {
            result.answered += 1;
            result.delays.push(*at as f64 - call);
        }
    }
    let alone = |at: u64| {
        !calls
            .iter()
            .any(|c| (c - 100.0..c + 2500.0).contains(&(at as f64)))
    };
    for (name, at, _) in out {
        if alone(at) {
            result.suspected += usize::from(name == "speech-suspected");
            result.onsets += usize::from(name == "speech-onset");
            result.started += usize::from(name == "speech-started");
        }
    }
    result.delays.sort_by(f64::total_cmp);
    result
}

const DELAYS_MS: [f64; 3] = [5.0, 40.0, 150.0];
const ECHOES_DB: [f64; 3] = [-10.0, -20.0, -30.0];

/// Ten minutes of an agent who never stops, in nine rooms and then in the worst of them.
#[test]
fn an_agent_does_not_interrupt_itself() {
    let rooms = DELAYS_MS
        .iter()
        .flat_map(|d| ECHOES_DB.iter().map(|e| (*d, *e, 70)));
    for (delay_ms, echo_db, seconds) in rooms.chain([(150.0, -10.0, 600)]) {
        let result = play(&Scene {
            delay_ms,
            echo_db,
            seconds,
            caller_db: None,
            properties: &[],
        });
        assert_eq!(result.started, 0, "{delay_ms} ms, {echo_db} dB: {result:?}");
        // In ten minutes, at most one pause that resumes.
        assert!(
            result.onsets + result.suspected <= 1,
            "{delay_ms} ms, {echo_db} dB: {result:?}"
        );
        // The room is known by now, to its reflections (+1 dB) and to a cell of 10 ms.
        assert!(
            (result.return_loss + echo_db).abs() < 2.5,
            "{echo_db} dB: {result:?}"
        );
        assert!(
            (result.echo_delay as f64 - delay_ms).abs() <= 20.0,
            "{result:?}"
        );
    }
}

/// Without the gate the same agent takes itself for a caller: the test above can fail.
#[test]
fn without_the_gate_it_would() {
    let result = play(&Scene {
        delay_ms: 40.0,
        echo_db: -20.0,
        seconds: 60,
        caller_db: None,
        properties: &[("echo-gate", "false")],
    });
    assert!(result.started > 0, "{result:?}");
}

/// The agent goes on speaking whatever is said, which no mouth does: the hardest case.
#[test]
fn callers_interrupt_over_the_echo() {
    for caller_db in [-20.0, -26.0] {
        for (delay_ms, echo_db) in DELAYS_MS
            .iter()
            .flat_map(|d| ECHOES_DB.iter().map(|e| (*d, *e)))
        {
            let result = play(&Scene {
                delay_ms,
                echo_db,
                seconds: 60,
                caller_db: Some(caller_db),
                properties: &[],
            });
            let what = format!("{caller_db} dB over {echo_db} dB, {delay_ms} ms: {result:?}");
            println!("{what}");
            assert_eq!(
                (result.suspected, result.onsets, result.started),
                (0, 0, 0),
                "{what}"
            );
            // A caller 4 dB above the echo is hard to tell from it.
            let hard = caller_db - (echo_db - 20.0) < 6.0;
            let least = if hard {
                result.calls / 3
            } else {
                result.calls - 1
            };
            assert!(result.answered >= least, "{what}");
            if caller_db - (echo_db - 20.0) > 12.0 {
                assert!(result.delays[result.delays.len() / 2] < 90.0, "{what}");
            }
        }
    }
}

/// Headphones: nothing comes back. Whoever speaks up when the agent has just begun is heard.
#[test]
fn without_an_echo_callers_interrupt_from_the_first_seconds_on() {
    let length = 4 * RATE as usize;
    let noise = f64::from(signal::from_db(-46.0));
    let mut delays = Vec::new();
    for (n, caller) in (0..).zip(&recordings::speaker_tests().unwrap()) {
        for at in [1.0, 1.5, 2.0] {
            let mut rig = Rig::new(Shape::mono(RATE), &[]);
            let mut near = Noise::Pink.samples(length, noise, &mut Random::new(n), &[]);
            let mut speech = caller.speech().to_vec();
            let level = f64::from(signal::from_db(-26.0));
            signal::scale(&mut speech, (level / caller.level) as f32);
            signal::add(&mut near, &speech, (at * f64::from(RATE)) as usize);
            // The agent begins with another word each time.
            let agent = AGENT.chunks(FRAME).skip(n as usize * 300);
            for ((n, near), played) in (0..).zip(near.chunks(FRAME)).zip(agent) {
                let begin = Duration::from_millis(10) * n;
                let level = signal::to_db(signal::rms(played));
                rig.far_end(begin, Duration::from_millis(10), level);
                rig.hear(near);
            }
            let out = signals(&rig.take());
            let onset = out.iter().find(|(name, ..)| *name == "speech-onset");
            let loss: f64 = rig.stats().get("echo-return-loss").unwrap();
            let what = format!("{} at {at} s, {loss} dB: {out:?}", caller.name);
            let delay = onset.expect(&what).1 as f64 - at * 1000.0;
            assert!((-50.0..700.0).contains(&delay), "{what}");
            delays.push(delay);
        }
    }
    delays.sort_by(f64::total_cmp);
    assert!(delays[delays.len() / 2] < 150.0, "{delays:?}");
}

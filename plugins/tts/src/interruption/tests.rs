// SPDX-License-Identifier: MPL-2.0

use super::*;

const MS: Nanos = 1_000_000;

/// Runs a script such as `100 play, 200 onset, 300 cancelled` (times in ms) tick by tick and tells what it did to the
/// speech, in the same form. `play` and `idle` say whether an utterance sounds; commit-duration 250 ms, hold-limit 2 s.
fn run(mode: Mode, script: &str) -> String {
    let mut policy = Interruption::new(mode, Duration::from_millis(250), Duration::from_secs(2));
    let mut playing = false;
    let mut paused = false;
    let mut told: Vec<String> = Vec::new();
    let mut note = |policy: &Interruption, at: u64, drop: Option<Drop>, playing: &mut bool| {
        if let Some(drop) = drop {
            let (decided, committed) = (drop.decided_at / MS, drop.committed_at / MS);
            told.push(format!(
                "{committed} drop {} of {decided}",
                drop.reason.as_str()
            ));
            *playing = false;
        }
        if policy.paused() != paused {
            paused = policy.paused();
            told.push(format!("{at} {}", if paused { "hush" } else { "speak" }));
        }
    };
    let mut steps = script
        .split(", ")
        .map(|step| step.split_once(' ').unwrap())
        .peekable();
    for at in 0..4_000 {
        let drop = policy.tick(at * MS);
        note(&policy, at, drop, &mut playing);
        while let Some((_, what)) = steps.next_if(|(time, _)| time.parse() == Ok(at)) {
            let input = match what {
                "play" | "idle" => {
                    playing = what == "play";
                    continue;
                }
                "suspected" => Input::Ear(EarEvent::Suspected),
                "onset" => Input::Ear(EarEvent::Onset),
                "started" => Input::Ear(EarEvent::Started),
                "cancelled" => Input::Ear(EarEvent::Cancelled),
                "ended" => Input::Ear(EarEvent::Ended),
                "pause" => Input::Command(Command::Pause),
                "resume" => Input::Command(Command::Resume),
                "interrupt" => Input::Command(Command::Interrupt),
                "commit" => Input::Command(Command::Commit),
                "dismiss" => Input::Command(Command::Dismiss),
                other => panic!("{other}"),
            };
            let sounds = playing && !policy.paused();
            let drop = policy.input(at * MS, input, sounds);
            note(&policy, at, drop, &mut playing);
        }
    }
    assert_eq!(steps.next(), None, "the script is out of order");
    told.join(", ")
}

#[test]
fn table() {
    use Mode::{Immediate, PauseThenCommit as Two};
    let cases = [
        // The two stages.
        (
            Two,
            "0 play, 100 onset, 200 cancelled",
            "100 hush, 200 speak",
        ),
        (Two, "0 play, 100 onset, 200 ended", "100 hush, 200 speak"),
        (
            Two,
            "0 play, 100 onset, 180 started, 200 ended",
            "100 hush, 200 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 300 started, 500 ended",
            "100 hush, 350 drop onset-commit of 100, 500 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 350 started, 350 ended",
            "100 hush, 350 drop onset-commit of 100, 350 speak",
        ),
        // The ear confirms a hop late, which is when it is certain.
        (
            Two,
            "0 play, 100 onset, 362 started, 500 ended",
            "100 hush, 362 drop onset-commit of 100, 500 speak",
        ),
        // A sound that lasts almost long enough is called off after the time is up.
        (
            Two,
            "0 play, 100 onset, 349 cancelled",
            "100 hush, 349 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 414 cancelled",
            "100 hush, 414 speak",
        ),
        // An ear that never confirms what it does not take back.
        (
            Two,
            "0 play, 100 onset, 500 ended",
            "100 hush, 450 drop onset-commit of 100, 500 speak",
        ),
        // A suspicion pauses; the commit counts from the onset, and without one nothing is dropped.
        (
            Two,
            "0 play, 100 suspected, 300 cancelled",
            "100 hush, 300 speak",
        ),
        (
            Two,
            "0 play, 100 suspected, 200 onset, 450 started, 900 ended",
            "100 hush, 450 drop onset-commit of 100, 900 speak",
        ),
        (
            Two,
            "0 play, 100 suspected, 200 onset, 400 cancelled",
            "100 hush, 400 speak",
        ),
        (
            Immediate,
            "0 play, 100 suspected, 200 cancelled, 300 suspected, 350 onset, 900 ended",
            "100 hush, 200 speak, 300 hush, 350 drop onset-commit of 300, 900 speak",
        ),
        // An ear that never resolves it.
        (Two, "0 play, 100 suspected", "100 hush, 600 speak"),
        // What does not sound cannot be paused, and a text is not held back for a noise.
        (Two, "100 suspected, 200 cancelled", ""),
        (
            Two,
            "0 play, 100 suspected, 150 resume, 200 cancelled, 300 suspected, 350 cancelled",
            "100 hush, 150 speak, 300 hush, 350 speak",
        ),
        (
            Two,
            "0 play, 100 suspected, 150 interrupt, 200 cancelled",
            "100 hush, 150 drop action of 100, 200 speak",
        ),
        (Mode::None, "0 play, 100 suspected, 200 cancelled", ""),
        // An ear that only confirms.
        (
            Two,
            "0 play, 100 started, 500 ended",
            "100 hush, 350 drop onset-commit of 100, 500 speak",
        ),
        (Two, "0 play, 100 started, 300 ended", "100 hush, 300 speak"),
        // Again and again.
        (
            Two,
            "0 play, 100 onset, 200 cancelled, 210 onset, 300 cancelled",
            "100 hush, 200 speak, 210 hush, 300 speak",
        ),
        // Overlapping onsets are one.
        (
            Two,
            "0 play, 100 onset, 200 onset, 300 started, 500 ended",
            "100 hush, 350 drop onset-commit of 100, 500 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 200 onset, 300 cancelled",
            "100 hush, 300 speak",
        ),
        // Recognised words decide.
        (
            Two,
            "0 play, 100 onset, 150 commit, 500 ended",
            "100 hush, 150 drop onset-commit of 100, 500 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 150 dismiss, 500 ended",
            "100 hush, 150 speak",
        ),
        (Two, "0 play, 100 commit", ""),
        // Mhm … but wait.
        (
            Two,
            "0 play, 100 onset, 150 dismiss, 400 commit, 500 ended",
            "100 hush, 150 speak, 400 drop onset-commit of 400, 400 hush, 500 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 150 dismiss, 300 ended, 400 commit",
            "100 hush, 150 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 150 commit, 200 commit, 500 ended",
            "100 hush, 150 drop onset-commit of 100, 500 speak",
        ),
        (
            Two,
            "0 play, 100 dismiss, 200 onset, 300 cancelled",
            "200 hush, 300 speak",
        ),
        // Immediate and none.
        (
            Immediate,
            "0 play, 100 onset, 500 ended",
            "100 drop onset-commit of 100, 100 hush, 500 speak",
        ),
        (
            Immediate,
            "0 play, 100 onset, 150 cancelled",
            "100 drop onset-commit of 100, 100 hush, 150 speak",
        ),
        (Mode::None, "0 play, 100 onset, 500 started, 900 ended", ""),
        (
            Mode::None,
            "0 play, 100 interrupt",
            "100 drop action of 100",
        ),
        // Nothing plays: text that comes waits for the caller, and is not dropped however long that takes.
        (Two, "100 onset, 200 play, 900 ended", "100 hush, 900 speak"),
        (
            Two,
            "100 onset, 150 play, 200 cancelled",
            "100 hush, 200 speak",
        ),
        (Two, "100 onset, 200 ended, 300 play", "100 hush, 200 speak"),
        // But not for ever: an ear that never ends must not silence the mouth.
        (Two, "100 onset, 200 play", "100 hush, 2100 speak"),
        (
            Two,
            "0 play, 100 onset, 1000 play",
            "100 hush, 450 drop onset-commit of 100, 2100 speak",
        ),
        (
            Immediate,
            "0 play, 100 onset",
            "100 drop onset-commit of 100, 100 hush, 2100 speak",
        ),
        // After that, a new onset counts again.
        (
            Two,
            "100 onset, 200 play, 2500 onset, 2600 cancelled",
            "100 hush, 2100 speak, 2500 hush, 2600 speak",
        ),
        // Whoever goes on speaking goes on holding.
        (
            Two,
            "100 onset, 1500 onset, 3000 ended",
            "100 hush, 3000 speak",
        ),
        // Actions win over ears.
        (
            Two,
            "0 play, 100 pause, 200 onset, 300 cancelled",
            "100 hush",
        ),
        (
            Two,
            "0 play, 100 pause, 200 onset, 900 ended, 1000 resume",
            "100 hush, 1000 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 150 pause, 200 cancelled, 300 resume",
            "100 hush, 300 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 150 resume, 900 ended",
            "100 hush, 150 speak",
        ),
        (
            Two,
            "0 play, 100 pause, 200 onset, 300 resume, 900 ended",
            "100 hush, 300 speak",
        ),
        (
            Two,
            "0 play, 100 pause, 200 interrupt",
            "100 hush, 200 drop action of 200, 200 speak",
        ),
        (
            Two,
            "0 play, 100 onset, 200 interrupt, 300 ended",
            "100 hush, 200 drop action of 100, 300 speak",
        ),
        // A pause by action during the tentative pause is dropped with it.
        (
            Two,
            "0 play, 100 onset, 150 pause, 500 ended",
            "100 hush, 450 drop onset-commit of 100, 500 speak",
        ),
        // Odd orders.
        (Two, "0 play, 100 cancelled, 200 ended", ""),
        (Two, "0 play, 100 resume", ""),
        (Two, "100 interrupt", "100 drop action of 100"),
    ];
    for (mode, script, expected) in cases {
        assert_eq!(run(mode, script), expected, "{mode:?}: {script}");
    }
}

#[test]
fn a_commit_of_no_length_is_an_immediate_one() {
    let mut policy = Interruption::new(
        Mode::PauseThenCommit,
        Duration::ZERO,
        Duration::from_secs(2),
    );
    let drop = policy.input(5 * MS, Input::Ear(EarEvent::Onset), true);
    assert_eq!(
        drop.map(|d| (d.decided_at, d.committed_at)),
        Some((5 * MS, 5 * MS))
    );
}

#[test]
fn a_new_base_time_moves_what_is_measured() {
    let mut policy = Interruption::new(
        Mode::PauseThenCommit,
        Duration::from_millis(250),
        Duration::from_secs(2),
    );
    policy.input(1_000 * MS, Input::Ear(EarEvent::Onset), true);
    policy.shift(1_100 * MS, 100 * MS);
    policy.input(150 * MS, Input::Ear(EarEvent::Started), true);
    assert_eq!(policy.tick(249 * MS), None);
    assert!(policy.tick(250 * MS).is_some());
}

#[test]
fn switching_it_off_or_losing_the_ear_lets_speech_go_on() {
    for forget in [false, true] {
        let mut policy = Interruption::new(
            Mode::default(),
            Duration::from_millis(250),
            Duration::from_secs(2),
        );
        policy.input(0, Input::Ear(EarEvent::Onset), true);
        assert!(policy.paused());
        if forget {
            policy.forget_ear();
        } else {
            policy.configure(
                Mode::None,
                Duration::from_millis(250),
                Duration::from_secs(2),
            );
        }
        assert!(!policy.paused());
        assert_eq!(policy.tick(10_000 * MS), None);
    }
}

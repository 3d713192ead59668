// SPDX-License-Identifier: MPL-2.0

//! The table of cases. Times are milliseconds.

use super::*;

const MS: Nanos = 1_000_000;

/// Something that happens, at a time.
enum Step {
    /// Somebody may speak; over the agent or not.
    Perhaps(u64, bool),
    Not(u64),
    /// Somebody speaks; over the agent or not.
    Starts(u64, bool),
    /// Ends at the first, which is found out at the second.
    Ends(u64, u64),
    /// A partial result.
    Hears(u64, &'static str, Phrase),
    /// The same, the last word being over for long.
    Pauses(u64, &'static str, Phrase),
    /// A partial result of an engine that tells how sure it is, in percent, and where the voice ended.
    Guesses(u64, &'static str, Phrase, u8, u64),
    /// What such an engine makes of it in the end.
    Guessed(&'static str, u8),
    /// The agent was stopped.
    Stopped(u64),
    /// Nothing happens until then.
    Waits(u64),
    /// What the engine makes of it in the end.
    Was(&'static str),
    Fails,
    Flush(u64),
    Eos(u64),
}

use Phrase::{Complete, Open, Unknown};
use Step::*;

struct Case {
    name: &'static str,
    steps: &'static [Step],
    /// Time and action.
    expect: &'static [(u64, &'static str)],
}

fn told(action: &Action) -> String {
    match action {
        Action::Start { onset } => format!("start {}", onset / MS),
        Action::Abandon => "abandon".into(),
        Action::Commit => "commit".into(),
        Action::Dismiss => "dismiss".into(),
        Action::LikelyEnd { text } => format!("likely {text}"),
        Action::Finish => "finish".into(),
        Action::Deliver => "deliver".into(),
        Action::Discard { backchannel: true } => "backchannel".into(),
        Action::Discard { backchannel: false } => "nothing".into(),
    }
}

/// Plays a case, asking for the deadline every millisecond.
fn play(steps: &[Step]) -> Vec<(u64, String)> {
    let mut policy = TurnTaking::new(Config {
        min_delay: 300 * MS,
        max_delay: 1200 * MS,
        backchannels: Backchannels::of("en"),
    });
    let mut now = 0;
    let mut all = Vec::new();
    for step in steps {
        let until = match step {
            Perhaps(at, _)
            | Not(at)
            | Starts(at, _)
            | Ends(_, at)
            | Hears(at, ..)
            | Pauses(at, ..)
            | Guesses(at, ..)
            | Stopped(at)
            | Waits(at)
            | Flush(at)
            | Eos(at) => *at,
            Was(_) | Guessed(..) | Fails => now,
        };
        while now < until {
            now += 1;
            all.extend(policy.tick(now * MS).iter().map(|a| (now, told(a))));
        }
        let input = match step {
            Perhaps(at, over_agent) => Input::SpeechSuspected {
                onset: at.saturating_sub(50) * MS,
                over_agent: *over_agent,
            },
            Not(_) => Input::SpeechCancelled,
            Starts(at, over_agent) => Input::SpeechStarted {
                onset: at.saturating_sub(50) * MS,
                over_agent: *over_agent,
            },
            Ends(end, _) => Input::SpeechEnded { end: end * MS },
            Hears(_, text, phrase) => Input::Partial {
                text,
                phrase: *phrase,
                heard_until: Some(now * MS),
                voiced_until: None,
                confidence: None,
            },
            Pauses(at, text, phrase) => Input::Partial {
                text,
                phrase: *phrase,
                heard_until: Some((at - 150) * MS),
                voiced_until: None,
                confidence: None,
            },
            Guesses(_, text, phrase, sure, voiced) => Input::Partial {
                text,
                phrase: *phrase,
                heard_until: Some(now * MS),
                voiced_until: Some(voiced * MS),
                confidence: Some(f64::from(*sure) / 100.0),
            },
            Guessed(text, sure) => Input::Final {
                text,
                confidence: Some(f64::from(*sure) / 100.0),
            },
            Waits(_) => continue,
            Was(text) => Input::Final {
                text,
                confidence: None,
            },
            Stopped(_) => Input::Interrupted,
            Fails => Input::Failed,
            Flush(_) => Input::Cancel,
            Eos(_) => Input::End,
        };
        all.extend(
            policy
                .input(now * MS, &input)
                .iter()
                .map(|a| (now, told(a))),
        );
    }
    all
}

#[test]
fn table() {
    let cases = [
        Case {
            name: "a complete phrase ends after the shorter delay, counted from where speech ended",
            steps: &[
                Starts(100, false),
                Hears(500, "stop", Complete),
                Ends(600, 700),
                Waits(2000),
                Was("stop"),
                Waits(3000),
            ],
            expect: &[
                (100, "start 50"),
                (700, "likely stop"),
                (900, "finish"),
                (2000, "deliver"),
            ],
        },
        Case {
            name: "an end that is known later than the delay is at once",
            steps: &[
                Starts(100, false),
                Hears(500, "stop", Complete),
                Ends(600, 1000),
                Was("stop"),
            ],
            expect: &[(100, "start 50"), (1000, "finish"), (1000, "deliver")],
        },
        Case {
            name: "an open phrase is waited for",
            steps: &[
                Starts(100, false),
                Hears(500, "count to", Open),
                Ends(600, 900),
                Waits(1900),
                Was("count to"),
            ],
            expect: &[
                (100, "start 50"),
                (900, "likely count to"),
                (1800, "finish"),
                (1900, "deliver"),
            ],
        },
        Case {
            name: "where nobody knows, the delay is a third of the way",
            steps: &[
                Starts(100, false),
                Hears(500, "well I", Unknown),
                Ends(600, 900),
                Waits(1300),
                Was("well I"),
            ],
            expect: &[
                (100, "start 50"),
                (900, "likely well I"),
                (1200, "finish"),
                (1300, "deliver"),
            ],
        },
        Case {
            name: "speech that goes on joins the turn",
            steps: &[
                Starts(100, false),
                Hears(500, "count to", Open),
                Ends(600, 900),
                Starts(1100, false),
                Hears(1400, "count to five", Complete),
                Ends(1500, 1800),
                Was("count to five"),
            ],
            expect: &[
                (100, "start 50"),
                (900, "likely count to"),
                (1800, "finish"),
                (1800, "deliver"),
            ],
        },
        Case {
            name: "a likely end comes before the speech is found to have ended, once for the same words",
            steps: &[
                Starts(100, false),
                Hears(500, "stop", Complete),
                Pauses(660, "stop", Complete),
                Pauses(760, "stop", Complete),
                Ends(510, 810),
                Was("stop"),
            ],
            expect: &[
                (100, "start 50"),
                (660, "likely stop"),
                (810, "finish"),
                (810, "deliver"),
            ],
        },
        Case {
            name: "no words, no turn",
            steps: &[
                Starts(100, false),
                Ends(600, 900),
                Waits(2000),
                Was(""),
                Starts(3000, false),
            ],
            expect: &[
                (100, "start 50"),
                (1800, "finish"),
                (2000, "nothing"),
                (3000, "start 2950"),
            ],
        },
        Case {
            name: "yes is an answer while the agent is silent",
            steps: &[
                Starts(100, false),
                Hears(300, "yes", Complete),
                Hears(400, "yes", Complete),
                Ends(450, 750),
                Was("yes"),
            ],
            expect: &[(100, "start 50"), (750, "finish"), (750, "deliver")],
        },
        Case {
            name: "over the agent's speech it is a backchannel as soon as two results agree",
            steps: &[
                Starts(100, true),
                Hears(200, "yes", Complete),
                Hears(300, "yeah", Complete),
                Hears(400, "yeah", Complete),
                Ends(450, 750),
                Was("yeah"),
            ],
            expect: &[
                (100, "start 50"),
                (300, "dismiss"),
                (750, "finish"),
                (750, "backchannel"),
            ],
        },
        Case {
            name: "a command of many words commits as soon as two results agree",
            steps: &[
                Starts(100, true),
                Hears(200, "", Open),
                Hears(300, "tell me a", Open),
                Hears(400, "tell me a story", Complete),
                Ends(500, 800),
                Was("tell me a story"),
            ],
            expect: &[
                (100, "start 50"),
                (400, "commit"),
                (800, "finish"),
                (800, "deliver"),
            ],
        },
        Case {
            name: "one of few words commits once four results agree",
            steps: &[
                Starts(100, true),
                Hears(200, "stop", Complete),
                Hears(280, "stop", Complete),
                Hears(360, "stop it", Complete),
                Hears(440, "stop it", Complete),
                Ends(500, 800),
                Was("stop it"),
            ],
            expect: &[
                (100, "start 50"),
                (440, "commit"),
                (800, "finish"),
                (800, "deliver"),
            ],
        },
        Case {
            name: "a backchannel that was something else at first is one",
            steps: &[
                Starts(100, true),
                Hears(180, "what", Open),
                Hears(260, "what is", Open),
                Hears(340, "right", Complete),
                Hears(420, "right", Complete),
                Ends(450, 750),
                Was("right"),
            ],
            expect: &[
                (100, "start 50"),
                (420, "dismiss"),
                (750, "finish"),
                (750, "backchannel"),
            ],
        },
        Case {
            name: "one result alone decides nothing, the end of speech does",
            steps: &[
                Starts(100, true),
                Hears(300, "stop", Complete),
                Ends(350, 650),
                Was("stop"),
            ],
            expect: &[
                (100, "start 50"),
                (650, "commit"),
                (650, "finish"),
                (650, "deliver"),
            ],
        },
        Case {
            name: "a cough is dismissed when it ends",
            steps: &[
                Starts(100, true),
                Hears(300, "", Open),
                Ends(350, 650),
                Waits(2000),
                Was(""),
            ],
            expect: &[
                (100, "start 50"),
                (650, "dismiss"),
                (1550, "finish"),
                (2000, "nothing"),
            ],
        },
        Case {
            name: "yeah, but stop",
            steps: &[
                Starts(100, true),
                Hears(200, "yeah", Complete),
                Hears(300, "yeah", Complete),
                Hears(500, "yeah stop", Open),
                Hears(600, "yeah stop", Open),
                Ends(700, 1000),
                Waits(2000),
                Was("yeah stop"),
            ],
            expect: &[
                (100, "start 50"),
                (300, "dismiss"),
                (600, "commit"),
                (1000, "likely yeah stop"),
                (1900, "finish"),
                (2000, "deliver"),
            ],
        },
        Case {
            name: "mhm, a pause, and a command: one turn",
            steps: &[
                Starts(100, true),
                Hears(300, "mhm", Open),
                Ends(350, 650),
                Starts(900, true),
                Hears(1200, "mhm stop", Complete),
                Hears(1300, "mhm stop", Complete),
                Ends(1350, 1650),
                Was("mhm stop"),
            ],
            expect: &[
                (100, "start 50"),
                (650, "dismiss"),
                (1300, "commit"),
                (1650, "finish"),
                (1650, "deliver"),
            ],
        },
        Case {
            name: "what may become a backchannel waits for its end",
            steps: &[
                Starts(100, true),
                Hears(200, "i", Open),
                Hears(300, "i", Open),
                Hears(400, "i see", Open),
                Hears(500, "i see", Open),
                Ends(550, 850),
                Waits(2000),
                Was("i see"),
            ],
            expect: &[
                (100, "start 50"),
                (500, "dismiss"),
                (1750, "finish"),
                (2000, "backchannel"),
            ],
        },
        Case {
            name: "words that are not sure take no turn, and a short sound of such words is dismissed when it is over",
            steps: &[
                Starts(100, true),
                Guesses(180, "thank you", Complete, 10, 180),
                Guesses(260, "thank you", Complete, 12, 260),
                Guesses(340, "thank you", Complete, 9, 340),
                Guesses(420, "thank you", Complete, 8, 400),
                Guesses(500, "thank you", Complete, 8, 400),
                // Silence makes nothing surer.
                Guesses(580, "thank you", Complete, 90, 400),
                Ends(400, 700),
                Guessed("thank you", 90),
            ],
            expect: &[
                (100, "start 50"),
                (500, "dismiss"),
                (700, "finish"),
                (700, "nothing"),
            ],
        },
        Case {
            name: "words that are not sure are a turn where the agent was stopped for them",
            steps: &[
                Starts(100, true),
                Guesses(260, "thank you", Complete, 10, 260),
                Stopped(310),
                Guesses(500, "thank you", Complete, 10, 380),
                Ends(380, 680),
                Guessed("thank you", 10),
            ],
            expect: &[(100, "start 50"), (680, "finish"), (680, "deliver")],
        },
        Case {
            name: "half a phrase that ends is none",
            steps: &[
                Starts(100, true),
                Guesses(180, "are", Open, 60, 180),
                Guesses(260, "are", Open, 70, 260),
                Guesses(340, "are", Open, 70, 270),
                Guesses(420, "are", Open, 70, 270),
            ],
            expect: &[(100, "start 50"), (420, "dismiss")],
        },
        Case {
            name: "a voice that comes back after a dismissal is believed",
            steps: &[
                Starts(100, true),
                Guesses(260, "are", Open, 10, 150),
                Guesses(500, "stop", Complete, 80, 490),
                Guesses(580, "stop", Complete, 80, 570),
            ],
            expect: &[(100, "start 50"), (260, "dismiss"), (580, "commit")],
        },
        Case {
            name: "long speech that is not sure commits where it ends, and is a turn",
            steps: &[
                Starts(100, true),
                Guesses(400, "count to two", Complete, 10, 400),
                Guesses(480, "count to two", Complete, 10, 480),
                Guesses(1000, "count to two", Complete, 10, 1000),
                Ends(1000, 1300),
                Guessed("count to two", 10),
            ],
            expect: &[
                (100, "start 50"),
                (1300, "commit"),
                (1300, "finish"),
                (1300, "deliver"),
            ],
        },
        Case {
            name: "a backchannel that goes on as other words stops the agent, whichever they are",
            steps: &[
                Starts(100, true),
                Guesses(180, "uh", Complete, 40, 180),
                Guesses(260, "uh", Complete, 40, 260),
                Guesses(600, "count to", Open, 10, 600),
                Guesses(680, "count to two", Complete, 10, 680),
            ],
            expect: &[(100, "start 50"), (260, "dismiss"), (680, "commit")],
        },
        Case {
            name: "a plain backchannel needs no second result",
            steps: &[
                Starts(100, true),
                Guesses(180, "yeah", Complete, 90, 180),
                Guesses(260, "yeah", Complete, 90, 260),
                Starts(1000, true),
            ],
            expect: &[(100, "start 50"), (260, "dismiss")],
        },
        Case {
            name: "words that are not sure are a turn while the agent is silent",
            steps: &[
                Starts(100, false),
                Guesses(300, "stop", Complete, 10, 300),
                Guesses(500, "stop", Complete, 10, 300),
                Ends(300, 600),
                Guessed("stop", 10),
            ],
            expect: &[(100, "start 50"), (600, "finish"), (600, "deliver")],
        },
        Case {
            name: "what is suspected is listened to at once, and forgotten when it was nothing",
            steps: &[
                Perhaps(100, true),
                Hears(200, "", Open),
                Not(300),
                Perhaps(2000, true),
                Starts(2250, true),
            ],
            expect: &[(100, "start 50"), (300, "abandon"), (2000, "start 1950")],
        },
        Case {
            name: "words decide before the ears are sure",
            steps: &[
                Perhaps(100, true),
                Hears(200, "count to three", Complete),
                Hears(300, "count to three", Complete),
                Starts(350, true),
                Ends(400, 700),
                Was("count to three"),
            ],
            expect: &[
                (100, "start 50"),
                (300, "commit"),
                (700, "finish"),
                (700, "deliver"),
            ],
        },
        Case {
            name: "a turn does not end while speech may be going on",
            steps: &[
                Starts(100, false),
                Hears(500, "rear", Open),
                Ends(600, 900),
                Perhaps(1000, false),
                Hears(1100, "rear right", Complete),
                Starts(1250, false),
                Ends(1300, 1600),
                Was("rear right"),
                Starts(3000, false),
                Hears(3100, "stop", Complete),
                Ends(3200, 3450),
                Perhaps(3480, false),
                Not(3600),
                Was("stop"),
                Perhaps(5000, false),
                Eos(5100),
            ],
            expect: &[
                (100, "start 50"),
                (900, "likely rear"),
                (1600, "finish"),
                (1600, "deliver"),
                (3000, "start 2950"),
                (3450, "likely stop"),
                (3600, "finish"),
                (3600, "deliver"),
                (5000, "start 4950"),
                (5100, "abandon"),
            ],
        },
        Case {
            name: "the end of the stream ends the turn, also in the middle of a word",
            steps: &[
                Starts(100, false),
                Hears(500, "count", Open),
                Eos(600),
                Was("count"),
            ],
            expect: &[(100, "start 50"), (600, "finish"), (600, "deliver")],
        },
        Case {
            name: "the end of the stream without a turn is nothing",
            steps: &[Eos(600)],
            expect: &[],
        },
        Case {
            name: "a flush forgets",
            steps: &[
                Starts(100, true),
                Hears(500, "stop", Complete),
                Flush(600),
                Ends(650, 900),
                Waits(3000),
            ],
            expect: &[(100, "start 50")],
        },
        Case {
            name: "an engine that fails gives no turn and lets the agent go on",
            steps: &[
                Starts(100, true),
                Ends(600, 900),
                Waits(2000),
                Fails,
                Starts(2100, false),
            ],
            expect: &[
                (100, "start 50"),
                (900, "dismiss"),
                (1800, "finish"),
                (2000, "nothing"),
                (2100, "start 2050"),
            ],
        },
        Case {
            name: "a speech without an end is cut",
            steps: &[
                Starts(100, false),
                Waits(60_100),
                Was("and so on"),
                Ends(60_500, 60_800),
            ],
            expect: &[
                (100, "start 50"),
                (60_050, "finish"),
                (60_100, "deliver"),
                (60_100, "start 60100"),
            ],
        },
    ];
    for case in cases {
        let expect: Vec<_> = case
            .expect
            .iter()
            .map(|(at, what)| (*at, (*what).to_owned()))
            .collect();
        assert_eq!(play(case.steps), expect, "{}", case.name);
    }
}

#[test]
fn a_maximum_below_the_minimum_is_the_minimum() {
    let mut policy = TurnTaking::new(Config {
        min_delay: 500 * MS,
        max_delay: 100 * MS,
        ..Config::default()
    });
    policy.input(
        0,
        &Input::SpeechStarted {
            onset: 0,
            over_agent: false,
        },
    );
    policy.input(0, &Input::SpeechEnded { end: 100 * MS });
    assert_eq!(policy.deadline(), Some(600 * MS));
}

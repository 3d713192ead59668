// SPDX-License-Identifier: MPL-2.0

//! The state machine by a clock of its own.

use super::*;

type Talk = Conversation<&'static str>;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn talk(config: Config) -> Talk {
    let mut n = 0;
    Conversation::new(config, move || {
        n += 1;
        format!("answer-{n}")
    })
}

/// All there is to do until it waits, in short.
fn run(talk: &mut Talk, now: Duration) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        all.push(match talk.next(now) {
            Action::Wait(_) => return all,
            Action::Turn(text) => format!("turn {text}"),
            Action::Think(request) => format!("think {}: {}", request.number, request.turn.text),
            Action::Begin(id) => format!("begin {id}"),
            Action::Text(_, text) => format!("text {text}"),
            Action::End(id) => format!("end {id}"),
            Action::Answer {
                text,
                is_final,
                interrupted,
                ..
            } => {
                if !is_final {
                    continue;
                }
                format!("{} {text}", if interrupted { "heard" } else { "final" })
            }
            Action::Call(call) => format!("call {}", call.name),
            Action::Failed(why) => format!("failed {why}"),
            Action::Other(other) => format!("other {other}"),
            Action::Eos => "eos".to_owned(),
        });
    }
}

fn answer(talk: &mut Talk, number: u64, text: &str) {
    for word in text.split_inclusive(' ') {
        assert!(talk.piece(number, Piece::Text(word.to_owned())));
    }
    assert!(talk.piece(number, Piece::Done));
}

fn history(talk: &Talk) -> Vec<&str> {
    talk.history().entries().map(|e| e.text.as_str()).collect()
}

#[test]
fn a_turn_ends_when_it_is_told_and_is_answered_token_by_token() {
    let mut talk = talk(Config::default());
    assert!(talk.text(ms(0), "tell me", true));
    assert!(talk.text(ms(100), "a story", true));
    assert_eq!(talk.next(ms(100)), Action::Wait(Some(ms(600))));
    talk.end_of_turn(Some(0.5), "en");
    assert_eq!(talk.next(ms(100)), Action::Turn("tell me a story".into()));
    let Action::Think(request) = talk.next(ms(100)) else {
        panic!("it thinks")
    };
    assert_eq!(request.turn.confidence, Some(0.5));
    assert_eq!(request.turn.language, "en");
    assert_eq!(request.history, []);
    answer(&mut talk, 1, "Once upon");
    assert_eq!(
        run(&mut talk, ms(100)),
        [
            "begin answer-1",
            "text Once ",
            "text upon",
            "end answer-1",
            "final Once upon"
        ]
    );
    assert_eq!(history(&talk), ["tell me a story", "Once upon"]);
    // Nobody waits for a delay where ends are told.
    talk.text(ms(200), "and", true);
    assert_eq!(talk.next(ms(5_000)), Action::Wait(None));
    talk.end_of_turn(None, "");
    assert_eq!(run(&mut talk, ms(5_000)), ["turn and", "think 2: and"]);
}

#[test]
fn silence_ends_a_turn_where_nobody_tells() {
    let mut talk = talk(Config {
        turn_delay: ms(300),
        ..Config::default()
    });
    talk.text(ms(0), "hel", false);
    talk.text(ms(200), "lo", false);
    assert_eq!(talk.next(ms(499)), Action::Wait(Some(ms(500))));
    assert_eq!(run(&mut talk, ms(500)), ["turn hello", "think 1: hello"]);
    // Blanks are no turn.
    talk.text(ms(600), " \n", false);
    assert_eq!(talk.next(ms(10_000)), Action::Wait(None));
}

#[test]
fn a_new_turn_takes_the_floor() {
    let mut talk = talk(Config::default());
    talk.ask("one");
    run(&mut talk, ms(0));
    for word in ["a ", "b ", "c "] {
        talk.piece(1, Piece::Text(word.into()));
    }
    assert_eq!(talk.next(ms(0)), Action::Begin("answer-1".into()));
    assert_eq!(
        talk.next(ms(0)),
        Action::Text("answer-1".into(), "a ".into())
    );
    talk.ask("two");
    assert!(!talk.piece(1, Piece::Text("late".into())));
    assert!(!talk.wants(1) && talk.wants(2));
    assert_eq!(
        run(&mut talk, ms(0)),
        ["end answer-1", "turn two", "think 2: two"]
    );
    answer(&mut talk, 2, "d");
    assert_eq!(
        run(&mut talk, ms(0)),
        ["begin answer-2", "text d", "end answer-2", "final d"]
    );
    // What had left is what the history holds.
    assert_eq!(history(&talk), ["one", "a ", "two", "d"]);
}

#[test]
fn turns_that_pile_up_are_thought_of_once() {
    let mut talk = talk(Config::default());
    talk.ask("one");
    talk.ask("two");
    assert_eq!(
        run(&mut talk, ms(0)),
        ["turn one", "turn two", "think 2: two"]
    );
}

#[test]
fn a_likely_end_is_thought_of_ahead_and_kept_back() {
    let mut talk = talk(Config {
        preemptive: true,
        ..Config::default()
    });
    talk.likely_end_of_turn("what time is it");
    talk.likely_end_of_turn("What time is it?");
    assert_eq!(run(&mut talk, ms(0)), ["think 1: what time is it"]);
    answer(&mut talk, 1, "Noon.");
    talk.piece(
        1,
        Piece::Call(ToolCall {
            id: "c".into(),
            name: "clock".into(),
            arguments: "{}".into(),
        }),
    );
    assert_eq!(run(&mut talk, ms(0)), [""; 0]);
    assert_eq!(history(&talk), [""; 0]);
    talk.text(ms(10), "What time is it?", true);
    talk.end_of_turn(None, "");
    assert_eq!(
        run(&mut talk, ms(10)),
        [
            "turn What time is it?",
            "begin answer-1",
            "text Noon.",
            "end answer-1",
            "final Noon."
        ]
    );
    assert_eq!(history(&talk), ["What time is it?", "Noon."]);
}

#[test]
fn a_wrong_guess_is_dropped() {
    let mut talk = talk(Config {
        preemptive: true,
        ..Config::default()
    });
    talk.likely_end_of_turn("count");
    run(&mut talk, ms(0));
    assert!(talk.piece(1, Piece::Text("One.".into())));
    talk.text(ms(10), "count to ten", true);
    talk.end_of_turn(None, "");
    assert!(!talk.piece(1, Piece::Done));
    assert_eq!(
        run(&mut talk, ms(10)),
        ["turn count to ten", "think 2: count to ten"]
    );
    // And nobody guesses who was not asked to.
    talk.configure(Config::default());
    talk.likely_end_of_turn("count");
    assert_eq!(run(&mut talk, ms(20)), [""; 0]);
}

#[test]
fn what_was_heard_is_what_is_remembered() {
    let mut talk = talk(Config::default());
    talk.ask("story");
    run(&mut talk, ms(0));
    answer(&mut talk, 1, "Once upon a time.");
    run(&mut talk, ms(0));
    let cut = talk.interrupted(Heard {
        id: "answer-1",
        heard: "Once upon",
        unheard: "a time.",
        capped: false,
    });
    assert_eq!(cut, [("answer-1".to_owned(), "Once upon".to_owned())]);
    assert_eq!(run(&mut talk, ms(0)), ["heard Once upon"]);
    assert_eq!(history(&talk), ["story", "Once upon"]);
}

#[test]
fn an_answer_that_is_still_written_ends_when_its_beginning_was_stopped() {
    let mut talk = talk(Config::default());
    talk.ask("story");
    run(&mut talk, ms(0));
    talk.piece(1, Piece::Text("Once ".into()));
    run(&mut talk, ms(0));
    talk.interrupted(Heard {
        id: "answer-1",
        heard: "",
        unheard: "Once",
        capped: false,
    });
    assert!(!talk.piece(1, Piece::Text("upon".into())));
    assert_eq!(run(&mut talk, ms(0)), ["end answer-1", "heard "]);
    assert_eq!(history(&talk), ["story"]);
}

#[test]
fn what_waited_behind_the_stopped_one_was_not_heard_but_what_came_later_stays() {
    for (unheard, stays) in [("rest. Second.", false), ("rest.", true)] {
        let mut talk = talk(Config::default());
        for (number, text) in [(1, "First rest."), (2, "Second.")] {
            talk.ask("so");
            run(&mut talk, ms(0));
            answer(&mut talk, number, text);
            run(&mut talk, ms(0));
        }
        talk.interrupted(Heard {
            id: "answer-1",
            heard: "First",
            unheard,
            capped: false,
        });
        let expected: &[&str] = match stays {
            true => &["so", "First", "so", "Second."],
            false => &["so", "First", "so"],
        };
        assert_eq!(history(&talk), expected);
    }
}

#[test]
fn an_answer_that_was_asked_for_before_the_cut_was_known_is_thought_of_again() {
    let mut talk = talk(Config::default());
    talk.ask("story");
    run(&mut talk, ms(0));
    answer(&mut talk, 1, "Once upon a time.");
    run(&mut talk, ms(0));
    talk.ask("wait");
    run(&mut talk, ms(0));
    talk.interrupted(Heard {
        id: "answer-1",
        heard: "Once",
        unheard: "upon a time.",
        capped: false,
    });
    assert!(!talk.wants(2));
    assert_eq!(
        talk.next(ms(0)),
        Action::Answer {
            id: "answer-1".into(),
            text: "Once".into(),
            is_final: true,
            interrupted: true,
        }
    );
    let Action::Think(request) = talk.next(ms(0)) else {
        panic!("it thinks again")
    };
    let known: Vec<&str> = request.history.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(
        (known, &*request.turn.text),
        (vec!["story", "Once"], "wait")
    );
}

#[test]
fn the_end_waits_for_the_last_answer() {
    let mut talk = talk(Config::default());
    assert!(talk.other("speech"));
    talk.text(ms(0), "bye", true);
    talk.end();
    assert_eq!(
        run(&mut talk, ms(0)),
        ["other speech", "turn bye", "think 1: bye"]
    );
    assert!(talk.ended());
    answer(&mut talk, 1, "Bye.");
    assert_eq!(
        run(&mut talk, ms(0)),
        [
            "begin answer-1",
            "text Bye.",
            "end answer-1",
            "final Bye.",
            "eos"
        ]
    );
    assert_eq!(run(&mut talk, ms(0)), [""; 0]);
}

#[test]
fn a_flush_drops_what_is_under_way_and_keeps_what_was_said() {
    let mut talk = talk(Config::default());
    talk.ask("one");
    run(&mut talk, ms(0));
    talk.piece(1, Piece::Text("a".into()));
    run(&mut talk, ms(0));
    talk.text(ms(0), "tw", false);
    talk.flush();
    assert!(!talk.wants(1));
    assert_eq!(talk.next(ms(9_000)), Action::Wait(None));
    assert_eq!(history(&talk), ["one", "a"]);
}

#[test]
fn everything_is_bounded() {
    let mut talk = talk(Config::default());
    let long = "x".repeat(10_000);
    assert!(talk.text(ms(0), &long, true));
    assert!(!talk.text(ms(0), &long, true));
    assert!((0..MOST_OTHERS).all(|_| talk.other("event")));
    assert!(!talk.other("event"));
    run(&mut talk, ms(0));
    assert!(talk.other("event"));
}

#[test]
fn an_answer_of_nothing_says_nothing() {
    let mut talk = talk(Config::default());
    talk.ask("one");
    run(&mut talk, ms(0));
    talk.piece(1, Piece::Failed("no luck".into()));
    talk.piece(1, Piece::Done);
    assert_eq!(run(&mut talk, ms(0)), ["failed no luck"]);
    talk.say("Hello there.");
    assert_eq!(
        run(&mut talk, ms(0)),
        [
            "begin answer-2",
            "text Hello ",
            "text there.",
            "end answer-2",
            "final Hello there."
        ]
    );
}

#[test]
fn a_guess_is_made_again_once_it_is_known_what_was_heard() {
    let mut talk = talk(Config {
        preemptive: true,
        ..Config::default()
    });
    talk.ask("story");
    run(&mut talk, ms(0));
    answer(&mut talk, 1, "Once upon a time.");
    run(&mut talk, ms(0));
    talk.likely_end_of_turn("wait");
    run(&mut talk, ms(0));
    talk.interrupted(Heard {
        id: "answer-1",
        heard: "Once",
        unheard: "upon a time.",
        capped: false,
    });
    assert!(!talk.wants(2) && talk.wants(3));
    talk.next(ms(0));
    let Action::Think(request) = talk.next(ms(0)) else {
        panic!("it thinks again")
    };
    assert_eq!(request.history[1].text, "Once");
}

/// Whatever happens in whatever order: utterances do not mingle, each ends, and what left is what is remembered.
#[test]
fn nothing_leaves_of_an_answer_that_lost_the_floor() {
    let mut random = 1_u64;
    let mut below = move |most: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % most
    };
    for round in 0..300 {
        let mut talk = talk(Config {
            preemptive: round % 2 == 0,
            ..Config::default()
        });
        let mut now = ms(0);
        let mut thinking: Vec<u64> = Vec::new();
        let mut open: Option<String> = None;
        let mut left: Vec<(String, String)> = Vec::new();
        let mut stopped: Vec<String> = Vec::new();
        let mut answers = 0;
        for _ in 0..300 {
            match below(12) {
                0 => talk.ask("typed"),
                1 => drop(talk.text(now, "said", true)),
                2 => talk.end_of_turn(None, ""),
                3 => talk.likely_end_of_turn(if below(2) == 0 { "said" } else { "other" }),
                4 => {
                    let told = left.iter().nth_back(below(2) as usize).cloned();
                    let (id, text) = told.unwrap_or_default();
                    let words: Vec<&str> = text.split(' ').collect();
                    let (heard, unheard) = words.split_at(below(words.len() as u64 + 1) as usize);
                    let cut = talk.interrupted(Heard {
                        id: &id,
                        heard: &heard.join(" "),
                        unheard: &unheard.join(" "),
                        capped: false,
                    });
                    stopped.extend(cut.into_iter().map(|(id, _)| id));
                }
                5 if below(20) == 0 => {
                    talk.flush();
                    open = None;
                }
                _ => {
                    for number in &thinking {
                        let wanted = talk.wants(*number);
                        let piece = match below(6) {
                            0 => Piece::Done,
                            _ => Piece::Text(format!("w{} ", below(100))),
                        };
                        assert_eq!(talk.piece(*number, piece), wanted);
                    }
                }
            }
            now += ms(below(300));
            for _ in 0..below(6) {
                match talk.next(now) {
                    Action::Think(request) => thinking.push(request.number),
                    Action::Begin(id) => {
                        assert_eq!(open, None);
                        left.push((id.clone(), String::new()));
                        open = Some(id);
                    }
                    Action::Text(id, text) => {
                        assert_eq!(open.as_ref(), Some(&id));
                        assert!(!stopped.contains(&id), "{id} goes on after it was stopped");
                        left.last_mut().unwrap().1.push_str(&text);
                    }
                    Action::End(id) => {
                        assert_eq!(open.take(), Some(id));
                        answers += 1;
                    }
                    Action::Wait(_) => break,
                    _ => {}
                }
            }
            thinking.retain(|number| talk.wants(*number));
            assert!(thinking.len() <= 2);
            for entry in talk.history().entries().filter(|e| e.role == Role::Agent) {
                let (_, text) = left.iter().find(|(id, _)| *id == entry.id).unwrap();
                match stopped.contains(&entry.id) {
                    true => assert!(normal(text).starts_with(&normal(&entry.text))),
                    false => assert_eq!(*text, entry.text),
                }
            }
        }
        assert!(answers > 3, "only {answers}");
    }
}

#[test]
fn what_somebody_else_said_is_no_answer_but_may_have_kept_one_waiting() {
    for (unheard, last) in [
        ("of theirs. Two.", vec!["so", "Two.", "so"]),
        ("of theirs.", vec!["so", "Two.", "so", "Two."]),
    ] {
        let mut talk = talk(Config::default());
        for number in [1, 2] {
            talk.ask("so");
            run(&mut talk, ms(0));
            answer(&mut talk, number, "Two.");
            run(&mut talk, ms(0));
        }
        talk.interrupted(Heard {
            id: "utterance-7",
            heard: "Something",
            unheard,
            capped: false,
        });
        assert_eq!(history(&talk), last);
    }
}

// SPDX-License-Identifier: MPL-2.0

use super::*;

const NOW: Duration = Duration::from_secs(100);

fn policy() -> Policy<u32> {
    let mut n = 0;
    Policy::new(move || {
        n += 1;
        format!("u{n}")
    })
}

/// What the task would hand over until it had to wait, one line each.
fn drain(policy: &mut Policy<u32>, running: u64) -> Vec<String> {
    let mut out = Vec::new();
    loop {
        match policy.next(Some(Duration::from_secs(running)), NOW) {
            Action::Begin(id) => out.push(format!("begin {id}")),
            Action::Text(id, text) => out.push(format!("{id}: {text}")),
            Action::End(id) => out.push(format!("end {id}")),
            Action::Other(other) => out.push(format!("other {other}")),
            Action::Eos => out.push("eos".into()),
            Action::Wait { .. } => return out,
        }
    }
}

#[test]
fn tokens_join_one_utterance_until_its_boundary() {
    let mut p = policy();
    for token in ["Once ", "upon ", "a time."] {
        p.push(token, NOW);
    }
    assert_eq!(
        drain(&mut p, 0),
        ["begin u1", "u1: Once ", "u1: upon ", "u1: a time."]
    );
    p.push(" Then", NOW);
    assert_eq!(drain(&mut p, 0), ["u1:  Then"]);
    p.boundary();
    p.push("next", NOW);
    p.eos();
    assert_eq!(
        drain(&mut p, 0),
        ["end u1", "begin u2", "u2: next", "end u2", "eos"]
    );
    assert_eq!(p.bytes(), 0);
}

#[test]
fn a_given_name_stays_and_the_same_name_again_is_no_boundary() {
    let mut p = policy();
    p.begin("answer-7");
    p.push("a", NOW);
    p.begin("answer-7");
    p.push("b", NOW);
    p.begin("answer-8");
    p.boundary();
    assert_eq!(
        drain(&mut p, 0),
        [
            "begin answer-7",
            "answer-7: a",
            "answer-7: b",
            "end answer-7",
            "begin answer-8",
            "end answer-8"
        ]
    );
}

#[test]
fn white_space_alone_is_no_utterance() {
    let mut p = policy();
    p.push("\n \n", NOW);
    p.other(5);
    p.boundary();
    p.eos();
    assert_eq!(drain(&mut p, 0), ["other 5", "eos"]);
    assert_eq!(p.bytes(), 0);
}

#[test]
fn what_is_said_goes_between_and_before_the_end_of_the_stream() {
    let mut p = policy();
    p.push("a story", NOW);
    let id = p.say("attention");
    assert_eq!(id, "u2");
    p.push("goes on", NOW);
    p.eos();
    p.say("last");
    assert_eq!(
        drain(&mut p, 0),
        [
            "begin u1",
            "u1: a story",
            "end u1",
            "begin u2",
            "u2: attention",
            "end u2",
            "begin u1",
            "u1: goes on",
            "end u1",
            "begin u3",
            "u3: last",
            "end u3",
            "eos"
        ]
    );
}

#[test]
fn a_cue_waits_for_its_time_and_lets_what_is_said_pass() {
    let mut p = policy();
    p.cue("one", Duration::from_secs(10));
    p.cue("two", Duration::from_secs(20));
    p.say("now");
    assert_eq!(drain(&mut p, 1), ["begin u3", "u3: now", "end u3"]);
    assert_eq!(
        p.next(None, NOW),
        Action::Wait {
            running: Some(Duration::from_secs(10)),
            idle: None
        }
    );
    assert_eq!(drain(&mut p, 10), ["begin u1", "u1: one", "end u1"]);
    p.say("x");
    assert!(matches!(p.next(Some(Duration::ZERO), NOW), Action::Begin(id) if id == "u4"));
    // Begun before the cue was due, so it is completed before the cue.
    assert_eq!(
        drain(&mut p, 30),
        ["u4: x", "end u4", "begin u2", "u2: two", "end u2"]
    );
}

#[test]
fn tokens_of_a_stopped_answer_are_never_handed_over() {
    let mut p = policy();
    p.begin("a");
    p.push("said ", NOW);
    drain(&mut p, 0);
    p.push("queued ", NOW);
    let dropped = p.interrupt(None, NOW);
    assert_eq!(dropped.unheard.text, "queued ");
    assert_eq!(dropped.open.as_deref(), Some("a"));
    p.push("late", NOW);
    p.begin("a");
    p.push(" later", NOW);
    assert_eq!(drain(&mut p, 0), [] as [&str; 0]);
    let told = p.begin("b").expect("the end of what was discarded");
    assert_eq!(told.id, "a");
    assert_eq!(told.unheard.text, "late later");
    assert_eq!(told.unheard.characters, 10);
    p.push("new", NOW);
    assert_eq!(drain(&mut p, 0), ["begin b", "b: new"]);
}

#[test]
fn tokens_of_an_answer_that_was_stopped_behind_a_say_are_never_handed_over() {
    let mut p = policy();
    p.begin("a");
    p.push("One, two", NOW);
    drain(&mut p, 0);
    p.say("Hold on");
    assert_eq!(
        drain(&mut p, 0),
        ["end a", "begin u1", "u1: Hold on", "end u1"]
    );
    let dropped = p.interrupt(None, NOW);
    assert_eq!(dropped.open.as_deref(), Some("a"));
    p.push("three.", NOW);
    p.begin("a");
    assert_eq!(drain(&mut p, 0), [] as [&str; 0]);
    let told = p.boundary().expect("the rest of a");
    assert_eq!((&*told.id, &*told.unheard.text), ("a", "three."));
    // A boundary between the two: nothing is open that an interruption could stop.
    p.begin("b");
    p.push("four", NOW);
    p.say("Hold on");
    p.boundary();
    drain(&mut p, 0);
    assert_eq!(p.interrupt(None, NOW).open, None);
    p.push("five", NOW);
    assert_eq!(drain(&mut p, 0), ["begin u3", "u3: five"]);
}

#[test]
fn an_answer_goes_on_under_its_name_behind_what_is_said() {
    let mut p = policy();
    p.begin("a");
    p.say("first");
    p.push("one ", NOW);
    p.say("second");
    p.say("third");
    p.begin("a");
    p.push("two", NOW);
    p.boundary();
    assert_eq!(
        drain(&mut p, 0),
        [
            "begin u1",
            "u1: first",
            "end u1",
            "begin a",
            "a: one ",
            "end a",
            "begin u2",
            "u2: second",
            "end u2",
            "begin u3",
            "u3: third",
            "end u3",
            "begin a",
            "a: two",
            "end a"
        ]
    );
}

#[test]
fn a_line_that_is_complete_is_not_cut_by_what_is_said() {
    let mut p = policy();
    p.configure(AfterInterruption::Discard, Some(Duration::from_secs(1)));
    p.push("A line.\n", NOW);
    p.say("attention");
    drain(&mut p, 0);
    // Long after that line; nobody goes on with it.
    let later = NOW + Duration::from_secs(2);
    assert_eq!(p.interrupt(None, later).open, None);
    p.push("Another.", later);
    assert_eq!(drain(&mut p, 0), ["begin u3", "u3: Another."]);
}

#[test]
fn what_was_handed_over_too_late_goes_first_of_the_rest() {
    let mut p = policy();
    p.configure(AfterInterruption::Continue, None);
    for token in ["one ", "two ", "three "] {
        p.push(token, NOW);
    }
    assert!(matches!(p.next(None, NOW), Action::Begin(_)));
    assert!(matches!(p.next(None, NOW), Action::Text(..)));
    assert!(matches!(p.next(None, NOW), Action::Text(..)));
    p.interrupt(None, NOW);
    p.requeue(vec![
        ("u0".into(), "an earlier one".into()),
        ("u1".into(), "two ".into()),
    ]);
    p.push("four", NOW);
    p.boundary();
    assert_eq!(
        drain(&mut p, 0),
        [
            "begin u3",
            "u3: an earlier one",
            "end u3",
            "begin u2",
            "u2: two ",
            "u2: three ",
            "u2: four",
            "end u2"
        ]
    );
    assert_eq!(p.bytes(), 0);
}

#[test]
fn everything_that_waits_weighs_something() {
    let mut p = policy();
    p.push("x", NOW);
    let mut before = p.load();
    assert_eq!(before, 1);
    for _ in 0..3 {
        p.other(1);
        assert!(p.load() > before);
        before = p.load();
    }
    p.say("");
    assert!(p.load() > before);
    before = p.load();
    p.begin("a");
    assert!(p.load() > before);
    p.boundary();
    drain(&mut p, 0);
    assert_eq!(p.load(), 0);
}

#[test]
fn a_stop_between_utterances_discards_nothing_that_follows() {
    let mut p = policy();
    p.push("whole", NOW);
    p.boundary();
    drain(&mut p, 0);
    assert_eq!(p.interrupt(None, NOW), Dropped::default());
    p.push("next", NOW);
    assert_eq!(drain(&mut p, 0), ["begin u2", "u2: next"]);
}

#[test]
fn a_story_goes_on_under_a_new_name_if_it_is_to() {
    let mut p = policy();
    p.configure(AfterInterruption::Continue, None);
    p.push("one ", NOW);
    assert_eq!(drain(&mut p, 0), ["begin u1", "u1: one "]);
    p.push("two ", NOW);
    assert_eq!(p.interrupt(None, NOW), Dropped::default());
    p.push("three", NOW);
    p.eos();
    assert_eq!(
        drain(&mut p, 0),
        ["begin u2", "u2: two ", "u2: three", "end u2", "eos"]
    );
    // Stopped after the end was handed over: nothing is left, but the end is told again.
    assert_eq!(p.interrupt(None, NOW), Dropped::default());
    assert_eq!(drain(&mut p, 0), ["eos"]);
}

#[test]
fn the_end_of_the_stream_survives_interruptions() {
    let mut p = policy();
    p.push("story", NOW);
    p.eos();
    assert_eq!(p.interrupt(None, NOW).unheard.characters, 5);
    for _ in 0..10 {
        assert_eq!(drain(&mut p, 0), ["eos"]);
        p.interrupt(None, NOW);
    }
    assert!(p.at_eos());
    p.flush();
    assert!(!p.at_eos());
    assert_eq!(drain(&mut p, 0), [] as [&str; 0]);
}

#[test]
fn cues_of_later_times_outlive_an_interruption() {
    let mut p = policy();
    p.cue("now", Duration::from_secs(1));
    p.cue("later", Duration::from_secs(9));
    let dropped = p.interrupt(Some(Duration::from_secs(2)), NOW);
    assert_eq!(dropped.unheard.text, "now");
    assert_eq!(drain(&mut p, 9), ["begin u2", "u2: later", "end u2"]);
}

#[test]
fn a_flush_voids_the_stream() {
    let mut p = policy();
    p.push("story", NOW);
    p.interrupt(None, NOW);
    assert!(p.discarding());
    p.flush();
    p.push("new", NOW);
    assert_eq!(drain(&mut p, 0), ["begin u2", "u2: new"]);
}

#[test]
fn an_idle_utterance_ends_after_a_complete_sentence_only() {
    let mut p = policy();
    p.configure(AfterInterruption::Discard, Some(Duration::from_secs(1)));
    p.push("Half of", NOW);
    drain(&mut p, 0);
    assert!(matches!(
        p.next(None, NOW + Duration::from_secs(9)),
        Action::Wait { idle: None, .. }
    ));
    p.push(" it.", NOW);
    p.push(" ", NOW);
    assert_eq!(drain(&mut p, 0), ["u1:  it.", "u1:  "]);
    assert!(matches!(
        p.next(None, NOW),
        Action::Wait { idle: Some(at), .. } if at == NOW + Duration::from_secs(1)
    ));
    assert_eq!(
        p.next(None, NOW + Duration::from_secs(1)),
        Action::End("u1".into())
    );
    // A number may go on.
    p.push("Pi is 3.", NOW);
    drain(&mut p, 0);
    assert!(matches!(
        p.next(None, NOW),
        Action::Wait { idle: Some(at), .. } if at == NOW + Duration::from_secs(5)
    ));
    p.push("14", NOW);
    assert_eq!(drain(&mut p, 0), ["u2: 14"]);
    p.boundary();
    drain(&mut p, 0);
    // Whoever names utterances ends them too.
    p.begin("named");
    p.push("It.", NOW);
    drain(&mut p, 0);
    assert!(matches!(
        p.next(None, NOW + Duration::from_secs(9)),
        Action::Wait { idle: None, .. }
    ));
}

#[test]
fn what_was_not_heard_is_capped_and_counted() {
    let mut unheard = Unheard::default();
    unheard.push("é");
    unheard.push(&"x".repeat(5000));
    unheard.push("tail");
    assert_eq!(unheard.characters, 5005);
    assert!(unheard.text.len() <= UNHEARD_BYTES && unheard.text.starts_with("éxx"));
    assert!(!unheard.text.contains("tail"));
}

#[test]
fn events_keep_their_place_among_text() {
    let mut p = policy();
    p.other(1);
    p.push("a", NOW);
    p.other(2);
    p.push("b", NOW);
    p.boundary();
    p.other(3);
    assert_eq!(
        drain(&mut p, 0),
        [
            "other 1", "begin u1", "u1: a", "other 2", "u1: b", "end u1", "other 3"
        ]
    );
}

#[test]
fn a_discontinuity_ends_what_has_text() {
    let mut p = policy();
    p.begin("a");
    p.discont();
    p.push("first", NOW);
    p.discont();
    p.push("second", NOW);
    assert_eq!(
        drain(&mut p, 0),
        ["begin a", "a: first", "end a", "begin u1", "u1: second"]
    );
}

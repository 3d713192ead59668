// SPDX-License-Identifier: MPL-2.0

//! What it is like to talk to.

use super::*;

const NOON: TimeOfDay = TimeOfDay {
    hour: 12,
    minute: 0,
};

struct Talk {
    eliza: Eliza,
    turns: usize,
}

impl Talk {
    fn new() -> Self {
        Self {
            eliza: Eliza::new(0),
            turns: 0,
        }
    }

    fn sure(&mut self, turn: &str, confidence: f64) -> Reply {
        self.turns += 1;
        let id = self.turns.to_string();
        self.eliza.answer(&id, turn, Some(confidence), NOON)
    }

    fn say(&mut self, turn: &str) -> Reply {
        self.sure(turn, 1.0)
    }

    /// The caller heard this many words of the last answer.
    fn cut(&mut self, words: usize) -> String {
        let text = self.eliza.last.text.clone();
        let heard: Vec<&str> = text.split(' ').take(words).collect();
        self.eliza.heard(&self.turns.to_string(), &heard.join(" "));
        text
    }
}

fn skill(turn: &str) -> Skill {
    Talk::new().say(turn).skill
}

#[test]
fn it_says_what_it_is_and_what_it_can_do() {
    let mut talk = Talk::new();
    assert!(talk.say("Hello!").text.contains("program"));
    assert!(talk.say("who are you?").text.contains("small program"));
    // All that it offers, it does.
    let help = talk.say("what can you do").text;
    let offers = help.strip_prefix("You can say: ").unwrap();
    let offers: Vec<&str> = offers.split(['.', '?']).map(str::trim).take(5).collect();
    let skills = [
        Skill::Story,
        Skill::Count,
        Skill::Repeat,
        Skill::Time,
        Skill::Spell,
    ];
    for (offer, expected) in offers.iter().zip(skills) {
        assert_eq!(skill(offer), expected, "{offer}");
    }
    assert_eq!(offers.len(), skills.len());
}

#[test]
fn it_counts_spells_repeats_and_knows_the_time() {
    let mut talk = Talk::new();
    assert_eq!(
        talk.say("Count to five, please.").text,
        "One, two, three, four, five."
    );
    assert_eq!(
        talk.say("count from ten down to seven").text,
        "Ten, nine, eight, seven."
    );
    assert_eq!(
        talk.say("count from 19 to 21").text,
        "Nineteen, twenty, twenty one."
    );
    assert!(talk.say("count to a thousand").skill == Skill::Count);
    assert!(
        talk.say("count to 5000")
            .text
            .starts_with("I go as far as one hundred. One, two,")
    );
    assert!(
        talk.say("count to 4294967295")
            .text
            .ends_with("one hundred.")
    );
    assert_eq!(talk.say("could you spell Anna").text, "Anna: A, N, N, A.");
    assert_eq!(
        talk.say("please spell Anna for me please").text,
        "Anna: A, N, N, A."
    );
    assert_eq!(talk.say("spell my name").text, "Gladly. Which name?");
    assert_eq!(talk.say("it is Zoë").text, "Zoë: Z, O, Ë.");
    assert_eq!(
        talk.say("Repeat after me: The sky is Blue!").text,
        "The sky is Blue."
    );
    talk.say("repeat after me");
    assert_eq!(talk.say("tell me a story").text, "Tell me a story.");
    assert_eq!(talk.say("what time is it").text, "It is noon.");
}

#[test]
fn a_story_that_was_stopped_goes_on_at_the_word_that_was_heard() {
    let mut talk = Talk::new();
    let story = talk.say("tell me a story").text;
    let words: Vec<&str> = story.split(' ').collect();
    talk.cut(20);
    let offer = talk.say("wait").text;
    let last = words[17..20].join(" ");
    assert_eq!(
        offer,
        format!("You stopped me at: {}. Shall I go on?", words::plain(&last))
    );
    let rest = talk.say("yes");
    assert_eq!(rest.skill, Skill::GoOn);
    assert_eq!(rest.text, words[20..].join(" "));
    // Once more, and without being asked.
    talk.cut(10);
    assert_eq!(talk.say("go on").text, words[30..].join(" "));
    // All of it was heard now.
    assert!(talk.say("go on").text.starts_with("There is nothing"));
}

#[test]
fn counting_goes_on_too_and_a_question_in_between_is_answered_first() {
    let mut talk = Talk::new();
    talk.say("count to twenty");
    talk.cut(3);
    let time = talk.say("what time is it?");
    assert_eq!(time.text, "It is noon. Shall I go on with the counting?");
    assert!(talk.say("yes please").text.starts_with("four, five, six"));
    talk.cut(2);
    // Not understood: it says where it was.
    let offer = talk.say("the purple elephant");
    assert_eq!(offer.skill, Skill::Interrupted);
    assert_eq!(
        offer.text,
        "You stopped me at: three, four, five. Shall I go on?"
    );
    assert!(
        talk.say("no")
            .text
            .starts_with("All right, we leave it there")
    );
    assert!(talk.say("go on").text.starts_with("There is nothing"));
}

#[test]
fn of_a_story_of_which_only_the_announcement_was_heard_all_is_told() {
    let mut talk = Talk::new();
    let story = talk.say("tell me a story").text;
    talk.cut(4);
    assert!(
        talk.say("stop")
            .text
            .starts_with("You stopped me before I had begun.")
    );
    let all = talk.say("yes").text;
    assert_eq!(all, story.split(' ').skip(9).collect::<Vec<_>>().join(" "));
}

#[test]
fn it_asks_once_when_it_is_not_sure() {
    let mut talk = Talk::new();
    let asked = talk.sure("count to three", 0.1);
    assert_eq!(asked.skill, Skill::Unsure);
    assert!(asked.text.ends_with("Did you say: count to three?"));
    assert_eq!(talk.say("yes").text, "One, two, three.");
    // A turn that is no clearer is taken as it is.
    assert_eq!(talk.sure("count to three", 0.1).skill, Skill::Unsure);
    assert_eq!(talk.sure("count to two", 0.1).text, "One, two.");
    assert_eq!(talk.say("hello").skill, Skill::Hello);
    assert_eq!(talk.sure("goodbye", 0.1).skill, Skill::Unsure);
    assert_eq!(talk.say("no").text, "Then please say it once more.");
}

#[test]
fn everything_else_is_reflected() {
    assert_eq!(skill("My cat is ill."), Skill::Reflect);
    assert_eq!(skill("I am tired"), Skill::Reflect);
    assert_eq!(skill("…"), Skill::Reflect);
    assert_eq!(skill(&"x ".repeat(5_000)), Skill::Reflect);
}

#[test]
fn the_same_turns_give_the_same_answers_and_a_seed_others() {
    let turns = [
        "hello",
        "tell me a story",
        "I am tired",
        "my dog",
        "so it goes",
        "goodbye",
    ];
    let all = |seed| {
        let mut eliza = Eliza::new(seed);
        turns.map(|turn| eliza.answer("a", turn, None, NOON).text)
    };
    assert_eq!(all(0), all(0));
    assert_ne!(all(0), all(1));
    assert_eq!(all(u64::MAX), all(u64::MAX));
}

// SPDX-License-Identifier: MPL-2.0

//! What a turn asks for, where it is something that works.

use super::words::read_number;

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Skill {
    Hello,
    Goodbye,
    Help,
    Who,
    Thanks,
    Story,
    Count,
    Time,
    Repeat,
    Spell,
    Stop,
    GoOn,
    Yes,
    No,
    /// It asks whether it heard well.
    Unsure,
    /// It says where it was interrupted.
    Interrupted,
    /// ELIZA's questions: what was said is nothing that it can do.
    Reflect,
}

impl Skill {
    /// Its name, as the grammar has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Goodbye => "goodbye",
            Self::Help => "help",
            Self::Who => "who",
            Self::Thanks => "thanks",
            Self::Story => "story",
            Self::Count => "count",
            Self::Time => "time",
            Self::Repeat => "repeat",
            Self::Spell => "spell",
            Self::Stop => "stop",
            Self::GoOn => "go-on",
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unsure => "unsure",
            Self::Interrupted => "interrupted",
            Self::Reflect => "reflect",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    Hello,
    Goodbye,
    Help,
    Who,
    Thanks,
    Story,
    Count {
        from: u32,
        to: u32,
    },
    Time,
    /// How many of the last words are to be repeated.
    Repeat(Option<usize>),
    Spell(Option<String>),
    Stop,
    GoOn,
    Yes,
    No,
}

/// Said around what is asked for.
const POLITE_BEFORE: [&str; 17] = [
    "please",
    "well",
    "um",
    "uh",
    "er",
    "now",
    "then",
    "ok so",
    "can you",
    "could you",
    "would you",
    "will you",
    "i want you to",
    "i would like you to",
    "i'd like you to",
    "and",
    "so",
];
const POLITE_AFTER: [&str; 7] = [
    "please",
    "now",
    "again",
    "then",
    "for me",
    "thank you",
    "thanks",
];

/// Whole turns, each with what it asks for. Politeness around them is left out before.
const WHOLE: &[(&[&str], Intent)] = &[
    (
        &[
            "hello",
            "hello there",
            "hi",
            "hi there",
            "hey",
            "good morning",
            "good afternoon",
            "good evening",
            "good day",
        ],
        Intent::Hello,
    ),
    (
        &[
            "goodbye",
            "good bye",
            "bye",
            "bye bye",
            "good night",
            "see you",
            "see you later",
            "that is all",
            "that's all",
            "hang up",
        ],
        Intent::Goodbye,
    ),
    (
        &[
            "help",
            "help me",
            "what can you do",
            "what can i say",
            "what can i do",
            "what else can you do",
            "what do you know",
            "i need help",
        ],
        Intent::Help,
    ),
    (
        &[
            "who are you",
            "what are you",
            "what is your name",
            "what's your name",
            "are you a person",
            "are you human",
            "are you a human",
            "are you a robot",
            "are you a machine",
            "are you a computer",
            "are you real",
        ],
        Intent::Who,
    ),
    (
        &["thanks", "thank you", "thank you very much", "thanks a lot"],
        Intent::Thanks,
    ),
    (
        &[
            "what time is it",
            "what is the time",
            "what's the time",
            "tell me the time",
            "the time",
            "time",
            "tell me what time it is",
            "do you know the time",
            "how late is it",
        ],
        Intent::Time,
    ),
    (
        &[
            "stop",
            "stop it",
            "stop that",
            "stop talking",
            "be quiet",
            "quiet",
            "silence",
            "never mind",
            "nevermind",
            "forget it",
            "wait",
            "wait a moment",
            "wait a minute",
            "hold on",
            "one moment",
            "enough",
            "that is enough",
            "that's enough",
            "shut up",
            "cancel",
            "pause",
        ],
        Intent::Stop,
    ),
    (
        &[
            "go on",
            "go ahead",
            "continue",
            "keep going",
            "carry on",
            "tell me more",
            "more",
            "resume",
            "what happened next",
            "what happens next",
            "and then",
        ],
        Intent::GoOn,
    ),
    (
        &[
            "yes",
            "yeah",
            "yep",
            "yes sir",
            "sure",
            "of course",
            "okay",
            "ok",
            "all right",
            "alright",
            "right",
            "correct",
            "exactly",
            "that is right",
            "that's right",
            "yes i did",
            "yes you may",
            "i do",
        ],
        Intent::Yes,
    ),
    (
        &[
            "no",
            "nope",
            "not now",
            "no thank you",
            "no thanks",
            "not really",
            "wrong",
            "that is wrong",
            "that's wrong",
            "i did not",
            "i didn't",
        ],
        Intent::No,
    ),
    (
        &[
            "story",
            "a story",
            "tell me a story",
            "tell a story",
            "tell me another story",
            "another story",
            "another one",
            "tell me another",
            "read me a story",
            "start the story",
            "begin the story",
            "i want to hear a story",
            "i want a story",
            "i would like to hear a story",
            "do you know a story",
            "do you know any stories",
            "tell me stories",
            "tell stories",
            "a new story",
            "tell me a new story",
            "let me hear a story",
        ],
        Intent::Story,
    ),
    (
        &[
            "repeat",
            "repeat after me",
            "say after me",
            "repeat what i say",
            "say what i say",
        ],
        Intent::Repeat(None),
    ),
    (
        &[
            "spell",
            "spell my name",
            "spell a name",
            "spell a word",
            "spell something",
        ],
        Intent::Spell(None),
    ),
];

/// What these words ask for; `None` where it is nothing that works.
pub fn understand(said: &[String]) -> Option<Intent> {
    // As it is first, since "thank you" is polite and a turn as well.
    whole(said)
        // What is repeated is repeated to its end.
        .or_else(|| repeat(without_beginning(said)))
        .or_else(|| {
            let core = without_politeness(said);
            whole(core).or_else(|| started(core))
        })
}

fn whole(said: &[String]) -> Option<Intent> {
    let text = said.join(" ");
    let fits = |phrases: &&(&[&str], Intent)| phrases.0.contains(&text.as_str());
    // "Yes please", "yes go on", "no stop": the second word says more, or the same.
    if let (Some(answer @ ("yes" | "no" | "okay" | "ok")), rest @ [_, ..]) = (
        said.first().map(String::as_str),
        said.get(1..).unwrap_or_default(),
    ) {
        let rest = without_politeness(rest);
        return match (answer, rest) {
            ("no", []) => Some(Intent::No),
            (_, []) => Some(Intent::Yes),
            (_, rest) => understand(rest),
        };
    }
    WHOLE.iter().find(fits).map(|(_, intent)| intent.clone())
}

/// What follows a phrase at the beginning.
fn after<'a>(said: &'a [String], phrase: &str) -> Option<&'a [String]> {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    let begins = said.len() >= phrase.len() && said.iter().zip(&phrase).all(|(a, b)| a == b);
    begins.then(|| &said[phrase.len()..])
}

fn repeat(said: &[String]) -> Option<Intent> {
    let phrases = ["repeat after me", "say after me", "repeat", "say"];
    match phrases.iter().find_map(|phrase| after(said, phrase))? {
        [] => None,
        rest => Some(Intent::Repeat(Some(rest.len()))),
    }
}

/// Requests that name something.
fn started(said: &[String]) -> Option<Intent> {
    let after = |phrase| after(said, phrase);
    if after("spell").is_some() || after("how do you spell").is_some() {
        let name = said
            .last()
            .filter(|word| !["spell", "name", "word"].contains(&word.as_str()));
        return Some(Intent::Spell(name.cloned()));
    }
    for phrase in ["tell me a story", "tell a story", "tell me the story"] {
        if after(phrase).is_some() {
            return Some(Intent::Story);
        }
    }
    if let Some(rest) = after("count") {
        return Some(count(rest));
    }
    None
}

/// What is to be counted: "to ten", "from three to eight", "down from five", "backwards".
fn count(said: &[String]) -> Intent {
    let down = said
        .iter()
        .any(|word| ["down", "backwards", "backward"].contains(&word.as_str()));
    let number_after = |word: &str| {
        let at = said.iter().position(|one| one == word)? + 1;
        read_number(said.get(at..)?).map(|(n, _)| n)
    };
    let far = number_after("to").or_else(|| number_after("until"));
    match (number_after("from"), far) {
        (Some(from), Some(to)) => Intent::Count { from, to },
        (Some(from), None) if down => Intent::Count { from, to: 0 },
        (Some(from), None) => Intent::Count {
            from,
            to: from.saturating_add(10),
        },
        (None, to) if down => Intent::Count {
            from: 10,
            to: to.unwrap_or(1).min(10),
        },
        (None, to) => Intent::Count {
            from: 1,
            to: to.unwrap_or(10),
        },
    }
}

fn without_beginning(said: &[String]) -> &[String] {
    let mut core = said;
    while let Some(rest) = (POLITE_BEFORE.iter()).find_map(|phrase| after(core, phrase)) {
        core = rest;
    }
    core
}

fn without_politeness(said: &[String]) -> &[String] {
    let mut core = without_beginning(said);
    let before = |core: &[String], phrase: &str| {
        let rest = core.len().checked_sub(phrase.split(' ').count())?;
        (core[rest..].join(" ") == phrase).then_some(rest)
    };
    while let Some(rest) = (POLITE_AFTER.iter()).find_map(|phrase| before(core, phrase)) {
        core = &core[..rest];
    }
    core
}

// SPDX-License-Identifier: MPL-2.0

//! ELIZA's art: a keyword, what follows it turned round, and a question. The script is our own.

/// A keyword of one or more words, and what may be said to it. `*` is what follows it, turned round.
struct Rule {
    keyword: &'static str,
    answers: &'static [&'static str],
}

const fn rule(keyword: &'static str, answers: &'static [&'static str]) -> Rule {
    Rule { keyword, answers }
}

/// The first one that fits is used.
const RULES: &[Rule] = &[
    rule(
        "i am sorry",
        &[
            "There is nothing to be sorry for. What were you about to say?",
            "No harm done. Please go on.",
        ],
    ),
    rule(
        "i remember",
        &[
            "How does it feel to remember *?",
            "What else belongs to that memory?",
        ],
    ),
    rule(
        "i dreamed",
        &[
            "A dream of *. What did it leave you with?",
            "What stayed with you when you woke up?",
        ],
    ),
    rule(
        "i need",
        &[
            "What would change if you had *?",
            "How long have you needed *?",
        ],
    ),
    rule(
        "i want",
        &[
            "What would it mean to you to get *?",
            "Suppose you had *. What then?",
        ],
    ),
    rule(
        "i wish",
        &[
            "What keeps it from coming true that *?",
            "Since when do you wish *?",
        ],
    ),
    rule(
        "i feel",
        &["Do you often feel *?", "When did you begin to feel *?"],
    ),
    rule(
        "i think",
        &["What makes you think *?", "And are you certain that *?"],
    ),
    rule(
        "i believe",
        &["What makes you believe *?", "Do others believe *, too?"],
    ),
    rule(
        "i like",
        &[
            "What is it that you like about *?",
            "How did you come to like *?",
        ],
    ),
    rule(
        "i love",
        &["What is dearest to you about *?", "Tell me more about *."],
    ),
    rule(
        "i hate",
        &[
            "That is a strong word. What is so bad about *?",
            "Was there a time when you did not mind *?",
        ],
    ),
    rule(
        "i can't",
        &[
            "How do you know that you cannot *?",
            "What would help you to *?",
        ],
    ),
    rule(
        "i cannot",
        &[
            "How do you know that you cannot *?",
            "What would help you to *?",
        ],
    ),
    rule(
        "i don't",
        &["And what if you did *?", "Is there a reason not to *?"],
    ),
    rule(
        "i am",
        &["How long have you been *?", "What is it like to be *?"],
    ),
    rule(
        "i'm",
        &["How long have you been *?", "What is it like to be *?"],
    ),
    rule(
        "you are",
        &[
            "I am a program. What makes you say that I am *?",
            "Would you mind if I were not *?",
        ],
    ),
    rule(
        "you're",
        &[
            "I am a program. What makes you say that I am *?",
            "Would you mind if I were not *?",
        ],
    ),
    rule(
        "can you",
        &[
            "I am not made for that. What would you do if I could *?",
            "Probably not. Say help to hear what I can do.",
        ],
    ),
    rule(
        "because",
        &[
            "Is that the whole reason?",
            "What other reasons come to your mind?",
        ],
    ),
    rule(
        "my mother",
        &[
            "Tell me more about your mother.",
            "What would your mother say to that?",
        ],
    ),
    rule(
        "my father",
        &[
            "Tell me more about your father.",
            "What would your father say to that?",
        ],
    ),
    rule(
        "my",
        &[
            "Your *, you say. What about it matters most to you?",
            "Tell me more about your *.",
        ],
    ),
    rule(
        "why",
        &[
            "What do you think yourself?",
            "Which answer would please you most?",
        ],
    ),
    rule(
        "what",
        &[
            "I know little. What comes to your own mind?",
            "Why do you ask?",
        ],
    ),
    rule(
        "how",
        &[
            "How would you go about it yourself?",
            "What would you try first?",
        ],
    ),
    rule("who", &["Whom do you think of first?", "Why do you ask?"]),
    rule(
        "everybody",
        &[
            "Everybody? Whom do you think of in particular?",
            "Can you think of somebody who is different?",
        ],
    ),
    rule(
        "nobody",
        &[
            "Nobody at all? Think of one person who comes close.",
            "Has it always been like that?",
        ],
    ),
    rule(
        "always",
        &[
            "Can you tell me of one time in particular?",
            "Really always?",
        ],
    ),
    rule(
        "never",
        &["Not even once?", "What would the first time be like?"],
    ),
    rule(
        "perhaps",
        &["You do not sound quite certain. What would decide it?"],
    ),
    rule(
        "maybe",
        &["You do not sound quite certain. What would decide it?"],
    ),
    rule(
        "work",
        &[
            "What is a good day at work like?",
            "Is it the work, or the people there?",
        ],
    ),
    rule(
        "computer",
        &[
            "Does it bother you to talk to a machine?",
            "What should machines do for people, in your view?",
        ],
    ),
];

const ELSE: &[&str] = &[
    "Tell me more about that.",
    "I am only a small program, and I did not follow. Say help to hear what I can do.",
    "And how do you feel about it?",
    "Let us stay with that for a moment. What is behind it?",
    "I see. Please go on, or ask me for a story.",
];

/// Who speaks and who is spoken to, turned round.
const TURNED: &[(&str, &str)] = &[
    ("i", "you"),
    ("me", "you"),
    ("my", "your"),
    ("mine", "yours"),
    ("myself", "yourself"),
    ("am", "are"),
    ("i'm", "you are"),
    ("i've", "you have"),
    ("i'd", "you would"),
    ("i'll", "you will"),
    ("was", "were"),
    ("you", "I"),
    ("your", "my"),
    ("yours", "mine"),
    ("yourself", "myself"),
    ("you're", "I am"),
    ("you've", "I have"),
    ("we", "you"),
    ("our", "your"),
    ("us", "you"),
];

/// Which answers were given already.
#[derive(Clone, Debug)]
pub struct Reflection {
    used: Vec<usize>,
    other: usize,
}

impl Reflection {
    pub fn new(seed: usize) -> Self {
        Self {
            used: vec![seed; RULES.len()],
            other: seed,
        }
    }

    /// A question to these words.
    pub fn answer(&mut self, said: &[String]) -> String {
        for (n, rule) in RULES.iter().enumerate() {
            let keyword: Vec<&str> = rule.keyword.split(' ').collect();
            let found = said
                .windows(keyword.len())
                .position(|window| window == keyword.as_slice());
            let Some(at) = found else { continue };
            let rest = turned(&said[at + keyword.len()..]);
            // What turns nothing round does not need anything that follows.
            let fitting: Vec<&str> = rule
                .answers
                .iter()
                .copied()
                .filter(|answer| !rest.is_empty() || !answer.contains('*'))
                .collect();
            let Some(answer) = fitting.get(self.used[n] % fitting.len().max(1)) else {
                continue;
            };
            self.used[n] += 1;
            return answer.replace('*', &rest);
        }
        self.other += 1;
        ELSE[(self.other - 1) % ELSE.len()].to_owned()
    }
}

fn turned(words: &[String]) -> String {
    let turn = |word: &String| {
        let found = TURNED.iter().find(|(from, _)| from == word);
        found.map_or(word.clone(), |(_, to)| (*to).to_owned())
    };
    words.iter().map(turn).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eliza::words;

    #[test]
    fn what_was_said_is_turned_round() {
        let mut reflection = Reflection::new(0);
        let mut say = |text: &str| reflection.answer(&words::of(text));
        assert_eq!(
            say("I need my coffee."),
            "What would change if you had your coffee?"
        );
        assert_eq!(
            say("I need my coffee."),
            "How long have you needed your coffee?"
        );
        assert_eq!(
            say("You are just like me"),
            "I am a program. What makes you say that I am just like you?"
        );
        // Nothing follows the keyword.
        assert_eq!(say("I'm"), "Tell me more about that.");
        assert_eq!(say("colourless green ideas"), ELSE[1]);
    }

    #[test]
    fn every_answer_of_the_script_can_be_spoken() {
        for answer in RULES.iter().flat_map(|rule| rule.answers).chain(ELSE) {
            assert!(answer.ends_with(['.', '?']), "{answer}");
        }
    }
}

// SPDX-License-Identifier: MPL-2.0

//! Somebody to talk to who needs no model: a few skills that work, and ELIZA's questions for everything else.
//!
//! It says what it is, and offers what it can do. It knows of its own long answers how much of them was heard, and goes on from
//! there. The same turns give the same answers; a seed makes others of them.

mod reflect;
mod skills;
mod stories;
mod words;

pub use self::skills::Skill;
use self::{reflect::Reflection, skills::Intent};

/// Below this a recogniser's confidence is asked about, once, where nobody sets another limit.
pub const UNSURE: f64 = 0.35;

/// The time of day where the conversation takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What is said.
    pub text: String,
    /// Which skill it comes from.
    pub skill: Skill,
}

/// What the next turn is expected to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    Anything,
    /// Yes: the long answer goes on.
    GoOn,
    /// Yes: that turn was meant.
    Meant(String),
    /// Yes: a story.
    Story,
    /// Something to repeat.
    Sentence,
    /// Something to spell.
    Name,
}

/// A long answer, and how far it was heard.
#[derive(Clone, Debug)]
struct Long {
    what: &'static str,
    words: Vec<String>,
    /// Words that were heard.
    heard: usize,
}

/// The answer that was given last.
#[derive(Clone, Debug, Default)]
struct Last {
    id: String,
    text: String,
    /// Words ahead of the long answer in it, and the first word of that; none where it holds none of it.
    long: Option<(usize, usize)>,
    interrupted: bool,
}

/// One partner of one conversation.
#[derive(Clone, Debug)]
pub struct Eliza {
    reflection: Reflection,
    story: usize,
    varied: usize,
    expect: Expect,
    /// Whether the last turn was asked about already.
    asked: bool,
    unsure: f64,
    long: Option<Long>,
    last: Last,
}

impl Eliza {
    /// A new partner, who knows of nothing that was said before.
    pub fn new(seed: u64) -> Self {
        let seed = usize::try_from(seed % 0xffff).unwrap_or(0);
        Self {
            reflection: Reflection::new(seed),
            story: seed,
            varied: seed,
            expect: Expect::Anything,
            asked: false,
            unsure: UNSURE,
            long: None,
            last: Last::default(),
        }
    }

    /// A recogniser that is less confident than this, 0 to 1, is not believed at once.
    pub fn set_unsure(&mut self, below: f64) {
        self.unsure = below;
    }

    /// Answers a turn. `id` names the answer in [`heard`](Self::heard).
    pub fn answer(
        &mut self,
        id: &str,
        turn: &str,
        confidence: Option<f64>,
        now: TimeOfDay,
    ) -> Reply {
        let interrupted = std::mem::take(&mut self.last.interrupted);
        self.last = Last {
            id: id.to_owned(),
            ..Last::default()
        };
        let expect = std::mem::take(&mut self.expect);
        let unsure = confidence.is_some_and(|sure| sure < self.unsure);
        let reply = if unsure && !std::mem::replace(&mut self.asked, true) {
            self.expect = Expect::Meant(turn.to_owned());
            reply(
                Skill::Unsure,
                format!(
                    "I am not sure that I heard you well. Did you say: {}?",
                    words::plain(turn)
                ),
            )
        } else {
            self.asked = unsure;
            self.turn(turn, expect, interrupted, now)
        };
        self.last.text.clone_from(&reply.text);
        reply
    }

    /// Of the answer of that name only this was heard.
    pub fn heard(&mut self, id: &str, heard: &str) {
        if self.last.id != id {
            return;
        }
        self.last.interrupted = true;
        if let (Some((ahead, first)), Some(long)) = (self.last.long, &mut self.long) {
            let heard = heard.split_whitespace().count();
            long.heard = (first + heard.saturating_sub(ahead)).min(long.words.len());
        }
    }

    fn turn(&mut self, turn: &str, expect: Expect, interrupted: bool, now: TimeOfDay) -> Reply {
        let said = words::of(turn);
        let intent = skills::understand(&said);
        match (&expect, &intent) {
            (Expect::Meant(meant), Some(Intent::Yes)) => {
                let meant = meant.clone();
                return self.turn(&meant, Expect::Anything, interrupted, now);
            }
            (Expect::Meant(_), Some(Intent::No)) => {
                return reply(Skill::No, "Then please say it once more.");
            }
            (Expect::GoOn, Some(Intent::Yes)) => return self.go_on(),
            (Expect::GoOn, Some(Intent::No | Intent::Stop)) => {
                self.long = None;
                return reply(
                    Skill::No,
                    "All right, we leave it there. What shall we do instead?",
                );
            }
            (Expect::Story, Some(Intent::Yes)) => return self.tell(),
            (Expect::Story, Some(Intent::No)) => {
                return reply(
                    Skill::No,
                    "That is fine. Say help to hear what else I can do.",
                );
            }
            // Whatever was said is to be repeated or spelled, short of a wish to stop.
            (Expect::Sentence, intent)
                if !matches!(intent, Some(Intent::Stop | Intent::Help | Intent::Goodbye)) =>
            {
                return repeat(turn);
            }
            (Expect::Name, None) => return spell(&said),
            (Expect::Name, Some(Intent::Spell(None))) => {}
            _ => {}
        }
        let Some(intent) = intent else {
            if interrupted && let Some(offer) = self.offer() {
                return reply(Skill::Interrupted, offer);
            }
            let text = self.reflection.answer(&said);
            return reply(Skill::Reflect, text);
        };
        let done = self.skill(intent, turn, now);
        // What was cut short is offered again behind a short answer to something else.
        let short = [
            Skill::Time,
            Skill::Who,
            Skill::Help,
            Skill::Spell,
            Skill::Thanks,
        ];
        if interrupted
            && short.contains(&done.skill)
            && self.expect == Expect::Anything
            && let Some(long) = self.unfinished()
        {
            let text = format!("{} Shall I go on with the {}?", done.text, long.what);
            self.expect = Expect::GoOn;
            return reply(done.skill, text);
        }
        done
    }

    fn skill(&mut self, intent: Intent, turn: &str, now: TimeOfDay) -> Reply {
        match intent {
            Intent::Hello => reply(
                Skill::Hello,
                self.vary(&[
                    "Hello! I am a small program that talks. I can tell a story, count, repeat after you, tell the time, or spell a name.",
                    "Good day! I am only a program, but I tell stories, count, repeat what you say, know the time, and spell names.",
                ]),
            ),
            Intent::Goodbye => {
                self.long = None;
                reply(Skill::Goodbye, self.vary(&["Goodbye! It was nice to talk to you.", "Goodbye, and take care."]))
            }
            Intent::Help => reply(
                Skill::Help,
                "You can say: tell me a story. Count to ten. Repeat after me. What time is it? Spell Anna. Interrupt me whenever you like, and say go on to hear the rest.",
            ),
            Intent::Who => reply(
                Skill::Who,
                "I am a small program with a few rules and no understanding, in the manner of Eliza, who was the first of us in nineteen sixty six. What you say to me stays on this machine.",
            ),
            Intent::Thanks => reply(Skill::Thanks, self.vary(&["You are welcome.", "With pleasure."])),
            Intent::Story => self.tell(),
            Intent::Count { from, to } => self.count(from, to),
            Intent::Time => reply(Skill::Time, words::time(now)),
            Intent::Repeat(None) => {
                self.expect = Expect::Sentence;
                reply(Skill::Repeat, "Go ahead, I repeat what you say.")
            }
            // In the caller's own writing.
            Intent::Repeat(Some(count)) => repeat(&words::last(turn, count)),
            Intent::Spell(None) => {
                self.expect = Expect::Name;
                reply(Skill::Spell, "Gladly. Which name?")
            }
            Intent::Spell(Some(name)) => spell(&[name]),
            Intent::Stop => {
                if let Some(offer) = self.offer() {
                    return reply(Skill::Stop, offer);
                }
                self.long = None;
                reply(Skill::Stop, "All right. I am quiet, and I listen.")
            }
            Intent::GoOn => self.go_on(),
            Intent::Yes => {
                self.expect = Expect::Story;
                reply(Skill::Yes, "Good. Would you like to hear a story?")
            }
            Intent::No => reply(Skill::No, "All right. Say help to hear what I can do."),
        }
    }

    fn vary(&mut self, all: &[&'static str]) -> String {
        self.varied += 1;
        all[(self.varied - 1) % all.len()].to_owned()
    }

    fn unfinished(&self) -> Option<&Long> {
        self.long
            .as_ref()
            .filter(|long| long.heard < long.words.len())
    }

    /// Offers to go on with what was cut short.
    fn offer(&mut self) -> Option<String> {
        let long = self.unfinished()?;
        let text = match long.heard {
            0 => format!(
                "You stopped me before I had begun. Shall I start the {}?",
                long.what
            ),
            heard => {
                let last = &long.words[heard.saturating_sub(3)..heard];
                format!(
                    "You stopped me at: {}. Shall I go on?",
                    words::plain(&last.join(" "))
                )
            }
        };
        self.expect = Expect::GoOn;
        Some(text)
    }

    fn go_on(&mut self) -> Reply {
        match self.long.take_if(|long| long.heard < long.words.len()) {
            Some(long) => {
                let first = long.heard;
                self.begin(Skill::GoOn, "", long, first)
            }
            None => {
                self.expect = Expect::Story;
                reply(
                    Skill::GoOn,
                    "There is nothing that I left unfinished. Shall I tell you a story?",
                )
            }
        }
    }

    fn tell(&mut self) -> Reply {
        let story = stories::STORIES[self.story % stories::STORIES.len()];
        self.story += 1;
        let long = Long {
            what: "story",
            words: story.split_whitespace().map(str::to_owned).collect(),
            heard: 0,
        };
        self.begin(
            Skill::Story,
            "Here is a story. Interrupt me whenever you like.",
            long,
            0,
        )
    }

    fn count(&mut self, from: u32, to: u32) -> Reply {
        let (ahead, to) = match to > 100 {
            true => ("I go as far as one hundred.", 100),
            false => ("", to),
        };
        let from = from.min(100);
        let numbers: Vec<u32> = match from <= to {
            true => (from..=to).collect(),
            false => (to..=from).rev().collect(),
        };
        let last = numbers.len() - 1;
        let written = numbers.into_iter().enumerate().map(|(n, number)| {
            let name = words::number(number);
            let name = match n {
                0 => words::capital(&name),
                _ => name,
            };
            format!("{name}{}", if n == last { "." } else { "," })
        });
        // A number of two words is two words to the mouth.
        let words = written.collect::<Vec<_>>().join(" ");
        let long = Long {
            what: "counting",
            words: words.split(' ').map(str::to_owned).collect(),
            heard: 0,
        };
        self.begin(Skill::Count, ahead, long, 0)
    }

    /// Says a long answer from a word on.
    fn begin(&mut self, skill: Skill, ahead: &str, mut long: Long, first: usize) -> Reply {
        let rest = long.words[first..].join(" ");
        self.last.long = Some((ahead.split_whitespace().count(), first));
        // Unless somebody says otherwise, all of it was heard.
        long.heard = long.words.len();
        self.long = Some(long);
        reply(skill, format!("{ahead} {rest}").trim())
    }
}

fn reply(skill: Skill, text: impl Into<String>) -> Reply {
    Reply {
        text: text.into(),
        skill,
    }
}

fn repeat(text: &str) -> Reply {
    let text = words::capital(words::plain(text).trim());
    reply(Skill::Repeat, format!("{text}."))
}

fn spell(said: &[String]) -> Reply {
    let name = match said.last() {
        Some(name) if !name.is_empty() => name,
        _ => return reply(Skill::Spell, "I did not hear a name."),
    };
    let letters = (name.chars().filter(|c| c.is_alphanumeric()))
        .map(|c| c.to_uppercase().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    reply(
        Skill::Spell,
        format!("{}: {letters}.", words::capital(name)),
    )
}

#[cfg(test)]
mod tests;

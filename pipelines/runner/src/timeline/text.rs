// SPDX-License-Identifier: MPL-2.0

//! The timeline as lines: printed as it happens.

use gst::ClockTime;

use super::latency::Row;
use super::{Added, Event, What, Who, Word};

/// Words are gathered into lines of about this many characters.
const LINE: usize = 64;

/// Turns what happens into lines, with words gathered into phrases.
#[derive(Debug, Default)]
pub struct Printer {
    words: Vec<Word>,
    /// Names of ears and of mouths, for a description with several.
    names: [Vec<String>; 2],
}

fn seconds(time: ClockTime) -> String {
    format!("{:9.3} s", time.nseconds() as f64 / 1e9)
}

fn line(at: ClockTime, who: &str, text: &str) -> String {
    format!("{}  {who:<6} {text}", seconds(at))
}

/// The end of a long text.
fn tail(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > 9 {
        format!("… {}", words[words.len() - 8..].join(" "))
    } else {
        words.join(" ")
    }
}

/// The beginning of a long text.
fn head(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > 9 {
        format!("{} …", words[..8].join(" "))
    } else {
        words.join(" ")
    }
}

impl Printer {
    /// The lines that are complete with what was added.
    pub fn add(&mut self, added: &Added) -> Vec<String> {
        match added {
            Added::Word(word) => {
                self.words.push(word.clone());
                let length: usize = self.words.iter().map(|word| word.text.len() + 1).sum();
                let phrase = word.text.ends_with(['.', '!', '?', ';', ':', ',']);
                if length > LINE || phrase && length > LINE / 2 {
                    self.flush()
                } else {
                    Vec::new()
                }
            }
            Added::Event(event) => {
                let mut lines = self.flush();
                lines.extend(event_lines(event, &self.who(event)));
                lines
            }
        }
    }

    /// Whose elements these are: where there is more than one of a kind, its line names it.
    pub fn with(ears: Vec<String>, mouths: Vec<String>) -> Printer {
        Printer {
            words: Vec::new(),
            names: [ears, mouths],
        }
    }

    fn who(&self, event: &Event) -> String {
        let (who, names) = match event.who {
            Who::Ears => ("ears", &self.names[0]),
            Who::Mouth => ("mouth", &self.names[1]),
        };
        if names.len() > 1 {
            event.element.clone()
        } else {
            who.to_string()
        }
    }

    /// The words that wait for more.
    pub fn flush(&mut self) -> Vec<String> {
        let Some(first) = self.words.first() else {
            return Vec::new();
        };
        let texts: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
        let line = line(first.at, "", &format!("  {}", texts.join(" ")));
        self.words.clear();
        vec![line]
    }
}

fn cut(stop: &super::Stop) -> String {
    if stop.cut_word.is_empty() {
        "between words".into()
    } else {
        format!("{:.0} % into “{}”", stop.fraction * 100.0, stop.cut_word)
    }
}

fn event_lines(event: &Event, who: &str) -> Vec<String> {
    let say = |text: String| vec![line(event.at, who, &text)];
    let more = |text: String| format!("{:20}{text}", "");
    match &event.what {
        What::Began => say("begins to speak".into()),
        What::Finished { words } => say(format!("has said it all, {words} words")),
        What::Tentative { onset, probability } => say(format!(
            "onset: {:.0} % sure of speech since {:.3} s",
            probability * 100.0,
            onset.nseconds() as f64 / 1e9
        )),
        What::Confirmed { onset } => say(format!(
            "confirmed: speech, {} ms since its onset",
            event.at.saturating_sub(*onset).mseconds()
        )),
        What::Cancelled => say("cancelled: it was no speech".into()),
        What::Ended => say("the speech has ended".into()),
        What::Paused(stop) => {
            let mut text = format!("pauses {}", cut(stop));
            if let (Some(decided), Some(left), Some(sounds)) =
                (stop.decided, stop.left, stop.sounds)
            {
                text += &format!(
                    "; decision at {:.3} s, last sample leaves {} ms and sounds {} ms after it",
                    decided.nseconds() as f64 / 1e9,
                    left.saturating_sub(decided).mseconds(),
                    sounds.saturating_sub(decided).mseconds()
                );
            }
            say(text)
        }
        What::Resumed { from } if from.is_empty() => say("goes on".into()),
        What::Resumed { from } => say(format!("goes on at “{from}”")),
        What::Interrupted(interrupted) => {
            let mut lines = say(format!(
                "stops for good, {} ({})",
                cut(&interrupted.stop),
                interrupted.reason
            ));
            lines.push(more(format!("heard:   {}", tail(&interrupted.heard))));
            lines.push(more(format!(
                "unheard: {} ({} characters{})",
                head(&interrupted.unheard),
                interrupted.unheard_characters,
                if interrupted.is_final { "" } else { " so far" }
            )));
            lines
        }
    }
}

/// The latencies as a table.
pub fn table(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        String::new(),
        "milliseconds after the onset (labelled, or * as the ears take it)".to_string(),
        format!(
            "{:>10} {:>9} {:>9} {:>9} {:>9} {:>9}  {}",
            "onset", "decision", "leaves", "sounds", "confirmed", "dropped", "what"
        ),
    ];
    for row in rows {
        let cell = |time| match row.after_onset(time) {
            Some(value) => format!("{value:+.0}"),
            None => "–".to_string(),
        };
        let what = match (row.text.as_str(), row.decision, row.cancelled) {
            ("", _, true) => "no speech after all".to_string(),
            ("", _, false) => "speech".to_string(),
            (text, None, _) if row.within => format!("“{text}”, part of the speech before"),
            (text, None, _) => format!("“{text}”, not noticed"),
            (text, _, true) => format!("“{text}”, cancelled"),
            (text, _, false) => format!("“{text}”"),
        };
        lines.push(format!(
            "{:>8.3} s{} {:>8} {:>9} {:>9} {:>9} {:>9}  {what}",
            row.onset.nseconds() as f64 / 1e9,
            if row.labelled { " " } else { "*" },
            cell(row.decision),
            cell(row.leaves),
            cell(row.sounds),
            cell(row.confirmed),
            cell(row.interrupted),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{latency, tests::story};
    use super::*;

    #[test]
    fn of_several_ears_each_is_named() {
        let ears = vec!["left".to_string(), "right".to_string()];
        let mut printer = Printer::with(ears, vec!["mouth".into()]);
        let mut event = |who, element: &str, what| {
            printer.add(&Added::Event(Event {
                at: ClockTime::ZERO,
                who,
                element: element.into(),
                what,
            }))
        };
        let line = "    0.000 s  left   the speech has ended";
        assert_eq!(event(Who::Ears, "left", What::Ended), [line]);
        let line = "    0.000 s  mouth  begins to speak";
        assert_eq!(event(Who::Mouth, "voice", What::Began), [line]);
    }

    #[test]
    fn it_reads_like_a_story() {
        let timeline = story();
        let mut printer = Printer::default();
        let mut words = timeline.words.iter().peekable();
        let mut lines = Vec::new();
        for event in &timeline.events {
            while let Some(word) = words.next_if(|word| word.at < event.at) {
                lines.extend(printer.add(&Added::Word(word.clone())));
            }
            lines.extend(printer.add(&Added::Event(event.clone())));
        }
        let expected = [
            "    0.100 s  mouth  begins to speak",
            "    0.100 s           There was",
            "    0.600 s  ears   onset: 90 % sure of speech since 0.570 s",
            "    0.614 s  mouth  pauses 40 % into “was”; decision at 0.605 s, last sample leaves 9 ms and sounds 29 ms after it",
            "    0.800 s  ears   cancelled: it was no speech",
            "    0.810 s  mouth  goes on at “was”",
            "    0.810 s           was a",
            "    1.250 s  ears   onset: 90 % sure of speech since 1.210 s",
            "    1.261 s  mouth  pauses 40 % into “a”; decision at 1.252 s, last sample leaves 9 ms and sounds 29 ms after it",
            "    1.460 s  ears   confirmed: speech, 250 ms since its onset",
            "    1.470 s  mouth  stops for good, 40 % into “a” (onset-commit)",
            "                    heard:   There was",
            "                    unheard: a lighthouse (12 characters)",
            "    2.400 s  ears   the speech has ended",
        ];
        assert_eq!(lines, expected);
        let table = table(&latency::rows(&timeline, &[]));
        assert_eq!(
            table[3..],
            [
                "   0.570 s*      +30       +44       +64         –         –  no speech after all",
                "   1.210 s*      +40       +51       +71      +250      +260  speech",
            ]
        );
    }
}

// SPDX-License-Identifier: MPL-2.0

//! The timeline as one page that needs nothing beside it.

use gst::ClockTime;
use serde_json::{Value, json};

use super::labels::Label;
use super::{Timeline, What, Who, latency};
use crate::run::capture::{PEAK, Peaks};

/// What is drawn beside the timeline itself.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The heading.
    pub title: String,
    /// What the description says it is for.
    pub about: String,
    /// The caller's sound.
    pub caller: Peaks,
    /// The mouth's sound.
    pub mouth: Peaks,
    /// When the caller really spoke.
    pub labels: Vec<Label>,
}

fn seconds(time: ClockTime) -> f64 {
    // Tenths of a millisecond are as fine as anybody looks.
    (time.nseconds() as f64 / 1e5).round() / 1e4
}

/// Peaks as whole numbers from −100 to 100, lowest and highest in turn.
fn lane(peaks: &Peaks) -> Vec<i8> {
    peaks
        .iter()
        .flat_map(|(low, high)| [*low, *high])
        .map(|value| (value.clamp(-1.0, 1.0) * 100.0).round() as i8)
        .collect()
}

fn events(timeline: &Timeline) -> Vec<Value> {
    let ms = |from: Option<ClockTime>, to: Option<ClockTime>| match (from, to) {
        (Some(from), Some(to)) => format!("{} ms", to.saturating_sub(from).mseconds()),
        _ => "unknown".into(),
    };
    timeline
        .events
        .iter()
        .map(|event| {
            let (kind, title) = match &event.what {
                What::Began => ("began", "the mouth begins to speak".to_string()),
                What::Finished { words } => ("finished", format!("all {words} words are said")),
                What::Tentative { onset, probability } => (
                    "tentative",
                    format!(
                        "onset: {:.0} % sure of speech since {:.3} s",
                        probability * 100.0,
                        seconds(*onset)
                    ),
                ),
                What::Confirmed { onset } => (
                    "confirmed",
                    format!("confirmed: speech since {:.3} s", seconds(*onset)),
                ),
                What::Cancelled => ("cancelled", "cancelled: it was no speech".into()),
                What::Ended => ("ended", "the speech has ended".into()),
                What::Paused(stop) => (
                    "paused",
                    format!(
                        "the mouth pauses: last sample leaves {} and sounds {} after the decision",
                        ms(stop.decided, stop.left),
                        ms(stop.decided, stop.sounds)
                    ),
                ),
                What::Resumed { from } => ("resumed", format!("the mouth goes on at “{from}”")),
                What::Interrupted(interrupted) => (
                    "interrupted",
                    format!(
                        "the mouth stops for good ({}); {} characters stay unheard",
                        interrupted.reason, interrupted.unheard_characters
                    ),
                ),
            };
            json!({
                "t": seconds(event.at),
                "who": if event.who == Who::Ears { "ears" } else { "mouth" },
                "kind": kind,
                "title": title,
            })
        })
        .collect()
}

/// The words that were said, and after an interruption those that were not, where they would have been.
fn words(timeline: &Timeline) -> Vec<Value> {
    let mut words: Vec<Value> = timeline
        .words
        .iter()
        .map(|word| {
            json!({
                "t": seconds(word.at),
                "d": seconds(word.duration),
                "text": word.text,
                "state": if word.cut.is_some() { "cut" } else { "heard" },
                "fraction": word.cut,
            })
        })
        .collect();
    let (characters, spoken) = timeline
        .words
        .iter()
        .filter(|word| word.cut.is_none())
        .fold((0usize, 0f64), |(characters, spoken), word| {
            (
                characters + word.text.chars().count() + 1,
                spoken + seconds(word.duration),
            )
        });
    let pace = if characters > 0 {
        spoken / characters as f64
    } else {
        0.07
    };
    for (index, event) in timeline.events.iter().enumerate() {
        let What::Interrupted(interrupted) = &event.what else {
            continue;
        };
        // A final report replaces one that was not.
        if !interrupted.is_final
            && timeline.events[index + 1..]
                .iter()
                .any(|later| matches!(&later.what, What::Interrupted(later) if later.is_final))
        {
            continue;
        }
        let mut at = seconds(interrupted.stop.sounds.unwrap_or(event.at));
        let until = timeline.events[index..]
            .iter()
            .find(|later| later.what == What::Began)
            .map_or(f64::MAX, |later| seconds(later.at));
        let limit = until.min(at + 6.0);
        for text in interrupted.unheard.split_whitespace() {
            let duration = pace * (text.chars().count() + 1) as f64;
            if at + duration > limit {
                break;
            }
            words.push(json!({ "t": at, "d": duration, "text": text, "state": "unheard" }));
            at += duration;
        }
    }
    words
}

/// The page.
pub fn render(timeline: &Timeline, page: &Page) -> String {
    let rows: Vec<Value> = latency::rows(timeline, &page.labels)
        .iter()
        .map(|row| {
            json!({
                "text": row.text,
                "onset": seconds(row.onset),
                "labelled": row.labelled,
                "cancelled": row.cancelled,
                "within": row.within,
                "decision": row.after_onset(row.decision),
                "decided": row.after_onset(row.decided),
                "leaves": row.after_onset(row.leaves),
                "sounds": row.after_onset(row.sounds),
                "confirmed": row.after_onset(row.confirmed),
                "dropped": row.after_onset(row.interrupted),
            })
        })
        .collect();
    let told = timeline
        .events
        .iter()
        .rev()
        .find_map(|event| match &event.what {
            What::Interrupted(interrupted) => Some(json!({
                "heard": interrupted.heard,
                "cut": interrupted.stop.cut_word,
                "unheard": interrupted.unheard,
                "characters": interrupted.unheard_characters,
            })),
            _ => None,
        });
    let length = PEAK.nseconds() as f64 / 1e9 * page.caller.len().max(page.mouth.len()) as f64;
    let data = json!({
        "title": page.title,
        "about": page.about,
        "length": length.max(seconds(timeline.end()) + 0.5),
        "peak": PEAK.nseconds() as f64 / 1e9,
        "caller": lane(&page.caller),
        "mouth": lane(&page.mouth),
        "labels": page.labels.iter().map(|label| json!({
            "t": label.start, "d": label.end - label.start, "text": label.text,
        })).collect::<Vec<_>>(),
        "words": words(timeline),
        "events": events(timeline),
        "rows": rows,
        "told": told,
    });
    // Inside a script element only `</` could end the data early, and `<!--` confuse the parser.
    let data = data.to_string().replace('<', "\\u003c");
    include_str!("page.html").replace("\"DATA\"", &data)
}

#[cfg(test)]
mod tests {
    use super::super::tests::story;
    use super::*;

    #[test]
    fn the_page_is_self_contained_and_cannot_be_broken_by_its_data() {
        let mut timeline = story();
        timeline.words[0].text = "</script><b>&".into();
        let page = render(
            &timeline,
            &Page {
                title: "A \"title\"".into(),
                caller: vec![(-0.5, 0.5); 300],
                ..Page::default()
            },
        );
        assert!(!page.contains("\"DATA\""));
        assert!(!page.contains("</script><b>"));
        assert_eq!(page.matches("</script>").count(), 2);
        for outside in ["http://", "https://", "src=", "href=", "@import", "url("] {
            let found = page
                .match_indices(outside)
                .filter(|(at, _)| !page[*at..].starts_with("http://www.w3.org/2000/svg"))
                .count();
            assert_eq!(found, 0, "{outside}");
        }
        let begin = page.find("type=\"application/json\">").unwrap();
        let data = &page[begin..][24..];
        let data: Value = serde_json::from_str(&data[..data.find("</script>").unwrap()]).unwrap();
        assert_eq!(data["words"][0]["text"], "</script><b>&");
        assert_eq!(data["caller"].as_array().unwrap().len(), 600);
        assert_eq!(data["words"][4]["state"], "unheard");
        assert_eq!(data["told"]["heard"], "There was");
    }
}

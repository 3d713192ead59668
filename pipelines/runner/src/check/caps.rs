// SPDX-License-Identifier: MPL-2.0

//! What an element gives is something that the next one takes.

use super::Context;
use crate::graph::{Caller, End};
use duplex_yaml::Report;

/// Elements that hand on what they get.
const TRANSPARENT: [&str; 8] = [
    "queue",
    "queue2",
    "tee",
    "identity",
    "valve",
    "clocksync",
    "capsfilter",
    "progressreport",
];

pub(super) fn check(cx: &Context, report: &mut Report) {
    for (index, link) in cx.links.iter().enumerate() {
        let (Some(given), Some(taken)) = (given(cx, index, 0), taken(cx, index)) else {
            continue;
        };
        if given.can_intersect(&taken) {
            continue;
        }
        let (left, right) = (summary(&given), summary(&taken));
        let same_kind = given
            .structure(0)
            .zip(taken.structure(0))
            .is_some_and(|(given, taken)| {
                given.name() == taken.name() && given.name().starts_with("audio/x-raw")
            });
        let advice = if same_kind {
            "; put audioconvert and audioresample between them"
        } else {
            ""
        };
        report.add(
            link.to.at,
            format!(
                "`{}` gives {left}, but `{}` takes {right}{advice}",
                link.from.written, link.to.written
            ),
        );
    }
}

fn caller_caps(caller: Caller) -> gst::Caps {
    match caller {
        Caller::Audio => gst::Caps::new_empty_simple("audio/x-raw"),
        Caller::Text => gst::Caps::builder("text/x-raw")
            .field("format", "utf8")
            .build(),
    }
}

/// The filter of a capsfilter.
fn filter(cx: &Context, end: &End) -> Option<gst::Caps> {
    let element = cx.element(end.id())?;
    if element.factory.value != "capsfilter" {
        return None;
    }
    let text = cx.property(end.id(), "caps")?.text.as_deref()?;
    text.parse().ok()
}

/// What comes out at the beginning of a link, through transparent elements; `None` when that cannot be known.
fn given(cx: &Context, index: usize, depth: usize) -> Option<gst::Caps> {
    let end = &cx.links[index].from;
    if let Some(caller) = end.caller() {
        return Some(caller_caps(caller));
    }
    let template = cx.ends[index].from?;
    let own = filter(cx, end).unwrap_or_else(|| template.caps());
    let element = cx.element(end.id())?;
    let transparent = TRANSPARENT.contains(&element.factory.as_str());
    // A circle is another rule's affair.
    if !transparent || depth > cx.links.len() {
        return Some(own);
    }
    let before = cx
        .links
        .iter()
        .position(|link| link.to.caller().is_none() && link.to.id() == end.id());
    match before.and_then(|before| given(cx, before, depth + 1)) {
        // Nothing in common was reported where it arose.
        Some(before) if before.can_intersect(&own) => Some(before.intersect(&own)),
        _ => Some(own),
    }
}

fn taken(cx: &Context, index: usize) -> Option<gst::Caps> {
    let end = &cx.links[index].to;
    if let Some(caller) = end.caller() {
        return Some(caller_caps(caller));
    }
    let template = cx.ends[index].to?;
    Some(filter(cx, end).unwrap_or_else(|| template.caps()))
}

/// Caps in few words: the whole of them where they are short, else the kinds of media.
fn summary(caps: &gst::Caps) -> String {
    let whole = caps.to_string();
    if whole.chars().count() <= 60 {
        return whole;
    }
    let mut names: Vec<&str> = Vec::new();
    for structure in caps.iter() {
        if !names.contains(&structure.name().as_str()) {
            names.push(structure.name().as_str());
        }
    }
    if names.len() > 4 {
        format!("{} and {} more", names[..3].join(", "), names.len() - 3)
    } else {
        names.join(" or ")
    }
}

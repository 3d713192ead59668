// SPDX-License-Identifier: MPL-2.0

//! Every link has a pad at each of its ends.

use std::collections::HashSet;

use gst::prelude::*;

use super::Context;
use crate::graph::End;
use crate::inspect::{Inspected, matches_template};
use duplex_yaml::{Report, nearest};

/// The templates at the ends of a link; `None` at the caller's, and where none could be found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) from: Option<gst::StaticPadTemplate>,
    pub(crate) to: Option<gst::StaticPadTemplate>,
}

type Taken = HashSet<(String, String)>;

pub(super) fn check(cx: &Context, report: &mut Report) -> Vec<Ends> {
    let mut taken = Taken::new();
    // Pads that are named come first: what is left over goes to the others.
    for link in &cx.links {
        for end in [&link.from, &link.to] {
            if let (None, Some(pad)) = (end.caller(), end.pad()) {
                taken.insert((end.id().to_string(), pad.to_string()));
            }
        }
    }
    cx.links
        .iter()
        .map(|link| Ends {
            from: find(cx, &link.from, gst::PadDirection::Src, &mut taken, report),
            to: find(cx, &link.to, gst::PadDirection::Sink, &mut taken, report),
        })
        .collect()
}

fn find(
    cx: &Context,
    end: &End,
    direction: gst::PadDirection,
    taken: &mut Taken,
    report: &mut Report,
) -> Option<gst::StaticPadTemplate> {
    if end.caller().is_some() {
        return None;
    }
    let inspected = cx.factories.get(end.id())?;
    let factory = inspected.factory.name();
    if !inspected.has_pads(direction) {
        let message = if direction == gst::PadDirection::Src {
            format!(
                "`{}` ({factory}) gives nothing out, so it can only end a chain",
                end.id()
            )
        } else {
            format!(
                "`{}` ({factory}) takes nothing in, so it can only begin a chain",
                end.id()
            )
        };
        report.add(end.at, message);
        return None;
    }
    match end.pad() {
        Some(pad) => named(inspected, end, pad, direction, report),
        None => free(inspected, end, direction, taken, report),
    }
}

fn named(
    inspected: &Inspected,
    end: &End,
    pad: &str,
    direction: gst::PadDirection,
    report: &mut Report,
) -> Option<gst::StaticPadTemplate> {
    let found = inspected
        .templates
        .iter()
        .find(|template| matches_template(template.name_template(), pad));
    match found {
        Some(template) if template.direction() == direction => Some(*template),
        Some(_) => {
            let way = if direction == gst::PadDirection::Src {
                "takes data in; a chain cannot go on from it"
            } else {
                "gives data out; a chain cannot lead to it"
            };
            report.add(end.at, format!("the pad `{}` {way}", end.written));
            None
        }
        None => {
            let names: Vec<&str> = inspected
                .templates
                .iter()
                .filter(|template| template.direction() == direction)
                .map(|template| template.name_template())
                .collect();
            report.add(
                end.at,
                format!(
                    "`{}` ({}) has no pad `{pad}`; it has {}{}",
                    end.id(),
                    inspected.factory.name(),
                    names.join(", "),
                    nearest(pad, names.iter().copied())
                ),
            );
            None
        }
    }
}

fn free(
    inspected: &Inspected,
    end: &End,
    direction: gst::PadDirection,
    taken: &mut Taken,
    report: &mut Report,
) -> Option<gst::StaticPadTemplate> {
    let of = |presence| {
        inspected.templates.iter().filter(move |template| {
            template.direction() == direction && template.presence() == presence
        })
    };
    for template in of(gst::PadPresence::Always) {
        let pad = (end.id().to_string(), template.name_template().to_string());
        if taken.insert(pad) {
            return Some(*template);
        }
    }
    let more = of(gst::PadPresence::Request)
        .next()
        .or_else(|| of(gst::PadPresence::Sometimes).next());
    if more.is_none() {
        let message = if direction == gst::PadDirection::Src {
            format!(
                "what `{}` gives out goes elsewhere already; put a tee behind it",
                end.id()
            )
        } else {
            format!(
                "something else leads to `{}` already; put a mixer or a funnel before it",
                end.id()
            )
        };
        report.add(end.at, message);
    }
    more.copied()
}

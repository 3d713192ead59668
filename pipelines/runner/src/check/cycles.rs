// SPDX-License-Identifier: MPL-2.0

//! Data do not flow in circles.

use std::collections::HashSet;

use super::Context;
use duplex_yaml::Report;

pub(super) fn check(cx: &Context, report: &mut Report) {
    // In the order of the text, each link either goes on or closes a circle with those before it.
    for (index, link) in cx.links.iter().enumerate() {
        if link.from.caller().is_some() || link.to.caller().is_some() {
            continue;
        }
        let (from, to) = (link.from.id(), link.to.id());
        if let Some(path) = path(cx, index, to, from, &mut HashSet::new()) {
            report.add(
                link.to.at,
                format!(
                    "`{from} -> {}` is a circle; data cannot flow in circles",
                    path.join(" -> ")
                ),
            );
        }
    }
}

/// The way from `at` to `goal` along the first `links` links.
fn path<'a>(
    cx: &'a Context,
    links: usize,
    at: &'a str,
    goal: &str,
    seen: &mut HashSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if at == goal {
        return Some(vec![at]);
    }
    if !seen.insert(at) {
        return None;
    }
    cx.links[..links]
        .iter()
        .filter(|link| {
            link.from.caller().is_none() && link.to.caller().is_none() && link.from.id() == at
        })
        .find_map(|link| {
            let mut rest = path(cx, links, link.to.id(), goal, seen)?;
            rest.insert(0, at);
            Some(rest)
        })
}

// SPDX-License-Identifier: MPL-2.0

//! Every chain is well formed and names elements that exist.

use super::Context;
use crate::graph::{self, Link};
use duplex_yaml::{Report, nearest};

/// The links whose two ends exist.
pub(super) fn check(cx: &Context, report: &mut Report) -> Vec<Link> {
    let description = &cx.loaded.description;
    let mut links: Vec<Link> = Vec::new();
    for written in &description.links {
        let ends = match graph::chain(&cx.loaded.source, written) {
            Ok(ends) => ends,
            Err((at, message)) => {
                report.add(at, message);
                continue;
            }
        };
        let mut known = Vec::new();
        for end in &ends {
            let exists = end.caller().is_some() || cx.element(end.id()).is_some();
            known.push(exists);
            // Without any element, that is what is wrong.
            if exists || description.elements.is_empty() && end.id() != "caller" {
                continue;
            }
            let names = description.elements.iter().map(|(id, _)| id.as_str());
            let message = if end.id() == "caller" {
                format!(
                    "there is no `{}`; the runner supplies caller.audio and caller.text{}",
                    end.written,
                    nearest(&end.written, ["caller.audio", "caller.text"])
                )
            } else {
                format!(
                    "there is no element `{}`{}",
                    end.id(),
                    nearest(end.id(), names)
                )
            };
            report.add(end.at, message);
        }
        for (index, end) in ends.iter().enumerate() {
            let inner = index > 0 && index + 1 < ends.len();
            if inner && (end.caller().is_some() || end.pad().is_some()) {
                let message = if end.caller().is_some() {
                    format!(
                        "`{}` stands first in a chain (from the caller) or last (to the caller), not between",
                        end.written
                    )
                } else {
                    format!(
                        "`{}` names one pad, so it begins or ends a chain; write two chains",
                        end.written
                    )
                };
                report.add(end.at, message);
                known[index] = false;
            }
        }
        for index in 1..ends.len() {
            if known[index - 1] && known[index] {
                let link = Link {
                    from: ends[index - 1].clone(),
                    to: ends[index].clone(),
                };
                if link.from.caller().is_some() && link.to.caller().is_some() {
                    report.add(link.to.at, "the caller cannot be linked to the caller");
                    continue;
                }
                links.push(link);
            }
        }
    }
    links
}

// SPDX-License-Identifier: MPL-2.0

//! A pad that is named is linked once, and the text of the caller is read by one.

use std::collections::HashMap;

use super::Context;
use crate::graph::Caller;
use duplex_yaml::Report;

pub(super) fn check(cx: &Context, report: &mut Report) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut reader: Option<&str> = None;
    for link in &cx.links {
        if link.from.caller() == Some(Caller::Text) {
            match reader {
                // Each would get a part of standard input, as it happens.
                Some(first) => report.add(
                    link.from.at,
                    format!(
                        "`caller.text` goes to `{first}` already; `caller.text -> texts` with `texts: {{ factory: tee }}` gives it to several"
                    ),
                ),
                None => reader = Some(&link.to.written),
            }
        }
        for end in [&link.from, &link.to] {
            if end.pad().is_none() || end.caller().is_some() {
                continue;
            }
            match seen.get(end.written.as_str()) {
                Some(line) => report.add(
                    end.at,
                    format!("the pad `{}` is linked in line {line} already", end.written),
                ),
                None => {
                    seen.insert(&end.written, end.at.line);
                }
            }
        }
    }
}

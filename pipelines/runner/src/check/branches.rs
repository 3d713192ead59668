// SPDX-License-Identifier: MPL-2.0

//! A pad that is named is linked once.

use std::collections::HashMap;

use super::Context;
use duplex_yaml::Report;

pub(super) fn check(cx: &Context, report: &mut Report) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for link in &cx.links {
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

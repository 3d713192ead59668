// SPDX-License-Identifier: MPL-2.0

//! Every element is linked, with every pad that it always has.

use super::Context;
use duplex_yaml::Report;

pub(super) fn check(cx: &Context, report: &mut Report) {
    for (id, element) in &cx.loaded.description.elements {
        let Some(inspected) = cx.factories.get(id.as_str()) else {
            continue;
        };
        let written = &cx.loaded.description.links;
        // A chain that could not be read may well have named it.
        if written.iter().any(|chain| {
            chain
                .split("->")
                .map(str::trim)
                .any(|end| end == id.value || end.split('.').next() == Some(id.as_str()))
        }) && !cx
            .links
            .iter()
            .any(|link| link.from.id() == id.value || link.to.id() == id.value)
        {
            continue;
        }
        let used: Vec<&str> = cx
            .links
            .iter()
            .zip(&cx.ends)
            .flat_map(|(link, ends)| [(&link.from, ends.from), (&link.to, ends.to)])
            .filter(|(end, _)| end.caller().is_none() && end.id() == id.value)
            .filter_map(|(_, template)| template.map(|template| template.name_template()))
            .collect();
        let always: Vec<&gst::StaticPadTemplate> = inspected
            .templates
            .iter()
            .filter(|template| template.presence() == gst::PadPresence::Always)
            .collect();
        let named = cx
            .links
            .iter()
            .any(|link| link.from.id() == id.value || link.to.id() == id.value);
        if !named {
            if !inspected.templates.is_empty() {
                report.add(
                    id.at,
                    format!(
                        "the element `{}` ({}) is not linked to anything",
                        id.value, element.factory.value
                    ),
                );
            }
            continue;
        }
        for template in always {
            if used.contains(&template.name_template()) {
                continue;
            }
            // A link of this element that found no pad was reported already.
            let direction = template.direction();
            let lost = cx.links.iter().zip(&cx.ends).any(|(link, ends)| {
                (link.from.id() == id.value
                    && ends.from.is_none()
                    && direction == gst::PadDirection::Src)
                    || (link.to.id() == id.value
                        && ends.to.is_none()
                        && direction == gst::PadDirection::Sink)
            });
            if lost {
                continue;
            }
            let message = if direction == gst::PadDirection::Src {
                format!(
                    "what `{}` gives out (pad `{}`) goes nowhere; link it, to a fakesink where it is not needed",
                    id.value,
                    template.name_template()
                )
            } else {
                format!(
                    "nothing leads to `{}` (pad `{}`)",
                    id.value,
                    template.name_template()
                )
            };
            report.add(id.at, message);
        }
    }
}

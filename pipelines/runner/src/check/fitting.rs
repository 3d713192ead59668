// SPDX-License-Identifier: MPL-2.0

//! The bin of a property has the pads that its place asks for: a source gives sound, a sink takes it, a synthesizer takes
//! text and gives sound.

use gst::prelude::*;

use super::placeholders::{Way, way};
use super::{Context, bins};
use duplex_yaml::Report;

/// A pad that the place asks for.
struct Wanted {
    direction: gst::PadDirection,
    /// What passes it, where that is known.
    caps: Option<&'static str>,
    /// What the bin does by it, in words.
    does: &'static str,
}

const SOUND_OUT: Wanted = Wanted {
    direction: gst::PadDirection::Src,
    caps: Some("audio/x-raw"),
    does: "gives sound",
};
const SOUND_IN: Wanted = Wanted {
    direction: gst::PadDirection::Sink,
    caps: Some("audio/x-raw"),
    does: "takes sound",
};
const TEXT_IN: Wanted = Wanted {
    direction: gst::PadDirection::Sink,
    caps: Some("text/x-raw"),
    does: "takes text",
};
const ANY_OUT: Wanted = Wanted {
    direction: gst::PadDirection::Src,
    caps: None,
    does: "gives data",
};
const ANY_IN: Wanted = Wanted {
    direction: gst::PadDirection::Sink,
    caps: None,
    does: "takes data",
};

/// What a property of an element asks for.
fn wanted(property: &str) -> &'static [Wanted] {
    match (property, way(property)) {
        ("synthesizer", _) => &[TEXT_IN, SOUND_OUT],
        ("audio-source", _) => &[SOUND_OUT],
        ("audio-sink", _) => &[SOUND_IN],
        // Of properties that are not ours only the direction is known.
        (_, Some(Way::Source)) => &[ANY_OUT],
        (_, Some(Way::Sink)) => &[ANY_IN],
        (_, None) => &[],
    }
}

pub(super) fn check(cx: &Context, report: &mut Report) {
    for property in &cx.properties {
        // What cannot be made was reported.
        let Some(Ok(element)) = property.bin().map(bins::make) else {
            continue;
        };
        for wanted in wanted(&property.name.value) {
            if offers(&element, wanted) {
                continue;
            }
            let text = property.text.as_deref().unwrap_or_default().trim();
            let bytes = wanted.does == "gives sound" && gives_bytes(&element);
            let advice = if bytes {
                "; it gives the bytes of a file, which `! decodebin` or `! wavparse` behind it makes sound"
            } else {
                ""
            };
            report.add(
                property.written.at,
                format!(
                    "`{}`: nothing in `{text}` {}{advice}",
                    property.name.value, wanted.does
                ),
            );
        }
    }
}

/// Whether the element has a free pad of this kind, or gets one when it is asked or when data flow.
fn offers(element: &gst::Element, wanted: &Wanted) -> bool {
    let caps = wanted.caps.map(gst::Caps::new_empty_simple);
    let fits = |offered: &gst::Caps| match &caps {
        Some(caps) => offered.can_intersect(caps),
        None => true,
    };
    let bytes = wanted.does == "gives sound" && gives_bytes(element);
    let now = element.pads().into_iter().any(|pad| {
        pad.direction() == wanted.direction && !pad.is_linked() && fits(&pad.query_caps(None))
    });
    let later = element.pad_template_list().into_iter().any(|template| {
        template.direction() == wanted.direction
            && template.presence() != gst::PadPresence::Always
            && fits(template.caps())
    });
    // A bin of several elements gets its ghost pads when those inside appear.
    let inside = element.type_() == gst::Bin::static_type()
        && element.downcast_ref::<gst::Bin>().is_some_and(|bin| {
            bin.children()
                .iter()
                .any(|child| later_offers(child, wanted))
        });
    (now || later || inside) && !bytes
}

/// Whether a pad of this kind appears at an element inside while data flow.
fn later_offers(element: &gst::Element, wanted: &Wanted) -> bool {
    element.pad_template_list().into_iter().any(|template| {
        template.direction() == wanted.direction
            && template.presence() == gst::PadPresence::Sometimes
    })
}

/// Whether what comes out is read from a file or the network as it stands.
fn gives_bytes(element: &gst::Element) -> bool {
    let pads = element.pads();
    let mut out = pads
        .iter()
        .filter(|pad| pad.direction() == gst::PadDirection::Src && !pad.is_linked());
    out.any(|pad| {
        let inner = pad
            .downcast_ref::<gst::GhostPad>()
            .and_then(|ghost| ghost.target());
        let pad = inner.as_ref().unwrap_or(pad);
        let klass = pad
            .parent_element()
            .and_then(|parent| parent.metadata("klass").map(String::from));
        let reads = klass.is_some_and(|klass| {
            klass.starts_with("Source/File") || klass.starts_with("Source/Network")
        });
        reads && pad.pad_template_caps().is_any()
    })
}

// SPDX-License-Identifier: MPL-2.0

//! What a recogniser says between its texts.

/// Both are serialized, downstream.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnEvent {
    /// `voice/end-of-turn`: the turn is over.
    End {
        confidence: Option<f64>,
        language: String,
    },
    /// `voice/likely-end-of-turn`: it probably is, and this is what was said.
    LikelyEnd { text: String },
}

impl TurnEvent {
    /// `None` for any other event.
    pub fn from_event(event: &gst::EventRef) -> Option<Self> {
        let structure = event.structure()?;
        let text = |field: &str| {
            let text = structure.get::<Option<String>>(field).ok().flatten();
            text.unwrap_or_default()
        };
        match structure.name().as_str() {
            "voice/end-of-turn" => Some(Self::End {
                confidence: structure.get("confidence").ok(),
                language: text("language"),
            }),
            "voice/likely-end-of-turn" => Some(Self::LikelyEnd { text: text("text") }),
            _ => None,
        }
    }
}

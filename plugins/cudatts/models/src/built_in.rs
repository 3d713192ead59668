// SPDX-License-Identifier: MPL-2.0

//! The model that is part of gst-duplex.

/// A model that is no file: the library that speaks with it holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// What it is called. No catalogue has another of that name.
    pub name: &'static str,
    /// ISO 639-1.
    pub language: &'static str,
    /// How many parameters it has.
    pub parameters: u64,
    /// SPDX identifier of the weights' licence.
    pub licence: &'static str,
    /// Its only voice.
    pub voice: &'static str,
}

/// The one that there is, which speaks where no model is named.
pub const COMPACT: BuiltIn = BuiltIn {
    name: "compact",
    language: "en",
    parameters: 3_185_623,
    licence: "MPL-2.0",
    voice: "compact",
};

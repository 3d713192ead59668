// SPDX-License-Identifier: MPL-2.0

//! When the caller really spoke, as a file says that knows.

use std::path::Path;

use serde::Deserialize;

/// Speech in the caller's recording.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Label {
    /// When it begins, in seconds from the recording's start.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// What is said, or what it is.
    #[serde(default)]
    pub text: String,
}

/// Reads `[{"start": 8.0, "end": 9.4, "text": "hello"}]`; the error is one sentence.
pub fn read(path: &Path) -> Result<Vec<Label>, String> {
    let fail = |what: String| format!("the labels {} {what}", path.display());
    let text =
        std::fs::read_to_string(path).map_err(|err| fail(format!("cannot be read: {err}")))?;
    let mut labels: Vec<Label> = serde_json::from_str(&text).map_err(|err| {
        fail(format!(
            "are not a list of {{\"start\", \"end\", \"text\"}} in seconds: {err}"
        ))
    })?;
    if let Some(odd) = labels
        .iter()
        .find(|label| !(label.start >= 0.0 && label.end > label.start))
    {
        return Err(fail(format!(
            "hold one from {} to {} s, which is no time",
            odd.start, odd.end
        )));
    }
    labels.sort_by(|a, b| a.start.total_cmp(&b.start));
    Ok(labels)
}

// SPDX-License-Identifier: MPL-2.0

//! Versions and addresses of machines: numbers with more than one dot.

use crate::numbers::{self, is_digits};

/// v2.1.3, 2.1.3, 192.168.1.1.
pub(crate) fn token(text: &str) -> Option<String> {
    let (version, bare) = match text.strip_prefix(['v', 'V']) {
        Some(bare) => ("version ", bare),
        None => ("", text),
    };
    if bare.len() > 40 {
        return None;
    }
    let parts: Vec<&str> = bare.split('.').collect();
    let enough = parts.len() > 2 || (!version.is_empty());
    if !enough || !parts.iter().all(|part| is_digits(part)) {
        return None;
    }
    let address = version.is_empty() && parts.len() == 4;
    let parts: Vec<String> = parts.into_iter().map(numbers::cardinal).collect();
    Some(format!(
        "{version}{}",
        parts.join(if address { " dot " } else { " point " })
    ))
}

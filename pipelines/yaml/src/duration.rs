// SPDX-License-Identifier: MPL-2.0

//! Durations with their unit: `300ms`.

/// Reads `300ms`, `2s`, `1.5s`, `20us`, `1min`, `1h` as nanoseconds; `None` when it is no duration.
pub fn duration(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || fraction.len() > 9 {
        return None;
    }
    let mut nanoseconds = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if !fraction.is_empty() {
        let scale = 10u64.pow(fraction.len() as u32);
        let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor);
        if part % u128::from(scale) != 0 {
            return None;
        }
        nanoseconds = nanoseconds.checked_add((part / u128::from(scale)) as u64)?;
    }
    Some(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [
            ("300ms", Some(300_000_000)),
            ("2s", Some(2_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("0.25ms", Some(250_000)),
            ("20us", Some(20_000)),
            ("20µs", Some(20_000)),
            ("7ns", Some(7)),
            ("1min", Some(60_000_000_000)),
            ("1h", Some(3_600_000_000_000)),
            ("300 ms", Some(300_000_000)),
            ("300", None),
            ("ms", None),
            ("1.2.3s", None),
            (".5s", None),
            ("0.5ns", None),
            ("-1s", None),
            ("3 days", None),
            ("99999999999999999999s", None),
            ("9999999999999h", None),
        ];
        for (text, expected) in table {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}

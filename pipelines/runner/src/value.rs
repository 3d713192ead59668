// SPDX-License-Identifier: MPL-2.0

//! Text of a description as the value of a property, judged by the property's own ParamSpec.

use gst::glib;
use gst::prelude::*;

use duplex_yaml::duration::duration;
use duplex_yaml::nearest;

/// The unit in which a property counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 10⁻⁹ s
    Nanoseconds,
    /// 10⁻⁶ s
    Microseconds,
    /// 10⁻³ s
    Milliseconds,
    /// s
    Seconds,
}

impl Unit {
    fn nanoseconds(self) -> u64 {
        match self {
            Unit::Nanoseconds => 1,
            Unit::Microseconds => 1_000,
            Unit::Milliseconds => 1_000_000,
            Unit::Seconds => 1_000_000_000,
        }
    }
}

/// The unit that a property's blurb names; without one, 64-bit times of GStreamer count nanoseconds.
pub fn unit_of(pspec: &glib::ParamSpec) -> Option<Unit> {
    let blurb = pspec.blurb().unwrap_or("").to_lowercase();
    for word in blurb.split(|c: char| !c.is_alphanumeric()) {
        return Some(match word {
            "ns" | "nanosecond" | "nanoseconds" => Unit::Nanoseconds,
            "us" | "µs" | "usec" | "usecs" | "microsecond" | "microseconds" => Unit::Microseconds,
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => Unit::Milliseconds,
            "s" | "sec" | "secs" | "second" | "seconds" => Unit::Seconds,
            _ => continue,
        });
    }
    let wide = [u64::static_type(), i64::static_type()].contains(&pspec.value_type());
    let timely = [
        "time",
        "duration",
        "latency",
        "delay",
        "timeout",
        "deadline",
        "ts-offset",
    ]
    .iter()
    .any(|end| pspec.name().ends_with(end));
    (wide && timely).then_some(Unit::Nanoseconds)
}

/// Whether a property takes an element, so that its value is a gst-launch bin.
pub fn takes_element(pspec: &glib::ParamSpec) -> bool {
    pspec.value_type().is_a(gst::Element::static_type())
}

fn integer(text: &str, pspec: &glib::ParamSpec) -> Result<i128, String> {
    let plain = if let Some(hex) = text.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()
    } else {
        text.parse::<i128>().ok()
    };
    if let Some(number) = plain {
        return Ok(number);
    }
    if let Some(nanoseconds) = duration(text) {
        let Some(unit) = unit_of(pspec) else {
            return Err(format!(
                "`{text}` is a duration, but `{}` does not count time",
                pspec.name()
            ));
        };
        if nanoseconds % unit.nanoseconds() != 0 {
            return Err(format!(
                "`{text}` is no whole number of {}, in which `{}` counts",
                format!("{unit:?}").to_lowercase(),
                pspec.name()
            ));
        }
        return Ok(i128::from(nanoseconds / unit.nanoseconds()));
    }
    Err(match unit_of(pspec) {
        Some(_) => format!("`{text}` is neither a duration such as 300ms nor a whole number"),
        None => format!("`{text}` is not a whole number"),
    })
}

/// A limit of a property, as a duration where `text` is one.
fn like(text: &str, limit: i128, pspec: &glib::ParamSpec) -> String {
    let unit = duration(text).and(unit_of(pspec));
    let nanoseconds = unit.and_then(|unit| limit.checked_mul(i128::from(unit.nanoseconds())));
    match nanoseconds {
        Some(0) | None => limit.to_string(),
        Some(time) => [
            (60_000_000_000, "min"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
        ]
        .iter()
        .find(|(size, _)| time % size == 0)
        .map_or_else(
            || format!("{time}ns"),
            |(size, name)| format!("{}{name}", time / size),
        ),
    }
}

fn in_range<T: PartialOrd + std::fmt::Display>(
    text: &str,
    value: T,
    minimum: T,
    maximum: T,
) -> Result<T, String> {
    if value < minimum || value > maximum {
        Err(format!("`{text}` is out of range: {minimum} to {maximum}"))
    } else {
        Ok(value)
    }
}

/// The value for a property, or one sentence that says what is wrong with it.
pub fn parse(pspec: &glib::ParamSpec, text: &str) -> Result<glib::Value, String> {
    macro_rules! integers {
        ($($spec:ident $kind:ty),*) => {
            $(if let Some(spec) = pspec.downcast_ref::<glib::$spec>() {
                let value = integer(text, pspec)?;
                let (minimum, maximum) = (i128::from(spec.minimum()), i128::from(spec.maximum()));
                if value < minimum || value > maximum {
                    return Err(format!(
                        "`{text}` is out of range: {} to {}",
                        like(text, minimum, pspec),
                        like(text, maximum, pspec)
                    ));
                }
                let value = <$kind>::try_from(value).map_err(|_| format!("`{text}` is out of range"))?;
                return Ok(value.to_value());
            })*
        };
    }
    integers!(
        ParamSpecInt i32, ParamSpecUInt u32, ParamSpecInt64 i64, ParamSpecUInt64 u64
    );
    if let Some(spec) = pspec.downcast_ref::<glib::ParamSpecDouble>() {
        let value = number(text, pspec)?;
        return Ok(in_range(text, value, spec.minimum(), spec.maximum())?.to_value());
    }
    if let Some(spec) = pspec.downcast_ref::<glib::ParamSpecFloat>() {
        let value = number(text, pspec)? as f32;
        return Ok(in_range(text, value, spec.minimum(), spec.maximum())?.to_value());
    }
    let kind = pspec.value_type();
    if kind == bool::static_type() {
        return match text {
            "true" | "True" | "TRUE" => Ok(true.to_value()),
            "false" | "False" | "FALSE" => Ok(false.to_value()),
            _ => Err(format!("`{text}` is not a boolean; write true or false")),
        };
    }
    if kind == String::static_type() {
        return Ok(text.to_value());
    }
    if let Some(class) = glib::EnumClass::with_type(kind) {
        let nicks: Vec<&str> = class.values().iter().map(|value| value.nick()).collect();
        if !nicks.contains(&text) {
            return Err(format!(
                "`{text}` is not one of {}{}",
                nicks.join(", "),
                nearest(text, nicks.iter().copied())
            ));
        }
    }
    if let Some(class) = glib::FlagsClass::with_type(kind) {
        let nicks: Vec<&str> = class.values().iter().map(|value| value.nick()).collect();
        for flag in text.split('+').map(str::trim) {
            let number = flag.strip_prefix("0x").unwrap_or(flag);
            if !nicks.contains(&flag) && u32::from_str_radix(number, 16).is_err() {
                return Err(format!(
                    "`{flag}` is not one of {}{}",
                    nicks.join(", "),
                    nearest(flag, nicks.iter().copied())
                ));
            }
        }
    }
    if kind.is_a(glib::Type::OBJECT) || kind.is_a(glib::Type::POINTER) {
        return Err(format!(
            "`{}` takes {}, which cannot be written in a description",
            pspec.name(),
            article(kind.name())
        ));
    }
    glib::Value::deserialize_with_pspec(text, pspec)
        .map_err(|_| format!("`{text}` is not {}", article(kind.name())))
}

fn number(text: &str, pspec: &glib::ParamSpec) -> Result<f64, String> {
    if let Ok(value) = text.parse::<f64>()
        && value.is_finite()
    {
        return Ok(value);
    }
    match (duration(text), unit_of(pspec)) {
        (Some(nanoseconds), Some(unit)) => Ok(nanoseconds as f64 / unit.nanoseconds() as f64),
        (Some(_), None) => Err(format!(
            "`{text}` is a duration, but `{}` does not count time",
            pspec.name()
        )),
        _ => Err(format!("`{text}` is not a number")),
    }
}

fn article(name: &str) -> String {
    if name.starts_with(['A', 'E', 'I', 'O', 'U']) {
        format!("an {name}")
    } else {
        format!("a {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_pspec() {
        gst::init().unwrap();
        let queue = gst::ElementFactory::make("queue").build().unwrap();
        let time = queue.find_property("max-size-time").unwrap();
        assert_eq!(unit_of(&time), Some(Unit::Nanoseconds));
        assert_eq!(
            parse(&time, "300ms").unwrap().get::<u64>().unwrap(),
            300_000_000
        );
        assert_eq!(parse(&time, "17").unwrap().get::<u64>().unwrap(), 17);
        let buffers = queue.find_property("max-size-buffers").unwrap();
        assert_eq!(unit_of(&buffers), None);
        assert!(parse(&buffers, "300ms").unwrap_err().contains("count time"));
        assert!(parse(&buffers, "-1").unwrap_err().contains("out of range"));
        assert!(
            parse(&buffers, "many")
                .unwrap_err()
                .contains("whole number")
        );
        let leaky = queue.find_property("leaky").unwrap();
        assert!(parse(&leaky, "downstream").is_ok());
        let wrong = parse(&leaky, "downstraem").unwrap_err();
        assert_eq!(
            wrong,
            "`downstraem` is not one of no, upstream, downstream; did you mean `downstream`?"
        );
        let filter = gst::ElementFactory::make("capsfilter").build().unwrap();
        let caps = filter.find_property("caps").unwrap();
        assert!(parse(&caps, "text/x-raw,format=utf8").is_ok());
        assert!(parse(&caps, "text/x-raw,,=").is_err());
        let silent = queue.find_property("silent").unwrap();
        assert!(parse(&silent, "yes").unwrap_err().contains("true or false"));
    }
}

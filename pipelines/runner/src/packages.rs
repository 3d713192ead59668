// SPDX-License-Identifier: MPL-2.0

//! Who has an element that is missing here: a Debian package, or a plugin of our own.

use std::sync::LazyLock;

static TABLE: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let mut table = Vec::new();
    let mut package = "";
    for line in include_str!("packages.txt").lines() {
        if let Some(name) = line.strip_suffix(':') {
            package = name;
        } else if !line.starts_with('#') {
            table.extend(line.split_whitespace().map(|factory| (factory, package)));
        }
    }
    table
});

/// Elements of gst-duplex and the plugin that holds each.
pub const OURS: [(&str, &str); 9] = [
    ("chateliza", "duplexchat"),
    ("chatllm", "duplexchat"),
    ("cudattsynth", "duplexcuda"),
    ("vad", "duplexvad"),
    ("vadsrc", "duplexvad"),
    ("ttssink", "duplextts"),
    ("espeaktts", "duplexespeak"),
    ("sphinxasr", "duplexasr"),
    ("whisperasr", "duplexwhisper"),
];

/// What to do to have the element, or `None` when nobody is known to have it.
pub fn advice(factory: &str) -> Option<String> {
    if let Some((_, plugin)) = OURS.iter().find(|(name, _)| *name == factory) {
        // Not everybody waits for whisper.cpp to build.
        let asked = if factory == "whisperasr" {
            " WHISPER=1"
        } else {
            ""
        };
        return Some(format!(
            "it belongs to gst-duplex: run `make install{asked}`, or set GST_PLUGIN_PATH to the folder of libgst{plugin}.so"
        ));
    }
    if [
        "webrtcsink",
        "webrtcsrc",
        "livekitwebrtcsink",
        "livekitwebrtcsrc",
    ]
    .contains(&factory)
    {
        return Some(
            "it belongs to gst-plugin-webrtc of gst-plugins-rs, which Debian 12 does not have"
                .into(),
        );
    }
    let (_, package) = TABLE.iter().find(|(name, _)| *name == factory)?;
    Some(match *package {
        "libgstreamer1.0-0" => {
            "it is part of GStreamer itself, whose installation is incomplete".into()
        }
        package => format!("the Debian package {package} has it: apt install {package}"),
    })
}

/// Every element name that is known without looking at this machine.
pub fn known() -> impl Iterator<Item = &'static str> {
    OURS.iter()
        .map(|(name, _)| *name)
        .chain(TABLE.iter().map(|(name, _)| *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_elements_have_a_package() {
        let package = |factory: &str| advice(factory).unwrap_or_default();
        assert!(package("wavenc").contains("apt install gstreamer1.0-plugins-good"));
        assert!(package("sphinxasr").contains("`make install`"));
        assert!(package("whisperasr").contains("`make install WHISPER=1`"));
        assert!(package("webrtcbin").contains("apt install gstreamer1.0-plugins-bad"));
        assert!(package("audioconvert").contains("apt install gstreamer1.0-plugins-base"));
        assert!(package("x264enc").contains("apt install gstreamer1.0-plugins-ugly"));
        assert!(package("ttssink").contains("make install"));
        assert_eq!(advice("nonesuch"), None);
    }
}

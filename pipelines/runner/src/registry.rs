// SPDX-License-Identifier: MPL-2.0

//! Where `duplex` finds plugins beside those that GStreamer finds by itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Folders beside the binary that hold plugins of ours: its own (a build folder) and `../lib/…/gstreamer-1.0` (installed).
pub fn plugin_folders(executable: &Path) -> Vec<PathBuf> {
    let Some(own) = executable.parent() else {
        return Vec::new();
    };
    let lib = own.join("../lib");
    let mut candidates = vec![own.to_path_buf(), lib.join("gstreamer-1.0")];
    // Debian's libraries lie in a folder of the architecture.
    if let Ok(entries) = std::fs::read_dir(&lib) {
        candidates.extend(
            entries
                .flatten()
                .map(|entry| entry.path().join("gstreamer-1.0")),
        );
    }
    candidates.retain(|folder| has_plugin(folder));
    candidates
}

fn has_plugin(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libgstduplex") && name.ends_with(".so")
        })
    })
}

/// The variable that GStreamer reads and the value it needs for `folders` to be scanned, or `None` when they are already.
pub fn plugin_path(
    folders: &[PathBuf],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<(&'static str, OsString)> {
    let name = if variable("GST_PLUGIN_PATH_1_0").is_some() {
        "GST_PLUGIN_PATH_1_0"
    } else {
        "GST_PLUGIN_PATH"
    };
    let set = variable(name).unwrap_or_default();
    let known: Vec<PathBuf> = std::env::split_paths(&set)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let missing: Vec<PathBuf> = folders
        .iter()
        .map(|folder| real(folder))
        .filter(|folder| !known.iter().any(|path| real(path) == *folder))
        .collect();
    if missing.is_empty() {
        return None;
    }
    std::env::join_paths(known.into_iter().chain(missing))
        .ok()
        .map(|value| (name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_extended_once() {
        let folder = PathBuf::from("/nonexistent/a");
        let unset = |_: &str| None;
        let (name, value) = plugin_path(std::slice::from_ref(&folder), unset).unwrap();
        assert_eq!(
            (name, value.to_str()),
            ("GST_PLUGIN_PATH", Some("/nonexistent/a"))
        );
        let set = |name: &str| (name == "GST_PLUGIN_PATH_1_0").then(|| "/x:/nonexistent/a".into());
        assert_eq!(plugin_path(std::slice::from_ref(&folder), set), None);
        let other = |name: &str| (name == "GST_PLUGIN_PATH").then(|| "/x".into());
        let (_, value) = plugin_path(&[folder], other).unwrap();
        assert_eq!(value.to_str(), Some("/x:/nonexistent/a"));
    }
}

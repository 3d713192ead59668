// SPDX-License-Identifier: MPL-2.0

//! Certificates and keys, which stand in files of their own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What a file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Certificate,
    Key,
}

/// Longest file, in bytes: a bundle of many authorities.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Reads such a file; a relative path starts at the folder of the configuration. `Err` is a sentence.
pub(super) fn read(path: &str, beside: &Path, holds: Holds) -> Result<Vec<u8>, String> {
    let path: PathBuf = beside.parent().unwrap_or(Path::new("")).join(path);
    let shown = path.display();
    let bytes = fs::metadata(&path)
        .and_then(|metadata| match metadata.len() {
            _ if !metadata.is_file() => Err(io::Error::other("it is no file")),
            length if length > LONGEST => Err(io::Error::other("it is too large")),
            _ => fs::read(&path),
        })
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("{shown}: there is no such file"),
            _ => format!("{shown} cannot be read: {error}"),
        })?;
    let text = String::from_utf8_lossy(&bytes);
    let (has, what) = match holds {
        Holds::Certificate => (text.contains("-----BEGIN CERTIFICATE-----"), "certificate"),
        Holds::Key => (
            text.lines()
                .any(|line| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----")),
            "private key",
        ),
    };
    if has {
        Ok(bytes)
    } else {
        Err(format!(
            "{shown} holds no {what} in PEM, which begins with -----BEGIN"
        ))
    }
}

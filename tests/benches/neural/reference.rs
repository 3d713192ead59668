// SPDX-License-Identifier: MPL-2.0

//! The PyTorch reference, measured by a script of ours in its own process.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use duplex_tests::plugins;
use serde::Deserialize;

/// What one thread of it takes.
#[derive(Clone, Debug, Deserialize)]
pub struct Figures {
    /// Versions and threads.
    pub what: String,
    /// Numbers as they were trained.
    pub f32: Cost,
    /// Its own quantization.
    pub int8: Cost,
}

/// Milliseconds, medians.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Cost {
    /// A frame's latent.
    pub flow: f64,
    /// Its sound.
    pub codec: f64,
    /// From the text to the first frame's sound.
    pub first: f64,
}

impl Cost {
    /// Of 80 ms of sound.
    pub fn frame(&self) -> f64 {
        self.flow + self.codec
    }
}

/// Runs it.
pub fn measure(python: &Path, folder: &Path) -> Result<Figures> {
    let script = plugins::source().join("tests/benches/neural/reference.py");
    let output = Command::new(python)
        .arg(&script)
        .arg(folder)
        .arg(super::TEXT)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} runs", python.display()))?;
    ensure!(output.status.success(), "{} failed", script.display());
    serde_json::from_slice(&output.stdout).context("the script prints figures")
}

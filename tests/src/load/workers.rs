// SPDX-License-Identifier: MPL-2.0

//! Workers as processes of their own, on a free port.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

/// A worker that runs until this is dropped.
pub struct Worker {
    child: Child,
    /// `host:port`.
    pub address: String,
}

impl Worker {
    /// Starts a program that says `listening on ADDR` once it serves.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let address =
            lines.find_map(|line| line.ok()?.strip_prefix("listening on ").map(str::to_owned));
        Ok(Self {
            address: address.with_context(|| format!("{} does not listen", program.display()))?,
            child,
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// For an HTTP client.
    pub fn uri(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

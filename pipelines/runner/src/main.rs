// SPDX-License-Identifier: MPL-2.0

//! The `duplex` command.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    find_plugins();
    cli::main()
}

/// Lets GStreamer find our own plugins where they lie beside this binary.
#[expect(
    clippy::disallowed_methods,
    reason = "this process is ours, and GStreamer reads the variable once, when it starts"
)]
fn find_plugins() {
    let Ok(executable) = std::env::current_exe() else {
        return;
    };
    let executable = executable.canonicalize().unwrap_or(executable);
    let folders = duplex_runner::registry::plugin_folders(&executable);
    let variable = |name: &str| std::env::var_os(name);
    if let Some((name, value)) = duplex_runner::registry::plugin_path(&folders, variable) {
        // SAFETY: this is the first thing that the process does; there is no other thread yet.
        unsafe { std::env::set_var(name, value) };
    }
}

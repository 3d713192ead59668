// SPDX-License-Identifier: MPL-2.0

//! The plugins as they were built: linked into this process, or as files for others.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        LazyLock, Once,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Our plugins by the name of their files.
pub const FILES: [&str; 6] = [
    "libgstduplexasr.so",
    "libgstduplexchat.so",
    "libgstduplexcuda.so",
    "libgstduplexespeak.so",
    "libgstduplextts.so",
    "libgstduplexvad.so",
];

/// Initialises GStreamer and registers our plugins as they are linked into this process. May be
/// called by every test.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().expect("GStreamer starts");
        gstduplexasr::plugin_register_static().expect("duplexasr registers");
        gstduplexchat::plugin_register_static().expect("duplexchat registers");
        gstduplexcuda::plugin_register_static().expect("duplexcuda registers");
        gstduplexespeak::plugin_register_static().expect("duplexespeak registers");
        gstduplextts::plugin_register_static().expect("duplextts registers");
        gstduplexvad::plugin_register_static().expect("duplexvad registers");
    });
}

/// An element with everything at its default. What gst-launch makes of `synthesizer=espeaktts`
/// has to be made by hand in a program.
pub fn make(factory: &str) -> Result<gst::Element, gst::glib::BoolError> {
    gst::ElementFactory::make(factory).build()
}

/// The folder into which cargo built: `target/debug` or `target/release`.
pub fn folder() -> PathBuf {
    let own = std::env::current_exe().expect("a process has a file");
    let folder = own.parent().expect("a file has a folder");
    // Tests and benches lie in deps/, binaries beside it.
    if folder.ends_with("deps") {
        folder.parent().expect("deps/ lies in a folder").to_owned()
    } else {
        folder.to_owned()
    }
}

/// Root of the source tree.
pub fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the source tree")
}

/// What was built, by its name in [`folder`]. Panics with what to do where it was not: `cargo
/// test -p` builds less than the workspace.
pub fn built(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.exists(),
        "{} is not there: cargo build --workspace",
        path.display()
    );
    path
}

/// Scans all plugins once, without G_DEBUG: Debian's own complain while they are loaded for that.
/// Gives the registry that all subprocesses of this test run share.
pub fn registry() -> &'static Path {
    static REGISTRY: LazyLock<PathBuf> = LazyLock::new(|| {
        for file in FILES {
            built(file);
        }
        let path = folder().join("registry-tests.bin");
        let scanned = Command::new("gst-inspect-1.0")
            .arg("--version")
            .env("GST_REGISTRY", &path)
            .env("GST_PLUGIN_PATH", folder())
            .env_remove("G_DEBUG")
            .output();
        scanned.expect("gst-inspect-1.0 runs: apt-get install gstreamer1.0-tools");
        path
    });
    &REGISTRY
}

/// A command that sees our plugins, in the source tree, and that ends at the first critical
/// message of GLib or GStreamer.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(source())
        .env("GST_REGISTRY", registry())
        .env("GST_PLUGIN_PATH", folder())
        .env("G_DEBUG", "fatal_criticals")
        // What a person's desktop has set is no business of a test.
        .env_remove("GST_DEBUG")
        .env_remove("PULSE_SERVER");
    command
}

/// Takes from a command what the make that runs the tests has set: a person types in a shell of their own.
pub fn without_make(command: &mut Command) -> &mut Command {
    for name in [
        "MAKEFLAGS",
        "MAKEOVERRIDES",
        "MAKELEVEL",
        "MFLAGS",
        "WHISPER",
        "WHISPER_MODEL",
        "TESTS",
    ] {
        command.env_remove(name);
    }
    command
}

/// The address by which this machine calls others, where it has one. Nothing is sent.
pub fn own_address() -> std::net::IpAddr {
    let local = || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        // Of RFC 5737: nobody's.
        socket.connect("198.51.100.1:9")?;
        socket.local_addr()
    };
    local().map_or(std::net::Ipv4Addr::LOCALHOST.into(), |local| local.ip())
}

/// A new folder for this process alone, below the system's temporary one.
pub fn temporary(what: &str) -> std::io::Result<PathBuf> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("duplex-{what}-{}-{count}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// Both outputs of a command and its status, for an assertion's message.
pub fn told(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs a command that must succeed, and gives what it printed.
pub fn succeeds(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", told(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

// SPDX-License-Identifier: MPL-2.0

//! Clients and workers that know nothing of gst-duplex: Python and gRPC's own library, written from the
//! table of the wire (tests/compat).

use std::{
    path::PathBuf,
    process::{Command, Output},
    sync::LazyLock,
    thread,
    time::Duration,
};

use duplex_tests::{plugins, watchdog::Watchdog, worker::Worker};

/// Versions that are known to go together.
const PACKAGES: [&str; 2] = ["grpcio==1.71.0", "protobuf==5.29.4"];

/// A Python that has gRPC, made below target/ the first time. `None`, said aloud, where it cannot be had.
pub fn python() -> Option<PathBuf> {
    static PYTHON: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let made = make();
        if let Err(why) = &made {
            println!("SKIPPED: Python's gRPC cannot be had: {why}");
        }
        made.ok()
    });
    PYTHON.clone()
}

fn make() -> Result<PathBuf, String> {
    // Not beside the plugins: that folder is scanned for them, with all in it.
    let target = plugins::folder().parent().expect("target/").to_owned();
    let folder = target.join("compat-venv");
    let python = folder.join("bin/python");
    // Whole only where its last step is done.
    let mark = folder.join(PACKAGES.join("-"));
    if mark.exists() {
        return Ok(python);
    }
    let run = |command: &mut Command| -> Result<Output, String> {
        let output = command.output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(output),
            false => Err(plugins::told(&output)),
        }
    };
    let _ = std::fs::remove_dir_all(&folder);
    run(Command::new("/usr/bin/python3")
        .args(["-m", "venv"])
        .arg(&folder))?;
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(PACKAGES))?;
    std::fs::write(mark, "").map_err(|error| error.to_string())?;
    Ok(python)
}

/// A command that runs a file of tests/compat.
pub fn command(python: &PathBuf) -> Command {
    let mut command = Command::new(python);
    command
        .current_dir(plugins::source().join("tests/compat"))
        // Nothing is written into the source tree.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1");
    command
}

/// Most of the time goes by while somebody speaks: all at once, each at a worker of its own.
#[test]
fn clients_from_before_us_are_served() {
    let Some(python) = python() else { return };
    let _watchdog = Watchdog::new("old clients", Duration::from_secs(300));
    let told: Vec<String> = thread::scope(|scope| {
        let modules = [
            "test_speech",
            "test_control",
            "test_sessions",
            "test_models",
        ];
        let running = modules.map(|module| {
            let python = &python;
            scope.spawn(move || {
                let worker = Worker::start();
                let output = command(python)
                    .args(["-m", "unittest", "-v", module])
                    .env("WORKER", worker.address.to_string())
                    .output()
                    .unwrap();
                let told = plugins::told(&output);
                let ran = told.contains("\nOK") && !told.contains("Ran 0 tests");
                (output.status.success() && ran, told)
            })
        });
        let ended = running.map(|one| one.join().unwrap());
        let failed = ended.into_iter().filter(|(good, _)| !good);
        failed.map(|(_, told)| told).collect()
    });
    assert!(told.is_empty(), "{}", told.join("\n"));
}

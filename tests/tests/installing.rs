// SPDX-License-Identifier: MPL-2.0

//! What a fresh machine is asked for, and where things go: .ci/setup, make and meson.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use duplex_tests::{plugins, workspace};

// ---- .ci/setup on machines that lack something --------------------------------------------------

/// Runs `.ci/setup` for a group of packages where PATH has only what is given and a few tools of every system.
fn setup(group: &str, scripts: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = plugins::temporary("path").unwrap();
    for tool in [
        "bash", "sed", "head", "cut", "sort", "dirname", "env", "mktemp", "cat", "grep",
    ] {
        let from = ["/usr/bin", "/bin"].map(|d| Path::new(d).join(tool));
        let from = from
            .iter()
            .find(|p| p.exists())
            .expect("a tool of every system");
        std::os::unix::fs::symlink(from, folder.join(tool)).unwrap();
    }
    for (name, script) in scripts {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new(plugins::source().join(".ci/setup"))
        .arg(group)
        .env("PATH", &folder)
        .env("HOME", &folder)
        .output()
        .unwrap();
    let told = plugins::told(&output);
    fs::remove_dir_all(folder).unwrap();
    (output.status.code(), told)
}

/// The line to type, of what setup told.
fn line<'a>(told: &'a str, part: &str) -> &'a str {
    let line = told.lines().find(|line| line.contains(part));
    line.unwrap_or_else(|| panic!("no line has {part}: {told}"))
        .trim()
}

const RUSTUP: &str = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy && . \"$HOME/.cargo/env\"";

/// A fresh machine has neither curl nor certificates nor lists of packages, and root has no sudo.
#[test]
fn setup_without_cargo_says_how_to_get_it() {
    let get = "apt-get install -y --no-install-recommends curl ca-certificates";
    let (root, person) = (("id", "echo 0"), ("id", "echo 1000"));
    let (sudo, curl) = (("sudo", "exit 3"), ("curl", "exit 3"));
    let table: [(&[(&str, &str)], String); 4] = [
        (&[root], format!("apt-get update && {get} && {RUSTUP}")),
        (
            &[person, sudo],
            format!("sudo apt-get update && sudo {get} && {RUSTUP}"),
        ),
        (
            &[person],
            format!("su -c 'apt-get update && {get}' && {RUSTUP}"),
        ),
        (&[person, curl], RUSTUP.to_owned()),
    ];
    for (scripts, expected) in table {
        let (status, told) = setup("build", scripts);
        assert_eq!(status, Some(1), "{told}");
        assert!(told.contains("no cargo"), "{told}");
        assert_eq!(line(&told, "sh.rustup.rs"), expected);
    }
}

/// A distribution's cargo without them has no rustup to add them, nor has Debian 12 a package of it.
#[test]
fn setup_without_clippy_says_how_to_get_it() {
    let cargo = r#"[ "$1" = --version ] && echo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'"#;
    let (status, told) = setup("test", &[("cargo", cargo), ("curl", ""), ("id", "echo 0")]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("cargo has no `fmt`"), "{told}");
    assert_eq!(line(&told, "sh.rustup.rs"), RUSTUP);
}

#[test]
fn setup_with_an_old_cargo_says_how_to_update_it() {
    let old = ("cargo", "echo 'cargo 1.63.0 (fd9c4297c 2022-07-01)'");
    let (status, told) = setup("build", &[old, ("rustup", "exit 1")]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("cargo 1.63.0 is older than 1.95"), "{told}");
    assert!(
        told.contains("    rustup update stable && rustup default stable\n"),
        "{told}"
    );
    // Debian's own cargo comes without rustup.
    let (status, told) = setup("build", &[old]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("https://sh.rustup.rs"), "{told}");
}

#[test]
fn setup_without_root_and_sudo_says_what_to_type() {
    let (status, told) = setup(
        "build",
        &[
            ("cargo", "echo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'"),
            ("id", "echo 1000"),
            ("apt-get", "echo 'apt-get must not run'; exit 3"),
            ("dpkg-query", "exit 1"),
        ],
    );
    assert_eq!(status, Some(1), "{told}");
    assert!(!told.contains("apt-get must not run"), "{told}");
    let line = told
        .lines()
        .find(|l| l.contains("su -c 'apt-get update && "));
    let line = line.unwrap_or_else(|| panic!("{told}"));
    assert!(
        line.contains("libgstreamer1.0-dev") && line.contains("libespeak-ng-dev"),
        "{line}"
    );
}

#[test]
fn setup_has_nothing_to_do_where_everything_is_there() {
    let (status, told) = setup(
        "build",
        &[
            ("cargo", "echo 'cargo 1.99.0-beta.1 (f2d3ce0bd 2026-09-21)'"),
            ("id", "echo 1000"),
            ("apt-get", "exit 3"),
            // As dpkg-query answers `-W -f FORMAT package …`.
            (
                "dpkg-query",
                "shift 2; for p in \"$@\"; do printf 'installed=%s ' \"$p\"; done",
            ),
        ],
    );
    assert_eq!(status, Some(0), "{told}");
}

/// whisper.cpp is built for those who ask for it, and so is what builds it installed.
#[test]
fn setup_asks_for_cmake_where_whisper_is_wanted() {
    for (group, asked) in [("whisper", true), ("build", false), ("test", false)] {
        let (status, told) = setup(
            group,
            &[
                ("cargo", "echo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'"),
                ("id", "echo 1000"),
                ("apt-get", "exit 3"),
                ("dpkg-query", "exit 1"),
            ],
        );
        assert_eq!(status, Some(1), "{told}");
        let line = line(&told, "su -c 'apt-get update && ");
        for package in [" cmake ", " libclang-dev"] {
            assert_eq!(line.contains(package), asked, "{group}: {line}");
        }
    }
}

// ---- make and meson -----------------------------------------------------------------------------

/// `make` as a person has it, in the source tree.
fn make() -> Command {
    let mut make = Command::new("make");
    make.current_dir(plugins::source());
    plugins::without_make(&mut make)
        .env_remove("XDG_DATA_HOME")
        .env_remove("PULSE_SERVER")
        .env("PROFILE", "dev")
        .env("CARGO_TARGET_DIR", plugins::folder().parent().unwrap());
    make
}

/// Cargo may put what it has built anew in its place while meson asks it to build: who copies from there waits.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every file below a folder, by its path from there.
fn below(folder: &Path) -> BTreeSet<String> {
    let told = plugins::succeeds(
        Command::new("find")
            .args([".", "-type", "f"])
            .current_dir(folder),
    );
    let names = told.lines().map(|line| line.trim_start_matches("./"));
    names.map(str::to_owned).collect()
}

/// What is installed wherever it goes: plugins, commands, descriptions, configurations, licences.
fn installed(plugins_in: &str, bin: &str, share: &str) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = workspace::shipped()
        .iter()
        .map(|file| {
            let folder = if file.ends_with(".so") {
                plugins_in
            } else {
                bin
            };
            format!("{folder}/{file}")
        })
        .collect();
    for licence in [
        "LICENSE-MPL-2.0",
        "LICENSE-GPL-3.0",
        "LICENSE-THIRD-PARTY.md",
    ] {
        files.insert(format!("{share}/doc/gst-duplex/{licence}"));
    }
    for room in ["pipelines", "configs"] {
        let kept = fs::read_dir(plugins::source().join(room)).unwrap();
        for path in kept
            .map(|entry| entry.unwrap().path())
            .filter(|p| p.is_file())
        {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(format!("{share}/gst-duplex/{room}/{name}"));
        }
    }
    files
}

/// The folder of plugins below a prefix, as this system has it.
fn plugins_dir() -> String {
    let ask = |what: &str| {
        let told = plugins::succeeds(Command::new("pkg-config").args([what, "gstreamer-1.0"]));
        told.trim().to_owned()
    };
    let (whole, prefix) = (ask("--variable=pluginsdir"), ask("--variable=prefix"));
    let below = whole.strip_prefix(&format!("{prefix}/"));
    below.expect("plugins lie below the prefix").to_owned()
}

#[test]
fn make_installs_everything_and_says_what_is_missing() {
    let _turn = one_at_a_time();
    let folder = plugins::temporary("install").unwrap();
    let dest = format!("DESTDIR={}", folder.display());
    let everybody = plugins_dir();
    let told = plugins::succeeds(make().args(["install-files", "PREFIX=/usr", &dest]));
    let expected = installed(&format!("usr/{everybody}"), "usr/bin", "usr/share");
    assert_eq!(below(&folder), expected);
    assert!(
        !told.contains("export"),
        "GStreamer and the shell look there: {told}"
    );
    // Not a folder that GStreamer looks into by itself.
    let told = plugins::succeeds(make().args(["install-files", "PREFIX=/opt/duplex", &dest]));
    let exports = [
        format!(
            "export GST_PLUGIN_PATH=\"/opt/duplex/{everybody}${{GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}}\""
        ),
        "export PATH=\"/opt/duplex/bin:$PATH\"".to_owned(),
    ];
    for export in exports {
        line(&told, &export);
    }
    // For oneself alone, before and after the folder is in the PATH.
    let home = folder.join("home");
    fs::create_dir(&home).unwrap();
    let told = plugins::succeeds(make().arg("install-files").env("HOME", &home));
    let mine = installed(
        ".local/share/gstreamer-1.0/plugins",
        ".local/bin",
        ".local/share",
    );
    assert_eq!(below(&home), mine);
    let export = format!("export PATH=\"{}/.local/bin:$PATH\"", home.display());
    line(&told, &export);
    let path = format!(
        "{}/.local/bin:{}",
        home.display(),
        std::env::var("PATH").unwrap()
    );
    let again = plugins::succeeds(
        make()
            .arg("install-files")
            .env("HOME", &home)
            .env("PATH", path),
    );
    assert!(!again.contains("export"), "{again}");
    fs::remove_dir_all(folder).unwrap();
}

/// A build of minutes is not to end in a folder that cannot be written.
#[test]
fn make_install_refuses_before_it_builds() {
    let folder = plugins::temporary("refused").unwrap();
    // Whoever this becomes may not be able to read the source tree.
    fs::copy(plugins::source().join("Makefile"), folder.join("Makefile")).unwrap();
    let root = plugins::succeeds(Command::new("id").arg("-u")).trim() == "0";
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "make"]);
        command
    } else {
        Command::new("make")
    };
    let output = plugins::without_make(&mut command)
        .args(["install", "PREFIX=/usr", "PROFILE=release"])
        .env("CARGO", "false")
        .current_dir(&folder)
        .output()
        .unwrap();
    let told = plugins::told(&output);
    assert!(!output.status.success(), "{told}");
    assert_eq!(
        line(&told, "sudo"),
        "make build-install PROFILE=release && sudo make install-files PROFILE=release PREFIX=/usr"
    );
    fs::remove_dir_all(folder).unwrap();
}

/// A card that only others may use is none.
#[test]
fn make_run_sees_sound_where_it_can_be_used() {
    let folder = plugins::temporary("sound").unwrap();
    let has = || {
        let probe = "--eval=probe:; @if $(HAS_SOUND); then echo yes; else echo no; fi";
        let snd = format!("SND={}", folder.join("snd").display());
        let told = plugins::succeeds(
            make()
                .args([probe, "probe", &snd])
                .env("XDG_RUNTIME_DIR", &folder),
        );
        told.lines().any(|line| line == "yes")
    };
    assert!(!has(), "no card at all");
    fs::create_dir(folder.join("snd")).unwrap();
    fs::write(folder.join("snd/pcmC0D0c"), "").unwrap();
    assert!(!has(), "a microphone alone");
    fs::write(folder.join("snd/pcmC0D0p"), "").unwrap();
    assert!(has(), "a loudspeaker");
    fs::remove_dir_all(folder).unwrap();
}

/// Before anything is built, and in one sentence.
#[test]
fn make_run_with_whisper_asks_for_a_model() {
    for (words, part) in [
        (
            &["WHISPER=1"][..],
            "make run WHISPER=1 WHISPER_MODEL=ggml-base.bin",
        ),
        (
            &["WHISPER=cuda", "WHISPER_MODEL=/nowhere/ggml.bin"],
            "there is no file /nowhere/ggml.bin",
        ),
    ] {
        let output = (make().arg("run").args(words).env("CARGO", "false"))
            .output()
            .unwrap();
        let told = plugins::told(&output);
        assert!(!output.status.success(), "{told}");
        line(&told, part);
        assert!(!told.contains("building"), "{told}");
    }
}

/// Both conversations can be heard by whisperasr, as far as this tree has it.
#[test]
fn make_run_with_whisper_hears_with_the_model() {
    let _turn = one_at_a_time();
    for name in ["conversation.yaml", "assistant.yaml"] {
        let description = format!("DESCRIPTION=pipelines/{name}");
        let model = "WHISPER_MODEL=/models/ggml-base.bin";
        plugins::succeeds(make().args(["heard-by-whisper", &description, model]));
        let file = plugins::source().join("out").join(name);
        let text = fs::read_to_string(&file).unwrap();
        let asr = r#"  asr: { factory: whisperasr, model: "/models/ggml-base.bin" }"#;
        assert!(text.lines().any(|line| line == asr), "{text}");
        let output = plugins::command(plugins::built("duplex"))
            .arg("check")
            .arg(&file)
            .output()
            .unwrap();
        let told = plugins::told(&output);
        // The element is there where somebody has built it.
        let missing = told.contains("whisperasr");
        assert!(output.status.success() || missing, "{told}");
        assert!(!told.contains("grammar"), "{told}");
        fs::remove_file(file).unwrap();
    }
}

/// Meson sets up, builds and installs: what cargo has built already is not built again.
#[test]
fn meson_builds_and_installs_everything() {
    let _turn = one_at_a_time();
    let folder = plugins::temporary("meson").unwrap();
    let (build, to) = (folder.join("build"), folder.join("to"));
    let meson = |arguments: &[&str]| {
        let mut meson = Command::new("meson");
        meson
            .args(arguments)
            .current_dir(plugins::source())
            .env("CARGO_TARGET_DIR", plugins::folder().parent().unwrap());
        plugins::succeeds(&mut meson)
    };
    let build = build.to_str().unwrap();
    meson(&["setup", build, "--prefix=/usr", "--buildtype=debug"]);
    meson(&["compile", "-C", build]);
    meson(&[
        "install",
        "-C",
        build,
        "--no-rebuild",
        "--destdir",
        to.to_str().unwrap(),
    ]);
    let everybody = format!("usr/{}", plugins_dir());
    assert_eq!(below(&to), installed(&everybody, "usr/bin", "usr/share"));
    let first = plugins::FILES[0];
    assert_eq!(
        fs::read(to.join(&everybody).join(first)).unwrap().len(),
        fs::read(plugins::built(first)).unwrap().len()
    );
    fs::remove_dir_all(folder).unwrap();
}

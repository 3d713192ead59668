// SPDX-License-Identifier: MPL-2.0

//! The walls of the house: what may link what, what a plugin may not do, what gst-inspect shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use duplex_tests::{inspect, plugins, workspace};
use gst::{glib, prelude::*};

fn snapshot(name: &str) -> PathBuf {
    plugins::source().join("tests/snapshots").join(name)
}

// ---- libraries ---------------------------------------------------------------------------------

/// The libraries that a file asks the loader for, those of the C runtime left out.
fn needed(file: &Path) -> BTreeSet<String> {
    let told = plugins::succeeds(Command::new("readelf").arg("-dW").arg(file));
    let runtime = [
        "libc.",
        "libm.",
        "libgcc_s.",
        "libpthread.",
        "libdl.",
        "librt.",
        "ld-linux",
    ];
    told.lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split_once('[')?.1.split_once(']'))
        .map(|(library, _)| library.to_owned())
        .filter(|library| !runtime.iter().any(|r| library.starts_with(r)))
        .collect()
}

/// One build of the whole workspace must not let an engine leak into another plugin, which
/// features would do.
#[test]
fn every_file_links_what_it_may_and_no_more() {
    let text = fs::read_to_string(snapshot("needed.json")).unwrap();
    let allowed: BTreeMap<String, BTreeSet<String>> = serde_json::from_str(&text).unwrap();
    let listed: BTreeSet<&str> = allowed.keys().map(String::as_str).collect();
    let made = workspace::shipped();
    let made: BTreeSet<&str> = made.iter().map(String::as_str).collect();
    assert_eq!(made, listed, "needed.json lists what is built, and no more");
    for (file, allowed) in &allowed {
        let found = needed(&plugins::built(file));
        let more: Vec<_> = found.difference(allowed).collect();
        assert!(
            more.is_empty(),
            "{file} links {more:?}: see tests/snapshots/needed.json"
        );
    }
}

#[test]
fn only_the_espeak_plugin_links_espeak() {
    let espeak = |file: &str| {
        let libraries = needed(&plugins::built(file));
        libraries.iter().any(|l| l.contains("espeak"))
    };
    assert!(espeak("libgstduplexespeak.so"));
    for file in [
        "libgstduplexchat.so",
        "libgstduplexcuda.so",
        "libgstduplextts.so",
        "libgstduplexvad.so",
        "duplex",
        "duplex-worker-neural",
    ] {
        assert!(!espeak(file), "{file} is not GPL and links libespeak-ng");
    }
}

/// A plugin depends on no other plugin and not on the runner; synthesis knows no GStreamer.
#[test]
fn rooms_depend_on_nothing_they_may_not_see() {
    let metadata = workspace::metadata(&["--no-deps"]);
    let mut plugins_seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let depends: Vec<&str> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            // Tests may load whatever they want to meet.
            .filter(|d| d["kind"] != "dev")
            .map(|d| d["name"].as_str().unwrap())
            .collect();
        if name != "duplex-tests" {
            let plugin = depends.iter().find(|d| d.starts_with("gst-plugin-duplex"));
            assert_eq!(plugin, None, "{name} depends on a plugin");
        }
        if name.starts_with("gst-plugin-duplex") {
            plugins_seen += 1;
            assert!(
                !depends.contains(&"duplex-runner"),
                "{name} depends on the runner"
            );
            assert!(
                !depends.iter().any(|d| d.contains("redis")),
                "{name} depends on Redis"
            );
            let espeak = depends.contains(&"duplex-espeak");
            assert_eq!(
                espeak,
                name == "gst-plugin-duplexespeak",
                "{name} and espeak"
            );
            let licence = package["license"].as_str().unwrap();
            let expected = if espeak {
                "GPL-3.0-or-later"
            } else {
                "MPL-2.0"
            };
            assert_eq!(licence, expected, "{name}");
        }
        if name == "duplex-espeak" {
            assert_eq!(
                package["license"], "GPL-3.0-or-later",
                "it links libespeak-ng"
            );
        }
        if [
            "duplex-dialogue",
            "duplex-synthesis",
            "duplex-espeak",
            "duplex-recognition",
            "duplex-neural",
            "duplex-english",
            "duplex-models",
            "duplex-yaml",
        ]
        .contains(&name)
        {
            let sound = depends
                .iter()
                .find(|d| d.starts_with("gst") || d.starts_with("tonic") || **d == "reqwest");
            assert_eq!(
                sound, None,
                "{name} knows neither GStreamer nor the network"
            );
        }
    }
    assert_eq!(plugins_seen, plugins::FILES.len());
}

/// What decides is plain Rust, so that it can be tried with a clock of its own.
#[test]
fn policy_knows_no_gstreamer() {
    let pure = [
        "plugins/vad/src/detector",
        "plugins/vad/src/segmenter.rs",
        "plugins/vad/src/echo.rs",
        "plugins/tts/src/playout",
        "plugins/tts/src/interruption",
        "plugins/tts/src/interruption.rs",
        "plugins/tts/src/ttssink/textqueue/policy.rs",
        "plugins/chat/dialogue",
        "plugins/synthesis",
        "plugins/espeak/engine",
        "plugins/cudatts/engine",
        "plugins/cudatts/english",
        "plugins/cudatts/models",
        "plugins/asr/recognition",
        "pipelines/yaml",
        "pipelines/runner/src/serve/access.rs",
        "pipelines/runner/src/serve/admission.rs",
        "pipelines/runner/src/serve/session/framer.rs",
        "pipelines/runner/src/serve/session/heard.rs",
        "pipelines/runner/src/serve/session/policy.rs",
        "pipelines/runner/src/serve/session/stamps.rs",
        "pipelines/runner/src/serve/websocket/protocol.rs",
    ];
    let found = sources(&["rs"]);
    for room in pure {
        let inside: Vec<_> = found
            .iter()
            .filter(|(path, _)| path.starts_with(room))
            // The element of playout, which carries out what is decided there.
            .filter(|(path, _)| !path.starts_with("plugins/tts/src/playout/element"))
            .collect();
        assert!(!inside.is_empty(), "there is no {room}");
        for (path, text) in inside {
            for (n, line) in code(text).lines().enumerate() {
                let line = line.split("//").next().unwrap();
                // gst-duplex is a name, and so is gst-launch-1.0.
                let words = line.split(|c: char| !c.is_alphanumeric() && !"_-".contains(c));
                let found = words
                    .into_iter()
                    .find(|word| *word == "gst" || word.starts_with("gst_") || *word == "glib");
                assert_eq!(found, None, "{}:{}: {line}", path.display(), n + 1);
            }
        }
    }
}

/// The same type registered by two files aborts the plugin scanner, and an element is gone.
#[test]
fn all_plugins_load_into_one_process() {
    let told = plugins::succeeds(plugins::command("gst-inspect-1.0").arg("--print-all"));
    for factory in ours() {
        assert!(
            told.contains(&format!("{factory}: Factory Details:")),
            "{factory} is not listed"
        );
    }
    assert!(
        told.contains("audioresample: Factory Details:"),
        "Debian's plugins are not listed"
    );
    for plugin in inspect::PLUGINS {
        let told = plugins::succeeds(plugins::command("gst-inspect-1.0").arg(plugin));
        let file = format!("{}/libgst{plugin}.so", plugins::folder().display());
        assert!(told.contains(&file), "not loaded from {file}:\n{told}");
        let licence = if plugin == "duplexespeak" {
            "GPL"
        } else {
            "MPL-2.0"
        };
        let line = told
            .lines()
            .find(|l| l.contains("License"))
            .unwrap_or_default();
        assert_eq!(line.split_whitespace().last(), Some(licence), "{plugin}");
    }
    let blacklist = plugins::succeeds(plugins::command("gst-inspect-1.0").arg("-b"));
    assert!(!blacklist.contains("libgstduplex"), "{blacklist}");
}

fn ours() -> Vec<String> {
    plugins::init();
    let names = inspect::factories().into_iter();
    names.map(|factory| factory.name().to_string()).collect()
}

// ---- what gst-inspect shows --------------------------------------------------------------------

#[test]
fn elements_look_as_in_the_committed_snapshot() {
    plugins::init();
    let path = snapshot("elements.json");
    let now = serde_json::to_string_pretty(&inspect::snapshot()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == now {
        return;
    }
    let differing: Vec<String> = committed
        .lines()
        .zip(now.lines())
        .filter(|(a, b)| a != b)
        .take(5)
        .map(|(a, b)| format!("- {a}\n+ {b}"))
        .collect();
    panic!(
        "elements differ from {}. If that is meant: UPDATE_SNAPSHOT=1 cargo test -p duplex-tests --test house\n{}",
        path.display(),
        differing.join("\n")
    );
}

#[test]
fn every_property_and_element_explains_itself() {
    plugins::init();
    for factory in inspect::factories() {
        assert_eq!(
            factory.metadata("author"),
            Some("gst-duplex developers"),
            "{}",
            factory.name()
        );
        let name = factory.name();
        for key in ["long-name", "klass", "description", "author"] {
            let text = factory.metadata(key).unwrap_or_default();
            assert!(!text.is_empty(), "{name} has no {key}");
        }
        let element = inspect::make(&factory);
        for property in inspect::properties(&element) {
            let what = format!("{name}::{}", property.name());
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(
                property.name().chars().all(kebab),
                "{what} is not kebab-case"
            );
            let blurb = property.blurb().unwrap_or_default();
            assert!(blurb.len() > 15, "{what}: blurb {blurb:?}");
            if inspect::range(&property).is_some() {
                let units = [
                    "ns",
                    "ms",
                    "second",
                    "Hz",
                    "dB",
                    "%",
                    "0 to 1",
                    "0.0",
                    "1.0",
                    "byte",
                    "character",
                    "sample",
                    "word",
                    "probability",
                    "number of",
                    "id of",
                    "twice",
                    "decibel",
                    "how many",
                ];
                assert!(
                    units.iter().any(|u| blurb.contains(u)),
                    "{what} has no unit: {blurb:?}"
                );
            }
        }
    }
}

/// A getter that returns another field than the setter set has been seen elsewhere, with a
/// snapshot that recorded it.
#[test]
fn every_property_returns_what_it_was_given() {
    plugins::init();
    let mut tried = 0;
    for factory in inspect::factories() {
        let element = inspect::make(&factory);
        for property in inspect::properties(&element) {
            let what = format!("{}::{}", factory.name(), property.name());
            let flags = property.flags();
            // What cannot be set has a value, not a default.
            // The probe's name is another one in each element: webrtcdsp looks for it by name.
            if flags.contains(glib::ParamFlags::READWRITE)
                && plain(&property)
                && property.name() != "echo-probe"
            {
                let first = element.property_value(property.name());
                let default = property.default_value();
                assert_eq!(
                    inspect::shown(&first),
                    inspect::shown(default),
                    "{what}: default"
                );
            }
            if !flags.contains(glib::ParamFlags::READWRITE)
                || flags.contains(glib::ParamFlags::CONSTRUCT_ONLY)
            {
                continue;
            }
            for value in candidates(&property) {
                let element = inspect::make(&factory);
                element.set_property_from_value(property.name(), &value);
                let back = element.property_value(property.name());
                assert!(
                    same(&value, &back),
                    "{what}: {value:?} came back as {back:?}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "only {tried} values were tried");
}

fn plain(property: &glib::ParamSpec) -> bool {
    let type_ = property.value_type();
    !type_.is_a(glib::Type::OBJECT) && !type_.is_a(glib::Type::BOXED)
}

fn same(a: &glib::Value, b: &glib::Value) -> bool {
    match (
        a.get::<Option<glib::Object>>(),
        b.get::<Option<glib::Object>>(),
    ) {
        (Ok(a), Ok(b)) => a == b,
        _ => inspect::shown(a) == inspect::shown(b),
    }
}

/// Values that a property must take: both ends of its range and something between.
fn candidates(property: &glib::ParamSpec) -> Vec<glib::Value> {
    let type_ = property.value_type();
    macro_rules! numbers {
        ($($spec:ty, $middle:expr);*) => {
            $(if let Some(p) = property.downcast_ref::<$spec>() {
                let (low, high) = (p.minimum(), p.maximum());
                #[allow(clippy::redundant_closure_call)]
                let middle = ($middle)(low, high);
                return [low, middle, high].map(|v| v.to_value()).to_vec();
            })*
        };
    }
    numbers!(
        glib::ParamSpecInt, |l: i32, h: i32| l + (h.wrapping_sub(l) / 3).abs();
        glib::ParamSpecUInt, |l: u32, h: u32| l + (h - l) / 3;
        glib::ParamSpecInt64, |l: i64, h: i64| l + (h.wrapping_sub(l) / 3).abs();
        glib::ParamSpecUInt64, |l: u64, h: u64| l + (h - l) / 3;
        glib::ParamSpecFloat, |l: f32, h: f32| l + (h - l) / 4.0;
        glib::ParamSpecDouble, |l: f64, h: f64| l + (h - l) / 4.0
    );
    if type_ == glib::Type::BOOL {
        return vec![true.to_value(), false.to_value()];
    }
    if type_ == glib::Type::STRING && property.name() == "echo-probe" {
        return vec!["my-probe".to_value()]; // none is a name of its own
    }
    if type_ == glib::Type::STRING {
        return vec!["en-us".to_value(), None::<String>.to_value()];
    }
    if let Some(class) = glib::EnumClass::with_type(type_) {
        let values = class.values().iter();
        return values.map(|v| class.to_value(v.value()).unwrap()).collect();
    }
    if type_ == gst::Element::static_type() {
        // Something with the pads that the place asks for.
        let factory = match property.name() {
            name if name.contains("sink") => "fakesink",
            name if name.contains("source") => "fakesrc",
            _ => "identity",
        };
        let element = gst::ElementFactory::make(factory).build().unwrap();
        return vec![element.to_value()];
    }
    panic!("{} has type {type_}: say here what to try", property.name());
}

// ---- sources -----------------------------------------------------------------------------------

/// The files that git keeps, and those that are new and not ignored.
fn files() -> Vec<PathBuf> {
    let told = plugins::succeeds(
        Command::new("git")
            // A checkout may belong to somebody else than who runs the tests.
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .args(["--cached", "--others", "--exclude-standard"])
            .current_dir(plugins::source()),
    );
    let names = told.split('\0').filter(|name| !name.is_empty());
    // A file that was deleted is listed until that is committed.
    names
        .map(|name| plugins::source().join(name))
        .filter(|path| path.exists())
        .collect()
}

fn sources(extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = files();
    found.sort();
    found
        .into_iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|e| extensions.iter().any(|x| e == *x))
        })
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let short = path.strip_prefix(plugins::source()).unwrap().to_owned();
            (short, text)
        })
        .collect()
}

/// A source up to its tests, where they stand at its end.
fn code(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap()
}

#[test]
fn every_source_names_its_licence() {
    let mut found = sources(&["rs", "c", "py", "build"]);
    for name in ["Makefile", ".ci/setup", ".ci/run"] {
        let text = fs::read_to_string(plugins::source().join(name)).unwrap();
        found.push((name.into(), text));
    }
    assert!(found.len() > 20);
    for (path, text) in found {
        let licence = text
            .lines()
            .take(3)
            .find_map(|line| line.split_once("SPDX-License-Identifier: "))
            .map(|(_, licence)| licence.trim());
        // The worker's library links no eSpeak, its command does.
        let links_espeak =
            path.starts_with("plugins/espeak") || path.ends_with("plugins/tts/worker/src/main.rs");
        let expected = if links_espeak {
            "GPL-3.0-or-later"
        } else {
            "MPL-2.0"
        };
        assert_eq!(licence, Some(expected), "{}", path.display());
    }
}

/// The process belongs to the application that loaded us.
#[test]
fn plugins_leave_the_process_alone() {
    let forbidden = [
        "set_var(",
        "remove_var(",
        "setenv",
        "process::exit",
        "process::abort",
        "libc::exit",
        "sigaction",
        "libc::signal",
        "ctrlc",
        "signal_hook",
        "set_hook(",
        "println!",
        "eprintln!",
        "print!(",
        "dbg!(",
        "add_log_function",
        "set_default_threshold",
        "set_threshold_from_string",
        "tracing_subscriber",
        "env_logger",
        "set_current_dir",
    ];
    let mut seen = 0;
    for (path, text) in sources(&["rs"]) {
        let inside = |folder: &str| path.components().any(|c| c.as_os_str() == folder);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Tests, benches, examples and build scripts are not loaded by anybody.
        if !path.starts_with("plugins")
            || ["tests", "benches", "examples", "bin"]
                .iter()
                .any(|f| inside(f))
            || ["build.rs", "main.rs", "tests.rs"].contains(&name.as_str())
            // The worker is a process of its own, and this is its log.
            || path.ends_with("plugins/tts/worker/serving/src/logs.rs")
        {
            continue;
        }
        seen += 1;
        for (n, line) in code(&text).lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            let found = forbidden.iter().find(|f| line.contains(*f));
            assert_eq!(found, None, "{}:{}: {line}", path.display(), n + 1);
        }
    }
    assert!(seen > 10, "only {seen} sources");
}

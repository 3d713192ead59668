// SPDX-License-Identifier: MPL-2.0

//! The walls of the house: what may link what, what a plugin may not do, what gst-inspect shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use duplex_tests::{inspect, plugins};
use gst::{glib, prelude::*};
use serde_json::Value;

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
    let made = shipped();
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

/// What cargo says of the workspace; with `--no-deps` of our own packages alone.
fn metadata(arguments: &[&str]) -> Value {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--offline", "--format-version", "1"]);
    let told = plugins::succeeds(cargo.args(arguments).current_dir(plugins::source()));
    serde_json::from_str(&told).unwrap()
}

/// Every file that the workspace makes for others to load or run: those of the tests are nobody's.
fn shipped() -> Vec<String> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap().iter();
    let targets = packages
        .filter(|package| package["name"] != "duplex-tests")
        .flat_map(|package| package["targets"].as_array().unwrap());
    targets
        .filter_map(|target| {
            let kinds = target["kind"].as_array().unwrap();
            let name = target["name"].as_str().unwrap();
            if kinds.iter().any(|kind| kind == "cdylib") {
                Some(format!("lib{}.so", name.replace('-', "_")))
            } else if kinds.iter().any(|kind| kind == "bin") {
                Some(name.to_owned())
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn only_the_espeak_plugin_links_espeak() {
    let espeak = |file: &str| {
        let libraries = needed(&plugins::built(file));
        libraries.iter().any(|l| l.contains("espeak"))
    };
    assert!(espeak("libgstduplexespeak.so"));
    for file in ["libgstduplextts.so", "libgstduplexvad.so", "duplex"] {
        assert!(!espeak(file), "{file} is not GPL and links libespeak-ng");
    }
}

/// A plugin depends on no other plugin and not on the runner; synthesis knows no GStreamer.
#[test]
fn rooms_depend_on_nothing_they_may_not_see() {
    let metadata = metadata(&["--no-deps"]);
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
        if ["duplex-synthesis", "duplex-espeak", "duplex-yaml"].contains(&name) {
            let sound = depends
                .iter()
                .find(|d| d.starts_with("gst") || d.starts_with("tonic"));
            assert_eq!(
                sound, None,
                "{name} knows neither GStreamer nor the network"
            );
        }
    }
    assert_eq!(plugins_seen, plugins::FILES.len());
}

/// Whether an expression of SPDX ("MIT OR (Apache-2.0 AND ISC)") can be met with what is allowed.
fn allows(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    // Older crates write MIT/Apache-2.0.
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = either(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "`{expression}` is read to its end");
    met
}

fn either(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(words, at, allowed);
    }
    met
}

fn both(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let word = words.get(*at).copied().unwrap_or_default();
    *at += 1;
    if word == "(" {
        let met = either(words, at, allowed);
        *at += 1;
        return met;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return allowed(&format!("{word} WITH {exception}")) || allowed(word);
    }
    allowed(word)
}

#[test]
fn expressions_of_licences_are_understood() {
    let allowed = |licence: &str| ["MIT", "ISC", "Apache-2.0"].contains(&licence);
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND (GPL-3.0 OR ISC)", true),
        ("(MIT OR ISC) AND Unicode-3.0", false),
        ("MIT OR GPL-3.0 AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
    ] {
        assert_eq!(allows(expression, &allowed), met, "{expression}");
    }
}

/// The quoted words between two marks in deny.toml, comments left out.
fn quoted(text: &str, from: &str, to: &str) -> Vec<String> {
    let part = text
        .split_once(from)
        .and_then(|(_, rest)| rest.split_once(to));
    let (part, _) = part.unwrap_or_else(|| panic!("deny.toml has no {from} … {to}"));
    let lines = part
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

/// What cargo-deny would say, where nobody has it: each crate that is linked has a licence of deny.toml's list.
#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let text = fs::read_to_string(plugins::source().join("deny.toml")).unwrap();
    let licences = text.split_once("[licenses]").unwrap().1;
    let allowed = quoted(licences, "allow = [", "\n]");
    assert!(
        allowed.iter().any(|licence| licence == "MIT"),
        "{allowed:?}"
    );
    // Pairs of a licence and the crate that may have it.
    let exceptions = quoted(licences, "exceptions = [", "\n]");
    assert!(
        exceptions.len() >= 4 && exceptions.len().is_multiple_of(2),
        "{exceptions:?}"
    );
    let denied = quoted(text.split_once("[bans]").unwrap().1, "deny = [", "\n]");
    let metadata = metadata(&["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]);
    let used: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if !used.contains(package["id"].as_str().unwrap()) {
            continue;
        }
        seen += 1;
        let licence = package["license"].as_str().unwrap_or_default();
        let may = |one: &str| {
            allowed.iter().any(|allowed| allowed == one)
                || exceptions
                    .chunks(2)
                    .any(|pair| pair[0] == one && pair[1] == name)
        };
        assert!(!licence.is_empty(), "{name} names no licence");
        assert!(
            allows(licence, &may),
            "{name} has the licence {licence}, which deny.toml does not allow"
        );
        let banned = denied.chunks(2).find(|pair| pair[0] == name);
        assert_eq!(banned, None, "deny.toml bans {name}");
    }
    assert!(seen > 60, "only {seen} packages");
}

/// The GPL ends at whoever links libespeak-ng: nobody else may reach it, by whatever way.
#[test]
fn only_who_may_reaches_espeak() {
    let metadata = metadata(&["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]);
    let packages = metadata["packages"].as_array().unwrap();
    let name = |id: &str| {
        let package = packages.iter().find(|package| package["id"] == id);
        package.unwrap()["name"].as_str().unwrap()
    };
    // What each package links: neither for its tests nor for its build script.
    let links: BTreeMap<&str, Vec<&str>> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let deps = node["deps"].as_array().unwrap().iter();
            let linked = deps.filter(|dep| {
                let kinds = dep["dep_kinds"].as_array().unwrap();
                kinds.iter().any(|kind| kind["kind"].is_null())
            });
            let ids = linked.map(|dep| dep["pkg"].as_str().unwrap()).collect();
            (node["id"].as_str().unwrap(), ids)
        })
        .collect();
    let mut reach = BTreeSet::new();
    for member in metadata["workspace_members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        let (mut open, mut seen) = (vec![member], BTreeSet::new());
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(&links[id]);
            }
        }
        if seen.iter().any(|id| name(id) == "duplex-espeak") {
            reach.insert(name(member));
        }
    }
    for must in ["duplex-espeak", "gst-plugin-duplexespeak", "duplex-tests"] {
        assert!(
            reach.remove(must),
            "{must} does not reach espeak: {reach:?}"
        );
    }
    // The worker is GPL, too, in its default form.
    reach.remove("duplex-worker");
    assert!(
        reach.is_empty(),
        "{reach:?} reach duplex-espeak and are not GPL"
    );
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
        "plugins/synthesis",
        "plugins/espeak/engine",
        "pipelines/yaml",
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
                let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
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
            || path.ends_with("plugins/tts/worker/src/logs.rs")
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

// ---- make and meson -----------------------------------------------------------------------------

/// `make` as a person has it, in the source tree.
fn make() -> Command {
    let mut make = Command::new("make");
    make.current_dir(plugins::source());
    for name in [
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
        "XDG_DATA_HOME",
        "PULSE_SERVER",
    ] {
        make.env_remove(name);
    }
    make.env("PROFILE", "dev")
        .env("CARGO_TARGET_DIR", plugins::folder().parent().unwrap());
    make
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

/// What is installed wherever it goes: plugins, the command, descriptions, licences.
fn installed(plugins_in: &str, bin: &str, share: &str) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = plugins::FILES
        .iter()
        .map(|file| format!("{plugins_in}/{file}"))
        .collect();
    files.insert(format!("{bin}/duplex"));
    for licence in [
        "LICENSE-MPL-2.0",
        "LICENSE-GPL-3.0",
        "LICENSE-THIRD-PARTY.md",
    ] {
        files.insert(format!("{share}/doc/gst-duplex/{licence}"));
    }
    let kept = fs::read_dir(plugins::source().join("pipelines")).unwrap();
    for path in kept
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.is_file())
    {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.insert(format!("{share}/gst-duplex/pipelines/{name}"));
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
    let output = command
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

/// Meson sets up, builds and installs: what cargo has built already is not built again.
#[test]
fn meson_builds_and_installs_everything() {
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

// SPDX-License-Identifier: MPL-2.0

//! Licences of what is linked: allowed, kept apart, and told to whoever gets a binary.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use duplex_tests::{plugins, workspace};
use serde_json::Value;

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
    let platform = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let [locked, filter, target] = platform;
    let ours = workspace::metadata(&platform);
    let webrtc = workspace::metadata(&[workspace::WEBRTC_MANIFEST, locked, filter, target]);
    let [manifest, features] = workspace::NEURAL_CUDA_MANIFEST;
    let cuda = workspace::metadata(&[manifest, features, locked, filter, target]);
    let mut seen = 0;
    for metadata in [ours, webrtc, cuda] {
        let used: BTreeSet<&str> = metadata["resolve"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["id"].as_str().unwrap())
            .collect();
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
    }
    assert!(seen > 60, "only {seen} packages");
}

/// The GPL ends at whoever links libespeak-ng: nobody else may reach it, by whatever way.
#[test]
fn only_who_may_reaches_espeak() {
    let metadata =
        workspace::metadata(&["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]);
    let packages = workspace::packages(&metadata);
    let mut reach = BTreeSet::new();
    for member in metadata["workspace_members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        let linked = workspace::linked(&metadata, member);
        if linked
            .iter()
            .any(|id| packages[id]["name"] == "duplex-espeak")
        {
            reach.insert(packages[member]["name"].as_str().unwrap());
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

/// Who holds the rights in a crate, by its own files: the lines of its licence, else its authors.
fn holders(package: &Value) -> String {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let mut files: Vec<_> = fs::read_dir(manifest.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
            // Apache's text has a line to be filled in.
            path.is_file() && name.contains("licen") && !name.contains("apache")
        })
        .collect();
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(rest) = line.trim().strip_prefix("Copyright ") else {
                continue;
            };
            let rest = rest
                .trim_start_matches("(c)")
                .trim_start_matches('©')
                .trim();
            let mut holder = rest.trim_end_matches('.').to_owned();
            // A year alone has its holder in no line.
            if !holder.contains(char::is_alphabetic)
                || holder.starts_with(['['])
                || holder.starts_with("notice")
            {
                continue;
            }
            if holder.ends_with(" or") {
                let next = lines.peek().copied().unwrap_or_default().trim();
                holder = format!("{holder} {next}");
            }
            if !found.contains(&holder) {
                found.push(holder);
            }
        }
    }
    if found.is_empty() {
        let authors = package["authors"].as_array().unwrap().iter();
        found = authors
            .map(|author| author.as_str().unwrap().to_owned())
            .collect();
    }
    if found.is_empty() {
        let name = package["name"].as_str().unwrap();
        found = vec![format!("the authors of {name}")];
    }
    found.join("; ").replace('|', "/")
}

/// Notes the crates that a member of a workspace has in it, and in which files they are.
fn note(
    rows: &mut BTreeMap<String, BTreeSet<String>>,
    metadata: &Value,
    member: &str,
    files: &[&str],
) {
    let packages = workspace::packages(metadata);
    for id in workspace::linked(metadata, member) {
        let package = packages[id];
        if package["source"].is_null() {
            continue; // ours
        }
        let row = format!(
            "{} | {} | {}",
            package["name"].as_str().unwrap(),
            package["license"].as_str().unwrap().replace('/', " OR "),
            holders(package)
        );
        let files = files.iter().map(|file| file.replace("gstduplex", ""));
        rows.entry(row).or_default().extend(files);
    }
}

/// The table of crates that our files have in them, as the notices hold it.
fn table() -> String {
    let platform = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let mut rows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let shipped = workspace::shipped();
    let metadata = workspace::metadata(&platform);
    let packages = workspace::packages(&metadata);
    for member in metadata["workspace_members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        let targets = packages[member]["targets"].as_array().unwrap().iter();
        let names = targets.map(|target| target["name"].as_str().unwrap());
        let files: Vec<&str> = names
            .filter(|name| {
                let library = format!("lib{name}.so");
                shipped.iter().any(|file| file == name || *file == library)
            })
            .collect();
        if packages[member]["name"] != "duplex-tests" {
            note(&mut rows, &metadata, member, &files);
        }
    }
    let [locked, filter, target] = platform;
    let webrtc = workspace::metadata(&[workspace::WEBRTC_MANIFEST, locked, filter, target]);
    let member = webrtc["workspace_members"][0].as_str().unwrap();
    note(&mut rows, &webrtc, member, &["gstrswebrtc"]);
    let [manifest, features] = workspace::NEURAL_CUDA_MANIFEST;
    let cuda = workspace::metadata(&[manifest, features, locked, filter, target]);
    let member = cuda["workspace_members"][0].as_str().unwrap();
    note(&mut rows, &cuda, member, &["duplex_neural_cuda"]);
    // A library of ours alone is in no file.
    rows.retain(|_, files| !files.is_empty());
    let mut text = String::from("| crate | licence | copyright | in |\n|---|---|---|---|\n");
    for (row, files) in rows {
        let files: Vec<String> = files.into_iter().collect();
        text += &format!("| {row} | {} |\n", files.join(", "));
    }
    text
}

/// A binary carries what is linked into it, and so does its notice.
#[test]
fn notices_name_every_crate_that_is_linked() {
    let path = plugins::source().join("LICENSE-THIRD-PARTY.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        "<!-- crates: written by a test -->\n",
        "<!-- end of crates -->\n",
    );
    let (before, rest) = text.split_once(begin).expect("a mark where crates begin");
    let (kept, after) = rest.split_once(end).expect("a mark where crates end");
    let now = table();
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        fs::write(&path, format!("{before}{begin}{now}{end}{after}")).unwrap();
    } else {
        let old: BTreeSet<&str> = kept.lines().collect();
        let new: BTreeSet<&str> = now.lines().collect();
        let differing: Vec<_> = old.symmetric_difference(&new).take(8).collect();
        assert!(
            kept == now,
            "what is linked has changed. UPDATE_SNAPSHOT=1 cargo test -p duplex-tests --test licences\n{differing:#?}"
        );
    }
    // Each crate can be met with texts that stand at the end.
    let stands = |title: &str| text.contains(&format!("\n## {title}\n"));
    assert!(
        stands("Silero VAD") && stands("earshot"),
        "notices of weights"
    );
    for row in now.lines().skip(2) {
        let licence = row.split(" | ").nth(1).unwrap();
        assert!(allows(licence, &stands), "no text for {row}");
    }
}

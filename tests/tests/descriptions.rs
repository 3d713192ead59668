// SPDX-License-Identifier: MPL-2.0

//! Descriptions: what is wrong with the broken ones, to the word and the column, and that those we ship are good.
//!
//! `broken/*.yaml` are wrong in one way each, `broken/*.expected` hold what `duplex check` says (`run-*.yaml`: what `duplex run` says). After
//! a change of the messages, `UPDATE_EXPECTED=1` writes them anew; their difference is to be reviewed like code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use duplex_runner::Session;

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstduplexvad::plugin_register_static().unwrap();
        gstduplextts::plugin_register_static().unwrap();
        gstduplexespeak::plugin_register_static().unwrap();
    });
}

/// The names in messages are those of the files as seen from the folder of this crate, where cargo runs tests.
fn check(path: &Path, complete: bool) -> Result<(), String> {
    init();
    let session = Session {
        complete,
        ..Session::default()
    };
    duplex_runner::check_file(path, &session)
        .map(drop)
        .map_err(|report| report.to_string())
}

fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|err| panic!("{folder}: {err}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == end))
        .collect();
    files.sort();
    files
}

#[test]
fn each_broken_description_gets_its_message_and_place() {
    let broken = files("broken", "yaml");
    assert!(
        broken.len() >= 40,
        "only {} broken descriptions",
        broken.len()
    );
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    assert!(update || broken.len() == files("broken", "expected").len());
    let mut wrong = String::new();
    for path in broken {
        let complete = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("run-"));
        let said = check(&path, complete).expect_err(&format!("{} is good", path.display()));
        let expected_path = path.with_extension("expected");
        if update {
            std::fs::write(&expected_path, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if said != expected {
            writeln!(
                wrong,
                "{}\n-- expected\n{expected}-- said\n{said}",
                path.display()
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_no_file_gets_a_sentence() {
    assert_eq!(
        check(Path::new("broken/none.yaml"), false).unwrap_err(),
        "broken/none.yaml: there is no such file\n"
    );
    assert_eq!(
        check(Path::new("broken"), false).unwrap_err(),
        "broken: is a directory; name a .yaml file inside it\n"
    );
    assert_eq!(
        check(Path::new("/dev/null"), false).unwrap_err(),
        "/dev/null:1:1: the file is empty; a description has at least `elements` and `links`\n"
    );
    let large = std::env::temp_dir().join(format!("duplex-large-{}.yaml", std::process::id()));
    std::fs::write(&large, "#".repeat(2 << 20)).unwrap();
    let said = check(&large, false).unwrap_err();
    std::fs::remove_file(&large).unwrap();
    assert!(
        said.ends_with("has 2097152 bytes; a description has at most 1048576\n"),
        "{said}"
    );
}

#[test]
fn what_we_ship_is_good() {
    let shipped = files("../pipelines", "yaml");
    assert!(shipped.len() >= 3);
    for path in shipped {
        check(&path, true).unwrap();
    }
}

/// Characters that mean something in YAML or in a value.
const ODD: &[u8] = b"{}[]:,&*!|>'\"%@#-\n\t $.0aZ\xff";

/// Whatever is done to a description, it is read or refused, and nothing panics.
#[test]
fn a_mutilated_description_is_refused_or_read() {
    init();
    let texts: Vec<Vec<u8>> = files("../pipelines", "yaml")
        .iter()
        .chain(&files("broken", "yaml"))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    let path = std::env::temp_dir().join(format!("duplex-odd-{}.yaml", std::process::id()));
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below.max(1) as u64) as usize
    };
    for round in 0..1500 {
        let mut text = texts[round % texts.len()].clone();
        for _ in 0..=random(4) {
            let at = random(text.len() + 1);
            match random(4) {
                0 => text.truncate(at),
                1 => text.insert(at, ODD[random(ODD.len())]),
                2 if at < text.len() => {
                    text.remove(at);
                }
                _ => {
                    let end = (at + random(40)).min(text.len());
                    let piece = text[at..end].to_vec();
                    let to = random(text.len() + 1);
                    text.splice(to..to, piece);
                }
            }
        }
        std::fs::write(&path, &text).unwrap();
        let (loaded, report) = duplex_runner::load(&path);
        let _ = report.to_string();
        assert!(loaded.is_some() || !report.is_empty());
    }
    std::fs::remove_file(&path).unwrap();
}

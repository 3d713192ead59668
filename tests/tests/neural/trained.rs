// SPDX-License-Identifier: MPL-2.0

//! A small voice in a folder, as training writes it: it speaks as what is built in does, and what is wrong with it is a sentence.

use std::{fs, path::Path};

use duplex_tests::{
    plugins,
    speaking::{Rig, samples, words},
};
use gst::prelude::*;

use crate::{
    SENTENCE, bus,
    compact::{small, speak},
    errors, say, stat, until,
};

const FILES: [&str; 4] = [
    "model.safetensors",
    "words.txt",
    "language.txt",
    "hashes.txt",
];

/// A folder with the files of the voice that is built in.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in FILES {
        let from = plugins::source()
            .join("plugins/cudatts/compact/voice")
            .join(name);
        fs::copy(from, folder.path().join(name)).unwrap();
    }
    folder
}

fn of(folder: &Path) -> Rig {
    let rig = small();
    rig.element.set_property("model", folder.to_str().unwrap());
    rig
}

/// What the bus says where the element does not come to READY, for a folder that was spoilt.
fn spoilt(spoil: impl FnOnce(&Path)) -> String {
    plugins::init();
    let folder = folder();
    spoil(folder.path());
    let rig = of(folder.path());
    let bus = bus(&rig);
    assert!(rig.element.set_state(gst::State::Ready).is_err());
    let errors = errors(&bus);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let here = folder.path().canonicalize().unwrap();
    errors[0].1.replace(&here.display().to_string(), "FOLDER")
}

#[test]
fn a_folder_of_a_small_voice_is_known_by_its_files_and_speaks() {
    let folder = folder();
    let (there, marks) = speak(&of(folder.path()), SENTENCE);
    assert!(there == speak(&small(), SENTENCE).0);
    assert!(marks.len() == 10 && marks.iter().all(|word| word.exact));
}

#[test]
fn weights_that_are_cut_off_or_of_another_voice_are_told_so() {
    let said = spoilt(|folder| {
        let file = fs::File::options().write(true).open(folder.join(FILES[0]));
        file.unwrap().set_len(100_000).unwrap();
    });
    assert!(said.contains("FOLDER/model.safetensors"), "{said}");
    let said = spoilt(|folder| {
        let path = folder.join(FILES[0]);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    assert!(
        said.contains("FOLDER/model.safetensors") && said.contains("SHA-256"),
        "{said}"
    );
    let said = spoilt(|folder| fs::write(folder.join("words.txt"), "hello\n").unwrap());
    assert!(said.contains("FOLDER/words.txt"), "{said}");
    let said = spoilt(|folder| fs::write(folder.join("language.txt"), "onset\n").unwrap());
    assert!(said.contains("FOLDER/language.txt"), "{said}");
    let said = spoilt(|folder| {
        let path = folder.join("hashes.txt");
        let hashes = fs::read_to_string(&path).unwrap();
        fs::write(path, hashes.replace(|c: char| c.is_ascii_digit(), "0")).unwrap();
    });
    assert!(
        said.contains("SHA-256") && said.contains("FOLDER/hashes.txt"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_missing_is_named() {
    for name in FILES {
        let said = spoilt(|folder| fs::remove_file(folder.join(name)).unwrap());
        assert!(said.contains(&format!("FOLDER/{name}")), "{said}");
    }
}

#[test]
fn many_start_at_once_and_all_speak() {
    plugins::init();
    let folder = folder();
    let rigs: Vec<Rig> = (0..6).map(|_| of(folder.path())).collect();
    std::thread::scope(|scope| {
        for rig in &rigs {
            scope.spawn(move || rig.element.set_state(gst::State::Ready).unwrap());
        }
    });
    for rig in rigs {
        rig.start();
        rig.begin_bytes();
        rig.push(SENTENCE).unwrap();
        assert_eq!(words(&rig.drain()).len(), 10);
    }
}

#[test]
fn elements_share_it_and_each_speaks_as_if_it_were_alone() {
    let folder = folder();
    let small = || of(folder.path());
    let alone = speak(&small(), SENTENCE).0;
    let stalled = small();
    stalled.start();
    stalled.begin_bytes();
    stalled.credit(Some(0));
    stalled.push(SENTENCE.repeat(40)).unwrap();
    until("the first step", || stat(&stalled, "open-utterances") == 1);
    let others: Vec<Rig> = (0..3).map(|_| small()).collect();
    for rig in &others {
        rig.start();
        rig.begin_bytes();
        say(rig, "u", SENTENCE);
    }
    // One engine, of which all of them tell.
    assert!(stat(&others[0], "open-utterances") >= 1);
    for rig in &others {
        assert!(samples(&rig.drain()) == alone);
    }
    // Who has words of its own has an engine of its own.
    let path = folder.path().join("mine.dict");
    fs::write(&path, "gif jh ih f\n").unwrap();
    let rig = small();
    rig.element
        .set_property("dictionary", path.to_str().unwrap());
    rig.start();
    assert_eq!(stat(&rig, "open-utterances"), 0);
    assert_eq!(stat(&stalled, "open-utterances"), 1);
}

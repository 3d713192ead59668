// SPDX-License-Identifier: MPL-2.0

//! What loads where nothing is named, who shares it, and what is said where something does not fit.

use std::{fs, sync::Arc};

use duplex_neural::{Load, Loaded, Quantization, device::Wish};
use duplex_synthesis::{Engine, Error};

fn load(load: Load) -> Result<Loaded, String> {
    load.shared(&|_| ()).map_err(|error| error.to_string())
}

fn dictionary(text: &str) -> (tempfile::TempDir, Load) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.dict");
    fs::write(&path, text).unwrap();
    let wanted = Load {
        dictionary: Some(path),
        ..Load::default()
    };
    (folder, wanted)
}

#[test]
fn who_names_no_model_gets_the_one_that_is_built_in_and_shares_it() {
    // Where a machine has a card, that would be another device.
    let first = load(Load {
        device: Wish::Cpu,
        ..Load::default()
    });
    let first = first.unwrap();
    let second = load(Load {
        model: "compact".into(),
        device: Wish::Cpu,
        quantization: Quantization::None,
        ..Load::default()
    });
    assert!(Arc::ptr_eq(&first.engine, &second.unwrap().engine));
    assert_eq!(first.device, "cpu");
    // Nobody is warned of a card that nobody asked for.
    assert_eq!(first.fell_back, None);
    assert_eq!(first.engine.voices().unwrap()[0].name, "compact");
    assert!(first.engine.family().paces() && first.engine.family().pitches());
}

#[test]
fn numbers_that_it_is_not_computed_with_are_refused() {
    for (wanted, sentence) in [
        (
            Load {
                quantization: Quantization::Q8,
                ..Load::default()
            },
            "the model compact is computed in 32 bits: use quantization=auto or quantization=none",
        ),
        (
            Load {
                quantization: Quantization::Bf16,
                ..Load::default()
            },
            "the model compact is computed in 32 bits",
        ),
    ] {
        let error = wanted.shared(&|_| ()).unwrap_err();
        assert!(matches!(error, Error::BadRequest(_)), "{error:?}");
        assert!(error.to_string().starts_with(sentence), "{error}");
    }
}

#[test]
fn a_card_that_is_not_there_is_missed_by_whoever_wants_it() {
    if duplex_neural::backend::driver::is_installed() {
        println!("SKIPPED: this machine has NVIDIA's driver, so that its absence cannot be shown");
        return;
    }
    let auto = load(Load::default()).unwrap();
    assert_eq!((auto.device.as_str(), auto.fell_back), ("cpu", None));
    let wanted = Load {
        device: Wish::Cuda,
        ..Load::default()
    };
    let error = wanted.shared(&|_| ()).unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(error.to_string().starts_with("no CUDA: "), "{error}");
}

#[test]
fn the_same_words_share_an_engine_and_others_do_not() {
    let (_one, first) = dictionary("gif jh ih f\n");
    let (_two, second) = dictionary("gif jh ih f\n");
    let (_three, third) = dictionary("gif g ih f\n");
    let engines = [first.clone(), second, third, Load::default()].map(|wanted| {
        let loaded = load(wanted).unwrap();
        loaded.engine
    });
    assert!(Arc::ptr_eq(&engines[0], &engines[1]));
    assert!(!Arc::ptr_eq(&engines[0], &engines[2]) && !Arc::ptr_eq(&engines[0], &engines[3]));
    // A file that was changed is read anew.
    let path = first.dictionary.as_ref().unwrap();
    fs::write(path, "gif g ih f\n").unwrap();
    assert!(Arc::ptr_eq(
        &load(first.clone()).unwrap().engine,
        &engines[2]
    ));
}

#[test]
fn a_wrong_dictionary_is_told_by_file_and_line() {
    let (_folder, wanted) = dictionary("# mine\ngif jh iii f\n");
    let path = wanted.dictionary.clone().unwrap();
    let said = load(wanted.clone()).unwrap_err();
    let place = format!("{}:2: there is no phone `iii`", path.display());
    assert!(said.starts_with(&place), "{said}");
    fs::remove_file(&path).unwrap();
    let said = load(wanted).unwrap_err();
    let place = format!("the dictionary {} cannot be read", path.display());
    assert!(said.starts_with(&place), "{said}");
    // The others read letters.
    let said = load(Load {
        model: "english".into(),
        dictionary: Some(path),
        ..Load::default()
    });
    let said = said.unwrap_err();
    assert!(said.contains("english reads letters: unset it"), "{said}");
}

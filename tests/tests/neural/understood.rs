// SPDX-License-Identifier: MPL-2.0

//! The voice that cudattsynth comes with, recognised by words, beside the voice that it was learned from.

use std::{fs, path::Path, process::Command};

use duplex_tests::{
    hearing::{error_rate, word_errors},
    held_out::Sentences,
    plugins,
    signal::write_wav,
    speaking::{Rig, samples},
};
use gst::prelude::*;

/// Sentences, all that there are: with fewer, chance decides. SENTENCES=40 is quicker, SEED=2 has another noise.
const COUNT: usize = 200;
/// Words heard wrong, more than of the source on the same sentences, in points.
const MORE: f64 = 5.0;

/// Samples before a sentence.
const SILENCE: usize = 16_000 / 5;

/// What pocketsphinx hears with its own model of English, which is what heard the source.
fn recognise(wav: &Path) -> String {
    let told = Command::new("pocketsphinx_continuous")
        .arg("-infile")
        .arg(wav)
        .args(["-logfn", "/dev/null"])
        .output()
        .expect("pocketsphinx_continuous runs: apt-get install pocketsphinx");
    assert!(told.status.success(), "{told:?}");
    String::from_utf8(told.stdout).unwrap()
}

#[test]
fn sentences_are_understood_nearly_as_well_as_the_sources() {
    plugins::init();
    let count = std::env::var("SENTENCES").map_or(COUNT, |count| count.parse().unwrap());
    let seed: u64 = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let sentences = Sentences::read().unwrap();
    let (mut ours, mut source) = (Vec::new(), Vec::new());
    for (number, sentence) in sentences.all().iter().take(count).enumerate() {
        let rig = Rig::new("cudattsynth");
        rig.element.set_property("seed", seed);
        rig.start();
        rig.begin_bytes();
        rig.push(&sentence.text).unwrap();
        let sound = samples(&rig.drain());
        // The voice begins with its sound, and what heard the source heard its silence before, which a recogniser needs.
        let silence = std::iter::repeat_n(0.0, SILENCE);
        let sound = sound.iter().map(|x| f32::from(*x) / 32_768.0);
        let sound: Vec<f32> = silence.chain(sound).collect();
        let wav = folder.path().join(format!("{number}.wav"));
        write_wav(&wav, &sound, 16_000).unwrap();
        let heard = recognise(&wav);
        fs::remove_file(&wav).unwrap();
        let errors = word_errors(&sentence.text, &heard);
        source.push((sentence.wrong, errors.1));
        ours.push(errors);
    }
    assert_eq!(ours.len(), count, "so many sentences were kept");
    let (ours, source) = (error_rate(ours).unwrap(), error_rate(source).unwrap());
    println!(
        "{count} sentences: {ours:.1} % of the words are heard wrong, of the source's {source:.1} %"
    );
    assert!(ours <= source + MORE, "{ours:.1} % against {source:.1} %");
}

// SPDX-License-Identifier: MPL-2.0

//! The whole of it: pipelines/conversation.yaml, run by `duplex` for a caller who asks, interrupts and agrees.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use duplex_tests::{plugins, watchdog::Watchdog};

const MODEL: &str = "/usr/share/pocketsphinx/model/en-us/en-us";
const RATE: u32 = 16_000;

/// What espeak makes of a phrase.
fn spoken(folder: &Path, phrase: &str) -> Vec<i16> {
    let (text, sound) = (folder.join("phrase.txt"), folder.join("phrase.wav"));
    fs::write(&text, phrase).unwrap();
    let line = format!(
        "filesrc location={} ! text/x-raw,format=utf8 ! espeaktts ! audioconvert ! audioresample \
         ! audio/x-raw,format=S16LE,rate={RATE},channels=1 ! wavenc ! filesink location={}",
        text.display(),
        sound.display()
    );
    plugins::succeeds(plugins::command("gst-launch-1.0").args(line.split_whitespace()));
    let mut reader = hound::WavReader::open(&sound).unwrap();
    reader.samples::<i16>().map(Result::unwrap).collect()
}

/// A caller who says each phrase at its second.
fn caller(folder: &Path, phrases: &[(u32, &str)], until: u32) -> PathBuf {
    let path = folder.join("caller.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut all: Vec<i16> = Vec::new();
    for (at, phrase) in phrases {
        all.resize((at * RATE) as usize, 0);
        all.extend(spoken(folder, phrase));
    }
    all.resize((until * RATE) as usize, 0);
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    all.into_iter()
        .for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    path
}

fn description() -> PathBuf {
    plugins::source().join("pipelines/conversation.yaml")
}

#[test]
fn the_description_is_good_and_is_one_line() {
    plugins::succeeds(
        plugins::command(plugins::built("duplex"))
            .arg("check")
            .arg(description()),
    );
    let line = plugins::succeeds(
        plugins::command(plugins::built("duplex"))
            .arg("launch-line")
            .arg(description()),
    );
    let order = ["vadsrc", "sphinxasr", "chateliza", "ttssink"].map(|name| line.find(name));
    assert!(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "{line}"
    );
}

#[test]
fn a_caller_asks_for_a_story_interrupts_it_and_hears_the_rest() {
    if !Path::new(MODEL).exists() {
        println!("SKIPPED: {MODEL} is not there: apt-get install pocketsphinx-en-us");
        return;
    }
    let _watchdog = Watchdog::new("conversation", Duration::from_secs(120));
    let folder = plugins::temporary("conversation").unwrap();
    let phrases = [(1, "tell me a story"), (8, "wait"), (14, "yes please")];
    let caller = caller(&folder, &phrases, 20);
    let (heard, timeline) = (folder.join("heard.wav"), folder.join("timeline.txt"));
    let mut command: Command = plugins::command(plugins::built("duplex"));
    command.arg("run").arg(description()).arg("greeting=");
    command
        .arg("--caller")
        .arg(&caller)
        .arg("--heard")
        .arg(&heard);
    command.arg(format!("--timeline={}", timeline.display()));
    command.args(["--quiet", "--duration", "22s"]);
    let told = plugins::succeeds(&mut command);
    let timeline = fs::read_to_string(&timeline).unwrap();
    let said: String = (timeline.lines())
        .filter(|line| line.contains(" s           "))
        .filter_map(|line| line.split_once(" s           "))
        .map(|(_, words)| format!("{} ", words.trim()))
        .collect();
    // All three were understood, and answered in their order.
    let (story, rest) = said
        .split_once("You stopped me at ")
        .unwrap_or_else(|| panic!("{told}\n{timeline}"));
    let story = story
        .trim_start_matches("Here is a story Interrupt me whenever you like ")
        .trim();
    assert!(
        story.starts_with("There was once a lighthouse"),
        "{said}\n{timeline}"
    );
    let (last, rest) = rest
        .split_once(" Shall I go on ")
        .unwrap_or_else(|| panic!("{said}\n{timeline}"));
    assert!(last.split(' ').count() <= 3, "{last}");
    // It goes on behind the last word that was heard: at the one that was cut, or behind it.
    let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let all: Vec<String> = STORY.split_whitespace().map(plain).collect();
    let last: Vec<String> = last.split(' ').map(plain).collect();
    let at = all
        .windows(last.len())
        .position(|words| words == last)
        .unwrap_or_else(|| panic!("{last:?}\n{timeline}"));
    let next: Vec<String> = all[at + last.len()..].iter().take(4).cloned().collect();
    let rest: Vec<String> = rest.split_whitespace().map(plain).take(4).collect();
    assert_eq!(rest, next, "{timeline}");
    // And the sound of it is what the caller heard.
    let mut reader = hound::WavReader::open(&heard).unwrap();
    let loud = reader
        .samples::<i16>()
        .filter(|sample| sample.as_ref().unwrap().unsigned_abs() > 1_000)
        .count();
    assert!(loud > 50_000, "only {loud} samples sound");
    fs::remove_dir_all(folder).unwrap();
}

/// How the first story begins.
const STORY: &str = "There was once a lighthouse keeper who lived alone on a small rock in the sea. Every evening he climbed ninety \
    steps, lit the lamp, and wrote one line into a thick book. One night the lamp went out in a storm, and a ship was coming \
    near. The keeper had no spare glass, so he took the largest pot from his kitchen, and beat it with a spoon until his \
    arms were tired.";

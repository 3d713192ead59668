// SPDX-License-Identifier: MPL-2.0

//! What a recogniser hears in speech that we made, and how far that is from what was said.

use std::path::Path;

use anyhow::{Context, Result, bail};
use gst::prelude::*;

/// The words of a recording, heard by `sphinxasr` with its own model of English.
pub fn recognise(wav: &Path) -> Result<String> {
    let line = "filesrc name=file ! wavparse ! audioconvert ! audioresample ! vad ! sphinxasr ! appsink name=text sync=false";
    let pipeline = gst::parse::launch(line)?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .expect("a line is a pipeline");
    let file = pipeline.by_name("file").expect("it is in the line");
    file.set_property("location", wav);
    let text = pipeline.by_name("text").expect("it is in the line");
    let text = text.downcast::<gst_app::AppSink>().expect("an appsink");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    pipeline.set_state(gst::State::Playing)?;
    let mut heard = Vec::new();
    let mut outcome = Ok(());
    while !text.is_eos() {
        if let Some(sample) = text.try_pull_sample(gst::ClockTime::from_mseconds(100)) {
            let buffer = sample.buffer().context("a sample has a buffer")?;
            heard.push(String::from_utf8(buffer.map_readable()?.to_vec())?);
        }
        if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error]) {
            outcome = match message.view() {
                gst::MessageView::Error(error) => Err(error.error().into()),
                _ => continue,
            };
            break;
        }
    }
    pipeline.set_state(gst::State::Null)?;
    outcome.map(|()| heard.join(" "))
}

/// The words of a text as they count: in lower case, without punctuation.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|word| word.trim_matches('\'').to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The fewest words that were left out, put in or heard for others, and how many were said.
pub fn word_errors(said: &str, heard: &str) -> (usize, usize) {
    let (said, heard) = (words(said), words(heard));
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (n, word) in said.iter().enumerate() {
        let mut before = row[0];
        row[0] = n + 1;
        for (m, other) in heard.iter().enumerate() {
            let exchanged = before + usize::from(word != other);
            before = row[m + 1];
            row[m + 1] = exchanged.min(before + 1).min(row[m] + 1);
        }
    }
    (row[heard.len()], said.len())
}

/// The share of words that were heard wrong, in percent, of all these pairs.
pub fn error_rate(errors: impl IntoIterator<Item = (usize, usize)>) -> Result<f64> {
    let (wrong, said) = errors
        .into_iter()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    if said == 0 {
        bail!("nothing was said");
    }
    Ok(100.0 * wrong as f64 / said as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_word_by_word() {
        for (said, heard, errors) in [
            ("One, two, three.", "one two three", 0),
            ("One, two, three.", "one three", 1),
            ("It's late.", "it's very late", 1),
            ("The cat sat", "a dog sat down", 3),
            ("Yes", "", 1),
            ("", "no", 1),
        ] {
            assert_eq!(word_errors(said, heard).0, errors, "{said} / {heard}");
        }
        assert!(error_rate([]).is_err());
        assert_eq!(error_rate([(1, 3), (0, 1)]).unwrap(), 25.0);
    }
}

// SPDX-License-Identifier: MPL-2.0
//! The words of a text, for marks.

use std::ops::Range;

use icu_segmenter::{WordSegmenter, options::WordBreakInvariantOptions};

use crate::splitter::{
    phones::{self, Phones},
    tags, unspaced,
};

/// The byte ranges of a text's words, in order: what stands between white space (or control
/// characters), without the
/// marks around it, where it holds a letter or digit. Scripts that write no white space between
/// words (Chinese, Japanese, Thai …) are parted by dictionary. With `ssml`, tags are white space. Of a word with its phones,
/// `[Kyiv](/k iy v/)`, it is the word alone.
///
/// ```
/// let text = "It's 3.14, isn't it?";
/// let words = duplex_synthesis::words(text, false);
/// let words: Vec<_> = words.into_iter().map(|word| &text[word]).collect();
/// assert_eq!(words, ["It's", "3.14", "isn't", "it"]);
/// ```
pub fn words(text: &str, ssml: bool) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut from = 0;
    if ssml {
        for tag in tags(text) {
            words_without_phones(text, from..tag.start, &mut words);
            from = tag.end;
        }
    }
    words_without_phones(text, from..text.len(), &mut words);
    words
}

fn words_without_phones(text: &str, range: Range<usize>, words: &mut Vec<Range<usize>>) {
    let mut from = range.start;
    for (at, _) in text[range.clone()].match_indices('[') {
        let at = range.start + at;
        if at < from {
            continue;
        }
        if let Phones::Found(length) = phones::at(&text[at..range.end], true) {
            plain_words(text, from..at, words);
            let word = text[at..].find(']').map_or(at, |end| at + end);
            plain_words(text, at + 1..word, words);
            from = at + length;
        }
    }
    plain_words(text, from..range.end, words);
}

fn plain_words(text: &str, range: Range<usize>, words: &mut Vec<Range<usize>>) {
    let base = text.as_ptr() as usize;
    for token in text[range].split(|c: char| c.is_whitespace() || c.is_control()) {
        let word = token.trim_matches(|c: char| !c.is_alphanumeric());
        if word.is_empty() {
            continue;
        }
        let start = word.as_ptr() as usize - base;
        if !word.chars().any(unspaced) {
            // A mark above or below a letter is no letter, but belongs to it.
            let rest = &text[start + word.len()..];
            let marks: usize = rest
                .chars()
                .take_while(|c| is_combining(*c))
                .map(char::len_utf8)
                .sum();
            words.push(start..start + word.len() + marks);
            continue;
        }
        let segmenter = WordSegmenter::new_dictionary(WordBreakInvariantOptions::default());
        let mut from = 0;
        for to in segmenter.segment_str(word).filter(|to| *to > 0) {
            if word[from..to].chars().any(char::is_alphanumeric) {
                words.push(start + from..start + to);
            }
            from = to;
        }
    }
}

fn is_combining(c: char) -> bool {
    matches!(c as u32,
        0x0300..=0x036f | 0x0591..=0x05c7 | 0x064b..=0x065f | 0x0900..=0x0903 | 0x093a..=0x094f
        | 0x0981..=0x0983 | 0x09bc..=0x09cd | 0x0a01..=0x0a03 | 0x0a3c..=0x0a4d | 0x0b01..=0x0b4d
        | 0x0b82..=0x0bcd | 0x0c00..=0x0c4d | 0x0d00..=0x0d4d | 0x1ab0..=0x1aff | 0x20d0..=0x20ff)
}

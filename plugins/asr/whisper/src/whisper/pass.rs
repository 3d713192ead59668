// SPDX-License-Identifier: MPL-2.0

//! One pass over a turn's audio, and what it comes to.

use std::{
    ffi::{c_int, c_void},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::log;
use duplex_recognition::{Cancel, Error, Hypothesis, Phrase, RATE, Word};
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperState, WhisperSysContext, WhisperSysState, WhisperTokenId,
    get_lang_str,
};

/// whisper.cpp makes little of less; what is shorter is followed by silence.
const SHORTEST: usize = RATE as usize * 11 / 10;
/// Samples of a step of the model's hearing.
const STEP: usize = RATE as usize / 50;
/// Steps at least, and beyond the audio. Models are made for half a minute each time, which takes four times as long as
/// this; below it words begin to suffer.
const CONTEXT: usize = 512;
const BEYOND: usize = 128;
/// Tokens at most: nobody says so many in so short a time.
const TOKENS: usize = 32;
const TOKENS_A_SECOND: usize = 16;
/// Its times are in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
/// Marks of sounds that are no speech begin so: [BLANK_AUDIO], (music), *sighs*, ♪.
const NO_SPEECH: [char; 4] = ['[', '(', '*', '♪'];
/// Marks that end a sentence, and those after which more has to come.
const FINAL: [char; 7] = ['.', '?', '!', '。', '？', '！', '।'];
const OPEN: [char; 7] = [',', ';', ':', '-', '…', '、', '，'];

/// How it is heard.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The library's name of the language; none: found out.
    pub language: Option<&'static str>,
    pub translate: bool,
    pub threads: c_int,
    /// What the model hears at a time, in steps of [`STEP`] samples.
    pub context: c_int,
    /// Whether the model knows more than English.
    pub multilingual: bool,
    /// Tokens from this one on are marks of the library's own.
    pub special: WhisperTokenId,
}

/// What the library is told of the settings. Made once: it never frees the language's name.
/// The second ones are those of a call that only takes note of its context.
pub struct Parameters(FullParams<'static, 'static>, FullParams<'static, 'static>);

impl Parameters {
    pub fn new(settings: &Settings) -> Self {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(settings.threads);
        params.set_translate(settings.translate && settings.multilingual);
        params.set_language(match settings.language {
            Some(language) => Some(language),
            None if settings.multilingual => None,
            None => Some("en"),
        });
        params.set_no_context(true);
        params.set_token_timestamps(true);
        params.set_suppress_nst(true);
        // One attempt: trying again with other temperatures takes up to six times as long, and an answer waits for it.
        params.set_temperature_inc(0.0);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_special(false);
        params.set_print_timestamps(false);
        let mut nothing = params.clone();
        nothing.set_language(Some("en"));
        // SAFETY: the function does not unwind, and uses none of what it is given.
        unsafe { nothing.set_start_encoder_callback(Some(never)) };
        Self(params, nothing)
    }
}

/// Asks a pass to stop: the turn was cancelled, or this pass is of no use any more.
pub struct Abort {
    turn: Cancel,
    /// This pass alone.
    pub pass: Cancel,
    /// Set where the library was told so.
    told: AtomicBool,
}

impl Abort {
    pub fn new(turn: &Cancel) -> Self {
        Self {
            turn: turn.clone(),
            pass: Cancel::default(),
            told: AtomicBool::new(false),
        }
    }

    pub fn wanted(&self) -> bool {
        self.turn.is_cancelled() || self.pass.is_cancelled()
    }
}

/// Called by the library before it encodes: it need not.
unsafe extern "C" fn never(
    _: *mut WhisperSysContext,
    _: *mut WhisperSysState,
    _: *mut c_void,
) -> bool {
    false
}

/// Called by the library between the steps of its work.
unsafe extern "C" fn aborted(abort: *mut c_void) -> bool {
    // SAFETY: `hear` hands over a reference that lives longer than the library's call.
    let abort = unsafe { &*abort.cast::<Abort>() };
    let wanted = abort.wanted();
    if wanted {
        abort.told.store(true, Ordering::Relaxed);
        log::expect_failure(true);
    }
    wanted
}

/// How much of its hearing a model uses for so many samples: half a minute of silence after a word costs as much as speech.
fn context(samples: usize, all: c_int) -> c_int {
    let steps = (samples.div_ceil(STEP) + BEYOND).max(CONTEXT);
    c_int::try_from(steps).unwrap_or(all).min(all)
}

/// Hears all of these samples. Blocks while the library computes: from the abort to the end of the step that it is at.
///
/// # Errors
/// It was aborted, or the library failed.
pub fn hear(
    state: &mut WhisperState,
    samples: &[f32],
    settings: &Settings,
    parameters: &Parameters,
    abort: &Abort,
) -> Result<Hypothesis, Error> {
    let mut params = parameters.0.clone();
    // A model that repeats itself comes to an end, too.
    let seconds = samples.len() / RATE as usize;
    params
        .set_max_tokens(c_int::try_from(TOKENS + TOKENS_A_SECOND * seconds).unwrap_or(c_int::MAX));
    params.set_audio_ctx(context(samples.len(), settings.context));
    // SAFETY: the function does not unwind, and the data outlives the call of `full` below, which is the only one that
    // uses this copy of the parameters.
    unsafe {
        params.set_abort_callback(Some(aborted));
        params.set_abort_callback_user_data(std::ptr::from_ref(abort).cast_mut().cast());
    }

    let padded: Vec<f32>;
    let heard = if samples.len() < SHORTEST {
        padded = [samples, &vec![0.0; SHORTEST - samples.len()]].concat();
        &padded
    } else {
        samples
    };
    if settings.language.is_none() && settings.multilingual {
        // Finding the language out goes by the context of the call before: half a minute at first.
        log::expect_failure(true);
        let mut nothing = parameters.1.clone();
        nothing.set_audio_ctx(context(samples.len(), settings.context));
        // It fails, as it was told to.
        let _ = state.full(nothing, &heard[..SHORTEST]);
        log::expect_failure(false);
    }
    let result = state.full(params, heard);
    log::expect_failure(false);
    if abort.wanted() || abort.told.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    result.map_err(|error| Error::Failed(format!("whisper.cpp failed: {error}")))?;
    let length = Duration::from_secs(samples.len() as u64) / RATE;
    Ok(hypothesis(state, settings, length))
}

fn hypothesis(state: &WhisperState, settings: &Settings, length: Duration) -> Hypothesis {
    let mut words = Words::default();
    for segment in state.as_iter() {
        words.begin_segment();
        for token in (0..segment.n_tokens()).filter_map(|n| segment.get_token(n)) {
            let data = token.token_data();
            if data.id >= settings.special {
                continue;
            }
            let Ok(bytes) = token.to_bytes() else {
                continue;
            };
            words.token(bytes, data.t0, data.t1, f64::from(data.p));
        }
    }
    let (text, words, confidence) = words.done(length);
    Hypothesis {
        voiced: None,
        phrase: phrase(&text),
        text,
        words,
        confidence,
        language: if settings.translate || !settings.multilingual {
            Some("en".to_owned())
        } else {
            settings
                .language
                .or_else(|| get_lang_str(state.full_lang_id_from_state()))
                .map(str::to_owned)
        },
    }
}

fn phrase(text: &str) -> Phrase {
    let end = text.trim_end_matches(['"', '\'', '”', '»', ')', ' ']);
    if end.ends_with("...") || end.ends_with(OPEN) {
        Phrase::Open
    } else if end.ends_with(FINAL) {
        Phrase::Complete
    } else {
        Phrase::Unknown
    }
}

/// A word that is put together: its bytes, times, and the probabilities of its tokens.
struct Part {
    bytes: Vec<u8>,
    from: i64,
    to: i64,
    probabilities: Vec<f64>,
    segment: usize,
}

/// Puts words together from tokens, which are pieces of them, and not even whole characters.
#[derive(Default)]
struct Words {
    parts: Vec<Part>,
    segment: usize,
}

impl Words {
    fn begin_segment(&mut self) {
        self.segment += 1;
    }

    fn token(&mut self, bytes: &[u8], from: i64, to: i64, probability: f64) {
        let begins = bytes.first() == Some(&b' ');
        match self.parts.last_mut() {
            Some(last) if last.segment == self.segment && !begins => {
                last.bytes.extend_from_slice(bytes);
                last.to = to.max(last.to);
                last.probabilities.push(probability);
            }
            _ => self.parts.push(Part {
                bytes: bytes.to_vec(),
                from,
                to,
                probabilities: vec![probability],
                segment: self.segment,
            }),
        }
    }

    /// The text, its words within `length`, and how sure all of it is. Without marks of what is no speech.
    fn done(self, length: Duration) -> (String, Vec<Word>, Option<f64>) {
        let at = |ticks: i64| (TICK * u32::try_from(ticks.max(0)).unwrap_or(u32::MAX)).min(length);
        let mean = |p: &[f64]| {
            (!p.is_empty()).then(|| (p.iter().sum::<f64>() / p.len() as f64).clamp(0.0, 1.0))
        };
        let mut words: Vec<Word> = Vec::new();
        let mut all = Vec::new();
        // The mark that closes what is no speech, while inside of one.
        let mut closing = None;
        for part in self.parts {
            let text = String::from_utf8_lossy(&part.bytes);
            let text = text.trim();
            if closing.is_none() && text.starts_with(NO_SPEECH) {
                closing = Some(match text.chars().next() {
                    Some('[') => ']',
                    Some('(') => ')',
                    Some('*') => '*',
                    _ => '♪',
                });
                if text.chars().count() > 1 && text.ends_with(|c| Some(c) == closing) {
                    closing = None;
                }
                continue;
            }
            if closing.is_some() {
                if text
                    .trim_end_matches(FINAL)
                    .ends_with(|c| Some(c) == closing)
                {
                    closing = None;
                }
                continue;
            }
            if text.is_empty() {
                continue;
            }
            all.extend_from_slice(&part.probabilities);
            // A mark by itself belongs to the word before.
            if !text.contains(char::is_alphanumeric)
                && let Some(last) = words.last_mut()
            {
                last.text.push_str(text);
                continue;
            }
            let start = at(part.from);
            words.push(Word {
                text: text.to_owned(),
                start,
                end: at(part.to).max(start),
                confidence: mean(&part.probabilities),
            });
        }
        let text = (words.iter().map(|word| word.text.as_str()))
            .collect::<Vec<_>>()
            .join(" ");
        (text, words, mean(&all))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use duplex_recognition::Phrase;

    use super::{Words, context, phrase};

    #[test]
    fn a_short_turn_takes_a_part_of_the_models_hearing() {
        let seconds = |n: usize| n * super::RATE as usize;
        for (samples, steps) in [
            (0, 512),
            (seconds(5), 512),
            (seconds(20), 1128),
            (seconds(60), 1500),
        ] {
            assert_eq!(context(samples, 1500), steps);
        }
        assert_eq!(context(seconds(5), 300), 300);
    }

    fn words(tokens: &[(&str, i64, i64, f64)]) -> (String, Vec<(String, u128, u128)>, Option<f64>) {
        let mut words = Words::default();
        words.begin_segment();
        for (text, from, to, p) in tokens {
            words.token(text.as_bytes(), *from, *to, *p);
        }
        let (text, words, confidence) = words.done(Duration::from_secs(1));
        let words = (words.into_iter())
            .map(|word| (word.text, word.start.as_millis(), word.end.as_millis()))
            .collect();
        (text, words, confidence)
    }

    #[test]
    fn tokens_become_words() {
        let (text, found, confidence) = words(&[
            (" Fr", 0, 10, 1.0),
            ("ont", 10, 30, 0.5),
            (" left", 30, 200, 0.75),
            (".", 200, 210, 0.75),
        ]);
        assert_eq!(text, "Front left.");
        let expected = [
            ("Front".to_owned(), 0, 300),
            ("left.".to_owned(), 300, 1000),
        ];
        assert_eq!(found, expected, "and none ends after the audio");
        assert_eq!(confidence, Some(0.75));
    }

    #[test]
    fn what_is_no_speech_is_no_word() {
        for noise in [
            &[(" [BLANK_AUDIO]", 0, 1, 1.0)][..],
            &[
                (" [", 0, 1, 1.0),
                ("MUSIC", 0, 1, 1.0),
                (" PLAYING]", 0, 1, 1.0),
            ],
            &[(" (door", 0, 1, 1.0), (" closes).", 0, 1, 1.0)],
            &[(" *sighs*", 0, 1, 1.0)],
            &[(" ♪", 0, 1, 1.0), (" la", 0, 1, 1.0), (" ♪", 0, 1, 1.0)],
            &[(" ", 0, 1, 1.0)],
        ] {
            assert_eq!(words(noise), (String::new(), vec![], None), "{noise:?}");
        }
        let (text, ..) = words(&[(" [NOISE]", 0, 1, 1.0), (" stop", 1, 2, 1.0)]);
        assert_eq!(text, "stop");
    }

    #[test]
    fn characters_may_be_cut_by_tokens() {
        let mut words = Words::default();
        words.begin_segment();
        let e = "é".as_bytes();
        words.token(b" caf", 0, 1, 1.0);
        words.token(&e[..1], 1, 2, 1.0);
        words.token(&e[1..], 2, 3, 1.0);
        assert_eq!(words.done(Duration::from_secs(1)).0, "café");
    }

    #[test]
    fn punctuation_tells_whether_more_has_to_come() {
        for (text, expected) in [
            ("Stop.", Phrase::Complete),
            ("Is it?\"", Phrase::Complete),
            ("停。", Phrase::Complete),
            ("Well,", Phrase::Open),
            ("I think...", Phrase::Open),
            ("stop", Phrase::Unknown),
            ("", Phrase::Unknown),
        ] {
            assert_eq!(phrase(text), expected, "{text}");
        }
    }
}

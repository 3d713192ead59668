// SPDX-License-Identifier: MPL-2.0

//! One decoder of libpocketsphinx.

use std::{
    ffi::{CStr, CString},
    ptr::{NonNull, null_mut},
    sync::Once,
    time::Duration,
};

use duplex_recognition::{Error, Word};

use super::ffi;

/// Frames a second, of 10 ms.
const FRAME: Duration = Duration::from_millis(10);
/// The library keeps searches by name.
const SEARCH: &CStr = c"said";
/// Dimensions of a cepstrum, in every model of sphinx.
const CEPSTRUM: usize = 13;

/// The long-term mean of a caller's cepstra: what his microphone and line do to all sounds.
pub type Means = [f32; CEPSTRUM];

/// What a decoder looks for.
#[derive(Debug, Clone, Copy)]
pub enum Search<'a> {
    /// Sentences of the language model among the arguments.
    Model,
    /// Those of a grammar in JSGF.
    Grammar(&'a str),
    /// Phones in any order: whatever can be said at all.
    Phones,
}

/// How well what was found fits what was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// The acoustic score of the whole turn, in the library's units: nearer to 0 is better.
    pub score: i64,
    /// The frames that hold words or phones, and not silence.
    pub frames: u32,
}

/// A decoder with its model, dictionary and grammar or language model.
pub struct Decoder {
    raw: NonNull<ffi::Decoder>,
    /// What a caller begins with of whom nothing is known.
    fresh: Means,
    open: bool,
}

// SAFETY: a decoder is plain memory without ties to a thread, and only `&mut self` touches it. Decoders share nothing
// but the library's log, which is set once.
unsafe impl Send for Decoder {}

fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Settings(format!("`{text}` contains a zero byte")))
}

impl Decoder {
    /// Loads what the arguments name (`-hmm`, `-dict`, `-lm` …), to look for that.
    pub fn load(arguments: &[(&str, &str)], search: Search<'_>) -> Result<Self, Error> {
        static QUIET: Once = Once::new();
        QUIET.call_once(|| {
            // SAFETY: NULL turns the library's log off. It would go to the standard error of whoever loads the plugin.
            unsafe { ffi::err_set_logfp(null_mut()) }
        });
        let mut owned = Vec::new();
        for (name, value) in arguments {
            owned.push(c_string(name)?);
            owned.push(c_string(value)?);
        }
        let mut argv: Vec<_> = owned.iter().map(|arg| arg.as_ptr().cast_mut()).collect();
        let count = i32::try_from(argv.len()).unwrap_or(0);
        // SAFETY: `argv` holds `count` strings that outlive the call, which copies what it keeps; the definitions are a
        // static table of the library.
        let settings =
            unsafe { ffi::cmd_ln_parse_r(null_mut(), ffi::ps_args(), count, argv.as_mut_ptr(), 1) };
        if settings.is_null() {
            return Err(Error::Failed(
                "PocketSphinx does not know its own settings".into(),
            ));
        }
        // SAFETY: `settings` is live; the decoder keeps a reference of its own, ours is given back.
        let raw = unsafe {
            let raw = ffi::ps_init(settings);
            ffi::cmd_ln_free_r(settings);
            raw
        };
        let Some(raw) = NonNull::new(raw) else {
            return Err(Error::Resource(
                "PocketSphinx cannot load its model: the files of the acoustic model, dictionary or language model are \
                 not what it expects"
                    .into(),
            ));
        };
        let mut decoder = Self {
            raw,
            fresh: [0.0; CEPSTRUM],
            open: false,
        };
        let (set, wrong) = match search {
            Search::Model => (true, ""),
            Search::Grammar(jsgf) => {
                let jsgf = c_string(jsgf)?;
                // SAFETY: a live decoder and two strings, which it copies.
                let set = unsafe {
                    ffi::ps_set_jsgf_string(raw.as_ptr(), SEARCH.as_ptr(), jsgf.as_ptr()) == 0
                        && ffi::ps_set_search(raw.as_ptr(), SEARCH.as_ptr()) == 0
                };
                (set, "PocketSphinx cannot use this grammar")
            }
            Search::Phones => {
                // SAFETY: a live decoder and a string, which it copies; no file is a search without a model of phones.
                let set = unsafe {
                    ffi::ps_set_allphone_file(raw.as_ptr(), SEARCH.as_ptr(), std::ptr::null()) == 0
                        && ffi::ps_set_search(raw.as_ptr(), SEARCH.as_ptr()) == 0
                };
                (set, "PocketSphinx cannot look for the phones of this model")
            }
        };
        if !set {
            return Err(Error::Settings(wrong.into()));
        }
        decoder.fresh = decoder.means();
        Ok(decoder)
    }

    fn cmn(&mut self) -> *mut std::ffi::c_void {
        // SAFETY: a live decoder has its features, and they have the layout that ffi.rs declares up to this field.
        unsafe {
            let features = ffi::ps_get_feat(self.raw.as_ptr());
            if features.is_null() {
                null_mut()
            } else {
                (*features).cmn_struct
            }
        }
    }

    /// What was learnt about the caller.
    pub fn means(&mut self) -> Means {
        let mut means = [0.0; CEPSTRUM];
        let cmn = self.cmn();
        if !cmn.is_null() {
            // SAFETY: a live structure of the decoder, whose vectors have the model's 13 dimensions.
            unsafe { ffi::cmn_live_get(cmn, means.as_mut_ptr()) }
        }
        means
    }

    /// Begins a turn of a caller of whom this is known, or nothing.
    pub fn start(&mut self, means: Option<&Means>) -> Result<(), Error> {
        self.abandon();
        let means = *means.unwrap_or(&self.fresh);
        let cmn = self.cmn();
        if !cmn.is_null() {
            // SAFETY: as in `means`; the vector is copied.
            unsafe { ffi::cmn_live_set(cmn, means.as_ptr()) }
        }
        // SAFETY: a live decoder between turns. Words' times count from the start of the stream.
        let started = unsafe {
            ffi::ps_start_stream(self.raw.as_ptr()) == 0
                && ffi::ps_start_utt(self.raw.as_ptr()) == 0
        };
        if !started {
            return Err(Error::Failed("PocketSphinx does not begin a turn".into()));
        }
        self.open = true;
        Ok(())
    }

    /// Hears more, and searches at once.
    pub fn feed(&mut self, samples: &[i16]) -> Result<(), Error> {
        if samples.is_empty() || !self.open {
            return Ok(());
        }
        // SAFETY: a live decoder in a turn, and as many samples as are said.
        let frames = unsafe {
            ffi::ps_process_raw(self.raw.as_ptr(), samples.as_ptr(), samples.len(), 0, 0)
        };
        if frames < 0 {
            return Err(Error::Failed("PocketSphinx fails while it listens".into()));
        }
        Ok(())
    }

    /// Ends the turn: what the words are changes for the last time.
    pub fn finish(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.open) {
            // SAFETY: a live decoder in a turn.
            if unsafe { ffi::ps_end_utt(self.raw.as_ptr()) } != 0 {
                return Err(Error::Failed(
                    "PocketSphinx fails at the end of a turn".into(),
                ));
            }
        }
        Ok(())
    }

    /// Ends the turn, whatever it was.
    pub fn abandon(&mut self) {
        let _ = self.finish();
    }

    /// Whether anything was understood: a grammar's final state, once the turn is over.
    fn has_hypothesis(&mut self) -> bool {
        let mut score = 0;
        // SAFETY: a live decoder; what is given back lives until it is used again, and is only looked at here.
        unsafe {
            let text = ffi::ps_get_hyp(self.raw.as_ptr(), &mut score);
            !text.is_null() && *text != 0
        }
    }

    /// Looks at each piece of what was found, in their order: entry of the dictionary, first and last frame, acoustic score
    /// and posterior.
    fn segments(&mut self, mut each: impl FnMut(&str, (i32, i32), i32, i32)) {
        // SAFETY: a live decoder; the iterator is run to its end, which frees it, and the strings are looked at while they
        // live.
        unsafe {
            let mut segment = ffi::ps_seg_iter(self.raw.as_ptr());
            while !segment.is_null() {
                let (mut first, mut last) = (0, 0);
                ffi::ps_seg_frames(segment, &mut first, &mut last);
                let (mut acoustic, mut language, mut backoff) = (0, 0, 0);
                let posterior =
                    ffi::ps_seg_prob(segment, &mut acoustic, &mut language, &mut backoff);
                let text = ffi::ps_seg_word(segment);
                if !text.is_null() {
                    let text = CStr::from_ptr(text).to_string_lossy();
                    each(&text, (first, last), acoustic, posterior);
                }
                segment = ffi::ps_seg_next(segment);
            }
        }
    }

    /// The words so far, without silence and noises.
    pub fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        if !self.has_hypothesis() {
            return words;
        }
        // SAFETY: a live decoder, which its table lives as long as.
        let logmath = unsafe { ffi::ps_get_logmath(self.raw.as_ptr()) };
        self.segments(|entry, (first, last), _, posterior| {
            let Some(text) = word(entry) else { return };
            let at = |frame: i32| FRAME * u32::try_from(frame.max(0)).unwrap_or(0);
            // 0 stands for "not computed" as well as for "certain".
            // SAFETY: the table of a live decoder.
            let confidence = (posterior != 0)
                .then(|| unsafe { ffi::logmath_exp(logmath, posterior) }.clamp(0.0, 1.0));
            words.push(Word {
                text,
                start: at(first),
                end: at(last.saturating_add(1)),
                confidence,
            });
        });
        words
    }

    /// Where the last phone that is no silence and no noise ended; `None` where there was none.
    pub fn voiced(&mut self) -> Option<Duration> {
        let mut voiced = None;
        if self.has_hypothesis() {
            self.segments(|entry, (_, last), _, _| {
                if entry != "SIL" && word(entry).is_some() {
                    voiced = Some(FRAME * u32::try_from(last.max(0) + 1).unwrap_or(0));
                }
            });
        }
        voiced
    }

    /// How well what was found fits; `None` where nothing was.
    pub fn fit(&mut self) -> Option<Fit> {
        if !self.has_hypothesis() {
            return None;
        }
        let mut fit = Fit {
            score: 0,
            frames: 0,
        };
        self.segments(|entry, (first, last), acoustic, _| {
            fit.score += i64::from(acoustic);
            if word(entry).is_some() {
                fit.frames += u32::try_from(last - first + 1).unwrap_or(0);
            }
        });
        Some(fit)
    }

    /// The probability of the words, where it was computed.
    pub fn confidence(&mut self) -> Option<f64> {
        // SAFETY: a live decoder.
        unsafe {
            let posterior = ffi::ps_get_prob(self.raw.as_ptr());
            (posterior != 0).then(|| {
                ffi::logmath_exp(ffi::ps_get_logmath(self.raw.as_ptr()), posterior).clamp(0.0, 1.0)
            })
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the one reference to it, given up once.
        unsafe {
            ffi::ps_free(self.raw.as_ptr());
        }
    }
}

/// A word as it is written, of what the dictionary calls it: `read(2)` is the second way to say `read`, and silence and
/// noises are no words.
fn word(entry: &str) -> Option<String> {
    let text = match entry.split_once('(') {
        Some((text, _)) => text,
        None => entry,
    };
    let noise = text.is_empty() || text.starts_with(['<', '[', '+']);
    (!noise).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn words_are_those_that_are_said() {
        for (entry, text) in [
            ("read(2)", Some("read")),
            ("stop", Some("stop")),
            ("<sil>", None),
            ("<s>", None),
            ("[NOISE]", None),
            ("++BREATH++", None),
            ("(NULL)", None),
        ] {
            assert_eq!(word(entry).as_deref(), text, "{entry}");
        }
    }
}

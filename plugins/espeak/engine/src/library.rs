// SPDX-License-Identifier: GPL-3.0-or-later
//! The library itself. Everything here runs in the one thread that owns it.

use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char, c_int, c_short},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    ptr, slice,
};

use duplex_synthesis::Error;

use crate::{
    ffi,
    voices::{Entry, Voices},
};

/// Length of the blocks that the library hands over, in ms: how soon it notices an abort.
const BLOCK_MS: c_int = 20;
/// Words per minute at rate 1.0, and the fewest that the library can do.
const NORMAL_WPM: f64 = 175.0;

/// What is to be done with the sound of a call.
pub trait Receiver {
    /// A word begins at sample `start` of the call.
    fn word(&mut self, start: usize, position: i32, length: i32);
    /// A clause of the library's ends.
    fn end(&mut self, end: usize);
    /// The next samples.
    fn block(&mut self, samples: &[i16]);
    /// Whether nobody wants the rest.
    fn aborted(&self) -> bool;
}

thread_local! {
    /// The receiver of the call in progress. The library has no pointer of ours for every block.
    static RECEIVER: RefCell<Option<*mut dyn Receiver>> = const { RefCell::new(None) };
}

/// The initialised library. Neither `Send` nor `Sync`: it stays in the thread that made it.
pub struct Library {
    pub sample_rate: u32,
    pub voices: Voices,
    /// What the library is set to; `None` is unknown.
    voice: Option<String>,
    wpm: Option<c_int>,
    not_send: std::marker::PhantomData<*mut ()>,
}

impl Library {
    /// Initialises the library: takes some 12 ms.
    pub fn new() -> Result<Self, Error> {
        // SAFETY: called once in a process, by its one owner, before any other call; a null path
        // is the default folder, and DONT_EXIT keeps the library from ending the process.
        let sample_rate = keep_locale(|| unsafe {
            ffi::espeak_Initialize(
                ffi::AUDIO_OUTPUT_SYNCHRONOUS,
                BLOCK_MS,
                ptr::null(),
                ffi::INITIALIZE_DONT_EXIT,
            )
        });
        let mut path: *const c_char = ptr::null();
        // SAFETY: the out pointer is valid; the strings are the library's own and stay.
        let data = unsafe {
            ffi::espeak_Info(&mut path);
            PathBuf::from(string(path))
        };
        check_data(&data)?;
        let sample_rate = u32::try_from(sample_rate)
            .ok()
            .filter(|rate| *rate > 0)
            .ok_or_else(|| {
                Error::Unavailable(format!(
                    "libespeak-ng could not read its voice data in {}: reinstall the Debian package espeak-ng-data",
                    data.display()
                ))
            })?;
        // SAFETY: the callback is a plain function that lives as long as the process.
        unsafe { ffi::espeak_SetSynthCallback(callback) };
        Ok(Self {
            sample_rate,
            voices: Voices::new(list_voices(), &data),
            voice: None,
            wpm: None,
            not_send: std::marker::PhantomData,
        })
    }

    /// Sets the voice (`espeak_SetVoiceByName`'s) and speed of the calls to come.
    pub fn set(&mut self, voice: &str, rate: f64) -> Result<(), Error> {
        if self.voice.as_deref() != Some(voice) {
            let name = CString::new(voice)
                .map_err(|_| Error::BadRequest("a voice's name cannot hold a zero byte".into()))?;
            // SAFETY: a string with a zero at its end that outlives the call.
            let result = unsafe { ffi::espeak_SetVoiceByName(name.as_ptr()) };
            self.wpm = None;
            if result != ffi::EE_OK {
                self.voice = None;
                return Err(Error::Unavailable(format!(
                    "libespeak-ng cannot load the voice `{voice}` (error {result}): reinstall the Debian package espeak-ng-data"
                )));
            }
            self.voice = Some(voice.to_owned());
        }
        let wpm = (rate * NORMAL_WPM).round() as c_int;
        if self.wpm != Some(wpm) {
            // SAFETY: no pointers.
            let result = unsafe { ffi::espeak_SetParameter(ffi::PARAMETER_RATE, wpm, 0) };
            if result != ffi::EE_OK {
                return Err(Error::Failed(format!(
                    "libespeak-ng refused the speed of {wpm} words a minute (error {result})"
                )));
            }
            self.wpm = Some(wpm);
        }
        Ok(())
    }

    /// Makes the call that follows sound the same whatever was spoken before.
    ///
    /// The library looks past the end of its list of phonemes, which still holds those of the
    /// call before, of whatever utterance: pauses came out up to 80 ms longer or shorter. So a text
    /// with more phonemes than the next one is translated first, and aborted before it sounds.
    pub fn settle(&mut self, text: &[u8]) -> Result<(), Error> {
        // Without a receiver the callback aborts.
        self.synth(text, ffi::CHARS_UTF8).map(drop)
    }

    /// Speaks a text (UTF-8, a zero byte at its end) into the receiver.
    pub fn speak(
        &mut self,
        text: &[u8],
        ssml: bool,
        pause: bool,
        receiver: &mut dyn Receiver,
    ) -> Result<(), Error> {
        let mut flags = ffi::CHARS_UTF8;
        if ssml {
            flags |= ffi::SSML;
        }
        if pause {
            flags |= ffi::ENDPAUSE;
        }
        let pointer = ptr::from_mut(receiver);
        // SAFETY: only the lifetime changes; the pointer is taken back before this function ends.
        let pointer = unsafe {
            std::mem::transmute::<*mut (dyn Receiver + '_), *mut (dyn Receiver + 'static)>(pointer)
        };
        RECEIVER.with(|current| *current.borrow_mut() = Some(pointer));
        let result = self.synth(text, flags);
        RECEIVER.with(|current| *current.borrow_mut() = None);
        if ssml {
            // Its elements may have changed voice and speed.
            self.voice = None;
            self.wpm = None;
        }
        let result = result?;
        if result == ffi::EE_OK || receiver.aborted() {
            return Ok(());
        }
        Err(Error::Failed(format!(
            "libespeak-ng failed to speak a clause (error {result})"
        )))
    }

    fn synth(&mut self, text: &[u8], flags: std::ffi::c_uint) -> Result<c_int, Error> {
        if text.last() != Some(&0) {
            return Err(Error::Failed(
                "a text for libespeak-ng lacks its end".into(),
            ));
        }
        // SAFETY: the text ends with a zero byte and outlives the call, which returns only when all
        // was spoken or aborted; the receiver, if any, stays borrowed for as long.
        Ok(unsafe {
            ffi::espeak_Synth(
                text.as_ptr().cast(),
                text.len(),
                0,
                ffi::POS_CHARACTER,
                0,
                flags,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })
    }
}

/// The library sets the process's LC_CTYPE, which is the host's business: puts it back, and
/// gives the locale that the library wants to this thread alone.
fn keep_locale<T>(call: impl FnOnce() -> T) -> T {
    // SAFETY: setlocale with a null pointer only asks; its answer is copied before the next call.
    // A locale that was made is either in use by this thread, for good, or null.
    unsafe {
        let before = libc::setlocale(libc::LC_CTYPE, ptr::null());
        let before = (!before.is_null()).then(|| CStr::from_ptr(before).to_owned());
        let result = call();
        if let Some(before) = before {
            libc::setlocale(libc::LC_CTYPE, before.as_ptr());
        }
        let own = libc::newlocale(libc::LC_CTYPE_MASK, c"C.UTF-8".as_ptr(), ptr::null_mut());
        if !own.is_null() {
            libc::uselocale(own);
        }
        result
    }
}

/// Whether a folder holds the library's data.
fn check_data(data: &Path) -> Result<(), Error> {
    for file in ["phontab", "phonindex", "phondata", "lang"] {
        if !data.join(file).exists() {
            return Err(Error::Unavailable(format!(
                "eSpeak NG's voice data is missing ({} does not exist): install the Debian package espeak-ng-data",
                data.join(file).display()
            )));
        }
    }
    Ok(())
}

fn list_voices() -> Vec<Entry> {
    let mut entries = Vec::new();
    // SAFETY: the list ends with a null pointer; its strings are valid until the next call of this
    // function, and are copied here.
    unsafe {
        let mut list = ffi::espeak_ListVoices(ptr::null_mut());
        while !list.is_null() && !(*list).is_null() {
            let voice = &**list;
            list = list.add(1);
            let mut languages = Vec::new();
            let mut at = voice.languages;
            while !at.is_null() && *at != 0 {
                let priority = *at as u8;
                let tag = string(at.add(1)).to_lowercase();
                at = at.add(1 + CStr::from_ptr(at.add(1)).to_bytes().len() + 1);
                languages.push((priority, tag));
            }
            let identifier = string(voice.identifier);
            // Voices of MBROLA are another program's, at other rates.
            if !identifier.starts_with("mb/") {
                entries.push(Entry {
                    name: String::new(),
                    title: string(voice.name),
                    identifier,
                    languages,
                });
            }
        }
    }
    entries
}

/// # Safety
/// `text` is null or a string with a zero at its end.
unsafe fn string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

unsafe extern "C" fn callback(wav: *mut c_short, samples: c_int, events: *mut ffi::Event) -> c_int {
    let receive = || {
        let Some(receiver) = RECEIVER.with(|current| *current.borrow()) else {
            return 1;
        };
        // SAFETY: set for the length of the call of espeak_Synth that we are in, which borrows it.
        let receiver = unsafe { &mut *receiver };
        if receiver.aborted() {
            return 1;
        }
        if !wav.is_null() && samples > 0 {
            // SAFETY: the library's block of that many samples.
            receiver.block(unsafe { slice::from_raw_parts(wav, samples as usize) });
        }
        let mut event = events;
        // SAFETY: the list ends with an event of the kind LIST_TERMINATED.
        while !event.is_null() && unsafe { (*event).kind } != ffi::EVENT_LIST_TERMINATED {
            // SAFETY: as above.
            let current = unsafe { &*event };
            let sample = usize::try_from(current.sample).unwrap_or(0);
            match current.kind {
                ffi::EVENT_WORD => receiver.word(sample, current.text_position, current.length),
                ffi::EVENT_END => receiver.end(sample),
                _ => {}
            }
            // SAFETY: the terminating event is still to come.
            event = unsafe { event.add(1) };
        }
        0
    };
    // A panic must not unwind through C.
    catch_unwind(AssertUnwindSafe(receive)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_data_is_named_with_its_package() {
        let error = check_data(Path::new("/nonexistent/espeak-ng-data")).unwrap_err();
        let Error::Unavailable(sentence) = error else {
            panic!("{error:?}");
        };
        assert!(
            sentence.contains("/nonexistent/espeak-ng-data/phontab"),
            "{sentence}"
        );
        assert!(
            sentence.contains("Debian package espeak-ng-data"),
            "{sentence}"
        );
    }
}

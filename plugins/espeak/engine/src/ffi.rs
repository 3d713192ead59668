// SPDX-License-Identifier: GPL-3.0-or-later
//! The few calls of libespeak-ng's `speak_lib.h` that are needed.
//!
//! The crates that wrap the library generate all of it with bindgen (and so need clang to build) or
//! compile a copy of it; these nine functions have not changed since 2014.

use std::ffi::{c_char, c_int, c_short, c_uint, c_void};

pub const AUDIO_OUTPUT_SYNCHRONOUS: c_int = 2;
pub const INITIALIZE_DONT_EXIT: c_int = 0x8000;
pub const CHARS_UTF8: c_uint = 1;
pub const SSML: c_uint = 0x10;
pub const ENDPAUSE: c_uint = 0x1000;
pub const POS_CHARACTER: c_int = 1;
pub const PARAMETER_RATE: c_int = 1;
pub const EE_OK: c_int = 0;

pub const EVENT_LIST_TERMINATED: c_int = 0;
pub const EVENT_WORD: c_int = 1;
pub const EVENT_END: c_int = 5;

#[repr(C)]
pub struct Event {
    pub kind: c_int,
    pub unique_identifier: c_uint,
    /// Characters from the start of the text, counted from 1.
    pub text_position: c_int,
    pub length: c_int,
    pub audio_position: c_int,
    /// Samples from the start of the call's sound.
    pub sample: c_int,
    pub user_data: *mut c_void,
    pub id: [u8; 8],
}

#[repr(C)]
pub struct Voice {
    pub name: *const c_char,
    /// Pairs of a priority byte and a string; a zero byte ends the list.
    pub languages: *const c_char,
    pub identifier: *const c_char,
    pub gender: u8,
    pub age: u8,
    pub variant: u8,
    pub xx1: u8,
    pub score: c_int,
    pub spare: *mut c_void,
}

pub type SynthCallback =
    unsafe extern "C" fn(wav: *mut c_short, samples: c_int, events: *mut Event) -> c_int;

unsafe extern "C" {
    pub fn espeak_Initialize(
        output: c_int,
        buffer_ms: c_int,
        path: *const c_char,
        options: c_int,
    ) -> c_int;
    pub fn espeak_SetSynthCallback(callback: SynthCallback);
    pub fn espeak_Synth(
        text: *const c_void,
        size: usize,
        position: c_uint,
        position_type: c_int,
        end_position: c_uint,
        flags: c_uint,
        unique_identifier: *mut c_uint,
        user_data: *mut c_void,
    ) -> c_int;
    pub fn espeak_SetParameter(parameter: c_int, value: c_int, relative: c_int) -> c_int;
    pub fn espeak_SetVoiceByName(name: *const c_char) -> c_int;
    pub fn espeak_ListVoices(specification: *mut Voice) -> *const *const Voice;
    pub fn espeak_Info(path: *mut *const c_char) -> *const c_char;
}

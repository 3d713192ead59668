// SPDX-License-Identifier: MPL-2.0
//! The calls of libpocketsphinx 0.8 (5prealpha) and libsphinxbase that are needed, by hand: the library is no longer
//! developed and its sonames fix these signatures. BSD-2-Clause, Carnegie Mellon University and Alpha Cephei Inc.

use std::ffi::{c_char, c_int, c_void};

/// `cmd_ln_t`: settings.
#[repr(C)]
pub struct Settings(c_void);

/// `ps_decoder_t`.
#[repr(C)]
pub struct Decoder(c_void);

/// `ps_seg_t`: a word of a hypothesis.
#[repr(C)]
pub struct Segment(c_void);

/// `logmath_t`.
#[repr(C)]
pub struct LogMath(c_void);

/// `arg_t`.
#[repr(C)]
pub struct Arguments(c_void);

/// The beginning of `feat_t`, up to the one pointer that is needed.
#[repr(C)]
pub struct Features {
    refcount: c_int,
    name: *mut c_char,
    cepsize: i32,
    n_stream: i32,
    stream_len: *mut u32,
    window_size: i32,
    n_sv: i32,
    sv_len: *mut u32,
    subvecs: *mut *mut i32,
    sv_buf: *mut f32,
    sv_dim: i32,
    cmn: c_int,
    varnorm: i32,
    agc: c_int,
    compute_feat: *mut c_void,
    pub cmn_struct: *mut c_void,
}

unsafe extern "C" {
    // sphinxbase
    pub fn cmd_ln_parse_r(
        inout: *mut Settings,
        definitions: *const Arguments,
        argc: i32,
        argv: *mut *mut c_char,
        strict: i32,
    ) -> *mut Settings;
    pub fn cmd_ln_free_r(settings: *mut Settings) -> c_int;
    pub fn err_set_logfp(stream: *mut libc::FILE);
    pub fn logmath_exp(logmath: *mut LogMath, value: c_int) -> f64;
    pub fn cmn_live_get(cmn: *mut c_void, means: *mut f32);
    pub fn cmn_live_set(cmn: *mut c_void, means: *const f32);

    // pocketsphinx
    pub fn ps_args() -> *const Arguments;
    pub fn ps_init(settings: *mut Settings) -> *mut Decoder;
    pub fn ps_free(decoder: *mut Decoder) -> c_int;
    pub fn ps_get_logmath(decoder: *mut Decoder) -> *mut LogMath;
    pub fn ps_get_feat(decoder: *mut Decoder) -> *mut Features;
    pub fn ps_set_jsgf_string(
        decoder: *mut Decoder,
        name: *const c_char,
        grammar: *const c_char,
    ) -> c_int;
    pub fn ps_set_allphone_file(
        decoder: *mut Decoder,
        name: *const c_char,
        model: *const c_char,
    ) -> c_int;
    pub fn ps_set_search(decoder: *mut Decoder, name: *const c_char) -> c_int;
    pub fn ps_start_stream(decoder: *mut Decoder) -> c_int;
    pub fn ps_start_utt(decoder: *mut Decoder) -> c_int;
    pub fn ps_process_raw(
        decoder: *mut Decoder,
        samples: *const i16,
        count: usize,
        no_search: c_int,
        whole: c_int,
    ) -> c_int;
    pub fn ps_end_utt(decoder: *mut Decoder) -> c_int;
    pub fn ps_get_hyp(decoder: *mut Decoder, score: *mut i32) -> *const c_char;
    pub fn ps_get_prob(decoder: *mut Decoder) -> i32;
    pub fn ps_seg_iter(decoder: *mut Decoder) -> *mut Segment;
    pub fn ps_seg_next(segment: *mut Segment) -> *mut Segment;
    pub fn ps_seg_word(segment: *mut Segment) -> *const c_char;
    pub fn ps_seg_frames(segment: *mut Segment, first: *mut c_int, last: *mut c_int);
    pub fn ps_seg_prob(
        segment: *mut Segment,
        acoustic: *mut i32,
        language: *mut i32,
        backoff: *mut i32,
    ) -> i32;
}

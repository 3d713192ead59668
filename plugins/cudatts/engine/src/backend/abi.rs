// SPDX-License-Identifier: MPL-2.0

//! What a backend and its host agree on: a table of C functions behind one exported symbol.
//!
//! The library exports [`SYMBOL`], an [`Entry`], and nothing else that a host may rely on. Both sides are compiled from this
//! file, and not always from the same version of it: a host looks at [`Backend::version`] before anything else, and uses no
//! table of another version than its own.
//!
//! A backend computes. What is not a product of matrices stays with the host: tokens, noise and its seed, how many frames,
//! whether the text is over, the fade-in. So the same seed speaks alike on every device.
//!
//! There are two kinds of models. A [`Model`] is autoregressive: it reads tokens and speaks until it is over ([`crate::pocket`]).
//! A [`Renderer`] is not: for each hop of 10 ms it is given what is to be said and the excitation, and gives the sound
//! ([`crate::compact`]).
//!
//! # Threads
//! A [`Model`] or a [`Renderer`] is called by one thread at a time, which need not always be the same. Different ones may be
//! called at once.
//!
//! # Memory
//! Whatever a host hands over is read or written during the call and never kept. Pointers are never null where nothing says
//! that they may be.
//!
//! # Errors
//! Every function that can fail answers with a [`Status`] and, unless that is [`Status::OK`], with a sentence for a person. No
//! panic comes out of a function. After [`Status::DEVICE_LOST`] a model can only be closed; after every other one, what was
//! asked for has not happened, and slots that the call did not name are as they were. Slots that a failed
//! [`Backend::step`] or [`Backend::render`] named are to be released.

use std::{
    ffi::{CStr, c_char},
    fmt,
};

/// Of this file. Changed with every change of it.
pub const VERSION: u32 = 2;

/// The name of the symbol.
pub const SYMBOL: &CStr = c"duplex_neural_backend";

/// What the symbol is. The table lives as long as the library is loaded.
pub type Entry = unsafe extern "C" fn() -> *const Backend;

/// A model on a device, with its slots: the backend's own.
#[repr(C)]
pub struct Model {
    _opaque: [u8; 0],
}

/// How a call went.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Status(pub i32);

impl Status {
    /// As asked.
    pub const OK: Status = Status(0);
    /// It was refused, or went wrong: the sentence says what.
    pub const FAILED: Status = Status(1);
    /// There is not that much memory, on the device or beside it.
    pub const OUT_OF_MEMORY: Status = Status(2);
    /// The device is gone, or has failed for good in this process.
    pub const DEVICE_LOST: Status = Status(3);
}

/// 32-bit numbers, as the reference computes.
pub const PRECISION_F32: u32 = 0;
/// bfloat16 for weights, memories and what flows between layers; norms, logits and rotations in 32 bits.
pub const PRECISION_BF16: u32 = 1;

/// The CPU as a device: for tests.
pub const DEVICE_CPU: i32 = -1;

/// A buffer of the caller's for a text.
#[repr(C)]
pub struct Sentence {
    /// `room` bytes; may be null where `room` is 0.
    pub text: *mut u8,
    /// Bytes that fit.
    pub room: usize,
    /// Bytes that were written: UTF-8, without a NUL.
    pub length: usize,
}

/// The usual buffer for a [`Sentence`].
#[derive(Debug)]
pub struct SentenceBuffer {
    text: [u8; 1024],
    length: usize,
}

impl Default for SentenceBuffer {
    fn default() -> Self {
        Self {
            text: [0; 1024],
            length: 0,
        }
    }
}

impl SentenceBuffer {
    /// Makes a call with a sentence, and keeps what it says.
    pub fn call<T>(&mut self, call: impl FnOnce(*mut Sentence) -> T) -> T {
        let mut sentence = Sentence {
            text: self.text.as_mut_ptr(),
            room: self.text.len(),
            length: 0,
        };
        let answer = call(&mut sentence);
        self.length = sentence.length.min(self.text.len());
        answer
    }
}

impl fmt::Display for SentenceBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text[..self.length]))
    }
}

/// Which model, where, and how many speak with it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The path of the configuration (YAML): UTF-8, with a NUL at its end.
    pub config: *const c_char,
    /// The path of the weights (safetensors), likewise.
    pub weights: *const c_char,
    /// The ordinal of the device, from 0, as CUDA counts those that are visible; [`DEVICE_CPU`].
    pub device: i32,
    /// Slots. Their memories are allocated at once.
    pub slots: u32,
    /// The most slots of a step.
    pub max_batch: u32,
    /// The most positions of a slot: those of its voice, its tokens and its frames together. 0 is 1,024.
    pub positions: u32,
    /// [`PRECISION_F32`] or [`PRECISION_BF16`].
    pub precision: u32,
}

/// What a model tells of itself.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Samples per second.
    pub sample_rate: u32,
    /// Samples of a frame.
    pub frame_samples: u32,
    /// Numbers of a latent: the noise of a frame.
    pub latent: u32,
    /// Layers of a voice's state.
    pub layers: u32,
    /// Heads of keys and values of each layer.
    pub heads: u32,
    /// Numbers of a head.
    pub width: u32,
    /// The most positions of a slot.
    pub positions: u32,
    /// Bytes of the device's memory that weights and slots take, as far as they are known.
    pub bytes: u64,
    /// The name of the device: UTF-8, with a NUL at its end.
    pub device: [u8; 128],
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            sample_rate: 0,
            frame_samples: 0,
            latent: 0,
            layers: 0,
            heads: 0,
            width: 0,
            positions: 0,
            bytes: 0,
            device: [0; 128],
        }
    }
}

/// A voice: keys and values of every layer, `[layers, positions, heads, width]` each, the keys rotated to their positions.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VoiceState {
    /// As in [`Facts`].
    pub layers: u32,
    /// How many it takes.
    pub positions: u32,
    /// As in [`Facts`].
    pub heads: u32,
    /// As in [`Facts`].
    pub width: u32,
    /// `layers · positions · heads · width` numbers.
    pub keys: *const f32,
    /// As many.
    pub values: *const f32,
}

/// A renderer on a device, with its slots: the backend's own.
#[repr(C)]
pub struct Renderer {
    _opaque: [u8; 0],
}

/// The most hops of a slot in one [`Backend::render`].
pub const MOST_HOPS: u32 = 64;

/// Which renderer, where, and for how many. It computes in 32 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RendererRequest {
    /// The weights: what a file of safetensors holds.
    pub weights: *const u8,
    /// Bytes of them.
    pub length: usize,
    /// As in [`Request`].
    pub device: i32,
    /// Slots. Their memories are allocated at once.
    pub slots: u32,
    /// The most slots of a [`Backend::render`].
    pub max_batch: u32,
}

/// What a renderer tells of itself.
///
/// It looks ahead, so that sound comes later than what it is made of. When a slot is given its hop n, counted from
/// [`Backend::begin`], that means: the inputs of the clause's hop n, the pulses and the noise of hop n − `excitation_late`,
/// and for them the sound of hop n − `sound_late`. Of hops before the clause and behind it, nothing that is given counts.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RendererFacts {
    /// Samples per second.
    pub sample_rate: u32,
    /// Samples of a hop: of its pulses, of its noise, of its sound.
    pub hop_samples: u32,
    /// Numbers of a hop's inputs.
    pub inputs: u32,
    /// Hops by which pulses and noise are given later than inputs.
    pub excitation_late: u32,
    /// Hops by which sound comes later than inputs are given.
    pub sound_late: u32,
    /// Bytes of the device's memory that weights and slots take, as far as they are known.
    pub bytes: u64,
    /// The name of the device: UTF-8, with a NUL at its end.
    pub device: [u8; 128],
}

impl Default for RendererFacts {
    fn default() -> Self {
        Self {
            sample_rate: 0,
            hop_samples: 0,
            inputs: 0,
            excitation_late: 0,
            sound_late: 0,
            bytes: 0,
            device: [0; 128],
        }
    }
}

/// What a backend can do. `sentence` may be null everywhere.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// [`VERSION`].
    pub version: u32,

    /// Loads a model and allocates its slots. Blocks for as long as that takes, the kernels' first use included.
    pub open: unsafe extern "C" fn(
        request: *const Request,
        model: *mut *mut Model,
        facts: *mut Facts,
        sentence: *mut Sentence,
    ) -> Status,

    /// Copies a voice to the device; `id` is what it is called from then on.
    pub voice: unsafe extern "C" fn(
        model: *mut Model,
        state: *const VoiceState,
        id: *mut u64,
        sentence: *mut Sentence,
    ) -> Status,

    /// Frees a voice. Slots that speak with it go on: they have copies.
    pub forget_voice:
        unsafe extern "C" fn(model: *mut Model, id: u64, sentence: *mut Sentence) -> Status,

    /// Begins in a slot, from nothing: the voice is remembered, then `count` tokens are read. What the slot did before is gone.
    /// Tokens beyond the table read as padding.
    pub admit: unsafe extern "C" fn(
        model: *mut Model,
        slot: u32,
        tokens: *const u32,
        count: usize,
        voice: u64,
        sentence: *mut Sentence,
    ) -> Status,

    /// One frame for each of `count` slots, all of them admitted and each named once. `noise` has `count · latent` numbers, already
    /// of the deviation that is wanted. `ends` gets `count` logits, of the text's end at this frame, and `sound` gets
    /// `count · frame_samples` samples, without a fade-in. The frame is what the slot hears of itself in its next step.
    pub step: unsafe extern "C" fn(
        model: *mut Model,
        slots: *const u32,
        count: usize,
        noise: *const f32,
        ends: *mut f32,
        sound: *mut f32,
        sentence: *mut Sentence,
    ) -> Status,

    /// Forgets a slot; one that is not admitted is left as it is. Cheap.
    pub release:
        unsafe extern "C" fn(model: *mut Model, slot: u32, sentence: *mut Sentence) -> Status,

    /// Frees a model. `model` may be null.
    pub close: unsafe extern "C" fn(model: *mut Model),

    /// Loads a renderer and allocates its slots, as [`Backend::open`] does.
    pub open_renderer: unsafe extern "C" fn(
        request: *const RendererRequest,
        renderer: *mut *mut Renderer,
        facts: *mut RendererFacts,
        sentence: *mut Sentence,
    ) -> Status,

    /// Begins a clause of so many hops in a slot, from nothing. What the slot did before is gone. Cheap.
    pub begin: unsafe extern "C" fn(
        renderer: *mut Renderer,
        slot: u32,
        hops: u32,
        sentence: *mut Sentence,
    ) -> Status,

    /// The next `hops`, 1 to [`MOST_HOPS`], of each of `count` slots, all of which have begun and each of which is named once. What
    /// is given and what comes lies slot by slot, and hop by hop in each: `count · hops` times [`RendererFacts::inputs`] numbers
    /// in `inputs`, times [`RendererFacts::hop_samples`] in `pulses`, in `noise` and, however loud, in `sound`. Which hops they
    /// are of, [`RendererFacts`] says. A clause may be given more hops than it has: its end needs them.
    pub render: unsafe extern "C" fn(
        renderer: *mut Renderer,
        slots: *const u32,
        count: usize,
        hops: u32,
        inputs: *const f32,
        pulses: *const f32,
        noise: *const f32,
        sound: *mut f32,
        sentence: *mut Sentence,
    ) -> Status,

    /// Forgets what a slot is at; one that has not begun is left as it is. Cheap.
    pub reset:
        unsafe extern "C" fn(renderer: *mut Renderer, slot: u32, sentence: *mut Sentence) -> Status,

    /// Frees a renderer. `renderer` may be null.
    pub close_renderer: unsafe extern "C" fn(renderer: *mut Renderer),
}

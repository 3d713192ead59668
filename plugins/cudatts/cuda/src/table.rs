// SPDX-License-Identifier: MPL-2.0

//! The functions that a host calls. Nothing unwinds out of them.

use std::{
    any::Any,
    ffi::{CStr, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    ptr, slice,
};

use duplex_neural::{
    backend::abi::{
        self, Backend, Facts, PRECISION_BF16, PRECISION_F32, RendererFacts, RendererRequest,
        Request, Sentence, Status, VERSION,
    },
    compact::{HOP, shape::CHANNELS},
};

use crate::{
    compact::{Given, Renderer, RendererOptions},
    failure::{Failure, failed},
    model::{Model, Options, VoiceState},
};

/// What is exported.
pub static BACKEND: Backend = Backend {
    version: VERSION,
    open,
    voice,
    forget_voice,
    admit,
    step,
    release,
    close,
    open_renderer,
    begin,
    render,
    reset,
    close_renderer,
};

/// What is behind a host's pointer.
trait Opened {
    /// That nothing works any more, and why.
    fn lose(&mut self, why: &str);
}

impl Opened for Model {
    fn lose(&mut self, why: &str) {
        Model::lose(self, why);
    }
}

impl Opened for Renderer {
    fn lose(&mut self, why: &str) {
        Renderer::lose(self, why);
    }
}

/// Writes as much of a text as there is room for.
///
/// # Safety
/// `sentence` is null or as [`Sentence`] says.
unsafe fn say(sentence: *mut Sentence, text: &str) {
    // SAFETY: it is null or points to one, says the caller.
    let Some(sentence) = (unsafe { sentence.as_mut() }) else {
        return;
    };
    let end = match sentence.text.is_null() {
        true => 0,
        false => text.floor_char_boundary(sentence.room),
    };
    if end > 0 {
        // SAFETY: there is room for so many bytes.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), sentence.text, end) };
    }
    sentence.length = end;
}

fn what_panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "an error in this library: {}",
        text.unwrap_or("a panic without a word")
    )
}

/// Makes a status of an answer.
///
/// # Safety
/// As of [`say`].
unsafe fn told(sentence: *mut Sentence, answer: impl FnOnce() -> Result<(), Failure>) -> Status {
    let answer = catch_unwind(AssertUnwindSafe(answer))
        .unwrap_or_else(|panic| Err(failed(what_panicked(panic.as_ref()))));
    let (status, text) = match &answer {
        Ok(()) => (Status::OK, ""),
        Err(failure) => (failure.status, failure.sentence.as_str()),
    };
    // SAFETY: the caller's word.
    unsafe { say(sentence, text) };
    status
}

/// Calls a model, or a renderer, which is one to its host, too. One that panics is not called again: nobody knows what it is at.
///
/// # Safety
/// `model` is null or points to an `O` that came from [`open`] or [`open_renderer`] and is used by nobody else; `sentence` as of
/// [`say`].
unsafe fn with<O: Opened>(
    model: *mut O,
    sentence: *mut Sentence,
    call: impl FnOnce(&mut O) -> Result<(), Failure>,
) -> Status {
    // SAFETY: it is null or one of ours, and ours alone for the time of the call.
    let model = unsafe { model.as_mut() };
    let answer = || {
        let model = model.ok_or_else(|| failed("there is no model"))?;
        catch_unwind(AssertUnwindSafe(|| call(model))).unwrap_or_else(|panic| {
            let sentence = what_panicked(panic.as_ref());
            model.lose(&sentence);
            Err(Failure {
                status: Status::DEVICE_LOST,
                sentence,
            })
        })
    };
    // SAFETY: the caller's word.
    unsafe { told(sentence, answer) }
}

/// # Safety
/// `text` is null, or ends with a NUL.
unsafe fn path<'a>(text: *const c_char, what: &str) -> Result<&'a Path, Failure> {
    if text.is_null() {
        return Err(failed(format!("no path of {what}")));
    }
    // SAFETY: it ends with a NUL.
    let text = unsafe { CStr::from_ptr(text) };
    let text = text.to_str();
    text.map(Path::new)
        .map_err(|_| failed(format!("the path of {what} is not UTF-8")))
}

/// # Safety
/// `numbers` points to so many, unless there are none.
unsafe fn numbers<'a, T>(numbers: *const T, count: usize) -> Result<&'a [T], Failure> {
    match (count, numbers.is_null()) {
        (0, _) => Ok(&[]),
        (_, true) => Err(failed("a pointer is null")),
        // SAFETY: the caller's word.
        _ => Ok(unsafe { slice::from_raw_parts(numbers, count) }),
    }
}

/// # Safety
/// As of [`numbers`], and nobody else uses them.
unsafe fn room<'a>(numbers: *mut f32, count: usize) -> Result<&'a mut [f32], Failure> {
    match (count, numbers.is_null()) {
        (0, _) => Ok(&mut []),
        (_, true) => Err(failed("a pointer is null")),
        // SAFETY: the caller's word.
        _ => Ok(unsafe { slice::from_raw_parts_mut(numbers, count) }),
    }
}

unsafe extern "C" fn open(
    request: *const Request,
    model: *mut *mut abi::Model,
    facts: *mut Facts,
    sentence: *mut Sentence,
) -> Status {
    let answer = || {
        if model.is_null() || facts.is_null() {
            return Err(failed("a pointer is null"));
        }
        // SAFETY: null or a request, says the host.
        let request = unsafe { request.as_ref() }.ok_or_else(|| failed("a pointer is null"))?;
        let bf16 = match request.precision {
            PRECISION_F32 => false,
            PRECISION_BF16 => true,
            other => return Err(failed(format!("there is no precision {other}"))),
        };
        let opened = Model::open(Options {
            // SAFETY: the host's paths end with a NUL.
            config: unsafe { path(request.config, "the configuration") }?,
            // SAFETY: likewise.
            weights: unsafe { path(request.weights, "the weights") }?,
            device: request.device,
            slots: request.slots as usize,
            max_batch: request.max_batch as usize,
            positions: request.positions as usize,
            bf16,
        })?;
        // SAFETY: neither is null, and both are the host's to be written.
        unsafe {
            facts.write(opened.facts());
            model.write(Box::into_raw(Box::new(opened)).cast());
        }
        Ok(())
    };
    // SAFETY: the host's word.
    unsafe { told(sentence, answer) }
}

unsafe extern "C" fn voice(
    model: *mut abi::Model,
    state: *const abi::VoiceState,
    id: *mut u64,
    sentence: *mut Sentence,
) -> Status {
    let call = |model: &mut Model| {
        // SAFETY: null or a state, says the host.
        let state = unsafe { state.as_ref() }.ok_or_else(|| failed("a pointer is null"))?;
        model.takes(state)?;
        let count = [state.layers, state.positions, state.heads, state.width]
            .iter()
            .map(|count| *count as usize)
            .product();
        let added = model.add_voice(VoiceState {
            positions: state.positions as usize,
            // SAFETY: as many as the state says.
            keys: unsafe { numbers(state.keys, count) }?,
            // SAFETY: as many.
            values: unsafe { numbers(state.values, count) }?,
        })?;
        // SAFETY: null or the host's to be written.
        let id = unsafe { id.as_mut() }.ok_or_else(|| failed("a pointer is null"))?;
        *id = added;
        Ok(())
    };
    // SAFETY: the host's word.
    unsafe { with(model.cast::<Model>(), sentence, call) }
}

unsafe extern "C" fn forget_voice(
    model: *mut abi::Model,
    id: u64,
    sentence: *mut Sentence,
) -> Status {
    // SAFETY: the host's word.
    unsafe {
        with(model.cast::<Model>(), sentence, |model| {
            model.forget_voice(id)
        })
    }
}

unsafe extern "C" fn admit(
    model: *mut abi::Model,
    slot: u32,
    tokens: *const u32,
    count: usize,
    voice: u64,
    sentence: *mut Sentence,
) -> Status {
    let call = |model: &mut Model| {
        // SAFETY: so many, says the host.
        model.admit(slot, unsafe { numbers(tokens, count) }?, voice)
    };
    // SAFETY: the host's word.
    unsafe { with(model.cast::<Model>(), sentence, call) }
}

unsafe extern "C" fn step(
    model: *mut abi::Model,
    slots: *const u32,
    count: usize,
    noise: *const f32,
    ends: *mut f32,
    sound: *mut f32,
    sentence: *mut Sentence,
) -> Status {
    let call = |model: &mut Model| {
        // SAFETY: so many, says the host.
        let slots = unsafe { numbers(slots, count) }?;
        // SAFETY: a latent for each.
        let noise = unsafe { numbers(noise, count * model.latent()) }?;
        // SAFETY: a number for each.
        let ends = unsafe { room(ends, count) }?;
        // SAFETY: a frame for each.
        let sound = unsafe { room(sound, count * model.frame_samples()) }?;
        model.step(slots, noise, ends, sound)
    };
    // SAFETY: the host's word.
    unsafe { with(model.cast::<Model>(), sentence, call) }
}

unsafe extern "C" fn release(model: *mut abi::Model, slot: u32, sentence: *mut Sentence) -> Status {
    // SAFETY: the host's word.
    unsafe { with(model.cast::<Model>(), sentence, |model| model.release(slot)) }
}

unsafe extern "C" fn close(model: *mut abi::Model) {
    if model.is_null() {
        return;
    }
    // SAFETY: it came from `open`, and nobody uses it any more.
    let model = unsafe { Box::from_raw(model.cast::<Model>()) };
    // What a lost device says to being freed is of no interest.
    let _ = catch_unwind(AssertUnwindSafe(|| model.close()));
}

unsafe extern "C" fn open_renderer(
    request: *const RendererRequest,
    renderer: *mut *mut abi::Renderer,
    facts: *mut RendererFacts,
    sentence: *mut Sentence,
) -> Status {
    let answer = || {
        if renderer.is_null() || facts.is_null() {
            return Err(failed("a pointer is null"));
        }
        // SAFETY: null or a request, says the host.
        let request = unsafe { request.as_ref() }.ok_or_else(|| failed("a pointer is null"))?;
        let opened = Renderer::open(RendererOptions {
            // SAFETY: so many bytes, says the host.
            weights: unsafe { numbers(request.weights, request.length) }?,
            device: request.device,
            slots: request.slots as usize,
            max_batch: request.max_batch as usize,
        })?;
        // SAFETY: neither is null, and both are the host's to be written.
        unsafe {
            facts.write(opened.facts());
            renderer.write(Box::into_raw(Box::new(opened)).cast());
        }
        Ok(())
    };
    // SAFETY: the host's word.
    unsafe { told(sentence, answer) }
}

unsafe extern "C" fn begin(
    renderer: *mut abi::Renderer,
    slot: u32,
    hops: u32,
    sentence: *mut Sentence,
) -> Status {
    let call = |renderer: &mut Renderer| renderer.begin(slot, hops);
    // SAFETY: the host's word.
    unsafe { with(renderer.cast(), sentence, call) }
}

unsafe extern "C" fn render(
    renderer: *mut abi::Renderer,
    slots: *const u32,
    count: usize,
    hops: u32,
    inputs: *const f32,
    pulses: *const f32,
    noise: *const f32,
    sound: *mut f32,
    sentence: *mut Sentence,
) -> Status {
    let call = |renderer: &mut Renderer| {
        let hops = hops as usize;
        // What a call cannot be for is refused before it is multiplied.
        let all = count * hops.min(abi::MOST_HOPS as usize);
        // SAFETY: so many, says the host.
        let slots = unsafe { numbers(slots, count) }?;
        // SAFETY: as the host's word is for all of them.
        let given = unsafe {
            Given {
                inputs: numbers(inputs, all * CHANNELS)?,
                pulses: numbers(pulses, all * HOP)?,
                noise: numbers(noise, all * HOP)?,
            }
        };
        // SAFETY: a hop's samples for each.
        let sound = unsafe { room(sound, all * HOP) }?;
        renderer.render(slots, hops, given, sound)
    };
    // SAFETY: the host's word.
    unsafe { with(renderer.cast(), sentence, call) }
}

unsafe extern "C" fn reset(
    renderer: *mut abi::Renderer,
    slot: u32,
    sentence: *mut Sentence,
) -> Status {
    let call = |renderer: &mut Renderer| renderer.reset(slot);
    // SAFETY: the host's word.
    unsafe { with(renderer.cast(), sentence, call) }
}

unsafe extern "C" fn close_renderer(renderer: *mut abi::Renderer) {
    if renderer.is_null() {
        return;
    }
    // SAFETY: it came from `open_renderer`, and nobody uses it any more.
    let renderer = unsafe { Box::from_raw(renderer.cast::<Renderer>()) };
    // What a lost device says to being freed is of no interest.
    let _ = catch_unwind(AssertUnwindSafe(|| renderer.close()));
}

#[cfg(test)]
mod tests {
    use duplex_neural::backend::abi::SentenceBuffer;

    use super::*;

    #[test]
    fn a_panic_becomes_a_sentence() {
        let mut buffer = SentenceBuffer::default();
        let panics: [fn(); 2] = [|| panic!("seven is {}", 7), || panic!("seven")];
        for (panics, said) in panics.into_iter().zip(["seven is 7", "seven"]) {
            let answer = || {
                panics();
                Ok(())
            };
            // SAFETY: the buffer's sentence is one.
            let status = buffer.call(|sentence| unsafe { told(sentence, answer) });
            assert_eq!(status, Status::FAILED);
            assert_eq!(
                buffer.to_string(),
                format!("an error in this library: {said}")
            );
        }
    }
}

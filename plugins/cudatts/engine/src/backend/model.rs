// SPDX-License-Identifier: MPL-2.0

//! A model of a backend, behind safe calls.

use std::{ffi::CString, path::Path, ptr::NonNull};

use duplex_synthesis::Error;

use super::abi::{self, Backend, Facts, Request, SentenceBuffer, Status, VoiceState};

/// What is to be loaded, and for how many.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The configuration (YAML).
    pub config: &'a Path,
    /// The weights (safetensors).
    pub weights: &'a Path,
    /// The ordinal of a card, or [`abi::DEVICE_CPU`].
    pub device: i32,
    /// Slots.
    pub slots: usize,
    /// Of a voice, its tokens and its frames together; 0 is the backend's own.
    pub positions: usize,
    /// [`abi::PRECISION_F32`] or [`abi::PRECISION_BF16`].
    pub precision: u32,
}

/// A model that is loaded. Freed when it is dropped.
#[derive(Debug)]
pub struct Model {
    backend: &'static Backend,
    model: NonNull<abi::Model>,
    facts: Facts,
}

// SAFETY: a model is called by one thread at a time, not always the same one; all calls take it exclusively.
unsafe impl Send for Model {}

/// Makes an error of what a call answered.
pub(super) fn check(status: Status, told: &SentenceBuffer) -> Result<(), Error> {
    match status {
        Status::OK => Ok(()),
        Status::OUT_OF_MEMORY => Err(Error::Unavailable(told.to_string())),
        Status::DEVICE_LOST => Err(Error::Failed(format!("the device is lost: {told}"))),
        _ => Err(Error::Failed(told.to_string())),
    }
}

impl Model {
    /// Loads. Blocks for as long as that takes.
    pub fn open(backend: &'static Backend, wanted: Wanted<'_>) -> Result<Model, Error> {
        let path = |path: &Path| {
            CString::new(path.as_os_str().as_encoded_bytes())
                .map_err(|_| Error::BadRequest(format!("a NUL in the path {}", path.display())))
        };
        let number = |what: &str, number: usize| {
            u32::try_from(number)
                .map_err(|_| Error::BadRequest(format!("too many {what}: {number}")))
        };
        let (config, weights) = (path(wanted.config)?, path(wanted.weights)?);
        let slots = number("slots", wanted.slots)?;
        let request = Request {
            config: config.as_ptr(),
            weights: weights.as_ptr(),
            device: wanted.device,
            slots,
            max_batch: slots,
            positions: number("positions", wanted.positions)?,
            precision: wanted.precision,
        };
        let mut model = std::ptr::null_mut();
        let mut facts = Facts::default();
        let mut told = SentenceBuffer::default();
        // SAFETY: all that is pointed to lives through the call.
        let status = told.call(|told| unsafe {
            (backend.open)(&raw const request, &raw mut model, &raw mut facts, told)
        });
        check(status, &told)?;
        let model = NonNull::new(model)
            .ok_or_else(|| Error::Failed("the backend gave no model and no reason".into()))?;
        Ok(Model {
            backend,
            model,
            facts,
        })
    }

    /// What it tells of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Copies a voice to the device: `[layers, positions, heads, width]` keys and values.
    pub fn voice(&mut self, keys: &[f32], values: &[f32]) -> Result<u64, Error> {
        let facts = &self.facts;
        let row = (facts.layers * facts.heads * facts.width) as usize;
        if row == 0 || keys.len() != values.len() || !keys.len().is_multiple_of(row) {
            return Err(Error::Failed("a voice of another model".into()));
        }
        let state = VoiceState {
            layers: facts.layers,
            positions: (keys.len() / row) as u32,
            heads: facts.heads,
            width: facts.width,
            keys: keys.as_ptr(),
            values: values.as_ptr(),
        };
        let (mut id, mut told) = (0, SentenceBuffer::default());
        // SAFETY: the state's numbers are those of its slices.
        let status = told.call(|told| unsafe {
            (self.backend.voice)(self.model.as_ptr(), &raw const state, &raw mut id, told)
        });
        check(status, &told).map(|()| id)
    }

    /// Frees a voice.
    pub fn forget_voice(&mut self, id: u64) -> Result<(), Error> {
        let mut told = SentenceBuffer::default();
        // SAFETY: an id may be any.
        let status =
            told.call(|told| unsafe { (self.backend.forget_voice)(self.model.as_ptr(), id, told) });
        check(status, &told)
    }

    /// Begins in a slot.
    pub fn admit(&mut self, slot: usize, tokens: &[u32], voice: u64) -> Result<(), Error> {
        let mut told = SentenceBuffer::default();
        // SAFETY: the tokens are as many as is said.
        let status = told.call(|told| unsafe {
            let tokens = (tokens.as_ptr(), tokens.len());
            (self.backend.admit)(
                self.model.as_ptr(),
                slot as u32,
                tokens.0,
                tokens.1,
                voice,
                told,
            )
        });
        check(status, &told)
    }

    /// One frame for each of these slots: for each a logit of the text's end, and its sound.
    pub fn step(
        &mut self,
        slots: &[u32],
        noise: &[f32],
        ends: &mut [f32],
        sound: &mut [f32],
    ) -> Result<(), Error> {
        let count = slots.len();
        let right = noise.len() == count * self.facts.latent as usize
            && ends.len() == count
            && sound.len() == count * self.facts.frame_samples as usize;
        assert!(right, "noise, ends and sound are of {count} slots");
        let mut told = SentenceBuffer::default();
        // SAFETY: lengths are as asserted.
        let status = told.call(|told| unsafe {
            (self.backend.step)(
                self.model.as_ptr(),
                slots.as_ptr(),
                count,
                noise.as_ptr(),
                ends.as_mut_ptr(),
                sound.as_mut_ptr(),
                told,
            )
        });
        check(status, &told)
    }

    /// Forgets a slot.
    pub fn release(&mut self, slot: usize) -> Result<(), Error> {
        let mut told = SentenceBuffer::default();
        // SAFETY: a slot may be any.
        let status = told
            .call(|told| unsafe { (self.backend.release)(self.model.as_ptr(), slot as u32, told) });
        check(status, &told)
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { (self.backend.close)(self.model.as_ptr()) };
    }
}

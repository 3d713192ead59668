// SPDX-License-Identifier: MPL-2.0

//! The host's side of the table.

use std::{
    ffi::CString,
    path::Path,
    ptr::{null, null_mut},
};

use duplex_neural::backend::abi::{
    Backend, Facts, Model, PRECISION_F32, Request, Sentence, SentenceBuffer, Status, VoiceState,
};

/// What a call said where it failed.
pub type Answer<T> = Result<T, (Status, String)>;

/// Makes a call, and a result of its status.
pub fn told(call: impl FnOnce(*mut Sentence) -> Status) -> Answer<()> {
    let mut buffer = SentenceBuffer::default();
    let status = buffer.call(call);
    match status {
        Status::OK => {
            assert_eq!(buffer.to_string(), "");
            Ok(())
        }
        status => {
            assert_ne!(buffer.to_string(), "");
            Err((status, buffer.to_string()))
        }
    }
}

/// What is opened.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// As in [`Request`].
    pub device: i32,
    /// Likewise.
    pub slots: u32,
    /// Likewise.
    pub max_batch: u32,
    /// Likewise.
    pub positions: u32,
    /// Likewise.
    pub precision: u32,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            device: duplex_neural::backend::abi::DEVICE_CPU,
            slots: 4,
            max_batch: 4,
            positions: 0,
            precision: PRECISION_F32,
        }
    }
}

/// A model behind the table.
pub struct Host {
    table: &'static Backend,
    model: *mut Model,
    /// What it told of itself.
    pub facts: Facts,
}

impl Host {
    /// Opens a model.
    pub fn open(table: &'static Backend, config: &Path, weights: &Path, ask: Ask) -> Answer<Self> {
        let text = |path: &Path| CString::new(path.to_str().unwrap()).unwrap();
        let (config, weights) = (text(config), text(weights));
        let request = Request {
            config: config.as_ptr(),
            weights: weights.as_ptr(),
            device: ask.device,
            slots: ask.slots,
            max_batch: ask.max_batch,
            positions: ask.positions,
            precision: ask.precision,
        };
        let (mut model, mut facts) = (null_mut(), Facts::default());
        // SAFETY: all of these live through the call.
        told(|sentence| unsafe { (table.open)(&request, &mut model, &mut facts, sentence) })?;
        assert!(!model.is_null());
        Ok(Self {
            table,
            model,
            facts,
        })
    }

    /// Adds a voice.
    pub fn voice(&mut self, state: &VoiceState) -> Answer<u64> {
        let mut id = 0;
        // SAFETY: the state's pointers are as it says.
        told(|sentence| unsafe { (self.table.voice)(self.model, state, &mut id, sentence) })?;
        Ok(id)
    }

    /// Forgets a voice.
    pub fn forget_voice(&mut self, id: u64) -> Answer<()> {
        // SAFETY: nobody else uses the model.
        told(|sentence| unsafe { (self.table.forget_voice)(self.model, id, sentence) })
    }

    /// Begins in a slot.
    pub fn admit(&mut self, slot: u32, tokens: &[u32], voice: u64) -> Answer<()> {
        // SAFETY: so many tokens.
        told(|sentence| unsafe {
            (self.table.admit)(
                self.model,
                slot,
                tokens.as_ptr(),
                tokens.len(),
                voice,
                sentence,
            )
        })
    }

    /// A frame for each of these slots: logits and sound.
    pub fn step(&mut self, slots: &[u32], noise: &[f32]) -> Answer<(Vec<f32>, Vec<f32>)> {
        assert_eq!(noise.len(), slots.len() * self.facts.latent as usize);
        let mut ends = vec![f32::NAN; slots.len()];
        let mut sound = vec![f32::NAN; slots.len() * self.facts.frame_samples as usize];
        // SAFETY: as much room as the table wants.
        told(|sentence| unsafe {
            (self.table.step)(
                self.model,
                slots.as_ptr(),
                slots.len(),
                noise.as_ptr(),
                ends.as_mut_ptr(),
                sound.as_mut_ptr(),
                sentence,
            )
        })?;
        Ok((ends, sound))
    }

    /// Forgets a slot.
    pub fn release(&mut self, slot: u32) -> Answer<()> {
        // SAFETY: nobody else uses the model.
        told(|sentence| unsafe { (self.table.release)(self.model, slot, sentence) })
    }

    /// What a call says that has no model.
    pub fn without_model(table: &Backend) -> Answer<()> {
        // SAFETY: null is allowed, and refused.
        told(|sentence| unsafe { (table.admit)(null_mut(), 0, null(), 0, 0, sentence) })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: it came from `open`, and nobody uses it any more.
        unsafe { (self.table.close)(self.model) };
    }
}

// SPDX-License-Identifier: MPL-2.0

//! A renderer of a backend, behind safe calls.

use std::ptr::NonNull;

use duplex_synthesis::Error;

use super::{
    abi::{self, Backend, RendererFacts, RendererRequest, SentenceBuffer},
    model::check,
};

/// A renderer that is loaded. Freed when it is dropped.
#[derive(Debug)]
pub struct Renderer {
    backend: &'static Backend,
    renderer: NonNull<abi::Renderer>,
    facts: RendererFacts,
}

// SAFETY: a renderer is called by one thread at a time, not always the same one; all calls take it exclusively.
unsafe impl Send for Renderer {}

/// What slots are given in a call, slot by slot, and hop by hop in each.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// As in [`RendererFacts`].
    pub inputs: &'a [f32],
    /// As many samples as come out.
    pub pulses: &'a [f32],
    /// As many.
    pub noise: &'a [f32],
}

impl Renderer {
    /// Loads weights (safetensors), on the card of this ordinal or on [`abi::DEVICE_CPU`]. Blocks for as long as that takes.
    pub fn open(
        backend: &'static Backend,
        weights: &[u8],
        device: i32,
        slots: usize,
    ) -> Result<Renderer, Error> {
        let slots = u32::try_from(slots)
            .map_err(|_| Error::BadRequest(format!("too many slots: {slots}")))?;
        let request = RendererRequest {
            weights: weights.as_ptr(),
            length: weights.len(),
            device,
            slots,
            max_batch: slots,
        };
        let mut renderer = std::ptr::null_mut();
        let mut facts = RendererFacts::default();
        let mut told = SentenceBuffer::default();
        // SAFETY: all that is pointed to lives through the call.
        let status = told.call(|told| unsafe {
            (backend.open_renderer)(&raw const request, &raw mut renderer, &raw mut facts, told)
        });
        check(status, &told)?;
        let renderer = NonNull::new(renderer)
            .ok_or_else(|| Error::Failed("the backend gave no renderer and no reason".into()))?;
        Ok(Renderer {
            backend,
            renderer,
            facts,
        })
    }

    /// What it tells of itself.
    pub fn facts(&self) -> &RendererFacts {
        &self.facts
    }

    /// Begins a clause of so many hops in a slot.
    pub fn begin(&mut self, slot: usize, hops: usize) -> Result<(), Error> {
        let hops = u32::try_from(hops)
            .map_err(|_| Error::BadRequest(format!("too long a clause: {hops} hops")))?;
        let mut told = SentenceBuffer::default();
        // SAFETY: a slot may be any.
        let status = told.call(|told| unsafe {
            (self.backend.begin)(self.renderer.as_ptr(), slot as u32, hops, told)
        });
        check(status, &told)
    }

    /// The next hops, as many of each of these slots, and their sound.
    ///
    /// # Panics
    /// Where what is given, or room for what comes, is of other lengths.
    pub fn render(
        &mut self,
        slots: &[u32],
        hops: usize,
        given: Given<'_>,
        sound: &mut [f32],
    ) -> Result<(), Error> {
        let all = slots.len() * hops;
        let samples = all * self.facts.hop_samples as usize;
        let right = given.inputs.len() == all * self.facts.inputs as usize
            && [given.pulses.len(), given.noise.len(), sound.len()] == [samples; 3];
        assert!(right, "all is of {hops} hops of {} slots", slots.len());
        let mut told = SentenceBuffer::default();
        // SAFETY: lengths are as asserted.
        let status = told.call(|told| unsafe {
            (self.backend.render)(
                self.renderer.as_ptr(),
                slots.as_ptr(),
                slots.len(),
                hops as u32,
                given.inputs.as_ptr(),
                given.pulses.as_ptr(),
                given.noise.as_ptr(),
                sound.as_mut_ptr(),
                told,
            )
        });
        check(status, &told)
    }

    /// Forgets what a slot is at.
    pub fn reset(&mut self, slot: usize) -> Result<(), Error> {
        let mut told = SentenceBuffer::default();
        // SAFETY: a slot may be any.
        let status = told.call(|told| unsafe {
            (self.backend.reset)(self.renderer.as_ptr(), slot as u32, told)
        });
        check(status, &told)
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { (self.backend.close_renderer)(self.renderer.as_ptr()) };
    }
}

// SPDX-License-Identifier: MPL-2.0

//! What convolutions carry over from frame to frame: one row of numbers for each slot, in which each has its stretch.

use candle_core::{DType, Result, Tensor};

use crate::{
    batch::{Batch, Reading},
    layers::Place,
};

/// Hands out stretches while a model is loaded.
#[derive(Debug, Default)]
pub struct Layout {
    /// Numbers of a slot so far.
    pub width: usize,
}

impl Layout {
    /// A stretch of so many numbers.
    pub fn stretch(&mut self, width: usize) -> Stretch {
        let from = self.width;
        self.width += width;
        Stretch { from, width }
    }
}

/// Where in a row the numbers of one layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    from: usize,
    /// How many.
    pub width: usize,
}

/// The rows of all slots.
#[derive(Debug)]
pub struct Carry {
    /// `[slots, width]`.
    all: Tensor,
    /// `[1, width]`: how a slot begins.
    first: Tensor,
}

/// The rows of a step: what they were, and stretch by stretch what they become.
pub struct Carried<'a> {
    batch: &'a Batch,
    old: Tensor,
    new: Vec<Tensor>,
    width: usize,
}

impl Carry {
    /// For so many slots, each of which begins with these numbers.
    pub fn new(place: &Place, slots: usize, first: Vec<f32>) -> Result<Self> {
        let width = first.len();
        Ok(Self {
            all: Tensor::zeros((slots, width), place.precision, &place.device)?,
            first: place.tensor(first, &[1, width])?,
        })
    }

    /// Begins anew in a slot.
    pub fn reset(&self, slot: usize) -> Result<()> {
        self.all.slice_set(&self.first, 0, slot)
    }

    /// What a layer carries over in a slot, copied from the device.
    pub fn of_slot(&self, slot: usize, stretch: Stretch) -> Result<Vec<f32>> {
        let numbers = self
            .all
            .narrow(0, slot, 1)?
            .narrow(1, stretch.from, stretch.width)?;
        numbers.flatten_all()?.to_dtype(DType::F32)?.to_vec1()
    }

    /// The rows of a step.
    pub fn take<'a>(&self, batch: &'a Batch) -> Result<Carried<'a>> {
        let old = match batch.reading {
            Reading::InPlace => self.all.narrow(0, batch.first, batch.window)?,
            _ => self.all.index_select(&batch.slots, 0)?,
        };
        Ok(Carried {
            batch,
            old,
            new: Vec::new(),
            width: 0,
        })
    }

    /// Keeps what the rows of a step have become.
    pub fn keep(&mut self, carried: Carried<'_>) -> Result<()> {
        let Carried { batch, new, .. } = carried;
        let new = Tensor::cat(&new, 1)?;
        let window = match batch.reading {
            Reading::InPlace => new,
            _ => {
                let old = self.all.narrow(0, batch.first, batch.window)?;
                Tensor::cat(&[&new, &old], 0)?.index_select(&batch.merge, 0)?
            }
        };
        self.all.slice_set(&window, 0, batch.first)
    }
}

impl Carried<'_> {
    /// What a layer carried over, `[rows, width]`.
    pub fn old(&self, stretch: Stretch) -> Result<Tensor> {
        self.old
            .narrow(1, stretch.from, stretch.width)?
            .contiguous()
    }

    /// What it carries over from now on, `[rows, width]`; in the order in which stretches were handed out.
    pub fn give(&mut self, stretch: Stretch, new: Tensor) -> Result<()> {
        debug_assert_eq!(
            stretch.from, self.width,
            "stretches are given in their order"
        );
        self.width += stretch.width;
        self.new.push(new.contiguous()?);
        Ok(())
    }

    /// Ones for rows of a first frame, zeros for others, `[rows, 1, 1]`; `None` where it is nobody's first.
    pub fn fresh(&self) -> Option<&Tensor> {
        self.batch.fresh.as_ref()
    }
}

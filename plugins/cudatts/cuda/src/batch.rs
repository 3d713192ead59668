// SPDX-License-Identifier: MPL-2.0

//! Who takes part in a step, as indices on the device: computed once, for all layers.
//!
//! Rows of a batch stand in the order of their slots. The *window* is the stretch of slots from the first to the last of them:
//! where everybody in it takes part, memories are read and written where they lie. Elsewhere keys and values are written
//! through the window, with an index that says "nowhere" for those who sit out, and read either through it, too, or gathered
//! where few of many take part.

use candle_core::{Result, Tensor};

use crate::layers::Place;

/// An index that stands for nobody: scattering leaves such a place as it is, selecting gives zeros.
pub const NOBODY: u32 = u32::MAX;

/// Where a slot of a step is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub slot: usize,
    /// What the backbone remembers already.
    pub position: usize,
    /// Frames that it has made.
    pub frame: usize,
}

/// Where the memories of a step are read.
#[derive(Clone, Debug)]
pub enum Reading {
    /// In place: everybody of the window takes part.
    InPlace,
    /// Through the window; queries are spread over it and answers collected.
    Window,
    /// From copies of the memories of these slots.
    Gathered,
}

/// The rows of a step and where their memories are.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The first slot of the window.
    pub first: usize,
    /// Slots of the window.
    pub window: usize,
    /// How memories are read.
    pub reading: Reading,
    /// The slot of each row.
    pub slots: Tensor,
    /// For each place of the window its row, or nobody.
    pub spread: Tensor,
    /// For each row its place in the window.
    pub collect: Tensor,
    /// For each place of the window a row of those before the window's own, put one behind the other.
    pub merge: Tensor,
    /// Of each row.
    pub positions: Tensor,
    /// Of each row.
    pub frames: Tensor,
    /// Of what is read: each row, or each place of the window.
    pub seen: Tensor,
    /// Likewise.
    pub phases: Tensor,
    /// For each place of the window where the backbone's memory is written, or nobody.
    pub write: Tensor,
    /// The same for the decoder's ring: one for each vector of a frame.
    pub ring: Tensor,
    /// Of the backbone's memory what has to be read.
    pub length: usize,
    /// Which rows have made no frame yet, as ones among zeros; `None` where none is.
    pub fresh: Option<Tensor>,
}

/// Lengths are rounded up to this: fewer shapes, and rows of scores that are aligned.
const ROUND: usize = 64;

impl Batch {
    /// Of rows, sorted by slot, each once. `capacity` is that of the backbone's memory; a frame takes `vectors` places of the
    /// decoder's ring of `ring`; `phase` tells which mask goes with a frame.
    pub fn new(
        place: &Place,
        rows: &[Row],
        capacity: usize,
        (vectors, ring): (usize, usize),
        phase: impl Fn(usize) -> usize,
    ) -> Result<Self> {
        let (first, last) = match rows {
            [] => candle_core::bail!("a step of no slots"),
            [first, .., last] => (first.slot, last.slot),
            [only] => (only.slot, only.slot),
        };
        let window = last - first + 1;
        let count = rows.len();
        let reading = if window == count {
            Reading::InPlace
        } else if window <= 3 * count {
            Reading::Window
        } else {
            Reading::Gathered
        };
        let mut spread = vec![NOBODY; window];
        let mut merge: Vec<u32> = (0..window).map(|at| (count + at) as u32).collect();
        let mut write = vec![NOBODY; window];
        let mut on_ring = vec![NOBODY; window * vectors];
        let mut window_positions = vec![0; window];
        let mut window_phases = vec![0; window];
        for (number, row) in rows.iter().enumerate() {
            let at = row.slot - first;
            spread[at] = number as u32;
            merge[at] = number as u32;
            write[at] = row.position as u32;
            for n in 0..vectors {
                on_ring[at * vectors + n] = ((row.frame * vectors + n) % ring) as u32;
            }
            window_positions[at] = row.position as u32;
            window_phases[at] = phase(row.frame) as u32;
        }
        let of = |what: &dyn Fn(&Row) -> usize| rows.iter().map(|row| what(row) as u32).collect();
        let slots: Vec<u32> = of(&|row| row.slot);
        let collect: Vec<u32> = of(&|row| row.slot - first);
        let positions: Vec<u32> = of(&|row| row.position);
        let frames: Vec<u32> = of(&|row| row.frame);
        let phases: Vec<u32> = of(&|row| phase(row.frame));
        let gathered = matches!(reading, Reading::Gathered);
        let seen = if gathered {
            positions.clone()
        } else {
            window_positions
        };
        let phases = if gathered { phases } else { window_phases };
        let longest = rows.iter().map(|row| row.position + 1).max().unwrap_or(0);

        // One copy to the device for all of them.
        let parts = [
            slots, spread, collect, merge, positions, frames, seen, phases, write, on_ring,
        ];
        let all = place.indices(parts.concat())?;
        let mut at = 0;
        let parts: Vec<Tensor> = parts
            .iter()
            .map(|part| {
                let tensor = all.narrow(0, at, part.len());
                at += part.len();
                tensor
            })
            .collect::<Result<_>>()?;
        let Ok(
            [
                slots,
                spread,
                collect,
                merge,
                positions,
                frames,
                seen,
                phases,
                write,
                ring,
            ],
        ) = <[Tensor; 10]>::try_from(parts)
        else {
            unreachable!("as many as there are parts")
        };
        let is_fresh: Vec<f32> = rows
            .iter()
            .map(|row| if row.frame == 0 { 1.0 } else { 0.0 })
            .collect();
        let fresh = match rows.iter().any(|row| row.frame == 0) {
            true => Some(place.tensor(is_fresh, &[count, 1, 1])?),
            false => None,
        };
        Ok(Self {
            first,
            window,
            reading,
            slots,
            spread,
            collect,
            merge,
            positions,
            frames,
            seen,
            phases,
            write,
            ring,
            length: longest.next_multiple_of(ROUND).min(capacity),
            fresh,
        })
    }

    /// Of slots, sorted, each once, that carry numbers over and have no other memory.
    pub fn of(place: &Place, slots: &[usize]) -> Result<Self> {
        let row = |slot: &usize| Row {
            slot: *slot,
            position: 0,
            // None is fresh: such slots begin with zeros.
            frame: 1,
        };
        let rows: Vec<Row> = slots.iter().map(row).collect();
        Self::new(place, &rows, 1, (1, 1), |_| 0)
    }

    /// Rows of a batch as places of the window.
    pub fn spread(&self, rows: &Tensor) -> Result<Tensor> {
        match self.reading {
            Reading::InPlace => Ok(rows.clone()),
            _ => rows.contiguous()?.index_select(&self.spread, 0),
        }
    }
}

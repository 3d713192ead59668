// SPDX-License-Identifier: MPL-2.0

//! The block that all networks of the voice are built of, over whole texts and over texts that come row by row.
//!
//! A block looks three rows, times its dilation, to both sides, and outside of a text there are zeros. A row is the same to
//! the bit whichever rows are computed beside it, so that what comes in pieces equals what is computed as a whole.

use super::shape::{EPSILON, KERNEL};
use crate::{
    kernels::{activation::gelu_tanh, along::along, product::Rows},
    layers::{Linear, Norm, Precision},
    weights::{LoadError, Weights},
};

/// On each side, where nothing is dilated.
const SIDE: usize = KERNEL / 2;

/// x + back(gelu(wide(norm(along(x))))).
#[derive(Debug)]
struct Block {
    /// `[KERNEL, channels]`.
    along: Vec<f32>,
    bias: Vec<f32>,
    dilation: usize,
    norm: Norm,
    wide: Linear,
    back: Linear,
}

/// Blocks behind each other, and a normalization.
#[derive(Debug)]
pub struct Blocks {
    channels: usize,
    blocks: Vec<Block>,
    norm: Norm,
}

/// Memory for what lies between layers; kept, so that a step asks for none.
#[derive(Debug, Default)]
pub struct Scratch {
    padded: Vec<f32>,
    along: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
}

impl Block {
    fn load(
        weights: &Weights,
        name: &str,
        channels: usize,
        dilation: usize,
    ) -> Result<Self, LoadError> {
        let given = weights.get(&format!("{name}.along.weight"), &[channels, 1, KERNEL])?;
        let mut along = vec![0.0; given.len()];
        for (channel, given) in given.chunks_exact(KERNEL).enumerate() {
            for (k, weight) in given.iter().enumerate() {
                along[k * channels + channel] = *weight;
            }
        }
        let linear = |part: &str, shape| {
            Linear::load(
                weights,
                &format!("{name}.{part}"),
                shape,
                true,
                Precision::F32,
            )
        };
        Ok(Self {
            along,
            bias: weights.get(&format!("{name}.along.bias"), &[channels])?,
            dilation,
            norm: Norm::load(weights, &format!("{name}.norm"), channels, EPSILON)?,
            wide: linear("wide", (channels, 2 * channels))?,
            back: linear("back", (2 * channels, channels))?,
        })
    }

    /// Rows on one side that it sees.
    fn side(&self) -> usize {
        SIDE * self.dilation
    }

    /// Appends as many rows to `out` as a window has in its middle.
    fn convolve(&self, window: &[f32], out: &mut Vec<f32>) {
        let from = out.len();
        let count = window.len() - 2 * self.side() * self.bias.len();
        out.resize(from + count, 0.0);
        along(
            window,
            &self.along,
            &self.bias,
            self.dilation,
            &mut out[from..],
        );
    }

    /// What is added to rows that `convolve` made, which lie in `scratch.along`; it is there afterwards.
    fn rest(&self, scratch: &mut Scratch) {
        let channels = self.bias.len();
        let Scratch {
            along,
            normed,
            wide,
            ..
        } = scratch;
        self.norm.apply_rows(along, normed);
        self.wide.apply_rows(Rows::new(normed, channels), wide);
        gelu_tanh(wide);
        self.back.apply_rows(Rows::new(wide, 2 * channels), along);
    }
}

fn add(to: &mut [f32], more: &[f32]) {
    for (to, more) in to.iter_mut().zip(more) {
        *to += more;
    }
}

impl Blocks {
    /// Reads `name.blocks.N.…` and `name.norm.…`.
    ///
    /// # Panics
    /// Where channels are no multiple of 16.
    pub fn load(
        weights: &Weights,
        name: &str,
        channels: usize,
        dilations: &[usize],
    ) -> Result<Self, LoadError> {
        assert!(channels.is_multiple_of(16));
        let blocks = dilations.iter().enumerate().map(|(place, dilation)| {
            Block::load(
                weights,
                &format!("{name}.blocks.{place}"),
                channels,
                *dilation,
            )
        });
        Ok(Self {
            channels,
            blocks: blocks.collect::<Result<_, _>>()?,
            norm: Norm::load(weights, &format!("{name}.norm"), channels, EPSILON)?,
        })
    }

    /// Numbers of a row.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Of whole texts of so many rows each, one behind the other, in place. They do not see each other.
    ///
    /// # Panics
    /// Where there are other rows than `texts` says.
    pub fn apply(&self, rows: &mut Vec<f32>, texts: &[usize], scratch: &mut Scratch) {
        let channels = self.channels;
        assert_eq!(rows.len(), texts.iter().sum::<usize>() * channels);
        for block in &self.blocks {
            scratch.along.clear();
            let mut left = rows.as_slice();
            for count in texts {
                let text;
                (text, left) = left.split_at(count * channels);
                let side = block.side() * channels;
                scratch.padded.clear();
                scratch.padded.resize(side, 0.0);
                scratch.padded.extend_from_slice(text);
                scratch.padded.resize(scratch.padded.len() + side, 0.0);
                block.convolve(&scratch.padded, &mut scratch.along);
            }
            block.rest(scratch);
            add(rows, &scratch.along);
        }
        self.norm.apply_rows(rows, &mut scratch.normed);
        std::mem::swap(rows, &mut scratch.normed);
    }

    /// For each of some texts, each named once, the rows up to where its work says, behind those that it had before: they are
    /// appended to `out`, text by text, in the order of `works`.
    ///
    /// A text must have been given enough rows: as many as [`Blocks::needs`] says.
    ///
    /// # Panics
    /// Where it has not.
    pub fn go_on(
        &self,
        texts: &mut [Text],
        works: &[Work],
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) {
        let channels = self.channels;
        for (place, block) in self.blocks.iter().enumerate() {
            scratch.along.clear();
            for work in works {
                let text = &texts[work.text];
                let layer = &text.layers[place];
                let count = self.until(place, work.until, text.count) - layer.made;
                let rows = (count + 2 * block.side()) * channels;
                if count > 0 {
                    block.convolve(&layer.rows[..rows], &mut scratch.along);
                }
            }
            block.rest(scratch);
            let mut left = scratch.along.as_slice();
            for work in works {
                let text = &mut texts[work.text];
                let until = self.until(place, work.until, text.count);
                let made;
                let count = until - text.layers[place].made;
                (made, left) = left.split_at(count * channels);
                let (before, behind) = text.layers.split_at_mut(place + 1);
                let layer = &mut before[place];
                let next = &mut behind[0].rows;
                let from = next.len();
                let side = block.side() * channels;
                next.extend_from_slice(&layer.rows[side..side + count * channels]);
                add(&mut next[from..], made);
                layer.made = until;
                layer.rows.drain(..count * channels);
                // It is whole: beyond it there are zeros.
                if let (true, Some(block)) =
                    (until == text.count && count > 0, self.blocks.get(place + 1))
                {
                    next.resize(next.len() + block.side() * channels, 0.0);
                }
            }
        }
        scratch.along.clear();
        for work in works {
            let text = &mut texts[work.text];
            scratch
                .along
                .append(&mut text.layers[self.blocks.len()].rows);
        }
        self.norm.apply_rows(&scratch.along, &mut scratch.normed);
        out.extend_from_slice(&scratch.normed);
    }

    /// The rows of its own that a block must have made, so that the last has all up to `until`.
    fn until(&self, place: usize, until: usize, count: usize) -> usize {
        let reach: usize = self.blocks[place + 1..].iter().map(Block::side).sum();
        (until + reach).min(count)
    }

    /// The rows of a text that must have been given, so that all up to `until` can be made.
    pub fn needs(&self, until: usize, text: &Text) -> usize {
        let reach: usize = self.blocks.iter().map(Block::side).sum();
        (until + reach).min(text.count)
    }
}

/// A text that is computed row by row: what each layer remembers of it.
#[derive(Debug, Default)]
pub struct Text {
    /// Rows that it has as a whole.
    count: usize,
    given: usize,
    /// One for each block, and what the last has made.
    layers: Vec<Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    /// Its input, from as many rows before the next as it sees.
    rows: Vec<f32>,
    made: usize,
}

/// What is to be done for a text.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Its place.
    pub text: usize,
    /// All rows up to this one, none beyond the text's end.
    pub until: usize,
}

impl Text {
    /// Begins a text of so many rows.
    pub fn begin(&mut self, blocks: &Blocks, count: usize) {
        self.count = count;
        self.given = 0;
        self.layers
            .resize_with(blocks.blocks.len() + 1, Layer::default);
        for (place, layer) in self.layers.iter_mut().enumerate() {
            layer.made = 0;
            layer.rows.clear();
            if let Some(block) = blocks.blocks.get(place) {
                layer.rows.resize(block.side() * blocks.channels, 0.0);
            }
        }
    }

    /// Gives it its next rows.
    pub fn give(&mut self, blocks: &Blocks, rows: &[f32]) {
        let Some(first) = self.layers.first_mut() else {
            return;
        };
        self.given += rows.len() / blocks.channels;
        first.rows.extend_from_slice(rows);
        if let (true, Some(block)) = (
            self.given == self.count && !rows.is_empty(),
            blocks.blocks.first(),
        ) {
            first
                .rows
                .resize(first.rows.len() + block.side() * blocks.channels, 0.0);
        }
    }
}

// SPDX-License-Identifier: MPL-2.0

//! Inputs of hops to their cepstra.

use candle_core::{Result, Tensor};
use duplex_neural::{
    Weights,
    compact::shape::{CHANNELS, DILATIONS, EPSILON, KERNEL, NOISE, VOICED},
};

use crate::{
    carry::{Carried, Layout, Stretch},
    failure::Failure,
    layers::{Linear, Norm, Place},
};

/// x + back(gelu(wide(norm(along(x))))).
#[derive(Debug)]
struct Block {
    /// One for each row that the convolution sees, `[channels]`.
    along: Vec<Tensor>,
    bias: Tensor,
    dilation: usize,
    norm: Norm,
    wide: Linear,
    back: Linear,
    /// The rows before the next: as many as the convolution sees beside one.
    kept: Stretch,
}

impl Block {
    fn load(
        place: &Place,
        weights: &Weights,
        name: &str,
        dilation: usize,
        layout: &mut Layout,
    ) -> std::result::Result<Self, Failure> {
        let given = weights.get(&format!("{name}.along.weight"), &[CHANNELS, 1, KERNEL])?;
        let along = |k: usize| {
            let of_row = given.iter().skip(k).step_by(KERNEL).copied().collect();
            place.tensor(of_row, &[CHANNELS])
        };
        let linear = |part: &str, shape| {
            Linear::load(place, weights, &format!("{name}.{part}"), shape, true)
        };
        let bias = weights.get(&format!("{name}.along.bias"), &[CHANNELS])?;
        Ok(Self {
            along: (0..KERNEL).map(along).collect::<Result<_>>()?,
            bias: place.tensor(bias, &[CHANNELS])?,
            dilation,
            norm: Norm::load(place, weights, &format!("{name}.norm"), CHANNELS, EPSILON)?,
            wide: linear("wide", (CHANNELS, 2 * CHANNELS))?,
            back: linear("back", (2 * CHANNELS, CHANNELS))?,
            kept: layout.stretch((KERNEL - 1) * dilation * CHANNELS),
        })
    }

    /// Rows on one side that it sees.
    fn side(&self) -> usize {
        KERNEL / 2 * self.dilation
    }

    /// As many rows as `[batch, rows, channels]` has, `side` behind.
    fn apply(&self, x: &Tensor, carried: &mut Carried<'_>) -> Result<Tensor> {
        let (count, rows, _) = x.dims3()?;
        let before = carried
            .old(self.kept)?
            .reshape((count, 2 * self.side(), CHANNELS))?;
        let all = Tensor::cat(&[&before, x], 1)?;
        let kept = all.narrow(1, rows, 2 * self.side())?.contiguous()?;
        carried.give(self.kept, kept.reshape((count, self.kept.width))?)?;
        let seen = |k: usize| all.narrow(1, k * self.dilation, rows);
        let mut sum = seen(0)?
            .broadcast_mul(&self.along[0])?
            .broadcast_add(&self.bias)?;
        for (k, weight) in self.along.iter().enumerate().skip(1) {
            sum = (sum + seen(k)?.broadcast_mul(weight)?)?;
        }
        let wide = self.wide.apply(&self.norm.apply(&sum)?)?.gelu()?;
        all.narrow(1, self.side(), rows)? + self.back.apply(&wide)?
    }
}

/// The network.
#[derive(Debug)]
pub struct Body {
    blocks: Vec<Block>,
    norm: Norm,
    out: Linear,
}

impl Body {
    /// Hops by which cepstra come later than inputs.
    pub const LATE: usize = {
        let (mut late, mut block) = (0, 0);
        while block < DILATIONS.len() {
            late += KERNEL / 2 * DILATIONS[block];
            block += 1;
        }
        late
    };

    /// Reads `sound.body` and `sound.out`.
    pub fn load(
        place: &Place,
        weights: &Weights,
        layout: &mut Layout,
    ) -> std::result::Result<Self, Failure> {
        let blocks = DILATIONS.iter().enumerate().map(|(number, dilation)| {
            let name = format!("sound.body.blocks.{number}");
            Block::load(place, weights, &name, *dilation, layout)
        });
        Ok(Self {
            blocks: blocks.collect::<std::result::Result<_, _>>()?,
            norm: Norm::load(place, weights, "sound.body.norm", CHANNELS, EPSILON)?,
            out: Linear::load(
                place,
                weights,
                "sound.out",
                (CHANNELS, VOICED + NOISE),
                true,
            )?,
        })
    }

    /// For each block how many hops its answer is late.
    pub fn late(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().scan(0, |late, block| {
            *late += block.side();
            Some(*late)
        })
    }

    /// The cepstra of `[batch, hops, CHANNELS]`, as many, [`Body::LATE`] behind. Of `inside`, `[blocks, batch, hops, 1]`, a number
    /// is 1 where a block's answer is of a hop of the clause, and 0 elsewhere: there, each sees zeros.
    pub fn apply(
        &self,
        inputs: &Tensor,
        inside: &Tensor,
        carried: &mut Carried<'_>,
    ) -> Result<Tensor> {
        let mut x = inputs.clone();
        for (number, block) in self.blocks.iter().enumerate() {
            x = block
                .apply(&x, carried)?
                .broadcast_mul(&inside.get(number)?)?;
        }
        self.out.apply(&self.norm.apply(&x)?)
    }
}

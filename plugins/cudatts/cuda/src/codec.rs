// SPDX-License-Identifier: MPL-2.0

//! Latents to sound.

use candle_core::{DType, Result, Tensor};
use duplex_neural::{
    Weights,
    pocket::config::{Mimi, SeaNet},
};

use crate::{
    batch::Batch,
    carry::{Carried, Layout},
    conv::{Conv, Shape, Transposed},
    failure::{Failure, failed},
    layers::{Linear, Place},
    transformer::{Memory, Pass, Transformer},
};

/// x + f(x), where f is two convolutions with an ELU in front of each.
#[derive(Debug)]
struct Residual {
    first: Conv,
    second: Conv,
}

/// The ring of the decoder's transformer: as long as it looks back, and a frame more, so that a frame's vectors are
/// written all at once.
#[derive(Debug)]
pub struct Ring {
    /// Vectors of a frame.
    pub vectors: usize,
    /// Places of vectors.
    pub places: usize,
    /// Which of them each vector of a frame sees, `[phases, vectors, places]`, zeros and −∞.
    masks: Tensor,
}

impl Ring {
    fn new(place: &Place, vectors: usize, context: usize) -> Result<Self> {
        let frames = (context + vectors - 1).div_ceil(vectors);
        let places = frames * vectors;
        // Once it is full, frames that lie a whole ring apart see the same places.
        let phases = 2 * frames;
        let mut masks = Vec::with_capacity(phases * vectors * places);
        for phase in 0..phases {
            let last = (phase + 1) * vectors - 1;
            for vector in 0..vectors {
                let now = phase * vectors + vector;
                masks.extend((0..places).map(|at| {
                    // The newest position that this place can have, if it has one at all.
                    let position = last
                        .checked_sub((last + places - at) % places)
                        .filter(|position| *position <= now && position + context > now);
                    if position.is_some() {
                        0.0
                    } else {
                        f32::NEG_INFINITY
                    }
                }));
            }
        }
        Ok(Self {
            vectors,
            places,
            masks: place.exact(masks, &[phases, vectors, places])?,
        })
    }

    /// The mask that goes with a frame.
    pub fn phase(&self, frame: usize) -> usize {
        let frames = self.places / self.vectors;
        match frame < frames {
            true => frame,
            false => frames + frame % frames,
        }
    }
}

/// Latents to sound.
#[derive(Debug)]
pub struct Decoder {
    mean: Tensor,
    deviation: Tensor,
    projection: Linear,
    upsample: Option<Transposed>,
    input: Option<Linear>,
    transformer: Transformer,
    output: Option<Linear>,
    /// See there.
    pub ring: Ring,
    first: Conv,
    stages: Vec<(Transposed, Vec<Residual>)>,
    last: Conv,
    precision: DType,
}

impl Decoder {
    /// Reads what decodes below `mimi`, for utterances of so many frames.
    pub fn load(
        place: &Place,
        weights: &Weights,
        shape: &Mimi,
        frames: usize,
        layout: &mut Layout,
    ) -> std::result::Result<Self, Failure> {
        let net = &shape.decoder;
        let between = &shape.decoder_transformer;
        let at = |n: usize| format!("mimi.decoder.model.{n}");
        let vectors = shape.upsampling();
        let projection = weights.get(
            "mimi.quantizer.output_proj.weight",
            &[shape.latent_projected, shape.latent, 1],
        )?;
        let upsample = match vectors {
            1 => None,
            stride => Some(Transposed::depthwise(
                place,
                weights,
                "mimi.upsample.convtr.convtr",
                net.dimension,
                stride,
                layout,
            )?),
        };
        let Some(context) = between.transformer.context else {
            return Err(failed("the decoder's transformer has no `context`"));
        };
        let name = "mimi.decoder_transformer";
        let width = between.transformer.d_model;
        let linear = |what: &str, from: usize, to: usize| match from == to {
            true => Ok(None),
            false => {
                Linear::load(place, weights, &format!("{name}.{what}"), (from, to), false).map(Some)
            }
        };
        let transformer = Transformer::load(
            place,
            weights,
            &format!("{name}.transformer"),
            &between.transformer,
            frames * vectors,
        )?;

        let mut rows = vectors;
        let conv = |name: String,
                    (inputs, outputs): (usize, usize),
                    (kernel, dilation): (usize, usize),
                    rows: usize,
                    layout: &mut Layout| {
            let shape = Shape {
                inputs,
                outputs,
                kernel,
                dilation,
                replicate: net.replicate,
            };
            Conv::load(place, weights, &format!("{name}.conv"), shape, rows, layout)
        };
        let mut width_now = net.n_filters << net.ratios.len();
        let first = conv(
            at(0),
            (net.dimension, width_now),
            (net.kernel_size, 1),
            rows,
            layout,
        )?;
        let mut stages = Vec::new();
        let mut number = 2;
        for ratio in &net.ratios {
            let transposed = Transposed::load(
                place,
                weights,
                &format!("{}.convtr", at(number)),
                (width_now, width_now / 2),
                *ratio,
                layout,
            )?;
            width_now /= 2;
            rows *= ratio;
            let mut residuals = Vec::new();
            for depth in 0..net.n_residual_layers {
                let at = |conv: usize| format!("{}.block.{conv}", at(number + 1 + depth));
                let (hidden, kernel, dilation) = residual_shape(net, width_now, depth);
                residuals.push(Residual {
                    first: conv(at(1), (width_now, hidden), (kernel, dilation), rows, layout)?,
                    second: conv(at(3), (hidden, width_now), (1, 1), rows, layout)?,
                });
            }
            number += net.n_residual_layers + 2;
            stages.push((transposed, residuals));
        }
        let ends = (net.n_filters, net.channels);
        let last = conv(at(number), ends, (net.last_kernel_size, 1), rows, layout)?;
        let latent = &[shape.latent];
        Ok(Self {
            mean: place.exact(weights.get("flow_lm.emb_mean", latent)?, latent)?,
            deviation: place.exact(weights.get("flow_lm.emb_std", latent)?, latent)?,
            projection: Linear::new(place, projection, shape.latent, None)?,
            upsample,
            input: linear("input_proj", between.input, width)?,
            transformer,
            output: linear("output_projs.0", width, between.output)?,
            ring: Ring::new(place, vectors, context)?,
            first,
            stages,
            last,
            precision: place.precision,
        })
    }

    /// Memory for so many slots.
    pub fn memory(&self, place: &Place, slots: usize) -> Result<Memory> {
        let shape = (self.transformer.depth(), slots, self.ring.places);
        Memory::new(place, shape, self.transformer.heads)
    }

    /// Numbers that a slot's memory takes.
    pub fn memory_count(&self) -> usize {
        let heads = self.transformer.heads;
        2 * self.transformer.depth() * heads.shared * heads.width * self.ring.places
    }

    /// `[rows, samples]` of `[rows, latent]`, all of 32-bit numbers.
    pub fn apply(
        &self,
        latents: &Tensor,
        batch: &Batch,
        memory: &Memory,
        carried: &mut Carried<'_>,
    ) -> Result<Tensor> {
        let latents = latents
            .broadcast_mul(&self.deviation)?
            .broadcast_add(&self.mean)?;
        let latents = latents.to_dtype(self.precision)?.unsqueeze(1)?;
        let mut x = self.projection.apply(&latents)?;
        if let Some(upsample) = &self.upsample {
            x = upsample.apply(&x, carried)?;
        }
        let vectors = self.ring.vectors;
        let heads = self.transformer.heads;
        let write = batch.ring.reshape((batch.window, 1, vectors, 1))?;
        let pass = Pass::Batch {
            batch,
            angles: self.transformer.angles_at(&batch.frames, vectors)?,
            mask: self
                .ring
                .masks
                .index_select(&batch.phases, 0)?
                .unsqueeze(1)?,
            write: write
                .broadcast_as((batch.window, heads.shared, vectors, heads.width))?
                .contiguous()?,
        };
        if let Some(input) = &self.input {
            x = input.apply(&x)?;
        }
        x = self.transformer.apply(&x, memory, &pass)?;
        if let Some(output) = &self.output {
            x = output.apply(&x)?;
        }
        x = self.first.apply(&x, false, carried)?;
        for (transposed, residuals) in &self.stages {
            x = transposed.apply(&x.elu(1.0)?, carried)?;
            for residual in residuals {
                let hidden = residual.first.apply(&x, true, carried)?;
                x = (&x + residual.second.apply(&hidden, true, carried)?)?;
            }
        }
        let sound = self.last.apply(&x, true, carried)?;
        sound.flatten_from(1)?.to_dtype(DType::F32)
    }
}

/// Hidden channels, kernel and dilation of a residual block's first convolution.
fn residual_shape(net: &SeaNet, width: usize, depth: usize) -> (usize, usize, usize) {
    (
        width / net.compress,
        net.residual_kernel_size,
        net.dilation_base.pow(depth as u32),
    )
}

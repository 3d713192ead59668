// SPDX-License-Identifier: MPL-2.0

//! The codec: latents to sound, and sound to latents.

use super::config::{Mimi, Projected, SeaNet};
use crate::{
    layers::{
        Conv, ConvShape, ConvState, ConvTranspose, Linear, Memory, Pad, Precision, Transformer,
        Upsample,
    },
    weights::{LoadError, Weights},
};

/// A transformer with projections where widths differ.
#[derive(Debug)]
struct Between {
    input: Option<Linear>,
    transformer: Transformer,
    output: Option<Linear>,
}

impl Between {
    fn load(
        weights: &Weights,
        name: &str,
        shape: &Projected,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let width = shape.transformer.d_model;
        let linear = |what: &str, from: usize, to: usize| match from == to {
            true => Ok(None),
            false => {
                let name = format!("{name}.{what}");
                Linear::load(weights, &name, (from, to), false, precision).map(Some)
            }
        };
        Ok(Self {
            input: linear("input_proj", shape.input, width)?,
            transformer: Transformer::load(
                weights,
                &format!("{name}.transformer"),
                &shape.transformer,
                precision,
            )?,
            output: linear("output_projs.0", width, shape.output)?,
        })
    }

    fn apply(&self, rows: Vec<f32>, memories: &mut [&mut Memory]) -> Vec<f32> {
        let mut rows = match &self.input {
            Some(input) => input.apply(&rows),
            None => rows,
        };
        self.transformer.apply(&mut rows, memories);
        match &self.output {
            Some(output) => output.apply(&rows),
            None => rows,
        }
    }
}

/// x + f(x), where f is two convolutions with an ELU in front of each.
#[derive(Debug)]
struct Residual {
    first: Conv,
    second: Conv,
}

impl Residual {
    fn load(
        weights: &Weights,
        name: &str,
        width: usize,
        shape: &SeaNet,
        depth: usize,
    ) -> Result<Self, LoadError> {
        let hidden = width / shape.compress;
        let conv = |place: usize, inputs, outputs, kernel, dilation| {
            Conv::load(
                weights,
                &format!("{name}.block.{place}.conv"),
                ConvShape {
                    inputs,
                    outputs,
                    kernel,
                    stride: 1,
                    dilation,
                    pad: pad(shape),
                    bias: true,
                },
                Precision::F32,
            )
        };
        let dilation = shape.dilation_base.pow(depth as u32);
        Ok(Self {
            first: conv(1, width, hidden, shape.residual_kernel_size, dilation)?,
            second: conv(3, hidden, width, 1, 1)?,
        })
    }

    fn apply(&self, rows: &mut [f32], states: &mut [ConvState]) {
        let [first, second] = states else {
            unreachable!("a residual block has two convolutions")
        };
        let hidden = self.first.apply(rows, true, first);
        let update = self.second.apply(&hidden, true, second);
        for (x, update) in rows.iter_mut().zip(update) {
            *x += update;
        }
    }
}

fn pad(shape: &SeaNet) -> Pad {
    match shape.replicate {
        true => Pad::First,
        false => Pad::Zeros,
    }
}

/// A convolution at an end of a side.
fn at_an_end(
    weights: &Weights,
    name: &str,
    shape: &SeaNet,
    (inputs, outputs): (usize, usize),
    (kernel, stride): (usize, usize),
) -> Result<Conv, LoadError> {
    Conv::load(
        weights,
        &format!("{name}.conv"),
        ConvShape {
            inputs,
            outputs,
            kernel,
            stride,
            dilation: 1,
            pad: pad(shape),
            bias: true,
        },
        Precision::F32,
    )
}

/// What a slot of the decoder remembers.
#[derive(Debug, Default)]
pub struct DecoderState {
    upsample: ConvState,
    memory: Memory,
    convs: Vec<ConvState>,
}

impl DecoderState {
    /// Forgets.
    pub fn reset(&mut self) {
        self.upsample.reset();
        self.memory.reset(None);
        self.convs.iter_mut().for_each(ConvState::reset);
    }
}

/// Latents to sound.
#[derive(Debug)]
pub struct Decoder {
    mean: Vec<f32>,
    deviation: Vec<f32>,
    projection: Linear,
    upsample: Option<Upsample>,
    between: Between,
    first: Conv,
    stages: Vec<(ConvTranspose, Vec<Residual>)>,
    last: Conv,
    states: usize,
}

impl Decoder {
    /// Reads what decodes below `mimi`.
    pub fn load(weights: &Weights, shape: &Mimi, precision: Precision) -> Result<Self, LoadError> {
        let net = &shape.decoder;
        let at = |n: usize| format!("mimi.decoder.model.{n}");
        let projection = weights.get(
            "mimi.quantizer.output_proj.weight",
            &[shape.latent_projected, shape.latent, 1],
        )?;
        let upsample = match shape.upsampling() {
            1 => None,
            stride => Some(Upsample::load(
                weights,
                "mimi.upsample.convtr.convtr",
                net.dimension,
                stride,
            )?),
        };
        let mut width = net.n_filters << net.ratios.len();
        let first = at_an_end(
            weights,
            &at(0),
            net,
            (net.dimension, width),
            (net.kernel_size, 1),
        )?;
        let mut stages = Vec::new();
        let mut place = 2;
        let mut states = 2;
        for ratio in &net.ratios {
            let transpose = ConvTranspose::load(
                weights,
                &format!("{}.convtr", at(place)),
                (width, width / 2),
                (2 * ratio, *ratio),
                Precision::F32,
            )?;
            width /= 2;
            let residuals = (0..net.n_residual_layers)
                .map(|depth| Residual::load(weights, &at(place + 1 + depth), width, net, depth))
                .collect::<Result<Vec<_>, LoadError>>()?;
            place += net.n_residual_layers + 2;
            states += 1 + 2 * residuals.len();
            stages.push((transpose, residuals));
        }
        let last = at_an_end(
            weights,
            &at(place),
            net,
            (net.n_filters, net.channels),
            (net.last_kernel_size, 1),
        )?;
        Ok(Self {
            mean: weights.get("flow_lm.emb_mean", &[shape.latent])?,
            deviation: weights.get("flow_lm.emb_std", &[shape.latent])?,
            projection: Linear::new(projection, shape.latent, None, Precision::F32),
            upsample,
            between: Between::load(
                weights,
                "mimi.decoder_transformer",
                &shape.decoder_transformer,
                precision,
            )?,
            first,
            stages,
            last,
            states,
        })
    }

    /// The sound of latents, equally many for each state, one state's behind the other's.
    pub fn apply(&self, latents: &[f32], states: &mut [&mut DecoderState], sound: &mut Vec<f32>) {
        if states.is_empty() {
            return;
        }
        let width = self.mean.len();
        let mut rows = latents.to_vec();
        for row in rows.chunks_exact_mut(width) {
            for ((x, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *x = *x * deviation + mean;
            }
        }
        let mut rows = self.projection.apply(&rows);
        if let Some(upsample) = &self.upsample {
            let each = rows.len() / states.len();
            rows = rows
                .chunks_exact(each)
                .zip(states.iter_mut())
                .flat_map(|(rows, state)| upsample.apply(rows, &mut state.upsample))
                .collect();
        }
        let mut memories: Vec<&mut Memory> =
            states.iter_mut().map(|state| &mut state.memory).collect();
        let rows = self.between.apply(rows, &mut memories);
        let each = rows.len() / states.len();
        for (rows, state) in rows.chunks_exact(each).zip(states) {
            state.convs.resize_with(self.states, ConvState::default);
            let mut convs = state.convs.as_mut_slice();
            let mut next = |count: usize| {
                let (these, rest) = std::mem::take(&mut convs).split_at_mut(count);
                convs = rest;
                these
            };
            let mut rows = self.first.apply(rows, false, &mut next(1)[0]);
            for (transpose, residuals) in &self.stages {
                rows = transpose.apply(&mut rows, &mut next(1)[0]);
                for residual in residuals {
                    residual.apply(&mut rows, next(2));
                }
            }
            sound.extend(self.last.apply(&rows, true, &mut next(1)[0]));
        }
    }
}

/// Sound to latents: what a voice is cloned with.
#[derive(Debug)]
pub struct Encoder {
    frame: usize,
    first: Conv,
    stages: Vec<(Vec<Residual>, Conv)>,
    last: Conv,
    between: Between,
    downsample: Option<Conv>,
    speaker: Linear,
    states: usize,
}

impl Encoder {
    /// Whether a file has what it takes: files without voice cloning do not.
    pub fn is_in(weights: &Weights) -> bool {
        weights.has("mimi.encoder.model.0.conv.weight")
            && weights.has("flow_lm.speaker_proj_weight")
    }

    /// Reads what encodes below `mimi`, and what makes a voice of it, `model` wide.
    pub fn load(weights: &Weights, shape: &Mimi, model: usize) -> Result<Self, LoadError> {
        let net = &shape.encoder;
        let at = |n: usize| format!("mimi.encoder.model.{n}");
        let mut width = net.n_filters;
        let first = at_an_end(
            weights,
            &at(0),
            net,
            (net.channels, width),
            (net.kernel_size, 1),
        )?;
        let mut place = 1;
        let mut states = 3;
        let mut stages = Vec::new();
        for ratio in net.ratios.iter().rev() {
            let residuals = (0..net.n_residual_layers)
                .map(|depth| Residual::load(weights, &at(place + depth), width, net, depth))
                .collect::<Result<Vec<_>, LoadError>>()?;
            place += net.n_residual_layers + 1;
            let down = at_an_end(
                weights,
                &at(place),
                net,
                (width, 2 * width),
                (2 * ratio, *ratio),
            )?;
            width *= 2;
            place += 1;
            states += 1 + 2 * residuals.len();
            stages.push((residuals, down));
        }
        let last = at_an_end(
            weights,
            &at(place + 1),
            net,
            (width, net.dimension),
            (net.last_kernel_size, 1),
        )?;
        let narrow = shape.inner_dim.unwrap_or(net.dimension);
        let frame = shape.frame_samples();
        let downsample = match frame / net.hop() {
            1 => None,
            stride => Some(Conv::load(
                weights,
                "mimi.downsample.conv.conv",
                ConvShape {
                    inputs: net.dimension,
                    outputs: narrow,
                    kernel: 2 * stride,
                    stride,
                    dilation: 1,
                    pad: Pad::First,
                    bias: false,
                },
                Precision::F32,
            )?),
        };
        let speaker = weights.get("flow_lm.speaker_proj_weight", &[model, narrow])?;
        Ok(Self {
            frame,
            first,
            stages,
            last,
            between: Between::load(
                weights,
                "mimi.encoder_transformer",
                &shape.encoder_transformer,
                Precision::F32,
            )?,
            downsample,
            speaker: Linear::new(speaker, narrow, None, Precision::F32),
            states,
        })
    }

    /// The vectors that stand for a recording, one for each frame; zeros fill up the last. A frame at a time, which gives the same as all
    /// at once and needs a hundredth of the memory.
    pub fn apply(&self, samples: &[f32]) -> Vec<f32> {
        let mut convs = vec![ConvState::default(); self.states];
        let mut memory = Memory::default();
        let mut vectors = Vec::new();
        for frame in samples.chunks(self.frame) {
            let mut rows = frame.to_vec();
            rows.resize(self.frame, 0.0);
            let mut convs = convs.as_mut_slice();
            let mut next = |count: usize| {
                let (these, rest) = std::mem::take(&mut convs).split_at_mut(count);
                convs = rest;
                these
            };
            let mut rows = self.first.apply(&rows, false, &mut next(1)[0]);
            for (residuals, down) in &self.stages {
                for residual in residuals {
                    residual.apply(&mut rows, next(2));
                }
                rows = down.apply(&rows, true, &mut next(1)[0]);
            }
            let rows = self.last.apply(&rows, true, &mut next(1)[0]);
            let rows = self.between.apply(rows, &mut [&mut memory]);
            let rows = match &self.downsample {
                Some(downsample) => downsample.apply(&rows, false, &mut next(1)[0]),
                None => rows,
            };
            vectors.extend(self.speaker.apply(&rows));
        }
        vectors
    }
}

// SPDX-License-Identifier: MPL-2.0

//! Cepstra and excitation to sound. All transforms are products with matrices that are made once: there are no fast ones here, and
//! with 1,024 points those cost as much as the body does.

use candle_core::{D, Result, Tensor};
use duplex_neural::compact::{
    HOP,
    shape::{LOUDEST, NOISE, POINTS, VOICED, WINDOW},
};

use crate::{
    carry::{Carried, Layout, Stretch},
    layers::Place,
};

/// Numbers of a spectrum; its real parts come first, then the imaginary ones.
const BINS: usize = POINTS / 2 + 1;
/// Samples by which a hop's window and its sound begin before it.
const SIDE: usize = (WINDOW - HOP) / 2;
/// Hops from the one before a hop to the last that its sound reaches.
const REACHED: usize = (HOP - SIDE + POINTS).div_ceil(HOP);
/// Of those the hops whose sound is not over when it comes out.
const RINGING: usize = REACHED - 1;

/// The filters, and what slots carry over.
#[derive(Debug)]
pub struct Filters {
    /// `[VOICED, 2 · BINS]` and `[NOISE, 2 · BINS]`.
    voiced: Tensor,
    noise: Tensor,
    /// `[WINDOW, 2 · BINS]`, with the window in it.
    forward: Tensor,
    /// `[2 · BINS, REACHED · HOP]`, from the hop before on.
    back: Tensor,
    /// Two hops of pulses and two of noise.
    excitation: Stretch,
    ringing: Stretch,
}

/// Cosines, and sines with a sign, of all bins for `rows` points; `scale` is of a point.
fn transform(rows: usize, scale: impl Fn(usize) -> f64) -> Vec<f32> {
    let mut matrix = Vec::with_capacity(rows * 2 * BINS);
    for point in 0..rows {
        let scale = scale(point);
        let turn =
            |bin: usize| std::f64::consts::TAU * (point * bin % POINTS) as f64 / POINTS as f64;
        matrix.extend((0..BINS).map(|bin| (scale * turn(bin).cos()) as f32));
        matrix.extend((0..BINS).map(|bin| (-scale * turn(bin).sin()) as f32));
    }
    matrix
}

/// From spectra to points, which stand where they fall in the hops that are reached.
fn back() -> Vec<f32> {
    let to = REACHED * HOP;
    let mut matrix = vec![0.0; 2 * BINS * to];
    for bin in 0..BINS {
        // All others stand for two: the negative frequencies' are the same.
        let weight = if bin == 0 || bin == POINTS / 2 {
            1.0
        } else {
            2.0
        } / POINTS as f64;
        for point in 0..POINTS {
            let turn = std::f64::consts::TAU * (point * bin % POINTS) as f64 / POINTS as f64;
            let at = HOP - SIDE + point;
            matrix[bin * to + at] = (weight * turn.cos()) as f32;
            matrix[(BINS + bin) * to + at] = (-weight * turn.sin()) as f32;
        }
    }
    matrix
}

/// Rows of the last dimension times a matrix.
fn product(x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    let (inputs, outputs) = matrix.dims2()?;
    let mut shape = x.dims().to_vec();
    let rows = x.elem_count() / inputs;
    let y = x.reshape((rows, inputs))?.matmul(matrix)?;
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    y.reshape(shape)
}

/// Real and imaginary parts.
fn parts(spectra: &Tensor) -> Result<(Tensor, Tensor)> {
    Ok((
        spectra.narrow(D::Minus1, 0, BINS)?.contiguous()?,
        spectra.narrow(D::Minus1, BINS, BINS)?.contiguous()?,
    ))
}

/// exp of the spectra of cepstra, whose real parts count for [`LOUDEST`] at most.
fn responses(cepstra: &Tensor, matrix: &Tensor) -> Result<(Tensor, Tensor)> {
    let (real, imaginary) = parts(&product(cepstra, matrix)?)?;
    let size = real.minimum(f64::from(LOUDEST))?.exp()?;
    Ok(((&size * imaginary.cos()?)?, (size * imaginary.sin()?)?))
}

/// The product of complex numbers.
fn times((a, b): &(Tensor, Tensor), (c, d): &(Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
    Ok((((a * c)? - (b * d)?)?, ((a * d)? + (b * c)?)?))
}

impl Filters {
    /// Hops by which sound comes later than cepstra: a hop is whole when the next has been filtered.
    pub const LATE: usize = 1;
    /// Hops by which pulses and noise come sooner than cepstra: a window reaches into the next hop.
    pub const SOONER: usize = 1;

    /// Makes the matrices.
    pub fn new(place: &Place, layout: &mut Layout) -> Result<Self> {
        let hann = |n: usize| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / WINDOW as f64).cos();
        let forward = |rows: usize, scale: &dyn Fn(usize) -> f64| {
            place.exact(transform(rows, scale), &[rows, 2 * BINS])
        };
        Ok(Self {
            voiced: forward(VOICED, &|_| 1.0)?,
            noise: forward(NOISE, &|_| 1.0)?,
            forward: forward(WINDOW, &hann)?,
            back: place.exact(back(), &[2 * BINS, REACHED * HOP])?,
            excitation: layout.stretch(2 * 2 * HOP),
            ringing: layout.stretch(RINGING * HOP),
        })
    }

    /// Numbers of its matrices.
    pub fn count(&self) -> usize {
        let all = [&self.voiced, &self.noise, &self.forward, &self.back];
        all.iter().map(|matrix| matrix.elem_count()).sum()
    }

    /// The sound `[batch, hops · HOP]` of cepstra `[batch, hops, VOICED + NOISE]`, of those hops that come
    /// [`Filters::LATE`]. `excitation` is `[batch, 2, hops · HOP]`, pulses and noise, of the hops [`Filters::SOONER`] than the
    /// cepstra; `inside`, `[batch, hops, 1]`, is 0 for cepstra of hops that are none of the clause.
    pub fn apply(
        &self,
        cepstra: &Tensor,
        excitation: &Tensor,
        inside: &Tensor,
        carried: &mut Carried<'_>,
    ) -> Result<Tensor> {
        let (count, hops, _) = cepstra.dims3()?;
        let before = carried.old(self.excitation)?.reshape((count, 2, 2 * HOP))?;
        let all = Tensor::cat(&[&before, excitation], 2)?;
        let kept = all.narrow(2, hops * HOP, 2 * HOP)?.contiguous()?;
        carried.give(
            self.excitation,
            kept.reshape((count, self.excitation.width))?,
        )?;
        // A window begins half a hop before its own, and is two pieces of a hop's length.
        let pieces = all.narrow(2, HOP - SIDE, (hops + 1) * HOP)?.contiguous()?;
        let pieces = pieces.reshape((count, 2, hops + 1, HOP))?;
        let windows = Tensor::cat(&[pieces.narrow(2, 0, hops)?, pieces.narrow(2, 1, hops)?], 3)?;
        let windows = windows.broadcast_mul(&inside.unsqueeze(1)?)?;
        let spectra = product(&windows, &self.forward)?;
        let of = |which: usize| parts(&spectra.narrow(1, which, 1)?.squeeze(1)?);
        let split = |from: usize, width: usize| cepstra.narrow(2, from, width)?.contiguous();
        let voiced = times(&of(0)?, &responses(&split(0, VOICED)?, &self.voiced)?)?;
        let noise = times(&of(1)?, &responses(&split(VOICED, NOISE)?, &self.noise)?)?;
        let sum = Tensor::cat(&[(voiced.0 + noise.0)?, (voiced.1 + noise.1)?], 2)?;

        let made = product(&sum, &self.back)?.reshape((count, hops, REACHED, HOP))?;
        let ringing = carried.old(self.ringing)?.reshape((count, RINGING, HOP))?;
        let mut sound = ringing.pad_with_zeros(1, 0, hops)?;
        for hop in 0..REACHED {
            let part = made.narrow(2, hop, 1)?.squeeze(2)?;
            sound = (sound + part.pad_with_zeros(1, hop, RINGING - hop)?)?;
        }
        let ringing = sound.narrow(1, hops, RINGING)?.contiguous()?;
        carried.give(self.ringing, ringing.reshape((count, self.ringing.width))?)?;
        sound
            .narrow(1, 0, hops)?
            .contiguous()?
            .reshape((count, hops * HOP))
    }
}

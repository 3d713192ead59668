// SPDX-License-Identifier: MPL-2.0

//! Attention of one query to what is remembered, and the rotation that tells it where it stands.

use multiversion::multiversion;

use super::{activation::exp_sum, product::dot_here};

/// Keys and values of consecutive positions, `width` numbers each.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// All heads of a position, then the next position.
    pub keys: &'a [f32],
    /// As the keys.
    pub values: &'a [f32],
}

/// How many heads there are, and how wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Of queries.
    pub queries: usize,
    /// Of keys and values; each is shared by `queries / shared` queries.
    pub shared: usize,
    /// Numbers of a head.
    pub width: usize,
}

/// What a query finds in up to two stretches of memory. `scores` is scratch.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma",
    "x86_64+avx2+fma"
))]
pub fn attend(
    query: &[f32],
    memories: &[Memory<'_>],
    heads: Heads,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let row = heads.shared * heads.width;
    let scale = 1.0 / (heads.width as f32).sqrt();
    let group = heads.queries / heads.shared;
    for head in 0..heads.queries {
        let query = &query[head * heads.width..(head + 1) * heads.width];
        let at = head / group * heads.width;
        scores.clear();
        let mut peak = f32::NEG_INFINITY;
        for memory in memories {
            for key in memory.keys.chunks_exact(row) {
                let score = dot_here(query, &key[at..at + heads.width]) * scale;
                peak = peak.max(score);
                scores.push(score);
            }
        }
        let sum = exp_sum(scores, peak);
        let out = &mut out[head * heads.width..(head + 1) * heads.width];
        out.fill(0.0);
        let mut scores = scores.iter();
        for memory in memories {
            for value in memory.values.chunks_exact(row) {
                let Some(share) = scores.next() else { break };
                for (out, value) in out.iter_mut().zip(&value[at..at + heads.width]) {
                    *out += share * value;
                }
            }
        }
        for out in out {
            *out /= sum;
        }
    }
}

/// The frequencies of the rotation of a head of this width.
pub fn frequencies(width: usize, period: f32) -> Vec<f32> {
    (0..width / 2)
        .map(|n| (n as f32 * (-period.ln() * 2.0 / width as f32)).exp())
        .collect()
}

/// Rotates the pairs of each head of a row by the angles of its position.
pub fn rotate(row: &mut [f32], turns: &[(f32, f32)]) {
    for head in row.chunks_exact_mut(turns.len() * 2) {
        for (pair, (sin, cos)) in head.chunks_exact_mut(2).zip(turns) {
            let (re, im) = (pair[0], pair[1]);
            pair[0] = re * cos - im * sin;
            pair[1] = re * sin + im * cos;
        }
    }
}

/// Sines and cosines at a position.
pub fn turns(frequencies: &[f32], position: usize, out: &mut Vec<(f32, f32)>) {
    out.clear();
    out.extend(frequencies.iter().map(|f| (f * position as f32).sin_cos()));
}

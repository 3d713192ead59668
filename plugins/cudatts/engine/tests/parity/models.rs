// SPDX-License-Identifier: MPL-2.0

//! The models that are compared with the reference: their weights, which follow from names, and where they are.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// Numbers from −1 to 1 that follow from a name: those of reference.py.
pub fn uniform(name: &str, count: usize) -> Vec<f32> {
    let digest = Sha256::digest(name.as_bytes());
    let seed = u64::from_le_bytes(digest[..8].try_into().unwrap());
    (0..count as u64)
        .map(|n| {
            let mut z = n
                .wrapping_mul(0x2545_F491_4F6C_DD1D)
                .wrapping_add(seed)
                .wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            ((z >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
        })
        .collect()
}

/// As `weight_of` of reference.py.
pub fn weight_of(name: &str, shape: &[usize]) -> Vec<f32> {
    let mut values = uniform(name, shape.iter().product());
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&["freqs"]) {
        let count = shape[0] as f64;
        let frequency = |n: usize| (-(10_000_f64.ln()) * n as f64 / count).exp() as f32;
        return (0..shape[0]).map(frequency).collect();
    }
    let (scale, offset) = if ends(&[".scale"]) {
        (0.1, 0.3)
    } else if ends(&[
        "norm1.weight",
        "norm2.weight",
        "out_norm.weight",
        "in_ln.weight",
        "alpha",
        "emb_std",
    ]) {
        (0.1, 1.0)
    } else if ends(&[".bias", "emb_mean"]) {
        (0.05, 0.0)
    } else if shape.len() >= 2 && !name.contains("embed.weight") && !name.contains("bos") {
        let inputs = if name.contains(".convtr.") && shape[1] > 1 {
            shape[0] * 2
        } else if name.contains(".convtr.") {
            2
        } else {
            shape[1..].iter().product()
        };
        let calm = if ends(&[
            "cond_embed.weight",
            "modulation.1.weight",
            "final_layer.linear.weight",
        ]) {
            0.2
        } else if shape.len() == 3 && shape[0] == 1 {
            0.25
        } else {
            1.0
        };
        ((calm * (3.0 / inputs as f64).sqrt()) as f32, 0.0)
    } else {
        (1.0, 0.0)
    };
    for x in &mut values {
        *x = *x * scale + offset;
    }
    values
}

/// Writes a file of weights of these names and shapes.
pub fn make_weights(shapes: &serde_json::Value, path: &Path) {
    let shapes: Vec<(String, Vec<usize>)> = shapes
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, shape)| (name.clone(), serde_json::from_value(shape.clone()).unwrap()))
        .collect();
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for (name, shape) in &shapes {
        let bytes = shape.iter().product::<usize>() * 4;
        header.insert(
            name.clone(),
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [at, at + bytes]}),
        );
        at += bytes;
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(&header).unwrap();
    for (name, shape) in &shapes {
        for x in weight_of(name, shape) {
            file.write_all(&x.to_le_bytes()).unwrap();
        }
    }
}

/// The folders of all models: the small ones', and the one that `DUPLEX_PARITY` names.
pub fn cases(small: &Path) -> Vec<PathBuf> {
    let more = std::env::var_os("DUPLEX_PARITY").map(PathBuf::from);
    let small = std::fs::read_dir(small).unwrap();
    let mut found: Vec<PathBuf> = small
        .map(|entry| entry.unwrap().path())
        .chain(more)
        .collect();
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

/// The largest difference.
pub fn furthest(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let distances = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    // A number that is none is as far as can be.
    distances.fold(0.0, |most, x| {
        if x.is_nan() {
            f32::INFINITY
        } else {
            most.max(x)
        }
    })
}

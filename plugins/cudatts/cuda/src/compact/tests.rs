// SPDX-License-Identifier: MPL-2.0

//! Each step against PyTorch, on the vectors beside the voice's weights.

use std::path::{Path, PathBuf};

use super::*;
use duplex_neural::compact::shape::{NOISE, VOICED};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compact/voice")
}

fn vector(name: &str) -> Vec<f32> {
    let vectors = Weights::open(&folder().join("vectors.safetensors")).unwrap();
    let shape = vectors.shape(name).unwrap().to_vec();
    vectors.get(name, &shape).unwrap()
}

/// Of numbers about 1.
#[track_caller]
fn assert_close(found: &[f32], right: &[f32]) {
    assert_eq!(found.len(), right.len());
    let largest = right
        .iter()
        .fold(1.0_f32, |largest, x| largest.max(x.abs()));
    let pairs = found.iter().zip(right);
    let worst = pairs.fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    println!("{worst:e} of {largest}");
    assert!(worst <= 1e-4 * largest, "{worst:e}");
}

fn cpu() -> Place {
    Place {
        device: candle_core::Device::Cpu,
        precision: DType::F32,
    }
}

#[test]
fn cepstra_are_those_of_pytorch() {
    let place = cpu();
    let weights = Weights::open(&folder().join("model.safetensors")).unwrap();
    let mut layout = Layout::default();
    let body = Body::load(&place, &weights, &mut layout).unwrap();
    assert_eq!(body.late().last(), Some(Body::LATE));
    assert_eq!(Body::LATE, 27);
    let mut carry = Carry::new(&place, 1, vec![0.0; layout.width]).unwrap();

    let mut inputs = vector("clause.inputs");
    let clause = inputs.len() / CHANNELS;
    let hops = clause + Body::LATE;
    inputs.resize(hops * CHANNELS, 0.0);
    let at = At {
        hops: clause,
        given: 0,
    };
    let late: Vec<usize> = body.late().collect();
    let inside = late
        .iter()
        .flat_map(|late| (0..hops).map(|hop| f32::from(at.is_inside(hop, *late))))
        .collect();
    let inside = place.exact(inside, &[late.len(), 1, hops, 1]).unwrap();
    let inputs = place.exact(inputs, &[1, hops, CHANNELS]).unwrap();
    let batch = Batch::of(&place, &[0]).unwrap();
    let mut carried = carry.take(&batch).unwrap();
    let cepstra = body.apply(&inputs, &inside, &mut carried).unwrap();
    carry.keep(carried).unwrap();
    let cepstra = cepstra.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_close(
        &cepstra[Body::LATE * (VOICED + NOISE)..],
        &vector("clause.cepstra"),
    );
}

#[test]
fn filters_do_what_pytorch_does() {
    let place = cpu();
    let mut layout = Layout::default();
    let filters = Filters::new(&place, &mut layout).unwrap();
    let carry = Carry::new(&place, 1, vec![0.0; layout.width]).unwrap();

    // The hop before the clause is given its excitation, and the last is whole with the one behind.
    let mut cepstra = vec![0.0; VOICED + NOISE];
    cepstra.extend(vector("clause.cepstra"));
    cepstra.extend([0.5; VOICED + NOISE]);
    let hops = cepstra.len() / (VOICED + NOISE);
    let mut excitation = Vec::new();
    for name in ["clause.pulses", "clause.noise"] {
        excitation.extend(vector(name));
        excitation.extend([0.0; 2 * HOP]);
    }
    let mut inside = vec![1.0; hops];
    inside[0] = 0.0;
    inside[hops - 1] = 0.0;
    let cepstra = place.exact(cepstra, &[1, hops, VOICED + NOISE]).unwrap();
    let excitation = place.exact(excitation, &[1, 2, hops * HOP]).unwrap();
    let inside = place.exact(inside, &[1, hops, 1]).unwrap();
    let batch = Batch::of(&place, &[0]).unwrap();
    let mut carried = carry.take(&batch).unwrap();
    let sound = filters
        .apply(&cepstra, &excitation, &inside, &mut carried)
        .unwrap();
    let sound = sound.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_close(&sound[2 * HOP..], &vector("clause.samples"));
}

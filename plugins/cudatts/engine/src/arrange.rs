// SPDX-License-Identifier: MPL-2.0

//! Weights of convolutions as matrices: whoever computes them by products needs them so, on whichever device.

/// Of a convolution: `[outputs, inputs, kernel]`, whose rows become windows of `kernel` rows of `inputs` numbers.
pub fn windows(given: &[f32], (outputs, inputs, kernel): (usize, usize, usize)) -> Vec<f32> {
    let mut rows = vec![0.0; given.len()];
    for o in 0..outputs {
        for i in 0..inputs {
            for k in 0..kernel {
                rows[(o * kernel + k) * inputs + i] = given[(o * inputs + i) * kernel + k];
            }
        }
    }
    rows
}

/// Of a transposed convolution: `[inputs, outputs, kernel]`, which becomes `[kernel · outputs, inputs]`.
pub fn spread(given: &[f32], (inputs, outputs, kernel): (usize, usize, usize)) -> Vec<f32> {
    let mut rows = vec![0.0; given.len()];
    for i in 0..inputs {
        for o in 0..outputs {
            for k in 0..kernel {
                rows[(k * outputs + o) * inputs + i] = given[(i * outputs + o) * kernel + k];
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_where_products_want_them() {
        let given: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let expected = [0., 3., 1., 4., 2., 5., 6., 9., 7., 10., 8., 11.];
        assert_eq!(windows(&given, (2, 2, 3)), expected);
        let expected = [0., 6., 3., 9., 1., 7., 4., 10., 2., 8., 5., 11.];
        assert_eq!(spread(&given, (2, 2, 3)), expected);
    }
}

//! Inputs of the cases: seeded, on the host.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Result, Tensor};

/// Numbers in -1 .. 1; `stream` tells the inputs of one case apart.
pub(super) fn uniform(case: &Case, stream: u64, elements: usize) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    random.set_stream(stream);
    (0..elements).map(|_| random.random_range(-1.0..1.0)).collect()
}

/// A tensor of such numbers: usual, or as the view that the case's data names.
pub(super) fn tensor(case: &Case, stream: u64, dims: &[usize]) -> Result<Tensor> {
    view(case, &uniform(case, stream, dims.iter().product()), case.dtype, dims)
}

/// These numbers, given row-major, under strides of the case's choice.
fn view(case: &Case, values: &[f64], dtype: DType, dims: &[usize]) -> Result<Tensor> {
    match (case.data, dims) {
        ("transposed", &[ref batch @ .., m, n]) => {
            Tensor::from_f64(values, dtype, [batch, &[n, m]].concat())?.transpose()
        }
        ("offset", _) => {
            let shifted: Vec<f64> = [0.0].iter().chain(values).copied().collect();
            Tensor::from_f64(&shifted, dtype, [values.len() + 1])?
                .slice(0, 1..values.len() + 1)?
                .reshape(dims)
        }
        _ => Tensor::from_f64(values, dtype, dims),
    }
}

//! What the family's cases share: inputs, tolerances, and arguments by name.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Args, Case, DType, Expected, Result, Tensor};

use super::truth::Row;

/// Numbers in -1 .. 1 times `factor`; `part` tells the tensors of one case apart.
///
/// Queries come with a factor: without one all weights would be nearly equal. `peaked` makes a few keys decide, so that the largest score changes on the
/// way.
pub(super) fn uniform(case: &Case, part: u64, elements: usize, factor: f64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    random.set_stream(part);
    let factor = if case.data == "peaked" { 8.0 * factor } else { factor };
    (0..elements).map(|_| factor * f64::from(random.random_range(-1.0f32..1.0))).collect()
}

/// The roundings of one score of `d` terms, and of sums over `t` keys: in runs of at most 256, and over the runs.
fn roundings(d: usize, t: usize) -> f64 {
    (d + t.min(256) + t / 32 + 16) as f64
}

/// Outputs and logarithms of rows in order.
pub(super) fn expected(rows: Vec<Row>, shape: &[usize], case: &Case, d: usize, t: usize) -> Vec<Expected> {
    let lse_shape = &shape[..shape.len() - 1];
    let lse: Vec<_> = rows.iter().map(|row| row.lse).collect();
    let out = rows.into_iter().flat_map(|row| row.out);
    let roundings = roundings(d, t);
    vec![
        Expected::values(shape, case.dtype, DType::F32, roundings, out),
        Expected::values(lse_shape, DType::F32, DType::F32, roundings, lse),
    ]
}

/// The scale, where one is given, and the cap.
pub(super) fn score_args(args: &Args) -> Result<(Option<f32>, f32)> {
    let scale = args.get("scale").map(|_| args.float("scale", 1.0)).transpose()?;
    Ok((scale.map(|scale| scale as f32), args.float("soft_cap", 0.0)? as f32))
}

/// A tensor of a case's dtype.
pub(super) fn tensor(case: &Case, values: &[f64], shape: &[usize]) -> Result<Tensor> {
    Tensor::from_f64(values, case.dtype, shape)
}

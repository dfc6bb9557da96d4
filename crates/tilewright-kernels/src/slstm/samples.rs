//! Seeded inputs of the family's cases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Result, Tensor};

use super::cell::accumulator;
use super::registry::{has_state, sizes};

/// The inputs of a case: x and r, then c n h m. `data` names what they are like:
///
/// | data | |
/// |---|---|
/// | | deviates of unit size, recurrent weights that a head's outputs can turn its gates by |
/// | state | with an initial state |
/// | strided | with an initial state; tokens before heads in memory, with gaps; recurrent weights transposed |
/// | wide | with an initial state; all pre-activations uniform in -100..100 |
/// | masked | with an initial state, one unit in three empty; i = -inf, which no later token sees, for every third token |
/// | calm | with an initial state; recurrent weights so small that errors fade from token to token |
pub(super) fn inputs(case: &Case) -> Result<Vec<Tensor>> {
    let (sizes, sums) = (sizes(case), accumulator(case.dtype));
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    let mut count = 0;
    let mut pre = || {
        count += 1;
        let (gate, token) = ((count - 1) / sizes.d.max(1) % 4, (count - 1) / (4 * sizes.d.max(1)));
        match (case.data, gate) {
            ("wide", _) => random.random_range(-100.0..100.0),
            ("masked", 1) if token % 3 == 0 => f64::NEG_INFINITY,
            (_, 2) => 2.0 + 2.0 * normal(&mut random),
            (_, 1) => 2.0 * normal(&mut random) - 1.0,
            _ => normal(&mut random),
        }
    };
    let strided = case.data == "strided";
    let x = if strided {
        // Two more of each token's units, which no one may read.
        let stored = filled(&[sizes.b, sizes.s, sizes.nh, 4, sizes.d + 2], case.dtype, &mut pre)?;
        stored.slice(4, 2..sizes.d + 2)?.permute(&[0, 2, 1, 3, 4])?
    } else {
        filled(&sizes.x(), case.dtype, &mut pre)?
    };
    let width = match case.data {
        "calm" => 0.4 / sizes.d.max(1) as f64,
        _ => 0.8 / (sizes.d.max(1) as f64).sqrt(),
    };
    let mut tensors = vec![x, filled(&sizes.r(), case.dtype, || width * normal(&mut random))?];
    if strided {
        tensors[1] = tensors[1].transpose()?;
    }
    if has_state(case.data) {
        let state = sizes.state();
        let c = filled(&state, sums, || normal(&mut random))?;
        let mut unit = 0;
        let n = filled(&state, sums, || {
            unit += 1;
            if case.data == "masked" && unit % 3 == 0 { 0.0 } else { 1.0 + normal(&mut random).abs() }
        })?;
        let h = filled(&state, sums, || 0.5 * normal(&mut random))?;
        tensors.extend([c, n, h, filled(&state, sums, || 2.0 * normal(&mut random))?]);
    }
    Ok(tensors)
}

/// The inputs of a backward: x r dh, then c n h m and dc_last dn_last dh_last where the case has a state. The loss is a weighted sum, of the state too.
pub(super) fn with_loss(case: &Case) -> Result<Vec<Tensor>> {
    let (sizes, sums) = (sizes(case), accumulator(case.dtype));
    let mut tensors = inputs(case)?;
    let waves = |dims: &[usize], dtype: DType, from: f64| {
        let wave = |at: usize| (from + 0.7 * at as f64).cos();
        let values: Vec<f64> = (0..dims.iter().product()).map(wave).collect();
        Tensor::from_f64(&values, dtype, dims)
    };
    tensors.insert(2, waves(&sizes.h(), case.dtype, 0.0)?);
    if has_state(case.data) {
        for from in [1.0, 2.0, 3.0] {
            tensors.push(waves(&sizes.state(), sums, from)?);
        }
    }
    Ok(tensors)
}

fn filled(dims: &[usize], dtype: DType, mut next: impl FnMut() -> f64) -> Result<Tensor> {
    let values: Vec<f64> = (0..dims.iter().product()).map(|_| next()).collect();
    Tensor::from_f64(&values, dtype, dims)
}

/// The sum of four uniform deviates, scaled to unit variance.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let bits: u64 = random.random();
    let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
    (sum as f64 / 65536.0 - 2.0) * 3f64.sqrt()
}

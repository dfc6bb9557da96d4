//! Seeded inputs of the family's cases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Result, Tensor};

use super::cell::accumulator;
use super::registry::{has_state, kind, sizes, stored_c};

/// The inputs of a case with an axis s, in the order of the slots. `data` names what they are like:
///
/// | data | |
/// |---|---|
/// | | deviates of unit size; gates that remember some tokens |
/// | state | with an initial state |
/// | gated | with an initial state and output gates |
/// | strided | with an initial state; tokens before heads in memory, with gaps; C by columns |
/// | wide | with an initial state; gates uniform in -100..100 |
/// | masked | with an initial state; i = -inf, which no later token sees, for every third token |
/// | forgetful | with an initial state; f near -20 and i rising by 15 a token: all decays far from 1, all weights near 1 |
/// | vector, vector_state | the closed formulas of the published reference vectors, without and with an initial state |
/// | .._bf16_c | the same with C stored as bf16 |
pub(super) fn inputs(case: &Case) -> Result<Vec<Tensor>> {
    if case.data.starts_with("vector") {
        return vector(case);
    }
    let (sizes, sums) = (sizes(case), accumulator(case.dtype));
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    let strided = kind(case) == "strided";
    let mut data = |width: usize, dtype: DType| {
        let gap = if strided { 3 } else { 0 };
        let dims = [sizes.b, sizes.nh, sizes.s, width];
        if !strided {
            return filled(&dims, dtype, || normal(&mut random));
        }
        let stored = filled(&[sizes.b, sizes.s, sizes.nh, width + gap], dtype, || normal(&mut random))?;
        stored.slice(3, gap..gap + width)?.permute(&[0, 2, 1, 3])
    };
    let mut tensors =
        vec![data(sizes.dqk, case.dtype)?, data(sizes.dqk, case.dtype)?, data(sizes.dv, case.dtype)?];
    let o = (kind(case) == "gated").then(|| data(sizes.dv, case.dtype)).transpose()?;
    let mut gate = |forget: bool| {
        let mut token = 0;
        let mut next = || {
            token += 1;
            match kind(case) {
                "wide" => random.random_range(-100.0..100.0),
                "masked" if !forget && token % 3 == 0 => f64::NEG_INFINITY,
                "forgetful" if forget => -20.0 + normal(&mut random),
                "forgetful" => 15.0 * f64::from(token % 7) + normal(&mut random),
                _ if forget => 2.0 + 2.0 * normal(&mut random),
                _ => 2.0 * normal(&mut random) - 1.0,
            }
        };
        match strided {
            true => filled(&[sizes.b, sizes.s, sizes.nh], sums, next)?.permute(&[0, 2, 1]),
            false => filled(&sizes.gates(), sums, &mut next),
        }
    };
    tensors.extend([gate(false)?, gate(true)?]);
    if has_state(case.data) {
        let stored = stored_c(case);
        let c = match strided {
            true => filled(&[sizes.b, sizes.nh, sizes.dv, sizes.dqk], stored, || normal(&mut random))?
                .transpose()?,
            false => filled(&sizes.c(), stored, || normal(&mut random))?,
        };
        let n = filled(&sizes.n(), sums, || normal(&mut random))?;
        tensors.extend([c, n, filled(&sizes.m(), sums, || 2.0 * normal(&mut random))?]);
    }
    tensors.extend(o);
    Ok(tensors)
}

/// The inputs of a backward: q k v i f dh, then c n m and dc_last dn_last where the case has a state, then o where it is gated. The loss is a weighted sum,
/// of the state too.
pub(super) fn with_loss(case: &Case) -> Result<Vec<Tensor>> {
    let (sizes, sums) = (sizes(case), accumulator(case.dtype));
    let mut tensors = inputs(case)?;
    let o = tensors.split_off(tensors.len().min(8));
    tensors.insert(5, waves(&sizes.values(), case.dtype)?);
    if has_state(case.data) {
        tensors.extend([waves(&sizes.c(), sums)?, waves(&sizes.n(), sums)?]);
    }
    tensors.extend(o);
    Ok(tensors)
}

/// What a loss says by something of this shape: a wave over its rows.
pub(super) fn waves(dims: &[usize], dtype: DType) -> Result<Tensor> {
    let d = dims[dims.len() - 1].max(1);
    let wave = |at: usize| (0.6 * (at / d) as f64 + 0.5 * (at % d) as f64).cos();
    let values: Vec<f64> = (0..dims.iter().product()).map(wave).collect();
    Tensor::from_f64(&values, dtype, dims)
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

/// Trigonometric inputs of one sequence, for which reference values are known to ten digits.
fn vector(case: &Case) -> Result<Vec<Tensor>> {
    let (sizes, sums) = (sizes(case), accumulator(case.dtype));
    let stateful = case.data == "vector_state";
    let table = |width: usize, of: &dyn Fn(f64, f64) -> f64, dims: &[usize], dtype: DType| {
        let values: Vec<f64> =
            (0..sizes.s * width).map(|at| of((at / width) as f64, (at % width) as f64)).collect();
        Tensor::from_f64(&values, dtype, dims)
    };
    let (shift_i, shift_f) = if stateful { (-1.0, 3.0) } else { (0.0, 0.0) };
    let mut tensors = vec![
        table(sizes.dqk, &|t, a| (0.7 * t + 1.3 * a + 0.2).sin(), &sizes.keys(), case.dtype)?,
        table(sizes.dqk, &|t, a| (0.5 * t - 0.9 * a + 0.1).cos(), &sizes.keys(), case.dtype)?,
        table(sizes.dv, &|t, a| (0.3 * t * t + 0.8 * a + 0.4).sin(), &sizes.values(), case.dtype)?,
        table(1, &|t, _| 1.5 * (1.1 * t + 0.3).sin() + shift_i, &sizes.gates(), sums)?,
        table(1, &|t, _| 2.0 * (0.9 * t + 0.5).cos() + 0.5 + shift_f, &sizes.gates(), sums)?,
    ];
    if stateful {
        let c = (0..sizes.dqk * sizes.dv)
            .map(|at| 0.3 * ((at / sizes.dv) as f64 + 2.0 * (at % sizes.dv) as f64).cos());
        let n = (0..sizes.dqk).map(|a| 0.2 + 0.1 * a as f64);
        tensors.extend([
            Tensor::from_f64(&c.collect::<Vec<_>>(), sums, sizes.c())?,
            Tensor::from_f64(&n.collect::<Vec<_>>(), sums, sizes.n())?,
            Tensor::from_f64(&[0.4], sums, sizes.m())?,
        ]);
    }
    Ok(tensors)
}

//! The leading singular vectors of a matrix, by subspace iteration.

use faer::{Mat, Side};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{DType, Result, Tensor};
use tilewright_kernels::gemm::{Gram, Matmul, gram, matmul};
use tilewright_kernels::gram_schmidt::{Orthonormalize, SubspaceStep, orthonormalize, subspace_step};

use crate::progress;
use crate::stop::Stop;

use super::meter::{Meter, problem};

const STEP: &str = "subspace iteration";
/// The part of a column's norm below which nothing but rounding is left of it: a few units of f32.
const LEAST_LEFT: f64 = 4.0 * f32::EPSILON as f64;

/// What is iterated, and until when.
pub(super) struct Plan {
    /// Singular values and vectors wanted.
    pub(super) rank: usize,
    /// Vectors iterated: those wanted, and some more by which they converge faster.
    pub(super) columns: usize,
    /// Iterations at most.
    pub(super) iterations: usize,
    /// The change of every Ritz value at which to stop.
    pub(super) tolerance: f64,
}

/// `A = U S Vᵀ`, the leading part.
pub(super) struct Svd {
    /// Singular values, falling. `[rank]`, where the rank is lower than planned if that of the matrix is.
    pub(super) values: Vec<f64>,
    /// `V [terms, rank]`, on the device.
    pub(super) directions: Tensor,
    /// `A V = U S [passages, rank]`, on the device.
    pub(super) latent: Tensor,
    pub(super) iterations: usize,
    /// The largest change of a Ritz value in the last iteration, as [`change`] counts it.
    pub(super) change: f64,
}

/// Iterates `V <- orth(Aᵀ(A V))` from a seeded start, then solves the small problem that is left in the subspace.
pub(super) fn truncated_svd(meter: &mut Meter, a: &Tensor, plan: &Plan) -> Result<Svd, Stop> {
    let (&[passages, terms], columns) = (a.dims(), plan.columns) else { unreachable!("a matrix") };
    let start = start(terms, columns)?.to(meter.stream())?;
    let (mut v, mut independent) = basis(meter, &start)?;
    let bar = progress::bar(plan.iterations, "subspace iteration");
    let (mut ritz, mut moved, mut iterations) = (vec![0.0; columns], f64::INFINITY, 0);
    while iterations < plan.iterations && moved > plan.tolerance {
        let case = problem(&[("b", 0), ("m", passages), ("n", terms), ("k", columns)]);
        let w = meter.call(STEP, "subspace_step", &case, |stream| {
            subspace_step(stream, a, &v, &SubspaceStep::default())
        })?;
        let inner = problem(&[("m", columns), ("n", columns), ("k", terms)]);
        let transposed = Matmul { transpose_a: true, ..Matmul::default() };
        let small = meter.call(STEP, "matmul", &inner, |stream| matmul(stream, &v, &w, None, &transposed))?;
        let next = meter.host(STEP, "Ritz values (f64)", || {
            let small = symmetric(&small)?;
            let values = small.self_adjoint_eigenvalues(Side::Lower);
            Ok(values.map_err(|_| unsolved())?.into_iter().rev().collect::<Vec<_>>())
        })?;
        (v, independent) = basis(meter, &w)?;
        moved = change(&ritz, &next, plan.rank);
        ritz = next;
        iterations += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let (values, directions, latent) = rotate(meter, a, &v, plan.rank.min(independent))?;
    Ok(Svd { values, directions, latent, iterations, change: moved })
}

/// An orthonormal basis of the columns, and how many it has; the rest of them are zeros.
fn basis(meter: &mut Meter, w: &Tensor) -> Result<(Tensor, usize), Stop> {
    let (m, n) = (w.dims()[0], w.dims()[1]);
    let case = problem(&[("b", 0), ("m", m), ("n", n), ("k", 0)]);
    // Columns of the first steps lean towards few directions. What tells them apart is small, and good enough to go on with.
    let args = Orthonormalize { tolerance: Some(LEAST_LEFT) };
    let basis = meter.call(STEP, "orthonormalize", &case, |stream| orthonormalize(stream, w, None, &args))?;
    Ok((basis.q, basis.rank.to_f64_vec()?[0] as usize))
}

/// Rayleigh-Ritz: the singular values and vectors within the subspace of `v`.
fn rotate(
    meter: &mut Meter,
    a: &Tensor,
    v: &Tensor,
    rank: usize,
) -> Result<(Vec<f64>, Tensor, Tensor), Stop> {
    const SMALL: &str = "small problem";
    let (&[passages, terms], &[_, columns]) = (a.dims(), v.dims()) else { unreachable!("matrices") };
    let product =
        |stream: &_, left: &Tensor, right: &Tensor| matmul(stream, left, right, None, &Matmul::default());
    let b = meter.once(
        "projection A V",
        "matmul",
        &problem(&[("m", passages), ("n", columns), ("k", terms)]),
        |stream| product(stream, a, v),
    )?;
    let small = meter.once(SMALL, "gram", &problem(&[("m", passages), ("n", columns)]), |stream| {
        gram(stream, &b, &Gram::default())
    })?;
    let (values, turn) = meter.host(SMALL, "eigenvectors (f64)", || {
        let eigen = symmetric(&small)?.self_adjoint_eigen(Side::Lower).map_err(|_| unsolved())?;
        // faer's eigenvalues rise, singular values fall.
        let values = (0..rank).map(|i| eigen.S()[columns - 1 - i].max(0.0).sqrt()).collect::<Vec<_>>();
        let turn: Vec<f32> =
            (0..columns * rank).map(|at| eigen.U()[(at / rank, columns - 1 - at % rank)] as f32).collect();
        Ok((values, Tensor::from_vec(turn, [columns, rank])?))
    })?;
    let turn = turn.to(meter.stream())?;
    let turned = |meter: &mut Meter, step, rows: usize, tensor: &Tensor| {
        meter.once(step, "matmul", &problem(&[("m", rows), ("n", rank), ("k", columns)]), |stream| {
            product(stream, tensor, &turn)
        })
    };
    let directions = turned(meter, "singular vectors", terms, v)?;
    let latent = turned(meter, "latent vectors", passages, &b)?;
    Ok((values, directions, latent))
}

/// The largest change of the first `rank` Ritz values, relative to each, or to a hundredth of the largest where that is more:
/// below, f32 has too few digits of them.
fn change(before: &[f64], after: &[f64], rank: usize) -> f64 {
    let floor = 1e-2 * after[0].max(f64::MIN_POSITIVE);
    let one = |(before, after): (&f64, &f64)| (before - after).abs() / after.max(floor);
    before.iter().zip(after).take(rank).map(one).fold(0.0, f64::max)
}

fn unsolved() -> Stop {
    Stop::Failed("the small eigenproblem does not converge".to_owned())
}

/// A seeded random matrix on the host, the same on every machine.
fn start(rows: usize, columns: usize) -> Result<Tensor> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    Tensor::from_vec(
        (0..rows * columns).map(|_| random.random_range(-1.0..1.0f32)).collect(),
        [rows, columns],
    )
}

/// The symmetric part of a small matrix, on the host in f64.
fn symmetric(tensor: &Tensor) -> Result<Mat<f64>> {
    let (values, n) = (tensor.to_f64_vec()?, tensor.dims()[0]);
    debug_assert_eq!(tensor.dtype(), DType::F32);
    Ok(Mat::from_fn(n, n, |i, j| 0.5 * (values[i * n + j] + values[j * n + i])))
}

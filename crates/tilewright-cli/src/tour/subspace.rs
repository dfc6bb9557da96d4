//! The leading singular vectors of a matrix, by subspace iteration.

use tilewright_core::Tensor;
use tilewright_kernels::gemm::{Matmul, matmul};
use tilewright_kernels::linalg::{SubspaceIteration, subspace_iteration};

use crate::progress;
use crate::stop::Stop;

use super::meter::{Meter, problem};

/// What is iterated, and until when.
pub(super) struct Plan {
    /// Singular values and vectors wanted.
    pub(super) rank: usize,
    /// Vectors iterated: those wanted, and some more by which they converge faster.
    pub(super) columns: usize,
    /// Iterations at most.
    pub(super) iterations: usize,
    /// The residual at which to stop, over the largest singular value.
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
    /// The largest `|Aᵀ u - s v|`, over the largest singular value.
    pub(super) residual: f64,
}

/// Iterates from a seeded start, and leaves out what is beyond the rank of the matrix.
pub(super) fn truncated_svd(meter: &mut Meter, a: &Tensor, plan: &Plan) -> Result<Svd, Stop> {
    let &[passages, terms] = a.dims() else { unreachable!("a matrix") };
    let args = SubspaceIteration {
        rank: plan.rank,
        oversample: plan.columns - plan.rank,
        tolerance: Some(plan.tolerance),
        iterations: plan.iterations,
        seed: 1,
    };
    let case = problem(&[("b", 0), ("m", passages), ("n", terms)]);
    let case = case.set("rank", args.rank as i64).set("oversample", args.oversample as i64);
    let bar = progress::spinner("subspace iteration");
    let found = meter.call("subspace iteration", "subspace_iteration", &case, |stream| {
        subspace_iteration(stream, a, &args)
    })?;
    bar.finish_and_clear();
    let mut values = found.s.to_f64_vec()?;
    if !values.iter().all(|value| value.is_finite()) {
        return Err(Stop::Failed("the subspace iteration has no result".to_owned()));
    }
    // Below lie roundings of f32.
    let least = passages.max(terms) as f64 * f64::from(f32::EPSILON) * values[0];
    values.retain(|&value| value > least);
    let rank = values.len();
    let directions = found.vt.slice(0, 0..rank)?.transpose()?;
    let latent = meter.once(
        "latent vectors",
        "matmul",
        &problem(&[("m", passages), ("n", rank), ("k", terms)]),
        |stream| matmul(stream, a, &directions, None, &Matmul::default()),
    )?;
    Ok(Svd {
        values,
        directions,
        latent,
        iterations: found.iterations.to_vec::<i32>()?[0] as usize,
        residual: found.residual.to_f64_vec()?[0],
    })
}

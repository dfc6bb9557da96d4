//! Eigenvalues and eigenvectors of a symmetric matrix beside a symmetric positive definite one.
//!
//! # Math
//!
//! ```text
//! a x = b x diag(values)        xᵀ b x = 1
//! b = l lᵀ,  c = l^-1 a l^-T,  c y = y diag(values),  x = l^-T y
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a`, `b` | `[.., n, n]`: one triangle of each is read, the lower one unless `upper` | f32, f64, f16, bf16 |
//! | `values` | `[.., n]`: ascending, unless `descending` | that of `a` |
//! | `info` | `[..]` | i32 |
//! | `vectors` | `[.., n, n]`: as columns, in the order of the values; absent with `values_only` | that of `a` |
//!
//! `info` is LAPACK's: 0; n + k where the leading minor of order k of `b` is not positive definite; 1 where `a` holds a NaN or an
//! infinity or does not converge. Results are NaN throughout where it is not 0.
//!
//! # Numerics
//!
//! In f32 (f64 for f64), by [`cholesky()`](crate::linalg::cholesky()), two triangular solves and [`eigh()`](crate::linalg::eigh()): errors are relative to
//! `|b^-1| |a|`, so that with an ill-conditioned b small values have fewer digits. Judged by LAPACK's ratios as `SYGV`'s testers use them,
//! `|a x - b x l| / (n |a| |x| eps)` over the root of b's condition and `|1 - xᵀ b x| / (n eps)` over b's condition, under 30; and by the values themselves.
//! Deterministic.
//!
//! # Constraints
//!
//! As [`eigh()`](crate::linalg::eigh()). No body of its own but for `info`.
//!
//! # Sources
//!
//! LAPACK `SYGV`, type 1; Golub and Van Loan, "Matrix Computations", algorithm 8.7.1.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Eigh, eigh_generalized};
//!
//! let a = Tensor::from_vec(vec![2.0f64, 0.0, 0.0, 3.0], [2, 2])?;
//! let b = Tensor::from_vec(vec![4.0f64, 0.0, 0.0, 1.0], [2, 2])?;
//! let found = eigh_generalized(&Stream::cpu(), &a, &b, &Eigh::default())?.checked()?;
//! let values = found.values.to_vec::<f64>()?;
//! assert!((values[0] - 0.5).abs() < 1e-14 && (values[1] - 3.0).abs() < 1e-14);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::eigh;
use super::elementwise::{Step, elementwise};
use super::extents::{Extents, check_like};
use super::{Cholesky, Eigen, Eigh, TriangularSolve, cholesky, triangular_solve};

const NAME: &str = "eigh_generalized";

/// Says why a device cannot do it.
fn check(device: Device, dtype: DType, batches: usize, n: usize) -> Result<()> {
    eigh::variants(device, dtype, batches, n).map(drop).map_err(|error| error.within(NAME))
}

/// The eigenvalues, and eigenvectors, of each pair of matrices of a batch.
///
/// # Errors
/// `a` not of square matrices; `b` of another shape or dtype; another dtype than listed; another device than the stream's; what [`eigh()`](eigh::eigh())
/// cannot do. A pair without a result is no error of the batch: see `info`.
pub fn eigh_generalized(stream: &Stream, a: &Tensor, b: &Tensor, args: &Eigh) -> Result<Eigen> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    check(stream.device(), a.dtype(), extents.batches(), extents.n)?;
    check_like(NAME, stream, "b", b, a, a.dims())?;
    if a.is_empty() {
        return eigh(stream, a, args).map_err(|error| error.within(NAME));
    }
    let lower = |x: &Tensor| widened(stream, &if args.upper { x.transpose()? } else { x.clone() });
    let (wide, beside) = (lower(a)?, lower(b)?);
    let factor = cholesky(stream, &beside, &Cholesky::default())?;
    let whole = elementwise(stream, &wide, Step::Mirrored)?;
    let left = TriangularSolve::default();
    let half = triangular_solve(stream, &factor.factor, &whole, &left)?.x;
    // From the right: c lᵀ is what was solved from the left.
    let right = TriangularSolve { right: true, transpose: true, ..left };
    let c = triangular_solve(stream, &factor.factor, &half, &right)?.x;
    let c = elementwise(stream, &c, Step::Symmetric)?;
    let found = eigh(stream, &c, &Eigh { upper: false, ..*args }).map_err(|error| error.within(NAME))?;
    let back = |y: Tensor| {
        let system = TriangularSolve { transpose: true, ..left };
        narrowed(stream, triangular_solve(stream, &factor.factor, &y, &system)?.x, a.dtype())
    };
    let info = match stream.device() {
        Device::Cpu => cpu::merged(&factor.info, &found.info, extents.n)?,
        _ => gpu::merged(stream, &factor.info, &found.info, extents.n)?,
    };
    Ok(Eigen {
        values: narrowed(stream, found.values, a.dtype())?,
        vectors: found.vectors.map(back).transpose()?,
        info,
    })
}

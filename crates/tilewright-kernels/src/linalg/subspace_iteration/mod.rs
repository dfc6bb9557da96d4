//! The largest singular values and their vectors to a tolerance, by subspace iteration; of one value, power iteration.
//!
//! # Math
//!
//! ```text
//! p = orth(omega),  then again and again:  q r = a p,  r = w diag(s) xᵀ,  u = q w,  v = p x,  p = orth(aᵀ u)
//! until |aᵀ u_i - s_i v_i| <= tolerance s_1 for each of the first `rank`
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `s` | `[.., rank]`, descending | that of `a` |
//! | `info` | `[..]` | i32 |
//! | `u` | `[.., m, rank]` | that of `a` |
//! | `vt` | `[.., rank, n]` | that of `a` |
//! | `iterations` | `[..]` | i32 |
//! | `residual` | `[..]` | f32, or f64 where `a` is |
//!
//! `info` is 0; 1 where a matrix holds a NaN or an infinity, or a small problem does not converge: its results are NaN throughout; 2 where the tolerance was not
//! reached: the results are those of the last iteration, and `residual` says how far they are.
//!
//! # Numerics
//!
//! omega has `rank + oversample` columns, min(m, n) at most, of standard normal numbers, a function of the seed alone; [`qr()`](crate::linalg::qr()) makes each
//! basis, so that no direction is lost to rounding whatever the rank. In f32 (f64 for f64). `a v = u diag(s)` holds to roundings in every iteration; what is left of the other equation,
//! `|aᵀ u_i - s_i v_i|`, falls by `(s_(rank+oversample+1) / s_i)²` an iteration. `residual` is the largest of them over s_1. A value of so small a residual is
//! a singular value to no more than it, and to about its square over the gap to the next; a vector to it over the gap. Values that
//! lie close together at the boundary do no harm: any vectors of their common space will do. What a residual cannot show is a direction that the random start lacks, which has probability 0.
//! What is below `8 root(max(m, n))` units of roundoff is nothing but roundings, and counts as 0.
//!
//! Each matrix of a batch stops by itself and keeps what it had then; the batch iterates until all have stopped. **Power iteration** is `rank = 1`, `oversample = 0`. Of a symmetric matrix, `s_i` is the
//! absolute value of an eigenvalue and `sign(u_i · v_i)` its sign, where no two eigenvalues are opposite. Judged by the residuals and by the values in f64, and by LAPACK's ratios of orthogonality under 30. Deterministic.
//!
//! # Constraints
//!
//! As [`qr()`](crate::linalg::qr()) of max(m, n) rows and `rank + oversample` columns, and [`svd()`](crate::linalg::svd()) of as many rows and columns. All steps run on the
//! stream's device; it has no body of its own. The host waits for the values and residuals of each iteration, by which it decides whether there is another: no capture.
//!
//! # Sources
//!
//! Golub and Van Loan, "Matrix Computations" (4th edition), sections 7.3, 8.2 and 10.4; Stewart, "Accelerating the orthogonal iteration for the eigenvectors of a Hermitian matrix" (1969), for the
//! small problem in each iteration; Kahan, "Inclusion theorems for clusters of eigenvalues of Hermitian matrices" (1967), for what a residual says.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{SubspaceIteration, subspace_iteration};
//!
//! let a = Tensor::from_vec(vec![2.0f64, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.5], [3, 3])?; // eigenvalues 3, 1, 1/2
//! let power = SubspaceIteration { rank: 1, oversample: 0, ..SubspaceIteration::default() };
//! let found = subspace_iteration(&Stream::cpu(), &a, &power)?.checked()?;
//! assert!((found.s.to_vec::<f64>()?[0] - 3.0).abs() < 1e-12);
//! assert!(found.residual.to_vec::<f64>()?[0] < 1.1e-8 && found.iterations.to_vec::<i32>()?[0] < 20);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod iterate;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Kind, Result, Stream, Tensor};

use super::QrMode;
use super::SvdMode;
use super::convert::{narrowed, widened, working};
use super::extents::Extents;
use super::qr;
use super::svd;

const NAME: &str = "subspace_iteration";
/// Info of a matrix without a result, and of one whose tolerance was not reached.
const FAILED: i32 = 1;
const SHORT: i32 = 2;

/// The arguments of [`subspace_iteration()`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubspaceIteration {
    /// So many values and vectors. Default: 6.
    pub rank: usize,
    /// So many more vectors than values are iterated, by which they converge faster. Default: 10.
    pub oversample: usize,
    /// The residual, over the largest value, at which a matrix is done. Default: the root of the unit roundoff that it is computed with.
    pub tolerance: Option<f64>,
    /// Iterations at most, from 1 on. Default: 100.
    pub iterations: usize,
    /// Of the random numbers. Default: 0.
    pub seed: u64,
}

impl Default for SubspaceIteration {
    fn default() -> Self {
        SubspaceIteration { rank: 6, oversample: 10, tolerance: None, iterations: 100, seed: 0 }
    }
}

impl SubspaceIteration {
    fn tolerance(&self, dtype: DType) -> f64 {
        self.tolerance.unwrap_or_else(|| working(dtype).unit_roundoff().sqrt())
    }

    /// The residual, over the largest value, that is nothing but roundings.
    fn floor(dtype: DType, extents: &Extents) -> f64 {
        8.0 * (extents.m.max(extents.n) as f64).sqrt() * working(dtype).unit_roundoff()
    }

    /// The vectors that are iterated.
    fn width(&self, extents: &Extents) -> usize {
        self.rank.saturating_add(self.oversample).min(extents.m).min(extents.n)
    }
}

/// The result of [`subspace_iteration()`].
#[derive(Debug, Clone)]
pub struct LeadingFactors {
    /// The left singular vectors, as columns.
    pub u: Tensor,
    /// The singular values, descending.
    pub s: Tensor,
    /// The right singular vectors, as rows.
    pub vt: Tensor,
    /// `[..]`, i32: 0, 1 where a matrix has no result, or 2 where it did not reach the tolerance.
    pub info: Tensor,
    /// `[..]`, i32: the iterations after which each stopped.
    pub iterations: Tensor,
    /// `[..]`: the largest residual of its vectors, over its largest value.
    pub residual: Tensor,
}

impl LeadingFactors {
    /// The same, or an error that names the first matrix without a result or short of the tolerance. Waits for the device.
    pub fn checked(self) -> Result<Self> {
        let info = self.info.to_vec::<i32>()?;
        let Some(index) = info.iter().position(|&info| info != 0) else { return Ok(self) };
        let what = match info[index] {
            SHORT => {
                let (count, left) =
                    (self.iterations.to_vec::<i32>()?[index], self.residual.to_f64_vec()?[index]);
                format!("a matrix has a residual of {left:.1e} after {count} iterations,")
            }
            _ => "a matrix holds a NaN or an infinity, or does not converge,".to_owned(),
        };
        Err(Error::new(NAME, Kind::Numerical { what, index }))
    }
}

/// Says why a device cannot do it.
fn check(device: Device, dtype: DType, extents: &Extents, args: &SubspaceIteration) -> Result<()> {
    let (width, of) = (args.width(extents), |m, n| Extents { batch: extents.batch.clone(), m, n });
    for rows in [extents.m, extents.n] {
        qr::check(NAME, device, dtype, &of(rows, width), QrMode::Reduced)?;
    }
    svd::check(NAME, device, dtype, &of(width, width), SvdMode::Reduced)
}

/// The largest singular values, with their vectors, of each matrix of a batch.
///
/// # Errors
/// `a` of fewer than 2 axes, of another dtype than listed, or on another device than the stream; a `rank` of more than min(m, n); a `tolerance` that is not a finite number
/// >= 0; no iterations, or more than 2^31 - 1; what the device cannot do, see the constraints. A matrix without a result, or short of the tolerance, is no error of the batch: see `info`.
pub fn subspace_iteration(stream: &Stream, a: &Tensor, args: &SubspaceIteration) -> Result<LeadingFactors> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let (m, n, dtype) = (extents.m, extents.n, a.dtype());
    if args.rank > m.min(n) {
        return Err(Error::range(NAME, "rank", format!("at most {}", m.min(n)), args.rank));
    }
    let tolerance = args.tolerance(dtype);
    if !(0.0..f64::INFINITY).contains(&tolerance) {
        return Err(Error::range(NAME, "tolerance", "a finite number >= 0", tolerance));
    }
    if !(1..=i32::MAX as usize).contains(&args.iterations) {
        return Err(Error::range(NAME, "iterations", "1 to 2^31 - 1", args.iterations));
    }
    check(stream.device(), dtype, &extents, args)?;
    let batches = extents.batches();
    if args.rank == 0 || batches == 0 {
        let empty = |tail: &[usize]| Tensor::empty(stream, dtype, extents.shape(tail));
        let zeros = |dtype| Tensor::zeros(dtype, extents.shape(&[]))?.to(stream);
        return Ok(LeadingFactors {
            u: empty(&[m, args.rank])?,
            s: empty(&[args.rank])?,
            vt: empty(&[args.rank, n])?,
            info: zeros(DType::I32)?,
            iterations: zeros(DType::I32)?,
            residual: zeros(working(dtype))?,
        });
    }
    let wide = widened(stream, a)?;
    let (factors, stops) = iterate::iterate(stream, &wide, &extents, args, tolerance)?;
    let [u, s, vt] = factors.map(|factor| narrowed(stream, factor, dtype));
    let counts = |count: fn(&iterate::Stop) -> i32| {
        Tensor::from_vec(stops.iter().map(count).collect(), extents.shape(&[]))?.to(stream)
    };
    let residuals: Vec<f64> = stops.iter().map(|stop| stop.residual).collect();
    let residual = Tensor::from_f64(&residuals, working(dtype), extents.shape(&[]))?.to(stream)?;
    Ok(LeadingFactors {
        u: u?,
        s: s?,
        vt: vt?,
        info: counts(|stop| stop.info)?,
        iterations: counts(|stop| stop.iterations)?,
        residual,
    })
}

//! An orthonormal basis of what columns add to a given one: block Gram-Schmidt, every projection done twice.
//!
//! # Math
//! ```text
//! span [basis, q] = span [basis, a],   [basis, q]ᵀ [basis, q] = I,   q[:, j]ᵀ a[:, j] > 0
//! ```
//! For column j, twice: `w -= Q (Qᵀ w)` with Q the basis and all columns before; then `q[:, j] = w / |w|`.
//! A column that depends on those before it becomes zeros. It counts as dependent where `|w| <= tolerance |a[:, j]|` after both projections,
//! or where the second takes more than half of what the first left, which was made of rounding errors then.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | a | [.., m, n] | any strides | f32; f64 on the CPU and CUDA |
//! | basis | [.., m, k], optional, orthonormal columns (or zeros) | any strides | as a |
//! | q | [.., m, n] | row-major | as a |
//! | rank | [..] | row-major | i32: how many columns of q are not zeros |
//!
//! # Numerics
//! Columns are first scaled by powers of two, so no norm overflows or underflows and q does not depend on the scale of any column.
//! Two passes leave the columns orthogonal to a few unit roundoffs whatever the condition of a ("twice is enough"): both `|I - QᵀQ|` and
//! `|a - QQᵀa|`, the latter relative to each column of a, stay below 30 (k + n) eps, as `cases.rs` checks on hard matrices; the latter as long
//! as `tolerance` is the default of `10 (k + n) eps`. NaN spreads to its column and those after it. The same bits in every run on one device.
//!
//! # Constraints
//! GPUs: n at most 1024, and f64 on CUDA alone. f16 and bf16 are refused: their columns cannot be orthogonal to any use; convert first.
//! What `basis` lacks in orthogonality, q lacks too.
//!
//! # Sources
//! Twice is enough: Parlett, "The symmetric eigenvalue problem" (1980), section 6.9; Giraud, Langou and Rozložník, "The loss of orthogonality in the Gram-Schmidt
//! orthogonalization process" (2005). Blocks: Barlow and Smoktunowicz, "Reorthogonalized block classical Gram-Schmidt" (2013).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gram_schmidt::{Orthonormalize, orthonormalize};
//! let a = Tensor::from_vec(vec![3.0f32, 6.0, 1.0, 4.0, 8.0, 0.0], [2, 3])?; // the second column is twice the first
//! let result = orthonormalize(&Stream::cpu(), &a, None, &Orthonormalize::default())?;
//! assert_eq!(result.rank.to_vec::<i32>()?, [2]);
//! let q = result.q.to_vec::<f32>()?;
//! for (got, expected) in q.iter().zip([0.6, 0.0, 0.8, 0.8, 0.0, -0.6]) {
//!     assert!((got - expected).abs() < 1e-6);
//! }
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use crate::arguments::{check_same_dtype, check_tensor};

const NAME: &str = "orthonormalize";
const DTYPES: &[DType] = &[DType::F32, DType::F64];

/// The arguments of [`orthonormalize`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Orthonormalize {
    /// What part of a column's norm must be left for it to count as independent; below 1. `None`: `10 (k + n) eps` of the dtype.
    pub tolerance: Option<f64>,
}

/// The result of [`orthonormalize`].
#[derive(Debug, Clone)]
pub struct Orthonormal {
    /// The new columns, `[.., m, n]`; zeros for those that were dependent.
    pub q: Tensor,
    /// How many are not zeros, `[..]`, i32.
    pub rank: Tensor,
}

/// The extents of a call and the tolerance in force.
#[derive(Debug, Clone)]
struct Plan {
    batch: Vec<usize>,
    m: usize,
    n: usize,
    k: usize,
    tolerance: f64,
}

impl Plan {
    fn batches(&self) -> usize {
        self.batch.iter().product()
    }
}

/// A column of which the second pass leaves less than this part was made of rounding errors.
const LEAST_LEFT_TWICE: f64 = 0.5;

/// Orthonormal columns that span, with `basis`, what `a` and `basis` span.
///
/// # Errors
/// `a` or `basis` of fewer than 2 axes, of another dtype than listed, of batches or m that differ, or on another device than the
/// stream; a `tolerance` outside 0 .. 1; on a GPU n > 1024, and f64 where kernels are Metal.
pub fn orthonormalize(
    stream: &Stream,
    a: &Tensor,
    basis: Option<&Tensor>,
    args: &Orthonormalize,
) -> Result<Orthonormal> {
    check_tensor(NAME, "a", stream, a, DTYPES)?;
    let &[ref batch @ .., m, n] = a.dims() else {
        return Err(Error::shape(NAME, "a", "[.., m, n]", a.shape()));
    };
    let mut k = 0;
    if let Some(basis) = basis {
        check_tensor(NAME, "basis", stream, basis, DTYPES)?;
        check_same_dtype(NAME, "basis", basis, a)?;
        k = match basis.dims() {
            &[ref its_batch @ .., its_m, k] if its_batch == batch && its_m == m => k,
            _ => {
                let expected = format!("{:?} and k", &a.dims()[..a.rank() - 1]);
                return Err(Error::shape(NAME, "basis", expected, basis.shape()));
            }
        };
    }
    let eps = 2.0 * a.dtype().unit_roundoff();
    let tolerance = args.tolerance.unwrap_or((10.0 * (k + n) as f64 * eps).min(0.5));
    if !(0.0..1.0).contains(&tolerance) {
        return Err(Error::range(NAME, "tolerance", "at least 0 and below 1", tolerance));
    }
    let plan = Plan { batch: batch.to_vec(), m, n, k, tolerance };
    let basis = basis.filter(|basis| !basis.is_empty());
    match stream.device() {
        Device::Cpu => cpu::orthonormalize(a, basis, &plan),
        device => {
            gpu::check(device, a.dtype(), n)?;
            gpu::orthonormalize(stream, a, basis, &plan)
        }
    }
}

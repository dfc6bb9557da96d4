//! The coefficients of vectors in a basis: the first half of Gram-Schmidt.
//!
//! # Math
//! ```text
//! c[j] = sum_i q[i, j] v[i]          C = Qᵀ V for a block
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q | [.., m, k] | any strides | f32, f16, bf16; f64 on the CPU and CUDA |
//! | v | [.., m], or [.., m, p] for a block | any strides | as q |
//! | c | [.., k], or [.., k, p] | row-major | as q |
//!
//! # Numerics
//! Sums are kept in f32 (f64 for f64) and rounded once. Rows are added in chunks of at most 2 sqrt(m) + 32, then the chunks, always in the same
//! order: the result depends on the device but not on the run or the number of threads, and errors grow as sqrt(m).
//! A block is a matrix product of the `gemm` family, with its order of sums.
//! `compensated` sums as if in twice the precision: the result is right to its last place or so, unless terms cancel by more than that.
//! The tolerance is derived in `cases.rs`.
//!
//! # Constraints
//! f64 is refused by Metal and by the emulator. Q need not be orthonormal: the formula is all there is.
//!
//! # Sources
//! Classical Gram-Schmidt: Björck, "Numerical methods for least squares problems" (1996), section 2.4. Compensated dot product: Ogita, Rump and Oishi,
//! "Accurate sum and dot product" (2005), algorithm 5.3 (Dot2).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gram_schmidt::{Project, project};
//! let q = Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 0.6, 0.0, 0.8], [3, 2])?;
//! let v = Tensor::from_vec(vec![2.0f32, 5.0, 10.0], [3])?;
//! let c = project(&Stream::cpu(), &q, &v, &Project::default())?;
//! assert_eq!(c.to_vec::<f32>()?, [2.0, 11.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::{DTYPES, Sizes, is_product, variants};
use crate::arguments::{check_same_dtype, check_tensor, choose};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "project";

/// The arguments of [`project`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Project {
    /// Sum as if in twice the precision.
    pub compensated: bool,
}

/// `c = Qᵀ v`, for one vector `[.., m]` or a block `[.., m, p]`.
///
/// # Errors
/// `q` of fewer than 2 axes or of another dtype than listed; `v` that does not fit `q` in shape or dtype; either on another
/// device than the stream; f64 on Metal or the emulator.
pub fn project(stream: &Stream, q: &Tensor, v: &Tensor, args: &Project) -> Result<Tensor> {
    run(stream, None, q, v, args)
}

fn run(stream: &Stream, variant: Option<&str>, q: &Tensor, v: &Tensor, args: &Project) -> Result<Tensor> {
    check_tensor(NAME, "q", stream, q, DTYPES)?;
    check_tensor(NAME, "v", stream, v, DTYPES)?;
    check_same_dtype(NAME, "v", v, q)?;
    let sizes = Sizes::new(NAME, q, "v", v, |m, _| m)?;
    let (columns, compensated) = (sizes.columns(), args.compensated);
    let variants = variants(NAME, stream.device(), q.dtype(), columns, compensated)?;
    match choose(NAME, variant, &variants)? {
        "portable" => gpu::project(stream, q, v, &sizes, compensated),
        "cpu" if !is_product(columns, compensated) => cpu::project(q, v, &sizes, compensated),
        _ => {
            let args = Matmul { transpose_a: true, ..Matmul::default() };
            matmul(stream, q, v, None, &args).map_err(|error| error.within(NAME))
        }
    }
}

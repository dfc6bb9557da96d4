//! A step of subspace iteration: a block of vectors through AᵀA, which is never formed.
//!
//! # Math
//! ```text
//! out = Aᵀ (A V)
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | a | [.., m, n] | any strides | f32, f16, bf16; f64 on the CPU and CUDA |
//! | v | [.., n, k] | any strides | as a |
//! | out | [.., n, k] | row-major | as a |
//!
//! # Numerics
//! Two matrix products of the `gemm` family: sums in f32 (f64 for f64), A V rounded to the dtype between them. The columns of V go through in bands of
//! `band` columns, each a pair of products of its own, dealt in turn to `streams` streams that run side by side on a GPU. The number of streams never changes
//! a bit; the width of the bands may, as a product may order its sums by its shape. Orthonormalizing the result is the caller's (`linalg` has the whole iteration, `subspace_iteration`):
//! [`orthonormalize`](super::orthonormalize()).
//!
//! # Constraints
//! Those of the products. f64 is refused by Metal and by the emulator.
//!
//! # Sources
//! Subspace iteration: Golub and Van Loan, "Matrix Computations" (4th edition), section 8.2.4, applied to AᵀA.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gram_schmidt::{SubspaceStep, subspace_step};
//! let a = Tensor::from_vec(vec![3.0f32, 0.0, 0.0, 2.0, 0.0, 0.0], [3, 2])?;
//! let v = Tensor::from_vec(vec![1.0f32, 1.0], [2, 1])?;
//! let out = subspace_step(&Stream::cpu(), &a, &v, &SubspaceStep::default())?;
//! assert_eq!(out.to_vec::<f32>()?, [9.0, 4.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod bands;
mod cases;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::DTYPES;
use crate::arguments::{check_f64, check_same_dtype, check_tensor};

const NAME: &str = "subspace_step";

/// The arguments of [`subspace_step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubspaceStep {
    /// Columns of V per band; 0: all of them in one.
    pub band: usize,
    /// Streams that the bands are dealt to, the caller's among them; at least 1.
    pub streams: usize,
}

impl Default for SubspaceStep {
    fn default() -> Self {
        SubspaceStep { band: 0, streams: 1 }
    }
}

/// `Aᵀ (A V)`.
///
/// # Errors
/// `a` of fewer than 2 axes or of another dtype than listed; `v` that does not fit it in shape or dtype; either on another device
/// than the stream; no streams; f64 on Metal or the emulator.
pub fn subspace_step(stream: &Stream, a: &Tensor, v: &Tensor, args: &SubspaceStep) -> Result<Tensor> {
    check_tensor(NAME, "a", stream, a, DTYPES)?;
    check_tensor(NAME, "v", stream, v, DTYPES)?;
    check_same_dtype(NAME, "v", v, a)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let &[ref batch @ .., _, n] = a.dims() else {
        return Err(Error::shape(NAME, "a", "[.., m, n]", a.shape()));
    };
    match v.dims() {
        &[ref its_batch @ .., its_n, _] if its_batch == batch && its_n == n => {}
        _ => {
            let batch: String = batch.iter().map(|extent| format!("{extent}, ")).collect();
            return Err(Error::shape(NAME, "v", format!("[{batch}{n}, k]"), v.shape()));
        }
    }
    if args.streams == 0 {
        return Err(Error::range(NAME, "streams", "at least 1", 0));
    }
    bands::subspace_step(stream, a, v, args)
}

//! What is left of vectors when their part in a basis is taken away: the second half of Gram-Schmidt.
//!
//! # Math
//! ```text
//! out[i] = v[i] - sum_j q[i, j] c[j]          V - Q C for a block
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q | [.., m, k] | any strides | f32, f16, bf16; f64 on the CPU and CUDA |
//! | c | [.., k], or [.., k, p] for a block | any strides | as q |
//! | v | [.., m], or [.., m, p] | any strides | as q |
//! | out | as v | row-major | as q |
//!
//! # Numerics
//! The sum and the difference are kept in f32 (f64 for f64) and rounded once; always in the same order. A block is a matrix
//! product of the `gemm` family. `compensated` sums as if in twice the precision.
//! The tolerance is derived in `cases.rs`.
//!
//! # Constraints
//! f64 is refused by Metal and by the emulator.
//!
//! # Sources
//! As [`project`](super::project()).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gram_schmidt::{Deflate, deflate};
//! let q = Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 0.0, 0.0, 1.0], [3, 2])?;
//! let v = Tensor::from_vec(vec![2.0f32, 5.0, 10.0], [3])?;
//! let c = Tensor::from_vec(vec![2.0f32, 10.0], [2])?;
//! let left = deflate(&Stream::cpu(), &q, &c, &v, &Deflate::default())?;
//! assert_eq!(left.to_vec::<f32>()?, [0.0, 5.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::{DTYPES, Sizes, is_product, variants};
use crate::arguments::{check_same_dtype, check_tensor, choose};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "deflate";

/// The arguments of [`deflate`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deflate {
    /// Sum as if in twice the precision.
    pub compensated: bool,
}

/// `v - Q c`, for one vector `[.., m]` or a block `[.., m, p]`.
///
/// # Errors
/// `q` of fewer than 2 axes or of another dtype than listed; `c` or `v` that do not fit `q` or each other in shape or dtype;
/// any on another device than the stream; f64 on Metal or the emulator.
pub fn deflate(stream: &Stream, q: &Tensor, c: &Tensor, v: &Tensor, args: &Deflate) -> Result<Tensor> {
    run(stream, None, q, c, v, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    q: &Tensor,
    c: &Tensor,
    v: &Tensor,
    args: &Deflate,
) -> Result<Tensor> {
    for (argument, tensor) in [("q", q), ("c", c), ("v", v)] {
        check_tensor(NAME, argument, stream, tensor, DTYPES)?;
        check_same_dtype(NAME, argument, tensor, q)?;
    }
    let sizes = Sizes::new(NAME, q, "v", v, |m, _| m)?;
    if c.dims() != sizes.shape(sizes.k) {
        return Err(Error::shape(NAME, "c", format!("{:?}", sizes.shape(sizes.k)), c.shape()));
    }
    let (columns, compensated) = (sizes.columns(), args.compensated);
    let variants = variants(NAME, stream.device(), q.dtype(), columns, compensated)?;
    match choose(NAME, variant, &variants)? {
        "portable" => gpu::deflate(stream, q, c, v, &sizes, compensated),
        "cpu" if !is_product(columns, compensated) => cpu::deflate(q, c, v, &sizes, compensated),
        _ => {
            let args = Matmul { alpha: -1.0, beta: 1.0, ..Matmul::default() };
            matmul(stream, q, c, Some(v), &args).map_err(|error| error.within(NAME))
        }
    }
}

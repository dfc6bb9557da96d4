//! The product of a matrix and a vector.
//!
//! # Math
//!
//! ```text
//! out[.., i] = sum_p op(a)[.., i, p] x[.., p]        op(a) = a or its transpose
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, k]`, or `[.., k, m]` with `transpose` | f64, f32, f16, bf16 |
//! | `x` | `[.., k]` | that of `a` |
//! | `out` | `[.., m]` | `out_dtype`: that of `a` by default; f32, f16 or bf16 for an `a` of those, f64 for f64 |
//!
//! Leading axes broadcast as NumPy's do. Any extent may be 0; operands may be any view.
//!
//! # Numerics
//!
//! As [`matmul`](super::matmul()): sums in f32 (f64 for f64), rounded once, within `k` roundings, in an order that is the same in every
//! run. The matrix is read once: the time is that of its bytes.
//!
//! # Constraints
//!
//! Metal, emulated: no f64. CUDA: all. GPU extents must fit 32 bits.
//!
//! # Sources
//!
//! BLAS `GEMV` (Dongarra et al. 1988).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gemm::{Gemv, gemv};
//!
//! let a = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
//! let x = Tensor::from_vec(vec![1.0f32, 0.0, -1.0], [3])?;
//! let out = gemv(&Stream::cpu(), &a, &x, &Gemv::default())?;
//! assert_eq!(out.to_vec::<f32>()?, [-2.0, -2.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub use cases::KERNEL;

use tilewright_core::{Args, DType, Device, Error, Result, Shape, Stream, Tensor};

use super::product::{self, DTYPES};
use crate::arguments::check_tensor;

const NAME: &str = "gemv";

/// The arguments of [`gemv()`] that are not tensors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gemv {
    /// `op(a)` is the transpose of `a`.
    pub transpose: bool,
    /// The output's dtype; `None` is that of `a`.
    pub out_dtype: Option<DType>,
}

impl Gemv {
    fn from_args(args: &Args) -> Result<Self> {
        Ok(Gemv {
            transpose: args.bool("transpose", false)?,
            out_dtype: product::optional(args, "out_dtype")?,
        })
    }
}

/// What is computed, once the arguments have been checked.
struct Problem {
    /// `[batch.., m, k]`
    a: Tensor,
    /// `[batch.., k]`
    x: Tensor,
    out: DType,
    batch: Shape,
    m: usize,
    k: usize,
}

impl Problem {
    fn shape(&self) -> Result<Shape> {
        Shape::new(&[self.batch.dims(), &[self.m]].concat()).map_err(|error| error.within(NAME))
    }
}

/// `op(a) x`; see the [module](self) for shapes and numerics.
///
/// # Errors
/// Each names the argument: a rank below 2 (`a`) or 1 (`x`), extents or leading axes that do not fit, dtypes that differ or that have no
/// product, a tensor that lies elsewhere than the stream.
pub fn gemv(stream: &Stream, a: &Tensor, x: &Tensor, args: &Gemv) -> Result<Tensor> {
    run(stream, None, a, x, args)
}

fn run(stream: &Stream, variant: Option<&str>, a: &Tensor, x: &Tensor, args: &Gemv) -> Result<Tensor> {
    let problem = plan(stream, a, x, args)?;
    match (stream.device(), variant) {
        (Device::Cpu, None | Some("cpu")) => cpu::gemv(stream, &problem),
        (Device::Cpu, Some(other)) => Err(Error::range(NAME, "variant", "cpu", format!("{other:?}"))),
        (_, None | Some("portable")) => gpu::gemv(stream, &problem),
        (_, Some(other)) => Err(Error::range(NAME, "variant", "portable", format!("{other:?}"))),
    }
}

fn plan(stream: &Stream, a: &Tensor, x: &Tensor, args: &Gemv) -> Result<Problem> {
    for (argument, tensor, expected, axes) in [("a", a, "at least 2 axes", 2), ("x", x, "at least 1 axis", 1)]
    {
        check_tensor(NAME, argument, stream, tensor, DTYPES)?;
        product::check_rank(NAME, argument, expected, tensor, axes)?;
    }
    if x.dtype() != a.dtype() {
        return Err(Error::dtype(NAME, "x", format!("{}, as a has", a.dtype()), x.dtype()));
    }
    let out = product::output_dtype(NAME, a.dtype(), args.out_dtype)?;
    let a = if args.transpose { a.transpose()? } else { a.clone() };
    let &[ref lead @ .., m, k] = a.dims() else { unreachable!("at least two axes") };
    if x.dims()[x.rank() - 1] != k {
        return Err(Error::shape(NAME, "x", format!("[.., {k}]"), x.shape()));
    }
    let batch = product::broadcast(NAME, "x", lead, x, 1)?;
    let (spread, x) = (product::spread(&a, &batch, 2)?, product::spread(x, &batch, 1)?);
    Ok(Problem { a: spread, x, out, batch, m, k })
}

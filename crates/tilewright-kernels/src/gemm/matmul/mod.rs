//! Products of matrices: `alpha op(A) op(B) + beta C`, batched.
//!
//! # Math
//!
//! ```text
//! out[.., i, j] = alpha sum_p op(a)[.., i, p] op(b)[.., p, j] + beta c[.., i, j]        op(x) = x or its transpose
//! ```
//!
//! A factor of 0 is absence, as in BLAS: with `beta = 0` the input `c` is not read, with `alpha = 0` (or `k = 0`) `a` and `b` are not.
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, k]`, or `[.., k, m]` with `transpose_a` | f64, f32, f16, bf16 |
//! | `b` | `[.., k, n]`, or `[.., n, k]` with `transpose_b` | that of `a` |
//! | `c` | `[.., m, n]`, required when `beta` is not 0 | that of `out` |
//! | `out` | `[.., m, n]` | `out_dtype`: that of `a` by default; f32, f16 or bf16 for operands of those, f64 for f64 |
//!
//! Leading axes broadcast as NumPy's do; `c` is repeated to those of the output. Any extent may be 0. Operands may be any view: a
//! transposed, sliced or repeated one is read where it lies, without a copy.
//!
//! # Numerics
//!
//! Products are exact or fused into the sum, which is held in f32 (f64 for f64) and rounded once to the output's dtype. The order of
//! the sum is the variant's own and the same in every run, so results are reproducible on one device and differ between devices within
//! `k + 3` roundings of f32 (f64) relative to `|alpha| sum |a b| + |beta c|`, which is the tolerance. f32 is strict: never TF32.
//! Products of f16 and bf16 are exact in f32, so sums of f16 overflow only in f32's range; the output may overflow in its own.
//!
//! # Constraints
//!
//! - CPU: no more than memory.
//! - Metal, emulated: no f64. CUDA: all.
//! - The portable body's [`Tile`] must fit 32 KiB of threadgroup memory and 1024 threads; extents must fit 32 bits.
//! - `simdgroup` (Metal, emulated, CUDA): f32, f16, bf16. `cublaslt`: CUDA, where the library is installed.
//!
//! # Sources
//!
//! BLAS `GEMM` (Dongarra et al. 1990) for the meaning of `alpha` and `beta`; Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication" (2008), for blocking. On the CPU f32 and f64 run in `faer` (MIT).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gemm::{Matmul, matmul};
//!
//! let a = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
//! let args = Matmul { transpose_b: true, ..Matmul::default() };
//! let out = matmul(&Stream::cpu(), &a, &a, None, &args)?; // a aᵀ
//! assert_eq!(out.to_vec::<f32>()?, [14.0, 32.0, 32.0, 77.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod pack;
mod reference;
#[cfg(test)]
mod tests;

pub use cases::KERNEL;
pub(super) use cases::residuals;
pub(crate) use cpu::{shared, shared_lower, tasks};
pub(super) use gpu::{HEADER as GPU_HEADER, add_pieces, is_whole};
pub(super) use reference::Truth;

use tilewright_core::{Args, DType, Device, Error, Result, Shape, Stream, Tensor};

use super::Tile;
use super::product::{self, DTYPES, Product};
use crate::arguments::check_tensor;

const NAME: &str = "matmul";

/// The arguments of [`matmul()`] that are not tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Matmul {
    /// `op(a)` is the transpose of `a`.
    pub transpose_a: bool,
    /// `op(b)` is the transpose of `b`.
    pub transpose_b: bool,
    /// The factor of the product, rounded to the accumulator's dtype.
    pub alpha: f64,
    /// The factor of `c`, rounded to the accumulator's dtype.
    pub beta: f64,
    /// The output's dtype; `None` is that of `a`.
    pub out_dtype: Option<DType>,
    /// The portable GPU body's tile; `None` lets the device's choice stand. Other variants have no use for it.
    pub tile: Option<Tile>,
}

impl Default for Matmul {
    fn default() -> Self {
        Matmul { transpose_a: false, transpose_b: false, alpha: 1.0, beta: 0.0, out_dtype: None, tile: None }
    }
}

impl Matmul {
    fn from_args(args: &Args) -> Result<Self> {
        Ok(Matmul {
            transpose_a: args.bool("transpose_a", false)?,
            transpose_b: args.bool("transpose_b", false)?,
            alpha: args.float("alpha", 1.0)?,
            beta: args.float("beta", 0.0)?,
            out_dtype: product::optional(args, "out_dtype")?,
            tile: product::optional(args, "tile")?,
        })
    }
}

/// `alpha op(a) op(b) + beta c`; see the [module](self) for shapes and numerics.
///
/// # Errors
/// Each names the argument: a rank below 2, inner extents or leading axes that do not fit, dtypes that differ or that have no product,
/// a tensor that lies elsewhere than the stream, `c` missing where `beta` is not 0, a tile that the device cannot run.
pub fn matmul(stream: &Stream, a: &Tensor, b: &Tensor, c: Option<&Tensor>, args: &Matmul) -> Result<Tensor> {
    run(stream, None, a, b, c, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    a: &Tensor,
    b: &Tensor,
    c: Option<&Tensor>,
    args: &Matmul,
) -> Result<Tensor> {
    execute(stream, variant, plan(stream, a, b, c, args)?)
}

/// The variants that run products of `dtype` into `out`, the default first.
pub(super) fn support(
    name: &'static str,
    device: Device,
    dtype: DType,
    out: DType,
) -> Result<Vec<&'static str>> {
    match device {
        Device::Cpu => Ok(vec!["cpu"]),
        _ => gpu::support(name, device, dtype, out),
    }
}

/// Runs a product where the stream is.
pub(super) fn execute(stream: &Stream, variant: Option<&str>, product: Product) -> Result<Tensor> {
    match (stream.device(), variant) {
        (Device::Cpu, None | Some("cpu")) => cpu::product(stream, product),
        (Device::Cpu, Some(other)) => Err(Error::range(product.name, "variant", "cpu", format!("{other:?}"))),
        _ => gpu::product(stream, variant, product),
    }
}

fn plan(stream: &Stream, a: &Tensor, b: &Tensor, c: Option<&Tensor>, args: &Matmul) -> Result<Product> {
    let c = c.filter(|_| args.beta != 0.0);
    for (argument, tensor) in [("a", Some(a)), ("b", Some(b)), ("c", c)] {
        let Some(tensor) = tensor else { continue };
        check_tensor(NAME, argument, stream, tensor, DTYPES)?;
        product::check_rank(NAME, argument, "at least 2 axes", tensor, 2)?;
    }
    if b.dtype() != a.dtype() {
        return Err(Error::dtype(NAME, "b", format!("{}, as a has", a.dtype()), b.dtype()));
    }
    let out = product::output_dtype(NAME, a.dtype(), args.out_dtype)?;
    product::check_tile(NAME, a.dtype(), args.tile)?;
    let a = if args.transpose_a { a.transpose()? } else { a.clone() };
    let (given, b) = (b, if args.transpose_b { b.transpose()? } else { b.clone() });
    let (&[.., m, k], &[.., inner, n]) = (a.dims(), b.dims()) else { unreachable!("two axes each") };
    if inner != k {
        let expected = if args.transpose_b { format!("[.., n, {k}]") } else { format!("[.., {k}, n]") };
        return Err(Error::shape(NAME, "b", expected, given.shape()));
    }
    let batch = product::broadcast(NAME, "b", &a.dims()[..a.rank() - 2], given, 2)?;
    let shape = Shape::new(&[batch.dims(), &[m, n]].concat()).map_err(|error| error.within(NAME))?;
    let c = match c {
        Some(c) if c.dtype() != out => {
            return Err(Error::dtype(NAME, "c", format!("{out}, as the output has"), c.dtype()));
        }
        Some(c) if c.dims()[c.rank() - 2..] != [m, n] => {
            return Err(Error::shape(NAME, "c", format!("[.., {m}, {n}]"), c.shape()));
        }
        Some(c) => {
            let repeated = c.broadcast_to(&shape);
            Some(
                repeated
                    .map_err(|_| Error::shape(NAME, "c", format!("broadcastable to {shape}"), c.shape()))?,
            )
        }
        None if args.beta != 0.0 => {
            return Err(Error::layout(NAME, "c", format!("missing, and beta is {}", args.beta)));
        }
        None => None,
    };
    let (a, b) = (product::spread(&a, &batch, 2)?, product::spread(&b, &batch, 2)?);
    let (alpha, beta, tile) = (args.alpha, args.beta, args.tile);
    Product { name: NAME, a, b, c, alpha, beta, out, shape, batch, m, n, k, symmetric: false, tile }.folded()
}

//! The product of a matrix and its own transpose: every dot product of its columns, or of its rows.
//!
//! # Math
//!
//! ```text
//! out[.., i, j] = sum_p a[.., p, i] a[.., p, j]        the columns' dot products, AᵀA
//! out[.., i, j] = sum_p a[.., i, p] a[.., j, p]        with of_rows: the rows', AAᵀ
//! ```
//!
//! Symmetric to the bit: one triangle is computed, the other is its mirror image.
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f64, f32, f16, bf16 |
//! | `out` | `[.., n, n]`, or `[.., m, m]` with `of_rows` | `out_dtype`: that of `a` by default; f32, f16 or bf16 for an `a` of those, f64 for f64 |
//!
//! Any extent may be 0; `a` may be any view.
//!
//! # Numerics
//!
//! As [`matmul`](super::matmul()): sums in f32 (f64 for f64), rounded once, within as many roundings as there are terms. A Gram matrix
//! squares the condition number of `a`; it is positive semidefinite only up to these roundings.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64. CUDA: all.
//! - `cublaslt` computes both triangles, on the matrix units, and then mirrors one.
//!
//! # Sources
//!
//! BLAS `SYRK` (Dongarra et al. 1990). On the CPU f32 and f64 run in `faer` (MIT).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gemm::{Gram, gram};
//!
//! let a = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2])?;
//! let out = gram(&Stream::cpu(), &a, &Gram::default())?;
//! assert_eq!(out.to_vec::<f32>()?, [35.0, 44.0, 44.0, 56.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;
#[cfg(test)]
mod tests;

pub use cases::KERNEL;

use tilewright_core::{Args, DType, Result, Shape, Stream, Tensor};

use super::Tile;
use super::matmul::execute;
use super::product::{self, DTYPES, Product};
use crate::arguments::check_tensor;

const NAME: &str = "gram";

/// The arguments of [`gram()`] that are not tensors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gram {
    /// Dot products of rows (`AAᵀ`) rather than of columns (`AᵀA`).
    pub of_rows: bool,
    /// The output's dtype; `None` is that of `a`.
    pub out_dtype: Option<DType>,
    /// The portable GPU body's tile; `None` lets the device's choice stand. Other variants have no use for it.
    pub tile: Option<Tile>,
}

impl Gram {
    fn from_args(args: &Args) -> Result<Self> {
        Ok(Gram {
            of_rows: args.bool("of_rows", false)?,
            out_dtype: product::optional(args, "out_dtype")?,
            tile: product::optional(args, "tile")?,
        })
    }
}

/// `aᵀ a`, or `a aᵀ`; see the [module](self) for shapes and numerics.
///
/// # Errors
/// Each names the argument: a rank below 2, a dtype that has no product, a tensor that lies elsewhere than the stream, a tile that the
/// device cannot run.
pub fn gram(stream: &Stream, a: &Tensor, args: &Gram) -> Result<Tensor> {
    run(stream, None, a, args)
}

fn run(stream: &Stream, variant: Option<&str>, a: &Tensor, args: &Gram) -> Result<Tensor> {
    check_tensor(NAME, "a", stream, a, DTYPES)?;
    product::check_rank(NAME, "a", "at least 2 axes", a, 2)?;
    product::check_tile(NAME, a.dtype(), args.tile)?;
    let out = product::output_dtype(NAME, a.dtype(), args.out_dtype)?;
    let (left, right) = if args.of_rows { (a.clone(), a.transpose()?) } else { (a.transpose()?, a.clone()) };
    let &[ref batch @ .., n, k] = left.dims() else { unreachable!("at least two axes") };
    let shape = Shape::new(&[batch, &[n, n]].concat()).map_err(|error| error.within(NAME))?;
    let product = Product {
        name: NAME,
        batch: Shape::new(batch)?,
        a: left.clone(),
        b: right,
        c: None,
        alpha: 1.0,
        beta: 0.0,
        out,
        shape,
        m: n,
        n,
        k,
        symmetric: true,
        tile: args.tile,
    };
    execute(stream, variant, product)
}

//! Random orthogonal matrices, as weights begin with.
//!
//! # Math
//!
//! ```text
//! g = q r, g of standard normal numbers, r_ii > 0        out = gain q
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `out` | `[.., m, n]`: gain times orthonormal columns, or rows where m < n | f32, f64, f16, bf16 |
//!
//! In the registry and on the command line a tensor `like` stands for the shape and the dtype; its elements are not read. The weights of a convolution are
//! `[out, in * width * height]`.
//!
//! # Numerics
//!
//! q is distributed by Haar's measure, as r's diagonal is made positive: no direction is preferred. The normal numbers are a function of the seed and their place
//! (splitmix64's finalizer, twice, and Box and Muller's method): one seed gives the same matrix on every device, to rounding, and each matrix of a batch is another.
//! In f32 (f64 for f64), rounded once at the end. Judged by `|1 - outᵀ out / gain²| / (max(m, n) eps)` under 30, and by the moments of traces. Deterministic.
//!
//! # Constraints
//!
//! As [`qr()`](crate::linalg::qr()) of max(m, n) rows and min(m, n) columns. Both steps run on the stream's device; it has no body of its own.
//!
//! # Sources
//!
//! Mezzadri, "How to generate random matrices from the classical compact groups" (2007); Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of
//! learning in deep linear neural networks" (2013).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{DType, Stream};
//! use tilewright_kernels::linalg::{Orthogonal, orthogonal};
//!
//! let args = Orthogonal { gain: 2.0, seed: 7 };
//! let out = orthogonal(&Stream::cpu(), DType::F64, &[2, 3], &args)?.to_vec::<f64>()?;
//! let product = |i: usize, j: usize| (0..3).map(|l| out[i * 3 + l] * out[j * 3 + l]).sum::<f64>();
//! assert!((product(0, 0) - 4.0).abs() < 1e-14 && product(0, 1).abs() < 1e-14);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::convert::{narrowed, working};
use super::elementwise::{Step, elementwise};
use super::extents::Extents;
use super::normals::normals;
use super::{DTYPES, Qr, QrMode, qr};
use crate::arguments::check_dtype;

const NAME: &str = "orthogonal";

/// The arguments of [`orthogonal()`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Orthogonal {
    /// What the orthonormal vectors are multiplied by. Default: 1.
    pub gain: f64,
    /// Which of the matrices. Default: 0.
    pub seed: u64,
}

impl Default for Orthogonal {
    fn default() -> Self {
        Orthogonal { gain: 1.0, seed: 0 }
    }
}

/// Says why a device cannot make such matrices.
fn check(device: Device, dtype: DType, extents: &Extents) -> Result<()> {
    let &Extents { ref batch, m, n } = extents;
    let extents = Extents { batch: batch.clone(), m: m.max(n), n: m.min(n) };
    qr::check(NAME, device, dtype, &extents, QrMode::Reduced)
}

/// A random matrix, or a batch of them, `[.., m, n]`.
///
/// # Errors
/// A `shape` of fewer than 2 axes; another dtype than listed; a `gain` that is no number; what [`qr()`](crate::linalg::qr()) cannot do.
pub fn orthogonal(stream: &Stream, dtype: DType, shape: &[usize], args: &Orthogonal) -> Result<Tensor> {
    check_dtype(NAME, "dtype", dtype, DTYPES)?;
    let &[ref batch @ .., m, n] = shape else {
        return Err(Error::shape(NAME, "shape", "[.., m, n]", format!("{shape:?}")));
    };
    if !args.gain.is_finite() {
        return Err(Error::range(NAME, "gain", "a finite number", args.gain));
    }
    check(stream.device(), dtype, &Extents { batch: batch.to_vec(), m, n })?;
    if shape.contains(&0) {
        return Tensor::empty(stream, dtype, shape);
    }
    let wide = working(dtype);
    let g = normals(stream, args.seed, wide, &[batch, &[m.max(n), m.min(n)]].concat())?;
    let positive = Qr { nonnegative: true, ..Qr::default() };
    let q =
        qr(stream, &g, &positive).map_err(|error| error.within(NAME))?.q.expect("reduced factors have it");
    let weights = Tensor::from_f64(&[args.gain, 0.0, 0.0, 0.0], wide, [4])?.to(stream)?;
    let q = elementwise(stream, &q, Step::Combined { weights: &weights, y: &q, z: &q })?;
    let q = narrowed(stream, q, dtype)?;
    if m < n { q.transpose() } else { Ok(q) }
}

//! The condition number of a matrix.
//!
//! # Math
//!
//! ```text
//! order 2: s_1 / s_k;   -2: s_k / s_1;   another one: |a| |a⁻¹|
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]`; `[.., n, n]` with an order other than 2 and -2 | f32, f64, f16, bf16 |
//! | `cond` | `[..]` | that of `a` |
//!
//! A singular matrix has an infinite one (0 with order -2), one with a NaN or an infinity a NaN.
//!
//! # Numerics
//!
//! In f32 (f64 for f64). The number itself has that condition: it is off by a part of `n eps` times itself, so that beyond `1 / eps` only its
//! being large is certain. The orders are those of [`norm()`](crate::linalg::norm()). Deterministic.
//!
//! # Constraints
//!
//! As [`svd()`](crate::linalg::svd()) with order 2 and -2, otherwise as [`inverse()`](crate::linalg::inverse()) and
//! [`norm()`](crate::linalg::norm()).
//!
//! # Sources
//!
//! NumPy's `linalg.cond`; Higham, "Accuracy and Stability of Numerical Algorithms", chapter 6.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Cond, cond};
//!
//! let a = Tensor::from_vec(vec![4.0f32, 0.0, 0.0, 0.5], [2, 2])?;
//! assert_eq!(cond(&Stream::cpu(), &a, &Cond::default())?.to_vec::<f32>()?, [8.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use super::{Norm, Order, Svd, SvdMode, inverse, norm, svd};

const NAME: &str = "cond";

/// The arguments of [`cond()`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cond {
    /// Which norm. Default: 2.
    pub order: Order,
}

impl Default for Cond {
    fn default() -> Self {
        Cond { order: Order::P(2.0) }
    }
}

/// How two numbers of a matrix make its condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    /// `x / y`; infinite where y is 0.
    Ratio,
    /// `y / x`; 0 where y is 0.
    Inverse,
    /// `x y`; infinite where the matrix is singular.
    Product,
}

/// The condition of each matrix of a batch.
///
/// # Errors
/// `a` of fewer than 2 axes or without elements, not of square matrices with an order other than 2 and -2, or of an order that matrices do not
/// have; those of [`svd()`](svd::svd()), [`inverse()`](inverse::inverse()) and [`norm()`](norm::norm()).
pub fn cond(stream: &Stream, a: &Tensor, args: &Cond) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let within = |error: Error| error.within(NAME);
    if extents.m == 0 || extents.n == 0 {
        return Err(Error::shape(NAME, "a", "[.., m, n] with elements", a.shape()));
    }
    let wide = widened(stream, a)?;
    let (x, y, info, how) = match args.order {
        Order::P(p) if p.abs() == 2.0 => {
            let found =
                svd(stream, &wide, &Svd { mode: SvdMode::Values, ..Svd::default() }).map_err(within)?;
            let (axis, last) = (found.s.rank() - 1, extents.m.min(extents.n) - 1);
            let how = if p > 0.0 { Join::Ratio } else { Join::Inverse };
            (found.s.select(axis, 0)?, found.s.select(axis, last)?, found.info, how)
        }
        order => {
            let size = |x: &Tensor| {
                norm(stream, x, &Norm { order: Some(order), axes: Some(vec![-2, -1]), keepdims: false })
            };
            let inverse = inverse(stream, &wide).map_err(within)?;
            (size(&wide).map_err(within)?, size(&inverse.x).map_err(within)?, inverse.info, Join::Product)
        }
    };
    if info.is_empty() {
        return Tensor::empty(stream, a.dtype(), extents.batch);
    }
    let joined = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::joined::<T>(&x, &y, &info, how)?),
        _ => gpu::joined(stream, &x, &y, &info, how)?,
    };
    narrowed(stream, joined, a.dtype())
}

//! The gradient of [`norm()`](crate::linalg::norm()).
//!
//! # Math
//!
//! ```text
//! vectors:   p: dx_i = dy sign(x_i) (|x_i| / y)^(p-1);   0: 0;   inf, -inf: dy sign(x_i) / ties where |x_i| = y, and 0 elsewhere
//! matrices:  fro: dy a / y;   nuc: dy u vᵀ;   2, -2: dy u_i v_iᵀ of that singular value;   1, -1, inf, -inf: the sums' through the largest's
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | any | f32, f64, f16, bf16 |
//! | `dy` | that of the norm | that of `a` |
//! | `da` | that of `a` | that of `a` |
//!
//! The arguments are those of [`norm()`](crate::linalg::norm()).
//!
//! # Numerics
//!
//! The norm is computed again, in f32 (f64 for f64); of elements in its quotients nothing overflows. The gradient is rounded once at the end. Where the norm has
//! none it is a subgradient: of an element 0 it is 0, as it is of a norm 0, and the largest of several equal ones share it evenly; so for singular values, whose
//! vectors are then those that [`svd()`](crate::linalg::svd()) gives. NaN spreads. Judged by central differences in f64. Deterministic.
//!
//! # Constraints
//!
//! As [`norm()`](crate::linalg::norm()).
//!
//! # Sources
//!
//! Derived here; for the norms of singular values Watson, "Characterization of the subdifferential of some matrix norms" (1992).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Norm, norm_bw};
//!
//! let x = Tensor::from_vec(vec![3.0f32, 4.0], [2])?;
//! let by = norm_bw(&Stream::cpu(), &x, &Tensor::scalar(1.0f32), &Norm::default())?;
//! assert_eq!(by.to_vec::<f32>()?, [0.6, 0.8]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::DTYPES;
use super::convert::{dense, narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::check_like;
use super::host::with_real;
use super::norm::{Fold, axes, vectors};
use super::{Norm, Order, Svd, SvdMode, svd};
use crate::arguments::{check_f64, check_tensor};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "norm_bw";

/// The gradient by `a`, given `dy`, the gradient by the norm.
///
/// # Errors
/// Those of [`norm()`](crate::linalg::norm()); `dy` of another shape than the norm.
pub fn norm_bw(stream: &Stream, a: &Tensor, dy: &Tensor, args: &Norm) -> Result<Tensor> {
    check_tensor(NAME, "a", stream, a, DTYPES)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let axes = axes(a, args).map_err(|error| error.within(NAME))?;
    let mut order: Vec<usize> = (0..a.rank()).filter(|axis| !axes.contains(axis)).collect();
    let kept: Vec<usize> = order.iter().map(|&axis| a.dims()[axis]).collect();
    let shape = match args.keepdims {
        false => kept.clone(),
        true => (0..a.rank()).map(|axis| if axes.contains(&axis) { 1 } else { a.dims()[axis] }).collect(),
    };
    check_like(NAME, stream, "dy", dy, a, &shape)?;
    if a.is_empty() {
        return Tensor::empty(stream, a.dtype(), a.dims());
    }
    order.extend(&axes);
    // [.., axes]
    let wide = widened(stream, a)?.permute(&order)?;
    let dy = dense(stream, &widened(stream, dy)?)?.reshape(kept)?;
    let da = match (axes.len(), args.order) {
        (1, order) => match order.unwrap_or(Order::P(2.0)) {
            Order::P(p) => along(stream, &wide, &dy, &[Fold::new(p)])?,
            other => return Err(Error::range(NAME, "order", "a number, for vectors", format!("{other:?}"))),
        },
        (2, None | Some(Order::Frobenius)) => along(stream, &wide, &dy, &[Fold::Root, Fold::Root])?,
        (2, Some(Order::P(p))) if p == 1.0 || p == -1.0 => {
            let most = if p > 0.0 { Fold::Largest } else { Fold::Smallest };
            along(stream, &wide.transpose()?, &dy, &[Fold::Sum, most])?.transpose()?
        }
        (2, Some(Order::P(p))) if p.is_infinite() => {
            let most = if p > 0.0 { Fold::Largest } else { Fold::Smallest };
            along(stream, &wide, &dy, &[Fold::Sum, most])?
        }
        (2, Some(order)) => {
            let fold = match order {
                Order::Nuclear => Fold::Sum,
                Order::P(2.0) => Fold::Largest,
                Order::P(-2.0) => Fold::Smallest,
                other => {
                    let expected = "fro, nuc, or 1, 2, inf of either sign, for matrices";
                    return Err(Error::range(NAME, "order", expected, format!("{other:?}")));
                }
            };
            let found = svd(stream, &wide, &Svd { mode: SvdMode::Reduced, ..Svd::default() })
                .map_err(|error| error.within(NAME))?;
            let (u, vt) = (found.u.expect("reduced factors have it"), found.vt.expect("and this"));
            let ds = along(stream, &found.s, &dy, &[fold])?;
            let right = elementwise(stream, &dense(stream, &vt)?, Step::RowsTimes(&ds))?;
            matmul(stream, &u, &right, None, &Matmul::default())?
        }
        (0, _) => along(stream, &wide.reshape([1])?, &dy, &[Fold::Sum])?.reshape(a.dims())?,
        // All axes, one after the other: a root of squares of roots.
        (count, _) => along(stream, &wide, &dy, &vec![Fold::Root; count])?,
    };
    // Back in the order of a's axes.
    let mut back = vec![0; a.rank()];
    order.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
    let da = if a.rank() == 0 { da } else { da.permute(&back)? };
    narrowed(stream, dense(stream, &da)?, a.dtype())
}

/// The gradient of folds along the last axes, one after the other, the last axis first.
fn along(stream: &Stream, x: &Tensor, dy: &Tensor, folds: &[Fold]) -> Result<Tensor> {
    let [fold, rest @ ..] = folds else { return Ok(dy.clone()) };
    let y = vectors(stream, x, *fold).map_err(|error| error.within(NAME))?;
    let dy = along(stream, &y, dy, rest)?;
    let ties = match fold {
        Fold::Largest | Fold::Smallest => {
            let equal = each(stream, x, &y, &y, &y, Rule::Equal)?;
            vectors(stream, &equal, Fold::Sum)?
        }
        _ => y.clone(),
    };
    each(stream, x, &y, &dy, &ties, Rule::Gradient(*fold))
}

/// What is done to each element.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// 1 where its absolute value is the fold, 0 elsewhere.
    Equal,
    Gradient(Fold),
}

/// `x` is `[.., n]`, the others `[..]`.
fn each(stream: &Stream, x: &Tensor, y: &Tensor, dy: &Tensor, ties: &Tensor, rule: Rule) -> Result<Tensor> {
    match stream.device() {
        Device::Cpu => with_real!(x.dtype(), T => cpu::each::<T>(x, y, dy, ties, rule)),
        _ => gpu::each(stream, x, y, dy, ties, rule),
    }
}

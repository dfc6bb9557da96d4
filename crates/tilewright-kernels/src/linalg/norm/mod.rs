//! Norms of vectors and matrices.
//!
//! # Math
//!
//! ```text
//! vectors:   p: (sum |x_i|^p)^(1/p);   0: how many x_i are not 0;   inf, -inf: max, min |x_i|
//! matrices:  fro: (sum a_ij²)^(1/2);   nuc: sum s_i;   2, -2: max, min s_i;   1, -1: max, min over columns of their sums of |a_ij|;
//!            inf, -inf: the same over rows;            s: the singular values
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | any | f32, f64, f16, bf16 |
//! | `norm` | that of `a` without the axes, or with 1 for them (`keepdims`) | that of `a` |
//!
//! `axes` are one, for vectors, or two, for matrices: rows, then columns. Without axes: those of a vector or matrix, or all, as one vector, where
//! no order is given either. Without an order: 2 for a vector, fro for a matrix.
//!
//! # Numerics
//!
//! In f32 (f64 for f64). Powers are of elements over the largest (p < 0: the smallest), so that nothing overflows or vanishes on the way. A norm
//! is off by n + 20 roundings at most, n being how many elements it is of; singular values as in [`svd()`](crate::linalg::svd()). NaN spreads. Of
//! no elements, the norm is 0, but min is an error. Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64.
//! - nuc, 2 and -2 of matrices: as [`svd()`](crate::linalg::svd()).
//!
//! # Sources
//!
//! NumPy's `linalg.norm`; LAPACK `LANGE`, `NRM2`.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Norm, norm};
//!
//! let x = Tensor::from_vec(vec![3.0f32, 4.0], [2])?;
//! assert_eq!(norm(&Stream::cpu(), &x, &Norm::default())?.to_vec::<f32>()?, [5.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cases::{ARGS, arguments};
pub(super) use gpu::low;
pub(super) use reference::{matrix, vector};

use std::str::FromStr;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::DTYPES;
use super::convert::{narrowed, widened};
use super::host::with_real;
use super::{Svd, SvdMode, svd};
use crate::arguments::{check_f64, check_tensor};

const NAME: &str = "norm";

/// Which norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// The root of the sum of all squares of a matrix.
    Frobenius,
    /// The sum of the singular values of a matrix.
    Nuclear,
    /// The p of a vector's norm, infinite ones too; of a matrix's only 1, 2 and infinity of either sign.
    P(f64),
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match (name, name.parse::<f64>()) {
            ("fro", _) => Ok(Order::Frobenius),
            ("nuc", _) => Ok(Order::Nuclear),
            (_, Ok(p)) if !p.is_nan() => Ok(Order::P(p)),
            _ => Err(Error::range(NAME, "order", "fro, nuc, inf, -inf or a number", name)),
        }
    }
}

/// The arguments of [`norm()`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Norm {
    /// Which one. Default: 2 for vectors, [`Order::Frobenius`] for matrices.
    pub order: Option<Order>,
    /// One axis or two, counted from the end where negative. Default: all.
    pub axes: Option<Vec<i64>>,
    /// The axes stay, with 1 element each.
    pub keepdims: bool,
}

/// What is done to a vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fold {
    Count,
    Sum,
    Root,
    Power(f64),
    Largest,
    Smallest,
}

impl Fold {
    pub(super) fn new(p: f64) -> Self {
        match p {
            0.0 => Fold::Count,
            1.0 => Fold::Sum,
            2.0 => Fold::Root,
            f64::INFINITY => Fold::Largest,
            f64::NEG_INFINITY => Fold::Smallest,
            p => Fold::Power(p),
        }
    }

    /// What is done to the results of pieces of a vector.
    fn of_pieces(self) -> Self {
        if self == Fold::Count { Fold::Sum } else { self }
    }
}

/// The norm along one or two axes, or all.
///
/// # Errors
/// An axis that does not exist or is named twice, or more than two; an order that there is not for vectors or matrices; the smallest of no
/// elements; another dtype than listed, or another device than the stream's; what the device cannot do, see the constraints.
pub fn norm(stream: &Stream, a: &Tensor, args: &Norm) -> Result<Tensor> {
    check_tensor(NAME, "a", stream, a, DTYPES)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let axes = axes(a, args)?;
    let mut order: Vec<usize> = (0..a.rank()).filter(|axis| !axes.contains(axis)).collect();
    let kept: Vec<usize> = order.iter().map(|&axis| a.dims()[axis]).collect();
    order.extend(&axes);
    // [.., axes]
    let wide = widened(stream, a)?.permute(&order)?;
    let along = |x: &Tensor, fold| vectors(stream, x, fold);
    let columns_first = |x: &Tensor| x.transpose();
    let result = match (axes.len(), args.order) {
        (1, order) => match order.unwrap_or(Order::P(2.0)) {
            Order::P(p) => along(&wide, Fold::new(p))?,
            other => return Err(Error::range(NAME, "order", "a number, for vectors", format!("{other:?}"))),
        },
        (2, None | Some(Order::Frobenius)) => along(&along(&wide, Fold::Root)?, Fold::Root)?,
        (2, Some(Order::P(1.0))) => along(&along(&columns_first(&wide)?, Fold::Sum)?, Fold::Largest)?,
        (2, Some(Order::P(-1.0))) => along(&along(&columns_first(&wide)?, Fold::Sum)?, Fold::Smallest)?,
        (2, Some(Order::P(f64::INFINITY))) => along(&along(&wide, Fold::Sum)?, Fold::Largest)?,
        (2, Some(Order::P(f64::NEG_INFINITY))) => along(&along(&wide, Fold::Sum)?, Fold::Smallest)?,
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
            let values = Svd { mode: SvdMode::Values, ..Svd::default() };
            along(&svd(stream, &wide, &values).map_err(|error| error.within(NAME))?.s, fold)?
        }
        // Of a number alone.
        (0, _) => along(&wide, Fold::Root)?,
        // All axes, one after the other: a root of squares of roots.
        (count, _) => (0..count).try_fold(wide, |rest, _| along(&rest, Fold::Root))?,
    };
    let shape = match args.keepdims {
        false => kept,
        true => (0..a.rank()).map(|axis| if axes.contains(&axis) { 1 } else { a.dims()[axis] }).collect(),
    };
    narrowed(stream, result.reshape(shape)?, a.dtype())
}

/// The axes, counted from the front.
pub(super) fn axes(a: &Tensor, args: &Norm) -> Result<Vec<usize>> {
    let rank = a.rank();
    let Some(axes) = &args.axes else {
        if args.order.is_some() && !(1..=2).contains(&rank) {
            return Err(Error::range(NAME, "axes", "given where a has other than 1 or 2 axes", "none"));
        }
        return Ok((0..rank).collect());
    };
    let counted = |&axis: &i64| {
        let from_front = if axis < 0 { axis + rank as i64 } else { axis };
        let expected = || format!("one of the {rank} axes");
        usize::try_from(from_front)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| Error::range(NAME, "axes", expected(), axis))
    };
    let found: Vec<usize> = axes.iter().map(counted).collect::<Result<_>>()?;
    if !(1..=2).contains(&found.len()) || (found.len() == 2 && found[0] == found[1]) {
        return Err(Error::range(NAME, "axes", "one axis or two that differ", format!("{axes:?}")));
    }
    Ok(found)
}

/// Along the last axis; of a number alone, which has none, the absolute value.
pub(super) fn vectors(stream: &Stream, x: &Tensor, fold: Fold) -> Result<Tensor> {
    let (shape, n) = match x.dims() {
        &[ref shape @ .., n] => (shape.to_vec(), n),
        [] => (Vec::new(), 1),
    };
    if n == 0 && matches!(fold, Fold::Smallest) {
        return Err(Error::range(NAME, "a", "elements, for the smallest of them", "none"));
    }
    if n == 0 || shape.contains(&0) {
        return Tensor::zeros(x.dtype(), shape)?.to(stream);
    }
    match stream.device() {
        Device::Cpu => with_real!(x.dtype(), T => cpu::vectors::<T>(x, shape, n, fold)),
        _ => gpu::vectors(stream, x, shape, n, fold),
    }
}

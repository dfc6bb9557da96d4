//! Diagonals of matrices.
//!
//! # Math
//!
//! ```text
//! out_l = x_ij with i = l, j = l + offset; or i = l - offset, j = l where offset < 0
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `x` | any of at least 2 axes, any strides | any |
//! | `out` | that of `x` without the two axes, and then `[k]`: how long the diagonal is | that of `x` |
//!
//! # Numerics
//!
//! A view of the same memory: nothing is moved. An offset beyond the corners gives no elements. The gradient is
//! [`diag()`](crate::linalg::diag()) of the gradient, for the main diagonal of a square matrix.
//!
//! # Constraints
//!
//! None: no kernel runs, on any device.
//!
//! # Sources
//!
//! NumPy's `diagonal`, whose axes come last here by default, as in its `linalg.diagonal`.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Diagonal, diagonal};
//!
//! let x = Tensor::from_vec(vec![1i32, 2, 3, 4, 5, 6], [2, 3])?;
//! let out = diagonal(&Stream::cpu(), &x, &Diagonal { offset: 1, ..Diagonal::default() })?;
//! assert_eq!(out.to_vec::<i32>()?, [2, 6]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Error, Layout, Result, Shape, Stream, Tensor};

use crate::arguments::check_tensor;

const NAME: &str = "diagonal";

/// The arguments of [`diagonal()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diagonal {
    /// So far above the main diagonal; below it if negative. Default: 0.
    pub offset: i64,
    /// The axes of rows and columns; below zero they count from the end. Default: the last two.
    pub axes: [i64; 2],
}

impl Default for Diagonal {
    fn default() -> Self {
        Diagonal { offset: 0, axes: [-2, -1] }
    }
}

/// A diagonal of each matrix of a batch, as a view.
///
/// # Errors
/// `x` of fewer than 2 axes or on another device than the stream; `axes` that it has not, or one twice.
pub fn diagonal(stream: &Stream, x: &Tensor, args: &Diagonal) -> Result<Tensor> {
    check_tensor(NAME, "x", stream, x, &DType::ALL)?;
    let rank = x.rank();
    if rank < 2 {
        return Err(Error::shape(NAME, "x", "[.., m, n]", x.shape()));
    }
    let counted = |axis: i64| {
        let from_front = if axis < 0 { axis + rank as i64 } else { axis };
        let axis_of = usize::try_from(from_front).ok().filter(|&axis| axis < rank);
        axis_of.ok_or_else(|| Error::range(NAME, "axes", format!("two of the {rank} axes"), axis))
    };
    let (rows, columns) = (counted(args.axes[0])?, counted(args.axes[1])?);
    if rows == columns {
        return Err(Error::range(NAME, "axes", "two that differ", format!("{:?}", args.axes)));
    }
    let (m, n, layout) = (x.dims()[rows], x.dims()[columns], x.layout());
    let far = usize::try_from(args.offset.unsigned_abs()).unwrap_or(usize::MAX);
    let (below, right) = if args.offset < 0 { (far, 0) } else { (0, far) };
    let length = m.saturating_sub(below).min(n.saturating_sub(right));
    let others = |of: &[usize]| -> Vec<usize> {
        let kept = of.iter().enumerate().filter(|&(axis, _)| axis != rows && axis != columns);
        kept.map(|(_, &extent)| extent).collect()
    };
    let shape = [others(x.dims()), vec![length]].concat();
    let (down, across) = (layout.strides()[rows], layout.strides()[columns]);
    if shape.contains(&0) {
        return Tensor::empty(stream, x.dtype(), shape);
    }
    let strides = [others(layout.strides()), vec![down + across]].concat();
    let offset = layout.offset() + below * down + right * across;
    let layout = Layout::strided(Shape::new(&shape)?, &strides, offset, layout.end())?;
    Tensor::from_buffer(x.buffer().clone(), x.dtype(), layout)
}

//! Extents, strides, and the views that they make.

use std::fmt;
use std::ops::Range;

use crate::{Error, Result};

/// The highest rank of a tensor.
pub const MAX_RANK: usize = 8;

/// The extents of a tensor, outermost first; at most [`MAX_RANK`] of them. A 0-d tensor holds one element.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    rank: u8,
    dims: [usize; MAX_RANK],
}

impl Shape {
    /// Checks the rank and that the number of elements, zero extents left out, fits `isize`.
    pub fn new(dims: &[usize]) -> Result<Self> {
        if dims.len() > MAX_RANK {
            return Err(Error::range("shape", "rank", format!("at most {MAX_RANK}"), dims.len()));
        }
        let mut total = 1usize;
        for &dim in dims {
            total =
                total.checked_mul(dim.max(1)).filter(|&total| total <= isize::MAX as usize / 8).ok_or_else(
                    || Error::range("shape", "dims", "fewer than 2^60 elements", format!("{dims:?}")),
                )?;
        }
        let mut shape = Self { rank: dims.len() as u8, dims: [0; MAX_RANK] };
        shape.dims[..dims.len()].copy_from_slice(dims);
        Ok(shape)
    }

    /// The extents.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank as usize]
    }

    /// The number of extents.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The number of elements: 1 for a 0-d shape.
    pub fn elements(&self) -> usize {
        self.dims().iter().product()
    }
}

impl std::ops::Index<usize> for Shape {
    type Output = usize;
    fn index(&self, axis: usize) -> &usize {
        &self.dims()[axis]
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, other: &[usize]) -> bool {
        self.dims() == other
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self.dims() == other
    }
}

macro_rules! shape_from {
    ($($source:ty, [$($generics:tt)*]);*) => {$(
        impl<$($generics)*> TryFrom<$source> for Shape {
            type Error = Error;
            fn try_from(dims: $source) -> Result<Self> {
                Shape::new(dims.as_ref())
            }
        }
    )*};
}

shape_from!([usize; N], [const N: usize]; &[usize; N], [const N: usize]; &[usize], []; Vec<usize>, []; &Vec<usize>, []);

impl TryFrom<&Shape> for Shape {
    type Error = Error;
    fn try_from(shape: &Shape) -> Result<Self> {
        Ok(*shape)
    }
}

/// Where the elements of a tensor lie in its buffer: shape, strides and offset, all in elements.
///
/// Strides are non-negative (a reversed axis is a copy); a stride of 0 repeats an element and makes the view read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    shape: Shape,
    strides: [usize; MAX_RANK],
    offset: usize,
}

impl Layout {
    /// The row-major layout of `shape`: the last axis has stride 1.
    pub fn contiguous(shape: Shape) -> Self {
        let mut strides = [0; MAX_RANK];
        let mut next = 1;
        for axis in (0..shape.rank()).rev() {
            strides[axis] = next;
            next *= shape[axis].max(1);
        }
        Self { shape, strides, offset: 0 }
    }

    /// A layout with given strides; fails unless every element lies below `capacity`.
    pub fn strided(shape: Shape, strides: &[usize], offset: usize, capacity: usize) -> Result<Self> {
        if strides.len() != shape.rank() {
            return Err(Error::shape(
                "layout",
                "strides",
                format!("[{}]", shape.rank()),
                format!("[{}]", strides.len()),
            ));
        }
        let mut layout = Self { shape, strides: [0; MAX_RANK], offset };
        layout.strides[..strides.len()].copy_from_slice(strides);
        match layout.checked_end() {
            Some(end) if end <= capacity => Ok(layout),
            _ => Err(Error::range(
                "layout",
                "strides",
                format!("every element below {capacity}"),
                format!("shape {shape}, strides {strides:?}, offset {offset}"),
            )),
        }
    }

    /// One past the largest element index, or `None` where that overflows.
    fn checked_end(&self) -> Option<usize> {
        if self.shape.elements() == 0 {
            return Some(self.offset);
        }
        let mut last = self.offset;
        for axis in 0..self.shape.rank() {
            last = last.checked_add(self.strides[axis].checked_mul(self.shape[axis] - 1)?)?;
        }
        last.checked_add(1)
    }

    /// The extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Elements between neighbours, per axis.
    pub fn strides(&self) -> &[usize] {
        &self.strides[..self.shape.rank()]
    }

    /// The index of the first element.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// One past the largest element index in use.
    pub fn end(&self) -> usize {
        self.checked_end().expect("checked when the layout was made")
    }

    /// Whether the elements lie row-major without gaps. Axes of extent 1 may have any stride.
    pub fn is_contiguous(&self) -> bool {
        let mut next = 1;
        for axis in (0..self.shape.rank()).rev() {
            if self.shape[axis] != 1 && self.strides[axis] != next {
                return self.shape.elements() == 0;
            }
            next *= self.shape[axis];
        }
        true
    }

    /// Exchanges axes: axis `i` of the result is axis `axes[i]` of this.
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        let mut seen = [false; MAX_RANK];
        let valid = axes.len() == self.shape.rank()
            && axes.iter().all(|&axis| axis < axes.len() && !std::mem::replace(&mut seen[axis], true));
        if !valid {
            let expected = format!("a permutation of 0..{}", self.shape.rank());
            return Err(Error::range("permute", "axes", expected, format!("{axes:?}")));
        }
        let mut result = *self;
        for (to, &from) in axes.iter().enumerate() {
            result.shape.dims[to] = self.shape.dims[from];
            result.strides[to] = self.strides[from];
        }
        Ok(result)
    }

    /// Keeps `range` of one axis.
    pub fn slice(&self, axis: usize, range: Range<usize>) -> Result<Self> {
        if axis >= self.shape.rank() {
            return Err(Error::range("slice", "axis", format!("below {}", self.shape.rank()), axis));
        }
        if range.start > range.end || range.end > self.shape[axis] {
            return Err(Error::range(
                "slice",
                "range",
                format!("within 0..{}", self.shape[axis]),
                format!("{range:?}"),
            ));
        }
        let mut result = *self;
        result.shape.dims[axis] = range.len();
        if result.shape.elements() > 0 {
            result.offset += range.start * self.strides[axis];
        }
        Ok(result)
    }

    /// Repeats axes of extent 1, and adds axes in front, to reach `shape`, as NumPy broadcasts.
    pub fn broadcast_to(&self, shape: Shape) -> Result<Self> {
        let added = shape.rank().checked_sub(self.shape.rank());
        let fits = added.is_some_and(|added| {
            (0..self.shape.rank())
                .all(|axis| self.shape[axis] == shape[added + axis] || self.shape[axis] == 1)
        });
        let (Some(added), true) = (added, fits) else {
            return Err(Error::shape(
                "broadcast_to",
                "shape",
                format!("broadcastable from {}", self.shape),
                shape,
            ));
        };
        let mut result = Self { shape, strides: [0; MAX_RANK], offset: self.offset };
        for axis in 0..self.shape.rank() {
            let repeated = self.shape[axis] != shape[added + axis];
            result.strides[added + axis] = if repeated { 0 } else { self.strides[axis] };
        }
        Ok(result)
    }

    /// The same elements in the same order under another shape; `None` where only a copy can do that.
    pub fn reshape(&self, shape: Shape) -> Result<Option<Self>> {
        if shape.elements() != self.shape.elements() {
            let expected = format!("{} elements", self.shape.elements());
            return Err(Error::shape("reshape", "shape", expected, shape));
        }
        Ok(self.is_contiguous().then(|| Self { offset: self.offset, ..Self::contiguous(shape) }))
    }

    /// Inserts an axis of extent 1 before `axis`.
    pub fn unsqueeze(&self, axis: usize) -> Result<Self> {
        if axis > self.shape.rank() || self.shape.rank() == MAX_RANK {
            let expected = format!("at most {} and a rank below {MAX_RANK}", self.shape.rank());
            return Err(Error::range("unsqueeze", "axis", expected, axis));
        }
        let mut dims = self.shape.dims().to_vec();
        let mut strides = self.strides().to_vec();
        dims.insert(axis, 1);
        strides.insert(axis, 1);
        let mut result = Self { shape: Shape::new(&dims)?, strides: [0; MAX_RANK], offset: self.offset };
        result.strides[..strides.len()].copy_from_slice(&strides);
        Ok(result)
    }

    /// The index of every element, in row-major order of the shape.
    pub fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        let rank = self.shape.rank();
        let mut position = [0usize; MAX_RANK];
        let mut index = self.offset;
        (0..self.shape.elements()).map(move |_| {
            let current = index;
            for axis in (0..rank).rev() {
                position[axis] += 1;
                index += self.strides[axis];
                if position[axis] < self.shape[axis] {
                    break;
                }
                index -= position[axis] * self.strides[axis];
                position[axis] = 0;
            }
            current
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(dims: &[usize]) -> Layout {
        Layout::contiguous(Shape::new(dims).unwrap())
    }

    #[test]
    fn views_of_views_index_what_they_say() {
        // A[i][j][k] = 12 i + 4 j + k over [2, 3, 4]; take k in 1..3, then order (k, i, j).
        let view = layout(&[2, 3, 4]).slice(2, 1..3).unwrap().permute(&[2, 0, 1]).unwrap();
        assert_eq!(view.shape().dims(), [2, 2, 3]);
        let expected: Vec<usize> =
            (1..3).flat_map(|k| (0..2).flat_map(move |i| (0..3).map(move |j| 12 * i + 4 * j + k))).collect();
        assert_eq!(view.indices().collect::<Vec<_>>(), expected);
        assert!(!view.is_contiguous());
        assert_eq!(view.end(), 23);
        assert_eq!(view.reshape(Shape::new(&[12]).unwrap()), Ok(None));
    }

    #[test]
    fn broadcasting_repeats_and_refuses() {
        let row = layout(&[3]).broadcast_to(Shape::new(&[2, 3]).unwrap()).unwrap();
        assert_eq!(row.indices().collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        assert!(layout(&[3]).broadcast_to(Shape::new(&[3, 2]).unwrap()).is_err());
        assert!(layout(&[2, 3]).broadcast_to(Shape::new(&[3]).unwrap()).is_err());
    }

    #[test]
    fn empty_scalar_and_unit_axes() {
        assert_eq!(layout(&[]).indices().collect::<Vec<_>>(), [0]);
        assert_eq!(layout(&[2, 0, 3]).indices().count(), 0);
        assert!(layout(&[2, 0, 3]).is_contiguous());
        let unit = Layout::strided(Shape::new(&[1, 4]).unwrap(), &[99, 1], 0, 4).unwrap();
        assert!(unit.is_contiguous());
        assert_eq!(layout(&[4]).slice(0, 4..4).unwrap().end(), 0);
    }

    #[test]
    fn lies_are_refused() {
        let shape = Shape::new(&[2, 3]).unwrap();
        assert!(Layout::strided(shape, &[3, 1], 1, 6).is_err());
        assert!(Layout::strided(shape, &[usize::MAX, 1], 0, usize::MAX).is_err());
        assert!(Layout::strided(shape, &[3], 0, 6).is_err());
        assert!(Shape::new(&[usize::MAX, 2]).is_err());
        assert!(Shape::new(&[0, usize::MAX, usize::MAX]).is_err());
        assert!(Shape::new(&[1; 9]).is_err());
        assert!(layout(&[2, 3]).permute(&[0, 0]).is_err());
        assert!(layout(&[2, 3]).slice(1, 2..4).is_err());
        #[allow(clippy::reversed_empty_ranges)]
        let reversed = layout(&[2, 3]).slice(1, 2..1);
        assert!(reversed.is_err());
    }
}

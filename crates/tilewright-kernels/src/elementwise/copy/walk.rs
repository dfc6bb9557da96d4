//! The shortest description of how a source lies, and the path that suits it.

use tilewright_core::Layout;

/// A layout with axes of extent 1 dropped and axes merged that one stride walks through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    /// Extents, outermost first; at least one.
    pub(super) dims: Vec<usize>,
    /// Strides in the source, in elements.
    pub(super) strides: Vec<usize>,
    /// The first element in the source.
    pub(super) offset: usize,
}

/// How the elements are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// One run.
    Contiguous,
    /// Neighbours in the source are neighbours along `axis` of the output, not along its last: tiles are turned.
    Turned {
        /// The axis with stride 1 in the source.
        axis: usize,
    },
    /// Runs, repetitions or single elements along the last axis.
    Strided,
}

impl Walk {
    /// Of a layout that has elements.
    pub(super) fn new(layout: &Layout) -> Self {
        let mut walk = Walk { dims: Vec::new(), strides: Vec::new(), offset: layout.offset() };
        for (&dim, &stride) in layout.shape().dims().iter().zip(layout.strides()) {
            match (walk.dims.last_mut(), walk.strides.last_mut()) {
                _ if dim == 1 => {}
                (Some(outer), Some(outer_stride)) if *outer_stride == stride * dim => {
                    *outer *= dim;
                    *outer_stride = stride;
                }
                _ => {
                    walk.dims.push(dim);
                    walk.strides.push(stride);
                }
            }
        }
        if walk.dims.is_empty() {
            walk.dims.push(1);
            walk.strides.push(1);
        }
        walk
    }

    /// The path, for `least` elements along both axes of a tile that is worth turning.
    pub(super) fn path(&self, least: usize) -> Path {
        let last = self.dims.len() - 1;
        if last == 0 && self.strides[0] == 1 {
            return Path::Contiguous;
        }
        let unit = self.strides.iter().position(|&stride| stride == 1);
        match unit {
            Some(axis) if axis != last && self.strides[last] != 0 => {
                let large = self.dims[axis] >= least && self.dims[last] >= least;
                if large { Path::Turned { axis } } else { Path::Strided }
            }
            _ => Path::Strided,
        }
    }

    /// Where the rows along the last axis start in the source, from row `first` on.
    pub(super) fn row_starts(&self, first: usize) -> impl Iterator<Item = usize> {
        let outer = self.dims.len() - 1;
        let (mut start, mut rest, mut position) = (self.offset, first, vec![0; outer]);
        for axis in (0..outer).rev() {
            position[axis] = rest % self.dims[axis];
            rest /= self.dims[axis];
            start += position[axis] * self.strides[axis];
        }
        std::iter::from_fn(move || {
            let current = start;
            for axis in (0..outer).rev() {
                position[axis] += 1;
                start += self.strides[axis];
                if position[axis] < self.dims[axis] {
                    break;
                }
                start -= position[axis] * self.strides[axis];
                position[axis] = 0;
            }
            Some(current)
        })
    }

    /// Source and output position of item `index` of the axes other than `skipped`, counted row-major.
    pub(super) fn locate(&self, mut index: usize, skipped: &[usize]) -> (usize, usize) {
        let (mut source, mut output, mut row_major) = (self.offset, 0, 1);
        for axis in (0..self.dims.len()).rev() {
            if !skipped.contains(&axis) {
                let position = index % self.dims[axis];
                index /= self.dims[axis];
                source += position * self.strides[axis];
                output += position * row_major;
            }
            row_major *= self.dims[axis];
        }
        (source, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tilewright_core::Shape;

    fn walk(dims: &[usize], strides: &[usize]) -> Walk {
        let layout = Layout::strided(Shape::new(dims).unwrap(), strides, 3, usize::MAX).unwrap();
        Walk::new(&layout)
    }

    #[test]
    fn axes_merge_where_one_stride_walks_through() {
        assert_eq!(walk(&[2, 3, 4], &[12, 4, 1]).dims, [24]);
        assert_eq!(walk(&[2, 1, 4], &[4, 99, 1]).dims, [8]);
        assert_eq!(walk(&[], &[]), Walk { dims: vec![1], strides: vec![1], offset: 3 });
        assert_eq!(walk(&[5, 2, 3], &[0, 0, 0]).strides, [0]);
        let sliced = walk(&[2, 3, 4], &[30, 10, 1]);
        assert_eq!((sliced.dims, sliced.strides), (vec![6, 4], vec![10, 1]));
    }

    #[test]
    fn paths() {
        assert_eq!(walk(&[4, 5], &[5, 1]).path(4), Path::Contiguous);
        assert_eq!(walk(&[4, 5], &[1, 4]).path(4), Path::Turned { axis: 0 });
        assert_eq!(walk(&[4, 3], &[1, 4]).path(4), Path::Strided);
        assert_eq!(walk(&[4, 5], &[1, 0]).path(4), Path::Strided);
        assert_eq!(walk(&[4, 5], &[9, 1]).path(4), Path::Strided);
        assert_eq!(walk(&[2, 4, 5], &[20, 1, 4]).path(4), Path::Turned { axis: 1 });
        assert_eq!(walk(&[6, 4, 5], &[1, 30, 6]).path(4), Path::Turned { axis: 0 });
    }

    #[test]
    fn positions_count_in_both_orders() {
        let walk = walk(&[2, 4, 5], &[1, 10, 2]);
        assert_eq!(walk.dims, [2, 20]);
        assert_eq!(walk.locate(23, &[]), (3 + 1 + 3 * 2, 23));
        assert_eq!(walk.locate(7, &[0]), (3 + 14, 7));
        assert_eq!(walk.locate(1, &[1]), (4, 20));
        assert_eq!(walk.row_starts(0).take(3).collect::<Vec<_>>(), [3, 4, 3]);
        let sliced = self::walk(&[2, 3, 4], &[40, 10, 1]);
        assert_eq!(sliced.row_starts(2).take(3).collect::<Vec<_>>(), [23, 43, 53]);
    }
}

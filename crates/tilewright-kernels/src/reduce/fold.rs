//! Reduction of rows on the host: a row's blocks on all threads, combined in a fixed tree.

use tilewright_core::Element;

use super::rows::HostRows;

/// A way to reduce a row. `T` is the element as it is stored.
pub(super) trait Fold<T: Element>: Sync {
    /// What is known of a stretch of a row.
    type Part: Send;

    /// Elements that one thread takes at a time: enough to pay for handing them out.
    const BLOCK: usize = 1 << 15;

    /// Reduces at most [`Self::BLOCK`] elements, at least one; the first of them is element `first` of its row.
    fn block(&self, block: &[T], first: usize) -> Self::Part;

    /// Joins two adjacent stretches.
    fn merge(&self, left: Self::Part, right: Self::Part) -> Self::Part;

    /// Reduces a row of at least one element. The tree depends on the length alone.
    fn row(&self, row: &[T]) -> Self::Part {
        self.stretch(row, 0)
    }

    /// Reduces a stretch of a row.
    fn stretch(&self, stretch: &[T], first: usize) -> Self::Part {
        if stretch.len() <= Self::BLOCK {
            return self.block(stretch, first);
        }
        let half = stretch.len().div_ceil(Self::BLOCK) / 2 * Self::BLOCK;
        let (left, right) = stretch.split_at(half);
        let (left, right) = rayon::join(|| self.stretch(left, first), || self.stretch(right, first + half));
        self.merge(left, right)
    }

    /// Reduces every row; each has at least one element.
    fn rows(&self, rows: &HostRows<T>) -> Vec<Self::Part> {
        rows.map(|row| self.row(row))
    }
}

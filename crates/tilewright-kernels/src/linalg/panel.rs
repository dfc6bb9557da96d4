//! Panels: columns of a matrix that the registers of one group of threads hold while they are reduced.

/// Threads of the group.
pub(super) const GROUP: usize = 256;

/// Columns, and rows that a thread holds of them, for at most so many rows: 128 registers at most.
const SIZES: [(usize, usize); 6] = [(16, 1), (16, 2), (16, 4), (8, 16), (4, 32), (2, 64)];

/// The rows of the longest panel.
pub(super) const LONGEST: usize = GROUP * SIZES[SIZES.len() - 1].1;

/// The rows of a panel of which a thread holds few enough for columns beside them; beyond it a library is faster, where there is one.
pub(super) const WIDE: usize = 4096;

/// Columns of a panel of `m` rows, and the rows that a thread holds; `None` beyond the longest.
pub(super) fn of_rows(m: usize) -> Option<(usize, usize)> {
    SIZES.into_iter().find(|(_, rows)| m <= GROUP * rows)
}

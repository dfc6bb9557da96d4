//! The truth.

/// Whether element (i, j) stays.
pub(super) fn triu(i: usize, j: usize, offset: i64) -> bool {
    j as i64 >= i as i64 + offset
}

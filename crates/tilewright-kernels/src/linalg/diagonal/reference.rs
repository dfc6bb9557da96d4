//! The truth.

/// The rows and columns of a diagonal of an m x n matrix, in order.
pub(super) fn diagonal(m: usize, n: usize, offset: i64) -> Vec<[usize; 2]> {
    let all = (0..m).flat_map(|i| (0..n).map(move |j| [i, j]));
    all.filter(|&[i, j]| j as i64 - i as i64 == offset).collect()
}

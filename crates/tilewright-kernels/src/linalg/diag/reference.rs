//! The truth.

/// Where element l of a vector lies: its row and column.
pub(super) fn diag(l: usize, offset: i64) -> [usize; 2] {
    let far = offset.unsigned_abs() as usize;
    if offset < 0 { [l + far, l] } else { [l, l + far] }
}

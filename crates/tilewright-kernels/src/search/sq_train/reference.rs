//! The truth: least and greatest of each column's finite numbers.

/// Least and width of one column.
pub(super) fn range(column: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut least, mut greatest, mut any) = (0.0, 0.0, false);
    for x in column.filter(|x| x.is_finite()) {
        if !any || x < least {
            least = x;
        }
        if !any || x > greatest {
            greatest = x;
        }
        any = true;
    }
    (least, greatest - least)
}

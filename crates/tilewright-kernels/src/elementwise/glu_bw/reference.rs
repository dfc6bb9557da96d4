//! The truth.

/// Value and magnitude of da, and of db.
pub(super) fn glu_bw(dy: f64, a: f64, b: f64, silu: bool) -> [(f64, f64); 2] {
    let (open, shut) = (1.0 / (1.0 + (-a).exp()), 1.0 / (1.0 + a.exp()));
    if silu {
        let slope = (open * (1.0 + a * shut), open * (1.0 + a.abs() * shut));
        let db = dy * a * open;
        [(dy * b * slope.0, (dy * b * slope.1).abs()), (db, db.abs())]
    } else {
        let (da, db) = (dy * b * open * shut, dy * open);
        [(da, da.abs()), (db, db.abs())]
    }
}

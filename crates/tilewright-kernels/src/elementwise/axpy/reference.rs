//! The truth.

/// Value and magnitude of `alpha x + y`.
pub(super) fn axpy(x: f64, y: f64, alpha: f64) -> (f64, f64) {
    (alpha * x + y, (alpha * x).abs() + y.abs())
}

//! The truth.

/// `dy / cosh(x / cap)^2`; where cosh overflows, the quotient is 0 as it should be.
pub(super) fn soft_cap_bw(dy: f64, x: f64, cap: f64) -> f64 {
    let cosh = (x / cap).cosh();
    dy * (1.0 / cosh) * (1.0 / cosh)
}

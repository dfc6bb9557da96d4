//! The truth.

/// `cap tanh(x / cap)`, by tanh(y) = (e^2y - 1) / (e^2y + 1) on the side where e^2y <= 1.
pub(super) fn soft_cap(x: f64, cap: f64) -> f64 {
    let y = x / cap;
    let e = (-2.0 * y.abs()).exp_m1(); // e^(-2|y|) - 1
    let tanh = -e / (e + 2.0);
    cap * tanh.copysign(y)
}

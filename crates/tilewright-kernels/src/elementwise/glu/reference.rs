//! The truth.

/// `act(a) b`.
pub(super) fn glu(a: f64, b: f64, silu: bool) -> f64 {
    let gate = 1.0 / (1.0 + (-a).exp());
    if silu { a * gate * b } else { gate * b }
}

//! The scalars of one token, on the host, in f64: they are few beside the products, and everything else rests on them.

use super::{InputGate, Mlstm};

/// The logarithms of both gates of a token: of sigma(f), and of the input gate.
pub(super) fn logs(cell: &Mlstm, i: f64, f: f64) -> (f64, f64) {
    let capped = |x: f64| cell.gate_cap.map_or(x, |cap| cap * (x / cap).tanh());
    let (i, f) = (capped(i), capped(f));
    match cell.input_gate {
        InputGate::Exponential => (log_sigmoid(f), i),
        InputGate::Sigmoid => (log_sigmoid(f), log_sigmoid(i)),
    }
}

/// The stabiliser after a token whose kept part has logarithm `kept`, and whose new one `fresh`.
pub(super) fn stabiliser(cell: &Mlstm, kept: f64, fresh: f64) -> f64 {
    match cell.input_gate {
        InputGate::Exponential => kept.max(fresh),
        InputGate::Sigmoid => 0.0,
    }
}

/// What `q C` is multiplied by to give h: `1 / (max(|z|, exp(-m)) + eps)`, both parts of the fraction times `exp(m)` where m < 0, so
/// that nothing overflows.
pub(super) fn readout(cell: &Mlstm, z: f64, m: f64) -> f64 {
    let small = (-m.abs()).exp();
    match (cell.normalize, m < 0.0) {
        (true, false) => 1.0 / (z.abs().max(small) + cell.eps),
        (true, true) => small / ((z.abs() * small).max(1.0) + cell.eps * small),
        (false, false) => 1.0 / small,
        (false, true) => small,
    }
}

/// What `q C` is divided by to give h, without eps: `max(|z|, exp(-m))`, or `exp(-m)` where h is not normalised.
pub(super) fn denominator(cell: &Mlstm, z: f64, m: f64) -> f64 {
    if cell.normalize { z.abs().max((-m).exp()) } else { (-m).exp() }
}

/// The derivatives of [`logs`], of the input gate by i and of the forget gate by f.
pub(super) fn slopes(cell: &Mlstm, i: f64, f: f64) -> (f64, f64) {
    let capped = |x: f64| cell.gate_cap.map_or(x, |cap| cap * (x / cap).tanh());
    // 1 - tanh^2, without the difference.
    let slope = |x: f64| cell.gate_cap.map_or(1.0, |cap| (x / cap).cosh().powi(-2));
    let by_input = match cell.input_gate {
        InputGate::Exponential => 1.0,
        InputGate::Sigmoid => sigmoid(-capped(i)),
    };
    (by_input * slope(i), sigmoid(-capped(f)) * slope(f))
}

pub(super) fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    (if x < 0.0 { small } else { 1.0 }) / (1.0 + small)
}

/// What [`readout`] is, and the gradient of z, given that of the result times what is read, which is `by_h`: z counts where it is the larger of
/// the two that the denominator is made of.
pub(super) fn readout_bw(cell: &Mlstm, exact: bool, z: f64, m: f64, by_h: f64) -> (f64, f64) {
    let factor = readout(cell, z, m);
    // |z| > exp(-m), without overflow.
    let small = (-m.abs()).exp();
    let counts = if m < 0.0 { z.abs() * small > 1.0 } else { z.abs() > small };
    let dz = if exact && cell.normalize && counts { -z.signum() * by_h * factor * factor } else { 0.0 };
    (factor, dz)
}

/// Neither exp(-x) nor sigma(x) is formed where it leaves the range.
fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sigmoid_keeps_its_digits_at_both_ends() {
        assert_eq!(log_sigmoid(-800.0), -800.0);
        assert_eq!(log_sigmoid(f64::INFINITY), 0.0);
        assert!((log_sigmoid(40.0) / -(-40f64).exp() - 1.0).abs() < 1e-15);
        assert!((log_sigmoid(0.0) + 2f64.ln()).abs() < 1e-16);
    }

    #[test]
    fn the_readout_is_the_same_fraction_on_both_sides_of_zero() {
        let cell = Mlstm::default();
        for (z, m) in [(0.5, 0.1f64), (0.5, -0.1), (-3.0, 2.0), (-3.0, -2.0), (0.0, -5.0), (1e-3, 9.0)] {
            let plain = 1.0 / (f64::abs(z).max((-m).exp()) + cell.eps);
            assert!((readout(&cell, z, m) / plain - 1.0).abs() < 1e-14, "{z} {m}");
        }
        assert_eq!(readout(&cell, 1.0, -1e4), 0.0);
        assert!(readout(&cell, 0.0, 1e4).is_finite());
    }
}

//! The truth: a token at a time.

/// What holds for one token of a row.
pub(super) struct Token {
    pub(super) z: f64,
    pub(super) count: usize,
    pub(super) bias: f64,
    pub(super) allowed: bool,
}

/// The changed logit and the sum of the magnitudes of its terms.
pub(super) fn change(token: &Token, [repetition, frequency, presence]: [f64; 3]) -> (f64, f64) {
    if !token.allowed {
        return (f64::NEG_INFINITY, 0.0);
    }
    let seen = token.count > 0;
    let factor = match (seen, token.z > 0.0) {
        (false, _) => 1.0,
        (true, true) => 1.0 / repetition,
        (true, false) => repetition,
    };
    let often = frequency * token.count as f64;
    let present = if seen { presence } else { 0.0 };
    let value = token.z * factor - often + token.bias - present;
    let terms = [token.z * factor, often, token.bias, present];
    let magnitude = terms.iter().filter(|term| term.is_finite()).map(|term| term.abs()).sum();
    (value, magnitude)
}

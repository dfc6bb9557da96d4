//! The truth: a block at a time. Products and quotients of two f32 are rounded to f32 as the contract says; f64 holds products exactly.

/// A block's quotients before they are rounded to a value, up to `largest`, and its scale.
pub(super) fn block(x: &[f64], largest: f64) -> (Vec<f64>, f32) {
    if x.iter().any(|x| !x.is_finite()) {
        return (vec![0.0; x.len()], f32::NAN);
    }
    let magnitude = x.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
    if magnitude < f64::exp2(-100.0) {
        return (vec![0.0; x.len()], 0.0);
    }
    let inverse = f64::from((largest / magnitude) as f32);
    (x.iter().map(|x| f64::from((x * inverse) as f32)).collect(), (magnitude / largest) as f32)
}

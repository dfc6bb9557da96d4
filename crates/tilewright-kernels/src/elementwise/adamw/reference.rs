//! The truth.

use super::AdamW;

/// Value and magnitude of p', m' and v'.
pub(super) fn adamw([p, dp, m, v]: [f64; 4], args: &AdamW) -> [(f64, f64); 3] {
    let g = args.scale * dp;
    let mean = args.beta1 * m + (1.0 - args.beta1) * g;
    let mean_magnitude = (args.beta1 * m).abs() + ((1.0 - args.beta1) * g).abs();
    let square = args.beta2 * v + (1.0 - args.beta2) * g * g;
    let corrected = mean / (1.0 - args.beta1.powf(args.step as f64));
    let root = (square / (1.0 - args.beta2.powf(args.step as f64))).sqrt() + args.eps;
    let moved = p - args.lr * (args.weight_decay * p + corrected / root);
    // The direction is as uncertain as m' is, and twice as much relative to itself: its own roundings, and those of the root.
    let direction = (args.lr * corrected / root).abs();
    let uncertain = if mean == 0.0 { 0.0 } else { direction * mean_magnitude / mean.abs() };
    let moved_magnitude = p.abs() * (1.0 + args.lr * args.weight_decay) + 2.0 * direction + uncertain;
    [(moved, moved_magnitude), (mean, mean_magnitude), (square, square)]
}

//! The truth: norms by their definitions.

use super::super::ratios::Matrix;
use super::super::svd::singular_values;
use super::Order;

/// Of a vector; its elements over the largest, or smallest, first, as their powers may leave the range of f64.
pub(in super::super) fn vector(x: &[f64], p: f64) -> f64 {
    let sizes = || x.iter().map(|x| x.abs());
    let spread = |least: f64, other: f64| if other.is_nan() || least.is_nan() { f64::NAN } else { least };
    let largest = sizes().fold(0.0, |a: f64, b| spread(a.max(b), if a.is_nan() { a } else { b }));
    let smallest = sizes().fold(f64::INFINITY, |a: f64, b| spread(a.min(b), if a.is_nan() { a } else { b }));
    if p == 0.0 {
        return x.iter().filter(|&&x| x != 0.0).count() as f64;
    }
    let scale = if p > 0.0 { largest } else { smallest };
    if p.is_infinite() || scale == 0.0 || !scale.is_finite() {
        return if x.is_empty() { 0.0 } else { scale };
    }
    scale * sizes().map(|x| (x / scale).powf(p)).sum::<f64>().powf(1.0 / p)
}

/// Of a matrix.
pub(in super::super) fn matrix(a: &Matrix, order: Order) -> f64 {
    let sums = |a: &Matrix| (0..a.n).map(|j| (0..a.m).map(|i| a.at(i, j).abs()).sum()).collect::<Vec<f64>>();
    let of_sums = |a: &Matrix, p: f64| vector(&sums(a), p.signum() * f64::INFINITY);
    match order {
        Order::Frobenius => vector(&a.values, 2.0),
        Order::Nuclear => singular_values(a).iter().sum(),
        Order::P(p) if p.abs() == 2.0 => vector(&singular_values(a), p * f64::INFINITY),
        Order::P(p) if p.abs() == 1.0 => of_sums(a, p),
        Order::P(p) => of_sums(&a.transposed(), p),
    }
}

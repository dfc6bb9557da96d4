//! The truth: what eigenvalues and eigenvectors have to satisfy, in f64, by plain loops.

use super::super::ratios::{Matrix, largest, ratio};

/// A complex number.
pub(super) type Number = (f64, f64);

fn times(a: Number, b: Number) -> Number {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn over(a: Number, b: Number) -> Number {
    let square = b.0 * b.0 + b.1 * b.1;
    ((a.0 * b.0 + a.1 * b.1) / square, (a.1 * b.0 - a.0 * b.1) / square)
}

/// `|a v - v w| / (n |a| eps)` of the vectors in the columns of `re + i im`, the largest over the columns.
pub(super) fn backward_error(a: &Matrix, values: &[Number], re: &Matrix, im: &Matrix, eps: f64) -> f64 {
    let (n, product_re, product_im) = (a.n, a.times(re), a.times(im));
    let error = |j: usize| {
        let off = |i: usize| {
            let expected = times(values[j], (re.at(i, j), im.at(i, j)));
            (product_re.at(i, j) - expected.0).abs() + (product_im.at(i, j) - expected.1).abs()
        };
        (0..n).map(off).sum::<f64>()
    };
    ratio(largest((0..n).map(error)), a.norm(), n as f64 * eps)
}

/// `| |v| - 1 | / (n eps)`, the largest over the columns.
pub(super) fn length_error(re: &Matrix, im: &Matrix, eps: f64) -> f64 {
    let square = |j: usize| (0..re.n).map(|i| re.at(i, j).powi(2) + im.at(i, j).powi(2)).sum::<f64>();
    largest((0..re.n).map(|j| (square(j).sqrt() - 1.0).abs())) / (re.n.max(1) as f64 * eps)
}

/// The sum of the values beside the trace of `a`, that of their squares beside the trace of its square, over `n |a| eps` and `n |a|² eps`: the
/// values of a matrix off by `n |a| eps` meet both.
pub(super) fn trace_errors(a: &Matrix, values: &[Number], eps: f64) -> [f64; 2] {
    let (n, size) = (a.n as f64, a.norm());
    let trace = |a: &Matrix| (0..a.n).map(|i| a.at(i, i)).sum::<f64>();
    let apart = |terms: &dyn Fn(&Number) -> Number, trace: f64| {
        let sum = values.iter().map(terms).fold((0.0, 0.0), |sum, x| (sum.0 + x.0, sum.1 + x.1));
        (sum.0 - trace).abs() + sum.1.abs()
    };
    let first = apart(&|&value| value, trace(a));
    let second = apart(&|&value| times(value, value), trace(&a.times(a)));
    [ratio(first, size, n * n * eps), ratio(second, size * size, n * n * eps)]
}

/// How far `a` is from a matrix that has the value, `|(a - value) x| / (|x| n |a| eps)`, for the x of two inverse iterations.
pub(super) fn value_error(a: &Matrix, value: Number, eps: f64) -> f64 {
    let n = a.n;
    let mut lu: Vec<Number> = a.values.iter().map(|&x| (x, 0.0)).collect();
    (0..n).for_each(|i| lu[i * n + i] = (lu[i * n + i].0 - value.0, -value.1));
    let length = |x: Number| x.0.hypot(x.1);
    if a.norm() == 0.0 {
        return ratio(length(value), 1.0, n as f64 * eps);
    }
    let least = a.norm() * f64::EPSILON * 1e-3;
    let mut order: Vec<usize> = (0..n).collect();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| length(lu[i * n + k]).total_cmp(&length(lu[j * n + k])));
        let pivot = pivot.expect("a row is left");
        (0..n).for_each(|j| lu.swap(k * n + j, pivot * n + j));
        order.swap(k, pivot);
        // The matrix is as good as singular, as it should be.
        if length(lu[k * n + k]) < least {
            lu[k * n + k] = (least, 0.0);
        }
        for i in k + 1..n {
            let factor = over(lu[i * n + k], lu[k * n + k]);
            lu[i * n + k] = factor;
            for j in k + 1..n {
                let product = times(factor, lu[k * n + j]);
                lu[i * n + j] = (lu[i * n + j].0 - product.0, lu[i * n + j].1 - product.1);
            }
        }
    }
    let mut b: Vec<Number> = (0..n).map(|i| (1.0 + 0.3 * (i as f64).sin(), 0.2 * (i as f64).cos())).collect();
    let mut distance = f64::INFINITY;
    for _ in 0..2 {
        let size = b.iter().map(|&x| length(x).powi(2)).sum::<f64>().sqrt();
        let mut x: Vec<Number> = order.iter().map(|&i| (b[i].0 / size, b[i].1 / size)).collect();
        for i in 0..n {
            for j in 0..i {
                let product = times(lu[i * n + j], x[j]);
                x[i] = (x[i].0 - product.0, x[i].1 - product.1);
            }
        }
        for i in (0..n).rev() {
            for j in i + 1..n {
                let product = times(lu[i * n + j], x[j]);
                x[i] = (x[i].0 - product.0, x[i].1 - product.1);
            }
            x[i] = over(x[i], lu[i * n + i]);
        }
        distance = distance.min(1.0 / x.iter().map(|&x| length(x).powi(2)).sum::<f64>().sqrt());
        b = x;
    }
    ratio(distance, a.norm(), n as f64 * eps)
}

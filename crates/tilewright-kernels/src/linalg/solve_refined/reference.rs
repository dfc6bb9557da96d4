//! The truth: the solution, with more digits than the system has, and the residual.

use super::super::ratios::{Matrix, largest};

/// A number as the unevaluated sum of two f64.
#[derive(Clone, Copy)]
struct Double(f64, f64);

impl Double {
    fn sum(a: f64, b: f64) -> Self {
        let sum = a + b;
        let of_b = sum - a;
        Double(sum, (a - (sum - of_b)) + (b - of_b))
    }

    fn less_product(self, a: Double, b: Double) -> Self {
        let product = a.0 * b.0;
        let error = a.0.mul_add(b.0, -product) + (a.0 * b.1 + a.1 * b.0);
        let high = Double::sum(self.0, -product);
        Double::sum(high.0, high.1 + (self.1 - error))
    }

    fn over(self, by: Double) -> Self {
        let first = self.0 / by.0;
        let left = self.less_product(Double(first, 0.0), by);
        Double::sum(first, (left.0 + left.1) / by.0)
    }
}

/// The solution of `a x = b` by elimination with pivoting, in 106 bits, rounded to f64.
pub(super) fn solution(a: &Matrix, b: &Matrix) -> Matrix {
    let (n, k) = (a.n, b.n);
    // Scaled by a power of two, so that errors of products stay in the range.
    let scale = (-a.largest().log2().floor()).exp2();
    let a = a.scaled(scale);
    let width = n + k;
    let element = |e: usize| match (e / width, e % width) {
        (i, j) if j < n => a.at(i, j),
        (i, j) => b.at(i, j - n),
    };
    let mut rows: Vec<Double> = (0..n * width).map(|e| Double(element(e), 0.0)).collect();
    for step in 0..n {
        let size = |i: &usize| rows[i * width + step].0.abs();
        let pivot = (step..n).max_by(|i, j| size(i).total_cmp(&size(j))).expect("a row is left");
        (0..width).for_each(|j| rows.swap(step * width + j, pivot * width + j));
        for i in step + 1..n {
            let factor = rows[i * width + step].over(rows[step * width + step]);
            for j in step..width {
                rows[i * width + j] = rows[i * width + j].less_product(factor, rows[step * width + j]);
            }
        }
    }
    let mut x = vec![Double(0.0, 0.0); n * k];
    for column in 0..k {
        for i in (0..n).rev() {
            let start = rows[i * width + n + column];
            let left =
                (i + 1..n).fold(start, |left, j| left.less_product(rows[i * width + j], x[j * k + column]));
            x[i * k + column] = left.over(rows[i * width + i]);
        }
    }
    Matrix::new(n, k, |i, j| x[i * k + j].0 * scale)
}

/// The largest error of a column over its largest element and `eps`.
pub(super) fn forward_error(x: &Matrix, truth: &Matrix, eps: f64) -> f64 {
    let column = |of: &Matrix, j: usize| largest((0..of.m).map(|i| of.at(i, j).abs()));
    let error = x.minus(truth);
    let each = (0..x.n).map(|j| match column(&error, j) {
        0.0 => 0.0,
        error => error / (eps * column(truth, j)),
    });
    largest(each)
}

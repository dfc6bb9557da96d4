//! What LAPACK's test programs measure, in f64: norms and products of row-major matrices, by plain loops.

use rayon::prelude::*;
use tilewright_core::{DType, Residual, Result, Tensor};

use crate::parallel::Each;

/// LAPACK's threshold.
const LIMIT: f64 = 30.0;

/// The threshold for results that were computed in f32 and then rounded to f16 or bf16: the rounding alone contributes up to 2 eps of a
/// product of two rounded factors, and up to 1 eps of a product with one.
const ROUNDED: f64 = 3.0;

/// A matrix of the judges.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) values: Vec<f64>,
}

impl Matrix {
    pub(super) fn new(m: usize, n: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..m * n).map(|e| value(e / n, e % n)).collect();
        Matrix { m, n, values }
    }

    /// The matrices of a tensor `[.., m, n]`, in order.
    pub(super) fn all(tensor: &Tensor) -> Result<Vec<Self>> {
        let &[ref batch @ .., m, n] = tensor.dims() else { unreachable!("the judges' tensors are matrices") };
        let values = tensor.to_f64_vec()?;
        let item = |item| Matrix { m, n, values: values[item * m * n..][..m * n].to_vec() };
        Ok((0..batch.iter().product()).map(item).collect())
    }

    pub(super) fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.n + j]
    }

    pub(super) fn transposed(&self) -> Self {
        Matrix::new(self.n, self.m, |i, j| self.at(j, i))
    }

    pub(super) fn times(&self, other: &Matrix) -> Self {
        let mut product = Matrix::new(self.m, other.n, |_, _| 0.0);
        let width = other.n.max(1);
        // Runs of rows side by side. Some rows of the other at a time, as a tall one has more of them than any cache; each sum is in order still.
        product.values.par_chunks_mut(64 * width).enumerate().each(&|(run, rows)| {
            for first in (0..self.n).step_by(64) {
                for (i, sums) in rows.chunks_exact_mut(width).enumerate() {
                    for l in first..self.n.min(first + 64) {
                        let x = self.at(64 * run + i, l);
                        sums.iter_mut().zip(&other.values[l * other.n..]).for_each(|(sum, y)| *sum += x * y);
                    }
                }
            }
        });
        product
    }

    pub(super) fn minus(&self, other: &Matrix) -> Self {
        Matrix::new(self.m, self.n, |i, j| self.at(i, j) - other.at(i, j))
    }

    pub(super) fn scaled(&self, factor: f64) -> Self {
        Matrix::new(self.m, self.n, |i, j| self.at(i, j) * factor)
    }

    pub(super) fn identity(n: usize) -> Self {
        Matrix::new(n, n, |i, j| f64::from(u8::from(i == j)))
    }

    /// The largest sum of a column's absolute values; NaN if there is one.
    pub(super) fn norm(&self) -> f64 {
        largest((0..self.n).map(|j| (0..self.m).map(|i| self.at(i, j).abs()).sum()))
    }

    /// The largest absolute value; NaN if there is one.
    pub(super) fn largest(&self) -> f64 {
        largest(self.values.iter().map(|x| x.abs()))
    }
}

/// The largest of numbers >= 0. f64::max would drop a NaN.
pub(super) fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |largest, x| if x > largest || x.is_nan() { x } else { largest })
}

/// `error / (unit * size)` as LAPACK's testers divide: 0 where both are 0, and never by 0.
pub(super) fn ratio(error: f64, size: f64, unit: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / size / unit }
}

/// LAPACK's eps.
pub(super) fn eps(dtype: DType) -> f64 {
    dtype.unit_roundoff()
}

/// The limit of ratios of results of `dtype`.
pub(super) fn limit(dtype: DType) -> f64 {
    if matches!(dtype, DType::F16 | DType::Bf16) { ROUNDED } else { LIMIT }
}

/// A ratio under the limit for results of `dtype`.
pub(super) fn residual(name: &'static str, ratio: f64, dtype: DType) -> Residual {
    Residual { name, ratio, limit: limit(dtype) }
}

/// `|1 - qᵀ q| / (m eps)`
pub(super) fn orthogonality(q: &Matrix, eps: f64) -> f64 {
    ratio(Matrix::identity(q.n).minus(&q.transposed().times(q)).norm(), 1.0, q.m as f64 * eps)
}

/// Whether singular values descend, and none is below zero.
pub(super) fn is_ordered(s: &[f64]) -> bool {
    s.iter().all(|&x| x >= 0.0) && s.windows(2).all(|pair| pair[0] >= pair[1])
}

/// What holds of some singular values and their vectors, whatever they are of.
pub(super) fn singular(u: &Matrix, s: &[f64], vt: &Matrix, eps: f64, dtype: DType) -> [Residual; 3] {
    [
        holds("descending and not below zero", is_ordered(s)),
        residual("|1 - uᵀ u| / (m eps)", orthogonality(u, eps), dtype),
        residual("|1 - v vᵀ| / (n eps)", orthogonality(&vt.transposed(), eps), dtype),
    ]
}

/// What must hold, as a ratio.
pub(super) fn holds(name: &'static str, truth: bool) -> Residual {
    Residual { name, ratio: if truth { 0.0 } else { 2.0 }, limit: 1.0 }
}

/// The items of a batch that are judged: all, or of a large one 64 that lie evenly in it.
pub(super) fn judged(batch: usize) -> impl Iterator<Item = usize> {
    let count = batch.min(64);
    (0..count).map(move |item| item * batch / count)
}

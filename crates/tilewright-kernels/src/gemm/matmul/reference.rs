//! The truth: each element's sum as it is written, in f64.

use tilewright_core::{Result, Tensor};

/// `alpha a b + beta c` over `a: [.., m, k]`, `b: [.., k, n]`, `c: [.., m, n]`, with equal leading axes, in f64.
pub(in super::super) struct Truth {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Option<Vec<f64>>,
    alpha: f64,
    beta: f64,
    pub(in super::super) batches: usize,
    pub(in super::super) m: usize,
    pub(in super::super) n: usize,
    pub(in super::super) k: usize,
}

impl Truth {
    pub(in super::super) fn new(
        a: &Tensor,
        b: &Tensor,
        c: Option<&Tensor>,
        (alpha, beta): (f64, f64),
    ) -> Result<Self> {
        let rank = a.rank();
        let (batch, m, k) = (&a.dims()[..rank - 2], a.dims()[rank - 2], a.dims()[rank - 1]);
        Ok(Truth {
            a: a.to_f64_vec()?,
            b: b.to_f64_vec()?,
            c: c.map(Tensor::to_f64_vec).transpose()?,
            alpha,
            beta,
            batches: batch.iter().product(),
            m,
            n: b.dims()[rank - 1],
            k,
        })
    }

    /// Value and magnitude of element `(i, j)` of one batch.
    pub(in super::super) fn element(&self, batch: usize, i: usize, j: usize) -> (f64, f64) {
        let (mut sum, mut magnitude) = (0.0, 0.0);
        if self.alpha != 0.0 {
            for p in 0..self.k {
                let product =
                    self.a[(batch * self.m + i) * self.k + p] * self.b[(batch * self.k + p) * self.n + j];
                sum += product;
                magnitude += product.abs();
            }
        }
        let added = self.c.as_ref().map_or(0.0, |c| self.beta * c[(batch * self.m + i) * self.n + j]);
        (self.alpha * sum + added, self.alpha.abs() * magnitude + added.abs())
    }

    /// Every element, row-major.
    pub(in super::super) fn elements(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let rows = (0..self.batches).flat_map(|batch| (0..self.m).map(move |i| (batch, i)));
        rows.flat_map(move |(batch, i)| (0..self.n).map(move |j| self.element(batch, i, j)))
    }

    /// `(alpha a b + beta c) x` for one row, without the product of matrices: `y` is `b x`.
    pub(in super::super) fn row_times(&self, batch: usize, i: usize, x: &[f64], y: &[f64]) -> f64 {
        let row = (batch * self.m + i) * self.k;
        let product = exact_sum((0..self.k).map(|p| (self.a[row + p], y[p])));
        let row = (batch * self.m + i) * self.n;
        let added = self.c.as_ref().map_or(0.0, |c| exact_sum((0..self.n).map(|j| (c[row + j], x[j]))));
        self.alpha * product + self.beta * added
    }

    /// `b x` of one batch.
    pub(in super::super) fn b_times(&self, batch: usize, x: &[f64]) -> Vec<f64> {
        let row = |p: usize| &self.b[(batch * self.k + p) * self.n..][..self.n];
        (0..self.k).map(|p| exact_sum(row(p).iter().zip(x).map(|(&b, &x)| (b, x)))).collect()
    }
}

/// A sum of products with twice the digits of f64, and so next to no error of its own: what is judged by it may be f64 too.
/// Ogita, Rump and Oishi 2005, algorithm 5.3.
pub(in super::super) fn exact_sum(products: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut sum, mut error) = (0.0f64, 0.0);
    for (a, b) in products {
        let product = a * b;
        let next = sum + product;
        let part = next - sum;
        error += a.mul_add(b, -product) + ((sum - (next - part)) + (product - part));
        sum = next;
    }
    if sum.is_finite() { sum + error } else { sum }
}

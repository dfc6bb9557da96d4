//! The truth: what orthonormal and spanning mean, in f64.

/// One matrix of a result and what it was made from, row-major.
pub(super) struct Problem<'a> {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: &'a [f64],
    pub(super) basis: &'a [f64],
    pub(super) q: &'a [f64],
}

fn product(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

impl Problem<'_> {
    /// The columns of [basis, q].
    fn columns(&self) -> Vec<Vec<f64>> {
        let column =
            |matrix: &[f64], width: usize, j: usize| (0..self.m).map(|i| matrix[i * width + j]).collect();
        let basis = (0..self.k).map(|j| column(self.basis, self.k, j));
        basis.chain((0..self.n).map(|j| column(self.q, self.n, j))).collect()
    }

    /// Column j of a, divided by its largest element.
    fn scaled(&self, j: usize) -> Vec<f64> {
        let column: Vec<f64> = (0..self.m).map(|i| self.a[i * self.n + j]).collect();
        let largest = column.iter().fold(f64::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
        column.into_iter().map(|x| x / largest).collect()
    }

    /// Whether column j of q is not zeros.
    pub(super) fn is_kept(&self, j: usize) -> bool {
        (0..self.m).any(|i| self.q[i * self.n + j] != 0.0)
    }

    /// |D - [basis, q]ᵀ q| in the Frobenius norm; D is the identity, but 0 for columns that are zeros.
    pub(super) fn orthogonality(&self) -> f64 {
        let columns = self.columns();
        let mut square = 0.0;
        for j in 0..self.n {
            for (i, column) in columns.iter().enumerate() {
                let expected = if i == self.k + j && self.is_kept(j) { 1.0 } else { 0.0 };
                square += (product(column, &columns[self.k + j]) - expected).powi(2);
            }
        }
        square.sqrt()
    }

    /// The largest |a_j - QQᵀa_j| / |a_j| with Q = [basis, q]; projected away three times, as Q is not orthogonal to the last bit.
    pub(super) fn outside_the_span(&self) -> f64 {
        let columns = self.columns();
        let mut worst = 0f64;
        for j in 0..self.n {
            let mut left = self.scaled(j);
            let whole = product(&left, &left).sqrt();
            if whole == 0.0 {
                continue;
            }
            for column in columns.iter().cycle().take(3 * columns.len()) {
                let coefficient = product(column, &left);
                left.iter_mut().zip(column).for_each(|(left, x)| *left -= coefficient * x);
            }
            // NaN must not get lost: max would drop it.
            let part = product(&left, &left).sqrt() / whole;
            worst = if part > worst || part.is_nan() { part } else { worst };
        }
        worst
    }

    /// The smallest q_jᵀ a_j, over the largest element of a_j, among the columns that are kept: negative where a sign is wrong.
    pub(super) fn least_agreement(&self) -> f64 {
        let columns = self.columns();
        let kept = (0..self.n).filter(|&j| self.is_kept(j));
        kept.map(|j| product(&columns[self.k + j], &self.scaled(j))).fold(f64::INFINITY, f64::min)
    }
}

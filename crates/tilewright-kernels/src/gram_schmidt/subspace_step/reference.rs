//! The truth.

/// One element of `Aᵀ (A V)` and what its errors are measured by.
pub(super) struct Element {
    pub(super) value: f64,
    /// The sum of the absolute terms of both products.
    pub(super) terms: f64,
    /// The sum of |a| |A V|: what roundings of A V are multiplied by.
    pub(super) forward: f64,
}

/// For `a [m, n]` and `v [n, k]`, as `[n, k]`.
pub(super) fn subspace_step(a: &[f64], v: &[f64], m: usize, n: usize, k: usize) -> Vec<Element> {
    let mut forward = vec![(0.0, 0.0); m * k];
    for i in 0..m {
        for j in 0..n {
            for l in 0..k {
                let term = a[i * n + j] * v[j * k + l];
                let (value, terms) = &mut forward[i * k + l];
                (*value, *terms) = (*value + term, *terms + term.abs());
            }
        }
    }
    let mut out: Vec<Element> =
        (0..n * k).map(|_| Element { value: 0.0, terms: 0.0, forward: 0.0 }).collect();
    for i in 0..m {
        for j in 0..n {
            for l in 0..k {
                let (a, (value, terms), out) = (a[i * n + j], forward[i * k + l], &mut out[j * k + l]);
                out.value += a * value;
                out.terms += a.abs() * terms;
                out.forward += a.abs() * value.abs();
            }
        }
    }
    out
}

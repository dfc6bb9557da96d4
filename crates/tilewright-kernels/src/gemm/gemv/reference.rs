//! The truth: each row's sum in f64.

use tilewright_core::{Result, Tensor};

/// Value and magnitude of each element of `a x`, over `a: [.., m, k]` and `x: [.., k]` with equal leading axes.
pub(super) fn truth(a: &Tensor, x: &Tensor) -> Result<Vec<(f64, f64)>> {
    let (m, k) = (a.dims()[a.rank() - 2], a.dims()[a.rank() - 1]);
    let batches: usize = a.dims()[..a.rank() - 2].iter().product();
    let (a, x) = (a.to_f64_vec()?, x.to_f64_vec()?);
    let mut out = Vec::with_capacity(batches * m);
    for batch in 0..batches {
        for i in 0..m {
            let (mut sum, mut magnitude) = (0.0, 0.0);
            for p in 0..k {
                let product = a[(batch * m + i) * k + p] * x[batch * k + p];
                sum += product;
                magnitude += product.abs();
            }
            out.push((sum, magnitude));
        }
    }
    Ok(out)
}

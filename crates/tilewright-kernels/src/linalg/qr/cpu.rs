//! On the host: r out of the reflections' matrix, and the signs.

use tilewright_core::{Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::Real;

/// r, of this shape, from above the diagonal; with `nonnegative` its rows and q's columns change their signs where its diagonal is negative.
pub(super) fn finish<T: Real>(
    reflectors: &Tensor,
    mut q: Option<Tensor>,
    extents: &Extents,
    shape: &[usize],
    nonnegative: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let (m, n, rows) = (extents.m, extents.n, shape[shape.len() - 2]);
    let mut r = Tensor::empty(&Stream::cpu(), T::DTYPE, shape)?;
    let packed = reflectors.as_slice::<T>()?;
    let is_flipped =
        |item: usize, i: usize| nonnegative && i < m.min(n) && packed[item * m * n + i * n + i] < T::ZERO;
    if n > 0 {
        for (row, out) in r.as_slice_mut::<T>()?.chunks_exact_mut(n).enumerate() {
            let (item, i) = (row / rows, row % rows);
            let (zeros, from) = out.split_at_mut(i.min(n));
            zeros.fill(T::ZERO);
            from.copy_from_slice(&packed[(item * m + i) * n + zeros.len()..][..from.len()]);
            if is_flipped(item, i) {
                from.iter_mut().for_each(|x| *x = -*x);
            }
        }
    }
    if let Some(q) = q.as_mut().filter(|q| nonnegative && !q.is_empty()) {
        for (row, out) in q.as_slice_mut::<T>()?.chunks_exact_mut(rows).enumerate() {
            for (_, x) in out.iter_mut().enumerate().filter(|&(j, _)| is_flipped(row / m, j)) {
                *x = -*x;
            }
        }
    }
    Ok((q, r))
}

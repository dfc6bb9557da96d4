//! On the host: small matrices of a batch side by side in vector lanes; of others r out of the reflections' matrix, and the signs.

use faer::{MatMut, MatRef};
use pulp::Simd;
use tilewright_core::{Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real};
use super::super::householder::{apply_lanes, reflect_lanes};
use super::super::lanes::{self, Lanes, Room, Work};
use super::super::reductions::identity;

/// q, m x `rows`, and r, `rows` x n, of small matrices of a batch; `None` for others. `a` has elements.
pub(super) fn qr<T: Real>(
    a: &Tensor,
    extents: &Extents,
    rows: usize,
    nonnegative: bool,
) -> Result<Option<(Tensor, Tensor)>> {
    let (m, n) = (extents.m, extents.n);
    if !lanes::fit::<T>(extents.batches(), m.max(n)) {
        return Ok(None);
    }
    let a = Matrices::<T>::new(a)?;
    let empty = |tail: [usize; 2]| Tensor::empty(&Stream::cpu(), T::DTYPE, extents.shape(&tail));
    let (mut q, mut r) = (empty([m, rows])?, empty([rows, n])?);
    let outputs =
        q.as_slice_mut::<T>()?.chunks_mut(m * rows).zip(r.as_slice_mut::<T>()?.chunks_mut(rows * n));
    let items = outputs.enumerate().map(|(item, (q, r))| Item {
        a: a.at(item),
        q: MatMut::from_row_major_slice_mut(q, m, rows),
        r: MatMut::from_row_major_slice_mut(r, rows, n),
    });
    lanes::for_each::<T, _>(&Factor { nonnegative }, items.collect());
    Ok(Some((q, r)))
}

struct Item<'a, T> {
    a: MatRef<'a, T>,
    q: MatMut<'a, T>,
    r: MatMut<'a, T>,
}

struct Factor {
    nonnegative: bool,
}

impl<T: Real> Work<Item<'_, T>> for Factor {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let ((m, n), rows) = (items[0].a.shape(), items[0].q.ncols());
        let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
        // Column-major, as all that follows.
        let matrices: Vec<_> = items.iter().map(|item| item.a.transpose()).collect();
        let mut a = lanes::load(simd, &matrices);
        let mut tau = Room::zeros(simd, m.min(n));
        reflect_lanes(simd, m, &mut a, &mut tau);
        let mut q = identity(simd, m, rows);
        for (k, &tau) in tau.iter().enumerate().rev() {
            apply_lanes(simd, &a[k * m + k + 1..(k + 1) * m], tau, k, m, &mut q[k * m..]);
        }
        for (j, column) in a.chunks_exact_mut(m).enumerate() {
            for x in column[..rows].iter_mut().skip(j + 1) {
                *x = zero;
            }
        }
        for k in 0..if self.nonnegative { tau.len() } else { 0 } {
            let sign = a[k * m + k].where_less(zero, zero - one, one);
            for column in a[k * m..].chunks_exact_mut(m) {
                column[k] = column[k] * sign;
            }
            for x in &mut q[k * m..(k + 1) * m] {
                *x = *x * sign;
            }
        }
        lanes::store(simd, &q, items.iter_mut().map(|item| item.q.as_mut().transpose_mut()));
        let mut r: Vec<_> = items.iter_mut().map(|item| item.r.as_mut().transpose_mut()).collect();
        lanes::store_from(simd, &a, m, &mut r);
    }
}

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

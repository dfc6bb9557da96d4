//! On the host: small matrices of a batch side by side in vector lanes, others one by one in blocks.

use faer::{MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, Scratch, copy, for_each};
use super::super::householder::{apply_all, apply_lanes};
use super::super::lanes::{self, Lanes, Work};
use super::super::reductions::identity;
use super::Target;

/// The products, of this shape, which has elements.
pub(super) fn apply_q<T: Real>(
    reflectors: &Tensor,
    tau: &Tensor,
    target: &Target<'_>,
    transpose: bool,
    extents: &Extents,
    shape: &[usize],
) -> Result<Tensor> {
    let (m, n, batches) = (extents.m, extents.n, extents.batches());
    let (k, p) = (m.min(n), shape[shape.len() - 1]);
    let c = match *target {
        Target::Matrix(c) => Some(Matrices::<T>::new(c)?),
        Target::Identity(_) => None,
    };
    let tau = tau.to_vec::<T>()?;
    let vectors = (k > 0).then(|| Matrices::<T>::new(reflectors)).transpose()?;
    let mut out = Tensor::empty(&Stream::cpu(), T::DTYPE, shape)?;
    let items = out.as_slice_mut::<T>()?.chunks_mut(m * p).enumerate().map(|(item, out)| Item {
        // Without reflections there are no elements to make a view of.
        v: vectors.map_or(MatRef::from_row_major_slice(&[], m, 0), |vectors| vectors.at(item).subcols(0, k)),
        tau: &tau[item * k..][..k],
        c: c.map(|c| c.at(item)),
        out: MatMut::from_row_major_slice_mut(out, m, p),
    });
    let largest = m.max(p);
    let each = Each { transpose };
    if lanes::fit::<T>(batches, largest) && k > 0 {
        lanes::for_each::<T, _>(&each, items.collect());
    } else {
        for_each(items.collect(), largest, |item, par| each.one(item, par));
    }
    Ok(out)
}

struct Item<'a, T> {
    v: MatRef<'a, T>,
    tau: &'a [T],
    /// `None`: the beginning of the identity.
    c: Option<MatRef<'a, T>>,
    out: MatMut<'a, T>,
}

struct Each {
    transpose: bool,
}

impl Each {
    fn one<T: Real>(&self, item: Item<'_, T>, par: Par) {
        let (m, p) = item.out.shape();
        let v = Scratch::of(item.v);
        let mut c = match item.c {
            Some(from) => Scratch::of(from),
            None => Scratch::zeros(m, p),
        };
        if item.c.is_none() {
            (0..m.min(p)).for_each(|i| c.as_mut()[(i, i)] = T::ONE);
        }
        apply_all(v.as_ref(), item.tau, self.transpose, item.c.is_none(), c.as_mut(), par);
        copy(c.as_ref(), item.out);
    }
}

impl<T: Real> Work<Item<'_, T>> for Each {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, items: Vec<Item<'_, T>>) {
        let ((m, k), p) = (items[0].v.shape(), items[0].out.ncols());
        // Column-major, as all that follows.
        let vectors: Vec<_> = items.iter().map(|item| item.v.transpose()).collect();
        let v = lanes::load(simd, &vectors);
        let mut c = match items[0].c {
            Some(_) => {
                let matrices: Vec<_> = items.iter().filter_map(|item| Some(item.c?.transpose())).collect();
                lanes::load(simd, &matrices)
            }
            None => identity(simd, m, p),
        };
        for step in 0..k {
            let k = if self.transpose { step } else { k - 1 - step };
            let mut tau = Lanes::splat(simd, T::ZERO);
            for (lane, tau) in tau.each_mut().iter_mut().enumerate() {
                *tau = items[lane.min(items.len() - 1)].tau[k];
            }
            // From the identity on, block after block only columns from its first one on have changed.
            let first = if items[0].c.is_none() { k.min(p) } else { 0 };
            apply_lanes(simd, &v[k * m + k + 1..(k + 1) * m], tau, k, m, &mut c[first * m..]);
        }
        lanes::store(simd, &c, items.into_iter().map(|item| item.out.transpose_mut()));
    }
}

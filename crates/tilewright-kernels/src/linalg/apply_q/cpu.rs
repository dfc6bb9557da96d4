//! On the host: small matrices of a batch side by side in vector lanes, others one by one in blocks.

use faer::{Mat, MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, copy, for_each};
use super::super::householder::{apply_all, apply_lanes};
use super::super::lanes::{self, Lanes, Work};
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
        let ((m, k), p) = (item.v.shape(), item.out.ncols());
        let (mut v, mut c) = (Mat::zeros(m, k), Mat::identity(m, p));
        copy(item.v, v.as_mut());
        if let Some(from) = item.c {
            copy(from, c.as_mut());
        }
        apply_all(v.as_ref(), item.tau, self.transpose, item.c.is_none(), c.as_mut(), par);
        copy(c.as_ref(), item.out);
    }
}

impl<T: Real> Work<Item<'_, T>> for Each {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, items: Vec<Item<'_, T>>) {
        let ((m, k), p) = (items[0].v.shape(), items[0].out.ncols());
        let vectors: Vec<_> = items.iter().map(|item| item.v).collect();
        let v = lanes::load(simd, &vectors);
        let mut c = match items[0].c {
            Some(_) => {
                let matrices: Vec<_> = items.iter().filter_map(|item| item.c).collect();
                lanes::load(simd, &matrices)
            }
            None => {
                let element = |e: usize| if e / p == e % p { T::ONE } else { T::ZERO };
                (0..m * p).map(|e| Lanes::splat(simd, element(e))).collect()
            }
        };
        let identity = items[0].c.is_none();
        for step in 0..k {
            let k = if self.transpose { step } else { k - 1 - step };
            let below: Vec<_> = (k + 1..m).map(|i| v[i * items[0].v.ncols() + k]).collect();
            let mut tau = Lanes::splat(simd, T::ZERO);
            for (lane, tau) in tau.each_mut().iter_mut().enumerate() {
                *tau = items[lane.min(items.len() - 1)].tau[k];
            }
            // From the identity on, block after block only columns from its first one on have changed.
            let first = if identity { k.min(p) } else { 0 };
            apply_lanes(simd, &below, tau, k, p, first, &mut c);
        }
        lanes::store(simd, &c, items.into_iter().map(|item| item.out));
    }
}

//! On the host: small matrices of a batch side by side in vector lanes, others one by one in blocks.

use faer::{MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, Scratch, copy, for_each};
use super::super::householder::{reflect, reflect_lanes};
use super::super::lanes::{self, Room, Work};
use super::Reflectors;

/// The reflections. `a` has elements.
pub(super) fn qr_reflectors<T: Real>(a: &Tensor, extents: &Extents) -> Result<Reflectors> {
    let (m, n, batches) = (extents.m, extents.n, extents.batches());
    let k = m.min(n);
    let a = Matrices::<T>::new(a)?;
    let cpu = Stream::cpu();
    let mut reflectors = Tensor::empty(&cpu, T::DTYPE, extents.shape(&[m, n]))?;
    let mut tau = Tensor::empty(&cpu, T::DTYPE, extents.shape(&[k]))?;
    let outputs =
        reflectors.as_slice_mut::<T>()?.chunks_mut(m * n).zip(tau.as_slice_mut::<T>()?.chunks_mut(k));
    let items = outputs.enumerate().map(|(item, (out, tau))| Item {
        a: a.at(item),
        out: MatMut::from_row_major_slice_mut(out, m, n),
        tau,
    });
    if lanes::fit::<T>(batches, m.max(n)) {
        lanes::for_each::<T, _>(&Reflect, items.collect());
    } else {
        for_each(items.collect(), m.max(n), one);
    }
    Ok(Reflectors { reflectors, tau })
}

struct Item<'a, T> {
    a: MatRef<'a, T>,
    out: MatMut<'a, T>,
    tau: &'a mut [T],
}

fn one<T: Real>(item: Item<'_, T>, par: Par) {
    let mut a = Scratch::of(item.a);
    reflect(a.as_mut(), item.tau, par);
    copy(a.as_ref(), item.out);
}

struct Reflect;

impl<T: Real> Work<Item<'_, T>> for Reflect {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let (m, n) = items[0].a.shape();
        let columns: Vec<_> = items.iter().map(|item| item.a.transpose()).collect();
        let mut a = lanes::load(simd, &columns);
        let mut tau = Room::zeros(simd, m.min(n));
        reflect_lanes(simd, m, &mut a, &mut tau);
        lanes::store(simd, &a, items.iter_mut().map(|item| item.out.as_mut().transpose_mut()));
        for (lane, item) in items.into_iter().enumerate() {
            item.tau.iter_mut().zip(&*tau).for_each(|(to, from)| *to = from.each()[lane]);
        }
    }
}

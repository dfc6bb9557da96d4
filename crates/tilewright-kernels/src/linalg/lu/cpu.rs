//! On the host: small matrices of a batch side by side in vector lanes, others one by one, recursively.

use faer::{MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::elimination::{eliminate, eliminate_lanes};
use super::super::extents::Extents;
use super::super::host::{Matrices, Real, Scratch, copy, for_each};
use super::super::lanes::{self, Work};
use super::LuFactors;

/// The factors. `a` has elements.
pub(super) fn lu<T: Real>(a: &Tensor, extents: &Extents) -> Result<LuFactors> {
    let (m, n, batches) = (extents.m, extents.n, extents.batches());
    let a = Matrices::<T>::new(a)?;
    let cpu = Stream::cpu();
    let mut lu = Tensor::empty(&cpu, T::DTYPE, extents.shape(&[m, n]))?;
    let mut permutation = Tensor::empty(&cpu, DType::I32, extents.shape(&[m]))?;
    let mut info = Tensor::empty(&cpu, DType::I32, &extents.batch[..])?;
    let outputs =
        lu.as_slice_mut::<T>()?.chunks_mut(m * n).zip(permutation.as_slice_mut::<i32>()?.chunks_mut(m));
    let outputs = outputs.zip(info.as_slice_mut::<i32>()?);
    let items = outputs.enumerate().map(|(item, ((lu, permutation), info))| Item {
        a: a.at(item),
        lu: MatMut::from_row_major_slice_mut(lu, m, n),
        permutation,
        info,
    });
    if lanes::fit::<T>(batches, m.max(n)) {
        lanes::for_each::<T, _>(&Factor, items.collect());
    } else {
        for_each(items.collect(), m.max(n), one);
    }
    Ok(LuFactors { lu, permutation, info })
}

struct Item<'a, T> {
    a: MatRef<'a, T>,
    lu: MatMut<'a, T>,
    permutation: &'a mut [i32],
    info: &'a mut i32,
}

impl<T: Real> Item<'_, T> {
    fn begin(&mut self) {
        (0..).zip(self.permutation.iter_mut()).for_each(|(i, row)| *row = i);
    }

    fn finish(self) {
        let zero = (0..self.a.nrows().min(self.a.ncols())).find(|&k| self.lu[(k, k)] == T::ZERO);
        *self.info = zero.map_or(0, |k| k as i32 + 1);
    }
}

fn one<T: Real>(mut item: Item<'_, T>, par: Par) {
    let (m, n) = item.a.shape();
    let (mut lu, mut swaps) = (Scratch::of(item.a), vec![0; m.min(n)]);
    eliminate(lu.as_mut(), &mut swaps, par);
    item.begin();
    swaps.iter().enumerate().for_each(|(k, &other)| item.permutation.swap(k, other));
    copy(lu.as_ref(), item.lu.as_mut());
    item.finish();
}

struct Factor;

impl<T: Real> Work<Item<'_, T>> for Factor {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let (m, n) = items[0].a.shape();
        let columns: Vec<_> = items.iter().map(|item| item.a.transpose()).collect();
        let mut lu = lanes::load(simd, &columns);
        items.iter_mut().for_each(Item::begin);
        eliminate_lanes(simd, m, n, true, &mut lu, |k, rows| {
            for (item, row) in items.iter_mut().zip(rows) {
                item.permutation.swap(k, row.to_f64() as usize);
            }
        });
        lanes::store(simd, &lu, items.iter_mut().map(|item| item.lu.as_mut().transpose_mut()));
        items.into_iter().for_each(Item::finish);
    }
}

//! On the host: small systems of a batch side by side in vector lanes, others one by one.

use faer::linalg::triangular_solve::{solve_unit_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::Solution;
use super::super::elimination::{eliminate, eliminate_lanes, exchange};
use super::super::extents::Extents;
use super::super::host::{Matrices, Real, copy, for_each};
use super::super::lanes::{self, Lanes, Work};
use super::super::substitution::backward;

/// The solutions. There are right-hand sides, `[.., n, k]`, and they have elements.
pub(super) fn solve<T: Real>(a: &Tensor, b: &Tensor, extents: &Extents) -> Result<Solution> {
    let (n, batches) = (extents.n, extents.batches());
    let k = b.dims()[b.rank() - 1];
    let (a, sides) = (Matrices::<T>::new(a)?, Matrices::<T>::new(b)?);
    let cpu = Stream::cpu();
    let mut x = Tensor::empty(&cpu, T::DTYPE, b.shape())?;
    let mut info = Tensor::empty(&cpu, DType::I32, &extents.batch[..])?;
    let outputs = x.as_slice_mut::<T>()?.chunks_mut(n * k).zip(info.as_slice_mut::<i32>()?);
    let items = outputs.enumerate().map(|(item, (x, info))| Item {
        a: a.at(item),
        b: sides.at(item),
        x: MatMut::from_row_major_slice_mut(x, n, k),
        info,
    });
    if lanes::fit::<T>(batches, n) && k <= 2 * n {
        lanes::for_each::<T, _>(&Solve, items.collect());
    } else {
        for_each(items.collect(), n, one);
    }
    Ok(Solution { x, info })
}

struct Item<'a, T> {
    a: MatRef<'a, T>,
    b: MatRef<'a, T>,
    x: MatMut<'a, T>,
    info: &'a mut i32,
}

impl<T: Real> Item<'_, T> {
    /// `u(k)` is an element of u's diagonal.
    fn finish(mut self, u: impl Fn(usize) -> T) {
        let zero = (0..self.a.nrows()).find(|&k| u(k) == T::ZERO);
        if zero.is_some() {
            self.x.fill(T::NAN);
        }
        *self.info = zero.map_or(0, |k| k as i32 + 1);
    }
}

fn one<T: Real>(mut item: Item<'_, T>, par: Par) {
    let (n, k) = item.b.shape();
    let (mut lu, mut x, mut swaps) = (Mat::zeros(n, n), Mat::zeros(n, k), vec![0; n]);
    copy(item.a, lu.as_mut());
    copy(item.b, x.as_mut());
    eliminate(lu.as_mut(), &mut swaps, par);
    exchange(x.as_mut(), &swaps);
    solve_unit_lower_triangular_in_place(lu.as_ref(), x.as_mut(), par);
    solve_upper_triangular_in_place(lu.as_ref(), x.as_mut(), par);
    copy(x.as_ref(), item.x.as_mut());
    item.finish(|k| lu[(k, k)]);
}

struct Solve;

impl<T: Real> Work<Item<'_, T>> for Solve {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let (n, k) = items[0].b.shape();
        let matrices: Vec<_> = items.iter().map(|item| item.a).collect();
        let sides: Vec<_> = items.iter().map(|item| item.b).collect();
        // Elimination of [a b] leaves [u y] with u x = y.
        let width = n + k;
        let mut system = vec![Lanes::splat(simd, T::ZERO); n * width];
        lanes::load_into(simd, &matrices, &mut system, width, 0);
        lanes::load_into(simd, &sides, &mut system, width, n);
        eliminate_lanes(simd, [n, width], n, false, &mut system, |_, _| ());
        backward(n, k, &mut system);
        let mut solutions: Vec<_> = items.iter_mut().map(|item| item.x.as_mut()).collect();
        lanes::store_from(simd, &system, width, n, &mut solutions);
        for (lane, item) in items.into_iter().enumerate() {
            item.finish(|k| system[k * width + k].each()[lane]);
        }
    }
}

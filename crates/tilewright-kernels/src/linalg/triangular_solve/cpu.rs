//! On the host: small systems of a batch side by side in vector lanes, others one by one in faer.

use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_unit_lower_triangular_in_place};
use faer::{MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::host::{Matrices, Real, Scratch, copy, for_each};
use super::super::lanes::{self, Lanes, Work};
use super::super::substitution::forward;
use super::Systems;

/// The solutions and infos. There are right-hand sides, and they have elements.
pub(super) fn triangular_solve<T: Real>(systems: &Systems<'_>) -> Result<(Tensor, Tensor)> {
    let (n, k, batches) = (systems.extents.n, systems.k, systems.extents.batches());
    let (a, b) = (Matrices::<T>::new(systems.a)?, Matrices::<T>::new(systems.b)?);
    let cpu = Stream::cpu();
    let mut solutions = Tensor::empty(&cpu, T::DTYPE, systems.b.shape())?;
    let mut info = Tensor::empty(&cpu, DType::I32, &systems.extents.batch[..])?;
    let outputs = solutions.as_slice_mut::<T>()?.chunks_mut(n * k).zip(info.as_slice_mut::<i32>()?);
    let items = outputs.enumerate();
    let items = items.map(|(item, (out, info))| Item {
        l: lower(a.at(item), systems),
        b: side(b.at(item), systems),
        x: target(out, systems),
        info,
    });
    let each = Each { backward: systems.backward, unit_diagonal: systems.unit_diagonal };
    if lanes::fit::<T>(batches, n) && k <= n.max(8) {
        lanes::for_each::<T, _>(&each, items.collect());
    } else {
        for_each(items.collect(), n, |item, par| each.one(item, par));
    }
    Ok((solutions, info))
}

fn lower<'a, T: Real>(a: MatRef<'a, T>, systems: &Systems<'_>) -> MatRef<'a, T> {
    if systems.backward { a.reverse_rows_and_cols() } else { a }
}

fn side<'a, T: Real>(b: MatRef<'a, T>, systems: &Systems<'_>) -> MatRef<'a, T> {
    let b = if systems.turned { b.transpose() } else { b };
    if systems.backward { b.reverse_rows() } else { b }
}

/// The n x k view of an output, its rows in the order in which they are solved.
fn target<'a, T: Real>(out: &'a mut [T], systems: &Systems<'_>) -> MatMut<'a, T> {
    let (n, k) = (systems.extents.n, systems.k);
    let out = if systems.turned {
        MatMut::from_row_major_slice_mut(out, k, n).transpose_mut()
    } else {
        MatMut::from_row_major_slice_mut(out, n, k)
    };
    if systems.backward { out.reverse_rows_mut() } else { out }
}

/// One system, as views in which l is lower triangular and x is n x k.
struct Item<'a, T> {
    l: MatRef<'a, T>,
    b: MatRef<'a, T>,
    x: MatMut<'a, T>,
    info: &'a mut i32,
}

/// What all systems have in common.
struct Each {
    backward: bool,
    unit_diagonal: bool,
}

impl Each {
    /// NaN throughout if the matrix is singular, and where the first zero is.
    fn finish<T: Real>(&self, mut item: Item<'_, T>) {
        let n = item.l.nrows();
        let mut zeros = (0..n).filter(|&i| !self.unit_diagonal && item.l[(i, i)] == T::ZERO);
        let zero = if self.backward { zeros.next_back().map(|i| n - 1 - i) } else { zeros.next() };
        if zero.is_some() {
            item.x.fill(T::NAN);
        }
        *item.info = zero.map_or(0, |i| i as i32 + 1);
    }

    fn one<T: Real>(&self, mut item: Item<'_, T>, par: Par) {
        let mut x = Scratch::of(item.b);
        if self.unit_diagonal {
            solve_unit_lower_triangular_in_place(item.l, x.as_mut(), par);
        } else {
            solve_lower_triangular_in_place(item.l, x.as_mut(), par);
        }
        copy(x.as_ref(), item.x.as_mut());
        self.finish(item);
    }
}

impl<T: Real> Work<Item<'_, T>> for Each {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let (n, k) = items[0].b.shape();
        let triangles: Vec<_> = items.iter().map(|item| item.l).collect();
        let sides: Vec<_> = items.iter().map(|item| item.b).collect();
        let l = lanes::load(simd, &triangles);
        let mut x = lanes::load(simd, &sides);
        let unit = self.unit_diagonal.then(|| Lanes::splat(simd, T::ONE));
        forward(n, k, unit, &l, &mut x);
        lanes::store(simd, &x, items.iter_mut().map(|item| item.x.as_mut()));
        items.into_iter().for_each(|item| self.finish(item));
    }
}

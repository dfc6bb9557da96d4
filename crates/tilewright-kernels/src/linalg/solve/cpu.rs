//! On the host: small systems of a batch side by side in vector lanes, others one by one.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::triangular_inverse::{invert_unit_lower_triangular, invert_upper_triangular};
use faer::linalg::triangular_solve::{solve_unit_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::Solution;
use super::super::elimination::{eliminate, eliminate_lanes, exchange};
use super::super::extents::Extents;
use super::super::host::{Matrices, Real, Scratch, copy, for_each, parts};
use super::super::lanes::{self, Lanes, Room, Work};
use super::super::substitution::backward;
use crate::gemm::matmul::shared;

/// The solutions. There are right-hand sides, `[.., n, k]`, and they have elements.
pub(super) fn solve<T: Real>(a: &Tensor, b: &Tensor, extents: &Extents) -> Result<Solution> {
    each::<T>(a, Some(b), extents)
}

/// The inverses. `a` has elements.
pub(super) fn inverse<T: Real>(a: &Tensor, extents: &Extents) -> Result<Solution> {
    each::<T>(a, None, extents)
}

fn each<T: Real>(a: &Tensor, b: Option<&Tensor>, extents: &Extents) -> Result<Solution> {
    let (n, batches) = (extents.n, extents.batches());
    let k = b.map_or(n, |b| b.dims()[b.rank() - 1]);
    let (a, sides) = (Matrices::<T>::new(a)?, b.map(Matrices::<T>::new).transpose()?);
    let cpu = Stream::cpu();
    let shape = b.map_or_else(|| extents.shape(&[n, n]), |b| b.dims().to_vec());
    let mut x = Tensor::empty(&cpu, T::DTYPE, shape)?;
    let mut info = Tensor::empty(&cpu, DType::I32, &extents.batch[..])?;
    let outputs = x.as_slice_mut::<T>()?.chunks_mut(n * k).zip(info.as_slice_mut::<i32>()?);
    let items = outputs.enumerate().map(|(item, (x, info))| Item {
        a: a.at(item),
        b: sides.map(|sides| sides.at(item)),
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
    /// `None`: the identity.
    b: Option<MatRef<'a, T>>,
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
    let n = item.a.nrows();
    let (mut lu, mut swaps) = (Scratch::of(item.a), vec![0; n]);
    eliminate(lu.as_mut(), &mut swaps, par);
    match item.b {
        Some(b) => {
            let mut x = Scratch::of(b);
            exchange(x.as_mut(), &swaps, par);
            solve_unit_lower_triangular_in_place(lu.as_ref(), x.as_mut(), par);
            solve_upper_triangular_in_place(lu.as_ref(), x.as_mut(), par);
            copy(x.as_ref(), item.x.as_mut());
        }
        None => copy(inverse_of(lu.as_ref(), &swaps, par).as_ref(), item.x.as_mut()),
    }
    item.finish(|k| lu.as_ref()[(k, k)]);
}

/// `u⁻¹ l⁻¹`, with the columns exchanged as the rows were.
fn inverse_of<T: Real>(lu: MatRef<'_, T>, swaps: &[usize], par: Par) -> Scratch<T> {
    let n = lu.nrows();
    let (mut u, mut l, mut x) = (Scratch::zeros(n, n), Scratch::zeros(n, n), Scratch::new(n, n));
    let mut of_u = || invert_upper_triangular(u.as_mut(), lu, Par::Seq);
    let mut of_l = || invert_unit_lower_triangular(l.as_mut(), lu, Par::Seq);
    if par.degree() > 1 {
        rayon::join(of_u, of_l);
    } else {
        of_u();
        of_l();
    }
    upper_times_lower(x.as_mut(), u.as_ref(), l.as_ref(), par);
    for (k, &other) in swaps.iter().enumerate().rev().filter(|&(k, &other)| k != other) {
        let (first, second) = x.as_mut().two_cols_mut(k, other);
        first.iter_mut().zip(second.iter_mut()).for_each(|(x, y)| std::mem::swap(x, y));
    }
    x
}

/// The product of an upper and a unit lower triangular matrix, by blocks: the first of them is as much work as the other three.
fn upper_times_lower<T: Real>(x: MatMut<'_, T>, u: MatRef<'_, T>, l: MatRef<'_, T>, par: Par) {
    let (upper, lower, whole) =
        (BlockStructure::TriangularUpper, BlockStructure::UnitTriangularLower, BlockStructure::Rectangular);
    let product = |x: MatMut<'_, T>, u: MatRef<'_, T>, of_u, l: MatRef<'_, T>, of_l| {
        matmul(x, whole, Accum::Replace, u, of_u, l, of_l, T::ONE, Par::Seq);
    };
    let (n, parts) = (x.nrows(), parts(par, x.nrows().pow(3) / 3));
    if parts < 2 || n < 2 {
        return product(x, u, upper, l, lower);
    }
    let half = n / 2;
    let (mut first, right, below, last) = x.split_at_mut(half, half);
    let ((u_first, u_right, _, u_last), (l_first, _, l_below, l_last)) =
        (u.split_at(half, half), l.split_at(half, half));
    rayon::join(
        move || {
            product(first.as_mut(), u_first, upper, l_first, lower);
            shared(first, Accum::Add, u_right, l_below, T::ONE, parts / 2);
        },
        move || {
            product(right, u_right, whole, l_last, lower);
            product(below, u_last, upper, l_below, whole);
            product(last, u_last, upper, l_last, lower);
        },
    );
}

struct Solve;

impl<T: Real> Work<Item<'_, T>> for Solve {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let (n, k) = items[0].x.shape();
        // Column-major, elimination of [a b] leaves [u y] with u x = y.
        let matrices: Vec<_> = items.iter().map(|item| item.a.transpose()).collect();
        let sides: Vec<_> = items.iter().filter_map(|item| Some(item.b?.transpose())).collect();
        let mut system = Room::zeros(simd, n * (n + k));
        lanes::load_into(simd, &matrices, &mut system[..n * n], n);
        if sides.is_empty() {
            for i in 0..n {
                system[(n + i) * n + i] = Lanes::splat(simd, T::ONE);
            }
        } else {
            lanes::load_into(simd, &sides, &mut system[n * n..], n);
        }
        eliminate_lanes(simd, n, n, false, &mut system, |_, _| ());
        let (u, x) = system.split_at_mut(n * n);
        backward(simd, n, u, x);
        lanes::store(simd, x, items.iter_mut().map(|item| item.x.as_mut().transpose_mut()));
        for (lane, item) in items.into_iter().enumerate() {
            item.finish(|k| u[k * n + k].each()[lane]);
        }
    }
}

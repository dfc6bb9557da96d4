//! On the host: small matrices of a batch side by side in vector lanes, others one by one in faer.

use faer::diag::DiagMut;
use faer::linalg::matmul::matmul;
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd as factor, svd_scratch};
use faer::{Accum, Auto, Mat, MatMut, MatRef, Par, Spec};
use pulp::Simd;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, Scratch, Workspace, copy, for_each, largest_of};
use super::super::lanes::{self, Room, Work};
use super::super::reductions::bidiagonal;
use super::super::sweeps::{self, scale};
use super::{SvdFactors, SvdMode};

/// The factors. `a` has elements, and n <= m.
pub(super) fn svd<T: Real>(a: &Tensor, extents: &Extents, mode: SvdMode) -> Result<SvdFactors> {
    let (m, n, batches) = (extents.m, extents.n, extents.batches());
    let (p, vectors) = (if mode == SvdMode::Full { m } else { n }, mode != SvdMode::Values);
    let a = Matrices::<T>::new(a)?;
    let empty = |dtype, shape: Vec<usize>| Tensor::empty(&Stream::cpu(), dtype, shape);
    let mut u = vectors.then(|| empty(T::DTYPE, extents.shape(&[m, p]))).transpose()?;
    let mut vt = vectors.then(|| empty(T::DTYPE, extents.shape(&[n, n]))).transpose()?;
    let mut s = empty(T::DTYPE, extents.shape(&[n]))?;
    let mut info = empty(DType::I32, extents.batch.clone())?;
    let mut each_u = pieces::<T>(u.as_mut(), m * p)?;
    let mut each_vt = pieces::<T>(vt.as_mut(), n * n)?;
    let outputs = s.as_slice_mut::<T>()?.chunks_mut(n).zip(info.as_slice_mut::<i32>()?);
    let items: Vec<_> = outputs
        .enumerate()
        .map(|(item, (s, info))| Item {
            a: a.at(item),
            u: each_u.next().unwrap_or_default(),
            vt: each_vt.next().unwrap_or_default(),
            s,
            info,
        })
        .collect();
    if lanes::fit::<T>(batches, m) {
        lanes::for_each::<T, _>(&Factor { p, vectors }, items);
    } else {
        for_each(items, m, |item, par| one(item, p, par));
    }
    drop((each_u, each_vt));
    Ok(SvdFactors { u, s, vt, info })
}

/// Each matrix of a tensor; nothing, again and again, of one that is not there.
fn pieces<T: Real>(tensor: Option<&mut Tensor>, size: usize) -> Result<impl Iterator<Item = &mut [T]>> {
    let elements = match tensor {
        Some(tensor) => tensor.as_slice_mut::<T>()?,
        None => &mut [],
    };
    Ok(elements.chunks_mut(size))
}

struct Item<'a, T> {
    a: MatRef<'a, T>,
    /// m x p row-major, or nothing; as `vt`, n x n.
    u: &'a mut [T],
    vt: &'a mut [T],
    s: &'a mut [T],
    info: &'a mut i32,
}

impl<T: Real> Item<'_, T> {
    fn fail(self) {
        self.u.fill(T::NAN);
        self.vt.fill(T::NAN);
        self.s.fill(T::NAN);
        *self.info = 1;
    }
}

/// One matrix of the caller's, n <= m, with u, m x p, and vt, n x n, row-major, or nothing. Whether it was decomposed; if not, all are NaN.
pub(in super::super) fn single<T: Real>(
    a: MatRef<'_, T>,
    [u, vt]: [&mut [T]; 2],
    s: &mut [T],
    p: usize,
    par: Par,
) -> bool {
    let mut info = 0;
    one(Item { a, u, vt, s, info: &mut info }, p, par);
    info == 0
}

fn one<T: Real>(item: Item<'_, T>, p: usize, par: Par) {
    let (m, n) = item.a.shape();
    let size = largest_of(item.a);
    if !size.finite() {
        return item.fail();
    }
    let mut a = Scratch::of(item.a);
    let size = a.scale(size);
    let compute = match (item.u.is_empty(), p == n) {
        (true, _) => ComputeSvdVectors::No,
        (_, true) => ComputeSvdVectors::Thin,
        _ => ComputeSvdVectors::Full,
    };
    let mut u = (!item.u.is_empty()).then(|| Scratch::zeros(m, p));
    let shifts = SvdParams { recursion_threshold: usize::MAX, ..<SvdParams as Auto<T>>::auto() };
    let halves = SvdParams { recursion_threshold: 48, ..shifts };
    // Values alone, and vectors of small ones, are found by shifts in less time.
    let first = if item.u.is_empty() || n < 128 { shifts } else { halves };
    let mut done = false;
    for params in [first, shifts] {
        let params = Spec::new(params);
        let mut memory = Workspace::new(svd_scratch::<T>(m, n, compute, compute, par, params));
        // The rows of vt are the columns of v.
        let v = (!item.vt.is_empty()).then(|| MatMut::from_column_major_slice_mut(&mut *item.vt, n, n));
        let s = DiagMut::from_slice_mut(&mut *item.s);
        let u_mut = u.as_mut().map(|u| u.as_mut());
        done = factor(a.as_ref(), s, u_mut, v, par, memory.stack(), params).is_ok();
        let cut = n >= params.recursion_threshold;
        let doubtful = |u: &Scratch<T>| !done || !agree(a.as_ref(), u.as_ref(), item.s, item.vt, par);
        if !(cut && u.as_ref().is_some_and(doubtful)) {
            break;
        }
    }
    if !done {
        return item.fail();
    }
    item.s.iter_mut().for_each(|s| *s *= size);
    if let Some(u) = u {
        copy(u.as_ref(), MatMut::from_row_major_slice_mut(item.u, m, p));
    }
    *item.info = 0;
}

/// Vectors by which factors are looked at.
const LOOKS: usize = 4;

/// Whether `a v = u s`, looked at through some vectors of signs. faer's divide and conquer (0.24.4) gives factors of another matrix for some of half rank; a
/// look misses that as often as a normal number is near 0.
fn agree<T: Real>(a: MatRef<'_, T>, u: MatRef<'_, T>, s: &[T], vt: &[T], par: Par) -> bool {
    let (m, n) = a.shape();
    let sign = |i: usize, j: usize| {
        let bits = (i * LOOKS + j + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if (bits ^ (bits >> 29)).count_ones().is_multiple_of(2) { T::ONE } else { T::ZERO - T::ONE }
    };
    let looks = Mat::from_fn(n, LOOKS, sign);
    let mut turned = Mat::<T>::zeros(n, LOOKS);
    let v = MatRef::from_column_major_slice(vt, n, n);
    matmul(turned.as_mut(), Accum::Replace, v, &looks, T::ONE, par);
    let scaled = Mat::from_fn(n, LOOKS, |i, j| s[i] * looks[(i, j)]);
    let mut rest = Mat::<T>::zeros(m, LOOKS);
    matmul(rest.as_mut(), Accum::Replace, a, &turned, T::ONE, par);
    matmul(rest.as_mut(), Accum::Add, u.subcols(0, n), &scaled, T::ZERO - T::ONE, par);
    // Several times what roundings make of any matrix, far below what was seen.
    let bound = T::from_count(2 * m) * T::EPSILON * s[0];
    // False of NaN as well.
    rest.col_iter().all(|rest| rest.norm_l2() <= bound)
}

/// Matrices side by side.
struct Factor {
    p: usize,
    vectors: bool,
}

impl<T: Real> Work<Item<'_, T>> for Factor {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, items: Vec<Item<'_, T>>) {
        let ((m, n), p) = (items[0].a.shape(), self.p);
        // Column-major, as all that follows.
        let matrices: Vec<_> = items.iter().map(|item| item.a.transpose()).collect();
        let mut a = lanes::load(simd, &matrices);
        let size = scale(simd, &mut a);
        let mut reduced = bidiagonal(simd, [m, n], &mut a);
        let (mut u, mut v) = (Room::zeros(simd, 0), Room::zeros(simd, 0));
        if self.vectors {
            (u, v) = (reduced.left(simd, &a, p), reduced.right(simd, &a, [1, m]));
        }
        let failed = sweeps::bidiagonal(simd, &mut reduced.d, &mut reduced.e, &mut u, m, &mut v);
        for (lane, item) in items.into_iter().enumerate() {
            let size = size.each()[lane];
            if !size.finite() || failed.each()[lane] != T::ZERO {
                item.fail();
                continue;
            }
            let value = |j: usize| -> T { reduced.d[j].each()[lane] };
            let mut order: Vec<usize> = (0..n).collect();
            let falling = |&i: &usize, &j: &usize| value(j).magnitude().partial_cmp(&value(i).magnitude());
            order.sort_by(|i, j| falling(i, j).expect("values are numbers"));
            for (to, &j) in item.s.iter_mut().zip(&order) {
                *to = value(j).magnitude() * size;
            }
            if !self.vectors {
                *item.info = 0;
                continue;
            }
            for (j, from) in order.iter().copied().chain(n..p).enumerate() {
                for (row, from) in item.u.chunks_exact_mut(p).zip(&u[from * m..(from + 1) * m]) {
                    row[j] = from.each()[lane];
                }
            }
            for (row, &j) in item.vt.chunks_exact_mut(n).zip(&order) {
                let is_turned = value(j) < T::ZERO;
                for (to, from) in row.iter_mut().zip(&v[j * n..(j + 1) * n]) {
                    let x = from.each()[lane];
                    *to = if is_turned { -x } else { x };
                }
            }
            *item.info = 0;
        }
    }
}

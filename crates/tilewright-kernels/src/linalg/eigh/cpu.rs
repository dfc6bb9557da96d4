//! On the host: small matrices of a batch side by side in vector lanes, others one by one, reduced by faer.

use faer::diag::DiagMut;
use faer::dyn_stack::StackReq;
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Conj, MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::divide;
use super::super::extents::Extents;
use super::super::host::{Matrices, Real, Scratch, Workspace, copy, for_each, largest_of};
use super::super::lanes::{self, Room, Work};
use super::super::reductions::tridiagonal;
use super::super::sweeps::{self, scale};
use super::{Eigen, Eigh};

/// The eigenvalues and eigenvectors. `a` has elements.
pub(super) fn eigh<T: Real>(a: &Tensor, extents: &Extents, args: &Eigh) -> Result<Eigen> {
    let (n, batches) = (extents.n, extents.batches());
    let a = Matrices::<T>::new(a)?;
    let empty = |dtype, shape: Vec<usize>| Tensor::empty(&Stream::cpu(), dtype, shape);
    let mut values = empty(T::DTYPE, extents.shape(&[n]))?;
    let mut vectors = (!args.values_only).then(|| empty(T::DTYPE, extents.shape(&[n, n]))).transpose()?;
    let mut info = empty(DType::I32, extents.batch.clone())?;
    let elements = match vectors.as_mut() {
        Some(vectors) => vectors.as_slice_mut::<T>()?,
        None => &mut [],
    };
    let mut each_vectors = elements.chunks_mut(n * n);
    let outputs = values.as_slice_mut::<T>()?.chunks_mut(n).zip(info.as_slice_mut::<i32>()?);
    let items: Vec<_> = outputs
        .enumerate()
        .map(|(item, (values, info))| Item {
            a: if args.upper { a.at(item).transpose() } else { a.at(item) },
            values,
            vectors: each_vectors.next().unwrap_or_default(),
            info,
        })
        .collect();
    let each = Each { descending: args.descending };
    if lanes::fit::<T>(batches, n) {
        lanes::for_each::<T, _>(&each, items);
    } else {
        for_each(items, n, |item, par| each.one(item, par));
    }
    Ok(Eigen { values, vectors, info })
}

struct Item<'a, T> {
    /// Its lower triangle is read.
    a: MatRef<'a, T>,
    values: &'a mut [T],
    /// n x n row-major, or nothing.
    vectors: &'a mut [T],
    info: &'a mut i32,
}

impl<T: Real> Item<'_, T> {
    fn fail(self) {
        self.values.fill(T::NAN);
        self.vectors.fill(T::NAN);
        *self.info = 1;
    }
}

/// The lower triangle of one matrix of the caller's: its values rise; the vectors are n x n row-major, or nothing. Whether it was decomposed;
/// if not, all are NaN.
pub(in super::super) fn single<T: Real>(
    a: MatRef<'_, T>,
    values: &mut [T],
    vectors: &mut [T],
    par: Par,
) -> bool {
    let mut info = 0;
    Each { descending: false }.one(Item { a, values, vectors, info: &mut info }, par);
    info == 0
}

struct Each {
    descending: bool,
}

impl Each {
    fn one<T: Real>(&self, item: Item<'_, T>, par: Par) {
        let n = item.a.nrows();
        let mut a = Scratch::of(item.a);
        (0..n).for_each(|j| a.as_mut().col_mut(j).subrows_mut(0, j).fill(T::ZERO));
        let size = largest_of(a.as_ref());
        if !size.finite() {
            return item.fail();
        }
        let size = a.scale(size);
        if n == 2 {
            let (values, vectors) = pair(a.as_ref());
            let order = if self.descending { [1, 0] } else { [0, 1] };
            for (j, from) in order.into_iter().enumerate() {
                item.values[j] = values[from] * size;
                item.vectors.iter_mut().skip(j).step_by(2).zip(vectors[from]).for_each(|(to, x)| *to = x);
            }
            *item.info = 0;
            return;
        }
        let mut q = (!item.vectors.is_empty()).then(|| Scratch::zeros(n, n));
        let done = match q.as_mut() {
            Some(q) => with_vectors(a.as_mut(), item.values, q.as_mut(), par),
            None => values_only(a.as_ref(), item.values, par),
        };
        if !done {
            return item.fail();
        }
        item.values.iter_mut().for_each(|x| *x *= size);
        if self.descending {
            item.values.reverse();
        }
        if let Some(q) = q {
            let q = if self.descending { q.as_ref().reverse_cols() } else { q.as_ref() };
            copy(q, MatMut::from_row_major_slice_mut(item.vectors, n, n));
        }
        *item.info = 0;
    }
}

/// The values alone, by implicit shifts.
fn values_only<T: Real>(a: MatRef<'_, T>, values: &mut [T], par: Par) -> bool {
    let (n, compute) = (a.nrows(), ComputeEigenvectors::No);
    let mut memory = Workspace::new(self_adjoint_evd_scratch::<T>(n, compute, par, Default::default()));
    let values = DiagMut::from_slice_mut(values);
    self_adjoint_evd(a, values, None, par, memory.stack(), Default::default()).is_ok()
}

/// Both, by a reduction to tridiagonal form and divide and conquer there. `a`, whose lower triangle is read, is worked in.
fn with_vectors<T: Real>(mut a: MatMut<'_, T>, values: &mut [T], mut q: MatMut<'_, T>, par: Par) -> bool {
    let n = a.nrows();
    let block = recommended_block_size::<T>(n, n);
    let mut factors = Scratch::<T>::new(block, n.saturating_sub(1));
    let need = StackReq::any_of(&[
        tridiag_in_place_scratch::<T>(n, par, Default::default()),
        apply_block_householder_sequence_on_the_left_in_place_scratch::<T>(n, block, n),
    ]);
    let mut memory = Workspace::new(need);
    let stack = memory.stack();
    tridiag_in_place(a.as_mut(), factors.as_mut(), par, stack, Default::default());
    let beside: Vec<T> = (1..n).map(|i| a[(i, i - 1)]).collect();
    (0..n).for_each(|i| values[i] = a[(i, i)]);
    if !divide::tridiagonal(values, &beside, q.as_mut(), par) {
        return false;
    }
    if n > 1 {
        let reflections = a.as_ref().submatrix(1, 0, n - 1, n - 1);
        let rows = q.subrows_mut(1, n - 1);
        let factors = factors.as_ref();
        apply_block_householder_sequence_on_the_left_in_place_with_conj(
            reflections,
            factors,
            Conj::No,
            rows,
            par,
            stack,
        );
    }
    true
}

/// The values, rising, and vectors of a 2 x 2 matrix, by one of Jacobi's rotations: a small value beside a large one keeps its digits, which the roots of
/// the characteristic polynomial lose.
fn pair<T: Real>(a: MatRef<'_, T>) -> ([T; 2], [[T; 2]; 2]) {
    let (first, beside, last) = (a[(0, 0)], a[(1, 0)], a[(1, 1)]);
    let tangent = if beside == T::ZERO {
        T::ZERO
    } else {
        // Where it leaves the range, the rotation is none.
        let cotangent = (last - first) / (beside + beside);
        let size = T::ONE / (cotangent.magnitude() + (T::ONE + cotangent * cotangent).root());
        if cotangent < T::ZERO { -size } else { size }
    };
    let cosine = T::ONE / (T::ONE + tangent * tangent).root();
    let sine = tangent * cosine;
    let (lower, upper) = (first - tangent * beside, last + tangent * beside);
    if lower <= upper {
        ([lower, upper], [[cosine, -sine], [sine, cosine]])
    } else {
        ([upper, lower], [[sine, cosine], [cosine, -sine]])
    }
}

impl<T: Real> Work<Item<'_, T>> for Each {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, items: Vec<Item<'_, T>>) {
        let n = items[0].a.nrows();
        let matrices: Vec<_> = items.iter().map(|item| item.a).collect();
        let mut a = lanes::load(simd, &matrices);
        for i in 0..n {
            (i + 1..n).for_each(|j| a[i * n + j] = a[j * n + i]);
        }
        let size = scale(simd, &mut a);
        let mut reduced = tridiagonal(simd, n, &mut a);
        let mut q =
            if items[0].vectors.is_empty() { Room::zeros(simd, 0) } else { reduced.right(simd, &a, [n, 1]) };
        let failed = sweeps::tridiagonal(simd, &mut reduced.d, &mut reduced.e, &mut q);
        for (lane, item) in items.into_iter().enumerate() {
            let size = size.each()[lane];
            if !size.finite() || failed.each()[lane] != T::ZERO {
                item.fail();
                continue;
            }
            let value = |j: usize| -> T { reduced.d[j].each()[lane] };
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&i, &j| value(i).partial_cmp(&value(j)).expect("values are numbers"));
            if self.descending {
                order.reverse();
            }
            for (to, &j) in item.values.iter_mut().zip(&order) {
                *to = value(j) * size;
            }
            *item.info = 0;
            if item.vectors.is_empty() {
                continue;
            }
            for (j, &from) in order.iter().enumerate() {
                for (row, from) in item.vectors.chunks_exact_mut(n).zip(&q[from * n..(from + 1) * n]) {
                    row[j] = from.each()[lane];
                }
            }
        }
    }
}

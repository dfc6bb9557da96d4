//! The product on the host.
//!
//! f32 and f64 go to `faer`, whose strides take any view. Narrower floats, and outputs of another dtype than the operands, pass through f32
//! in blocks, so that no operand is ever converted as a whole. In both, a large product is cut into one piece of the output a thread, and a
//! small one stays on one thread: below about 128³ the hand-over costs more than a second thread brings.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::traits::RealField;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use tilewright_core::{DType, Element, Layout, Result, Stream, Tensor};

use super::super::product::Product;
use super::pack;
use crate::parallel::Each;

/// Multiply-adds from which on a second thread pays: 110 GFLOP/s by one and 66 by two at 96³, 98 and 109 at 128³ (Zen 4, 2 cores).
pub(super) const PARALLEL: usize = 128 * 128 * 128;
/// Rows or columns that pieces of an output are multiples of, a multiple of every vector width, so that only the last piece has a ragged edge.
const EDGE: usize = 48;

pub(in super::super) fn product(stream: &Stream, product: Product) -> Result<Tensor> {
    let mut out = Tensor::empty(stream, product.out, &product.shape)?;
    if out.is_empty() {
        return Ok(out);
    }
    match (product.a.dtype(), product.out) {
        (DType::F64, _) => native(&product, out.as_slice_mut::<f64>()?)?,
        (DType::F32, DType::F32) => native(&product, out.as_slice_mut::<f32>()?)?,
        (_, _) => pack::dispatch(&product, &mut out)?,
    }
    Ok(out)
}

/// The matrices of a batch, in the last two axes of a host tensor.
pub(super) struct Matrices<'a, T> {
    pub(super) elements: &'a [T],
    layout: &'a Layout,
}

impl<'a, T: Element> Matrices<'a, T> {
    pub(super) fn new(tensor: &'a Tensor) -> Result<Self> {
        Ok(Matrices { elements: tensor.host_elements()?, layout: tensor.layout() })
    }

    /// Where the matrix of a batch starts, and its row and column strides.
    pub(super) fn place(&self, mut batch: usize) -> (usize, [usize; 2]) {
        let (dims, strides) = (self.layout.shape().dims(), self.layout.strides());
        let matrix = dims.len() - 2;
        let mut start = self.layout.offset();
        for axis in (0..matrix).rev() {
            start += batch % dims[axis] * strides[axis];
            batch /= dims[axis];
        }
        (start, [strides[matrix], strides[matrix + 1]])
    }

    fn at(&self, batch: usize) -> MatRef<'a, T> {
        let (start, [row, column]) = self.place(batch);
        let &[.., rows, columns] = self.layout.shape().dims() else { unreachable!("at least two axes") };
        let elements = &self.elements[start..];
        // SAFETY: a tensor's layout stays within its buffer, so every (row, column) of a batch that exists lies within `elements`, which is
        // borrowed for as long as the matrix.
        unsafe { MatRef::from_raw_parts(elements.as_ptr(), rows, columns, row as isize, column as isize) }
    }
}

/// How many threads share a product of so many multiply-adds.
pub(crate) fn tasks(work: usize) -> usize {
    (2 * work / PARALLEL).clamp(1, rayon::current_num_threads())
}

/// Runs `each` on every matrix of the output, and says how many threads it may use itself.
pub(super) fn for_each_batch<T: Send>(
    product: &Product,
    out: &mut [T],
    each: impl Fn(usize, &mut [T], usize) + Sync,
) {
    let work = product.m * product.n * product.k;
    let one_by_one = product.batches() == 1 || work >= 8 * PARALLEL;
    let chunks = out.chunks_mut(product.m * product.n).enumerate();
    if one_by_one {
        chunks.for_each(|(batch, out)| each(batch, out, tasks(work)));
    } else if work.saturating_mul(product.batches()) < PARALLEL {
        chunks.for_each(|(batch, out)| each(batch, out, 1));
    } else {
        // Several small matrices make one task, for the same reason that a small product makes one.
        let together =
            (PARALLEL / work.max(1)).clamp(1, product.batches().div_ceil(2 * rayon::current_num_threads()));
        let size = product.m * product.n * together;
        out.par_chunks_mut(size).enumerate().each(&|(task, out)| {
            for (index, out) in out.chunks_mut(product.m * product.n).enumerate() {
                each(task * together + index, out, 1);
            }
        });
    }
}

/// `out = alpha a b`, or that added to it, in so many pieces of the output, each by one thread of its own. A piece packs for itself what it
/// needs of both operands; that costs less than the threads of one product of `faer` wait for one another: 203 GFLOP/s and not 189 at
/// 1024³, 206 and 198 at 2048³ (f32, Zen 4, 2 cores).
pub(crate) fn shared<T: RealField>(
    out: MatMut<'_, T>,
    accumulate: Accum,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    alpha: T,
    tasks: usize,
) {
    let (m, n) = (out.nrows(), out.ncols());
    if tasks < 2 || m.max(n) <= EDGE {
        return matmul(out, accumulate, a, b, alpha, Par::Seq);
    }
    let first = tasks / 2;
    let half = |extent: usize| (extent * first / tasks).next_multiple_of(EDGE).min(extent);
    let (one, other) = if m >= n {
        let (top, bottom) = out.split_at_row_mut(half(m));
        let (above, below) = a.split_at_row(half(m));
        ((top, above, b), (bottom, below, b))
    } else {
        let (left, right) = out.split_at_col_mut(half(n));
        let (before, behind) = b.split_at_col(half(n));
        ((left, a, before), (right, a, behind))
    };
    let (alpha, same) = (&alpha, &alpha);
    rayon::join(
        move || shared(one.0, accumulate, one.1, one.2, alpha.clone(), first),
        move || shared(other.0, accumulate, other.1, other.2, same.clone(), tasks - first),
    );
}

/// The lower triangle of [`shared`]'s product; above it nothing is written. The square below the diagonal blocks is as much work as both.
pub(crate) fn shared_lower<T: RealField>(
    out: MatMut<'_, T>,
    accumulate: Accum,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    alpha: T,
    tasks: usize,
) {
    let n = out.ncols();
    if tasks < 2 || n <= 2 * EDGE {
        let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        return triangular::matmul(out, lower, accumulate, a, full, b, full, alpha, Par::Seq);
    }
    let half = (n / 2).next_multiple_of(EDGE);
    let (first, _, square, last) = out.split_at_mut(half, half);
    let ((above, below), (left, right)) = (a.split_at_row(half), b.split_at_col(half));
    let (alpha, same) = (&alpha, &alpha);
    rayon::join(
        move || shared(square, accumulate, below, left, alpha.clone(), tasks / 2),
        move || {
            rayon::join(
                || shared_lower(first, accumulate, above, left, same.clone(), tasks.div_ceil(4)),
                || shared_lower(last, accumulate, below, right, same.clone(), tasks.div_ceil(4)),
            )
        },
    );
}

/// The output before the product is added: `beta c`, or zeros.
fn start<T: RealField + Element>(c: Option<&MatRef<'_, T>>, beta: T, out: &mut [T], columns: usize) {
    let Some(c) = c else { return out.fill(T::zeroed()) };
    for (i, row) in out.chunks_mut(columns).enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            *value = beta * c[(i, j)];
        }
    }
}

fn native<T: RealField + Element + std::ops::Mul<Output = T> + std::ops::AddAssign>(
    product: &Product,
    out: &mut [T],
) -> Result<()> {
    let (a, b) = (Matrices::<T>::new(&product.a)?, Matrices::<T>::new(&product.b)?);
    let c = product.c.as_ref().map(Matrices::<T>::new).transpose()?;
    let (alpha, beta) = (T::from_f64(product.alpha), T::from_f64(product.beta));
    let (m, n) = (product.m, product.n);
    for_each_batch(product, out, |batch, out, tasks| {
        let c = c.as_ref().map(|c| c.at(batch));
        if c.is_some() || product.is_only_c() {
            start(c.as_ref(), beta, out, n);
        }
        if product.is_only_c() {
            return;
        }
        let accumulate = if c.is_some() { Accum::Add } else { Accum::Replace };
        let target = MatMut::from_row_major_slice_mut(out, m, n);
        let (a, b) = (a.at(batch), b.at(batch));
        if product.symmetric {
            shared_lower(target, accumulate, a, b, alpha, tasks);
            mirror(out, n);
        } else {
            shared(target, accumulate, a, b, alpha, tasks);
        }
    });
    Ok(())
}

/// Copies the lower triangle of a square matrix to the upper one, in blocks so that both stay in the cache.
pub(super) fn mirror<T: Copy>(out: &mut [T], n: usize) {
    const BLOCK: usize = 16;
    for top in (0..n).step_by(BLOCK) {
        for left in (0..=top).step_by(BLOCK) {
            for i in top..n.min(top + BLOCK) {
                for j in left..i.min(left + BLOCK) {
                    out[j * n + i] = out[i * n + j];
                }
            }
        }
    }
}

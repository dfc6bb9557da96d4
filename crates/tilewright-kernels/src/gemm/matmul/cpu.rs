//! The product on the host.
//!
//! f32 and f64 go to `faer`, whose strides take any view. Narrower floats, and outputs of another dtype than the operands, pass through f32
//! in blocks, so that no operand is ever converted as a whole. In both, work is handed to threads only where it is large: for a product
//! below about 160³ the hand-over costs more than a second thread brings.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::traits::RealField;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use tilewright_core::{DType, Element, Layout, Result, Stream, Tensor};

use super::super::product::Product;
use super::pack;

/// Multiply-adds from which on a second thread pays: 94 GFLOP/s by one and 81 by two at 160³, 94 and 129 at 192³ (Zen 4, 2 cores).
pub(super) const PARALLEL: usize = 170 * 170 * 170;
/// Multiply-adds from which on there are two tasks a thread, so that none waits long for one that the system held up: 2048³ takes 133 ms
/// and not 138 (medians of 40 on a virtual machine of 2 Zen 3 cores).
const SHARED_OUT: usize = 1500 * 1500 * 1500;

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

/// Runs `each` on every matrix of the output, and says how many threads it may use itself.
pub(super) fn for_each_batch<T: Send>(
    product: &Product,
    out: &mut [T],
    each: impl Fn(usize, &mut [T], Par) + Sync,
) {
    let work = product.m * product.n * product.k;
    let one_by_one = product.batches() == 1 || work >= 8 * PARALLEL;
    let chunks = out.chunks_mut(product.m * product.n).enumerate();
    if one_by_one {
        let par = match work {
            0..PARALLEL => Par::Seq,
            PARALLEL..SHARED_OUT => Par::rayon(0),
            _ => Par::rayon(2 * rayon::current_num_threads()),
        };
        chunks.for_each(|(batch, out)| each(batch, out, par));
    } else if work.saturating_mul(product.batches()) < PARALLEL {
        chunks.for_each(|(batch, out)| each(batch, out, Par::Seq));
    } else {
        // Several small matrices make one task, for the same reason that a small product makes one.
        let together =
            (PARALLEL / work.max(1)).clamp(1, product.batches().div_ceil(2 * rayon::current_num_threads()));
        let size = product.m * product.n * together;
        out.par_chunks_mut(size).enumerate().for_each(|(task, out)| {
            for (index, out) in out.chunks_mut(product.m * product.n).enumerate() {
                each(task * together + index, out, Par::Seq);
            }
        });
    }
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
    for_each_batch(product, out, |batch, out, par| {
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
            let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
            triangular::matmul(target, lower, accumulate, a, full, b, full, alpha, par);
            mirror(out, n);
        } else {
            faer::linalg::matmul::matmul(target, accumulate, a, b, alpha, par);
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

//! Products through f32 on the host: operands and outputs of 16 bits, a block at a time.
//!
//! The output is cut into bands of rows, which threads share. A band goes from left to right in square blocks, and a block through the
//! sum in steps of [`DEPTH`]: the two pieces of the operands are widened into f32, multiplied by `faer`, and the finished block is rounded.

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Tensor, bf16, f16};

use super::super::number::{Number, Rounded};
use super::super::product::Product;
use super::cpu::{Matrices, PARALLEL, mirror, shared, tasks};

/// Terms of the sum per step: with it, the pieces of both operands stay in a core's share of the last-level cache.
const DEPTH: usize = 512;

/// Rows and columns of a block: large ones convert less, small ones feed all threads. A function of the shape alone, so that the order of
/// every sum is the same on every machine.
fn edge(m: usize, n: usize) -> usize {
    match m * n {
        0..65_536 => 64,
        65_536..1_000_000 => 256,
        _ => 512,
    }
}

/// What a thread works in, from band to band.
#[derive(Default)]
struct Scratch {
    a: Vec<f32>,
    b: Vec<f32>,
    sums: Vec<f32>,
    row: Vec<f32>,
}

/// The product of operands and output of f32, f16 and bf16 in any combination.
pub(super) fn dispatch(product: &Product, out: &mut Tensor) -> Result<()> {
    match (product.a.dtype(), product.out) {
        (DType::F32, DType::F16) => run::<f32, f16>(product, out.as_slice_mut()?),
        (DType::F32, _) => run::<f32, bf16>(product, out.as_slice_mut()?),
        (DType::F16, DType::F32) => run::<f16, f32>(product, out.as_slice_mut()?),
        (DType::F16, DType::F16) => run::<f16, f16>(product, out.as_slice_mut()?),
        (DType::F16, _) => run::<f16, bf16>(product, out.as_slice_mut()?),
        (_, DType::F32) => run::<bf16, f32>(product, out.as_slice_mut()?),
        (_, DType::F16) => run::<bf16, f16>(product, out.as_slice_mut()?),
        (_, _) => run::<bf16, bf16>(product, out.as_slice_mut()?),
    }
}

fn run<T: Number<Sum = f32>, O: Number<Sum = f32> + Rounded<f32>>(
    product: &Product,
    out: &mut [O],
) -> Result<()> {
    let (m, n) = (product.m, product.n);
    let edge = edge(m, n);
    let operands = Operands {
        product,
        a: Matrices::<T>::new(&product.a)?,
        b: Matrices::<T>::new(&product.b)?,
        c: product.c.as_ref().map(Matrices::<O>::new).transpose()?,
        edge,
    };
    let bands = out.chunks_mut(m * n).enumerate().flat_map(|(batch, matrix)| {
        matrix.chunks_mut(edge * n).enumerate().map(move |(band, rows)| (batch, band * edge, rows))
    });
    let bands: Vec<(usize, usize, &mut [O])> = bands.collect();
    let work = m * n * product.k.max(1);
    if work.saturating_mul(product.batches()) < PARALLEL {
        let mut scratch = Scratch::default();
        bands.into_iter().for_each(|(batch, top, rows)| operands.band(&mut scratch, batch, top, rows, 1));
    } else if let [_] = bands.as_slice() {
        let mut scratch = Scratch::default();
        let tasks = tasks(work);
        bands.into_iter().for_each(|(batch, top, rows)| operands.band(&mut scratch, batch, top, rows, tasks));
    } else {
        // Small matrices share a task, since handing one over costs as much as computing it.
        let together = (PARALLEL / work).clamp(1, bands.len().div_ceil(2 * rayon::current_num_threads()));
        bands.into_par_iter().with_min_len(together).for_each_init(
            Scratch::default,
            |scratch, (batch, top, rows)| {
                operands.band(scratch, batch, top, rows, 1);
            },
        );
    }
    if product.symmetric {
        out.chunks_mut(m * n).for_each(|matrix| mirror(matrix, n));
    }
    Ok(())
}

struct Operands<'a, T, O> {
    product: &'a Product,
    a: Matrices<'a, T>,
    b: Matrices<'a, T>,
    c: Option<Matrices<'a, O>>,
    edge: usize,
}

impl<T: Number<Sum = f32>, O: Number<Sum = f32> + Rounded<f32>> Operands<'_, T, O> {
    /// Computes the rows from `top` on of one matrix of the output.
    fn band(&self, scratch: &mut Scratch, batch: usize, top: usize, out: &mut [O], tasks: usize) {
        let (n, k) = (self.product.n, if self.product.is_only_c() { 0 } else { self.product.k });
        let rows = out.len() / n;
        for left in (0..n).step_by(self.edge) {
            if self.product.symmetric && left >= top + rows {
                break;
            }
            let columns = self.edge.min(n - left);
            let Scratch { a, b, sums, row } = scratch;
            sums.clear();
            sums.resize(rows * columns, 0.0);
            for first in (0..k).step_by(DEPTH) {
                let terms = DEPTH.min(k - first);
                let a = widened(a, &self.a, batch, (top, first), (rows, terms));
                let b = widened(b, &self.b, batch, (first, left), (terms, columns));
                let target = MatMut::from_row_major_slice_mut(sums, rows, columns);
                shared(target, Accum::Add, a, b, 1.0, tasks);
            }
            for (i, sums) in sums.chunks_mut(columns).enumerate() {
                self.finish(sums, row, batch, (top + i, left));
                O::round(sums, &mut out[i * n + left..][..columns]);
            }
        }
    }

    /// `alpha sum + beta c` for a piece of one row.
    fn finish(&self, sums: &mut [f32], row: &mut Vec<f32>, batch: usize, (i, left): (usize, usize)) {
        let (alpha, beta) = (self.product.alpha as f32, self.product.beta as f32);
        if alpha != 1.0 {
            sums.iter_mut().for_each(|sum| *sum *= alpha);
        }
        let Some(c) = &self.c else { return };
        widened(row, c, batch, (i, left), (1, sums.len()));
        for (sum, c) in sums.iter_mut().zip(row) {
            *sum += beta * *c;
        }
    }
}

/// A block of a matrix in f32, in the order in which the matrix itself lies.
fn widened<'a, T: Number<Sum = f32>>(
    scratch: &'a mut Vec<f32>,
    from: &Matrices<'_, T>,
    batch: usize,
    (top, left): (usize, usize),
    (rows, columns): (usize, usize),
) -> MatRef<'a, f32> {
    let (start, [row, column]) = from.place(batch);
    let corner = start + top * row + left * column;
    scratch.resize(rows * columns, 0.0);
    // Lines run along the axis whose elements are neighbours.
    let by_rows = column == 1 || row != 1;
    let (length, line, step) = if by_rows { (columns, row, column) } else { (rows, column, row) };
    for (index, to) in scratch.chunks_mut(length).enumerate() {
        let from = &from.elements[corner + index * line..];
        if step == 1 {
            T::widen(&from[..length], to);
        } else {
            for (at, to) in to.iter_mut().enumerate() {
                T::widen(&from[at * step..][..1], std::slice::from_mut(to));
            }
        }
    }
    if by_rows {
        MatRef::from_row_major_slice(scratch, rows, columns)
    } else {
        MatRef::from_column_major_slice(scratch, rows, columns)
    }
}

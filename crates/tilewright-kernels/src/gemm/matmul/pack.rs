//! Products through f32 on the host: operands and outputs of 16 bits, a block at a time.
//!
//! The output is cut into bands of rows, which threads share. A band goes from left to right in square blocks, and a block through the
//! sum in steps of [`DEPTH`]: the two pieces of the operands are widened into f32, multiplied by `faer`, and the finished block is rounded.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use tilewright_core::{Element, Result, bf16, f16};

use super::super::product::Product;
use super::cpu::{Matrices, PARALLEL, mirror};

/// A float that converts to and from f32, whole slices at a time.
pub(in super::super) trait Narrow: Element {
    /// Widens `from` into `to`, of the same length.
    fn widen(from: &[Self], to: &mut [f32]);
    /// Rounds `from` into `to`, of the same length: to nearest, ties to even.
    fn narrow(from: &[f32], to: &mut [Self]);
}

impl Narrow for f32 {
    fn widen(from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
    fn narrow(from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
}

impl Narrow for f16 {
    fn widen(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
    fn narrow(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
}

impl Narrow for bf16 {
    fn widen(from: &[bf16], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = f32::from_bits(u32::from(from.to_bits()) << 16);
        }
    }
    fn narrow(from: &[f32], to: &mut [bf16]) {
        to.convert_from_f32_slice(from);
    }
}

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

pub(super) fn product<T: Narrow, O: Narrow>(product: &Product, out: &mut [O]) -> Result<()> {
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
        bands.into_iter().for_each(|(batch, top, rows)| operands.band(&mut scratch, batch, top, rows, Par::Seq));
    } else if let [_] = bands.as_slice() {
        let mut scratch = Scratch::default();
        let par = Par::rayon(0);
        bands.into_iter().for_each(|(batch, top, rows)| operands.band(&mut scratch, batch, top, rows, par));
    } else {
        // Small matrices share a task, since handing one over costs as much as computing it.
        let together = (PARALLEL / work).clamp(1, bands.len().div_ceil(2 * rayon::current_num_threads()));
        bands.into_par_iter().with_min_len(together).for_each_init(Scratch::default, |scratch, (batch, top, rows)| {
            operands.band(scratch, batch, top, rows, Par::Seq);
        });
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

impl<T: Narrow, O: Narrow> Operands<'_, T, O> {
    /// Computes the rows from `top` on of one matrix of the output.
    fn band(&self, scratch: &mut Scratch, batch: usize, top: usize, out: &mut [O], par: Par) {
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
                matmul(target, Accum::Add, a, b, 1.0, par);
            }
            for (i, sums) in sums.chunks_mut(columns).enumerate() {
                self.finish(sums, row, batch, (top + i, left));
                O::narrow(sums, &mut out[i * n + left..][..columns]);
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
fn widened<'a, T: Narrow>(
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

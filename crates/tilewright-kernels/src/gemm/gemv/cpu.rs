//! The product with a vector on the host: the matrix is read once, in the order in which it lies.
//!
//! Where rows have neighbours for elements a row is a dot product; otherwise the columns are added up, four at a time, into a piece of the
//! output that stays in the cache. Long sums are cut into pieces that threads share; the pieces are added in order, so that the result
//! does not depend on the number of threads.

use pulp::Arch;
use rayon::prelude::*;
use tilewright_core::{Layout, Result, Stream, Tensor};

use super::super::number::{Number, Rounded, Sum, with_numbers};
use super::Problem;
use crate::parallel::Each;

/// Terms of a sum per piece.
const TERMS: usize = 32_768;
/// Elements of the output per task, by columns: 16 KiB of f32, half a core's first cache.
const ROWS: usize = 4096;
/// Elements that are widened at a time, in the first cache too.
const STRIP: usize = 512;
/// Bytes of the matrix from which on a second thread pays for being woken.
const PARALLEL: usize = 512 * 1024;

pub(super) fn gemv(stream: &Stream, problem: &Problem) -> Result<Tensor> {
    let mut out = Tensor::empty(stream, problem.out, &problem.shape()?)?;
    if !out.is_empty() {
        with_numbers!((problem.a.dtype(), problem.out), T, O => run::<T, O>(problem, out.as_slice_mut()?)?);
    }
    Ok(out)
}

fn run<T: Number, O: Rounded<T::Sum>>(problem: &Problem, out: &mut [O]) -> Result<()> {
    let (m, k) = (problem.m, problem.k);
    let (a, x) = (problem.a.host_elements::<T>()?, problem.x.host_elements::<T>()?);
    let matrix = problem.a.rank() - 2;
    let [row, term] = [problem.a.strides()[matrix], problem.a.strides()[matrix + 1]];
    let step = problem.x.strides()[matrix];
    let by_columns = row == 1 && term != 1;
    let parallel = m * k * size_of::<T>() >= PARALLEL;
    let pieces = k.div_ceil(TERMS).max(1);
    let mut vector = vec![T::Sum::default(); k];
    let mut partial = vec![T::Sum::default(); m * pieces];
    for (batch, out) in out.chunks_mut(m).enumerate() {
        let (a, x) = (&a[start(problem.a.layout(), 2, batch)..], &x[start(problem.x.layout(), 1, batch)..]);
        for (index, to) in vector.iter_mut().enumerate() {
            T::widen(&x[index * step..][..1], std::slice::from_mut(to));
        }
        // One task: a piece of the sums of some neighbouring rows.
        let rows =
            if by_columns { ROWS } else { (PARALLEL / (2 * size_of::<T>() * k.clamp(1, TERMS))).max(1) };
        let task = |(first, top, sums): (usize, usize, &mut [T::Sum])| {
            let vector = &vector[first..k.min(first + TERMS)];
            let from = &a[(top * row + first * term).min(a.len())..];
            Arch::new().dispatch(|| {
                if by_columns {
                    columns::<T>(from, term, vector, sums)
                } else {
                    dots::<T>(from, row, term, vector, sums)
                }
            });
        };
        let tasks = partial.chunks_mut(m).enumerate().flat_map(|(piece, sums)| {
            sums.chunks_mut(rows).enumerate().map(move |(chunk, sums)| (piece * TERMS, chunk * rows, sums))
        });
        if parallel {
            tasks.collect::<Vec<_>>().into_par_iter().each(&task);
        } else {
            tasks.for_each(task);
        }
        let (sums, others) = partial.split_at_mut(m);
        for other in others.chunks(m) {
            sums.iter_mut().zip(other).for_each(|(sum, &other)| *sum += other);
        }
        O::round(sums, out);
    }
    Ok(())
}

/// Where a batch starts, in a layout of leading axes and `trailing` others.
fn start(layout: &Layout, trailing: usize, mut batch: usize) -> usize {
    let (dims, strides) = (layout.shape().dims(), layout.strides());
    let mut start = layout.offset();
    for axis in (0..dims.len() - trailing).rev() {
        start += batch % dims[axis] * strides[axis];
        batch /= dims[axis];
    }
    start
}

/// One dot product per row.
#[inline(always)]
fn dots<T: Number>(a: &[T], row: usize, term: usize, x: &[T::Sum], sums: &mut [T::Sum]) {
    let mut strip = [T::Sum::default(); STRIP];
    for (index, sum) in sums.iter_mut().enumerate() {
        let mut lanes = Lanes::default();
        for (part, x) in x.chunks(STRIP).enumerate() {
            let from = &a[index * row + part * STRIP * term..];
            let direct = if term == 1 { T::as_sums(&from[..x.len()]) } else { None };
            let values = direct.unwrap_or_else(|| {
                if term == 1 {
                    T::widen(&from[..x.len()], &mut strip[..x.len()]);
                } else {
                    for (at, to) in strip[..x.len()].iter_mut().enumerate() {
                        T::widen(&from[at * term..][..1], std::slice::from_mut(to));
                    }
                }
                &strip[..x.len()]
            });
            lanes.add(values, x);
        }
        *sum = lanes.total();
    }
}

/// As many partial sums as four vectors have elements: the additions of one do not wait for each other.
struct Lanes<S>([S; 32]);

impl<S: Sum> Default for Lanes<S> {
    fn default() -> Self {
        Lanes([S::default(); 32])
    }
}

impl<S: Sum> Lanes<S> {
    #[inline(always)]
    fn add(&mut self, a: &[S], x: &[S]) {
        let (whole, rest) = a.as_chunks::<32>();
        let (whole_x, rest_x) = x.as_chunks::<32>();
        for (a, x) in whole.iter().zip(whole_x) {
            for lane in 0..32 {
                self.0[lane] += a[lane] * x[lane];
            }
        }
        for (lane, (&a, &x)) in rest.iter().zip(rest_x).enumerate() {
            self.0[lane] += a * x;
        }
    }

    #[inline(always)]
    fn total(mut self) -> S {
        let mut half = 16;
        while half > 0 {
            for lane in 0..half {
                self.0[lane] += self.0[lane + half];
            }
            half /= 2;
        }
        self.0[0]
    }
}

/// The sum of all columns, each times its element of `x`: `sums` rows of it.
#[inline(always)]
fn columns<T: Number>(a: &[T], term: usize, x: &[T::Sum], sums: &mut [T::Sum]) {
    sums.fill(T::Sum::default());
    let mut strips = [[T::Sum::default(); STRIP]; 4];
    for top in (0..sums.len()).step_by(STRIP) {
        let rows = STRIP.min(sums.len() - top);
        let sums = &mut sums[top..top + rows];
        for (group, x) in x.chunks(4).enumerate() {
            let [s0, s1, s2, s3] = &mut strips;
            let from = |at: usize| &a[(group * 4 + at) * term + top..][..rows];
            if let &[x0, x1, x2, x3] = x {
                let (c0, c1, c2, c3) =
                    (column(from(0), s0), column(from(1), s1), column(from(2), s2), column(from(3), s3));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum += (c0[i] * x0 + c1[i] * x1) + (c2[i] * x2 + c3[i] * x3);
                }
            } else {
                for (at, &x) in x.iter().enumerate() {
                    sums.iter_mut().zip(column(from(at), s0)).for_each(|(sum, &a)| *sum += a * x);
                }
            }
        }
    }
}

/// A column's piece as sums, through `strip` where it has to be widened.
#[inline(always)]
fn column<'a, T: Number>(from: &'a [T], strip: &'a mut [T::Sum; STRIP]) -> &'a [T::Sum] {
    T::as_sums(from).unwrap_or_else(|| {
        let strip = &mut strip[..from.len()];
        T::widen(from, strip);
        strip
    })
}

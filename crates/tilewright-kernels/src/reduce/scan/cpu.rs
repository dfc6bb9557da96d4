//! Native path: short chunks are scanned within vectors, and follow one another within a leaf; a leaf starts from the compensated
//! sum of all leaves before it.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use super::Scan;
use crate::parallel::Each;
use crate::reduce::fold::Fold;
use crate::reduce::number::{Accumulator, LEAF, Number, with_number};
use crate::reduce::rows::Rows;
use crate::reduce::sum::cpu::{Compensated, Exact};

/// Elements that are scanned together, by doubling distances.
const CHUNK: usize = 16;
/// Elements of a long row that one thread scans at a time.
const BLOCK: usize = 1 << 15;
/// Rows from which on every one is scanned in one go, by one thread.
const MANY: usize = 16;

pub(super) fn scan(rows: &Rows, args: &Scan) -> Result<Tensor> {
    with_number!(rows.x.dtype(), T => match args.reverse {
        false => running_sums::<T, false>(rows, args.exclusive),
        true => running_sums::<T, true>(rows, args.exclusive),
    })
}

fn running_sums<T: Number, const REVERSE: bool>(rows: &Rows, exclusive: bool) -> Result<Tensor> {
    let mut out = rows.fresh()?;
    rows.host::<T>()?.zip(out.as_slice_mut::<T>()?, |row, out| {
        if rows.rows >= MANY || rows.n <= BLOCK {
            stretch::<T, REVERSE>(row, out, exclusive, Exact::ZERO);
        } else {
            blocks::<T, REVERSE>(row, out, exclusive);
        }
    });
    Ok(out)
}

/// A row by many threads: the blocks' sums, what precedes each, then the blocks.
fn blocks<T: Number, const REVERSE: bool>(row: &[T], out: &mut [T], exclusive: bool) {
    let sum = |block: &[T]| Compensated.block(block, 0);
    let mut before: Vec<_> = match REVERSE {
        false => row.par_chunks(BLOCK).each_made(&sum).collect(),
        true => row.par_rchunks(BLOCK).each_made(&sum).collect(),
    };
    let mut total = Exact::ZERO;
    for before in &mut before {
        let sum = std::mem::replace(before, total);
        total = total.plus(sum);
    }
    let block = |(row, out): (&[T], &mut [T]), before: &Exact<T::Sum>| {
        stretch::<T, REVERSE>(row, out, exclusive, *before)
    };
    if REVERSE {
        let blocks = row.par_rchunks(BLOCK).zip(out.par_rchunks_mut(BLOCK));
        blocks.zip(&before).each(&|(rows, before)| block(rows, before));
    } else {
        let blocks = row.par_chunks(BLOCK).zip(out.par_chunks_mut(BLOCK));
        blocks.zip(&before).each(&|(rows, before)| block(rows, before));
    }
}

/// A stretch of a row by one thread. `before`: the sum of what precedes it.
fn stretch<T: Number, const REVERSE: bool>(
    row: &[T],
    out: &mut [T],
    exclusive: bool,
    mut before: Exact<T::Sum>,
) {
    let mut stage = [T::Sum::ZERO; LEAF];
    let mut scan = |(row, out): (&[T], &mut [T])| {
        let row = T::load(row, &mut stage);
        let carry = before.total();
        T::store(out, |out| {
            let sum = Arch::new().dispatch(Leaf::<_, REVERSE> { row, out, exclusive, carry });
            before = before.plus(Exact::of(sum));
        });
    };
    match REVERSE {
        false => row.chunks(LEAF).zip(out.chunks_mut(LEAF)).for_each(&mut scan),
        true => row.rchunks(LEAF).zip(out.rchunks_mut(LEAF)).for_each(&mut scan),
    }
}

/// Scans a leaf onto `carry`, and gives the leaf's own sum.
struct Leaf<'a, S, const REVERSE: bool> {
    row: &'a [S],
    out: &'a mut [S],
    exclusive: bool,
    carry: S,
}

impl<S: Accumulator, const REVERSE: bool> WithSimd for Leaf<'_, S, REVERSE> {
    type Output = S;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> S {
        let Leaf { row, out, exclusive, carry } = self;
        let mut running = S::ZERO;
        if REVERSE {
            let ((first, row), (first_out, out)) = (row.as_rchunks::<CHUNK>(), out.as_rchunks_mut::<CHUNK>());
            for (row, out) in row.iter().zip(out).rev() {
                chunk::<S, REVERSE>(row, out, exclusive, carry, &mut running);
            }
            chunk::<S, REVERSE>(first, first_out, exclusive, carry, &mut running);
        } else {
            let ((row, last), (out, last_out)) = (row.as_chunks::<CHUNK>(), out.as_chunks_mut::<CHUNK>());
            for (row, out) in row.iter().zip(out) {
                chunk::<S, REVERSE>(row, out, exclusive, carry, &mut running);
            }
            chunk::<S, REVERSE>(last, last_out, exclusive, carry, &mut running);
        }
        running
    }
}

/// Scans at most [`CHUNK`] elements onto `running` and `carry`.
#[inline(always)]
fn chunk<S: Accumulator, const REVERSE: bool>(
    row: &[S],
    out: &mut [S],
    exclusive: bool,
    carry: S,
    running: &mut S,
) {
    let mut terms = [S::ZERO; CHUNK];
    terms[..row.len()].copy_from_slice(row);
    if REVERSE {
        terms[..row.len()].reverse();
    }
    let sums = scanned(terms);
    let mut kept = if exclusive { shifted::<_, 1>(sums) } else { sums };
    for sum in &mut kept {
        *sum = running.plus(*sum).plus(carry);
    }
    *running = running.plus(sums[CHUNK - 1]);
    if REVERSE {
        kept[..row.len()].reverse();
    }
    out.copy_from_slice(&kept[..row.len()]);
}

/// Inclusive sums: after the step of distance d each holds the sum of up to 2 d terms.
#[inline(always)]
fn scanned<S: Accumulator>(sums: [S; CHUNK]) -> [S; CHUNK] {
    let sums = added(sums, shifted::<_, 1>(sums));
    let sums = added(sums, shifted::<_, 2>(sums));
    let sums = added(sums, shifted::<_, 4>(sums));
    added(sums, shifted::<_, 8>(sums))
}

#[inline(always)]
fn added<S: Accumulator>(mut a: [S; CHUNK], b: [S; CHUNK]) -> [S; CHUNK] {
    for i in 0..CHUNK {
        a[i] = a[i].plus(b[i]);
    }
    a
}

/// Moved `D` places up, with zeros below.
#[inline(always)]
fn shifted<S: Accumulator, const D: usize>(sums: [S; CHUNK]) -> [S; CHUNK] {
    let mut moved = [S::ZERO; CHUNK];
    moved[D..].copy_from_slice(&sums[..CHUNK - D]);
    moved
}

//! Native path: a task for a few sequences of one head, which share each pass over its recurrent weights.

use rayon::prelude::*;
use tilewright_core::{Result, Stream, Tensor};

use crate::parallel::Each;
use crate::reduce::number::Accumulator;
use crate::slstm::cell::Sizes;
use crate::slstm::product::{ROWS, add_product};
use crate::slstm::units::{Data, Forward, Scalar};
use crate::slstm::{Slstm, SlstmState};

/// Runs `$body` with `$T` bound to the type of the data, whose dtype has been checked.
macro_rules! with_data {
    ($dtype:expr, $T:ident => $body:expr) => {{
        use tilewright_core::DType;
        macro_rules! arm {
            ($float:ty) => {{
                type $T = $float;
                $body
            }};
        }
        match $dtype {
            DType::F64 => arm!(f64),
            DType::F32 => arm!(f32),
            DType::F16 => arm!(tilewright_core::f16),
            _ => arm!(tilewright_core::bf16),
        }
    }};
}

pub(in crate::slstm) use with_data;

pub(super) fn slstm_sequence(
    sizes: &Sizes,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    cell: &Slstm,
) -> Result<(Tensor, SlstmState)> {
    with_data!(x.dtype(), T => run::<T>(sizes, x, r, state, cell))
}

fn run<T: Data>(
    sizes: &Sizes,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    cell: &Slstm,
) -> Result<(Tensor, SlstmState)> {
    let Sizes { s, d, .. } = *sizes;
    let mut h = Tensor::empty(&Stream::cpu(), T::DTYPE, sizes.h())?;
    let mut last = start::<T::Sum>(sizes, state)?;
    let (x, weights) = (Tokens::<T>::new(x)?, turned::<T>(r)?);
    let sequences = parts(h.as_slice_mut::<T>()?, sizes.b * sizes.nh, s * d);
    let [c, n, kept, m] = last.each_mut().map(|part| parts(part, sizes.b * sizes.nh, d));
    let all = sequences.into_iter().zip(c).zip(n).zip(kept).zip(m);
    let all = all.map(|((((h, c), n), kept), m)| (h, [c, n, kept, m]));
    by_head(sizes, all).into_par_iter().each(&|(head, first, mut group)| {
        let mut pre = vec![T::Sum::ZERO; group.len() * 4 * d];
        let mut seen = vec![T::Sum::ZERO; group.len() * d];
        for t in 0..s {
            for (row, (_, state)) in group.iter().enumerate() {
                x.load(first + row, head, t, &mut pre[row * 4 * d..][..4 * d]);
                seen[row * d..][..d].copy_from_slice(state[2]);
            }
            add_product(&mut pre, &seen, &weights[head * 4 * d * d..][..4 * d * d], 4 * d);
            for (row, (h, [c, n, kept, m])) in group.iter_mut().enumerate() {
                Forward { cell: *cell, pre: &pre[row * 4 * d..][..4 * d], state: [c, n, kept, m] }.run();
                T::round(kept, &mut h[t * d..][..d]);
            }
        }
    });
    let [c, n, kept, m] = last;
    let state = |part: Vec<T::Sum>| Tensor::from_vec(part, sizes.state());
    Ok((h, SlstmState { c: state(c)?, n: state(n)?, h: state(kept)?, m: state(m)? }))
}

/// c, n, h and m before the first token, `[b, nh, d]` each.
pub(in crate::slstm) fn start<S: Scalar>(sizes: &Sizes, state: Option<&SlstmState>) -> Result<[Vec<S>; 4]> {
    let count = sizes.state().iter().product();
    let Some(state) = state else { return Ok([(); 4].map(|()| vec![S::ZERO; count])) };
    let [c, n, h, m] = state.parts().map(Tensor::to_vec::<S>);
    Ok([c?, n?, h?, m?])
}

/// Rows and columns that are turned at a time: as many of both as a line of the cache has elements of f32.
const TILE: usize = 16;

/// r by the unit that is seen: `[nh, d, 4 d]`, widened, so that a pass over it adds to all gates of all units.
pub(in crate::slstm) fn turned<T: Data>(r: &Tensor) -> Result<Vec<T::Sum>> {
    let d = r.dims()[3];
    if !r.is_contiguous() || d == 0 {
        return widened::<T>(&r.permute(&[0, 3, 1, 2])?);
    }
    let elements = r.as_slice::<T>()?;
    let mut all = vec![T::Sum::ZERO; elements.len()];
    let heads = all.par_chunks_mut(4 * d * d).zip(elements.par_chunks(4 * d * d));
    heads.each(&|(turned, rows)| {
        let mut wide = [T::Sum::ZERO; TILE];
        for top in (0..4 * d).step_by(TILE) {
            for left in (0..d).step_by(TILE) {
                let wide = &mut wide[..TILE.min(d - left)];
                for row in top..(4 * d).min(top + TILE) {
                    T::widen(&rows[row * d + left..][..wide.len()], wide);
                    for (column, &weight) in wide.iter().enumerate() {
                        turned[(left + column) * 4 * d + row] = weight;
                    }
                }
            }
        }
    });
    Ok(all)
}

/// The elements of a tensor of any strides, row-major.
pub(in crate::slstm) fn widened<T: Data>(tensor: &Tensor) -> Result<Vec<T::Sum>> {
    let elements = tensor.to_vec::<T>()?;
    let mut wide = vec![T::Sum::ZERO; elements.len()];
    T::widen(&elements, &mut wide);
    Ok(wide)
}

/// What belongs to each sequence, `[b, nh]`, as groups of at most [`ROWS`] sequences of one head: the head, the first b, the parts.
pub(in crate::slstm) fn by_head<P>(
    sizes: &Sizes,
    all: impl Iterator<Item = P>,
) -> Vec<(usize, usize, Vec<P>)> {
    let groups = sizes.b.div_ceil(ROWS);
    let mut found: Vec<_> = (0..groups * sizes.nh)
        .map(|index| (index % sizes.nh, index / sizes.nh * ROWS, Vec::with_capacity(ROWS)))
        .collect();
    for (place, part) in all.enumerate() {
        found[place / sizes.nh / ROWS * sizes.nh + place % sizes.nh].2.push(part);
    }
    found
}

/// `count` consecutive parts of `size` elements, which may be 0.
pub(in crate::slstm) fn parts<T>(mut all: &mut [T], count: usize, size: usize) -> Vec<&mut [T]> {
    let next = || {
        let (part, rest) = std::mem::take(&mut all).split_at_mut(size);
        all = rest;
        part
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A host tensor `[b, nh, s, rows, d]` or `[b, nh, s, d]` of any strides.
pub(in crate::slstm) struct Tokens<'a, T> {
    elements: &'a [T],
    offset: usize,
    strides: [usize; 5],
    d: usize,
}

impl<'a, T: Data> Tokens<'a, T> {
    pub(in crate::slstm) fn new(tensor: &'a Tensor) -> Result<Self> {
        let layout = tensor.layout();
        let strides = match *layout.strides() {
            [b, nh, s, rows, d] => [b, nh, s, rows, d],
            [b, nh, s, d] => [b, nh, s, 0, d],
            _ => unreachable!("checked"),
        };
        let d = tensor.dims()[tensor.rank() - 1];
        Ok(Tokens { elements: tensor.host_elements()?, offset: layout.offset(), strides, d })
    }

    /// Widens the rows of a token.
    pub(in crate::slstm) fn load(&self, b: usize, head: usize, t: usize, to: &mut [T::Sum]) {
        let [by_b, by_head, by_t, by_row, by_unit] = self.strides;
        let first = self.offset + b * by_b + head * by_head + t * by_t;
        for (row, to) in to.chunks_exact_mut(self.d.max(1)).enumerate() {
            let from = &self.elements[first + row * by_row..];
            if by_unit == 1 {
                T::widen(&from[..self.d], to);
            } else {
                for (unit, to) in to.iter_mut().enumerate() {
                    T::widen(&from[unit * by_unit..][..1], std::slice::from_mut(to));
                }
            }
        }
    }
}

//! Native path: as the forward one, a task for a few sequences of one head: forward once more, then back.

use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor};

use super::{SlstmGradients, SlstmLoss, by_weights};
use crate::parallel::Each;
use crate::reduce::number::Accumulator;
use crate::slstm::cell::Sizes;
use crate::slstm::product::add_product;
use crate::slstm::slstm_sequence::cpu::{Tokens, by_head, parts, start, turned, widened, with_data};
use crate::slstm::units::{Backward, Data, Forward};
use crate::slstm::{Slstm, SlstmState};

pub(super) fn slstm_sequence_bw(
    stream: &Stream,
    sizes: &Sizes,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    loss: &SlstmLoss<'_>,
    cell: &Slstm,
) -> Result<SlstmGradients> {
    with_data!(x.dtype(), T => run::<T>(stream, sizes, x, r, state, loss, cell))
}

/// A sequence's part of the outputs.
struct Outputs<'a, T: Data> {
    /// `[s, 4, d]`
    dx: &'a mut [T],
    /// The same, not rounded, and the h that the gates saw, `[s, d]`: what the gradient by r is made of.
    dpre: &'a mut [T::Sum],
    seen: &'a mut [T::Sum],
    /// dc, dn, dh and dm of the first state
    by: [&'a mut [T::Sum]; 4],
}

fn run<T: Data>(
    stream: &Stream,
    sizes: &Sizes,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    loss: &SlstmLoss<'_>,
    cell: &Slstm,
) -> Result<SlstmGradients> {
    let Sizes { b, nh, s, d } = *sizes;
    let (zero, count) = (T::Sum::ZERO, b * nh);
    let fresh = |dtype, shape: &[usize]| Tensor::empty(&Stream::cpu(), dtype, shape);
    let mut dx = fresh(T::DTYPE, &sizes.x())?;
    // By head first, as the product over all sequences of a head takes them.
    let (mut dpre, mut seen) =
        (fresh(T::Sum::DTYPE, &[nh, b, s, 4, d])?, fresh(T::Sum::DTYPE, &[nh, b, s, d])?);
    let mut by = match loss.last {
        Some([c, n, h]) => [c.to_vec()?, n.to_vec()?, h.to_vec()?, vec![zero; count * d]],
        None => [(); 4].map(|()| vec![zero; count * d]),
    };
    let first = start::<T::Sum>(sizes, state)?;
    let (tokens, dh) = (Tokens::<T>::new(x)?, Tokens::<T>::new(loss.h)?);
    let (weights, turned) = (widened::<T>(r)?, turned::<T>(r)?);

    let mut dpre_parts = by_place(sizes, parts(dpre.as_slice_mut::<T::Sum>()?, count, s * 4 * d));
    let mut seen_parts = by_place(sizes, parts(seen.as_slice_mut::<T::Sum>()?, count, s * d));
    let [dc, dn, dh_first, dm] = by.each_mut().map(|part| parts(part, count, d));
    let states = dc.into_iter().zip(dn).zip(dh_first).zip(dm).map(|(((c, n), h), m)| [c, n, h, m]);
    let dx_parts = parts(dx.as_slice_mut::<T>()?, count, s * 4 * d);
    let all = dx_parts.into_iter().zip(dpre_parts.drain(..)).zip(seen_parts.drain(..)).zip(states);
    let all = all.map(|(((dx, dpre), seen), by)| Outputs::<T> { dx, dpre, seen, by });

    by_head(sizes, all).into_par_iter().each(&|(head, first_b, mut group)| {
        let (rows, own) = (group.len(), head * 4 * d * d..(head + 1) * 4 * d * d);
        let (weights, turned) = (&weights[own.clone()], &turned[own]);
        // c, n and m before each token and after the last, and the pre-activations: [s + 1 or s, rows, d or 4 d].
        let mut kept = [(); 3].map(|()| vec![zero; (s + 1) * rows * d]);
        let mut pre = vec![zero; s * rows * 4 * d];
        let mut h = vec![zero; rows * d];
        for row in 0..rows {
            let place = ((first_b + row) * nh + head) * d;
            for (kept, first) in kept.iter_mut().zip([&first[0], &first[1], &first[3]]) {
                kept[row * d..][..d].copy_from_slice(&first[place..][..d]);
            }
            h[row * d..][..d].copy_from_slice(&first[2][place..][..d]);
        }
        for t in 0..s {
            let pre = &mut pre[t * rows * 4 * d..][..rows * 4 * d];
            for (row, out) in group.iter_mut().enumerate() {
                tokens.load(first_b + row, head, t, &mut pre[row * 4 * d..][..4 * d]);
                out.seen[t * d..][..d].copy_from_slice(&h[row * d..][..d]);
            }
            add_product(pre, &h, turned, 4 * d);
            let [c, n, m] = kept.each_mut().map(|kept| {
                let (before, after) = kept[t * rows * d..][..2 * rows * d].split_at_mut(rows * d);
                after.copy_from_slice(before);
                after
            });
            for row in 0..rows {
                let own = row * d..(row + 1) * d;
                let state = [&mut c[own.clone()], &mut n[own.clone()], &mut h[own.clone()], &mut m[own]];
                Forward { cell: *cell, pre: &pre[row * 4 * d..][..4 * d], state }.run();
            }
        }
        // The gradients by h from the token after, and with the loss's own.
        let mut later = vec![zero; rows * d];
        for (row, out) in group.iter().enumerate() {
            later[row * d..][..d].copy_from_slice(out.by[2]);
        }
        let (mut own, mut dpre) = (vec![zero; d], vec![zero; rows * 4 * d]);
        for t in (0..s).rev() {
            for (row, out) in group.iter_mut().enumerate() {
                dh.load(first_b + row, head, t, &mut own);
                own.iter_mut().zip(&later[row * d..][..d]).for_each(|(own, &later)| *own += later);
                let at = |t: usize| (t * rows + row) * d..(t * rows + row + 1) * d;
                let [c, n, m] = &kept;
                let dpre = &mut dpre[row * 4 * d..][..4 * d];
                let [dc, dn, ..] = &mut out.by;
                let back = Backward {
                    cell: *cell,
                    pre: &pre[(t * rows + row) * 4 * d..][..4 * d],
                    before: [&c[at(t)], &n[at(t)], &m[at(t)]],
                    after: [&c[at(t + 1)], &n[at(t + 1)]],
                    dh: &own,
                    dc,
                    dn,
                    dpre,
                };
                back.run();
                T::round(dpre, &mut out.dx[t * 4 * d..][..4 * d]);
                out.dpre[t * 4 * d..][..4 * d].copy_from_slice(dpre);
            }
            later.fill(zero);
            add_product(&mut later, &dpre, weights, d);
        }
        for (row, out) in group.iter_mut().enumerate() {
            let [dc, dn, dh, dm] = &mut out.by;
            dh.copy_from_slice(&later[row * d..][..d]);
            for unit in 0..d {
                dm[unit] = dc[unit] * kept[0][row * d + unit] + dn[unit] * kept[1][row * d + unit];
            }
        }
    });
    let r = by_weights(stream, sizes, &dpre, &seen, T::DTYPE)?;
    let [c, n, h, m] = by.map(|part| Tensor::from_vec(part, sizes.state()));
    Ok(SlstmGradients { x: dx, r, state: SlstmState { c: c?, n: n?, h: h?, m: m? } })
}

/// Parts that lie by head, `[nh, b]`, in the order of `[b, nh]`.
fn by_place<P>(sizes: &Sizes, by_head: Vec<P>) -> Vec<P> {
    let mut all: Vec<Option<P>> = by_head.into_iter().map(Some).collect();
    let places = (0..sizes.b).flat_map(|b| (0..sizes.nh).map(move |head| head * sizes.b + b));
    places.map(|place| all[place].take().expect("each once")).collect()
}

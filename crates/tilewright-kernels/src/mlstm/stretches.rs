//! The parts on the host: stretches side by side, each from the states at its ends.

use std::borrow::Cow;

use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor};

use super::lanes::{Scalar, transpose};
use super::mlstm_chunkwise_bw::cpu::{Asked, Backward, Gradients};
use super::parts::Part;
use super::row_gradients::{By, RowGradient};
use super::rows::{Data, Rows, with_data};
use super::vectors::scale;
use super::{MlstmBackward, MlstmInputs, MlstmStateGradients, MlstmStates};
use crate::gemm::number::{Number, Rounded};
use crate::host::packed;
use crate::reduce::number::Accumulator;

/// The rows of each stretch of each sequence of `[b, nh, s, width]`, one stretch after another.
pub(super) fn split<'t, T>(part: &Part<'_>, mut all: &'t mut [T], width: usize) -> Vec<&'t mut [T]> {
    let (s, stretch) = (part.sizes.s, part.stretch);
    let mut stretches = Vec::with_capacity(part.sizes.heads() * part.stretches());
    for _ in 0..part.sizes.heads() {
        for first in (0..s).step_by(stretch) {
            let (own, rest) = all.split_at_mut(stretch.min(s - first) * width);
            stretches.push(own);
            all = rest;
        }
    }
    stretches
}

/// The inputs of a walk over stretches, and what is held constant.
pub(super) struct Walk<'a, T: Data> {
    part: &'a Part<'a>,
    exact: bool,
    q: Rows<'a, T>,
    k: Rows<'a, T>,
    v: Rows<'a, T>,
    dh: Rows<'a, T>,
    i: Rows<'a, T::Sum>,
    f: Rows<'a, T::Sum>,
    factor: T::Sum,
    /// C, n and m at all boundaries.
    c: Cow<'a, [T::Sum]>,
    n: Cow<'a, [T::Sum]>,
    m: Cow<'a, [T::Sum]>,
}

impl<'a, T: Data> Walk<'a, T> {
    pub(super) fn new(
        part: &'a Part<'a>,
        x: &MlstmInputs<'a>,
        states: &'a MlstmStates,
        dh: &'a Tensor,
        mode: MlstmBackward,
    ) -> Result<Self> {
        Ok(Walk {
            part,
            exact: mode == MlstmBackward::Exact,
            q: Rows::new(x.q)?,
            k: Rows::new(x.k)?,
            v: Rows::new(x.v)?,
            dh: Rows::new(dh)?,
            i: Rows::new(x.i)?,
            f: Rows::new(x.f)?,
            factor: T::Sum::from_f64(part.cell.scale(part.sizes.dqk)),
            c: packed(&states.c)?,
            n: packed(&states.n)?,
            m: packed(&states.m)?,
        })
    }
}

/// The rows of one stretch at a time, and its states.
pub(super) struct Places<S> {
    backward: Backward<S>,
    keys: Vec<S>,
    values: Vec<S>,
    /// The gradients of the rows; that by queries lacks the scale.
    by_q: Vec<S>,
    by_k: Vec<S>,
    by_v: Vec<S>,
    /// C before the stretch, by columns.
    c: Vec<S>,
    /// The gradients of the state after the stretch, which become those of the one before it where they are asked for.
    pub(super) dc: Vec<S>,
    pub(super) dn: Vec<S>,
}

impl<S: Scalar> Places<S> {
    pub(super) fn new(part: &Part<'_>) -> Self {
        let (tokens, dqk, dv) = (part.stretch.min(part.sizes.s), part.sizes.dqk, part.sizes.dv);
        let zeros = |elements: usize| vec![S::ZERO; elements];
        Places {
            backward: Backward::new(tokens, dqk, dv, false),
            keys: zeros(tokens * dqk),
            values: zeros(tokens * dv),
            by_q: zeros(tokens * dqk),
            by_k: zeros(tokens * dqk),
            by_v: zeros(tokens * dv),
            c: zeros(dqk * dv),
            dc: zeros(dqk * dv),
            dn: zeros(dqk),
        }
    }

    /// The gradients that are asked for, of stretch `index` of a sequence.
    pub(super) fn walk<T: Data<Sum = S>>(
        &mut self,
        walk: &Walk<'_, T>,
        (head, index): (usize, usize),
        asked: Asked,
    ) {
        let (cell, stretch, sizes) = (walk.part.cell, walk.part.stretch, walk.part.sizes);
        let (first, dqk, dv) = (index * stretch, sizes.dqk, sizes.dv);
        let tokens = stretch.min(sizes.s - first);
        let boundary = head * walk.part.boundaries() + index;
        let Places { backward, keys, values, by_q, by_k, by_v, c, dc, dn } = self;
        let machine = backward.forward.machine;
        transpose(machine, &walk.c[boundary * dqk * dv..][..dqk * dv], [dqk, dv], c);
        backward.forward.tokens = tokens;
        let k = walk.k.view(head, first, dqk, &mut keys[..tokens * dqk]);
        let v = walk.v.view(head, first, dv, &mut values[..tokens * dv]);
        let gate = |t: usize| (walk.i.scalar(head, first + t), walk.f.scalar(head, first + t));
        backward.forward.gates(cell, walk.m[boundary], gate);
        let q = &mut backward.forward.q[..tokens * dqk];
        walk.q.load(head, first, dqk, q);
        scale(machine, q, walk.factor);
        walk.dh.load(head, first, dv, &mut backward.dh[..tokens * dv]);
        let before = (&c[..], &walk.n[boundary * dqk..][..dqk]);
        let rows = Gradients { q: by_q, k: by_k, v: by_v, o: &mut [] };
        backward.run((cell, walk.exact, asked), (k, v), (before, None), [dc, dn], rows);
    }
}

/// The gradient of rows.
pub(super) fn gradient(part: &Part<'_>, of: &RowGradient<'_>) -> Result<Tensor> {
    with_data!(of.x.q.dtype(), T => {
        let walk = Walk::<T>::new(part, of.x, of.states, of.dh, of.args.mode)?;
        match of.args.wide {
            true => run::<T, <T as Number>::Sum>(&walk, of.by, of.gradients),
            false => run::<T, T>(&walk, of.by, of.gradients),
        }
    })
}

fn run<T: Data, O: Rounded<T::Sum>>(
    walk: &Walk<'_, T>,
    by: By,
    gradients: Option<&MlstmStateGradients>,
) -> Result<Tensor> {
    let part = walk.part;
    let (sizes, count, entries) = (part.sizes, part.stretches(), part.boundaries());
    let (dqk, dv) = (sizes.dqk, sizes.dv);
    let after = match gradients {
        Some(by) => Some((packed::<T::Sum>(&by.c)?, packed::<T::Sum>(&by.n)?)),
        None => None,
    };
    let asked = Asked { q: by == By::Query, k: by == By::Key, v: by == By::Value, state: false };
    let dims = by.dims(&sizes);
    let width = dims[3];
    let mut out = Tensor::empty(&Stream::cpu(), O::DTYPE, dims)?;
    let stretches = split(part, out.as_slice_mut::<O>()?, width);
    let new = || Places::<T::Sum>::new(part);
    stretches.into_par_iter().enumerate().for_each_init(new, |places, (at, out)| {
        let (head, index) = (at / count, at % count);
        // Nothing of them passes on from stretch to stretch.
        places.dn.fill(T::Sum::ZERO);
        if let Some((dc, dn)) = &after {
            let boundary = head * entries + index + 1;
            places.dc.copy_from_slice(&dc[boundary * dqk * dv..][..dqk * dv]);
            places.dn.copy_from_slice(&dn[boundary * dqk..][..dqk]);
        }
        places.walk(walk, (head, index), asked);
        let rows = match by {
            By::Query => {
                scale(places.backward.forward.machine, &mut places.by_q, walk.factor);
                &places.by_q
            }
            By::Key => &places.by_k,
            By::Value => &places.by_v,
        };
        O::round(&rows[..out.len()], out);
    });
    Ok(out)
}

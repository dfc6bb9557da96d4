//! Native path: all stretches of all sequences side by side, from what flows over their ends back.

use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor};

use super::{MlstmGateGradients, MlstmGateInputs};
use crate::gemm::number::Number;
use crate::host::packed;
use crate::mlstm::gates::slopes;
use crate::mlstm::lanes::Machine;
use crate::mlstm::parts::Part;
use crate::mlstm::rows::{Data, Rows, with_data};
use crate::mlstm::stretches::split;
use crate::mlstm::vectors::dot;
use crate::mlstm::{MlstmStateGradients, MlstmStates};
use crate::parallel::Each;
use crate::reduce::number::Accumulator;

pub(super) fn mlstm_bw_gates(
    part: &Part<'_>,
    x: &MlstmGateInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
) -> Result<MlstmGateGradients> {
    let wide = x.dq.dtype() == part.sums;
    with_data!(x.q.dtype(), T => match wide {
        true => run::<T, <T as Number>::Sum>(part, x, states, gradients),
        false => run::<T, T>(part, x, states, gradients),
    })
}

fn run<T: Data, G: Number<Sum = T::Sum>>(
    part: &Part<'_>,
    x: &MlstmGateInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
) -> Result<MlstmGateGradients> {
    let (sizes, count, entries) = (part.sizes, part.stretches(), part.boundaries());
    let (dqk, of_c) = (sizes.dqk, sizes.dqk * sizes.dv);
    let (q, k) = (Rows::<T>::new(x.q)?, Rows::<T>::new(x.k)?);
    let (dq, dk) = (Rows::<G>::new(x.dq)?, Rows::<G>::new(x.dk)?);
    let (i, f) = (Rows::<T::Sum>::new(x.i)?, Rows::<T::Sum>::new(x.f)?);
    let (c, n) = (packed::<T::Sum>(&states.c)?, packed::<T::Sum>(&states.n)?);
    let (dc, dn) = (packed::<T::Sum>(&gradients.c)?, packed::<T::Sum>(&gradients.n)?);
    let machine = Machine::here();
    // What the loss gains when the logarithm of all that reaches over a boundary grows by one.
    let over = |head: usize, boundary: usize| {
        let place = head * entries + boundary;
        let (of_c, of_n) = (place * of_c..(place + 1) * of_c, place * dqk..(place + 1) * dqk);
        dot(machine, &c[of_c.clone()], &dc[of_c]) + dot(machine, &n[of_n.clone()], &dn[of_n])
    };
    let empty = |shape: &[usize]| Tensor::empty(&Stream::cpu(), T::Sum::DTYPE, shape);
    let mut by =
        MlstmGateGradients { i: empty(&sizes.gates())?, f: empty(&sizes.gates())?, m: empty(&sizes.m())? };
    let all = split(part, by.i.as_slice_mut::<T::Sum>()?, 1).into_par_iter().zip(split(
        part,
        by.f.as_slice_mut::<T::Sum>()?,
        1,
    ));
    let new = || [(); 4].map(|()| vec![T::Sum::ZERO; dqk]);
    all.enumerate().for_each_init(new, |[query, key, by_query, by_key], (at, (di, df))| {
        let (head, index) = (at / count, at % count);
        let mut flow = over(head, index + 1).to_f64();
        for t in (0..di.len()).rev() {
            let token = index * part.stretch + t;
            q.load(head, token, dqk, query);
            k.load(head, token, dqk, key);
            dq.load(head, token, dqk, by_query);
            dk.load(head, token, dqk, by_key);
            let through_key = dot(machine, key, by_key).to_f64();
            flow += dot(machine, query, by_query).to_f64() - through_key;
            let (by_i, by_f) = slopes(part.cell, i.scalar(head, token), f.scalar(head, token));
            di[t] = T::Sum::from_f64(through_key * by_i);
            df[t] = T::Sum::from_f64(flow * by_f);
        }
    });
    let first = by.m.as_slice_mut::<T::Sum>()?;
    first.par_iter_mut().enumerate().each(&|(head, dm)| *dm = over(head, 0));
    Ok(by)
}

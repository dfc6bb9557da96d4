//! Native path: one task a sequence, from its last stretch back.

use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor};

use crate::mlstm::mlstm_chunkwise_bw::cpu::Asked;
use crate::mlstm::mlstm_sequence::cpu::parts;
use crate::mlstm::parts::Part;
use crate::mlstm::rows::{Data, with_data};
use crate::mlstm::stretches::{Places, Walk};
use crate::mlstm::{MlstmBackward, MlstmInputs, MlstmLoss, MlstmStateGradients, MlstmStates};
use crate::parallel::Each;
use crate::reduce::number::Accumulator;

pub(super) fn mlstm_bw_states(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    loss: &MlstmLoss<'_>,
    mode: MlstmBackward,
) -> Result<MlstmStateGradients> {
    with_data!(x.q.dtype(), T => run::<T>(part, &Walk::new(part, x, states, loss.h, mode)?, loss))
}

fn run<T: Data>(part: &Part<'_>, walk: &Walk<'_, T>, loss: &MlstmLoss<'_>) -> Result<MlstmStateGradients> {
    let (sizes, entries, count) = (part.sizes, part.boundaries(), part.stretches());
    let (heads, of_c, of_n) = (sizes.heads(), sizes.dqk * sizes.dv, sizes.dqk);
    let given = |tensor: Option<&Tensor>, elements: usize| {
        tensor.map_or_else(|| Ok(vec![T::Sum::ZERO; heads * elements]), Tensor::to_vec::<T::Sum>)
    };
    let (dc_last, dn_last) = (given(loss.c, of_c)?, given(loss.n, of_n)?);
    let empty = |shape: &[usize]| Tensor::empty(&Stream::cpu(), T::Sum::DTYPE, shape);
    let (mut dc, mut dn) = (empty(&part.c())?, empty(&part.n())?);
    let all = parts(dc.as_slice_mut::<T::Sum>()?, heads, entries * of_c).into_par_iter().zip(parts(
        dn.as_slice_mut::<T::Sum>()?,
        heads,
        entries * of_n,
    ));
    let asked = Asked { state: true, ..Asked::default() };
    all.enumerate().each(&|(head, (dc, dn))| {
        let mut places = Places::<T::Sum>::new(part);
        places.dc.copy_from_slice(&dc_last[head * of_c..][..of_c]);
        places.dn.copy_from_slice(&dn_last[head * of_n..][..of_n]);
        for boundary in (0..=count).rev() {
            if boundary < count {
                places.walk(walk, (head, boundary), asked);
            }
            dc[boundary * of_c..][..of_c].copy_from_slice(&places.dc);
            dn[boundary * of_n..][..of_n].copy_from_slice(&places.dn);
        }
    });
    Ok(MlstmStateGradients { c: dc, n: dn })
}

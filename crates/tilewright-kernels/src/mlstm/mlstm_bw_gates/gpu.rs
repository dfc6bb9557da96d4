//! GPU path: the last launch of `mlstm_chunkwise_bw`, which takes states and gradients by columns.

use tilewright_core::Result;

use super::{MlstmGateGradients, MlstmGateInputs};
use crate::mlstm::boundaries::stacked;
use crate::mlstm::mlstm_chunkwise::gpu::States;
use crate::mlstm::mlstm_chunkwise_bw::gpu::flow;
use crate::mlstm::parts::Part;
use crate::mlstm::{MlstmInputs, MlstmStateGradients, MlstmStates};

pub(super) fn mlstm_bw_gates(
    part: &Part<'_>,
    x: &MlstmGateInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
) -> Result<MlstmGateGradients> {
    let count = part.stretches();
    let [of_states, of_gradients] = [[&states.c, &states.n], [&gradients.c, &gradients.n]];
    // The passes leave states in the order of time, and their gradients against it.
    let ends = |of, entering, last| {
        let (entering, last) = (stacked(part, of, entering)?, stacked(part, of, last)?);
        Ok(States { entering: [entering.clone(), entering], last: [last.clone(), last] })
    };
    let states = ends(of_states, 0..count, count..count + 1)?;
    let gradients = ends(of_gradients, 1..count + 1, 0..1)?;
    // Values are not looked at.
    let sequence = MlstmInputs { q: x.q, k: x.k, v: x.k, i: x.i, f: x.f, o: None };
    let [_, _, i, f, _, m] = flow(&part.call(), &sequence, [x.dq, x.dk], [&states, &gradients])?;
    Ok(MlstmGateGradients { i, f, m })
}

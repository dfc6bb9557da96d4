//! GPU path: the scan of all weights and the pass over the chunks of `mlstm_chunkwise`, and a launch that puts the states in one array.

use tilewright_core::Result;

use super::Inputs;
use crate::mlstm::boundaries::joined;
use crate::mlstm::mlstm_chunkwise::gpu::Pass;
use crate::mlstm::parts::Part;
use crate::mlstm::{MlstmState, MlstmStates};

pub(super) fn mlstm_states(
    part: &Part<'_>,
    x: &Inputs<'_>,
    state: Option<&MlstmState>,
) -> Result<MlstmStates> {
    let call = part.call();
    let weights = call.gates(&x.as_sequence(), state)?;
    let [first, n_first] = [state.map(|state| &state.c), state.map(|state| &state.n)];
    let pass = Pass { q: x.k, k: x.k, v: x.v, first, n_first, reverse: false };
    let states = call.states(&weights, &pass)?;
    joined(part, &weights, state.map(|state| &state.m), &states)
}

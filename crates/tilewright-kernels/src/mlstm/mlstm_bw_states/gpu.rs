//! GPU path: the states are read again for their denominators; then the pass over the chunks of `mlstm_chunkwise`, from the last back, with queries for keys and
//! divided gradients for values, gives dC and dn by columns, which a launch puts in place.

use tilewright_core::Result;

use crate::mlstm::boundaries::{Read, read, unstacked};
use crate::mlstm::mlstm_chunkwise::gpu::Pass;
use crate::mlstm::mlstm_chunkwise_bw::gpu::transposed;
use crate::mlstm::parts::Part;
use crate::mlstm::{MlstmInputs, MlstmLoss, MlstmStateGradients, MlstmStates};

pub(super) fn mlstm_bw_states(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    loss: &MlstmLoss<'_>,
    exact: bool,
) -> Result<MlstmStateGradients> {
    let call = part.call();
    let Read { weights, g_1, v_1, .. } = read(part, x, states, loss.h, exact)?;
    let last = transposed(&call, loss.c, loss.n)?;
    let pass = Pass { q: &v_1, k: &g_1, v: x.q, first: Some(&last), n_first: None, reverse: true };
    unstacked(part, &call.states(&weights, &pass)?)
}

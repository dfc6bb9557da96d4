//! GPU path: dv reads the divided gradients from the last token back, as h reads values: with keys as queries, queries as keys, and the gradients of states.

use tilewright_core::{DType, Result, Tensor};

use crate::mlstm::boundaries::{Read, entering, read};
use crate::mlstm::mlstm_chunkwise::gpu::Pass;
use crate::mlstm::parts::Part;
use crate::mlstm::{MlstmInputs, MlstmStateGradients, MlstmStates};

pub(super) fn mlstm_bw_v(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
    dh: &Tensor,
    dtype: DType,
) -> Result<Tensor> {
    // The denominators' own gradients do not reach the values.
    let Read { weights, g, .. } = read(part, x, states, dh, false)?;
    let entering = entering([&gradients.c, &gradients.n], 1..part.boundaries())?;
    let pass = Pass { q: x.k, k: x.q, v: &g, first: Some(&gradients.c), n_first: None, reverse: true };
    part.call().sums(&weights, &pass, &entering, dtype)
}

//! GPU path: dk reads queries from the last token back, as h reads values: with values beside 1 as queries, the divided gradients beside dz as keys, and the
//! gradients of states by columns.

use tilewright_core::{DType, Result, Tensor};

use crate::mlstm::boundaries::{Read, of_stacked, read, stacked};
use crate::mlstm::mlstm_chunkwise::gpu::Pass;
use crate::mlstm::parts::Part;
use crate::mlstm::{MlstmInputs, MlstmStateGradients, MlstmStates};

pub(super) fn mlstm_bw_k(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
    (dh, exact): (&Tensor, bool),
    dtype: DType,
) -> Result<Tensor> {
    if part.sizes.dqk == 0 {
        return Tensor::empty(part.stream, dtype, part.sizes.keys());
    }
    let Read { weights, g_1, v_1, .. } = read(part, x, states, dh, exact)?;
    let by_columns = stacked(part, [&gradients.c, &gradients.n], 1..part.boundaries())?;
    let pass = Pass { q: &v_1, k: &g_1, v: x.q, first: Some(&gradients.c), n_first: None, reverse: true };
    part.call().sums(&weights, &pass, &of_stacked(by_columns), dtype)
}

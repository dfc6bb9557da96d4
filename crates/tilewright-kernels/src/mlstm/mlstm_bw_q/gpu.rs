//! GPU path: dq reads keys, as h reads values: with the divided gradients beside dz as queries, values beside 1 as keys, and states by columns.

use tilewright_core::{DType, Result, Tensor};

use crate::mlstm::boundaries::{Read, of_stacked, read, stacked};
use crate::mlstm::mlstm_chunkwise::gpu::Pass;
use crate::mlstm::parts::Part;
use crate::mlstm::{MlstmInputs, MlstmStates};

pub(super) fn mlstm_bw_q(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    dh: &Tensor,
    exact: bool,
    dtype: DType,
) -> Result<Tensor> {
    if part.sizes.dqk == 0 {
        return Tensor::empty(part.stream, dtype, part.sizes.keys());
    }
    let Read { weights, g_1, v_1, .. } = read(part, x, states, dh, exact)?;
    let by_columns = stacked(part, [&states.c, &states.n], 0..part.stretches())?;
    let pass = Pass { q: &g_1, k: &v_1, v: x.k, first: Some(&states.c), n_first: None, reverse: false };
    part.call().sums(&weights, &pass, &of_stacked(by_columns), dtype)
}

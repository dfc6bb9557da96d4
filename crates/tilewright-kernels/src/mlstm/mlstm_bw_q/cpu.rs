//! Native path: all stretches of all sequences side by side.

use tilewright_core::{Result, Tensor};

use crate::mlstm::parts::Part;
use crate::mlstm::stretches::{By, gradient};
use crate::mlstm::{MlstmInputs, MlstmPartsBw, MlstmStates};

pub(super) fn mlstm_bw_q(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    dh: &Tensor,
    args: &MlstmPartsBw,
) -> Result<Tensor> {
    gradient(part, By::Query, x, states, None, dh, args)
}

//! Native path: all stretches of all sequences side by side.

use tilewright_core::{Result, Tensor};

use crate::mlstm::parts::Part;
use crate::mlstm::stretches::{By, gradient};
use crate::mlstm::{MlstmInputs, MlstmPartsBw, MlstmStateGradients, MlstmStates};

pub(super) fn mlstm_bw_v(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
    dh: &Tensor,
    args: &MlstmPartsBw,
) -> Result<Tensor> {
    gradient(part, By::Value, x, states, Some(gradients), dh, args)
}

//! Evidence. The truth and its error bounds are those of `mlstm_chunkwise_bw`, of each stretch by itself.

use tilewright_core::{Kernel, Slot, Spec};

use super::{NAME, reference};
use crate::mlstm::cell::DTYPES;
use crate::mlstm::parts_cases::{BW_ARGS, RegisteredRows, WITH_GRADIENTS};
use crate::mlstm::row_gradients::By;

pub(crate) const KERNEL: &dyn Kernel =
    &RegisteredRows { spec: &SPEC, by: By::Key, truth: reference::mlstm_bw_k };

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "dk_j = sum_t A_tj q_t + W_j (dC v_j + dn), from the states of mlstm_states and their gradients",
    inputs: WITH_GRADIENTS,
    outputs: &[Slot::new("dk", "[b, nh, s, dqk]")],
    args: BW_ARGS,
    dtypes: DTYPES,
};

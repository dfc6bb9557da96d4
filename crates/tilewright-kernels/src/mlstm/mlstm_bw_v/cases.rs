//! Evidence. The truth and its error bounds are those of `mlstm_chunkwise_bw`, of each stretch by itself.

use tilewright_core::{Kernel, Slot, Spec};

use super::{NAME, reference};
use crate::mlstm::cell::DTYPES;
use crate::mlstm::parts_cases::{BW_ARGS, RegisteredRows, WITH_GRADIENTS};
use crate::mlstm::row_gradients::By;

pub(crate) const KERNEL: &dyn Kernel =
    &RegisteredRows { spec: &SPEC, by: By::Value, truth: reference::mlstm_bw_v };

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "dv_j = sum_t S_tj g_t + W_j dC^T k_j, from the states of mlstm_states and their gradients",
    inputs: WITH_GRADIENTS,
    outputs: &[Slot::new("dv", "[b, nh, s, dv]")],
    args: BW_ARGS,
    dtypes: DTYPES,
};

//! Evidence. The truth and its error bounds are those of `mlstm_chunkwise_bw`, of each stretch by itself.

use tilewright_core::{Kernel, Slot, Spec};

use super::{NAME, reference};
use crate::mlstm::cell::DTYPES;
use crate::mlstm::parts_cases::{BW_ARGS, RegisteredRows, WITH_STATES};
use crate::mlstm::row_gradients::By;

pub(crate) const KERNEL: &dyn Kernel =
    &RegisteredRows { spec: &SPEC, by: By::Query, truth: reference::mlstm_bw_q };

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "dq_t = sum_j A_tj k_j + B_t (C g_t + n dz_t), from the states of mlstm_states",
    inputs: WITH_STATES,
    outputs: &[Slot::new("dq", "[b, nh, s, dqk]")],
    args: BW_ARGS,
    dtypes: DTYPES,
};

//! Evidence.

use tilewright_core::{Kernel, Slot, Spec};

use super::{NAME, multi_head_layer_norm, multi_head_layer_norm_gated, reference};
use crate::norm::registry::{EPS, Registered, Which};
use crate::norm::rows::{DTYPES, Kind};

static SPEC: Spec = Spec {
    name: NAME,
    family: "norm",
    math: "out = (x - mean(x)) r w, r = (mean((x - mean(x))^2) + eps)^-1/2; times sigma(gate), where there is one",
    inputs: &[
        Slot::new("x", "[.., nh, n]"),
        Slot::new("weight", "[nh, n]"),
        Slot::optional("gate", "[.., nh, n]"),
    ],
    outputs: &[Slot::new("out", "[.., nh, n]")],
    args: &[EPS],
    dtypes: DTYPES,
};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    kind: Kind::Heads,
    which: Which::Forward {
        run: |stream, x, weight, gate, args| match gate {
            Some(gate) => multi_head_layer_norm_gated(stream, x, weight, gate, args),
            None => multi_head_layer_norm(stream, x, weight, args),
        },
        truth: reference::multi_head_layer_norm,
    },
};

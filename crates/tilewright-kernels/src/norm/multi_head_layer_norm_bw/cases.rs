//! Evidence.

use tilewright_core::{Kernel, Slot, Spec};

use super::{NAME, multi_head_layer_norm_bw, multi_head_layer_norm_gated_bw, reference};
use crate::norm::registry::{EPS, Registered, Which};
use crate::norm::rows::{DTYPES, Kind};

static SPEC: Spec = Spec {
    name: NAME,
    family: "norm",
    math: "dx = r (g - mean(g) - y mean(g y)), dw = sum dy y, with g = dy w, y = (x - mean(x)) r, r = (mean((x - mean(x))^2) + eps)^-1/2; through a gate dy sigma(gate) in the place of dy, and dgate = dy y w sigma(gate) sigma(-gate)",
    inputs: &[
        Slot::new("dy", "[.., nh, n]"),
        Slot::new("x", "[.., nh, n]"),
        Slot::new("weight", "[nh, n]"),
        Slot::optional("gate", "[.., nh, n]"),
    ],
    outputs: &[
        Slot::new("dx", "[.., nh, n]"),
        Slot::new("dw", "[nh, n]"),
        Slot::optional("dgate", "[.., nh, n]"),
    ],
    args: &[EPS],
    dtypes: DTYPES,
};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    kind: Kind::Heads,
    which: Which::Backward {
        run: |stream, dy, x, weight, gate, args| match gate {
            Some(gate) => multi_head_layer_norm_gated_bw(stream, dy, x, weight, gate, args),
            None => multi_head_layer_norm_bw(stream, dy, x, weight, args),
        },
        truth: reference::multi_head_layer_norm_bw,
    },
};

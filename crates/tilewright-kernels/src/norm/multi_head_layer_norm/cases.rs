//! Evidence.

use tilewright_core::{Kernel, Slot, Spec};

use super::{NAME, multi_head_layer_norm, reference};
use crate::norm::registry::{EPS, Registered, Which};
use crate::norm::rows::{DTYPES, Kind};

static SPEC: Spec = Spec {
    name: NAME,
    family: "norm",
    math: "out = (x - mean(x)) r w, r = (mean((x - mean(x))^2) + eps)^-1/2",
    inputs: &[Slot::new("x", "[.., nh, n]"), Slot::new("weight", "[nh, n]")],
    outputs: &[Slot::new("out", "[.., nh, n]")],
    args: &[EPS],
    dtypes: DTYPES,
};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    kind: Kind::Heads,
    which: Which::Forward { run: multi_head_layer_norm, truth: reference::multi_head_layer_norm },
};

//! Evidence.

use tilewright_core::{Kernel, Slot, Spec};

use super::{NAME, reference, rms_norm_bw};
use crate::norm::registry::{EPS, Registered, Which};
use crate::norm::rows::{DTYPES, Kind};

static SPEC: Spec = Spec {
    name: NAME,
    family: "norm",
    math: "dx = r (g - y mean(g y)), dw = sum dy y, with g = dy w, y = x r, r = (mean(x^2) + eps)^-1/2",
    inputs: &[Slot::new("dy", "[.., n]"), Slot::new("x", "[.., n]"), Slot::new("weight", "[n]")],
    outputs: &[Slot::new("dx", "[.., n]"), Slot::new("dw", "[n]")],
    args: &[EPS],
    dtypes: DTYPES,
};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    kind: Kind::Rms,
    which: Which::Backward {
        run: |stream, dy, x, weight, _, args| rms_norm_bw(stream, dy, x, weight, args),
        truth: |dy, x, weight, _, n, eps| reference::rms_norm_bw(dy, x, weight, n, eps).into(),
    },
};

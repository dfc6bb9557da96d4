//! Evidence.

use tilewright_core::{Kernel, Slot, Spec};

use super::{NAME, reference, rms_norm};
use crate::norm::registry::{EPS, Registered, Which};
use crate::norm::rows::{DTYPES, Kind};

static SPEC: Spec = Spec {
    name: NAME,
    family: "norm",
    math: "out = x r w, r = (mean(x^2) + eps)^-1/2",
    inputs: &[Slot::new("x", "[.., n]"), Slot::new("weight", "[n]")],
    outputs: &[Slot::new("out", "[.., n]")],
    args: &[EPS],
    dtypes: DTYPES,
};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    kind: Kind::Rms,
    which: Which::Forward {
        run: |stream, x, weight, _, args| rms_norm(stream, x, weight, args),
        truth: reference::rms_norm,
    },
};

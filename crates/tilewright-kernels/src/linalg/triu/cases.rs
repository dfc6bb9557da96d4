//! Evidence: that of the lower triangles.

use tilewright_core::{DType, Kernel, Slot, Spec};

use super::super::tril::{OFFSET, Registered};
use super::{NAME, reference, triu};

pub(crate) const KERNEL: &dyn Kernel = &Registered { spec: &SPEC, stays: reference::triu, run: triu };

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "out_ij = x_ij where j - i >= offset, 0 elsewhere",
    inputs: &[Slot::new("x", "[.., m, n]")],
    outputs: &[Slot::new("out", "[.., m, n]")],
    args: &[OFFSET],
    dtypes: &DType::ALL,
};

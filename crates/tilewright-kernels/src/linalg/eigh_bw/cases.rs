//! Evidence: central differences of eigenvalues and eigenvectors.

use tilewright_core::{Case, DType, Error, Kernel, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::{DTYPES, samples};
use super::{NAME, eigh_bw, reference};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let n = case.dim("n");
        let uniform = samples::uniform(case, 8 * item, n);
        // Of both signs, no two of them closer than 0.8.
        let w = (0..n).map(|i| 1.2 * (i as f64 - (n / 2) as f64) + 0.2 * uniform[i] + 0.1).collect();
        let q = samples::turned(case, item, n, n);
        let dw = samples::uniform(case, 8 * item + 3, n);
        let mut all = vec![(vec![n], w), (vec![n, n], q), (vec![n], dw)];
        if case.data != "values" {
            all.push((vec![n, n], samples::uniform(case, 8 * item + 4, n * n)));
        }
        all
    },
    outputs: |case| vec![vec![case.dim("n"); 2]],
    truth: |_, inputs| vec![reference::eigh_bw(&inputs[0], &inputs[1], &inputs[2], inputs.get(3))],
    check: |_, _| Ok(()),
    run: |stream, _, inputs| match inputs {
        [w, q, dw] => Ok(vec![eigh_bw(stream, w, q, dw, None)?]),
        [w, q, dw, dq] => Ok(vec![eigh_bw(stream, w, q, dw, Some(dq))?]),
        _ => Err(Error::range(NAME, "number of inputs", "3 or 4", inputs.len())),
    },
    flops: |case| 6.0 * (case.dim("n") as f64).powi(3),
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "da = q c qᵀ, c_ii = dw_i, c_ij = (g_ij - g_ji) / 2 (w_j - w_i), g = qᵀ dq",
    inputs: &[
        Slot::new("values", "[.., n]"),
        Slot::new("vectors", "[.., n, n]"),
        Slot::new("dvalues", "[.., n]"),
        Slot::optional("dvectors", "[.., n, n]"),
    ],
    outputs: &[Slot::new("da", "[.., n, n]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 0], DType::F32),
        case(Tier::Edge, [0, 1], DType::F32),
        case(Tier::Edge, [2, 4], DType::F32).data("transposed"),
        case(Tier::Edge, [0, 5], DType::F32).data("values"),
        case(Tier::Edge, [0, 4], DType::Bf16).data("signed"),
        case(Tier::Edge, [2, 3], DType::F64),
        case(Tier::Check, [2, 6], DType::F32),
        case(Tier::Check, [2, 5], DType::F64),
        case(Tier::Check, [0, 5], DType::F16).data("signed"),
        case(Tier::Bench, [1024, 64], DType::F32),
    ]
}

//! Evidence: central differences of singular values and vectors.

use tilewright_core::{Case, DType, Error, Kernel, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::{DTYPES, samples};
use super::{NAME, reference, svd_bw};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let [m, k, n] = sizes(case);
        let uniform = samples::uniform(case, 8 * item, k);
        // None closer than 0.8 to another, or to 0.
        let s = (0..k).map(|i| 1.2 * (k - i) as f64 + 0.2 * uniform[i]).collect();
        let (u, v) = (samples::turned(case, 2 * item, m, k), samples::turned(case, 2 * item + 1, n, k));
        let vt = (0..k * n).map(|e| v[e % n * k + e / n]).collect();
        let ds = samples::uniform(case, 8 * item + 3, k);
        let mut all = vec![(vec![m, k], u), (vec![k], s), (vec![k, n], vt), (vec![k], ds)];
        if case.data != "values" {
            all.push((vec![m, k], samples::uniform(case, 8 * item + 4, m * k)));
            all.push((vec![k, n], samples::uniform(case, 8 * item + 6, k * n)));
        }
        all
    },
    outputs: |case| vec![vec![case.dim("m"), case.dim("n")]],
    truth: |_, inputs| {
        let vectors = inputs.get(4).zip(inputs.get(5));
        vec![reference::svd_bw(&inputs[0], &inputs[1], &inputs[2], &inputs[3], vectors)]
    },
    check: |_, _| Ok(()),
    run: |stream, _, inputs| match inputs {
        [u, s, vt, ds] => Ok(vec![svd_bw(stream, u, s, vt, ds, None)?]),
        [u, s, vt, ds, du, dvt] => Ok(vec![svd_bw(stream, u, s, vt, ds, Some((du, dvt)))?]),
        _ => Err(Error::range(NAME, "number of inputs", "4 or 6", inputs.len())),
    },
    flops: |case| {
        let [m, k, n] = sizes(case).map(|extent| extent as f64);
        4.0 * k * (m * k + k * n + m * n)
    },
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "da = u c vᵀ + (1 - u uᵀ) du s^-1 vᵀ + u s^-1 dvᵀ (1 - v vᵀ), c_ii = ds_i, c_ij = (skew(uᵀdu) s_j + s_i skew(vᵀdv)) / (s_j² - s_i²)",
    inputs: &[
        Slot::new("u", "[.., m, k]"),
        Slot::new("s", "[.., k]"),
        Slot::new("vt", "[.., k, n]"),
        Slot::new("ds", "[.., k]"),
        Slot::optional("du", "[.., m, k]"),
        Slot::optional("dvt", "[.., k, n]"),
    ],
    outputs: &[Slot::new("da", "[.., m, n]")],
    args: &[],
    dtypes: DTYPES,
};

fn sizes(case: &Case) -> [usize; 3] {
    let (m, n) = (case.dim("m"), case.dim("n"));
    [m, m.min(n), n]
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 0, 3], DType::F32),
        case(Tier::Edge, [0, 1, 1], DType::F32),
        case(Tier::Edge, [2, 4, 3], DType::F32).data("transposed"),
        case(Tier::Edge, [0, 2, 4], DType::F32),
        case(Tier::Edge, [0, 4, 3], DType::F32).data("values"),
        case(Tier::Edge, [0, 3, 3], DType::Bf16).data("signed"),
        case(Tier::Edge, [2, 3, 2], DType::F64),
        case(Tier::Check, [2, 5, 4], DType::F32),
        case(Tier::Check, [0, 3, 5], DType::F64),
        case(Tier::Check, [0, 4, 4], DType::F64),
        case(Tier::Check, [0, 5, 3], DType::F16).data("signed"),
        case(Tier::Bench, [1024, 64, 64], DType::F32),
    ]
}

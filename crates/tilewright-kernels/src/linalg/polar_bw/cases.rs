//! Evidence: central differences of factors.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::{DTYPES, registry, samples};
use super::{NAME, check, polar_bw, reference};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let (m, n) = (case.dim("m"), case.dim("n"));
        // Of eigenvalues from 1 to 2; with `equal` data all of them 1.5, and with signed ones as every dtype holds exactly.
        let q = samples::turned(case, item, n, n);
        let value = |l: usize| match case.data {
            "equal" => 1.5,
            _ => 1.0 + l as f64 / n as f64,
        };
        let h = |e: usize| {
            let (i, j) = ((e / n).max(e % n), (e / n).min(e % n));
            match case.data {
                "signed" if i == j => 1.0 + (i % 4) as f64 / 4.0,
                "signed" => 0.0,
                _ => (0..n).map(|l| q[i * n + l] * value(l) * q[j * n + l]).sum(),
            }
        };
        vec![
            (vec![m, n], samples::turned(case, item, m, n)),
            (vec![n, n], (0..n * n).map(h).collect()),
            (vec![m, n], samples::uniform(case, 8 * item + 1, m * n)),
            (vec![n, n], samples::uniform(case, 8 * item + 2, n * n)),
        ]
    },
    outputs: |case| vec![vec![case.dim("m"), case.dim("n")]],
    truth: |_, inputs| vec![reference::polar_bw(&inputs[0], &inputs[1], &inputs[2], &inputs[3])],
    check: |device, case| check(device, case.dtype, case.dim("n")),
    run: |stream, _, inputs| {
        let [u, h, du, dh] = registry::inputs(NAME, inputs)?;
        Ok(vec![polar_bw(stream, u, h, du, dh)?])
    },
    flops: |case| {
        let (m, n) = (case.dim("m") as f64, case.dim("n") as f64);
        // Golub and Van Loan's count of the symmetric QR algorithm, and the products.
        9.0 * n * n * n + 12.0 * m * n * n + 8.0 * n * n * n
    },
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "da = u (s + 2 y) + (1 - u uᵀ) du h^-1, h y + y h = skew(uᵀ du - s h), s = (dh + dhᵀ) / 2, of a = u h",
    inputs: &[
        Slot::new("u", "[.., m, n]"),
        Slot::new("h", "[.., n, n]"),
        Slot::new("du", "[.., m, n]"),
        Slot::new("dh", "[.., n, n]"),
    ],
    outputs: &[Slot::new("da", "[.., m, n]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 3, 0], DType::F32),
        case(Tier::Check, [0, 1, 1], DType::F32),
        case(Tier::Edge, [2, 5, 3], DType::F32).data("transposed"),
        case(Tier::Edge, [0, 4, 4], DType::F32),
        case(Tier::Edge, [2, 4, 3], DType::F32).data("equal"),
        case(Tier::Edge, [0, 4, 3], DType::Bf16).data("signed"),
        case(Tier::Edge, [2, 4, 3], DType::F64),
        case(Tier::Check, [2, 9, 7], DType::F32),
        case(Tier::Check, [2, 6, 6], DType::F64).data("equal"),
        case(Tier::Check, [2, 8, 5], DType::F64),
        case(Tier::Check, [0, 5, 5], DType::F16).data("signed"),
        case(Tier::Bench, [1024, 32, 32], DType::F32),
    ]
}

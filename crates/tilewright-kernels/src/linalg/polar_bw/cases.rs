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
        let least = m.min(n);
        let q = samples::turned(case, item, least, least);
        let value = |l: usize| match case.data {
            "equal" => 1.5,
            _ => 1.0 + l as f64 / least as f64,
        };
        let root = |e: usize| {
            let (i, j) = ((e / least).max(e % least), (e / least).min(e % least));
            match case.data {
                "signed" if i == j => 1.0 + (i % 4) as f64 / 4.0,
                "signed" => 0.0,
                _ => (0..least).map(|l| q[i * least + l] * value(l) * q[j * least + l]).sum(),
            }
        };
        let root: Vec<f64> = (0..least * least).map(root).collect();
        let (u, h) = if m < n {
            // u is wᵀ, and h is w k wᵀ.
            let w = samples::turned(case, item, n, m);
            let wk = |i: usize, l: usize| (0..m).map(|k| w[i * m + k] * root[k * m + l]).sum::<f64>();
            let h = |e: usize| {
                let (i, j) = ((e / n).max(e % n), (e / n).min(e % n));
                (0..m).map(|l| wk(i, l) * w[j * m + l]).sum()
            };
            ((0..m * n).map(|e| w[e % n * m + e / n]).collect(), (0..n * n).map(h).collect())
        } else {
            (samples::turned(case, item, m, n), root)
        };
        vec![
            (vec![m, n], u),
            (vec![n, n], h),
            (vec![m, n], samples::uniform(case, 8 * item + 1, m * n)),
            (vec![n, n], samples::uniform(case, 8 * item + 2, n * n)),
        ]
    },
    outputs: |case| vec![vec![case.dim("m"), case.dim("n")]],
    truth: |_, inputs| vec![reference::polar_bw(&inputs[0], &inputs[1], &inputs[2], &inputs[3])],
    check: |device, case| check(device, case.dtype, case.dim("m"), case.dim("n")),
    run: |stream, _, inputs| {
        let [u, h, du, dh] = registry::inputs(NAME, inputs)?;
        Ok(vec![polar_bw(stream, u, h, du, dh)?])
    },
    flops: |case| {
        let (m, n) = (case.dim("m").max(case.dim("n")) as f64, case.dim("m").min(case.dim("n")) as f64);
        // Golub and Van Loan's count of the symmetric QR algorithm, and the products.
        let turned = if case.dim("m") < case.dim("n") { 4.0 * m * m * n + 6.0 * m * n * n } else { 0.0 };
        9.0 * n * n * n + 12.0 * m * n * n + 8.0 * n * n * n + turned
    },
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "da = u (s + 2 y) + (1 - u uᵀ) du h^-1, h y + y h = skew(uᵀ du - s h), s = (dh + dhᵀ) / 2, of a = u h (of aᵀ where m < n)",
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
        // More columns than rows.
        case(Tier::Edge, [2, 0, 3], DType::F32),
        case(Tier::Edge, [2, 3, 5], DType::F32).data("transposed"),
        case(Tier::Edge, [0, 1, 4], DType::F32),
        case(Tier::Edge, [2, 3, 4], DType::F32).data("equal"),
        case(Tier::Edge, [0, 3, 4], DType::Bf16).data("signed"),
        case(Tier::Edge, [2, 3, 4], DType::F64),
        case(Tier::Check, [2, 7, 9], DType::F32),
        case(Tier::Check, [2, 4, 7], DType::F64).data("equal"),
        case(Tier::Check, [2, 5, 8], DType::F64),
        case(Tier::Check, [0, 4, 6], DType::F16).data("signed"),
        case(Tier::Bench, [1024, 32, 32], DType::F32),
    ]
}

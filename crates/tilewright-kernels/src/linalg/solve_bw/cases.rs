//! Evidence: central differences of solutions.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::{DTYPES, lu, registry, samples};
use super::{NAME, reference, solve_bw};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let (n, k) = (case.dim("n"), case.dim("k"));
        let uniform = samples::uniform(case, 8 * item, n * n);
        // No closer to singular than 1, and rows that elimination exchanges.
        let a = (0..n * n).map(|e| uniform[e] / n as f64 + if e % n == (e / n + 1) % n { 2.0 } else { 0.0 });
        let sides = |part| (vec![n, k], samples::uniform(case, 8 * item + part, n * k));
        vec![(vec![n, n], a.collect()), sides(1), sides(2)]
    },
    outputs: |case| vec![vec![case.dim("n"); 2], vec![case.dim("n"), case.dim("k")]],
    truth: |_, inputs| reference::solve_bw(&inputs[0], &inputs[1], &inputs[2]),
    check: |device, case| lu::check(NAME, device, case.dtype, case.dim("n")),
    run: |stream, _, inputs| {
        let [a, x, dx] = registry::inputs(NAME, inputs)?;
        let by = solve_bw(stream, a, x, dx)?;
        Ok(vec![by.a, by.b])
    },
    flops: |case| {
        let (n, k) = (case.dim("n") as f64, case.dim("k") as f64);
        2.0 / 3.0 * n * n * n + 4.0 * n * n * k
    },
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "aᵀ db = dx, da = -db xᵀ, of a x = b",
    inputs: &[Slot::new("a", "[.., n, n]"), Slot::new("x", "[.., n, k]"), Slot::new("dx", "[.., n, k]")],
    outputs: &[Slot::new("da", "[.., n, n]"), Slot::new("db", "[.., n, k]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n, k]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("n", n), ("k", k)], dtype);
    vec![
        case(Tier::Edge, [2, 0, 1], DType::F32),
        case(Tier::Edge, [0, 1, 1], DType::F32),
        case(Tier::Edge, [3, 5, 2], DType::F32).data("transposed"),
        case(Tier::Edge, [0, 4, 3], DType::Bf16),
        case(Tier::Edge, [2, 4, 1], DType::F64),
        case(Tier::Check, [3, 11, 4], DType::F32),
        case(Tier::Check, [9, 7, 2], DType::F64),
        case(Tier::Check, [2, 9, 1], DType::F16),
        case(Tier::Bench, [1024, 64, 1], DType::F32),
    ]
}

//! Evidence: Taylor's series, of matrices of all sizes in one batch.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::{DTYPES, lu, registry, samples};
use super::{NAME, expm, reference};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let n = case.dim("n");
        // Every item four times as large as the one before it; `turns` have exponentials that are rotations, whatever their size.
        let scale = 0.5 * 4f64.powi((item % 4) as i32) / (n.max(1) as f64).sqrt();
        let x = samples::uniform(case, 8 * item, n * n);
        let value = |e: usize| match case.data {
            "zero" => 0.0,
            "turns" => 3.0 * scale * (x[e] - x[e % n * n + e / n]),
            _ => scale * x[e],
        };
        vec![(vec![n, n], (0..n * n).map(value).collect())]
    },
    outputs: |case| vec![vec![case.dim("n"); 2]],
    truth: |_, inputs| vec![reference::expm(&inputs[0])],
    check: |device, case| lu::check(NAME, device, case.dtype, case.dim("n")),
    run: |stream, _, inputs| {
        let [a] = registry::inputs(NAME, inputs)?;
        Ok(vec![expm(stream, a)?])
    },
    // Six products and a system; squarings come on top.
    flops: |case| (12.0 + 8.0 / 3.0) * (case.dim("n") as f64).powi(3),
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "exp(a) = 1 + a + a²/2 + a³/6 + ..",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[Slot::new("out", "[.., n, n]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 0], DType::F32),
        case(Tier::Edge, [0, 1], DType::F32),
        case(Tier::Edge, [2, 3], DType::F32).data("zero"),
        case(Tier::Edge, [4, 5], DType::F32).data("transposed"),
        case(Tier::Edge, [4, 4], DType::F32).data("turns"),
        case(Tier::Edge, [2, 4], DType::Bf16),
        case(Tier::Edge, [4, 6], DType::F64),
        case(Tier::Check, [4, 33], DType::F32),
        case(Tier::Check, [4, 20], DType::F64).data("turns"),
        case(Tier::Check, [3, 70], DType::F64),
        case(Tier::Bench, [256, 64], DType::F32),
        case(Tier::Bench, [0, 1024], DType::F32),
    ]
}

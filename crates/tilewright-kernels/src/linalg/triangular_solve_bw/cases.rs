//! Evidence: central differences of solutions, of all kinds of systems.

use tilewright_core::{ArgSpec, Args, Case, DType, Kernel, Result, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::{DTYPES, TriangularSolve, registry, samples};
use super::{NAME, reference, triangular_solve_bw};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let n = case.dim("n");
        let uniform = samples::uniform(case, 8 * item, n * n);
        let a = (0..n * n).map(|e| uniform[e] / n as f64 + if e.is_multiple_of(n + 1) { 1.5 } else { 0.0 });
        let sides = |part| (sides(case), samples::uniform(case, 8 * item + part, n * case.dim("k")));
        vec![(vec![n, n], a.collect()), sides(1), sides(2)]
    },
    outputs: |case| vec![vec![case.dim("n"); 2], sides(case)],
    truth: |case, inputs| {
        let args = arguments(&case.args).expect("the cases' arguments are valid");
        reference::triangular_solve_bw(&inputs[0], &inputs[1], &inputs[2], &args)
    },
    check: |_, _| Ok(()),
    run: |stream, args, inputs| {
        let [a, x, dx] = registry::inputs(NAME, inputs)?;
        let by = triangular_solve_bw(stream, a, x, dx, &arguments(args)?)?;
        Ok(vec![by.a, by.b])
    },
    flops: |case| 3.0 * (case.dim("n") as f64).powi(2) * case.dim("k") as f64,
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "op(a)ᵀ db = dx, d op(a) = -db xᵀ in the triangle, of op(a) x = b; or of x op(a) = b",
    inputs: &[Slot::new("a", "[.., n, n]"), Slot::new("x", "[.., n, k]"), Slot::new("dx", "[.., n, k]")],
    outputs: &[Slot::new("da", "[.., n, n]"), Slot::new("db", "[.., n, k]")],
    args: &[
        ArgSpec { name: "upper", default: "false", doc: "a is upper triangular" },
        ArgSpec { name: "right", default: "false", doc: "a stands on the right of x" },
        ArgSpec { name: "transpose", default: "false", doc: "op(a) is the transpose of a" },
        ArgSpec { name: "unit_diagonal", default: "false", doc: "the diagonal is taken as ones" },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<TriangularSolve> {
    Ok(TriangularSolve {
        upper: args.bool("upper", false)?,
        right: args.bool("right", false)?,
        transpose: args.bool("transpose", false)?,
        unit_diagonal: args.bool("unit_diagonal", false)?,
    })
}

/// The extents of x.
fn sides(case: &Case) -> Vec<usize> {
    let (n, k) = (case.dim("n"), case.dim("k"));
    if case.args.bool("right", false).unwrap_or(false) { vec![k, n] } else { vec![n, k] }
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, n, k]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("n", n), ("k", k)], dtype);
    let edge = |size| case(Tier::Edge, size, DType::F32);
    let mut cases = vec![
        edge([2, 0, 1]),
        edge([0, 1, 1]).set("upper", true),
        edge([3, 5, 2]).data("transposed"),
        edge([0, 4, 3]).set("right", true).set("upper", true),
        edge([2, 4, 3]).set("transpose", true).set("unit_diagonal", true),
        edge([0, 3, 2]).set("right", true).set("transpose", true),
        case(Tier::Edge, [0, 4, 3], DType::Bf16),
        case(Tier::Edge, [2, 4, 1], DType::F64).set("upper", true).set("transpose", true),
        case(Tier::Bench, [1024, 64, 64], DType::F32),
    ];
    for kind in 0..16 {
        let set = |case: Case, bit: usize, name| case.set(name, kind >> bit & 1 == 1);
        let plain = case(Tier::Check, [2, 6, 3], if kind % 3 == 0 { DType::F64 } else { DType::F32 });
        cases.push(set(set(set(set(plain, 0, "upper"), 1, "right"), 2, "transpose"), 3, "unit_diagonal"));
    }
    cases
}

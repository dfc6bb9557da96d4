//! Evidence: products one after the other.

use tilewright_core::{ArgSpec, Args, Case, DType, Error, Kernel, Result, Slot, Spec, Tier, Value};

use super::super::differences::Registered;
use super::super::{DTYPES, lu, registry, samples};
use super::{MatrixPower, NAME, matrix_power, reference};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let n = case.dim("n");
        let x = samples::uniform(case, 8 * item, n * n);
        let value = |e: usize| x[e] / (2 * n) as f64 + if e.is_multiple_of(n + 1) { 0.8 } else { 0.0 };
        vec![(vec![n, n], (0..n * n).map(value).collect())]
    },
    outputs: |case| vec![vec![case.dim("n"); 2]],
    truth: |case, inputs| {
        let args = arguments(&case.args).expect("the cases' arguments are valid");
        vec![reference::matrix_power(&inputs[0], args.exponent)]
    },
    check: |device, case| match arguments(&case.args)?.exponent {
        ..0 => lu::check(NAME, device, case.dtype, case.dim("n")),
        _ => Ok(()),
    },
    run: |stream, args, inputs| {
        let [a] = registry::inputs(NAME, inputs)?;
        Ok(vec![matrix_power(stream, a, &arguments(args)?)?])
    },
    flops: |case| 4.0 * (case.dim("n") as f64).powi(3),
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a^p = a a .. a",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[Slot::new("out", "[.., n, n]")],
    args: &[ArgSpec { name: "exponent", default: "1", doc: "a whole number of either sign" }],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<MatrixPower> {
    match args.get("exponent") {
        None => Ok(MatrixPower::default()),
        Some(&Value::Int(exponent)) => Ok(MatrixPower { exponent }),
        Some(other) => Err(Error::range(NAME, "exponent", "a whole number", other)),
    }
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype, exponent: i64| {
        Case::new(tier, &[("b", b), ("n", n)], dtype).set("exponent", exponent)
    };
    vec![
        case(Tier::Edge, [2, 0], DType::F32, 3),
        case(Tier::Edge, [0, 1], DType::F32, 1),
        case(Tier::Edge, [2, 3], DType::F32, 0),
        case(Tier::Edge, [3, 5], DType::F32, 1).data("transposed"),
        case(Tier::Edge, [2, 4], DType::F32, -3),
        case(Tier::Edge, [0, 4], DType::Bf16, 5),
        case(Tier::Edge, [2, 4], DType::F64, 6),
        case(Tier::Check, [3, 11], DType::F32, 7),
        case(Tier::Check, [3, 11], DType::F64, -4),
        case(Tier::Bench, [256, 64], DType::F32, 3),
    ]
}

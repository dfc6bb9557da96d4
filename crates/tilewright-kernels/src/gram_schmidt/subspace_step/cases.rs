//! Evidence.
//!
//! Tolerance, in unit roundoffs of the accumulator relative to the sum of the absolute terms of both products: n + 3 for the first and m + 3 for the second, in
//! whatever order they add; and one rounding of A V to the dtype, which the second product carries on.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::{DTYPES, accumulator, samples};
use super::{NAME, SubspaceStep, reference, subspace_step};
use crate::arguments::{check_f64, choose};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "gram_schmidt",
    math: "out = Aᵀ (A V)",
    inputs: &[Slot::new("a", "[.., m, n]"), Slot::new("v", "[.., n, k]")],
    outputs: &[Slot::new("out", "[.., n, k]")],
    args: &[
        ArgSpec { name: "band", default: "0", doc: "columns of V per band; 0: all of them in one" },
        ArgSpec { name: "streams", default: "1", doc: "streams that the bands are dealt to, at least 1" },
    ],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n, k]: [usize; 4], dtype| {
        Case::new(tier, &[("b", b), ("m", m), ("n", n), ("k", k)], dtype)
    };
    let banded = |case: Case, band: i64, streams: i64| case.set("band", band).set("streams", streams);
    let (f32, bf16) = (DType::F32, DType::Bf16);
    let mut cases = vec![
        case(Tier::Edge, [0, 1, 1, 1], f32),
        case(Tier::Edge, [0, 0, 3, 2], f32),
        case(Tier::Edge, [2, 5, 3, 0], f32),
        case(Tier::Edge, [0, 17, 11, 5], f32),
        banded(case(Tier::Edge, [0, 17, 11, 5], f32), 2, 1),
        banded(case(Tier::Edge, [2, 9, 13, 7], f32).data("transposed"), 3, 2),
        banded(case(Tier::Edge, [0, 17, 11, 5], bf16), 2, 3),
        case(Tier::Edge, [2, 17, 11, 5], DType::F64),
    ];
    for dtype in DTYPES {
        cases.push(case(Tier::Check, [0, 333, 257, 24], *dtype));
        cases.push(banded(case(Tier::Check, [2, 333, 257, 24], *dtype), 8, 3));
    }
    for case in [case(Tier::Bench, [0, 4096, 2048, 32], f32), case(Tier::Bench, [0, 512, 256, 16], f32)] {
        cases.extend([case.clone(), banded(case.clone(), 8, 1), banded(case, 8, 4)]);
    }
    cases
}

fn dims(case: &Case, rows: usize, columns: usize) -> Vec<usize> {
    [case.dim("b")].into_iter().filter(|&b| b != 0).chain([rows, columns]).collect()
}

fn args(args: &Args) -> Result<SubspaceStep> {
    let default = SubspaceStep::default();
    Ok(SubspaceStep {
        band: args.size("band", default.band)?,
        streams: args.size("streams", default.streams)?,
    })
}

fn variants(device: Device, dtype: DType) -> Result<Vec<&'static str>> {
    check_f64(NAME, device, dtype)?;
    Ok(vec![if device == Device::Cpu { "cpu" } else { "gemm" }])
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (m, n, k) = (case.dim("m"), case.dim("n"), case.dim("k"));
        Ok(vec![samples::tensor(case, 0, &dims(case, m, n))?, samples::tensor(case, 1, &dims(case, n, k))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (m, n, k) = (case.dim("m"), case.dim("n"), case.dim("k"));
        let (a, v) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
        let accumulator = accumulator(case.dtype);
        let roundings = (m + n + 6) as f64;
        let carried = case.dtype.unit_roundoff() / (accumulator.unit_roundoff() * roundings);
        let truth = (0..case.dim("b").max(1))
            .flat_map(|b| reference::subspace_step(&a[b * m * n..], &v[b * n * k..], m, n, k))
            .map(|element| (element.value, element.terms + carried * element.forward));
        Ok(vec![Expected::values(&dims(case, n, k), case.dtype, accumulator, roundings, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        variants(device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        let [a, v] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 2, inputs.len()));
        };
        choose(NAME, variant, &variants(stream.device(), a.dtype())?)?;
        Ok(vec![subspace_step(stream, a, v, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n, k] = ["b", "m", "n", "k"].map(|name| case.dim(name) as f64);
        let (b, size) = (b.max(1.0), case.dtype.size() as f64);
        Work { flops: b * 4.0 * m * n * k, bytes: b * (m * n + 2.0 * n * k) * size }
    }
}

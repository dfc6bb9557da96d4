//! Evidence: the answer that symmetry and the lowest eigenvalue give, on matrices that are not on the edge.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Value,
    Work,
};

use super::super::ratios::Matrix;
use super::super::{DTYPES, registry, samples};
use super::{IsSpd, NAME, is_spd, reference, tolerance};
use crate::arguments::{check_f64, choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "spd = |a - aᵀ| <= rtol max |a_ij| and (a + aᵀ) / 2 > rtol max |a_ij|",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[Slot::new("spd", "[..]")],
    args: &[ArgSpec {
        name: "rtol",
        default: "n eps",
        doc: "what counts as nothing, relative to the largest element",
    }],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<IsSpd> {
    let rtol = match args.get("rtol") {
        None => None,
        Some(Value::Text(text)) if text == "n eps" => None,
        Some(_) => Some(args.float("rtol", 0.0)?),
    };
    Ok(IsSpd { rtol })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 0]),
        edge([0, 1]),
        edge([9, 6]).data("some"),
        edge([9, 6]).data("some").set("rtol", 0.01),
        edge([2, 5]).data("nan"),
        edge([2, 5]).data("zero"),
        edge([0, 5]).data("huge"),
        edge([2, 12]).data("hilbert"),
        case(Tier::Edge, [3, 5], DType::Bf16).data("some"),
        case(Tier::Edge, [9, 6], f64).data("some"),
    ];
    for dtype in [f32, f64] {
        for data in ["some", "hilbert", "low_rank", "huge", "tiny", "identity", "nan"] {
            cases.push(case(Tier::Check, [12, 20], dtype).data(data));
            cases.push(case(Tier::Check, [0, 70], dtype).data(data));
        }
        cases.push(case(Tier::Bench, [1024, 64], dtype));
    }
    cases
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let n = case.dim("n");
        Ok(vec![samples::stack(case, [n, n], |item| {
            let mut a = samples::positive(case, item, n);
            if case.data == "some" {
                // Of four: one indefinite, one not symmetric, one symmetric to a thousandth.
                match item % 4 {
                    1 => a[n * n - 1] = -0.1,
                    2 => a[n - 1] += 0.1,
                    3 => a[n - 1] += 0.001,
                    _ => {}
                }
            }
            a
        })?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let rtol = tolerance(&arguments(&case.args)?, case.dim("n"), case.dtype)?;
        let answers =
            Matrix::all(&inputs[0])?.iter().map(|a| i32::from(reference::is_spd(a, rtol))).collect();
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        Ok(vec![Expected::Exact(Tensor::from_vec::<i32>(answers, batch)?)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_f64(NAME, device, case.dtype)?;
        registry::variants(NAME, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        choose(NAME, variant, &[only_variant(stream.device())])?;
        let [a] = registry::inputs(NAME, inputs)?;
        Ok(vec![is_spd(stream, a, &arguments(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        Work { flops: b / 3.0 * n * n * n, bytes: b * (n * n * case.dtype.size() as f64 + 4.0) }
    }
}

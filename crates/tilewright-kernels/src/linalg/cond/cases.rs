//! Evidence: values, within what the condition itself does to roundings.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::convert::working;
use super::super::ratios::Matrix;
use super::super::{DTYPES, SvdMode, lu, registry, samples, svd as svd_kernel};
use super::{Cond, NAME, Order, cond, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "cond = |a| |a⁻¹|",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("cond", "[..]")],
    args: &[ArgSpec { name: "order", default: "2", doc: "2, -2, 1, -1, inf, -inf, fro or nuc" }],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<Cond> {
    let order = args.get("order").map_or("2".to_owned(), |order| order.to_string());
    Ok(Cond { order: order.parse()? })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([9, 6, 5]),
        edge([0, 5, 7]).set("order", -2i64),
        edge([2, 4, 4]).data("zero"),
        edge([2, 4, 4]).data("nan"),
        edge([2, 6, 6]).set("order", 1i64),
        edge([2, 6, 6]).set("order", "inf").data("zero_column"),
        case(Tier::Edge, [2, 4, 4], DType::Bf16),
    ];
    for dtype in [f32, f64] {
        for order in ["2", "-2", "1", "-1", "inf", "-inf", "fro", "nuc"] {
            cases.push(case(Tier::Check, [9, 30, 30], dtype).set("order", order));
        }
        cases.push(case(Tier::Check, [0, 50, 40], dtype));
        cases.push(case(Tier::Bench, [1000, 32, 32], dtype));
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
        let (m, n) = (case.dim("m"), case.dim("n"));
        Ok(vec![samples::stack(case, [m, n], |item| samples::general(case, item, m, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let order = arguments(&case.args)?.order;
        let truth: Vec<f64> = Matrix::all(&inputs[0])?.iter().map(|a| reference::cond(a, order)).collect();
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        // The smallest singular value, or the inverse, is off by n eps times the condition, by LAPACK's measure of 30; -2 is the inverse of that.
        let (m, n) = (case.dim("m"), case.dim("n"));
        let unit = 30.0 * m.max(n) as f64;
        let inverse = order == Order::P(-2.0);
        let magnitude = |x: f64| if inverse { 1.0 } else { x * x };
        let truth = truth.into_iter().map(|x| (x, magnitude(x)));
        Ok(vec![Expected::values(batch, case.dtype, working(case.dtype), unit, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        match arguments(&case.args)?.order {
            Order::P(2.0 | -2.0) | Order::Nuclear => {
                svd_kernel::check(NAME, device, case.dtype, &registry::extents(case), SvdMode::Values)?;
            }
            _ => lu::check(NAME, device, case.dtype, case.dim("n"))?,
        }
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
        Ok(vec![cond(stream, a, &arguments(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, m, n) = (b.max(1.0), m.max(n), m.min(n));
        Work {
            flops: b * (4.0 * m * n * n - 4.0 / 3.0 * n * n * n),
            bytes: b * m * n * case.dtype.size() as f64,
        }
    }
}

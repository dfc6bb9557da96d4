//! Evidence: values, within the roundings of their sums.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::convert::working;
use super::super::ratios::Matrix;
use super::super::{DTYPES, SvdMode, registry, samples, svd as svd_kernel};
use super::{NAME, Norm, Order, axes, norm, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "(sum |x_i|^p)^(1/p), and the norms of matrices",
    inputs: &[Slot::new("a", "[..]")],
    outputs: &[Slot::new("norm", "[..]")],
    args: ARGS,
    dtypes: DTYPES,
};

pub(in super::super) const ARGS: &[ArgSpec] = &[
    ArgSpec { name: "order", default: "default", doc: "a number, inf, -inf, fro or nuc; default: 2 or fro" },
    ArgSpec { name: "axes", default: "all", doc: "one axis or two, as -1 or -2,-1" },
    ArgSpec { name: "keepdims", default: "false", doc: "the axes stay, with 1 element each" },
];

pub(in super::super) fn arguments(args: &Args) -> Result<Norm> {
    let text =
        |name: &str, default: &str| args.get(name).map_or(default.to_owned(), |value| value.to_string());
    let order = match text("order", "default").as_str() {
        "default" => None,
        name => Some(name.parse()?),
    };
    let axes = match text("axes", "all").as_str() {
        "all" => None,
        list => {
            let wrong = || tilewright_core::Error::range(NAME, "axes", "numbers with commas, or all", list);
            let axes = list.split(',').map(|axis| axis.trim().parse::<i64>().map_err(|_| wrong()));
            Some(axes.collect::<Result<Vec<_>>>()?)
        }
    };
    Ok(Norm { order, axes, keepdims: args.bool("keepdims", false)? })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([3, 5, 7]),
        edge([0, 2, 0]).set("axes", -1i64),
        edge([2, 5, 300]).set("axes", -1i64).set("keepdims", true),
        edge([2, 5, 7]).set("axes", 1i64).set("order", 0i64).data("dependent"),
        edge([2, 5, 7]).set("axes", -2i64).set("order", 1i64),
        edge([2, 5, 7]).set("axes", -1i64).set("order", 3.5),
        edge([2, 5, 7]).set("axes", -1i64).set("order", -1.5),
        edge([2, 5, 7]).set("axes", "-2,-1").set("order", 1i64),
        edge([2, 5, 7]).set("axes", "0,2").set("order", "-inf").data("transposed"),
        edge([2, 5, 4]).set("axes", "-2,-1").set("order", "nuc"),
        edge([2, 3, 7]).data("huge").set("axes", -1i64),
        edge([2, 3, 7]).data("tiny"),
        edge([2, 3, 7]).data("nan").set("axes", -1i64).set("order", "inf"),
        case(Tier::Edge, [2, 3, 7], DType::Bf16).set("axes", "-2,-1").set("order", "inf"),
        case(Tier::Edge, [2, 3, 7], DType::F16).set("axes", -1i64).set("order", 2i64),
    ];
    for dtype in [f32, f64] {
        for order in ["0", "1", "2", "inf", "-inf", "3", "-2.5", "0.5"] {
            let plain = case(Tier::Check, [2, 9, 1000], dtype).set("axes", -1i64);
            cases.push(plain.set("order", order));
        }
        for order in ["fro", "nuc", "1", "-1", "2", "-2", "inf", "-inf"] {
            cases.push(case(Tier::Check, [9, 20, 30], dtype).set("axes", "-2,-1").set("order", order));
        }
        cases.push(case(Tier::Check, [0, 1, 200_000], dtype).set("axes", -1i64));
        cases.push(case(Tier::Bench, [0, 4096, 4096], dtype).set("axes", -1i64));
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
        let (a, args) = (&inputs[0], arguments(&case.args)?);
        let axes = axes(a, &args)?;
        let mut order: Vec<usize> = (0..a.rank()).filter(|axis| !axes.contains(axis)).collect();
        let kept: usize = order.iter().map(|&axis| a.dims()[axis]).product();
        order.extend(&axes);
        let values = a.permute(&order)?.to_f64_vec()?;
        let extents: Vec<usize> = axes.iter().map(|&axis| a.dims()[axis]).collect();
        let size: usize = extents.iter().product();
        // Additions of numbers >= 0, and powers and roots of a few roundings each; singular values are off by n eps |a|, times what is
        // judged of them elsewhere.
        let mut roundings = size as f64 + 60.0;
        let truth: Vec<(f64, f64)> = (0..kept)
            .map(|item| {
                let x = &values[item * size..][..size];
                match (extents.as_slice(), args.order) {
                    (&[m, n], order) => {
                        let a = Matrix::new(m, n, |i, j| x[i * n + j]);
                        let order = order.unwrap_or(Order::Frobenius);
                        let magnitude = match order {
                            Order::P(-2.0) => reference::matrix(&a, Order::P(2.0)),
                            order => reference::matrix(&a, order),
                        };
                        (reference::matrix(&a, order), magnitude)
                    }
                    (_, Some(Order::P(p))) => (reference::vector(x, p), reference::vector(x, p)),
                    _ => (reference::vector(x, 2.0), reference::vector(x, 2.0)),
                }
            })
            .collect();
        if matches!(args.order, Some(Order::Nuclear) | Some(Order::P(2.0 | -2.0))) && extents.len() == 2 {
            roundings = 30.0 * extents.iter().copied().max().unwrap_or(0) as f64;
        }
        let shape: Vec<usize> = match args.keepdims {
            true => (0..a.rank()).map(|axis| if axes.contains(&axis) { 1 } else { a.dims()[axis] }).collect(),
            false => (0..a.rank()).filter(|axis| !axes.contains(axis)).map(|axis| a.dims()[axis]).collect(),
        };
        Ok(vec![Expected::values(&shape, case.dtype, working(case.dtype), roundings, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        let args = arguments(&case.args)?;
        if matches!(args.order, Some(Order::Nuclear)) {
            svd_kernel::check(NAME, device, case.dtype, &registry::extents(case), SvdMode::Values)?;
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
        Ok(vec![norm(stream, a, &arguments(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = ["b", "m", "n"].map(|name| case.dim(name).max(1) as f64).iter().product::<f64>();
        Work { flops: 2.0 * elements, bytes: elements * case.dtype.size() as f64 }
    }
}

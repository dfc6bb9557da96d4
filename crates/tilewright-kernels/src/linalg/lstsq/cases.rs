//! Evidence: the gradient at x, its place among the solutions, and the rank.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Value, Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, SvdMode, registry, samples, svd as svd_kernel};
use super::{Lstsq, LstsqMethod, NAME, lstsq, reference};
use crate::arguments::{check_f64, choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "x = argmin |b - a x|, the shortest",
    inputs: &[Slot::new("a", "[.., m, n]"), Slot::new("b", "[.., m, p]")],
    outputs: &[
        Slot::new("x", "[.., n, p]"),
        Slot::new("rank", "[..]"),
        Slot::new("residuals", "[.., p]"),
        Slot::new("s", "[.., k]"),
    ],
    args: &[
        ArgSpec { name: "method", default: "svd", doc: "svd, or qr for m >= n and full rank" },
        ArgSpec {
            name: "rcond",
            default: "max(m, n) eps",
            doc: "singular values of at most so much times the largest count as zeros",
        },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<Lstsq> {
    Ok(Lstsq { method: args.text("method", "svd")?.parse()?, rcond: rcond(args)? })
}

/// The argument of that name; its default is a number only once the shape is known.
pub(in super::super) fn rcond(args: &Args) -> Result<Option<f64>> {
    match args.get("rcond") {
        None => Ok(None),
        Some(Value::Text(text)) if text == "max(m, n) eps" => Ok(None),
        Some(_) => args.float("rcond", 0.0).map(Some),
    }
}

/// The rank that the case's data have.
fn rank(case: &Case) -> i32 {
    let k = case.dim("m").min(case.dim("n")) as i32;
    match case.data {
        "low_rank" => (k + 1) / 2,
        "zero" => 0,
        // Without an answer; by factors, none that is zero is on r's diagonal.
        "nan" | "infinity" if !case.args.text("method", "svd").is_ok_and(|method| method == "qr") => -1,
        _ => k,
    }
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n, p]: [usize; 4], dtype| {
        Case::new(tier, &[("b", b), ("m", m), ("n", n), ("p", p)], dtype)
    };
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 3, 0, 2]),
        edge([9, 6, 4, 2]),
        edge([9, 6, 4, 2]).set("method", "qr"),
        edge([2, 4, 7, 1]),
        edge([2, 7, 6, 2]).data("low_rank"),
        edge([2, 4, 4, 2]).data("zero"),
        edge([9, 7, 5, 2]).data("nan"),
        edge([9, 7, 5, 2]).data("infinity").set("method", "qr"),
        case(Tier::Edge, [2, 6, 3, 1], DType::Bf16),
    ];
    for dtype in [f32, f64] {
        for data in ["", "low_rank"] {
            for size in [[9, 40, 20, 3], [0, 90, 60, 2], [2, 20, 50, 2]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for data in ["nan", "infinity"] {
            cases.push(case(Tier::Check, [9, 40, 20, 3], dtype).data(data));
            cases.push(case(Tier::Check, [0, 60, 60, 2], dtype).data(data).set("method", "qr"));
        }
        cases.push(case(Tier::Check, [3, 100, 40, 5], dtype).set("method", "qr"));
        cases.push(case(Tier::Bench, [1000, 64, 32, 1], dtype));
        cases.push(case(Tier::Bench, [1000, 64, 32, 1], dtype).set("method", "qr"));
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
        let [m, n, p] = ["m", "n", "p"].map(|name| case.dim(name));
        Ok(vec![
            samples::stack(case, [m, n], |item| samples::general(case, item, m, n))?,
            samples::stack(case, [m, p], |item| samples::uniform(case, 8 * item + 7, m * p))?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [m, n, p] = ["m", "n", "p"].map(|name| case.dim(name));
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        let free = |tail: &[usize]| Expected::Free { shape: [batch, tail].concat(), dtype: case.dtype };
        let ranks = vec![rank(case); batch.iter().product()];
        let by_qr = arguments(&case.args)?.method == LstsqMethod::Qr;
        Ok(vec![
            free(&[n, p]),
            Expected::Exact(Tensor::from_vec::<i32>(ranks, batch)?),
            free(&[if m > n { p } else { 0 }]),
            free(&[if by_qr { 0 } else { m.min(n) }]),
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (eps, [m, n, p]) = (eps(case.dtype), ["m", "n", "p"].map(|name| case.dim(name)));
        let (a, b, x) = (Matrix::all(&inputs[0])?, Matrix::all(&inputs[1])?, Matrix::all(&outputs[0])?);
        let by_qr = arguments(&case.args)?.method == LstsqMethod::Qr;
        let rest = outputs[2].to_f64_vec()?;
        let s = outputs[3].to_f64_vec()?;
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, b, x) = (&a[item], &b[item], &x[item]);
            if !a.largest().is_finite() {
                let of = |found: &[f64]| {
                    found
                        .chunks((found.len() / outputs[1].elements()).max(1))
                        .nth(item)
                        .unwrap_or(&[])
                        .to_vec()
                };
                let found = [x.values.clone(), of(&rest), of(&s)].concat();
                residuals.push(holds("nothing is finite", found.iter().all(|x| !x.is_finite())));
                continue;
            }
            let error = reference::gradient(a, x, b, eps);
            residuals.push(residual(
                "|aᵀ (b - a x)| / (max(m, n) |a| (|a| |x| + |b|) eps)",
                error,
                case.dtype,
            ));
            let rank = rank(case) as usize;
            if rank < n {
                // The space of the rows that count is known to eps over the smallest value that does, which is not small here.
                let error = reference::beside_rows(x, &reference::row_basis(a, rank), eps);
                residuals.push(residual("|x beside the rows of a| / (n |x| eps)", error, case.dtype));
            }
            if m > n {
                let left = b.minus(&a.times(x));
                let error = reference::squares_error(&left, b, &rest[item * p..][..p], eps);
                residuals.push(residual("|residuals - |b - a x|²| / (m |b|² eps)", error, case.dtype));
            }
            if !by_qr {
                let k = m.min(n);
                let error = reference::frobenius_error(a, &s[item * k..][..k], eps);
                residuals.push(residual("||s|² - |a|²| / (k |a|² eps)", error, case.dtype));
            }
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        match arguments(&case.args)?.method {
            LstsqMethod::Svd => {
                svd_kernel::check(NAME, device, case.dtype, &registry::extents(case), SvdMode::Reduced)?;
            }
            LstsqMethod::Qr => check_f64(NAME, device, case.dtype)?,
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
        let [a, b] = registry::inputs(NAME, inputs)?;
        let found = lstsq(stream, a, b, &arguments(args)?)?;
        // Which of the two are absent, their number would not tell: empty, they keep their places.
        let none = || Tensor::empty(stream, a.dtype(), [&a.dims()[..a.rank() - 2], &[0]].concat());
        let [residuals, s] = [found.residuals, found.s].map(|found| found.map_or_else(none, Ok));
        Ok(vec![found.x, found.rank, residuals?, s?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n, p] = ["b", "m", "n", "p"].map(|name| case.dim(name) as f64);
        let b = b.max(1.0);
        let k = m.min(n);
        Work {
            flops: b * (2.0 * m.max(n) * k * k + 4.0 * m * n * p),
            bytes: b * (m * n + (m + n) * p) * case.dtype.size() as f64,
        }
    }
}

//! Evidence: the distance from the matrix, and LAPACK's ratios, on spectra that fall and on matrices of less than full rank.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, limit, singular};
use super::super::{DTYPES, registry, samples};
use super::{NAME, RandomizedSvd, check, randomized_svd, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a = u diag(s) vᵀ, nearly: its largest values",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[
        Slot::new("s", "[.., rank]"),
        Slot::new("info", "[..]"),
        Slot::new("u", "[.., m, rank]"),
        Slot::new("vt", "[.., rank, n]"),
    ],
    args: &[
        ArgSpec { name: "rank", default: "6", doc: "so many of the largest values, with their vectors" },
        ArgSpec { name: "oversample", default: "10", doc: "so many more columns are projected on" },
        ArgSpec { name: "power", default: "2", doc: "how often the projection goes through a aᵀ" },
        ArgSpec { name: "seed", default: "0", doc: "of the random numbers" },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<RandomizedSvd> {
    Ok(RandomizedSvd {
        rank: args.size("rank", 6)?,
        oversample: args.size("oversample", 10)?,
        power: args.size("power", 2)?,
        seed: args.size("seed", 0)? as u64,
    })
}

/// The largest m + n for which the distances are found.
const TRUTH: usize = 60;

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n, rank, oversample]: [usize; 5], dtype| {
        let case = Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
        case.set("rank", rank as i64).set("oversample", oversample as i64)
    };
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 3, 0, 0, 4]),
        edge([2, 12, 9, 2, 4]).data("geometric"),
        edge([0, 7, 14, 3, 2]).data("low_rank"),
        edge([2, 9, 8, 1, 0]).set("power", 3i64),
        edge([2, 6, 5, 2, 9]),
        edge([2, 9, 7, 2, 3]).data("nan"),
        case(Tier::Edge, [0, 9, 8, 2, 4], DType::Bf16),
        case(Tier::Edge, [2, 12, 9, 3, 4], f64).set("power", 0i64),
    ];
    for dtype in [f32, f64] {
        for data in ["", "geometric", "arithmetic", "one_large", "low_rank", "graded", "zero", "huge", "tiny"]
        {
            for size in [[2, 30, 20, 4, 4], [0, 20, 34, 6, 5]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        cases.push(case(Tier::Check, [0, 400, 300, 20, 10], dtype).data("low_rank").set("rank", 150i64));
        // Of more rows than the bodies that every GPU has take with so many columns.
        cases.push(case(Tier::Check, [0, 4500, 90, 30, 10], dtype));
        cases.push(case(Tier::Bench, [0, 2000, 1000, 20, 10], dtype));
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
        let (m, n, rank) = (case.dim("m"), case.dim("n"), arguments(&case.args)?.rank);
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        let info = vec![i32::from(case.data == "nan"); batch.iter().product()];
        let free = |tail: &[usize]| Expected::Free { shape: [batch, tail].concat(), dtype: case.dtype };
        let info = Expected::Exact(Tensor::from_vec::<i32>(info, batch)?);
        Ok(vec![free(&[rank]), info, free(&[m, rank]), free(&[rank, n])])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (args, eps, m, n) = (arguments(&case.args)?, eps(case.dtype), case.dim("m"), case.dim("n"));
        let (a, s, info) = (Matrix::all(&inputs[0])?, outputs[0].to_f64_vec()?, outputs[1].to_vec::<i32>()?);
        let (u, vt) = (Matrix::all(&outputs[2])?, Matrix::all(&outputs[3])?);
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, u, vt, s) = (&a[item], &u[item], &vt[item], &s[item * args.rank..][..args.rank]);
            if info[item] != 0 {
                let mut all = u.values.iter().chain(&vt.values).chain(s);
                residuals.push(holds("NaN where there is no result", all.all(|x| x.is_nan())));
                continue;
            }
            residuals.extend(singular(u, s, vt, eps, case.dtype));
            if m + n <= TRUTH && item < 2 {
                // As ratios are allowed.
                let unit = limit(case.dtype) * eps;
                // Over the largest element, so that squares of it stay in the range.
                let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
                let (a, s) = (a.scaled(scale), s.iter().map(|s| s * scale).collect::<Vec<_>>());
                let names = ["|a - u s vᵀ| / its bound", "(s - truth) / its bound"];
                let bounds = reference::bounds(&a, u, &s, vt, &args, unit);
                for (name, [found, allowed]) in names.into_iter().zip(bounds) {
                    let ratio = if found == 0.0 { 0.0 } else { found / allowed };
                    residuals.push(Residual { name, ratio, limit: 1.0 });
                }
            }
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check(device, case.dtype, &registry::extents(case), &arguments(&case.args)?)?;
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
        let found = randomized_svd(stream, a, &arguments(args)?)?;
        Ok(vec![found.s, found.info, found.u.expect("always given"), found.vt.expect("always given")])
    }

    fn work(&self, case: &Case) -> Work {
        let args = arguments(&case.args).unwrap_or_default();
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, width, rank) = (b.max(1.0), (args.rank + args.oversample) as f64, args.rank as f64);
        let passes = 2.0 * args.power as f64 + 2.0;
        let flops = passes * (2.0 * m * n * width + 2.0 * (m + n) * width * width) + 20.0 * width.powi(3);
        Work { flops: b * flops, bytes: b * (m * n + rank * (m + n + 1.0)) * case.dtype.size() as f64 }
    }
}

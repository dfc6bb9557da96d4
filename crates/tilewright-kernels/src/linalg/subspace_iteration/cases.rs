//! Evidence: what the equations of singular vectors leave, the values, and LAPACK's ratios, on spectra that fall, that do not, and on matrices of less than full rank.
//!
//! With residuals R of k orthonormal pairs, k singular values lie within |R| of the values (Kahan), which is at most root(k) of the largest: the values may be off by the root of k times the tolerance.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Value, Work,
};

use super::super::convert::working;
use super::super::ratios::{Matrix, eps, holds, judged, limit, singular};
use super::super::{DTYPES, registry, samples};
use super::{FAILED, NAME, SHORT, SubspaceIteration, check, reference, subspace_iteration};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a v_i = s_i u_i, |aᵀ u_i - s_i v_i| <= tolerance s_1, of the largest values",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[
        Slot::new("s", "[.., rank]"),
        Slot::new("info", "[..]"),
        Slot::new("u", "[.., m, rank]"),
        Slot::new("vt", "[.., rank, n]"),
        Slot::new("iterations", "[..]"),
        Slot::new("residual", "[..]"),
    ],
    args: &[
        ArgSpec { name: "rank", default: "6", doc: "so many of the largest values, with their vectors" },
        ArgSpec { name: "oversample", default: "10", doc: "so many more vectors are iterated" },
        ArgSpec {
            name: "tolerance",
            default: "root(eps)",
            doc: "the residual, over the largest value, to stop at",
        },
        ArgSpec { name: "iterations", default: "100", doc: "at most so many, from 1 on" },
        ArgSpec { name: "seed", default: "0", doc: "of the random numbers" },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<SubspaceIteration> {
    let default = SubspaceIteration::default();
    let tolerance = match args.get("tolerance") {
        None => None,
        // Its number is known with the dtype.
        Some(Value::Text(text)) if text == "root(eps)" => None,
        Some(_) => Some(args.float("tolerance", 0.0)?),
    };
    Ok(SubspaceIteration {
        rank: args.size("rank", default.rank)?,
        oversample: args.size("oversample", default.oversample)?,
        tolerance,
        iterations: args.size("iterations", default.iterations)?,
        seed: args.size("seed", 0)? as u64,
    })
}

/// The largest m + n for which the values are found.
const TRUTH: usize = 60;
/// A tolerance that is reached at no iteration: the info is that of who stays short of it.
const NEVER: f64 = 0.0;

fn cases() -> Vec<Case> {
    // Of each no more iterations than fewer than twice as many as it takes, by which a wrong count shows.
    let case = |tier, [b, m, n, rank, oversample]: [usize; 5], dtype, iterations: i64| {
        let case = Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
        case.set("rank", rank as i64).set("oversample", oversample as i64).set("iterations", iterations)
    };
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size, iterations| case(Tier::Edge, size, f32, iterations);
    let mut cases = vec![
        edge([2, 3, 0, 0, 4], 9),
        edge([2, 3, 4, 0, 2], 9),
        edge([0, 1, 1, 1, 0], 1),
        edge([2, 12, 9, 2, 4], 3).data("geometric"),
        // Power iteration.
        edge([2, 9, 8, 1, 0], 3).data("one_large"),
        edge([0, 7, 14, 3, 2], 3).data("low_rank"),
        // All directions at once.
        edge([2, 6, 5, 5, 9], 1),
        edge([2, 9, 7, 2, 5], 1).data("transposed"),
        edge([2, 9, 7, 2, 3], 1).data("nan"),
        edge([0, 12, 9, 2, 1], 2).data("arithmetic").set("tolerance", NEVER),
        case(Tier::Edge, [0, 9, 8, 2, 6], DType::Bf16, 1),
        case(Tier::Edge, [2, 12, 9, 3, 4], f64, 3).data("geometric").set("tolerance", 1e-4),
    ];
    let (tall, wide) = ([2, 30, 20, 4, 4], [0, 20, 34, 6, 5]);
    for dtype in [f32, f64] {
        let check = |size, iterations| case(Tier::Check, size, dtype, iterations);
        let either = |of_f32, of_f64| if dtype == f32 { of_f32 } else { of_f64 };
        for size in [tall, wide] {
            cases.push(check(size, 5).set("tolerance", NEVER));
            for data in ["huge", "tiny"] {
                cases.push(check(size, 5).data(data).set("tolerance", NEVER));
            }
            for data in ["geometric", "one_large", "low_rank"] {
                cases.push(check(size, 3).data(data));
            }
            cases.push(check(size, 1).data("zero"));
        }
        cases.push(check(tall, either(16, 36)).data("arithmetic"));
        cases.push(check(wide, either(12, 24)).data("arithmetic"));
        cases.push(check(tall, either(5, 7)).data("graded"));
        cases.push(check(wide, either(3, 7)).data("graded"));
        // Values that agree in all digits but the last few on both sides of the rank, and of all vectors that are iterated.
        for size in [tall, [0, 20, 34, 3, 1], [0, 25, 25, 5, 0]] {
            cases.push(check(size, either(11, 22)).data("clustered"));
        }
        cases.push(check([3, 17, 12, 6, 2], 3).data("clustered"));
        cases.push(check([0, 21, 21, 3, 2], 1).data("identity"));
        // More vectors than the matrix has directions.
        cases.push(check([2, 30, 20, 12, 4], 3).data("low_rank"));
        cases.push(check([0, 30, 20, 3, 2], 3).data("ones"));
        cases.push(check([0, 400, 300, 150, 10], 3).data("low_rank"));
        // Of more rows than registers of a group hold with columns beside them.
        cases.push(check([0, 4500, 90, 30, 20], 3).data("geometric"));
        cases.push(case(Tier::Bench, [0, 2000, 1000, 20, 10], dtype, 4).set("tolerance", NEVER));
    }
    cases
}

/// The info that every item has.
fn info(case: &Case) -> i32 {
    match case.args.float("tolerance", 1.0) {
        _ if case.data == "nan" => FAILED,
        Ok(NEVER) => SHORT,
        _ => 0,
    }
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
        let items = batch.iter().product();
        let free = |tail: &[usize], dtype: DType| Expected::Free { shape: [batch, tail].concat(), dtype };
        let info = if rank == 0 { 0 } else { info(case) };
        let info = Expected::Exact(Tensor::from_vec::<i32>(vec![info; items], batch)?);
        Ok(vec![
            free(&[rank], case.dtype),
            info,
            free(&[m, rank], case.dtype),
            free(&[rank, n], case.dtype),
            free(&[], DType::I32),
            free(&[], working(case.dtype)),
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (args, eps, m, n) = (arguments(&case.args)?, eps(case.dtype), case.dim("m"), case.dim("n"));
        let (a, s, info) = (Matrix::all(&inputs[0])?, outputs[0].to_f64_vec()?, outputs[1].to_vec::<i32>()?);
        let (u, vt) = (Matrix::all(&outputs[2])?, Matrix::all(&outputs[3])?);
        let (iterations, told) = (outputs[4].to_vec::<i32>()?, outputs[5].to_f64_vec()?);
        let mut residuals = Vec::new();
        for item in judged(a.len()).filter(|_| args.rank > 0) {
            let (a, u, vt, s) = (&a[item], &u[item], &vt[item], &s[item * args.rank..][..args.rank]);
            let count = iterations[item];
            residuals.push(holds("1 to all iterations", (1..=args.iterations as i32).contains(&count)));
            if info[item] == FAILED {
                let mut all = u.values.iter().chain(&vt.values).chain(s).chain([&told[item]]);
                residuals.push(holds("NaN where there is no result", all.all(|x| x.is_nan())));
                continue;
            }
            let tolerance = args.tolerance(case.dtype);
            let reached = told[item] <= tolerance * (1.0 + 1e-6);
            residuals
                .push(holds("the tolerance is reached, or info says so", reached != (info[item] == SHORT)));
            residuals.extend(singular(u, s, vt, eps, case.dtype));
            // As ratios are allowed.
            let unit = limit(case.dtype) * eps;
            let roundings = m.max(n) as f64 * unit;
            // Over the largest element, so that squares of it stay in the range.
            let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
            let (a, s) = (a.scaled(scale), s.iter().map(|s| s * scale).collect::<Vec<_>>());
            let over = |name, found: f64, allowed: f64| {
                let ratio = if found == 0.0 { 0.0 } else { found / allowed };
                Residual { name, ratio, limit: 1.0 }
            };
            let [exact, left] = reference::residuals(&a, u, &s, vt);
            residuals.push(over("|a v - u s| / its bound", exact, roundings * s[0]));
            // What is told is that of the result before it was rounded to a narrow dtype; roundings are told as 0.
            let floor = SubspaceIteration::floor(case.dtype, &registry::extents(case));
            let narrow = if case.dtype == working(case.dtype) { 0.0 } else { roundings };
            let near = if told[item] == 0.0 { 1.5 * floor } else { 0.5 * floor };
            let off = (left - told[item] * s[0]).abs();
            residuals.push(over("|aᵀ u - v s|, beside what is told", off, (near + narrow) * s[0]));
            if m + n <= TRUTH && item < 2 {
                let [off, largest] = reference::distance(&a, &s);
                // Short of the tolerance the values may be others than the largest.
                if info[item] != SHORT {
                    let part = tolerance * (args.rank as f64).sqrt();
                    residuals.push(over("|s - truth| / its bound", off, (part + roundings) * largest));
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
        let found = subspace_iteration(stream, a, &arguments(args)?)?;
        Ok(vec![found.s, found.info, found.u, found.vt, found.iterations, found.residual])
    }

    fn on_host(&self, device: Device, _variant: &str) -> Option<&'static str> {
        (device != Device::Cpu)
            .then_some("whether there is another iteration, by values and residuals read of each matrix")
    }

    /// Of as many iterations as there are where the tolerance is reached at none, and of one elsewhere.
    fn work(&self, case: &Case) -> Work {
        let args = arguments(&case.args).unwrap_or_default();
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, width, rank) = (b.max(1.0), args.width(&registry::extents(case)) as f64, args.rank as f64);
        let count = if args.tolerance == Some(NEVER) { args.iterations as f64 } else { 1.0 };
        let flops = count * (4.0 * m * n * width + 6.0 * (m + n) * width * width + 20.0 * width.powi(3));
        let passes = 2.0 * count * m * n;
        Work { flops: b * flops, bytes: b * (passes + rank * (m + n + 1.0)) * case.dtype.size() as f64 }
    }
}

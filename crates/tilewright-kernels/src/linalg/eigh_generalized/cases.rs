//! Evidence: LAPACK's ratios and the values themselves.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::eigh;
use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, registry, samples};
use super::{Eigh, NAME, check, eigh_generalized, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a x = b x diag(values), a = aᵀ, b = bᵀ > 0, xᵀ b x = 1",
    inputs: &[Slot::new("a", "[.., n, n]"), Slot::new("b", "[.., n, n]")],
    outputs: &[
        Slot::new("values", "[.., n]"),
        Slot::new("info", "[..]"),
        Slot::optional("vectors", "[.., n, n]"),
    ],
    args: &[
        ArgSpec { name: "upper", default: "false", doc: "the upper triangles are read, not the lower ones" },
        ArgSpec { name: "descending", default: "false", doc: "the largest value comes first" },
        ArgSpec { name: "values_only", default: "false", doc: "no vectors are given" },
    ],
    dtypes: DTYPES,
};

/// The largest n whose values are found by the truth too; beyond it the ratios bound them.
const TRUTH: usize = 40;

fn arguments(args: &Args) -> Result<Eigh> {
    Ok(Eigh {
        upper: args.bool("upper", false)?,
        descending: args.bool("descending", false)?,
        values_only: args.bool("values_only", false)?,
    })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 0]),
        edge([0, 1]),
        edge([9, 6]).set("descending", true),
        edge([2, 5]).set("upper", true).data("one_triangle"),
        edge([2, 6]).data("indefinite"),
        edge([2, 5]).data("nan"),
        edge([0, 5]).set("values_only", true),
        case(Tier::Edge, [2, 5], DType::Bf16),
        case(Tier::Edge, [9, 8], f64),
    ];
    for dtype in [f32, f64] {
        for data in ["", "indefinite", "arithmetic", "identity"] {
            for size in [[17, 20], [0, 70]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for size in [[1024, 32], [0, 512]] {
            cases.push(case(Tier::Bench, size, dtype));
        }
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
        let upper = case.args.bool("upper", false)?;
        let positive = |item| {
            let mut b = match case.data {
                // The spectrum is that of a; b has one of its own.
                "arithmetic" => samples::positive(&Case { data: "", ..case.clone() }, item, n),
                _ => samples::positive(case, item + 100, n),
            };
            if case.data == "one_triangle" {
                let unread = |e: &usize| e / n != e % n && (e / n < e % n) != upper;
                (0..n * n).filter(unread).for_each(|e| b[e] = f64::NAN);
            }
            b
        };
        Ok(vec![
            samples::stack(case, [n, n], |item| samples::symmetric(case, item, n))?,
            samples::stack(case, [n, n], positive)?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (dims, n) = (inputs[0].dims(), case.dim("n"));
        let batch = &dims[..dims.len() - 2];
        let failed = (n + samples::failing(n) + 1) as i32;
        let info = match case.data {
            "indefinite" | "nan" => failed,
            _ => 0,
        };
        let free = |shape: Vec<usize>| Expected::Free { shape, dtype: case.dtype };
        Ok(vec![
            free([batch, &[n]].concat()),
            Expected::Exact(Tensor::from_vec::<i32>(vec![info; batch.iter().product()], batch)?),
            if arguments(&case.args)?.values_only { Expected::Absent } else { free(dims.to_vec()) },
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (args, eps, n) = (arguments(&case.args)?, eps(case.dtype), case.dim("n"));
        let (a, b) = (Matrix::all(&inputs[0])?, Matrix::all(&inputs[1])?);
        let values = outputs[0].to_f64_vec()?;
        let vectors = outputs.get(2).map(Matrix::all).transpose()?;
        let info = outputs[1].to_vec::<i32>()?;
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let values = &values[item * n..][..n];
            let x = vectors.as_ref().map(|vectors| &vectors[item]);
            if info[item] != 0 {
                let all = values.iter().chain(x.into_iter().flat_map(|x| &x.values));
                residuals.push(holds("NaN where there is no result", all.copied().all(f64::is_nan)));
                continue;
            }
            let a = eigh::symmetric(&a[item], args.upper);
            let b = eigh::symmetric(&b[item], args.upper);
            let mut ascending = values.to_vec();
            if args.descending {
                ascending.reverse();
            }
            residuals.push(holds("in order", ascending.windows(2).all(|pair| pair[0] <= pair[1])));
            if (1..=TRUTH).contains(&n) && item < 2 {
                let error = reference::values_error(&a, &b, &ascending, eps);
                residuals.push(residual("|l - truth| / (n |c| eps)", error, case.dtype));
            }
            let Some(x) = x else { continue };
            let error = reference::backward_error(&a, &b, values, x, eps);
            residuals.push(residual("|a x - b x l| / (n |a| |x| eps)", error, case.dtype));
            let error = reference::orthogonality(&b, x, eps);
            residuals.push(residual("|1 - xᵀ b x| / (n eps)", error, case.dtype));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check(device, case.dtype, case.dim("b").max(1), case.dim("n"))?;
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
        let found = eigh_generalized(stream, a, b, &arguments(args)?)?;
        Ok([Some(found.values), Some(found.info), found.vectors].into_iter().flatten().collect())
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        // Golub and Van Loan's count of the symmetric QR algorithm, the factor, and three triangular solves.
        let flops = (9.0 + 1.0 / 3.0 + 3.0) * n * n * n;
        Work { flops: b * flops, bytes: b * (3.0 * n * n + n) * case.dtype.size() as f64 }
    }
}

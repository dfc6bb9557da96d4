//! Evidence: LAPACK's ratios and the values themselves, on matrices of all spectra and scales.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, orthogonality, residual};
use super::super::{DTYPES, registry, samples, vendor};
use super::{Eigh, NAME, reference, run, variants};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a q = q diag(values), a = aᵀ",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[
        Slot::new("values", "[.., n]"),
        Slot::new("info", "[..]"),
        Slot::optional("vectors", "[.., n, n]"),
    ],
    args: &[
        ArgSpec { name: "upper", default: "false", doc: "the upper triangle is read, not the lower one" },
        ArgSpec { name: "descending", default: "false", doc: "the largest value comes first" },
        ArgSpec { name: "values_only", default: "false", doc: "no vectors are given" },
    ],
    dtypes: DTYPES,
};

/// The largest n whose values are found by the truth too; beyond it the ratios bound them.
const TRUTH: usize = 70;

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
        edge([0, 1]).set("upper", true),
        edge([9, 2]).set("descending", true),
        edge([9, 7]).data("one_triangle"),
        edge([2, 7]).data("nan"),
        edge([9, 7]).data("infinity"),
        edge([9, 8]).data("opposite").set("upper", true),
        edge([0, 6]).data("zero"),
        edge([9, 5]).data("huge"),
        edge([0, 5]).data("tiny").set("values_only", true),
        edge([0, 21]).data("wilkinson"),
        edge([0, 19]).data("sliced").set("descending", true),
        edge([0, 35]).data("low_rank"),
        case(Tier::Edge, [2, 6], DType::Bf16),
        case(Tier::Edge, [2, 5], DType::F16),
        case(Tier::Edge, [9, 12], f64).data("geometric"),
    ];
    for dtype in [f32, f64] {
        for data in [
            "",
            "geometric",
            "arithmetic",
            "one_large",
            "one_small",
            "low_rank",
            "opposite",
            "graded",
            "huge",
            "tiny",
            "wilkinson",
            "identity",
            "hilbert",
        ] {
            for size in [[17, 32], [3, 64], [0, 97], [2, 128]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for (data, [b, n]) in registry::SPECTRA.into_iter().zip(registry::BESIDE) {
            cases.push(case(Tier::Check, [b, n], dtype).data(data));
        }
        cases.push(case(Tier::Check, [9, 33], dtype).set("values_only", true).set("descending", true));
        cases.push(case(Tier::Check, [2, 150], dtype));
        cases.push(case(Tier::Check, [3, 140], dtype).set("descending", true).set("upper", true));
        cases.push(case(Tier::Check, [0, 530], dtype));
        for data in ["low_rank", "falling_low_rank", "one_small", "opposite", "huge", "tiny"] {
            cases.push(case(Tier::Check, [0, 131], dtype).data(data));
        }
        for data in ["identity", "wilkinson", "graded", "geometric", "hilbert"] {
            cases.push(case(Tier::Check, [2, 150], dtype).data(data));
        }
        for size in registry::TIMED {
            cases.push(case(Tier::Bench, size, dtype));
        }
    }
    for size in registry::TIMED_F32 {
        cases.push(case(Tier::Bench, size, f32));
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
        Ok(vec![samples::stack(case, [n, n], |item| samples::symmetric(case, item, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (dims, n) = (inputs[0].dims(), case.dim("n"));
        let batch = &dims[..dims.len() - 2];
        let info = vec![i32::from(matches!(case.data, "nan" | "infinity")); batch.iter().product()];
        let values_only = arguments(&case.args)?.values_only;
        let free = |shape: Vec<usize>| Expected::Free { shape, dtype: case.dtype };
        Ok(vec![
            free([batch, &[n]].concat()),
            Expected::Exact(Tensor::from_vec::<i32>(info, batch)?),
            if values_only { Expected::Absent } else { free(dims.to_vec()) },
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (args, eps, n) = (arguments(&case.args)?, eps(case.dtype), case.dim("n"));
        let (a, values) = (Matrix::all(&inputs[0])?, outputs[0].to_f64_vec()?);
        let vectors = outputs.get(2).map(Matrix::all).transpose()?;
        let info = outputs[1].to_vec::<i32>()?;
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let values = &values[item * n..][..n];
            let q = vectors.as_ref().map(|vectors| &vectors[item]);
            if info[item] != 0 {
                let all = values.iter().chain(q.into_iter().flat_map(|q| &q.values));
                residuals.push(holds("NaN where there is no result", all.copied().all(f64::is_nan)));
                continue;
            }
            let a = reference::symmetric(&a[item], args.upper);
            let mut ascending = values.to_vec();
            if args.descending {
                ascending.reverse();
            }
            residuals.push(holds("in order", ascending.windows(2).all(|pair| pair[0] <= pair[1])));
            if n <= TRUTH && item < 2 {
                let error = reference::value_error(&ascending, &reference::eigenvalues(&a), eps);
                residuals.push(residual("|l - truth| / (n |a| eps)", error, case.dtype));
            }
            let Some(q) = q else { continue };
            let error = reference::backward_error(&a, values, q, eps);
            residuals.push(residual("|a - q l qᵀ| / (n |a| eps)", error, case.dtype));
            residuals.push(residual("|1 - qᵀ q| / (n eps)", orthogonality(q, eps), case.dtype));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        Ok(registry::timed(case, variants(device, case.dtype, case.dim("b").max(1), case.dim("n"))?))
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [a] = registry::inputs(NAME, inputs)?;
        let found = run(stream, variant, a, &arguments(args)?)?;
        Ok([Some(found.values), Some(found.info), found.vectors].into_iter().flatten().collect())
    }

    fn on_host(&self, device: Device, variant: &str) -> Option<&'static str> {
        (device != Device::Cpu && variant == vendor::VARIANT)
            .then_some("cuSOLVER's own steps of divide and conquer: its call ends when nearly all is done")
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        // Golub and Van Loan's count of the symmetric QR algorithm.
        Work { flops: b * 9.0 * n * n * n, bytes: b * (2.0 * n * n + n) * case.dtype.size() as f64 }
    }
}

//! Evidence: LAPACK's ratios and the values themselves, on matrices of all spectra, ranks and scales, tall, wide and square.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Value, Work,
};

use super::super::eigh::value_error;
use super::super::ratios::{Matrix, eps, holds, is_ordered, judged, orthogonality, residual};
use super::super::{DTYPES, gram, registry, samples};
use super::{NAME, Svd, SvdMode, reference, run, variants};
use crate::arguments::check_f64;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a = u diag(s) vᵀ",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[
        Slot::new("s", "[.., k]"),
        Slot::new("info", "[..]"),
        Slot::optional("u", "[.., m, k]"),
        Slot::optional("vt", "[.., k, n]"),
    ],
    args: &[
        ArgSpec {
            name: "mode",
            default: "reduced",
            doc: "reduced, full (u and vt are square) or values (neither)",
        },
        ArgSpec { name: "rank", default: "all", doc: "so many of the largest values, with their vectors" },
    ],
    dtypes: DTYPES,
};

/// The largest m + n whose values are found by the truth too; beyond it the ratios bound them.
const TRUTH: usize = 100;

fn arguments(args: &Args) -> Result<Svd> {
    let rank = match args.get("rank") {
        None => None,
        Some(Value::Text(text)) if text == "all" => None,
        Some(_) => Some(args.size("rank", 0)?),
    };
    Ok(Svd { mode: args.text("mode", "reduced")?.parse()?, rank })
}

/// How many values are given.
fn values(case: &Case) -> Result<usize> {
    Ok(arguments(&case.args)?.rank.unwrap_or(case.dim("m").min(case.dim("n"))))
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 3, 0]).set("mode", "full"),
        edge([0, 1, 1]),
        edge([9, 6, 6]).data("dependent"),
        edge([8, 4, 5]).data("ones"),
        edge([9, 7, 3]).set("mode", "full"),
        edge([2, 3, 8]).data("transposed"),
        edge([2, 4, 6]).data("low_rank").set("mode", "full"),
        edge([2, 6, 5]).data("low_rank").set("rank", 3i64),
        edge([2, 5, 5]).data("nan"),
        edge([9, 5, 5]).data("infinity"),
        edge([0, 5, 4]).data("zero").set("mode", "full"),
        edge([9, 4, 4]).data("huge"),
        edge([0, 5, 5]).data("tiny").set("mode", "values"),
        edge([0, 18, 13]).data("geometric"),
        edge([0, 34, 34]).data("diagonal"),
        // Tall enough for the tree of the QR decomposition.
        edge([2, 140, 3]).data("low_rank"),
        // Beyond what the registers of a group hold; few turns, as the emulator takes its time.
        edge([0, 129, 129]).data("diagonal"),
        case(Tier::Edge, [2, 7, 5], DType::Bf16),
        case(Tier::Edge, [2, 5, 4], DType::F16),
        case(Tier::Edge, [9, 12, 12], f64).data("geometric"),
    ];
    for dtype in [f32, f64] {
        for data in [
            "",
            "geometric",
            "one_large",
            "one_small",
            "low_rank",
            "graded",
            "huge",
            "tiny",
            "kahan",
            "hilbert",
            "vandermonde",
            "zero_column",
            "identity",
        ] {
            for size in [[17, 32, 32], [9, 60, 20], [0, 90, 128], [2, 64, 64]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for (data, [b, n]) in registry::SPECTRA.into_iter().zip(registry::BESIDE) {
            cases.push(case(Tier::Check, [b, n, n], dtype).data(data));
        }
        for size in [[8, 4, 5], [17, 5, 4], [9, 12, 12], [20, 64, 48], [2, 70, 66]] {
            cases.push(case(Tier::Check, size, dtype).data("ones"));
        }
        cases.push(case(Tier::Check, [9, 33, 40], dtype).set("mode", "values"));
        cases.push(case(Tier::Check, [9, 30, 20], dtype).data("low_rank").set("rank", 10i64));
        cases.push(case(Tier::Check, [0, 33, 40], dtype).set("mode", "values").set("rank", 0i64));
        cases.push(case(Tier::Check, [2, 128, 128], dtype).data("zero").set("mode", "full"));
        cases.push(case(Tier::Check, [2, 150, 140], dtype).data("low_rank"));
        for size in [[0, 150, 150], [2, 200, 140]] {
            cases.push(case(Tier::Check, size, dtype).data("falling_low_rank"));
        }
        cases.push(case(Tier::Check, [0, 540, 530], dtype));
        // Single ones of more columns than stay on a chip: as they are, and after a QR decomposition.
        for data in ["", "geometric", "one_small", "low_rank", "zero", "huge", "tiny", "kahan", "nan"] {
            let plain = case(Tier::Check, [0, 150, 140], dtype);
            cases.push(if data.is_empty() { plain } else { plain.data(data) });
        }
        cases.push(case(Tier::Check, [0, 140, 150], dtype).set("mode", "full"));
        cases.push(case(Tier::Check, [0, 150, 150], dtype).set("mode", "values"));
        cases.push(case(Tier::Check, [0, 1100, 130], dtype).data("zero_column"));
        for [b, n] in registry::TIMED {
            cases.push(case(Tier::Bench, [b, n, n], dtype));
        }
        cases.push(case(Tier::Bench, [0, 1_000_000, 32], dtype));
        if dtype == f32 {
            // A batch that only the library's takes on a GPU, one by one.
            cases.push(case(Tier::Check, [2, 1100, 1040], dtype));
            cases.push(case(Tier::Bench, [0, 256, 256], dtype));
            cases.push(case(Tier::Bench, [0, 4096, 4096], dtype));
            cases.push(case(Tier::Bench, [0, 100_000, 256], dtype));
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
        let (m, n) = (case.dim("m"), case.dim("n"));
        Ok(vec![samples::stack(case, [m, n], |item| samples::general(case, item, m, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (m, n, mode) = (case.dim("m"), case.dim("n"), arguments(&case.args)?.mode);
        let k = values(case)?;
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        let info = vec![i32::from(matches!(case.data, "nan" | "infinity")); batch.iter().product()];
        let free = |tail: &[usize]| Expected::Free { shape: [batch, tail].concat(), dtype: case.dtype };
        let [u, vt] = match mode {
            SvdMode::Values => [Expected::Absent, Expected::Absent],
            SvdMode::Reduced => [free(&[m, k]), free(&[k, n])],
            SvdMode::Full => [free(&[m, m]), free(&[n, n])],
        };
        Ok(vec![free(&[k]), Expected::Exact(Tensor::from_vec::<i32>(info, batch)?), u, vt])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (eps, m, n) = (eps(case.dtype), case.dim("m"), case.dim("n"));
        let k = values(case)?;
        let (a, s) = (Matrix::all(&inputs[0])?, outputs[0].to_f64_vec()?);
        let vectors = match outputs {
            [_, _, u, vt] => Some((Matrix::all(u)?, Matrix::all(vt)?)),
            _ => None,
        };
        let info = outputs[1].to_vec::<i32>()?;
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, s) = (&a[item], &s[item * k..][..k]);
            let vectors = vectors.as_ref().map(|(u, vt)| (&u[item], &vt[item]));
            if info[item] != 0 {
                let all = vectors.into_iter().flat_map(|(u, vt)| u.values.iter().chain(&vt.values));
                let all = all.chain(s).copied();
                residuals.push(holds("NaN where there is no result", all.into_iter().all(f64::is_nan)));
                continue;
            }
            residuals.push(holds("descending and not below zero", is_ordered(s)));
            if m + n <= TRUTH && item < 2 {
                let error = value_error(s, &reference::singular_values(a), eps);
                residuals.push(residual("|s - truth| / (k |a| eps)", error, case.dtype));
            }
            let Some((u, vt)) = vectors else { continue };
            let error = reference::backward_error(a, u, s, vt, eps);
            residuals.push(residual("|a - u s vᵀ| / (max(m, n) |a| eps)", error, case.dtype));
            residuals.push(residual("|1 - uᵀ u| / (m eps)", orthogonality(u, eps), case.dtype));
            let error = orthogonality(&vt.transposed(), eps);
            residuals.push(residual("|1 - v vᵀ| / (n eps)", error, case.dtype));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        let extents = registry::extents(case);
        check_f64(NAME, device, case.dtype)?;
        Ok(registry::timed(case, variants(device, case.dtype, &extents, arguments(&case.args)?.mode)?))
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
        let factors = run(stream, variant, a, &arguments(args)?)?;
        Ok([Some(factors.s), Some(factors.info), factors.u, factors.vt].into_iter().flatten().collect())
    }

    fn on_host(&self, device: Device, variant: &str) -> Option<&'static str> {
        (device != Device::Cpu && variant == gram::VARIANT)
            .then_some("how vectors are made, by the eigenvalues read; and what `eigh` leaves to it")
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, m, n) = (b.max(1.0), m.max(n), m.min(n));
        // Golub and Van Loan's count of the R-SVD.
        let flops = 6.0 * m * n * n + 20.0 * n * n * n;
        Work { flops: b * flops, bytes: b * (2.0 * m * n + n * n + n) * case.dtype.size() as f64 }
    }
}

//! Evidence: LAPACK's ratios, on matrices of all spectra, ranks and scales, tall, wide and square.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, orthogonality, residual};
use super::super::{DTYPES, registry, samples, vendor};
use super::{NAME, Qr, QrMode, is_in_memory, reference, run, variants};
use crate::arguments::only_variant;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a = q r",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("r", "[.., k, n]"), Slot::optional("q", "[.., m, k]")],
    args: &[
        ArgSpec { name: "mode", default: "reduced", doc: "reduced, complete (q is square) or r (no q)" },
        ArgSpec { name: "nonnegative", default: "false", doc: "no element of r's diagonal is negative" },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<Qr> {
    Ok(Qr { mode: args.text("mode", "reduced")?.parse()?, nonnegative: args.bool("nonnegative", false)? })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([0, 0, 3]),
        edge([2, 3, 0]).set("mode", "complete"),
        edge([0, 1, 1]).set("nonnegative", true),
        edge([9, 7, 3]),
        edge([9, 7, 3]).set("mode", "complete").set("nonnegative", true),
        edge([2, 3, 8]).data("transposed").set("mode", "r"),
        edge([0, 31, 31]).data("geometric").set("nonnegative", true),
        edge([0, 70, 40]).data("one_small"),
        edge([0, 40, 50]).data("zero_column").set("mode", "complete"),
        // Tall enough for pieces, of which the last is short of rows, and for pieces of what they leave.
        edge([2, 259, 5]).data("low_rank"),
        edge([0, 1100, 17]).data("geometric").set("nonnegative", true),
        edge([0, 140, 2]).data("zero").set("mode", "r"),
        edge([9, 6, 6]).data("zero"),
        edge([9, 6, 6]).data("huge"),
        edge([9, 6, 6]).data("tiny"),
        // In the last column, and in the only one: there is nothing beside it that blocks or their order may spread it to.
        edge([9, 7, 2]).data("nan").set("mode", "r"),
        edge([0, 40, 2]).data("infinity").set("mode", "r"),
        edge([2, 5, 1]).data("nan"),
        case(Tier::Edge, [2, 7, 5], DType::Bf16),
        case(Tier::Edge, [2, 5, 4], DType::F16).set("nonnegative", true),
        case(Tier::Edge, [9, 12, 12], f64),
    ];
    for dtype in [f32, f64] {
        for data in
            ["", "geometric", "one_large", "one_small", "low_rank", "graded", "huge", "tiny", "vandermonde"]
        {
            for size in [[20, 31, 31], [9, 64, 20], [0, 128, 128], [0, 90, 150]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data).set("nonnegative", true) });
            }
        }
        for (data, [b, n]) in registry::SPECTRA.into_iter().zip(registry::BESIDE) {
            cases.push(case(Tier::Check, [b, n, n], dtype).data(data));
        }
        for data in ["nan", "infinity"] {
            for m in [5, 33, 100] {
                cases.push(case(Tier::Check, [9, m, 2], dtype).data(data).set("mode", "r"));
                cases.push(case(Tier::Check, [0, m, 1], dtype).data(data));
            }
        }
        cases.push(case(Tier::Check, [0, 1000, 70], dtype));
        // On GPUs panels of 4 and of 2 columns, and columns in memory.
        for m in [4500, 8500, 16500] {
            cases.push(case(Tier::Check, [0, m, 33], dtype));
        }
        // So tall that a GPU may take aᵀ a apart: of one block of columns, of several, of all conditions and ranks.
        for data in [
            "",
            "geometric",
            "one_small",
            "low_rank",
            "zero_column",
            "ones",
            "zero",
            "graded",
            "huge",
            "tiny",
            "kahan",
        ] {
            for size in [[2, 600, 31], [0, 900, 70], [3, 150, 150], [0, 192, 192]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data).set("nonnegative", true) });
            }
        }
        cases.push(case(Tier::Check, [0, 900, 100], dtype).data("one_small").set("mode", "r"));
        cases.push(case(Tier::Check, [0, 2100, 250], dtype));
        cases.push(case(Tier::Check, [0, 2100, 256], dtype).data("zero_column"));
        for data in ["one_small", "graded", "huge", "tiny"] {
            cases.push(case(Tier::Check, [2, 1500, 32], dtype).data(data));
        }
        for [b, n] in registry::TIMED {
            cases.push(case(Tier::Bench, [b, n, n], dtype));
        }
        for size in [[0, 100_000, 32], [0, 1_000_000, 32], [0, 100_000, 256]] {
            cases.push(case(Tier::Bench, size, dtype));
        }
    }
    for [b, n] in registry::TIMED_F32 {
        cases.push(case(Tier::Bench, [b, n, n], f32));
    }
    // Of a condition at which aᵀ a alone says nothing of the last columns.
    cases.push(case(Tier::Bench, [0, 100_000, 256], f32).data("geometric"));
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
        let rows = mode.rows(m, n);
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        let free = |tail: [usize; 2]| Expected::Free { shape: [batch, &tail].concat(), dtype: case.dtype };
        let q = if mode == QrMode::R { Expected::Absent } else { free([m, rows]) };
        Ok(vec![free([rows, n]), q])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (args, eps) = (arguments(&case.args)?, eps(case.dtype));
        let (a, r) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let q = outputs.get(1).map(Matrix::all).transpose()?;
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, r) = (&a[item], &r[item]);
            residuals.push(holds("r is upper trapezoidal", reference::is_upper(r, args.nonnegative)));
            if matches!(case.data, "nan" | "infinity") {
                let last = r.n - 1;
                let first = |x: &Matrix| Matrix::new(x.m, last, |i, j| x.at(i, j));
                let error = reference::gram_error(&first(a), &first(r), eps);
                residuals.push(residual("|aᵀ a - rᵀ r| / (m |a|² eps) before it", error, case.dtype));
                let lost = (0..=last).map(|i| r.at(i, last));
                let lost = lost.chain(q.iter().flat_map(|q| q[item].values.iter().copied()));
                residuals
                    .push(holds("not finite from its column on", lost.into_iter().all(|x| !x.is_finite())));
                continue;
            }
            let Some(q) = q.as_ref().map(|q| &q[item]) else {
                let error = reference::gram_error(a, r, eps);
                residuals.push(residual("|aᵀ a - rᵀ r| / (m |a|² eps)", error, case.dtype));
                continue;
            };
            let error = reference::backward_error(a, q, r, eps);
            residuals.push(residual("|a - q r| / (m |a| eps)", error, case.dtype));
            residuals.push(residual("|1 - qᵀ q| / (m eps)", orthogonality(q, eps), case.dtype));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        let mode = arguments(&case.args)?.mode;
        let extents = registry::extents(case);
        let mut known = registry::timed(case, variants(device, case.dtype, &extents, mode)?);
        // So many rows in the memory of one group of threads take seconds, and are what nothing else takes.
        if case.tier == Tier::Bench && is_in_memory(&extents, mode) && known.len() > 1 {
            known.retain(|&variant| variant != only_variant(device));
        }
        Ok(known)
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
        Ok([Some(factors.r), factors.q].into_iter().flatten().collect())
    }

    fn on_host(&self, device: Device, variant: &str) -> Option<&'static str> {
        vendor::decides(device, variant)
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, k) = (b.max(1.0), m.min(n));
        let (r, q) = (
            4.0 * m * n * k - 2.0 * (m + n) * k * k + 4.0 / 3.0 * k * k * k,
            2.0 * m * k * k - 2.0 / 3.0 * k * k * k,
        );
        Work { flops: b * (r + q), bytes: b * (m * n + k * (m + n)) * case.dtype.size() as f64 }
    }
}

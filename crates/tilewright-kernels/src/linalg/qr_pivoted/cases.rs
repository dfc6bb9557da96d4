//! Evidence: LAPACK's ratios, the order of the diagonal, and the rank, on matrices of all spectra, ranks and scales.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::lu;
use super::super::qr::{backward_error, gram_error, is_upper};
use super::super::ratios::{Matrix, eps, holds, judged, orthogonality, residual};
use super::super::{DTYPES, registry, samples};
use super::{NAME, Qr, QrMode, qr_pivoted, reference};
use crate::arguments::{check_f64, choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a[:, permutation] = q r, |r_11| >= |r_22| >= ..",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[
        Slot::new("r", "[.., k, n]"),
        Slot::new("permutation", "[.., n]"),
        Slot::optional("q", "[.., m, k]"),
    ],
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
        edge([2, 3, 0]).set("mode", "complete"),
        edge([0, 1, 1]).set("nonnegative", true),
        edge([9, 7, 3]).set("mode", "complete").set("nonnegative", true),
        edge([9, 3, 8]).data("transposed"),
        edge([9, 8, 8]).data("low_rank"),
        edge([2, 6, 6]).data("zero"),
        edge([8, 4, 5]).data("ones"),
        edge([2, 6, 5]).data("huge"),
        edge([2, 5, 6]).data("tiny").set("mode", "r"),
        // Beyond the registers of a SIMD group; its columns in two tiles.
        edge([0, 40, 35]).data("kahan"),
        edge([2, 35, 41]).data("low_rank"),
        case(Tier::Edge, [2, 7, 5], DType::Bf16),
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
            "kahan",
            "hilbert",
            "vandermonde",
            "huge",
            "tiny",
        ] {
            for size in [[20, 31, 31], [9, 64, 20], [0, 90, 150], [2, 70, 70]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        cases.push(case(Tier::Check, [0, 530, 80], dtype).data("low_rank"));
        cases.push(case(Tier::Check, [0, 60, 540], dtype));
        // Vectors that no group's memory holds.
        cases.push(case(Tier::Check, [0, 4500, 12], dtype));
        for size in [[1000, 32, 32], [1024, 64, 64], [0, 512, 512], [0, 1024, 1024]] {
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
        let (m, n) = (case.dim("m"), case.dim("n"));
        Ok(vec![samples::stack(case, [m, n], |item| samples::general(case, item, m, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (m, n, mode) = (case.dim("m"), case.dim("n"), arguments(&case.args)?.mode);
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        let free = |tail: &[usize], dtype| Expected::Free { shape: [batch, tail].concat(), dtype };
        let rows = mode.rows(m, n);
        let q = if mode == QrMode::R { Expected::Absent } else { free(&[m, rows], case.dtype) };
        Ok(vec![free(&[rows, n], case.dtype), free(&[n], DType::I32), q])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (args, eps, n) = (arguments(&case.args)?, eps(case.dtype), case.dim("n"));
        let (a, r) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let permutations = outputs[1].to_vec::<i32>()?;
        let q = outputs.get(2).map(Matrix::all).transpose()?;
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, r, permutation) = (&a[item], &r[item], &permutations[item * n..][..n]);
            let valid = lu::is_permutation(permutation);
            residuals.push(holds("the permutation is one", valid));
            residuals.push(holds("r is upper trapezoidal", is_upper(r, args.nonnegative)));
            if !valid {
                continue;
            }
            let error = reference::order_error(r, eps);
            residuals.push(residual("longer than the diagonal / (n root(eps))", error, case.dtype));
            if case.data == "low_rank" {
                let rank = a.m.min(n).div_ceil(2);
                let error = reference::rank_error(r, rank, eps);
                residuals.push(residual("|r from the rank on| / (n |r| eps)", error, case.dtype));
            }
            let a = reference::permuted(a, permutation);
            let Some(q) = q.as_ref().map(|q| &q[item]) else {
                let error = gram_error(&a, r, eps);
                residuals.push(residual("|aᵀ a - rᵀ r| / (m |a|² eps)", error, case.dtype));
                continue;
            };
            residuals.push(residual("|a p - q r| / (m |a| eps)", backward_error(&a, q, r, eps), case.dtype));
            residuals.push(residual("|1 - qᵀ q| / (m eps)", orthogonality(q, eps), case.dtype));
        }
        Ok(residuals)
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
        let factors = qr_pivoted(stream, a, &arguments(args)?)?;
        Ok([Some(factors.r), Some(factors.permutation), factors.q].into_iter().flatten().collect())
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, k) = (b.max(1.0), m.min(n));
        let r = 4.0 * m * n * k - 2.0 * (m + n) * k * k + 4.0 / 3.0 * k * k * k;
        let q = 2.0 * m * k * k - 2.0 / 3.0 * k * k * k;
        Work { flops: b * (r + q), bytes: b * (m * n + k * (m + n)) * case.dtype.size() as f64 }
    }
}

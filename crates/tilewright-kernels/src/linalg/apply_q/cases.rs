//! Evidence: LAPACK's ratio, against the product formed in f64.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, residual};
use super::super::{DTYPES, qr_reflectors, registry, samples};
use super::{ApplyQ, NAME, apply_q, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "out = h_1 .. h_k c",
    inputs: &[
        Slot::new("reflectors", "[.., m, n]"),
        Slot::new("tau", "[.., k]"),
        Slot::new("c", "[.., m, p]"),
    ],
    outputs: &[Slot::new("out", "[.., m, p]")],
    args: &[ArgSpec { name: "transpose", default: "false", doc: "the transpose of the product is applied" }],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n, p]: [usize; 4], dtype| {
        Case::new(tier, &[("b", b), ("m", m), ("n", n), ("p", p)], dtype)
    };
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([0, 0, 3, 2]),
        edge([0, 3, 0, 2]),
        edge([2, 3, 2, 0]),
        edge([0, 1, 1, 1]),
        edge([9, 7, 3, 5]),
        edge([2, 5, 8, 40]).set("transpose", true),
        edge([0, 35, 19, 3]),
        edge([2, 70, 40, 33]).set("transpose", true),
        edge([9, 6, 6, 6]).data("low_rank"),
        case(Tier::Edge, [2, 6, 6, 3], DType::Bf16),
        case(Tier::Edge, [9, 12, 12, 4], f64).set("transpose", true),
    ];
    for dtype in [f32, f64] {
        for data in ["geometric", "low_rank", "zero_column"] {
            for size in [[20, 31, 31, 7], [0, 128, 128, 20], [0, 150, 70, 150]] {
                cases.push(case(Tier::Check, size, dtype).data(data));
                cases.push(case(Tier::Check, size, dtype).data(data).set("transpose", true));
            }
        }
        cases.push(case(Tier::Bench, [1000, 32, 32, 32], dtype));
        cases.push(case(Tier::Bench, [0, 512, 512, 512], dtype));
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
        // What the reflections were made of does not matter to the judge, which multiplies them out.
        let a = samples::stack(case, [m, n], |item| samples::general(case, item, m, n))?;
        let q = qr_reflectors(&Stream::cpu(), &a)?;
        let c = samples::stack(case, [m, p], |item| samples::uniform(case, 8 * item + 7, m * p))?;
        Ok(vec![q.reflectors, q.tau, c])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        Ok(vec![Expected::Free { shape: inputs[2].dims().to_vec(), dtype: case.dtype }])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let transpose = case.args.bool("transpose", false)?;
        let (v, c, out) = (Matrix::all(&inputs[0])?, Matrix::all(&inputs[2])?, Matrix::all(&outputs[0])?);
        let (tau, k) = (inputs[1].to_f64_vec()?, case.dim("m").min(case.dim("n")));
        let each = (0..v.len()).map(|item| {
            let q = qr_reflectors::product(&v[item], &tau[item * k..][..k]);
            let error = reference::error(&q, &c[item], &out[item], transpose, eps(case.dtype));
            residual("|out - q c| / (m |c| eps)", error, case.dtype)
        });
        Ok(each.collect())
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
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
        let [reflectors, tau, c] = registry::inputs(NAME, inputs)?;
        let args = ApplyQ { transpose: args.bool("transpose", false)? };
        Ok(vec![apply_q(stream, reflectors, tau, c, &args)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n, p] = ["b", "m", "n", "p"].map(|name| case.dim(name) as f64);
        let (b, k) = (b.max(1.0), m.min(n));
        Work {
            flops: b * 2.0 * p * k * (2.0 * m - k),
            bytes: b * (m * n + 2.0 * m * p) * case.dtype.size() as f64,
        }
    }
}

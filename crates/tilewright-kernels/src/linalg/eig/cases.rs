//! Evidence: residuals of the vectors, and what the values have to satisfy, on matrices of all spectra and scales.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, registry, samples};
use super::reference::{self, Number};
use super::{Eig, NAME, check, eig};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a v = v diag(w), of a general matrix; w and v complex",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[
        Slot::new("re", "[.., n]"),
        Slot::new("im", "[.., n]"),
        Slot::new("info", "[..]"),
        Slot::optional("vectors_re", "[.., n, n]"),
        Slot::optional("vectors_im", "[.., n, n]"),
    ],
    args: &[ArgSpec { name: "values_only", default: "false", doc: "no vectors are given" }],
    dtypes: DTYPES,
};

/// The largest n whose values are each judged by inverse iteration.
const TRUTH: usize = 40;

fn arguments(args: &Args) -> Result<Eig> {
    Ok(Eig { values_only: args.bool("values_only", false)? })
}

/// n x n, of the kind that the case's data name: those of this kernel, or of all.
fn matrix(case: &Case, item: u64, n: usize) -> Vec<f64> {
    let value = |i: usize, j: usize| match case.data {
        // Steps without exceptional shifts leave it as it is.
        "cyclic" => f64::from(u8::from(j == (i + 1) % n)),
        // One vector for all values, which are 1/2.
        "jordan" if i == j => 0.5,
        "jordan" => f64::from(u8::from(j == i + 1)),
        // Pairs all over, of the same modulus.
        "turns" if i / 2 == j / 2 => {
            let angle = (1 + i / 2) as f64;
            if i == j { angle.cos() } else { angle.sin() * (j as f64 - i as f64) }
        }
        "turns" => 0.0,
        // Values far from normal to each other, beside a large triangle.
        "triangular" if j < i => 0.0,
        "triangular" => 1.0 / (1 + i + 2 * j) as f64 + f64::from(u8::from(i == j)) * (i % 3) as f64,
        _ => f64::NAN,
    };
    match case.data {
        "cyclic" | "jordan" | "turns" | "triangular" => (0..n * n).map(|e| value(e / n, e % n)).collect(),
        _ => samples::general(case, item, n, n),
    }
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 0]),
        edge([0, 1]),
        edge([9, 2]),
        edge([3, 7]),
        edge([2, 7]).data("nan"),
        edge([0, 6]).data("zero"),
        edge([2, 5]).data("huge"),
        edge([0, 5]).data("tiny").set("values_only", true),
        edge([0, 8]).data("cyclic"),
        edge([0, 9]).data("jordan"),
        edge([0, 10]).data("turns").set("values_only", true),
        edge([0, 11]).data("low_rank"),
        edge([0, 35]).data("sliced"),
        case(Tier::Edge, [2, 6], DType::Bf16),
        case(Tier::Edge, [2, 5], DType::F16),
        case(Tier::Edge, [3, 12], f64).data("geometric"),
    ];
    for dtype in [f32, f64] {
        for data in [
            "",
            "geometric",
            "arithmetic",
            "one_large",
            "low_rank",
            "graded",
            "huge",
            "tiny",
            "wilkinson",
            "identity",
            "hilbert",
            "kahan",
            "cyclic",
            "jordan",
            "turns",
            "triangular",
        ] {
            for size in [[5, 3], [3, 4], [9, 33], [2, 64], [0, 101]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        cases.push(case(Tier::Check, [9, 31], dtype).set("values_only", true));
        cases.push(case(Tier::Check, [2, 128], dtype));
        cases.push(case(Tier::Check, [0, 200], dtype));
        for size in [[1000, 32], [4096, 32], [1024, 64], [256, 128], [0, 128], [0, 512]] {
            cases.push(case(Tier::Bench, size, dtype));
        }
    }
    cases
}

/// Whether every number that is not real has its conjugate beside it somewhere, to the last bit.
fn in_pairs(values: &[Number]) -> bool {
    values.iter().all(|&(re, im)| im == 0.0 || values.contains(&(re, -im)))
}

/// Whether the longest component of each complex column is real and positive, and real columns are real.
fn turned(values: &[Number], re: &Matrix, im: &Matrix, eps: f64) -> bool {
    (0..values.len()).all(|j| {
        let length = |i: usize| re.at(i, j).hypot(im.at(i, j));
        let longest = (0..re.m).map(length).fold(0.0, f64::max);
        if values[j].1 == 0.0 {
            return (0..re.m).all(|i| im.at(i, j) == 0.0);
        }
        (0..re.m).any(|i| im.at(i, j) == 0.0 && re.at(i, j) >= longest * (1.0 - 8.0 * eps))
    })
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
        Ok(vec![samples::stack(case, [n, n], |item| matrix(case, item, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (dims, n) = (inputs[0].dims(), case.dim("n"));
        let batch = &dims[..dims.len() - 2];
        let info = vec![i32::from(case.data == "nan"); batch.iter().product()];
        let free = |shape: Vec<usize>| Expected::Free { shape, dtype: case.dtype };
        let values = || free([batch, &[n]].concat());
        let values_only = arguments(&case.args)?.values_only;
        let vectors = || if values_only { Expected::Absent } else { free(dims.to_vec()) };
        let info = Expected::Exact(Tensor::from_vec::<i32>(info, batch)?);
        Ok(vec![values(), values(), info, vectors(), vectors()])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (eps, n, dtype) = (eps(case.dtype), case.dim("n"), case.dtype);
        let (a, re, im) = (Matrix::all(&inputs[0])?, outputs[0].to_f64_vec()?, outputs[1].to_f64_vec()?);
        let info = outputs[2].to_vec::<i32>()?;
        let vectors = |at: usize| outputs.get(at).map(Matrix::all).transpose();
        let vectors = vectors(3)?.zip(vectors(4)?);
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (re, im) = (&re[item * n..][..n], &im[item * n..][..n]);
            let vectors = vectors.as_ref().map(|(re, im)| (&re[item], &im[item]));
            if info[item] != 0 {
                let parts = vectors.into_iter().flat_map(|(re, im)| re.values.iter().chain(&im.values));
                let all = re.iter().chain(im).chain(parts).all(|x| x.is_nan());
                residuals.push(holds("NaN where there is no result", all));
                continue;
            }
            // Over the largest element, as products of f64 near the ends of the range would leave it.
            let scale = 1.0 / a[item].largest().max(f64::MIN_POSITIVE);
            let a = a[item].scaled(scale);
            let values: Vec<Number> = re.iter().zip(im).map(|(&re, &im)| (re * scale, im * scale)).collect();
            let modulus = |value: &Number| value.0.hypot(value.1);
            let ordered = values.windows(2).all(|w| modulus(&w[0]) * (1.0 + 8.0 * eps) >= modulus(&w[1]));
            residuals.push(holds("the larger modulus first", ordered));
            residuals.push(holds("complex values in pairs", in_pairs(&values)));
            let [sum, squares] = reference::trace_errors(&a, &values, eps);
            residuals.push(residual("|sum w - tr a| / (n² |a| eps)", sum, dtype));
            residuals.push(residual("|sum w² - tr a²| / (n² |a|² eps)", squares, dtype));
            if n <= TRUTH && item < 2 {
                for &value in &values {
                    let error = reference::value_error(&a, value, eps);
                    residuals.push(residual("|(a - w) x| / (|x| n |a| eps)", error, dtype));
                }
            }
            let Some((re, im)) = vectors else { continue };
            let error = reference::backward_error(&a, &values, re, im, eps);
            residuals.push(residual("|a v - v w| / (n |a| eps)", error, dtype));
            residuals.push(residual("| |v| - 1 | / (n eps)", reference::length_error(re, im, eps), dtype));
            residuals.push(holds("the longest component real", turned(&values, re, im, eps)));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check(device, case.dtype, case.dim("n"))?;
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
        let found = eig(stream, a, &arguments(args)?)?;
        let vectors = [found.vectors_re, found.vectors_im];
        Ok([found.re, found.im, found.info].into_iter().chain(vectors.into_iter().flatten()).collect())
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        // Golub and Van Loan's count of the QR algorithm with vectors.
        Work { flops: b * 25.0 * n * n * n, bytes: b * (3.0 * n * n + 2.0 * n) * case.dtype.size() as f64 }
    }
}

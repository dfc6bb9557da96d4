//! Evidence. Orthonormal columns are not unique to the last bit, so they are judged by LAPACK's ratios, on the hard matrices that its testers use:
//! nearly dependent, of a given condition, graded, of low rank, with zero and repeated columns, near overflow and underflow, and Hilbert's.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::super::samples;
use super::reference::Problem;
use super::{DTYPES, NAME, Orthonormalize, gpu, orthonormalize};
use crate::arguments::choose;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "gram_schmidt",
    math: "span [basis, q] = span [basis, a], orthonormal",
    inputs: &[Slot::new("a", "[.., m, n]"), Slot::optional("basis", "[.., m, k]")],
    outputs: &[Slot::new("q", "[.., m, n]"), Slot::new("rank", "[..]")],
    args: &[ArgSpec {
        name: "tolerance",
        default: "10 (k + n) eps",
        doc: "part of a column's norm that must be left for it to be independent, 0 to 1",
    }],
    dtypes: DTYPES,
};

/// LAPACK's threshold.
const LIMIT: f64 = 30.0;

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n, k]: [usize; 4], dtype| {
        Case::new(tier, &[("b", b), ("m", m), ("n", n), ("k", k)], dtype)
    };
    let (f32, f64) = (DType::F32, DType::F64);
    let mut cases = vec![
        case(Tier::Edge, [0, 1, 1, 0], f32),
        case(Tier::Edge, [0, 0, 2, 0], f32),
        case(Tier::Edge, [2, 3, 0, 0], f32),
        case(Tier::Edge, [0, 5, 3, 0], f32),
        case(Tier::Edge, [0, 3, 5, 0], f32),
        case(Tier::Edge, [3, 19, 4, 0], f32).data("transposed"),
        case(Tier::Edge, [2, 21, 3, 2], f32),
        case(Tier::Edge, [0, 9, 4, 7], f32),
        case(Tier::Edge, [0, 130, 3, 0], f32).data("nearly_dependent"),
        case(Tier::Edge, [0, 23, 5, 0], f32).data("low_rank"),
        case(Tier::Edge, [0, 23, 5, 0], f32).data("zero_columns"),
        case(Tier::Edge, [0, 6, 6, 0], f32).data("hilbert"),
        case(Tier::Edge, [0, 17, 4, 0], f32).data("huge"),
        case(Tier::Edge, [0, 17, 4, 0], f32).data("tiny"),
        case(Tier::Edge, [0, 17, 4, 3], f32).data("in_the_basis"),
        case(Tier::Edge, [3, 19, 4, 2], f64),
    ];
    for dtype in [f32, f64] {
        for data in [
            "",
            "nearly_dependent",
            "condition",
            "graded",
            "low_rank",
            "zero_columns",
            "repeated",
            "hilbert",
            "huge",
            "tiny",
            "in_the_basis",
        ] {
            let sizes: &[[usize; 4]] = match data {
                "hilbert" => &[[0, 20, 20, 0], [0, 100, 37, 0]],
                "in_the_basis" => &[[0, 300, 20, 13], [3, 50, 9, 17]],
                _ => &[[0, 300, 50, 0], [3, 100, 31, 20], [0, 40, 40, 0], [0, 5000, 17, 0]],
            };
            for &size in sizes {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        cases.push(case(Tier::Bench, [0, 100_000, 32, 0], dtype));
        cases.push(case(Tier::Bench, [0, 4096, 64, 64], dtype));
        cases.push(case(Tier::Bench, [256, 128, 32, 0], dtype));
    }
    cases
}

fn dims(case: &Case, columns: usize) -> Vec<usize> {
    [case.dim("b")].into_iter().filter(|&b| b != 0).chain([case.dim("m"), columns]).collect()
}

/// Columns in general position made orthonormal by modified Gram-Schmidt, three times; row-major.
fn orthonormal(mut a: Vec<f64>, m: usize, n: usize) -> Vec<f64> {
    for _ in 0..3 {
        for j in 0..n {
            for i in 0..j {
                let product: f64 = (0..m).map(|r| a[r * n + i] * a[r * n + j]).sum();
                (0..m).for_each(|r| a[r * n + j] -= product * a[r * n + i]);
            }
            let norm = (0..m).map(|r| a[r * n + j].powi(2)).sum::<f64>().sqrt();
            (0..m).for_each(|r| a[r * n + j] /= norm);
        }
    }
    a
}

/// One matrix of the case, row-major.
fn matrix(case: &Case, batch: u64, basis: &[f64]) -> Vec<f64> {
    let (m, n, k) = (case.dim("m"), case.dim("n"), case.dim("k"));
    let random = |part: u64, elements| samples::uniform(case, 10 * batch + part, elements);
    let a = random(1, m * n);
    let each = |value: &dyn Fn(usize, usize, f64) -> f64| -> Vec<f64> {
        a.iter().enumerate().map(|(e, &x)| value(e / n, e % n, x)).collect()
    };
    // U S Vᵀ with the singular values 10^(-decay l).
    let product = |rank: usize, decay: f64| -> Vec<f64> {
        let (u, v) = (orthonormal(random(2, m * rank), m, rank), orthonormal(random(3, n * rank), n, rank));
        each(&|i, j, _| {
            (0..rank).map(|l| u[i * rank + l] * 10f64.powf(-decay * l as f64) * v[j * rank + l]).sum()
        })
    };
    let large = if case.dtype == DType::F32 { f64::from(f32::MAX) } else { f64::MAX };
    match case.data {
        // A common direction, and a part of 100 eps that tells the columns apart.
        "nearly_dependent" => {
            let (common, part) = (random(4, m), 200.0 * case.dtype.unit_roundoff());
            each(&|i, _, x| common[i] + part * x)
        }
        "condition" => product(m.min(n), 7.0 / (m.min(n).max(2) - 1) as f64),
        "low_rank" => product(n.div_ceil(2), 0.0),
        "graded" => each(&|_, j, x| x * 0.125f64.powi(j as i32 % 30)),
        "huge" => each(&|_, j, x| x * if j % 2 == 0 { large } else { large.sqrt() }),
        "tiny" => each(&|_, j, x| x / large * if j % 2 == 0 { 1e4 } else { large.sqrt() }),
        "zero_columns" => each(&|_, j, x| if j % 3 == 1 { 0.0 } else { x }),
        "repeated" => each(&|i, j, x| if j % 2 == 1 { -3.0 * a[i * n + j - 1] } else { x }),
        "hilbert" => each(&|i, j, _| 1.0 / (i + j + 1) as f64),
        "in_the_basis" => {
            let mix = random(4, k * n);
            each(&|i, j, x| {
                let inside: f64 = (0..k).map(|l| basis[i * k + l] * mix[l * n + j]).sum();
                inside + if j % 2 == 0 { 0.0 } else { x }
            })
        }
        _ => a.clone(),
    }
}

/// The rank, where the data leave no doubt about it.
fn known_rank(case: &Case) -> Option<usize> {
    let (m, n, k) = (case.dim("m"), case.dim("n"), case.dim("k"));
    let independent = match case.data {
        "low_rank" | "repeated" => n.div_ceil(2),
        "zero_columns" => n - (n + 1) / 3,
        "in_the_basis" => n / 2,
        "" | "transposed" | "huge" | "tiny" | "graded" => n,
        _ => return None,
    };
    Some(independent.min(m - k.min(m)))
}

fn variants(device: Device, dtype: DType, n: usize) -> Result<Vec<&'static str>> {
    if device == Device::Cpu {
        return Ok(vec!["cpu"]);
    }
    gpu::check(device, dtype, n)?;
    Ok(vec!["portable"])
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (m, n, k) = (case.dim("m"), case.dim("n"), case.dim("k"));
        if case.data == "transposed" {
            return Ok(vec![samples::tensor(case, 0, &dims(case, n))?]);
        }
        let (mut all, mut bases) = (Vec::new(), Vec::new());
        for batch in 0..case.dim("b").max(1) as u64 {
            let basis = orthonormal(samples::uniform(case, 10 * batch, m * k), m, k);
            all.extend(matrix(case, batch, &basis));
            bases.extend(basis);
        }
        let mut inputs = vec![Tensor::from_f64(&all, case.dtype, dims(case, n))?];
        if k > 0 {
            inputs.push(Tensor::from_f64(&bases, case.dtype, dims(case, k))?);
        }
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let batch = inputs[0].dims()[..inputs[0].rank() - 2].to_vec();
        Ok(vec![
            Expected::Free { shape: inputs[0].dims().to_vec(), dtype: case.dtype },
            Expected::Free { shape: batch, dtype: DType::I32 },
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (m, n, k) = (case.dim("m"), case.dim("n"), case.dim("k"));
        let (a, q, ranks) = (inputs[0].to_f64_vec()?, outputs[0].to_f64_vec()?, outputs[1].to_vec::<i32>()?);
        let basis = inputs.get(1).map(Tensor::to_f64_vec).transpose()?.unwrap_or_default();
        let unit = 2.0 * case.dtype.unit_roundoff() * (k + n).max(1) as f64;
        let mut residuals = Vec::new();
        let mut add = |name, ratio, limit| residuals.push(Residual { name, ratio, limit });
        for (batch, &rank) in ranks.iter().enumerate() {
            let (a, q) = (&a[batch * m * n..][..m * n], &q[batch * m * n..][..m * n]);
            let problem = Problem { m, n, k, a, basis: &basis[batch * m * k..][..m * k], q };
            let kept = (0..n).filter(|&j| problem.is_kept(j)).count();
            add("|I - QᵀQ| / ((k + n) eps)", problem.orthogonality() / unit, LIMIT);
            add("|a - QQᵀa| / ((k + n) eps |a|)", problem.outside_the_span() / unit, LIMIT);
            add("q against a", f64::from(u8::from(problem.least_agreement() < 0.0)), 0.5);
            add("columns kept beside the rank", (kept as f64 - f64::from(rank)).abs(), 0.5);
            if let Some(known) = known_rank(case) {
                add("rank beside the true one", (known as f64 - f64::from(rank)).abs(), 0.5);
            }
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        variants(device, case.dtype, case.dim("n"))
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let (a, basis) = match inputs {
            [a] => (a, None),
            [a, basis] => (a, Some(basis)),
            _ => return Err(Error::range(NAME, "number of inputs", "1 or 2", inputs.len())),
        };
        let n = a.dims().last().copied().unwrap_or(0);
        choose(NAME, variant, &variants(stream.device(), a.dtype(), n)?)?;
        let tolerance = args.get("tolerance").map(|_| args.float("tolerance", 0.0)).transpose()?;
        let result = orthonormalize(stream, a, basis, &Orthonormalize { tolerance })?;
        Ok(vec![result.q, result.rank])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n, k] = ["b", "m", "n", "k"].map(|name| case.dim(name) as f64);
        let b = b.max(1.0);
        // Two passes of two products: each column against the basis and, on average, half of the others.
        Work {
            flops: b * 8.0 * m * n * (k + n / 2.0),
            bytes: b * m * (2.0 * n + k) * case.dtype.size() as f64,
        }
    }
}

//! Evidence. Solutions are judged by LAPACK's ratio, which holds whatever the condition: so the hard matrices are triangles of all kinds,
//! among them ones with a condition that grows exponentially.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, holds, largest, ratio, residual};
use super::super::{DTYPES, registry, samples};
use super::{NAME, TriangularSolve, reference, triangular_solve};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "op(a) x = b or x op(a) = b, a triangular",
    inputs: &[Slot::new("a", "[.., n, n]"), Slot::new("b", "[.., n, k]")],
    outputs: &[Slot::new("x", "[.., n, k]"), Slot::new("info", "[..]")],
    args: &[
        ArgSpec { name: "upper", default: "false", doc: "a is upper triangular, not lower" },
        ArgSpec { name: "right", default: "false", doc: "a stands on the right of x" },
        ArgSpec { name: "transpose", default: "false", doc: "op(a) is the transpose of a" },
        ArgSpec {
            name: "unit_diagonal",
            default: "false",
            doc: "the diagonal is taken as ones and not read",
        },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<TriangularSolve> {
    Ok(TriangularSolve {
        upper: args.bool("upper", false)?,
        right: args.bool("right", false)?,
        transpose: args.bool("transpose", false)?,
        unit_diagonal: args.bool("unit_diagonal", false)?,
    })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, n, k]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("n", n), ("k", k)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([0, 0, 2]),
        edge([0, 3, 0]),
        edge([0, 1, 1]),
        edge([3, 5, 2]).data("transposed"),
        edge([0, 33, 1]).set("upper", true),
        edge([2, 31, 6]).set("transpose", true).data("sliced"),
        edge([2, 40, 3]).set("right", true).set("upper", true),
        edge([0, 7, 70]).set("right", true).set("transpose", true),
        edge([9, 6, 1]).set("unit_diagonal", true),
        edge([0, 65, 9]).set("upper", true).set("transpose", true),
        edge([11, 9, 2]).data("singular"),
        edge([0, 50, 5]).set("upper", true).data("singular"),
        edge([3, 6, 2]).data("huge"),
        edge([3, 6, 2]).data("tiny"),
        edge([0, 20, 2]).data("graded"),
        case(Tier::Edge, [2, 18, 3], DType::Bf16),
        case(Tier::Edge, [2, 5, 3], DType::F16),
        case(Tier::Edge, [9, 12, 3], f64).set("right", true),
    ];
    for dtype in [f32, f64] {
        for data in ["", "kahan", "singular", "graded", "huge", "tiny"] {
            for (index, size) in [[20, 31, 3], [3, 64, 17], [0, 128, 1], [0, 211, 40]].into_iter().enumerate()
            {
                // Kahan's solutions grow so fast that in larger ones most elements do not matter.
                if data == "kahan" && size[1] > 31 {
                    continue;
                }
                let kinds: [&[&str]; 4] =
                    [&["upper"], &["transpose", "right"], &[], &["upper", "right", "unit_diagonal"]];
                for (kind, names) in kinds.into_iter().enumerate() {
                    // All kinds of systems on usual data, one of them on hard ones.
                    if data.is_empty() || kind == index % 3 {
                        let plain = case(Tier::Check, size, dtype);
                        let plain = if data.is_empty() { plain } else { plain.data(data) };
                        cases.push(names.iter().fold(plain, |case, name| case.set(name, true)));
                    }
                }
            }
        }
        cases.push(case(Tier::Check, [0, 600, 5], dtype));
        for size in [[1000, 32, 1], [1000, 32, 32], [0, 512, 512], [0, 1024, 1]] {
            cases.push(case(Tier::Bench, size, dtype));
        }
    }
    cases
}

/// A triangle in a matrix whose other elements are NaN where nobody may read them.
fn triangle(case: &Case, item: u64, n: usize, args: &TriangularSolve) -> Vec<f64> {
    let mut a = samples::general(case, item, n, n);
    for (e, x) in a.iter_mut().enumerate() {
        let (i, j) = (e / n, e % n);
        let unread = (i != j && (i < j) != args.upper) || (i == j && args.unit_diagonal);
        if unread {
            *x = f64::NAN;
        } else if i == j && case.data == "singular" && i >= n / 2 && item.is_multiple_of(2) {
            *x = 0.0;
        } else if i != j && ["", "huge", "tiny", "graded"].contains(&case.data) {
            // Small enough beside the diagonal that the solution stays within the range.
            *x *= 2.0 / n as f64;
        } else if ["", "huge", "tiny"].contains(&case.data) {
            *x += samples::scale(case, n).copysign(*x);
        }
    }
    a
}

/// The worst column: `|r| / (|a| |x| eps)`, each in the 1-norm.
pub(in super::super) fn column_ratio(a: &Matrix, x: &Matrix, r: &Matrix, eps: f64) -> f64 {
    let norm = a.norm();
    let column = |of: &Matrix, j: usize| (0..of.m).map(|i| of.at(i, j).abs()).sum::<f64>();
    largest((0..x.n).map(|j| ratio(column(r, j), norm * column(x, j), eps)))
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (n, k, args) = (case.dim("n"), case.dim("k"), arguments(&case.args)?);
        let a = samples::stack(case, [n, n], |item| triangle(case, item, n, &args))?;
        let sides = if args.right { [k, n] } else { [n, k] };
        // Of the size of a, so that x is about 1 even near the ends of the range.
        let scale = samples::scale(case, n);
        let b = |item| samples::uniform(case, 8 * item + 7, n * k).into_iter().map(|x| x * scale).collect();
        Ok(vec![a, samples::stack(case, sides, b)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = arguments(&case.args)?;
        let info = |a: &Matrix| {
            if inputs[1].is_empty() { 0 } else { reference::info(&reference::operator(a, &args)) }
        };
        let info = Matrix::all(&inputs[0])?.iter().map(info).collect();
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        Ok(vec![
            Expected::Free { shape: inputs[1].dims().to_vec(), dtype: case.dtype },
            Expected::Exact(Tensor::from_vec::<i32>(info, batch)?),
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let args = arguments(&case.args)?;
        let (a, b, x) = (Matrix::all(&inputs[0])?, Matrix::all(&inputs[1])?, Matrix::all(&outputs[0])?);
        let mut residuals = Vec::new();
        for (item, info) in outputs[1].to_vec::<i32>()?.into_iter().enumerate() {
            let x = &x[item];
            if info != 0 {
                residuals.push(holds("NaN where singular", x.values.iter().all(|x| x.is_nan())));
                continue;
            }
            let operator = reference::operator(&a[item], &args);
            // Divided first, so that products of f64 near the ends of the range stay within it.
            let scale = 1.0 / operator.largest().max(f64::MIN_POSITIVE);
            let (operator, b) = (operator.scaled(scale), b[item].scaled(scale));
            let r = reference::residual(&operator, x, &b, args.right);
            let error = if args.right {
                column_ratio(&operator.transposed(), &x.transposed(), &r.transposed(), eps(case.dtype))
            } else {
                column_ratio(&operator, x, &r, eps(case.dtype))
            };
            residuals.push(residual("|b - op(a) x| / (|op(a)| |x| eps)", error, case.dtype));
        }
        Ok(residuals)
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
        let [a, b] = registry::inputs(NAME, inputs)?;
        let result = triangular_solve(stream, a, b, &arguments(args)?)?;
        Ok(vec![result.x, result.info])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, n, k] = ["b", "n", "k"].map(|name| case.dim(name) as f64);
        let b = b.max(1.0);
        Work { flops: b * n * n * k, bytes: b * (n * n / 2.0 + 2.0 * n * k) * case.dtype.size() as f64 }
    }
}

//! Evidence: exact, on matrices whose singular values lie clearly on either side.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::lstsq::rcond;
use super::super::ratios::Matrix;
use super::super::truncate::tolerance;
use super::super::{DTYPES, SvdMode, registry, samples, svd as svd_kernel};
use super::{MatrixRank, NAME, matrix_rank, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "rank = count(s > rcond s_1)",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("rank", "[..]")],
    args: &[ArgSpec {
        name: "rcond",
        default: "max(m, n) eps",
        doc: "singular values of at most so much times the largest count as zeros",
    }],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 3, 0]),
        edge([9, 6, 5]),
        edge([2, 5, 7]).data("low_rank"),
        edge([2, 4, 4]).data("zero"),
        edge([2, 4, 4]).data("nan"),
        edge([0, 6, 6]).data("arithmetic").set("rcond", 0.5),
        case(Tier::Edge, [2, 5, 4], DType::F16),
    ];
    for dtype in [f32, f64] {
        for data in ["low_rank", "zero_column", "arithmetic"] {
            cases.push(case(Tier::Check, [9, 30, 20], dtype).data(data));
            cases.push(case(Tier::Check, [0, 50, 40], dtype).data(data));
        }
        cases.push(case(Tier::Bench, [1000, 32, 32], dtype));
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
        let rcond = tolerance(NAME, rcond(&case.args)?, case.dim("m"), case.dim("n"), case.dtype)?;
        let ranks = Matrix::all(&inputs[0])?.iter().map(|a| reference::rank(a, rcond)).collect();
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        Ok(vec![Expected::Exact(Tensor::from_vec::<i32>(ranks, batch)?)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        svd_kernel::check(NAME, device, case.dtype, &registry::extents(case), SvdMode::Values)?;
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
        Ok(vec![matrix_rank(stream, a, &MatrixRank { rcond: rcond(args)? })?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, m, n) = (b.max(1.0), m.max(n), m.min(n));
        Work {
            flops: b * (4.0 * m * n * n - 4.0 / 3.0 * n * n * n),
            bytes: b * m * n * case.dtype.size() as f64,
        }
    }
}

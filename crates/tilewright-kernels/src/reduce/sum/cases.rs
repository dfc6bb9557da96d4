//! Evidence for `sum`.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{DTYPES, Mode, NAME, Sum, reference, sum};
use crate::arguments::{choose, only_variant};
use crate::reduce::data::{self, Along, EDGES};
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "out = sum over j of x[.., j, ..]",
    inputs: &[Slot::new("x", "[.., n, ..]")],
    outputs: &[Slot::new("out", "[.., ..]")],
    args: &[
        registry::AXIS,
        ArgSpec {
            name: "mode",
            default: "plain",
            doc: "plain: pairwise; compensated: rounding errors carried",
        },
    ],
    dtypes: DTYPES,
};

/// `sum` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// Additions between an element and the result, at most. Per level of 2^13 elements the GPU adds 8 quads to each of four
/// sums, 2 ends, joins the four (3), 32 lanes (5) and 8 SIMD groups (7), and the CPU 16 to each of 64 sums, joined in a tree
/// of depth 6 + log2(elements / 1024): below 28 for the first level, and below 28 more for each further one.
fn depth(n: usize) -> f64 {
    let levels = (n.max(2) as f64).log2() / 13.0;
    28.0 * levels.ceil()
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = Vec::new();
        for (r, n) in EDGES.into_iter().chain([(3, 0), (0, 5)]) {
            cases.push(data::case(Edge, r, n, DType::F32));
        }
        for mode in ["plain", "compensated"] {
            for (r, n, kind) in [
                (2, 1000, "cancelling"),
                (3, 33, "special"),
                (4, 20, "infinite"),
                (5, 33, "transposed"),
                (3, 257, "padded"),
                (2, 9000, ""),
            ] {
                cases.push(data::case(Edge, r, n, DType::F32).data(kind).set("mode", mode));
            }
            cases.push(data::middle(Edge, 3, 37, 5, DType::F32).set("mode", mode));
        }
        cases.push(data::case(Edge, 3, 33, DType::Bf16));
        cases.push(data::case(Edge, 2, 1000, DType::Bf16).data("broadcast"));
        cases.push(data::case(Edge, 3, 1000, DType::I32));
        for dtype in DTYPES {
            cases.push(data::case(Check, 7, 5003, *dtype));
            cases.push(data::case(Check, 100_000, 3, *dtype));
            cases.push(data::case(Check, 2, 300_001, *dtype));
            cases.push(data::middle(Check, 3, 5003, 33, *dtype));
            if dtype.is_float() && *dtype != DType::F16 {
                let mode = "compensated";
                cases.push(data::case(Check, 2, 300_001, *dtype).data("cancelling").set("mode", mode));
            }
        }
        for mode in ["plain", "compensated"] {
            cases.push(data::case(Bench, 64, 128_000, DType::F32).set("mode", mode));
            cases.push(data::case(Bench, 4096, 4096, DType::F32).set("mode", mode));
            cases.push(data::case(Bench, 1, 1 << 26, DType::F32).set("mode", mode));
        }
        cases.push(data::case(Bench, 4096, 4096, DType::Bf16));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![data::input(case)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (shape, dtype) = (Along::reduced(case), case.dtype);
        let truth = reference::sum(&Along::new(case).rows(&inputs[0])?);
        if !dtype.is_float() {
            // Exact in f64 below 2^53; then modulo the range.
            let whole = truth.iter().map(|(sum, _)| *sum as i64);
            return Ok(vec![Expected::Exact(registry::wrapped(whole, dtype, &shape)?)]);
        }
        let accumulator = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let depth = depth(case.dim("n"));
        Ok(vec![match args(&case.args)?.mode {
            Mode::Plain => Expected::values(&shape, dtype, accumulator, depth, truth),
            Mode::Compensated => {
                let (stored, unit) = (dtype.unit_roundoff(), accumulator.unit_roundoff());
                let (value, tolerance) = truth
                    .into_iter()
                    .map(|(sum, magnitude)| {
                        let inner = unit * sum.abs() + (depth * unit).powi(2) * magnitude;
                        (sum, stored * (sum.abs() + inner) + inner + dtype.smallest_positive())
                    })
                    .unzip();
                Expected::Values { shape, dtype, value, tolerance }
            }
        }])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        registry::variants(NAME, device, case.dtype, DTYPES)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        choose(NAME, variant, &[only_variant(stream.device())])?;
        Ok(vec![sum(stream, registry::one(NAME, inputs)?, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        registry::reduction(case)
    }
}

fn args(args: &Args) -> Result<Sum> {
    Ok(Sum { axis: registry::axis(NAME, args)?, mode: Mode::parse(args.text("mode", "plain")?)? })
}

//! Evidence for `softmax`.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{DTYPES, NAME, Softmax, reference, softmax};
use crate::arguments::{choose, only_variant};
use crate::reduce::data::{self, Along, EDGES};
use crate::reduce::logsumexp::sum_roundings;
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "out = exp(x[.., j, ..] - m) / sum over l of exp(x[.., l, ..] - m), m = max over l of x[.., l, ..]",
    inputs: &[Slot::new("x", "[.., n, ..]")],
    outputs: &[Slot::new("out", "[.., n, ..]")],
    args: &[registry::AXIS],
    dtypes: DTYPES,
};

/// `softmax` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

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
        for data in ["equal", "special", "infinite", "masked", "wide", "transposed", "padded"] {
            cases.push(data::case(Edge, 4, 130, DType::F32).data(data));
        }
        for data in ["", "masked", "special"] {
            cases.push(data::case(Edge, 2, 8500, DType::F32).data(data));
        }
        cases.push(data::middle(Edge, 3, 37, 5, DType::F32));
        cases.push(data::case(Edge, 3, 1000, DType::Bf16).data("wide"));
        for dtype in DTYPES {
            cases.push(data::case(Check, 7, 5003, *dtype));
            cases.push(data::case(Check, 30_000, 3, *dtype));
            cases.push(data::case(Check, 2, 300_001, *dtype));
            cases.push(data::middle(Check, 3, 5003, 33, *dtype).data("wide"));
            cases.push(data::case(Check, 4, 30_001, *dtype).data("masked"));
            cases.push(data::case(Check, 4, 30_001, *dtype).data("ascending"));
        }
        for r in [1, 64, 256] {
            cases.push(data::case(Bench, r, 128_256, DType::F32));
        }
        cases.push(data::case(Bench, 4096, 4096, DType::F32));
        cases.push(data::case(Bench, 4096, 4096, DType::Bf16));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![data::input(case)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let accumulator = if case.dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let along = Along::new(case);
        let truth = along.flat(&reference::softmax(&along.rows(&inputs[0])?));
        let roundings = sum_roundings(case.dim("n"));
        let smallest =
            if case.dtype == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
        // The difference, its exponential (8: Metal's 4 ulp), the reciprocal, the product; the sum; and what may be flushed to 0.
        let truth = truth.into_iter().map(|(value, distance, mean)| {
            let share = if value.is_nan() { 0.0 } else { value };
            (
                value,
                share * (distance + 8.0 + 2.0 + mean + roundings) + smallest / accumulator.unit_roundoff(),
            )
        });
        let shape = Along::shape(case, case.dim("n"));
        Ok(vec![Expected::values(&shape, case.dtype, accumulator, 1.0, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        registry::variants_without_f64(NAME, device, case.dtype, DTYPES)
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
        let args = Softmax { axis: registry::axis(NAME, args)? };
        Ok(vec![softmax(stream, registry::one(NAME, inputs)?, &args)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = registry::elements(case);
        Work { flops: 3.0 * elements, bytes: 2.0 * elements * case.dtype.size() as f64 }
    }
}

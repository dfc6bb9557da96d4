//! Evidence for `logsumexp`.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::reference::{self, Truth};
use super::{DTYPES, Logsumexp, NAME, logsumexp};
use crate::arguments::{choose, only_variant};
use crate::reduce::data::{self, Along, EDGES};
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "out = m + log sum over j of exp(x[.., j, ..] - m), m = max over j of x[.., j, ..]",
    inputs: &[Slot::new("x", "[.., n, ..]")],
    outputs: &[Slot::new("out", "[.., ..]")],
    args: &[registry::AXIS],
    dtypes: DTYPES,
};

/// `logsumexp` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// Unit roundoffs, at most, by which the sum of exponentials is off, relative to itself, beside the roundings of the
/// differences: an exponential (8: Metal's 4 ulp), 28 additions per level of 2^13 elements as in `sum`, and 22 times that the maximum can grow on
/// the way, each an exponential, a product and an addition (10).
pub(in crate::reduce) fn sum_roundings(n: usize) -> f64 {
    let levels = ((n.max(2) as f64).log2() / 13.0).ceil();
    8.0 + (28.0 + 22.0 * 10.0) * levels
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
        for data in ["equal", "special", "infinite", "masked", "wide", "ascending", "transposed", "padded"] {
            cases.push(data::case(Edge, 4, 130, DType::F32).data(data));
        }
        for data in ["", "masked", "special", "ascending"] {
            cases.push(data::case(Edge, 2, 8500, DType::F32).data(data));
        }
        cases.push(data::middle(Edge, 3, 37, 5, DType::F32));
        cases.push(data::case(Edge, 3, 1000, DType::Bf16).data("wide"));
        for dtype in DTYPES {
            cases.push(data::case(Check, 7, 5003, *dtype));
            cases.push(data::case(Check, 30_000, 3, *dtype));
            cases.push(data::case(Check, 2, 300_001, *dtype));
            cases.push(data::middle(Check, 3, 5003, 33, *dtype).data("wide"));
            for data in ["masked", "ascending", "descending", "wide"] {
                cases.push(data::case(Check, 4, 30_001, *dtype).data(data));
            }
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
        let truth = reference::logsumexp(&Along::new(case).rows(&inputs[0])?);
        let roundings = sum_roundings(case.dim("n"));
        // The logarithm turns the sum's relative error into an absolute one, and has one of its own (4: Metal's); then the last addition.
        let truth = truth.into_iter().map(|Truth { value, log, spread }| {
            let finite = if value.is_finite() { value.abs() } else { 0.0 };
            (value, roundings + spread + 4.0 * log.abs() + finite)
        });
        Ok(vec![Expected::values(&Along::reduced(case), case.dtype, accumulator, 1.0, truth)])
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
        let args = Logsumexp { axis: registry::axis(NAME, args)? };
        Ok(vec![logsumexp(stream, registry::one(NAME, inputs)?, &args)?])
    }

    fn work(&self, case: &Case) -> Work {
        registry::reduction(case)
    }
}

//! Evidence for `max`.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{DTYPES, Max, NAME, max, reference};
use crate::arguments::{choose, only_variant};
use crate::reduce::data::{self, Along, EDGES};
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "out = max over j of x[.., j, ..], NaN if any is",
    inputs: &[Slot::new("x", "[.., n, ..]")],
    outputs: &[Slot::new("out", "[.., ..]")],
    args: &[registry::AXIS],
    dtypes: DTYPES,
};

/// `max` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = Vec::new();
        for (r, n) in EDGES.into_iter().chain([(0, 5), (0, 0)]) {
            cases.push(data::case(Edge, r, n, DType::F32));
            cases.push(data::case(Edge, r, n, DType::F32).data("ties"));
        }
        for data in ["equal", "special", "infinite", "masked", "ascending", "transposed", "padded"] {
            cases.push(data::case(Edge, 5, 257, DType::F32).data(data));
        }
        for data in ["ties", "special", "ascending"] {
            cases.push(data::case(Edge, 2, 8500, DType::F32).data(data));
        }
        cases.push(data::middle(Edge, 3, 37, 5, DType::F32));
        cases.push(data::case(Edge, 3, 1000, DType::Bf16).data("special"));
        for dtype in DTYPES {
            cases.push(data::case(Check, 7, 5003, *dtype));
            cases.push(data::case(Check, 100_000, 3, *dtype));
            cases.push(data::case(Check, 2, 300_001, *dtype).data("ties"));
            cases.push(data::middle(Check, 3, 5003, 33, *dtype));
            if dtype.is_float() {
                cases.push(data::case(Check, 20, 30_001, *dtype).data("special"));
                cases.push(data::case(Check, 20, 30_001, *dtype).data("infinite"));
            }
        }
        cases.push(data::case(Bench, 64, 128_000, DType::F32));
        cases.push(data::case(Bench, 4096, 4096, DType::F32));
        cases.push(data::case(Bench, 4096, 4096, DType::Bf16));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![data::input(case)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let truth = reference::max(&Along::new(case).rows(&inputs[0])?);
        // The very element, whose value f64 holds; but 0 and -0 are equal, and NaN has many forms.
        let (value, tolerance) = truth.into_iter().map(|value| (value, 0.0)).unzip();
        Ok(vec![Expected::Values { shape: Along::reduced(case), dtype: case.dtype, value, tolerance }])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        registry::variants(NAME, device, case.dtype, DTYPES)
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
        Ok(vec![max(stream, registry::one(NAME, inputs)?, &Max { axis: registry::axis(NAME, args)? })?])
    }

    fn work(&self, case: &Case) -> Work {
        registry::reduction(case)
    }
}

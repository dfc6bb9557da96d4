//! Evidence for `argmax`.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{Argmax, DTYPES, NAME, argmax, reference};
use crate::arguments::{choose, only_variant};
use crate::reduce::data::{self, Along, EDGES};
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "out = lowest j with the largest x[.., j, ..], or with the first NaN",
    inputs: &[Slot::new("x", "[.., n, ..]")],
    outputs: &[Slot::new("out", "[.., ..]")],
    args: &[registry::AXIS, registry::INDEX],
    dtypes: DTYPES,
};

/// `argmax` in the registry.
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
        cases.push(data::case(Edge, 3, 1000, DType::F32).set("index", "i64"));
        cases.push(data::case(Edge, 3, 1000, DType::Bf16).data("special"));
        for dtype in DTYPES {
            cases.push(data::case(Check, 7, 5003, *dtype));
            cases.push(data::case(Check, 100_000, 3, *dtype));
            cases.push(data::case(Check, 2, 300_001, *dtype).data("ties"));
            cases.push(data::middle(Check, 3, 5003, 33, *dtype));
            cases.push(data::case(Check, 2, 33_003, *dtype).data("ascending"));
            if dtype.is_float() {
                cases.push(data::case(Check, 20, 30_001, *dtype).data("special"));
                cases.push(data::case(Check, 20, 30_001, *dtype).data("infinite"));
            }
        }
        for r in [1, 32, 256] {
            cases.push(data::case(Bench, r, 128_256, DType::F32));
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
        let truth = reference::argmax(&Along::new(case).rows(&inputs[0])?);
        let positions: Vec<f64> = truth.into_iter().map(|position| position as f64).collect();
        let index = registry::index(&case.args)?;
        Ok(vec![Expected::Exact(Tensor::from_f64(&positions, index, Along::reduced(case))?)])
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
        let (axis, index) = (registry::axis(NAME, args)?, registry::index(args)?);
        Ok(vec![argmax(stream, registry::one(NAME, inputs)?, &Argmax { axis, index })?])
    }

    fn work(&self, case: &Case) -> Work {
        registry::reduction(case)
    }
}

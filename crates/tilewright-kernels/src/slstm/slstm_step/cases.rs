//! Evidence. Cases, truth and tolerance are those of `slstm_sequence`, of one token.

use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{NAME, reference, slstm_step};
use crate::arguments::choose;
use crate::slstm::cell::{DTYPES, accumulator, variants};
use crate::slstm::{registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "slstm",
    math: "c' = F c + I tanh(z), n' = F n + I, h' = sigma(o) c' / n'; gates of x + r h",
    inputs: &[
        Slot::new("x", "[b, nh, 4, d]"),
        Slot::new("r", "[nh, 4, d, d]"),
        Slot::new("c", "[b, nh, d]"),
        Slot::new("n", "[b, nh, d]"),
        Slot::new("h", "[b, nh, d]"),
        Slot::new("m", "[b, nh, d]"),
    ],
    outputs: &[
        Slot::new("out", "[b, nh, d]"),
        Slot::new("c_next", "[b, nh, d]"),
        Slot::new("n_next", "[b, nh, d]"),
        Slot::new("h_next", "[b, nh, d]"),
        Slot::new("m_next", "[b, nh, d]"),
    ],
    args: registry::ARGS,
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let case =
            |tier, [b, nh, d]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("nh", nh), ("d", d)], dtype);
        let edge = |sizes| case(Tier::Edge, sizes, DType::F32);
        let mut cases = vec![
            edge([1, 1, 1]).data("state"),
            edge([5, 3, 31]).data("state"),
            edge([2, 3, 9]).data("strided"),
            edge([3, 5, 6]).data("wide"),
            edge([3, 5, 6]).set("forget_gate", "exponential").data("masked"),
            case(Tier::Edge, [2, 3, 20], DType::Bf16).data("state"),
            case(Tier::Edge, [2, 3, 7], DType::F64).data("state"),
            edge([0, 3, 5]).data("state"),
        ];
        for dtype in DTYPES {
            cases.push(case(Tier::Check, [3, 4, 256], *dtype).data("state"));
        }
        for b in [1, 64] {
            cases.push(case(Tier::Bench, [b, 4, 256], DType::Bf16).data("state"));
        }
        for dtype in [DType::F32, DType::Bf16] {
            cases.push(case(Tier::Bench, [16, 4, 128], dtype).data("state"));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut tensors = samples::inputs(case)?;
        tensors[0] = tensors[0].select(2, 0)?;
        Ok(tensors)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let truth = reference::slstm_step(inputs, &registry::cell(&case.args)?)?;
        let (state, sums) = (registry::sizes(case).state(), accumulator(case.dtype));
        let dtypes = [case.dtype, sums, sums, sums, sums];
        let values = |(dtype, truth)| Expected::values(&state, dtype, sums, 1.0, truth);
        Ok(dtypes.into_iter().zip(truth).map(values).collect())
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        variants(NAME, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let (x, r, state) = registry::inputs(NAME, inputs)?;
        choose(NAME, variant, &variants(NAME, stream.device(), x.dtype())?)?;
        let state = state.ok_or_else(|| Error::range(NAME, "inputs", "x r c n h m", inputs.len()))?;
        let (out, next) = slstm_step(stream, x, r, &state, &registry::cell(args)?)?;
        Ok(vec![out, next.c, next.n, next.h, next.m])
    }

    fn work(&self, case: &Case) -> Work {
        registry::work(case)
    }
}

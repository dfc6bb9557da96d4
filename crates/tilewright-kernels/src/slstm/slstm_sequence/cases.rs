//! Evidence. The truth carries its own error bounds along the recurrence, see `reference.rs`; `check` adds the last rounding.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Spec, Stream, Tensor, Tier, Work,
};

use super::reference::{self, Numbers};
use super::{NAME, slstm_sequence};
use crate::arguments::choose;
use crate::slstm::cell::{DTYPES, accumulator, variants};
use crate::slstm::{registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "slstm",
    math: "c_t = F_t c_{t-1} + I_t tanh(z_t), n_t = F_t n_{t-1} + I_t, h_t = sigma(o_t) c_t / n_t; gates of x_t + r h_{t-1}",
    inputs: registry::INPUTS,
    outputs: registry::OUTPUTS,
    args: registry::ARGS,
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let case = |tier, sizes, dtype| registry::case(tier, sizes, dtype);
        let edge = |sizes| case(Tier::Edge, sizes, DType::F32);
        vec![
            edge([1, 1, 1, 1]),
            edge([2, 3, 7, 5]),
            edge([3, 2, 6, 9]).data("strided"),
            edge([5, 2, 4, 33]).data("state"),
            // Beyond what threadgroup memory has room for.
            edge([1, 2, 3, 50]).data("state"),
            edge([2, 2, 6, 5]).set("forget_gate", "exponential").data("state"),
            edge([2, 1, 13, 7]).data("wide"),
            edge([2, 1, 13, 7]).set("forget_gate", "exponential").data("wide"),
            edge([1, 3, 10, 6]).data("masked"),
            case(Tier::Edge, [2, 2, 6, 12], DType::Bf16).data("state"),
            case(Tier::Edge, [1, 2, 5, 9], DType::F16).data("strided"),
            case(Tier::Edge, [2, 2, 6, 5], DType::F64).data("state"),
            edge([0, 2, 3, 4]),
            edge([2, 2, 0, 4]).data("state"),
            edge([2, 2, 3, 0]),
            case(Tier::Check, [3, 2, 150, 64], DType::F32).data("calm"),
            case(Tier::Check, [2, 2, 60, 130], DType::Bf16).data("calm"),
            case(Tier::Check, [2, 2, 60, 130], DType::F16).data("calm"),
            case(Tier::Check, [9, 1, 40, 40], DType::F64).data("strided"),
            case(Tier::Check, [1, 1, 3, 300], DType::F32).data("state"),
            case(Tier::Bench, [8, 4, 256, 64], DType::F32).data("calm"),
            case(Tier::Bench, [16, 4, 256, 128], DType::Bf16).data("calm"),
            case(Tier::Bench, [16, 4, 512, 128], DType::F32).data("calm"),
            case(Tier::Bench, [16, 4, 512, 128], DType::Bf16).data("calm"),
        ]
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        samples::inputs(case)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let x = Numbers::new(&inputs[0], &inputs[1], &inputs[2..])?;
        let truth = reference::slstm_sequence(&x, &registry::cell(&case.args)?);
        let (sizes, sums) = (registry::sizes(case), accumulator(case.dtype));
        let (h, state) = (sizes.h(), sizes.state());
        let shapes: [(&[usize], DType); 5] =
            [(&h, case.dtype), (&state, sums), (&state, sums), (&state, sums), (&state, sums)];
        let values = |((shape, dtype), truth)| Expected::values(shape, dtype, sums, 1.0, truth);
        Ok(shapes.into_iter().zip(truth).map(values).collect())
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
        let (h, last) = slstm_sequence(stream, x, r, state.as_ref(), &registry::cell(args)?)?;
        Ok(vec![h, last.c, last.n, last.h, last.m])
    }

    fn work(&self, case: &Case) -> Work {
        registry::work(case)
    }
}

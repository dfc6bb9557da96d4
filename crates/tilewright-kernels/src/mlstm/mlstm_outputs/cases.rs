//! Evidence. The tolerance is that of `mlstm_sequence`, with a stretch more of additions.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{NAME, reference, run};
use crate::mlstm::cell::{DTYPES, accumulator};
use crate::mlstm::mlstm_sequence::reference::Numbers;
use crate::mlstm::parts::{boundaries, support};
use crate::mlstm::parts_cases::{self, check_count, entry, sequence, states, stretch, work_of_reads};
use crate::mlstm::{MlstmInputs, registry};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "h = (B q C + S v) / (N + eps), N = max(|B q . n + S 1|, exp(-M)), from the states of mlstm_states",
    inputs: &[
        parts_cases::Q,
        parts_cases::K,
        parts_cases::V,
        parts_cases::I,
        parts_cases::F,
        parts_cases::C_STATES,
        parts_cases::N_STATES,
        parts_cases::M_STATES,
        Slot::optional("o", "[b, nh, s, dv]"),
    ],
    outputs: &[
        Slot::new("h", "[b, nh, s, dv]"),
        Slot::new("denominators", "[b, nh, s]"),
        Slot::new("stabilisers", "[b, nh, s]"),
    ],
    args: parts_cases::ARGS,
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let gated = |tier, sizes, dtype| registry::case(tier, sizes, dtype).set("chunk", 4).data("gated");
        let mut cases = parts_cases::cases();
        cases.extend([
            gated(Tier::Edge, [2, 1, 9, 3, 7], DType::F32),
            gated(Tier::Edge, [1, 2, 6, 12, 20], DType::Bf16),
            gated(Tier::Check, [1, 2, 133, 20, 36], DType::F32),
        ]);
        cases.push(registry::case(Tier::Bench, [1, 4, 2048, 64, 128], DType::F32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        parts_cases::with_states(case)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (sizes, sums, stretch) = (registry::sizes(case), accumulator(case.dtype), stretch(case)?);
        let mut x = Numbers::new(&inputs[..5])?;
        x.o = inputs.get(8).map(Tensor::to_f64_vec).transpose()?;
        let e = boundaries(sizes.s, stretch);
        let first = |index: usize| Ok(entry(&inputs[index].to_f64_vec()?, sizes.heads(), e, 0));
        [x.c, x.n, x.m] = [first(5)?, first(6)?, first(7)?];
        let [h, denominators, stabilisers] =
            reference::mlstm_outputs(&x, &registry::cell(&case.args)?, stretch, sums);
        let values = |shape: &[usize], dtype, truth| Expected::values(shape, dtype, sums, 1.0, truth);
        Ok(vec![
            values(&sizes.values(), case.dtype, h),
            values(&sizes.gates(), sums, denominators),
            values(&sizes.gates(), sums, stabilisers),
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        support(NAME, device, case.dtype, true)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        check_count(NAME, "q k v i f, c_states n_states m_states, then o", inputs, &[8, 9])?;
        let x = MlstmInputs { o: inputs.get(8), ..sequence(inputs) };
        let read = run(stream, variant, &x, &states(inputs, 5), &parts_cases::parts(args)?)?;
        Ok(vec![read.h, read.denominators, read.stabilisers])
    }

    fn work(&self, case: &Case) -> Work {
        // Scores and values for half a stretch, and a product with the state; a denominator and a stabiliser leave with each token.
        let sizes = registry::sizes(case);
        let read = work_of_reads(case, [(sizes.dqk + sizes.dv) as f64, 2.0], 1.0);
        let tokens = (sizes.heads() * sizes.s) as f64;
        let bytes = read.bytes + 2.0 * tokens * accumulator(case.dtype).size() as f64;
        Work { bytes, ..read }
    }
}

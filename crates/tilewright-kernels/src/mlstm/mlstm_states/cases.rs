//! Evidence. The tolerance is that of `mlstm_sequence`, with a stretch more of additions.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{Inputs, NAME, reference, run};
use crate::mlstm::cell::{DTYPES, accumulator};
use crate::mlstm::mlstm_sequence::reference::Numbers;
use crate::mlstm::parts::{boundaries, support};
use crate::mlstm::parts_cases::{self, check_count, stretch};
use crate::mlstm::{MlstmState, registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "C' = exp(g + m - m') C + sum_j exp(a_j - m') k_j v_j^T, n' alike, m' = max(g + m, max_j a_j), from stretch to stretch",
    inputs: &[
        parts_cases::K,
        parts_cases::V,
        parts_cases::I,
        parts_cases::F,
        Slot::optional("c", "[b, nh, dqk, dv]"),
        Slot::optional("n", "[b, nh, dqk]"),
        Slot::optional("m", "[b, nh]"),
    ],
    outputs: &[parts_cases::C_STATES, parts_cases::N_STATES, parts_cases::M_STATES],
    args: parts_cases::ARGS,
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = parts_cases::cases();
        cases.push(registry::case(Tier::Bench, [1, 4, 2048, 64, 128], DType::F32));
        cases.push(registry::case(Tier::Bench, [1, 4, 2048, 64, 128], DType::F32).set("every", 4));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut tensors = samples::inputs(case)?;
        tensors.remove(0);
        Ok(tensors)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (sizes, sums, stretch) = (registry::sizes(case), accumulator(case.dtype), stretch(case)?);
        // There are no queries: keys stand in their place.
        let tensors: Vec<Tensor> = inputs[..1].iter().chain(inputs).cloned().collect();
        let x = Numbers::new(&tensors)?;
        let truth = reference::mlstm_states(&x, &registry::cell(&case.args)?, stretch, sums);
        let e = boundaries(sizes.s, stretch);
        let shapes = [
            vec![sizes.b, sizes.nh, e, sizes.dqk, sizes.dv],
            vec![sizes.b, sizes.nh, e, sizes.dqk],
            vec![sizes.b, sizes.nh, e],
        ];
        let values = |(shape, truth): (&Vec<usize>, _)| Expected::values(shape, sums, sums, 1.0, truth);
        Ok(shapes.iter().zip(truth).map(values).collect())
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
        check_count(NAME, "k v i f, then c n m", inputs, &[4, 7])?;
        let [k, v, i, f] = [0, 1, 2, 3].map(|index| &inputs[index]);
        let one = |index: usize| inputs[index].clone();
        let state = (inputs.len() > 4).then(|| MlstmState { c: one(4), n: one(5), m: one(6) });
        let states =
            run(stream, variant, &Inputs { k, v, i, f }, state.as_ref(), &parts_cases::parts(args)?)?;
        Ok(vec![states.c, states.n, states.m])
    }

    fn work(&self, case: &Case) -> Work {
        // A product with each key; each state is written once.
        let sizes = registry::sizes(case);
        let (heads, tokens) = (sizes.heads() as f64, sizes.s as f64);
        let (dqk, dv) = (sizes.dqk as f64, sizes.dv as f64);
        let (data, sums) = (case.dtype.size() as f64, accumulator(case.dtype).size() as f64);
        let entries = boundaries(sizes.s, stretch(case).unwrap_or(1)) as f64;
        let bytes = tokens * (data * (dqk + dv) + 2.0 * sums) + entries * sums * (dqk * dv + dqk + 1.0);
        Work { flops: heads * tokens * 2.0 * dqk * dv, bytes: heads * bytes }
    }
}

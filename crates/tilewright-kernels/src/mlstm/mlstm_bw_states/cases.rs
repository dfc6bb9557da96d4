//! Evidence. The truth and its error bounds are those of `mlstm_chunkwise_bw`, of the tokens behind each boundary.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{NAME, reference, run};
use crate::mlstm::cell::{DTYPES, accumulator};
use crate::mlstm::parts::{boundaries, support};
use crate::mlstm::parts_cases::{self, Given, check_count, sequence, states, stretch, work_of_reads};
use crate::mlstm::{MlstmLoss, registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

const ARGS: &[ArgSpec] = &[
    registry::INPUT_GATE,
    registry::NORMALIZE,
    registry::EPS,
    registry::SCALE,
    registry::GATE_CAP,
    parts_cases::CHUNK,
    parts_cases::EVERY,
    crate::mlstm::mlstm_chunkwise_bw::cases::MODE,
];

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "dC = exp(g + m - m') dC' + sum_t scale exp(b_t + m - m_t) q_t (r_t dh_t)^T, dn alike with dz_t, from stretch to stretch back",
    inputs: &[
        parts_cases::Q,
        parts_cases::K,
        parts_cases::V,
        parts_cases::I,
        parts_cases::F,
        parts_cases::DH,
        parts_cases::C_STATES,
        parts_cases::N_STATES,
        parts_cases::M_STATES,
        Slot::optional("dc_last", "[b, nh, dqk, dv]"),
        Slot::optional("dn_last", "[b, nh, dqk]"),
    ],
    outputs: &[parts_cases::DC_STATES, parts_cases::DN_STATES],
    args: ARGS,
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = parts_cases::cases_bw();
        // The truth goes over all pairs behind each boundary.
        cases.push(registry::case(Tier::Bench, [1, 4, 256, 64, 128], DType::F32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (sizes, sums) = (registry::sizes(case), accumulator(case.dtype));
        let mut tensors = parts_cases::with_states(case)?;
        tensors.insert(5, samples::waves(&sizes.values(), case.dtype)?);
        if registry::has_state(case.data) {
            tensors.extend([samples::waves(&sizes.c(), sums)?, samples::waves(&sizes.n(), sums)?]);
        }
        Ok(tensors)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (sizes, sums) = (registry::sizes(case), accumulator(case.dtype));
        let last = |index: usize, like: usize| match inputs.get(index) {
            Some(tensor) => tensor.to_f64_vec(),
            None => Ok(vec![0.0; sizes.heads() * like]),
        };
        let last = [last(9, sizes.dqk * sizes.dv)?, last(10, sizes.dqk)?];
        let [dc, dn] = reference::mlstm_bw_states(&Given::new(case, inputs)?, &last);
        let e = boundaries(sizes.s, stretch(case)?);
        Ok(vec![
            Expected::values(&[sizes.b, sizes.nh, e, sizes.dqk, sizes.dv], sums, sums, 1.0, dc),
            Expected::values(&[sizes.b, sizes.nh, e, sizes.dqk], sums, sums, 1.0, dn),
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
        let names = "q k v i f dh, c_states n_states m_states, then dc_last dn_last";
        check_count(NAME, names, inputs, &[9, 11])?;
        let loss = MlstmLoss { h: &inputs[5], c: inputs.get(9), n: inputs.get(10) };
        let args = parts_cases::parts_bw(args)?;
        let by = run(stream, variant, &sequence(inputs), &states(inputs, 6), &loss, &args)?;
        Ok(vec![by.c, by.n])
    }

    fn work(&self, case: &Case) -> Work {
        // Denominators, their gradients, and a product with each query.
        let sizes = registry::sizes(case);
        work_of_reads(case, [(sizes.dqk + sizes.dv) as f64, 4.0], 2.0)
    }
}

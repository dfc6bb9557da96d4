//! Evidence. The tolerance counts the roundings of each sum, and of the slopes.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{MlstmGateInputs, NAME, reference, run};
use crate::mlstm::cell::{DTYPES, accumulator};
use crate::mlstm::parts::{boundaries, support};
use crate::mlstm::parts_cases::{self, check_count, gradients, stretch};
use crate::mlstm::{MlstmStates, registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "di = k . dk, df_t = sigma(-f_t) (<C_e, dC_e> + <n_e, dn_e> + sum_{t<=u<=e} (q_u . dq_u - k_u . dk_u)), dm = <C_0, dC_0> + <n_0, dn_0>",
    inputs: &[
        parts_cases::Q,
        parts_cases::K,
        parts_cases::I,
        parts_cases::F,
        Slot::new("dq", "[b, nh, s, dqk]"),
        Slot::new("dk", "[b, nh, s, dqk]"),
        parts_cases::C_STATES,
        parts_cases::N_STATES,
        parts_cases::DC_STATES,
        parts_cases::DN_STATES,
    ],
    outputs: &[Slot::new("di", "[b, nh, s]"), Slot::new("df", "[b, nh, s]"), Slot::new("dm", "[b, nh]")],
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
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let sums = accumulator(case.dtype);
        // dq and dk of f16 are f16, of bf16 sums.
        let own = if case.dtype == DType::F16 { case.dtype } else { sums };
        let mut tensors = parts_cases::with_states(case)?;
        // m is not wanted, nor are values.
        tensors.remove(7);
        tensors.remove(2);
        for index in [0, 1] {
            tensors.insert(4 + index, samples::waves(tensors[index].dims(), own)?);
        }
        for index in [6, 7] {
            tensors.push(samples::waves(tensors[index].dims(), sums)?);
        }
        Ok(tensors)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (sizes, sums, stretch) = (registry::sizes(case), accumulator(case.dtype), stretch(case)?);
        let at = |index: usize| inputs[index].to_f64_vec();
        let x = reference::Numbers {
            heads: sizes.heads(),
            s: sizes.s,
            dqk: sizes.dqk,
            stretch,
            boundaries: boundaries(sizes.s, stretch),
            q: at(0)?,
            k: at(1)?,
            i: at(2)?,
            f: at(3)?,
            dq: at(4)?,
            dk: at(5)?,
            pairs: [[at(6)?, at(8)?], [at(7)?, at(9)?]],
        };
        let [di, df, dm] = reference::mlstm_bw_gates(&x, &registry::cell(&case.args)?, sums);
        let values = |shape: &[usize], truth| Expected::values(shape, sums, sums, 1.0, truth);
        Ok(vec![values(&sizes.gates(), di), values(&sizes.gates(), df), values(&sizes.m(), dm)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        support(NAME, device, case.dtype, false)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let names = "q k i f dq dk, c_states n_states, dc_states dn_states";
        check_count(NAME, names, inputs, &[10])?;
        let [q, k, i, f, dq, dk] = [0, 1, 2, 3, 4, 5].map(|index| &inputs[index]);
        let x = MlstmGateInputs { q, k, i, f, dq, dk };
        // Nothing looks at m: n in its place.
        let [c, n, m] = [6, 7, 7].map(|index| inputs[index].clone());
        let states = MlstmStates { c, n, m };
        let by = run(stream, variant, &x, &states, &gradients(inputs, 8), &parts_cases::parts(args)?)?;
        Ok(vec![by.i, by.f, by.m])
    }

    fn work(&self, case: &Case) -> Work {
        let (sizes, stretch) = (registry::sizes(case), stretch(case).unwrap_or(1));
        let (heads, tokens) = (sizes.heads() as f64, sizes.s as f64);
        let (dqk, dv) = (sizes.dqk as f64, sizes.dv as f64);
        let (data, sums) = (case.dtype.size() as f64, accumulator(case.dtype).size() as f64);
        let states = boundaries(sizes.s, stretch) as f64 * (dqk * dv + dqk);
        Work {
            flops: heads * (4.0 * tokens * dqk + 2.0 * states),
            bytes: heads * (tokens * (2.0 * dqk * (data + sums) + 4.0 * sums) + 2.0 * sums * states),
        }
    }
}

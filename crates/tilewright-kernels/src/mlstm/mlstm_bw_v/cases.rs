//! Evidence. The truth and its error bounds are those of `mlstm_chunkwise_bw`, of each stretch by itself.

use tilewright_core::{Args, Case, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work};

use super::{NAME, reference, run};
use crate::mlstm::cell::{DTYPES, accumulator};
use crate::mlstm::parts::support;
use crate::mlstm::parts_cases::{self, Given, check_count, gradients, sequence, states};
use crate::mlstm::registry;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "dv_j = sum_t S_tj g_t + W_j dC^T k_j, from the states of mlstm_states and their gradients",
    inputs: parts_cases::WITH_GRADIENTS,
    outputs: &[Slot::new("dv", "[b, nh, s, dv]")],
    args: parts_cases::BW_ARGS,
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        parts_cases::cases_of_rows()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        parts_cases::with_gradients(case)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let sums = accumulator(case.dtype);
        let dtype = if parts_cases::parts_bw(&case.args)?.wide { sums } else { case.dtype };
        let truth = reference::mlstm_bw_v(
            &Given::new(case, inputs)?,
            [inputs[9].to_f64_vec()?, inputs[10].to_f64_vec()?],
        );
        Ok(vec![Expected::values(&registry::sizes(case).values(), dtype, sums, 1.0, truth)])
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
        check_count(NAME, "q k v i f dh, c_states n_states m_states, dc_states dn_states", inputs, &[11])?;
        let args = parts_cases::parts_bw(args)?;
        Ok(vec![run(
            stream,
            variant,
            &sequence(inputs),
            &states(inputs, 6),
            &gradients(inputs, 9),
            &inputs[5],
            &args,
        )?])
    }

    fn work(&self, case: &Case) -> Work {
        parts_cases::work_of_rows(case)
    }
}

//! Evidence. The truth carries its own error bounds along the recurrence, see `reference.rs`; `check` adds the last rounding.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Spec, Stream, Tensor, Tier, Work,
};

use super::reference::{self, Numbers};
use super::{NAME, mlstm_sequence};
use crate::arguments::choose;
use crate::mlstm::cell::{DTYPES, accumulator, variants};
use crate::mlstm::{registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

const ARGS: &[ArgSpec] =
    &[registry::INPUT_GATE, registry::NORMALIZE, registry::EPS, registry::SCALE, registry::GATE_CAP];

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "C_t = F_t C_{t-1} + I_t k_t v_tᵀ, n_t alike; h_t = q_tᵀ C_t / (max(|q_t . n_t|, exp(-m_t)) + eps)",
    inputs: registry::INPUTS,
    outputs: registry::OUTPUTS,
    args: ARGS,
    dtypes: DTYPES,
};

/// The cases of sequences that every form but the parallel one is judged on.
pub(in crate::mlstm) fn edges() -> Vec<Case> {
    let edge = |sizes, dtype| registry::case(Tier::Edge, sizes, dtype);
    let f32 = |sizes| edge(sizes, DType::F32);
    vec![
        f32([1, 1, 5, 2, 3]).data("vector"),
        f32([1, 1, 5, 2, 3]).data("vector_state"),
        f32([1, 1, 5, 2, 3]).set("input_gate", "sigmoid").data("vector"),
        f32([1, 1, 5, 2, 3]).set("input_gate", "sigmoid").set("normalize", false).data("vector"),
        f32([1, 1, 1, 1, 1]),
        f32([2, 3, 7, 5, 9]).data("strided"),
        f32([2, 3, 11, 17, 8]).data("gated"),
        f32([1, 2, 9, 33, 13]).set("scale", 0.7).set("eps", 0.0).data("state"),
        f32([1, 2, 9, 6, 5]).set("normalize", false).data("state"),
        f32([1, 2, 9, 6, 5]).set("input_gate", "sigmoid").data("state"),
        f32([2, 1, 13, 7, 10]).data("wide"),
        f32([2, 1, 13, 7, 10]).set("gate_cap", 15).data("wide"),
        f32([1, 2, 13, 7, 10]).set("input_gate", "sigmoid").set("gate_cap", 15).data("wide"),
        f32([1, 3, 10, 4, 6]).data("masked"),
        f32([1, 2, 19, 5, 7]).data("forgetful"),
        edge([2, 2, 6, 12, 20], DType::Bf16).data("gated"),
        edge([1, 3, 5, 9, 7], DType::F16).data("strided"),
        edge([2, 2, 6, 5, 3], DType::F64).data("gated"),
        f32([0, 2, 3, 4, 5]),
        f32([2, 0, 3, 4, 5]),
        f32([2, 2, 0, 4, 5]).data("state"),
        f32([1, 2, 0, 4, 5]),
        f32([1, 2, 3, 0, 5]).data("state"),
        f32([1, 2, 3, 4, 0]).data("state"),
    ]
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = edges();
        let case = |tier, sizes, dtype| registry::case(tier, sizes, dtype);
        cases.extend([
            // Beyond 512 keys a thread has more rows of C.
            case(Tier::Edge, [1, 1, 2, 530, 8], DType::F32).data("state"),
            case(Tier::Edge, [2, 3, 7, 9, 12], DType::F32).data("gated_bf16_c"),
            case(Tier::Edge, [1, 2, 6, 12, 9], DType::Bf16).data("state_bf16_c"),
            case(Tier::Edge, [2, 1, 5, 6, 7], DType::F16).data("strided_bf16_c"),
            case(Tier::Edge, [2, 1, 13, 7, 8], DType::F32).data("wide_bf16_c"),
            case(Tier::Edge, [1, 2, 9, 6, 5], DType::F32).set("input_gate", "sigmoid").data("state_bf16_c"),
            case(Tier::Edge, [1, 2, 0, 4, 5], DType::F32).data("state_bf16_c"),
            case(Tier::Edge, [1, 1, 2, 530, 4], DType::Bf16).data("state_bf16_c"),
            case(Tier::Check, [2, 3, 129, 64, 100], DType::F32).data("gated"),
            case(Tier::Check, [1, 2, 300, 256, 512], DType::Bf16).data("state"),
            case(Tier::Check, [1, 2, 300, 256, 512], DType::Bf16).data("gated_bf16_c"),
            case(Tier::Check, [1, 2, 300, 65, 130], DType::F16).data("wide"),
            case(Tier::Check, [1, 2, 1000, 16, 32], DType::F64).data("strided"),
            case(Tier::Bench, [1, 4, 2048, 64, 128], DType::F32),
            case(Tier::Bench, [8, 16, 1024, 128, 256], DType::Bf16),
        ]);
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        samples::inputs(case)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let cell = registry::cell(&case.args)?;
        registry::expected(case, || {
            Ok(reference::mlstm_sequence(&Numbers::new(inputs)?, &cell, 0.0, accumulator(case.dtype)))
        })
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let cell = registry::cell(&case.args)?;
        registry::residuals(NAME, case, inputs, outputs, false, |alone| {
            let x = Numbers::new(alone)?;
            Ok(reference::mlstm_sequence(&x, &cell, 0.0, accumulator(case.dtype)).outputs())
        })
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
        let (x, state) = registry::inputs(NAME, inputs)?;
        choose(NAME, variant, &variants(NAME, stream.device(), x.q.dtype())?)?;
        let (h, state) = mlstm_sequence(stream, &x, state.as_ref(), &registry::cell(args)?)?;
        Ok(vec![h, state.c, state.n, state.m])
    }

    fn work(&self, case: &Case) -> Work {
        // A product and a sum for the new C, and again for reading it.
        let sizes = registry::sizes(case);
        registry::work(case, 5.0 * (sizes.dqk * sizes.dv) as f64)
    }
}

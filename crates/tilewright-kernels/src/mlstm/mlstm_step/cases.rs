//! Evidence. Cases, truth and tolerance are those of `mlstm_sequence`, of one token.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{NAME, mlstm_step, reference};
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
    math: "C' = F C + I k vᵀ, n' = F n + I k, h = qᵀ C' / (max(|q . n'|, exp(-m')) + eps)",
    inputs: &[
        Slot::new("q", "[b, nh, dqk]"),
        Slot::new("k", "[b, nh, dqk]"),
        Slot::new("v", "[b, nh, dv]"),
        Slot::new("i", "[b, nh]"),
        Slot::new("f", "[b, nh]"),
        Slot::new("c", "[b, nh, dqk, dv]"),
        Slot::new("n", "[b, nh, dqk]"),
        Slot::new("m", "[b, nh]"),
        Slot::optional("o", "[b, nh, dv]"),
    ],
    outputs: &[
        Slot::new("h", "[b, nh, dv]"),
        Slot::new("c_next", "[b, nh, dqk, dv]"),
        Slot::new("n_next", "[b, nh, dqk]"),
        Slot::new("m_next", "[b, nh]"),
    ],
    args: ARGS,
    dtypes: DTYPES,
};

fn case(tier: Tier, [b, nh, dqk, dv]: [usize; 4], dtype: DType, data: &'static str) -> Case {
    Case::new(tier, &[("b", b), ("nh", nh), ("dqk", dqk), ("dv", dv)], dtype).data(data)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let edge = |sizes, dtype, data| case(Tier::Edge, sizes, dtype, data);
        let mut cases = vec![
            edge([1, 1, 1, 1], DType::F32, "state"),
            edge([2, 3, 31, 8], DType::F32, "state"),
            edge([2, 3, 33, 36], DType::F32, "gated"),
            edge([3, 2, 65, 9], DType::F32, "strided"),
            edge([1, 2, 7, 33], DType::F32, "gated").set("scale", -0.3).set("eps", 0.01),
            edge([2, 3, 10, 7], DType::F32, "state").set("normalize", false),
            edge([2, 3, 10, 7], DType::F32, "state").set("input_gate", "sigmoid"),
            edge([2, 3, 10, 7], DType::F32, "state").set("input_gate", "sigmoid").set("normalize", false),
            edge([3, 5, 6, 5], DType::F32, "wide"),
            edge([3, 5, 6, 5], DType::F32, "wide").set("gate_cap", 15),
            edge([3, 5, 6, 5], DType::F32, "masked"),
            edge([2, 3, 20, 12], DType::Bf16, "gated"),
            edge([2, 3, 9, 7], DType::F16, "strided"),
            edge([2, 3, 9, 7], DType::F64, "gated"),
            edge([1, 1, 1, 1], DType::F32, "state_bf16_c"),
            edge([2, 3, 31, 8], DType::F32, "gated_bf16_c"),
            edge([2, 3, 20, 36], DType::Bf16, "gated_bf16_c"),
            edge([3, 2, 65, 9], DType::F16, "strided_bf16_c"),
            edge([3, 5, 6, 5], DType::F32, "wide_bf16_c"),
            edge([2, 3, 10, 8], DType::F32, "masked_bf16_c").set("normalize", false),
            edge([2, 3, 10, 7], DType::F32, "state_bf16_c").set("input_gate", "sigmoid"),
            edge([0, 3, 4, 5], DType::F32, "state_bf16_c"),
            edge([2, 3, 0, 5], DType::F32, "state_bf16_c"),
            edge([2, 3, 4, 0], DType::F32, "state_bf16_c"),
            edge([0, 3, 4, 5], DType::F32, "state"),
            edge([2, 3, 0, 5], DType::F32, "state"),
            edge([2, 3, 4, 0], DType::F32, "state"),
        ];
        for dtype in [DType::F32, DType::Bf16, DType::F16, DType::F64] {
            cases.push(case(Tier::Check, [3, 4, 256, 512], dtype, "gated"));
            cases.push(case(Tier::Check, [2, 3, 1000, 77], dtype, "strided"));
        }
        for dtype in [DType::F32, DType::Bf16, DType::F16] {
            cases.push(case(Tier::Check, [2, 3, 256, 500], dtype, "gated_bf16_c"));
        }
        for data in ["state", "state_bf16_c"] {
            for b in [1, 32, 256] {
                cases.push(case(Tier::Bench, [b, 8, 256, 512], DType::Bf16, data));
            }
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        // Those of a sequence of one token, without its axis.
        let sequence = registry::sequence_of(case);
        let mut tensors = samples::inputs(&sequence)?;
        for index in [0, 1, 2, 3, 4, 8] {
            if let Some(tensor) = tensors.get_mut(index) {
                *tensor = tensor.select(2, 0)?;
            }
        }
        Ok(tensors)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let cell = registry::cell(&case.args)?;
        registry::expected(case, || reference::mlstm_step(inputs, &cell, accumulator(case.dtype)))
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
        let state =
            state.ok_or_else(|| Error::range(NAME, "inputs", "q k v i f c n m, then o", inputs.len()))?;
        let (h, state) = mlstm_step(stream, &x, &state, &registry::cell(args)?)?;
        Ok(vec![h, state.c, state.n, state.m])
    }

    fn work(&self, case: &Case) -> Work {
        let sizes = registry::sizes(case);
        registry::work(case, 5.0 * (sizes.dqk * sizes.dv) as f64)
    }
}

//! Evidence. The truth is the quadratic form; the tolerance is that of `mlstm_chunkwise` with one chunk.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{NAME, mlstm_parallel, reference};
use crate::arguments::choose;
use crate::mlstm::cell::{DTYPES, accumulator, variants};
use crate::mlstm::mlstm_sequence::reference::Numbers;
use crate::mlstm::{registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

const ARGS: &[ArgSpec] =
    &[registry::INPUT_GATE, registry::NORMALIZE, registry::EPS, registry::SCALE, registry::GATE_CAP];

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "h_t = sum_j S_tj v_j / (max(|sum_j S_tj|, exp(-m_t)) + eps), S_tj = q_t . k_j exp(D_tj - m_t)",
    inputs: &[
        Slot::new("q", "[b, nh, s, dqk]"),
        Slot::new("k", "[b, nh, s, dqk]"),
        Slot::new("v", "[b, nh, s, dv]"),
        Slot::new("i", "[b, nh, s]"),
        Slot::new("f", "[b, nh, s]"),
        Slot::optional("o", "[b, nh, s, dv]"),
    ],
    outputs: &[Slot::new("h", "[b, nh, s, dv]")],
    args: ARGS,
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let f32 = |tier, sizes| registry::case(tier, sizes, DType::F32);
        let edge = |sizes| f32(Tier::Edge, sizes);
        let case = |tier, sizes, dtype| registry::case(tier, sizes, dtype);
        vec![
            edge([1, 1, 5, 2, 3]).data("vector"),
            edge([1, 1, 1, 1, 1]),
            edge([2, 3, 7, 5, 9]).data("strided"),
            edge([1, 2, 33, 17, 66]).data("gated"),
            edge([1, 1, 65, 34, 5]),
            edge([1, 1, 97, 3, 4]).data("forgetful"),
            edge([2, 1, 40, 3, 4]).data("wide"),
            edge([2, 1, 20, 3, 4]).set("input_gate", "sigmoid").set("gate_cap", 15).data("wide"),
            edge([1, 2, 20, 3, 4]).set("normalize", false).set("scale", -0.7),
            edge([1, 2, 21, 3, 4]).data("masked"),
            case(Tier::Edge, [1, 2, 9, 12, 20], DType::Bf16).data("gated"),
            case(Tier::Edge, [1, 2, 9, 5, 7], DType::F16),
            case(Tier::Edge, [2, 2, 50, 5, 3], DType::F64).data("gated"),
            edge([0, 2, 3, 4, 5]),
            edge([2, 2, 0, 4, 5]),
            edge([1, 2, 3, 0, 5]),
            edge([1, 2, 3, 4, 0]),
            f32(Tier::Check, [2, 3, 333, 40, 72]).data("gated"),
            f32(Tier::Check, [1, 2, 700, 16, 24]).data("forgetful"),
            case(Tier::Check, [1, 2, 333, 64, 128], DType::Bf16),
            case(Tier::Check, [1, 2, 333, 64, 128], DType::F16).data("strided"),
            f32(Tier::Bench, [1, 4, 512, 64, 128]),
            case(Tier::Bench, [8, 16, 512, 128, 256], DType::Bf16),
        ]
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut tensors = samples::inputs(case)?;
        if registry::has_state(case.data) {
            tensors.drain(5..8);
        }
        Ok(tensors)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (shape, sums) = (registry::sizes(case).values(), accumulator(case.dtype));
        if registry::is_sampled(case) {
            return Ok(vec![Expected::Free { shape: shape.to_vec(), dtype: case.dtype }]);
        }
        let truth = reference::mlstm_parallel(&Numbers::new(inputs)?, &registry::cell(&case.args)?, sums);
        Ok(vec![Expected::values(&shape, case.dtype, sums, 1.0, truth)])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (cell, sums) = (registry::cell(&case.args)?, accumulator(case.dtype));
        registry::residuals(NAME, case, inputs, outputs, false, |alone| {
            Ok(vec![reference::mlstm_parallel(&Numbers::new(alone)?, &cell, sums)])
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
        let (x, _) = registry::inputs(NAME, inputs)?;
        choose(NAME, variant, &variants(NAME, stream.device(), x.q.dtype())?)?;
        Ok(vec![mlstm_parallel(stream, &x, &registry::cell(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        // Half of the scores are wanted.
        let sizes = registry::sizes(case);
        registry::work(case, (sizes.s * (sizes.dqk + sizes.dv)) as f64)
    }
}

//! Evidence. The truth goes over all pairs of tokens, as that of `mlstm_chunkwise_bw` does.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{NAME, mlstm_parallel_bw, reference};
use crate::arguments::choose;
use crate::mlstm::cell::{DTYPES, accumulator, variants};
use crate::mlstm::mlstm_chunkwise_bw::cases::{MODE, mode, numbers, output_gate};
use crate::mlstm::{MlstmBackward, MlstmInputs, registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

const ARGS: &[ArgSpec] =
    &[registry::INPUT_GATE, registry::NORMALIZE, registry::EPS, registry::SCALE, registry::GATE_CAP, MODE];

static SPEC: Spec = Spec {
    name: NAME,
    family: "mlstm",
    math: "the gradients of mlstm_parallel by q k v i f and o, given that by h",
    inputs: &[
        Slot::new("q", "[b, nh, s, dqk]"),
        Slot::new("k", "[b, nh, s, dqk]"),
        Slot::new("v", "[b, nh, s, dv]"),
        Slot::new("i", "[b, nh, s]"),
        Slot::new("f", "[b, nh, s]"),
        Slot::new("dh", "[b, nh, s, dv]"),
        Slot::optional("o", "[b, nh, s, dv]"),
    ],
    outputs: &[
        Slot::new("dq", "[b, nh, s, dqk]"),
        Slot::new("dk", "[b, nh, s, dqk]"),
        Slot::new("dv", "[b, nh, s, dv]"),
        Slot::new("di", "[b, nh, s]"),
        Slot::new("df", "[b, nh, s]"),
        Slot::optional("do", "[b, nh, s, dv]"),
    ],
    args: ARGS,
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
            edge([1, 1, 5, 2, 3]).data("vector"),
            edge([1, 1, 5, 2, 3]).set("mode", "norm_invariant").data("vector"),
            edge([2, 3, 7, 5, 9]).data("strided"),
            edge([1, 1, 66, 5, 4]),
            edge([1, 2, 13, 5, 4]).data("wide"),
            edge([1, 2, 7, 5, 4]).data("gated"),
            edge([1, 2, 9, 6, 5]).set("input_gate", "sigmoid"),
            case(Tier::Edge, [1, 2, 6, 12, 20], DType::Bf16),
            case(Tier::Edge, [1, 2, 30, 5, 3], DType::F64),
            edge([0, 2, 3, 4, 5]),
            edge([1, 2, 0, 4, 5]),
            edge([1, 2, 3, 4, 0]),
            case(Tier::Check, [1, 2, 133, 20, 36], DType::F32),
            case(Tier::Check, [1, 2, 133, 32, 64], DType::F16),
            case(Tier::Bench, [1, 4, 256, 64, 128], DType::F32),
        ]
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut tensors = samples::with_loss(case)?;
        let o = if case.data == "gated" { tensors.pop() } else { None };
        tensors.truncate(6);
        tensors.extend(o);
        Ok(tensors)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (sizes, sums) = (registry::sizes(case), accumulator(case.dtype));
        let (x, loss) = numbers(inputs)?;
        let exact = mode(&case.args)? == MlstmBackward::Exact;
        let o = output_gate(case, inputs)?;
        let stored = case.dtype.unit_roundoff() / sums.unit_roundoff();
        let cell = registry::cell(&case.args)?;
        let truth = reference::mlstm_parallel_bw(&x, loss, o.as_deref(), stored, &cell, exact, sums);
        let shapes: [(&[usize], DType); 6] = [
            (&sizes.keys(), case.dtype),
            (&sizes.keys(), case.dtype),
            (&sizes.values(), case.dtype),
            (&sizes.gates(), sums),
            (&sizes.gates(), sums),
            (&sizes.values(), case.dtype),
        ];
        let values = |((shape, dtype), truth)| Expected::values(shape, dtype, sums, 1.0, truth);
        let absent = o.is_none().then_some(Expected::Absent);
        Ok(shapes.into_iter().zip(truth).map(values).chain(absent).collect())
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
        let Some(([q, k, v, i, f, dh], o @ ([] | [_]))) = inputs.split_first_chunk() else {
            return Err(Error::range(NAME, "inputs", "q k v i f dh, then o", inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), q.dtype())?)?;
        let x = MlstmInputs { q, k, v, i, f, o: o.first() };
        let by = mlstm_parallel_bw(stream, &x, dh, &registry::cell(args)?, mode(args)?)?;
        Ok([by.q, by.k, by.v, by.i, by.f].into_iter().chain(by.o).collect())
    }

    fn work(&self, case: &Case) -> Work {
        // Five products of scores, half of which are wanted.
        let sizes = registry::sizes(case);
        let forward = registry::work(case, (sizes.s * (3 * sizes.dqk + 2 * sizes.dv)) as f64);
        Work { bytes: 2.0 * forward.bytes, ..forward }
    }
}

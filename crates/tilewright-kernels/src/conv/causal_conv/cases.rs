//! Evidence. Tolerance: a rounding for each product, and for each sum.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{CausalConvInputs, DTYPES, Extents, NAME, causal_conv, reference, variants};
use crate::arguments::choose;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "conv",
    math: "out[b, t, j] = bias[j] + sum over k < w of weight[j, k] x[b, t - (w - 1) + k, j]",
    inputs: &[
        Slot::new("x", "[b, s, d]"),
        Slot::new("weight", "[d, w]"),
        Slot::optional("bias", "[d]"),
        Slot::optional("state", "[b, w - 1, d]"),
    ],
    outputs: &[Slot::new("out", "[b, s, d]")],
    args: &[],
    dtypes: DTYPES,
};

/// The cases, which the gradient shares. `state` has a bias and a state, `plain` neither, the others a bias.
pub(in crate::conv) fn cases() -> Vec<Case> {
    use Tier::{Bench, Check, Edge};
    let case = |tier, b, s, d, w, dtype| Case::new(tier, &[("b", b), ("s", s), ("d", d), ("w", w)], dtype);
    let mut cases = vec![
        case(Edge, 1, 1, 1, 4, DType::F32).data("plain"),
        case(Edge, 2, 3, 5, 4, DType::F32).data("state"),
        case(Edge, 3, 70, 33, 4, DType::F32).data("state"),
        // Texts shorter than the filter looks back, and an empty one.
        case(Edge, 2, 2, 40, 8, DType::F32).data("state"),
        case(Edge, 2, 0, 5, 4, DType::F32).data("state"),
        case(Edge, 2, 9, 300, 4, DType::F32),
        case(Edge, 2, 0, 5, 4, DType::F32),
        case(Edge, 2, 5, 0, 4, DType::F32),
        case(Edge, 2, 7, 6, 1, DType::F32).data("state"),
        case(Edge, 3, 8, 12, 4, DType::F32).data("transposed"),
        case(Edge, 2, 11, 20, 4, DType::Bf16).data("state"),
    ];
    for dtype in DTYPES {
        cases.push(case(Check, 3, 700, 129, 4, *dtype).data("state"));
        cases.push(case(Check, 2, 33, 1100, 8, *dtype).data("plain"));
    }
    cases.push(case(Bench, 8, 2048, 4096, 4, DType::Bf16));
    cases.push(case(Bench, 8, 2048, 1024, 4, DType::F32));
    cases
}

pub(in crate::conv) fn extents(case: &Case) -> Extents {
    Extents { b: case.dim("b"), s: case.dim("s"), d: case.dim("d"), w: case.dim("w") }
}

/// Values of this shape; `stream` tells inputs apart.
pub(in crate::conv) fn values(case: &Case, stream: u64, shape: &[usize]) -> Result<Tensor> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    random.set_stream(stream);
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| random.random_range(-2.0..2.0)).collect();
    if case.data == "transposed" && shape.len() == 3 {
        let stored = [shape[2], shape[0], shape[1]];
        return Tensor::from_f64(&values, case.dtype, stored)?.permute(&[1, 2, 0]);
    }
    Tensor::from_f64(&values, case.dtype, shape)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let Extents { b, s, d, w } = extents(case);
        let mut inputs = vec![values(case, 0, &[b, s, d])?, values(case, 1, &[d, w])?];
        if case.data != "plain" {
            inputs.push(values(case, 2, &[d])?);
        }
        if case.data == "state" {
            inputs.push(values(case, 3, &[b, w - 1, d])?);
        }
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let data = inputs.iter().map(Tensor::to_f64_vec).collect::<Result<Vec<_>>>()?;
        let optional = |input: usize| data.get(input).map(Vec::as_slice);
        let truth = reference::causal_conv(&data[0], &data[1], optional(2), optional(3), &extents(case));
        let accumulator = if case.dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let roundings = (case.dim("w") + 1) as f64;
        Ok(vec![Expected::values(inputs[0].dims(), case.dtype, accumulator, roundings, truth)])
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
        let [x, weight, optional @ ..] = inputs else {
            return Err(Error::range(NAME, "number of inputs", "2 to 4", inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), x.dtype())?)?;
        let inputs = CausalConvInputs { x, weight, bias: optional.first(), state: optional.get(1) };
        Ok(vec![causal_conv(stream, &inputs)?])
    }

    fn work(&self, case: &Case) -> Work {
        let Extents { b, s, d, w } = extents(case);
        let elements = (b * s * d) as f64;
        Work { flops: 2.0 * w as f64 * elements, bytes: 2.0 * elements * case.dtype.size() as f64 }
    }
}

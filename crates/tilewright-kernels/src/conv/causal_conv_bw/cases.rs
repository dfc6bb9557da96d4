//! Evidence. Tolerance: for dx and dstate a rounding for each product and each sum; for the others one for each token of a block and for each block.

use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work,
};

use super::{NAME, causal_conv_bw, reference};
use crate::arguments::choose;
use crate::conv::block;
use crate::conv::causal_conv::cases::{cases, extents, values};
use crate::conv::causal_conv::{CausalConvInputs, DTYPES, Extents, variants};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "conv",
    math: "dx[b, t, j] = sum of weight[j, k] dy[b, t + (w - 1) - k, j], dweight[j, k] = sum of dy[b, t, j] x[b, t - (w - 1) + k, j], dbias[j] = sum of dy[b, t, j]; dstate as dx, at t < 0",
    inputs: &[
        Slot::new("dy", "[b, s, d]"),
        Slot::new("x", "[b, s, d]"),
        Slot::new("weight", "[d, w]"),
        Slot::optional("state", "[b, w - 1, d]"),
    ],
    outputs: &[
        Slot::new("dx", "[b, s, d]"),
        Slot::new("dweight", "[d, w]"),
        Slot::new("dbias", "[d]"),
        Slot::optional("dstate", "[b, w - 1, d]"),
    ],
    args: &[],
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let Extents { b, s, d, w } = extents(case);
        let mut inputs =
            vec![values(case, 4, &[b, s, d])?, values(case, 0, &[b, s, d])?, values(case, 1, &[d, w])?];
        if case.data == "state" {
            inputs.push(values(case, 3, &[b, w - 1, d])?);
        }
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let e = extents(case);
        let data = inputs.iter().map(Tensor::to_f64_vec).collect::<Result<Vec<_>>>()?;
        let state = data.get(3).map(Vec::as_slice);
        let [x, weight, bias, by_state] = reference::causal_conv_bw(&data[0], &data[1], &data[2], state, &e);
        let accumulator = if case.dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let tokens = e.b * e.s;
        let sums = (tokens.min(block(tokens)) + tokens.div_ceil(block(tokens)) + 1) as f64;
        let values = |shape: &[usize], roundings, truth: Vec<(f64, f64)>| {
            Expected::values(shape, case.dtype, accumulator, roundings, truth)
        };
        let taps = (e.w + 1) as f64;
        Ok(vec![
            values(&[e.b, e.s, e.d], taps, x),
            values(&[e.d, e.w], sums, weight),
            values(&[e.d], sums, bias),
            match state {
                Some(_) => values(&[e.b, e.w - 1, e.d], taps, by_state),
                None => Expected::Absent,
            },
        ])
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
        let [dy, x, weight, state @ ..] = inputs else {
            return Err(Error::range(NAME, "number of inputs", "3 or 4", inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), x.dtype())?)?;
        let inputs = CausalConvInputs { x, weight, bias: None, state: state.first() };
        let by = causal_conv_bw(stream, dy, &inputs)?;
        Ok([by.x, by.weight, by.bias].into_iter().chain(by.state).collect())
    }

    fn work(&self, case: &Case) -> Work {
        let Extents { b, s, d, w } = extents(case);
        let elements = (b * s * d) as f64;
        Work { flops: (4.0 * w as f64 + 1.0) * elements, bytes: 3.0 * elements * case.dtype.size() as f64 }
    }
}

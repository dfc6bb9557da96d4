//! Evidence. The truth carries its own error bounds there and back, see `reference.rs`; `check` adds the last rounding.

use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::reference::{self, Loss};
use super::{NAME, SlstmLoss, slstm_sequence_bw};
use crate::arguments::choose;
use crate::slstm::cell::{DTYPES, accumulator, variants};
use crate::slstm::slstm_sequence::reference::Numbers;
use crate::slstm::{SlstmState, registry, samples};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "slstm",
    math: "the gradients of slstm_sequence by x r c n h m, given those by h and by c, n and h after the last token",
    inputs: &[
        Slot::new("x", "[b, nh, s, 4, d]"),
        Slot::new("r", "[nh, 4, d, d]"),
        Slot::new("dh", "[b, nh, s, d]"),
        Slot::optional("c", "[b, nh, d]"),
        Slot::optional("n", "[b, nh, d]"),
        Slot::optional("h", "[b, nh, d]"),
        Slot::optional("m", "[b, nh, d]"),
        Slot::optional("dc_last", "[b, nh, d]"),
        Slot::optional("dn_last", "[b, nh, d]"),
        Slot::optional("dh_last", "[b, nh, d]"),
    ],
    outputs: &[
        Slot::new("dx", "[b, nh, s, 4, d]"),
        Slot::new("dr", "[nh, 4, d, d]"),
        Slot::new("dc_first", "[b, nh, d]"),
        Slot::new("dn_first", "[b, nh, d]"),
        Slot::new("dh_first", "[b, nh, d]"),
        Slot::new("dm_first", "[b, nh, d]"),
    ],
    args: registry::ARGS,
    dtypes: DTYPES,
};

/// The inputs as the truth takes them.
pub(super) fn numbers(inputs: &[Tensor]) -> Result<(Numbers, Loss)> {
    let x = Numbers::new(&inputs[0], &inputs[1], inputs.get(3..7).unwrap_or(&[]))?;
    let last = |index: usize| match inputs.get(index) {
        Some(tensor) => tensor.to_f64_vec(),
        None => Ok(vec![0.0; x.b * x.nh * x.d]),
    };
    let loss = Loss { h: inputs[2].to_f64_vec()?, last: [last(7)?, last(8)?, last(9)?] };
    Ok((x, loss))
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let case = |tier, sizes, dtype| registry::case(tier, sizes, dtype);
        let edge = |sizes| case(Tier::Edge, sizes, DType::F32);
        vec![
            edge([1, 1, 1, 1]),
            edge([2, 3, 5, 5]),
            edge([3, 2, 4, 9]).data("strided"),
            edge([5, 2, 3, 33]).data("state"),
            edge([2, 2, 6, 5]).set("forget_gate", "exponential").data("state"),
            edge([2, 1, 9, 7]).data("wide"),
            edge([1, 3, 7, 6]).data("masked"),
            case(Tier::Edge, [2, 2, 5, 12], DType::Bf16).data("state"),
            case(Tier::Edge, [2, 2, 5, 5], DType::F64).data("state"),
            edge([0, 2, 3, 4]),
            edge([2, 2, 0, 4]).data("state"),
            edge([2, 2, 3, 0]),
            case(Tier::Check, [3, 2, 100, 48], DType::F32).data("calm"),
            case(Tier::Check, [5, 2, 40, 70], DType::F32).data("calm"),
            case(Tier::Check, [2, 2, 40, 64], DType::Bf16).data("calm"),
            case(Tier::Check, [2, 2, 40, 64], DType::F16).data("calm"),
            case(Tier::Check, [6, 1, 30, 40], DType::F64).data("strided"),
            case(Tier::Bench, [8, 4, 256, 64], DType::F32).data("calm"),
            case(Tier::Bench, [16, 4, 512, 128], DType::F32).data("calm"),
            case(Tier::Bench, [16, 4, 512, 128], DType::Bf16).data("calm"),
        ]
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        samples::with_loss(case)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (x, loss) = numbers(inputs)?;
        let truth = reference::slstm_sequence_bw(&x, &loss, &registry::cell(&case.args)?);
        let (sizes, sums) = (registry::sizes(case), accumulator(case.dtype));
        let (x, r, state) = (sizes.x(), sizes.r(), sizes.state());
        let shapes: [(&[usize], DType); 6] = [
            (&x, case.dtype),
            (&r, case.dtype),
            (&state, sums),
            (&state, sums),
            (&state, sums),
            (&state, sums),
        ];
        let values = |((shape, dtype), truth)| Expected::values(shape, dtype, sums, 1.0, truth);
        Ok(shapes.into_iter().zip(truth).map(values).collect())
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
        let wrong = || {
            Error::range(NAME, "inputs", "x r dh, then c n h m, then dc_last dn_last dh_last", inputs.len())
        };
        let ([x, r, dh], rest) = inputs.split_first_chunk().ok_or_else(wrong)?;
        let (state, last) = match rest {
            [] => (None, None),
            [c, n, h, m] => (Some([c, n, h, m]), None),
            [c, n, h, m, dc, dn, dh] => (Some([c, n, h, m]), Some([dc, dn, dh])),
            _ => return Err(wrong()),
        };
        choose(NAME, variant, &variants(NAME, stream.device(), x.dtype())?)?;
        let state = state.map(|parts| SlstmState::from_parts(parts.map(Tensor::clone)));
        let loss = SlstmLoss { h: dh, last };
        let by = slstm_sequence_bw(stream, x, r, state.as_ref(), &loss, &registry::cell(args)?)?;
        Ok(vec![by.x, by.r, by.state.c, by.state.n, by.state.h, by.state.m])
    }

    fn work(&self, case: &Case) -> Work {
        let sizes = registry::sizes(case);
        let (tokens, units) = ((sizes.b * sizes.nh * sizes.s) as f64, sizes.d as f64);
        let (data, sums) = (case.dtype.size() as f64, accumulator(case.dtype).size() as f64);
        let weights = (4 * sizes.nh) as f64 * units * units * data;
        // Of the first state its gradient, and, where there is one, itself and the loss's three by the last.
        let ends = if registry::has_state(case.data) { 11.0 } else { 4.0 };
        let state = ends * sums * (sizes.b * sizes.nh) as f64 * units;
        // The forward product again, the one that leads back, and the one over tokens, beside about 80 operations a unit; x and its gradient, and dh; r
        // and its own.
        Work {
            flops: tokens * units * (24.0 * units + 80.0),
            bytes: tokens * units * 9.0 * data + 2.0 * weights + state,
        }
    }
}

//! Evidence. The tolerance is that of `logsumexp`, and one rounding of the difference between the largest logit and the target.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{DTYPES, NAME, cross_entropy, loss_dtype, reference};
use crate::arguments::{choose, only_variant};
use crate::reduce::data;
use crate::reduce::logsumexp::sum_roundings;
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "loss = log(sum over j of exp(logits[.., j])) - logits[.., target], 0 where target < 0",
    inputs: &[Slot::new("logits", "[.., n]"), Slot::new("target", "[..]")],
    outputs: &[Slot::new("loss", "[..]")],
    args: &[],
    dtypes: DTYPES,
};

/// `cross_entropy` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// The cases, which the gradient shares.
pub(in crate::reduce) fn cases() -> Vec<Case> {
    use Tier::{Bench, Check, Edge};
    let case = |tier, r, n, dtype| data::case(tier, r, n, dtype);
    let mut cases: Vec<Case> =
        [(1, 1), (5, 31), (2, 33), (3, 257), (0, 5)].map(|(r, n)| case(Edge, r, n, DType::F32)).into();
    for data in ["special", "infinite", "masked", "wide", "transposed"] {
        cases.push(case(Edge, 6, 70, DType::F32).data(data));
    }
    cases.push(case(Edge, 2, 8500, DType::F32).data("wide"));
    cases.push(case(Edge, 5, 260, DType::Bf16).data("wide"));
    for dtype in DTYPES {
        cases.push(case(Check, 300, 257, *dtype));
        cases.push(case(Check, 7, 50_304, *dtype).data("wide"));
    }
    cases.push(case(Bench, 4096, 50_304, DType::Bf16));
    cases.push(case(Bench, 8192, 256, DType::F32));
    cases
}

/// Logits and targets; one target in five is to be left out.
pub(in crate::reduce) fn inputs(case: &Case) -> Result<[Tensor; 2]> {
    let (rows, n) = (case.dim("r"), case.dim("n"));
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    random.set_stream(7);
    let targets = (0..rows).map(|row| if row % 5 == 4 { -1 } else { random.random_range(0..n as i64) });
    Ok([data::input(case)?, Tensor::from_vec(targets.collect(), [rows])?])
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(inputs(case)?.into())
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let dtype = loss_dtype(case.dtype);
        let (logits, targets) = (inputs[0].to_f64_vec()?, inputs[1].to_vec::<i64>()?);
        let roundings = sum_roundings(case.dim("n"));
        let truth = logits.chunks(case.dim("n")).zip(targets).map(|(row, target)| {
            let truth = reference::cross_entropy(row, target);
            let finite = |x: f64| if x.is_finite() { x.abs() } else { 0.0 };
            // The logarithm makes of the sum's relative error an absolute one, and has its own (4: Metal's).
            let sum = roundings + truth.spread + 4.0 * truth.log.abs();
            (truth.value, if target < 0 { 0.0 } else { sum + finite(truth.distance) + finite(truth.value) })
        });
        Ok(vec![Expected::values(inputs[1].dims(), dtype, dtype, 1.0, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        registry::variants_without_f64(NAME, device, case.dtype, DTYPES)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        choose(NAME, variant, &[only_variant(stream.device())])?;
        let [logits, target] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 2, inputs.len()));
        };
        Ok(vec![cross_entropy(stream, logits, target)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = registry::elements(case);
        Work {
            flops: 3.0 * elements,
            bytes: elements * case.dtype.size() as f64 + 12.0 * case.dim("r") as f64,
        }
    }
}

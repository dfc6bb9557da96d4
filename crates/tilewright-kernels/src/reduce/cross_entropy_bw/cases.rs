//! Evidence. The tolerance of a probability is that of `softmax`; then one rounding for the difference to 1, and two for the product with dloss.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work,
};

use super::{NAME, cross_entropy_bw, reference};
use crate::arguments::{choose, only_variant};
use crate::reduce::cross_entropy::cases::{cases, inputs};
use crate::reduce::cross_entropy::{DTYPES, loss_dtype};
use crate::reduce::logsumexp::sum_roundings;
use crate::reduce::registry;

static SPEC: Spec = Spec {
    name: NAME,
    family: "reduce",
    math: "dlogits[.., j] = dloss (softmax(logits)[.., j] - [j = target]), 0 where target < 0",
    inputs: &[Slot::new("dloss", "[..]"), Slot::new("logits", "[.., n]"), Slot::new("target", "[..]")],
    outputs: &[Slot::new("dlogits", "[.., n]")],
    args: &[],
    dtypes: DTYPES,
};

/// `cross_entropy_bw` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [logits, target] = inputs(case)?;
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        random.set_stream(8);
        let dloss: Vec<f64> = (0..case.dim("r")).map(|_| random.random_range(-2.0..2.0)).collect();
        Ok(vec![Tensor::from_f64(&dloss, loss_dtype(case.dtype), target.shape())?, logits, target])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (n, accumulator) = (case.dim("n"), loss_dtype(case.dtype));
        let (dloss, logits, targets) =
            (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?, inputs[2].to_vec::<i64>()?);
        let roundings = sum_roundings(n);
        let smallest =
            if case.dtype == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
        let mut truth = Vec::with_capacity(logits.len());
        for ((row, &target), &dloss) in logits.chunks(n).zip(&targets).zip(&dloss) {
            for (value, p, distance, mean) in reference::cross_entropy_bw(row, target, dloss) {
                // The difference, its exponential (8: Metal's 4 ulp), the quotient (4), the sum; and what may be flushed to 0.
                let share =
                    p * (distance + 8.0 + 4.0 + mean + roundings) + smallest / accumulator.unit_roundoff();
                let finite = if value.is_finite() { value.abs() } else { 0.0 };
                truth.push((value, dloss.abs() * share + 3.0 * finite));
            }
        }
        Ok(vec![Expected::values(inputs[1].dims(), case.dtype, accumulator, 1.0, truth)])
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
        let [dloss, logits, target] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 3, inputs.len()));
        };
        Ok(vec![cross_entropy_bw(stream, dloss, logits, target)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = registry::elements(case);
        Work { flops: 5.0 * elements, bytes: 2.0 * elements * case.dtype.size() as f64 }
    }
}

//! Evidence. Tolerance: one rounding each for `alpha`, the product and the sum.

use tilewright_core::{
    ArgSpec, Args, Case, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work,
};

use super::{Axpy, DTYPES, NAME, axpy, reference};
use crate::arguments::choose;
use crate::elementwise::evidence::{self, accumulator, flushed, values};
use crate::elementwise::soft_cap::cases::variants;

const ROUNDINGS: f64 = 3.0;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "elementwise",
    math: "out = alpha x + y",
    inputs: &[Slot::new("x", "[..]"), Slot::new("y", "[..]")],
    outputs: &[Slot::new("out", "[..]")],
    args: &[ArgSpec { name: "alpha", default: "1", doc: "the factor of x, finite" }],
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        evidence::cases().into_iter().map(|case| case.set("alpha", -1.7)).collect()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        (0..2).map(|stream| values(case, stream, -2.0..2.0)).collect()
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let alpha = case.args.float("alpha", Axpy::default().alpha)?;
        let (x, y) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
        let truth = x.iter().zip(&y).map(|(&x, &y)| {
            let (value, magnitude) = reference::axpy(x, y, alpha);
            (value, magnitude + flushed(case.dtype))
        });
        Ok(vec![Expected::values(inputs[0].dims(), case.dtype, accumulator(case.dtype), ROUNDINGS, truth)])
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
        let [x, y] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 2, inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), x.dtype())?)?;
        Ok(vec![axpy(stream, x, y, &Axpy { alpha: args.float("alpha", Axpy::default().alpha)? })?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("b") * case.dim("n")) as f64;
        Work { flops: 2.0 * elements, bytes: 3.0 * elements * case.dtype.size() as f64 }
    }
}

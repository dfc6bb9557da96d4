//! Evidence. The cases are those of `soft_cap`, with a generic gradient.
//!
//! Tolerance, in unit roundoffs of f32: with z = 2 |x| / cap, z carries 2 roundings (of cap and of the quotient) and exp(-z) turns a relative error d of z
//! into z d, so 2 per unit of z; Apple's division may add 2 ulp, 4 roundings, and the native reduction of the argument 2: 8 per unit of z.
//! Beside that: 8 for exp (Metal promises 4 ulp), 1 for each of the 5 other operations, each counted twice where e appears twice,
//! and 2 for a division that is not correctly rounded: 20. Where the factor is below the smallest normal number it may be 0.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work,
};

use super::{NAME, reference, soft_cap_bw};
use crate::arguments::choose;
use crate::elementwise::soft_cap::{DTYPES, SoftCap, cases};

const ROUNDINGS: f64 = 20.0;
const ROUNDINGS_PER_Z: f64 = 8.0;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "elementwise",
    math: "dx = dy (1 - tanh(x / cap)^2)",
    inputs: &[Slot::new("dy", "[..]"), Slot::new("x", "[..]")],
    outputs: &[Slot::new("dx", "[..]")],
    args: &[ArgSpec { name: "cap", default: "30", doc: "the cap of the forward pass, positive and finite" }],
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases::cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let usual = Case { data: "", ..case.clone() };
        Ok(vec![cases::values(&usual, 1)?, cases::values(case, 0)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let cap = case.args.float("cap", SoftCap::default().cap)?;
        let (accumulator, smallest) = match case.dtype {
            DType::F64 => (DType::F64, f64::MIN_POSITIVE),
            _ => (DType::F32, f64::from(f32::MIN_POSITIVE)),
        };
        let (dy, x) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
        let truth = dy.iter().zip(&x).map(|(&dy, &x)| {
            let value = reference::soft_cap_bw(dy, x, cap);
            let z = 2.0 * (x / cap).abs().min(400.0);
            let flushed = dy.abs() * 4.0 * smallest / (ROUNDINGS * accumulator.unit_roundoff());
            (value, value.abs() * (1.0 + z * ROUNDINGS_PER_Z / ROUNDINGS) + flushed)
        });
        Ok(vec![Expected::values(inputs[1].dims(), case.dtype, accumulator, ROUNDINGS, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        cases::variants(NAME, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [dy, x] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 2, inputs.len()));
        };
        choose(NAME, variant, &cases::variants(NAME, stream.device(), x.dtype())?)?;
        let args = SoftCap { cap: args.float("cap", SoftCap::default().cap)? };
        Ok(vec![soft_cap_bw(stream, dy, x, &args)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("b") * case.dim("n")) as f64;
        Work { flops: 8.0 * elements, bytes: 3.0 * elements * case.dtype.size() as f64 }
    }
}

//! Evidence.
//!
//! Tolerance, in unit roundoffs of f32: 8 for exp (Metal promises 4 ulp), reaching sigma at most once, 1 for the sum, 4 for a division that is not
//! correctly rounded, 2 for the products: 15, and 16 are allowed. Where sigma is below the smallest normal number it may be 0.

use tilewright_core::{
    ArgSpec, Args, Case, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work,
};

use super::{Activation, DTYPES, Glu, NAME, glu, reference};
use crate::arguments::choose;
use crate::elementwise::evidence::{self, accumulator, flushed, values};
use crate::elementwise::soft_cap::cases::variants;

const ROUNDINGS: f64 = 16.0;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

pub(in crate::elementwise) const ACTIVATION: ArgSpec = ArgSpec {
    name: "activation",
    default: "silu",
    doc: "what lets b through: silu, a sigma(a), or sigmoid, sigma(a)",
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "elementwise",
    math: "out = act(a) b, act(a) = a sigma(a) or sigma(a)",
    inputs: &[Slot::new("a", "[..]"), Slot::new("b", "[..]")],
    outputs: &[Slot::new("out", "[..]")],
    args: &[ACTIVATION],
    dtypes: DTYPES,
};

/// The usual cases, each with either activation in turn.
pub(in crate::elementwise) fn cases() -> Vec<Case> {
    let mut cases = evidence::cases();
    let also: Vec<Case> =
        cases.iter().skip(2).step_by(3).map(|case| case.clone().set("activation", "sigmoid")).collect();
    cases.extend(also);
    cases
}

/// The arguments of a case.
pub(in crate::elementwise) fn arguments(args: &Args) -> Result<Glu> {
    Ok(Glu { activation: args.text("activation", "silu")?.parse()? })
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let usual = Case { data: if case.data == "ends" { "" } else { case.data }, ..case.clone() };
        Ok(vec![values(case, 0, -9.0..9.0)?, values(&usual, 1, -2.0..2.0)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let silu = arguments(&case.args)?.activation == Activation::Silu;
        let (a, b) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
        let truth = a.iter().zip(&b).map(|(&a, &b)| {
            let value = reference::glu(a, b, silu);
            (value, value.abs() + flushed(case.dtype) * (1.0 + (if silu { a * b } else { b }).abs()))
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
        let [a, b] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 2, inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), a.dtype())?)?;
        Ok(vec![glu(stream, a, b, &arguments(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("b") * case.dim("n")) as f64;
        Work { flops: 5.0 * elements, bytes: 3.0 * elements * case.dtype.size() as f64 }
    }
}

//! Evidence.
//!
//! Tolerance, in unit roundoffs of f32: 13 for each sigma (`glu`), two of which are multiplied; 4 for the products and the sum: 30.

use tilewright_core::{
    Args, Case, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work,
};

use super::{Activation, NAME, glu_bw, reference};
use crate::arguments::choose;
use crate::elementwise::evidence::{accumulator, flushed, values};
use crate::elementwise::glu::cases::{ACTIVATION, arguments, cases};
use crate::elementwise::soft_cap::{DTYPES, cases::variants};

const ROUNDINGS: f64 = 30.0;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "elementwise",
    math: "da = dy b act'(a), db = dy act(a), act(a) = a sigma(a) or sigma(a)",
    inputs: &[Slot::new("dy", "[..]"), Slot::new("a", "[..]"), Slot::new("b", "[..]")],
    outputs: &[Slot::new("da", "[..]"), Slot::new("db", "[..]")],
    args: &[ACTIVATION],
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
        let usual = Case { data: if case.data == "ends" { "" } else { case.data }, ..case.clone() };
        Ok(vec![values(&usual, 2, -2.0..2.0)?, values(case, 0, -9.0..9.0)?, values(&usual, 1, -2.0..2.0)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let silu = arguments(&case.args)?.activation == Activation::Silu;
        let data = inputs.iter().map(Tensor::to_f64_vec).collect::<Result<Vec<_>>>()?;
        let [mut da, mut db] = [const { Vec::new() }; 2];
        for ((&dy, &a), &b) in data[0].iter().zip(&data[1]).zip(&data[2]) {
            let [by_a, by_b] = reference::glu_bw(dy, a, b, silu);
            let small = flushed(case.dtype) * (1.0 + dy.abs()) * (1.0 + a.abs()) * (1.0 + b.abs());
            da.push((by_a.0, by_a.1 + small));
            db.push((by_b.0, by_b.1 + small));
        }
        let values =
            |truth| Expected::values(inputs[0].dims(), case.dtype, accumulator(case.dtype), ROUNDINGS, truth);
        Ok(vec![values(da), values(db)])
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
        let [dy, a, b] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 3, inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), a.dtype())?)?;
        let (da, db) = glu_bw(stream, dy, a, b, &arguments(args)?)?;
        Ok(vec![da, db])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("b") * case.dim("n")) as f64;
        Work { flops: 14.0 * elements, bytes: 5.0 * elements * case.dtype.size() as f64 }
    }
}

//! Evidence.
//!
//! Tolerance, in unit roundoffs relative to the magnitudes of `reference.rs`: m' takes 5 (two factors, g, a product, the sum), v' 7, of which the root
//! halves its share; the correction, the root, eps, the quotient (4 where it is not correctly rounded), the rate, the product and the sum: 20 in all.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{AdamW, DTYPES, NAME, adamw, reference};
use crate::arguments::choose;
use crate::elementwise::copy::{CopyTo, copy};
use crate::elementwise::evidence::{accumulator, flushed, values};
use crate::elementwise::soft_cap::cases::variants;

const ROUNDINGS: f64 = 20.0;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

const fn arg(name: &'static str, default: &'static str, doc: &'static str) -> ArgSpec {
    ArgSpec { name, default, doc }
}

static SPEC: Spec = Spec {
    name: NAME,
    family: "elementwise",
    math: "m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2, p' = p - lr (decay p + corrected m' / (sqrt(corrected v') + eps))",
    inputs: &[
        Slot::new("p", "[..]"),
        Slot::new("dp", "[..]"),
        Slot::new("m", "[..]"),
        Slot::new("v", "[..]"),
    ],
    outputs: &[Slot::new("p'", "[..]"), Slot::new("m'", "[..]"), Slot::new("v'", "[..]")],
    args: &[
        arg("lr", "1e-3", "the rate of learning, >= 0"),
        arg("beta1", "0.9", "how much of the mean gradient is kept, >= 0 and < 1"),
        arg("beta2", "0.95", "how much of the mean square is kept, >= 0 and < 1"),
        arg("eps", "1e-8", "added to the root of the mean square, > 0"),
        arg("weight_decay", "0.1", "what is taken off a parameter, times the rate, >= 0"),
        arg("step", "1", "the number of this step, from 1"),
        arg("scale", "1", "the factor of the gradient"),
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<AdamW> {
    let usual = AdamW::default();
    Ok(AdamW {
        lr: args.float("lr", usual.lr)?,
        beta1: args.float("beta1", usual.beta1)?,
        beta2: args.float("beta2", usual.beta2)?,
        eps: args.float("eps", usual.eps)?,
        weight_decay: args.float("weight_decay", usual.weight_decay)?,
        step: args.size("step", 1)? as u64,
        scale: args.float("scale", usual.scale)?,
    })
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let case = |tier, b, n, dtype| {
            Case::new(tier, &[("b", b), ("n", n)], dtype).set("lr", 0.125).set("scale", 0.75)
        };
        let mut cases = vec![
            case(Edge, 1, 1, DType::F32),
            case(Edge, 0, 3, DType::F32),
            case(Edge, 3, 85, DType::F32).set("step", 7i64),
            case(Edge, 1, 2049, DType::F32).set("beta1", 0.0).set("weight_decay", 0.0),
            case(Edge, 5, 60, DType::F32).set("eps", 0.5).set("step", 1000i64),
            case(Edge, 5, 60, DType::F64).set("step", 3i64),
        ];
        for dtype in DTYPES {
            cases.push(case(Check, 257, 1031, *dtype).set("step", 12i64));
        }
        cases.push(case(Bench, 1 << 12, 1 << 12, DType::F32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let signed = |stream| values(case, stream, -2.0..2.0);
        Ok(vec![signed(0)?, signed(1)?, signed(2)?, values(case, 3, 0.0..2.0)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = arguments(&case.args)?;
        let data = inputs.iter().map(Tensor::to_f64_vec).collect::<Result<Vec<_>>>()?;
        let truth: Vec<_> = (0..data[0].len())
            .map(|i| reference::adamw([data[0][i], data[1][i], data[2][i], data[3][i]], &args))
            .collect();
        let small = flushed(case.dtype);
        let of = |output: usize| {
            let truth = truth.iter().map(|all| (all[output].0, all[output].1 + small));
            Expected::values(inputs[0].dims(), case.dtype, accumulator(case.dtype), ROUNDINGS, truth)
        };
        Ok((0..3).map(of).collect())
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
        let [p, dp, m, v] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 4, inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), p.dtype())?)?;
        let own = |tensor| copy(stream, tensor, &CopyTo::default());
        let (mut p, mut m, mut v) = (own(p)?, own(m)?, own(v)?);
        adamw(stream, &mut p, dp, &mut m, &mut v, &arguments(args)?)?;
        Ok(vec![p, m, v])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("b") * case.dim("n")) as f64;
        Work { flops: 15.0 * elements, bytes: 7.0 * elements * case.dtype.size() as f64 }
    }
}

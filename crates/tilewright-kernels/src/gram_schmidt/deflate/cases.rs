//! Evidence. The cases are those of `project`, with the coefficients of a basis in general position.
//!
//! Tolerance, in unit roundoffs of the accumulator relative to |v| and the sum of the absolute terms: k for the sum in any order and 3 for products,
//! difference and factors. Compensated: 2 relative to the result, and the square of that relative to the terms.

use tilewright_core::{
    ArgSpec, Args, Case, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Work,
};

use super::super::project::cases::{allowance, cases, dims, operands, supported};
use super::super::{DTYPES, accumulator, samples};
use super::{Deflate, NAME, reference, run};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "gram_schmidt",
    math: "out[i] = v[i] - sum_j q[i, j] c[j]",
    inputs: &[
        Slot::new("q", "[.., m, k]"),
        Slot::new("c", "[.., k] or [.., k, p]"),
        Slot::new("v", "[.., m] or [.., m, p]"),
    ],
    outputs: &[Slot::new("out", "[.., m] or [.., m, p]")],
    args: &[ArgSpec { name: "compensated", default: "false", doc: "sum as if in twice the precision" }],
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
        let [q, v] = operands(case)?;
        let c = samples::tensor(case, 2, &dims(case, case.dim("k"), case.dim("p")))?;
        Ok(vec![q, c, v])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (m, k, p) = (case.dim("m"), case.dim("k"), case.dim("p"));
        let (q, c, v) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?, inputs[2].to_f64_vec()?);
        let columns = p.max(1);
        let truth: Vec<(f64, f64)> = (0..case.dim("b").max(1))
            .flat_map(|b| {
                let (q, c, v) = (&q[b * m * k..], &c[b * k * columns..], &v[b * m * columns..]);
                reference::deflate(q, c, v, m, k, columns)
            })
            .collect();
        let (roundings, truth) = allowance(case, k + 2, truth)?;
        let shape = dims(case, m, p);
        Ok(vec![Expected::values(&shape, case.dtype, accumulator(case.dtype), roundings, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        supported(NAME, device, case)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [q, c, v] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 3, inputs.len()));
        };
        let args = Deflate { compensated: args.bool("compensated", false)? };
        Ok(vec![run(stream, variant, q, c, v, &args)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, k, p] = ["b", "m", "k", "p"].map(|name| case.dim(name) as f64);
        let (b, p, size) = (b.max(1.0), p.max(1.0), case.dtype.size() as f64);
        Work { flops: 2.0 * b * m * k * p, bytes: b * (m * k + 2.0 * m * p + k * p) * size }
    }
}

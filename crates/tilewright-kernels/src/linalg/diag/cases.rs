//! Evidence: the very bytes, of every width.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work, with_element,
};

use super::super::placed::offset;
use super::super::tril::{OFFSET, whole};
use super::super::{registry, samples};
use super::{NAME, diag, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "out_ij = x_min(i, j) where j - i = offset, 0 elsewhere",
    inputs: &[Slot::new("x", "[.., k]")],
    outputs: &[Slot::new("out", "[.., n, n]")],
    args: &[OFFSET],
    dtypes: &DType::ALL,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let case = |tier, [b, k]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("k", k)], dtype);
        let edge = |size, dtype| case(Tier::Edge, size, dtype);
        let mut cases = vec![
            edge([2, 0], DType::F32),
            edge([2, 0], DType::F32).set("offset", 2i64),
            edge([3, 1], DType::F32),
            edge([3, 5], DType::F32).set("offset", -2i64).data("transposed"),
            edge([2, 4], DType::U8).set("offset", 1i64),
            edge([2, 3], DType::Bf16),
            edge([2, 3], DType::I64).set("offset", 3i64),
        ];
        for dtype in DType::ALL {
            cases.push(case(Tier::Check, [3, 65], dtype).set("offset", 3i64));
            cases.push(case(Tier::Check, [2, 40], dtype).set("offset", -5i64).data("transposed"));
        }
        cases.push(case(Tier::Bench, [1, 4096], DType::F32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        // The batch is a row of a stack of one.
        let (b, k) = (case.dim("b"), case.dim("k"));
        let one = Case { dims: vec![("b", 0)], ..case.clone() };
        Ok(vec![samples::stack(&one, [b, k], |_| whole(case, 0, b * k))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (b, k, offset) = (case.dim("b"), case.dim("k"), offset(NAME, &case.args)?);
        let n = k + offset.unsigned_abs() as usize;
        let placed = with_element!(case.dtype, T => {
            let from = inputs[0].to_vec::<T>()?;
            let mut values = vec![bytemuck::Zeroable::zeroed(); b * n * n];
            for (e, &value) in from.iter().enumerate() {
                let [i, j] = reference::diag(e % k, offset);
                values[(e / k * n + i) * n + j] = value;
            }
            Tensor::from_vec::<T>(values, [b, n, n])?
        });
        Ok(vec![Expected::Exact(placed)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        registry::variants(NAME, device, case.dtype)
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
        let [x] = registry::inputs(NAME, inputs)?;
        Ok(vec![diag(stream, x, offset(NAME, args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let (b, k) = (case.dim("b") as f64, case.dim("k") as f64);
        Work { flops: 0.0, bytes: b * (k + k * k) * case.dtype.size() as f64 }
    }
}

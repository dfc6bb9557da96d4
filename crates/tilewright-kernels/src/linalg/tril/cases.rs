//! Evidence: the very bytes, of every width. Also that of the upper triangles.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
    with_element,
};

use super::super::placed::offset;
use super::super::{registry, samples};
use super::{NAME, reference, tril};
use crate::arguments::{choose, only_variant};

/// A kernel that keeps a triangle, in the registry.
pub(in super::super) struct Registered {
    pub(in super::super) spec: &'static Spec,
    /// Whether element (i, j) stays.
    pub(in super::super) stays: fn(usize, usize, i64) -> bool,
    pub(in super::super) run: fn(&Stream, &Tensor, i64) -> Result<Tensor>,
}

pub(crate) const KERNEL: &dyn Kernel = &Registered { spec: &SPEC, stays: reference::tril, run: tril };

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "out_ij = x_ij where j - i <= offset, 0 elsewhere",
    inputs: &[Slot::new("x", "[.., m, n]")],
    outputs: &[Slot::new("out", "[.., m, n]")],
    args: &[OFFSET],
    dtypes: &DType::ALL,
};

pub(in super::super) const OFFSET: ArgSpec =
    ArgSpec { name: "offset", default: "0", doc: "so far above the main diagonal; below it if negative" };

/// Numbers that every dtype holds, and none of which is zero but among truth values.
pub(in super::super) fn whole(case: &Case, item: u64, elements: usize) -> Vec<f64> {
    let random = samples::uniform(case, item, elements);
    let value = |x: f64| match case.dtype {
        DType::Bool => f64::from(u8::from(x > 0.0)),
        _ => 1.0 + (x.abs() * 6.0).floor(),
    };
    random.into_iter().map(value).collect()
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn cases(&self) -> Vec<Case> {
        let case =
            |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
        let edge = |size, dtype| case(Tier::Edge, size, dtype);
        let mut cases = vec![
            edge([2, 0, 3], DType::F32),
            edge([0, 1, 1], DType::F32),
            edge([3, 5, 7], DType::F32).set("offset", -2i64).data("transposed"),
            edge([2, 7, 4], DType::I32).set("offset", 1i64).data("sliced"),
            edge([2, 3, 4], DType::F32).set("offset", -100i64),
            edge([0, 4, 3], DType::F16).set("offset", 9_000_000_000i64),
            edge([2, 3, 3], DType::U8),
            edge([0, 3, 5], DType::I64).set("offset", 2i64),
            edge([2, 3, 3], DType::F64),
        ];
        for dtype in DType::ALL {
            cases.push(case(Tier::Check, [3, 33, 65], dtype).set("offset", 3i64));
            cases.push(case(Tier::Check, [0, 70, 40], dtype).set("offset", -5i64).data("transposed"));
        }
        for dtype in [DType::F32, DType::Bf16] {
            cases.push(case(Tier::Bench, [0, 4096, 4096], dtype));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (m, n) = (case.dim("m"), case.dim("n"));
        Ok(vec![samples::stack(case, [m, n], |item| whole(case, item, m * n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (m, n, offset) = (case.dim("m"), case.dim("n"), offset(self.spec.name, &case.args)?);
        let kept = with_element!(case.dtype, T => {
            let mut values = inputs[0].to_vec::<T>()?;
            for (e, value) in values.iter_mut().enumerate() {
                if !(self.stays)(e / n % m, e % n, offset) {
                    *value = bytemuck::Zeroable::zeroed();
                }
            }
            Tensor::from_vec(values, inputs[0].dims())?
        });
        Ok(vec![Expected::Exact(kept)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        registry::variants(self.spec.name, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(self.spec)?;
        choose(self.spec.name, variant, &[only_variant(stream.device())])?;
        let [x] = registry::inputs(self.spec.name, inputs)?;
        Ok(vec![(self.run)(stream, x, offset(self.spec.name, args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = ["b", "m", "n"].map(|name| case.dim(name).max(1) as f64).iter().product::<f64>();
        Work { flops: 0.0, bytes: 2.0 * elements * case.dtype.size() as f64 }
    }
}

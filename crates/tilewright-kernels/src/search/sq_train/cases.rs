//! Evidence for `sq_train`.

use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{NAME, reference, sq_train};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::samples::Samples;

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "ranges = the least of each column's finite numbers, and the greatest minus it",
    inputs: &[Slot::new("x", "[n, d]")],
    outputs: &[Slot::new("ranges", "[2, d]")],
    args: &[],
    dtypes: &[DType::F32],
};

/// `sq_train` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, n: usize, d: usize) -> Case {
    Case::new(tier, &[("n", n), ("d", d)], DType::F32)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 3),
            case(Edge, 1, 1),
            case(Edge, 5, 33),
            case(Edge, 70, 31).data("special"),
            case(Edge, 9, 64).data("equal"),
        ];
        for (n, d) in [(5003, 128), (301, 1025), (100_003, 3)] {
            for data in ["", "special", "far"] {
                cases.push(case(Check, n, d).data(data));
            }
        }
        cases.push(case(Bench, 100_000, 128).data("subspace"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![Samples::new(case).vectors(case.dim("n"), case.dim("d"))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (d, x) = (case.dim("d"), inputs[0].to_f64_vec()?);
        let ranges = (0..d).map(|j| reference::range(x.iter().skip(j).step_by(d).copied()));
        let (least, widths): (Vec<f64>, Vec<f64>) = ranges.unzip();
        // The difference is rounded once, by the truth as by the kernel.
        Ok(vec![Expected::Exact(Tensor::from_f64(&[least, widths].concat(), DType::F32, [2, d])?)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "x", case.dtype, &[DType::F32])?;
        Ok(vec![only_variant(device)])
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        choose(NAME, variant, &[only_variant(stream.device())])?;
        let [x] = inputs else {
            return Err(Error::range(NAME, "inputs", "1 tensor", inputs.len()));
        };
        Ok(vec![sq_train(stream, x)?])
    }

    fn work(&self, case: &Case) -> Work {
        let (n, d) = (case.dim("n") as f64, case.dim("d") as f64);
        Work { flops: 2.0 * n * d, bytes: 4.0 * n * d + 8.0 * d }
    }
}

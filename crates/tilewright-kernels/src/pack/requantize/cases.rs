//! Evidence for `requantize`. All of it is judged exactly.

use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{FACTOR, NAME, reference, requantize};
use crate::arguments::{choose, only_variant};
use crate::pack::samples;

static SPEC: Spec = Spec {
    name: NAME,
    family: "pack",
    math: "value' = round(value 7 / 127) in 4 bits, scale' = scale 127 / 7",
    inputs: &[Slot::new("values", "[.., n]"), Slot::new("scales", "[.., blocks]")],
    outputs: &[Slot::new("values", "[.., ceil(n / 2)]"), Slot::new("scales", "[.., blocks]")],
    args: &[],
    dtypes: &[DType::I8],
};

/// `requantize` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let case = |tier, [m, n, blocks]: [usize; 3]| {
            Case::new(tier, &[("m", m), ("n", n), ("blocks", blocks)], DType::I8)
        };
        let mut cases: Vec<Case> =
            [[0, 8, 1], [3, 0, 1], [1, 1, 1], [3, 7, 1], [5, 33, 3], [3, 48, 3], [2, 330, 11]]
                .map(|size| case(Edge, size))
                .into();
        cases.push(case(Edge, [6, 64, 2]).data("strided"));
        cases.extend(
            [[7, 3001, 94], [7, 4096, 128], [33, 1000, 1], [1, 100_000, 1]].map(|size| case(Check, size)),
        );
        // 256M values, a scale a row; and in blocks of 32.
        cases.push(case(Bench, [32_768, 8192, 1]));
        cases.push(case(Bench, [2048, 8192, 256]));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [m, n, blocks] = ["m", "n", "blocks"].map(|name| case.dim(name));
        let scales = samples::bits(case.seed + 1, DType::F32, &[m, blocks])?;
        if case.data == "strided" {
            let wider = samples::bits(case.seed, DType::I8, &[m, n + 3])?;
            return Ok(vec![wider.slice(1, 1..n + 1)?, scales]);
        }
        Ok(vec![samples::bits(case.seed, DType::I8, &[m, n])?, scales])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [m, n, blocks] = ["m", "n", "blocks"].map(|name| case.dim(name));
        let packed = reference::packed(&inputs[0].to_vec::<i8>()?, n);
        let scales = inputs[1].to_vec::<f32>()?;
        // The product in f32, rounded once: of two f32 it is exact in f64.
        let value: Vec<f64> =
            scales.iter().map(|&scale| f64::from((f64::from(scale) * f64::from(FACTOR)) as f32)).collect();
        let tolerance = vec![0.0; value.len()];
        Ok(vec![
            Expected::Exact(Tensor::from_vec(packed, [m, n.div_ceil(2)])?),
            Expected::Values { shape: vec![m, blocks], dtype: DType::F32, value, tolerance },
        ])
    }

    fn support(&self, device: Device, _: &Case) -> Result<Vec<&'static str>> {
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
        let [values, scales] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 tensors", inputs.len()));
        };
        let (values, scales) = requantize(stream, values, scales)?;
        Ok(vec![values, scales])
    }

    fn work(&self, case: &Case) -> Work {
        let [m, n, blocks] = ["m", "n", "blocks"].map(|name| case.dim(name) as f64);
        Work { flops: 0.0, bytes: m * (1.5 * n + 8.0 * blocks) }
    }
}

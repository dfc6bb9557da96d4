//! Evidence. Elements are moved, so results are judged by their bytes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{NAME, embedding, reference};
use crate::arguments::{choose, only_variant};

pub(in crate::gather) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "gather",
    math: "out[.., j] = table[ids[..], j]",
    inputs: &[Slot::new("table", "[n, d]"), Slot::new("ids", "[..]")],
    outputs: &[Slot::new("out", "[.., d]")],
    args: &[],
    dtypes: DTYPES,
};

/// The cases of a table of `n` rows of `d` elements and `s` ids, which the gradient shares.
pub(in crate::gather) fn cases() -> Vec<Case> {
    use Tier::{Bench, Check, Edge};
    let case = |tier, n, d, s, dtype| Case::new(tier, &[("n", n), ("d", d), ("s", s)], dtype);
    let mut cases = vec![
        case(Edge, 1, 1, 1, DType::F32),
        case(Edge, 3, 5, 0, DType::F32),
        case(Edge, 3, 0, 4, DType::F32),
        case(Edge, 7, 33, 50, DType::F32),
        case(Edge, 5, 300, 9, DType::F32),
        case(Edge, 3, 6, 1100, DType::F32),
        case(Edge, 6, 20, 30, DType::F32).data("transposed"),
        case(Edge, 9, 40, 37, DType::Bf16),
    ];
    for dtype in DTYPES {
        cases.push(case(Check, 256, 1100, 700, *dtype));
        cases.push(case(Check, 1000, 48, 5000, *dtype));
    }
    cases.push(case(Bench, 50_304, 4096, 4096, DType::Bf16));
    cases.push(case(Bench, 256, 1024, 8192, DType::F32));
    cases
}

/// Ids, some of them often.
pub(in crate::gather) fn ids(case: &Case) -> Result<Tensor> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    let n = case.dim("n") as i64;
    let ids = (0..case.dim("s")).map(|_| random.random_range(0..n).min(random.random_range(0..n)));
    let ids: Vec<i64> = ids.collect();
    match case.data {
        "transposed" => Tensor::from_vec(ids, [case.dim("s") / 2, 2])?.transpose(),
        _ => Tensor::from_vec(ids, [case.dim("s")]),
    }
}

/// A matrix of `rows` by `d`.
pub(in crate::gather) fn values(case: &Case, rows: usize) -> Result<Tensor> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    random.set_stream(1);
    let values: Vec<f64> = (0..rows * case.dim("d")).map(|_| random.random_range(-2.0..2.0)).collect();
    match case.data {
        "transposed" => Tensor::from_f64(&values, case.dtype, [case.dim("d"), rows])?.transpose(),
        _ => Tensor::from_f64(&values, case.dtype, [rows, case.dim("d")]),
    }
}

/// Every dtype on the CPU; f64 on no GPU.
pub(in crate::gather) fn variants(
    operation: &'static str,
    device: Device,
    dtype: DType,
) -> Result<Vec<&'static str>> {
    if device != Device::Cpu && dtype == DType::F64 {
        return Err(Error::unsupported(
            operation,
            device,
            "the table is f64, and the GPU bodies compute in f32",
        ));
    }
    Ok(vec![only_variant(device)])
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![values(case, case.dim("n"))?, ids(case)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let d = case.dim("d");
        let rows = reference::embedding(&inputs[0].to_f64_vec()?, d, &inputs[1].to_vec::<i64>()?);
        let shape = [inputs[1].dims(), &[d]].concat();
        Ok(vec![Expected::Exact(Tensor::from_f64(&rows, case.dtype, shape)?)])
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
        let [table, ids] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 2, inputs.len()));
        };
        choose(NAME, variant, &variants(NAME, stream.device(), table.dtype())?)?;
        Ok(vec![embedding(stream, table, ids)?])
    }

    fn work(&self, case: &Case) -> Work {
        let moved = (case.dim("s") * case.dim("d")) as f64;
        Work { flops: 0.0, bytes: 2.0 * moved * case.dtype.size() as f64 + 8.0 * case.dim("s") as f64 }
    }
}

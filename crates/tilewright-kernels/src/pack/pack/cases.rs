//! Evidence for `pack`. Bytes and checksums are judged exactly.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{NAME, pack, reference};
use crate::arguments::{choose, only_variant};
use crate::pack::samples;

static SPEC: Spec = Spec {
    name: NAME,
    family: "pack",
    math: "bytes = the elements of x in row-major order; checksum = bytes c + sum of (1 + (w(2i) + k(2i))) (1 + (w(2i + 1) + k(2i + 1)))",
    inputs: &[Slot::new("x", "any")],
    outputs: &[Slot::new("bytes", "[n]"), Slot::new("checksums", "[1]")],
    args: &[ArgSpec { name: "axes", default: "", doc: "x is taken with its axes in this order, as 0,2,1" }],
    dtypes: samples::MOVED,
};

/// `pack` in the registry: of one tensor, whose axes it may permute first, since files hold row-major tensors.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F32, F64, U8};
        use Tier::{Bench, Check, Edge};
        let case = |tier, dims: [usize; 3], dtype, axes: &str| {
            let dims = [("a", dims[0]), ("b", dims[1]), ("c", dims[2])];
            Case::new(tier, &dims, dtype).set("axes", axes)
        };
        let mut cases = vec![
            case(Edge, [0, 3, 5], F32, ""),
            case(Edge, [1, 1, 3], U8, ""),
            case(Edge, [7, 5, 16], Bf16, "1,0,2"),
            case(Edge, [3, 5, 7], Bf16, "1,0,2"),
            case(Edge, [5, 3, 11], U8, "2,1,0"),
            case(Edge, [40, 30, 9], F32, "1,2,0"),
            case(Edge, [3, 5, 7], F64, "0,2,1"),
        ];
        for dtype in samples::MOVED {
            cases.push(case(Check, [70, 8, 128], *dtype, "1,0,2"));
            cases.push(case(Check, [33, 65, 31], *dtype, "2,0,1"));
        }
        // A chunk of 8192 tokens' keys: 16 MiB, in its own order and with heads first.
        cases.push(case(Bench, [8192, 8, 128], Bf16, ""));
        cases.push(case(Bench, [8192, 8, 128], Bf16, "1,0,2"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![samples::bits(case.seed, case.dtype, &[case.dim("a"), case.dim("b"), case.dim("c")])?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let bytes = turned(&inputs[0], &case.args)?.to_bytes()?;
        let checksum = reference::checksum(&bytes);
        let count = bytes.len();
        Ok(vec![
            Expected::Exact(Tensor::from_vec(bytes, [count])?),
            Expected::Exact(Tensor::from_vec(vec![checksum], [1])?),
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
        let [x] = inputs else {
            return Err(Error::range(NAME, "inputs", "1 tensor", inputs.len()));
        };
        let packed = pack(stream, &[&turned(x, given)?])?;
        Ok(vec![packed.bytes, packed.checksums])
    }

    fn work(&self, case: &Case) -> Work {
        let bytes = case.dim("a") * case.dim("b") * case.dim("c") * case.dtype.size();
        Work { flops: 0.0, bytes: 2.0 * bytes as f64 }
    }
}

fn turned(x: &Tensor, args: &Args) -> Result<Tensor> {
    match args.text("axes", "")? {
        "" => Ok(x.clone()),
        axes => x.permute(&samples::numbers(NAME, "axes", axes)?),
    }
}

//! Evidence for `unpack`. Bytes and checksums are judged exactly.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{NAME, Unpack, reference, unpack};
use crate::arguments::{choose, only_variant};
use crate::pack::pack::reference::checksum;
use crate::pack::samples;

static SPEC: Spec = Spec {
    name: NAME,
    family: "pack",
    math: "out = the row-major tensor of shape in bytes, with its axes in the order of axes; checksum as pack's",
    inputs: &[Slot::new("bytes", "[n]")],
    outputs: &[Slot::new("out", "shape by axes"), Slot::new("checksum", "[1]")],
    args: &[
        ArgSpec { name: "dtype", default: "u8", doc: "of the elements" },
        ArgSpec { name: "shape", default: "", doc: "of what was packed, as 2,3,4" },
        ArgSpec {
            name: "axes",
            default: "",
            doc: "its axes in the order of the result, as 0,2,1; all in order",
        },
    ],
    dtypes: samples::MOVED,
};

/// `unpack` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F32, F64, U8};
        use Tier::{Bench, Check, Edge};
        let case = |tier, [a, b, c]: [usize; 3], dtype: DType, axes: &str| {
            let case = Case::new(tier, &[("a", a), ("b", b), ("c", c)], dtype);
            case.set("dtype", dtype.name()).set("shape", format!("{a},{b},{c}").as_str()).set("axes", axes)
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
        cases.push(case(Bench, [8192, 8, 128], Bf16, ""));
        cases.push(case(Bench, [8192, 8, 128], Bf16, "1,0,2"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let count = case.dim("a") * case.dim("b") * case.dim("c") * case.dtype.size();
        Ok(vec![samples::bits(case.seed, DType::U8, &[count])?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let bytes = inputs[0].to_vec::<u8>()?;
        let shape = [case.dim("a"), case.dim("b"), case.dim("c")];
        let axes: [usize; 3] = args.axes.try_into().unwrap_or([0, 1, 2]);
        let turned = reference::turned(&bytes, case.dtype.size(), shape, axes);
        let out = samples::of_bytes(turned, case.dtype, &axes.map(|axis| shape[axis]))?;
        let sum = Tensor::from_vec(vec![checksum(&bytes)], [1])?;
        Ok(vec![Expected::Exact(out), Expected::Exact(sum)])
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
        let [bytes] = inputs else {
            return Err(Error::range(NAME, "inputs", "1 tensor", inputs.len()));
        };
        let (out, checksum) = unpack(stream, bytes, &args(given)?)?;
        Ok(vec![out, checksum])
    }

    fn work(&self, case: &Case) -> Work {
        let bytes = case.dim("a") * case.dim("b") * case.dim("c") * case.dtype.size();
        Work { flops: 0.0, bytes: 2.0 * bytes as f64 }
    }
}

fn args(args: &Args) -> Result<Unpack> {
    Ok(Unpack {
        dtype: args.text("dtype", "u8")?.parse()?,
        shape: samples::numbers(NAME, "shape", args.text("shape", "")?)?,
        axes: samples::numbers(NAME, "axes", args.text("axes", "")?)?,
    })
}

//! Evidence for `unpack`. Bytes and checksums are judged exactly.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Layout, Result, Shape, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::{NAME, Unpack, reference, unpack, unpack_into};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::pack::pack::reference::checksum;
use crate::pack::samples;

static SPEC: Spec = Spec {
    name: NAME,
    family: "pack",
    math: "out = the row-major tensor of shape in bytes, with its axes in the order of axes; checksum as pack's",
    inputs: &[Slot::new("bytes", "[n]"), Slot::optional("memory", "[m]")],
    outputs: &[Slot::new("out", "shape by axes, or [m]"), Slot::new("checksum", "[1]")],
    args: &[
        ArgSpec { name: "dtype", default: "u8", doc: "of the elements" },
        ArgSpec { name: "shape", default: "", doc: "of what was packed, as 2,3,4" },
        ArgSpec {
            name: "axes",
            default: "",
            doc: "its axes in the order of the result, as 0,2,1; all in order",
        },
        ArgSpec {
            name: "strides",
            default: "",
            doc: "of the axes of shape in memory, as 40,8,1: what came is written there",
        },
        ArgSpec { name: "offset", default: "0", doc: "of the first element in memory" },
    ],
    dtypes: samples::MOVED,
};

/// `unpack` in the registry. With memory it writes into a copy of it, by `unpack_into`, since a registered kernel leaves its inputs alone.
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
        let into = |tier, dims, dtype, strides: &str, offset: i64| {
            case(tier, dims, dtype, "").set("strides", strides).set("offset", offset)
        };
        cases.extend([
            into(Edge, [0, 3, 5], F32, "15,5,1", 2),
            into(Edge, [1, 1, 3], U8, "0,0,2", 1),
            into(Edge, [3, 5, 7], Bf16, "40,8,1", 3),
            // Heads first, in words of 16 bytes, and from a place that is none.
            into(Edge, [4, 3, 16], F32, "16,64,1", 4),
            into(Edge, [4, 3, 16], F32, "16,64,1", 5),
            into(Edge, [5, 3, 11], U8, "1,7,22", 1),
            into(Edge, [3, 5, 7], F64, "2,6,31", 0),
        ]);
        for dtype in samples::MOVED {
            cases.push(case(Check, [70, 8, 128], *dtype, "1,0,2"));
            cases.push(case(Check, [33, 65, 31], *dtype, "2,0,1"));
            cases.push(into(Check, [70, 8, 128], *dtype, "128,9000,1", 16));
            cases.push(into(Check, [33, 65, 31], *dtype, "1,2100,33", 7));
        }
        cases.push(case(Bench, [8192, 8, 128], Bf16, ""));
        cases.push(case(Bench, [8192, 8, 128], Bf16, "1,0,2"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let count = case.dim("a") * case.dim("b") * case.dim("c") * case.dtype.size();
        let bytes = samples::bits(case.seed, DType::U8, &[count])?;
        let Some([offset, strides @ ..]) = places(&case.args)? else { return Ok(vec![bytes]) };
        let extents = [case.dim("a"), case.dim("b"), case.dim("c")].into_iter().zip(strides);
        let reach = extents.map(|(extent, stride)| extent.saturating_sub(1) * stride).sum::<usize>();
        // Some more, which has to stay.
        Ok(vec![bytes, samples::bits(case.seed + 1, case.dtype, &[offset + reach + 6])?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let bytes = inputs[0].to_vec::<u8>()?;
        let shape = [case.dim("a"), case.dim("b"), case.dim("c")];
        let sum = Tensor::from_vec(vec![checksum(&bytes)], [1])?;
        if let (Some(places), Some(memory)) = (places(&case.args)?, inputs.get(1)) {
            let mut after = memory.to_bytes()?;
            reference::scattered(&bytes, case.dtype.size(), shape, places, &mut after);
            let after = samples::of_bytes(after, case.dtype, memory.dims())?;
            return Ok(vec![Expected::Exact(after), Expected::Exact(sum)]);
        }
        let axes: [usize; 3] = args.axes.try_into().unwrap_or([0, 1, 2]);
        let turned = reference::turned(&bytes, case.dtype.size(), shape, axes);
        let out = samples::of_bytes(turned, case.dtype, &axes.map(|axis| shape[axis]))?;
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
        let args = args(given)?;
        let strides = samples::numbers(NAME, "strides", given.text("strides", "")?)?;
        let offset = given.size("offset", 0)?;
        match inputs {
            [bytes] if strides.is_empty() && offset == 0 => {
                let (out, checksum) = unpack(stream, bytes, &args)?;
                Ok(vec![out, checksum])
            }
            [bytes, memory] if args.axes.is_empty() => {
                check_dtype(NAME, "memory", memory.dtype(), &[args.dtype])?;
                let layout = Layout::strided(Shape::new(&args.shape)?, &strides, offset, memory.elements())?;
                let whole = Layout::contiguous(*memory.shape());
                let own = samples::own(memory, stream)?;
                let mut out = Tensor::from_buffer(own.buffer().clone(), args.dtype, layout)?;
                // What is written is the only tensor of its memory.
                drop(own);
                let checksum = unpack_into(stream, bytes, &mut out)?;
                Ok(vec![Tensor::from_buffer(out.buffer().clone(), args.dtype, whole)?, checksum])
            }
            [_] => Err(Error::range(
                NAME,
                "strides",
                "none, nor an offset, without memory",
                format!("{strides:?}"),
            )),
            [_, _] => Err(Error::range(
                NAME,
                "axes",
                "none with memory: strides say it",
                format!("{:?}", args.axes),
            )),
            _ => Err(Error::range(NAME, "inputs", "1 or 2 tensors", inputs.len())),
        }
    }

    fn work(&self, case: &Case) -> Work {
        let bytes = case.dim("a") * case.dim("b") * case.dim("c") * case.dtype.size();
        Work { flops: 0.0, bytes: 2.0 * bytes as f64 }
    }
}

/// The offset and the strides of a case's elements in its memory, if it has one.
fn places(args: &Args) -> Result<Option<[usize; 4]>> {
    match samples::numbers(NAME, "strides", args.text("strides", "")?)?[..] {
        [] => Ok(None),
        [a, b, c] => Ok(Some([args.size("offset", 0)?, a, b, c])),
        _ => Err(Error::range(NAME, "strides", "three, in a case", args.text("strides", "")?)),
    }
}

fn args(args: &Args) -> Result<Unpack> {
    Ok(Unpack {
        dtype: args.text("dtype", "u8")?.parse()?,
        shape: samples::numbers(NAME, "shape", args.text("shape", "")?)?,
        axes: samples::numbers(NAME, "axes", args.text("axes", "")?)?,
    })
}

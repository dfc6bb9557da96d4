//! Evidence for `quantize`.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{DTYPES, Format, NAME, Quantize, extents, quantize, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::pack::samples;

static SPEC: Spec = Spec {
    name: NAME,
    family: "pack",
    math: "scale = a / q, values = round(x q / a), a = the largest magnitude of the block, q = 127, 7, 448 or 57344",
    inputs: &[Slot::new("x", "[.., n]")],
    outputs: &[Slot::new("values", "[.., n bits / 8]"), Slot::new("scales", "[.., n / block]")],
    args: &[
        ArgSpec { name: "bits", default: "8", doc: "8 or 4" },
        ArgSpec { name: "format", default: "int", doc: "int, or of 8 bits e4m3 or e5m2" },
        ArgSpec { name: "block", default: "32", doc: "16 to 1024, a power of two; 0 for the row" },
    ],
    dtypes: DTYPES,
};

/// `quantize` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let case = |tier, m, n, dtype, bits: i64, block: i64| {
            Case::new(tier, &[("m", m), ("n", n)], dtype).set("bits", bits).set("block", block)
        };
        let mut cases = vec![
            case(Edge, 0, 8, F32, 8, 32),
            case(Edge, 2, 0, F32, 8, 0),
            case(Edge, 3, 1, F32, 8, 0),
            case(Edge, 3, 333, F32, 8, 32).data("special"),
            case(Edge, 5, 256, F32, 8, 64).data("halves"),
            case(Edge, 3, 333, F32, 4, 16),
            case(Edge, 3, 1028, F32, 8, 0).data("wide"),
            case(Edge, 2, 1024, Bf16, 4, 128).data("special"),
            case(Edge, 3, 333, F32, 8, 32).set("format", "e4m3").data("special"),
            case(Edge, 3, 1028, F32, 8, 0).set("format", "e5m2").data("wide"),
        ];
        for dtype in [F32, F16, Bf16] {
            for (bits, block) in [(8, 16), (8, 1024), (8, 0), (4, 32), (4, 0)] {
                cases.push(case(Check, 7, 3001, dtype, bits, block));
                cases.push(case(Check, 7, 4096, dtype, bits, block).data("special"));
            }
            for format in ["e4m3", "e5m2"] {
                cases.push(case(Check, 7, 3001, dtype, 8, 128).set("format", format));
                cases.push(case(Check, 7, 4096, dtype, 8, 0).set("format", format).data("special"));
                cases.push(case(Check, 5, 2048, dtype, 8, 32).set("format", format).data("wide"));
            }
        }
        cases.push(case(Check, 3, 40_000, F32, 8, 0).data("special"));
        cases.push(case(Check, 9, 2048, F32, 8, 32).data("wide"));
        for (bits, block) in [(8, 0), (8, 32), (4, 32)] {
            cases.push(case(Bench, 32_768, 8192, F32, bits, block));
        }
        cases.push(case(Bench, 32_768, 8192, F32, 8, 0).set("format", "e4m3"));
        cases.push(case(Bench, 2048, 8192, Bf16, 8, 32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![samples::floats(case)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let (m, n) = (case.dim("m"), case.dim("n"));
        let [width, _, blocks] = extents(NAME, n, args.format, args.bits, args.block)?;
        let x = inputs[0].to_f64_vec()?;
        let (mut bytes, mut scales) = (Vec::with_capacity(m * width), Vec::with_capacity(m * blocks));
        for x in x.chunks(n.max(1)) {
            let (row, row_scales) = reference::row(x, &args)?;
            bytes.extend(row);
            scales.extend(row_scales.into_iter().map(f64::from));
        }
        let values = samples::of_bytes(bytes, args.format.stored(args.bits).0, &[m, width])?;
        // The very quotients; but a device may have a NaN of another form.
        let tolerance = vec![0.0; scales.len()];
        Ok(vec![
            Expected::Exact(values),
            Expected::Values { shape: vec![m, blocks], dtype: DType::F32, value: scales, tolerance },
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "x", case.dtype, DTYPES)?;
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
        let (values, scales) = quantize(stream, x, &args(given)?)?;
        Ok(vec![values, scales])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("m") * case.dim("n")) as f64;
        let bits = case.args.size("bits", 8).map_or(8.0, |bits| bits as f64);
        let block =
            case.args.size("block", 32).map_or(32, |block| if block == 0 { case.dim("n") } else { block });
        let bytes = case.dtype.size() as f64 + bits / 8.0 + 4.0 / block.max(1) as f64;
        Work { flops: 3.0 * elements, bytes: elements * bytes }
    }
}

fn args(args: &Args) -> Result<Quantize> {
    coding(NAME, args, "block", 32)
}

/// What a kernel's registered arguments say of a quantisation, whose block they call `block`.
pub(crate) fn coding(
    kernel: &'static str,
    args: &Args,
    block: &'static str,
    default: usize,
) -> Result<Quantize> {
    let format = Format::of(kernel, args.text("format", "int")?)?;
    Ok(Quantize { bits: args.size("bits", 8)?, format, block: args.size(block, default)? })
}

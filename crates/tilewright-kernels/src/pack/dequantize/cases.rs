//! Evidence for `dequantize`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work, bf16, f16,
};

use super::{DTYPES, Dequantize, Format, NAME, dequantize, extents, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::pack::samples;

static SPEC: Spec = Spec {
    name: NAME,
    family: "pack",
    math: "out = value * scale of its block",
    inputs: &[Slot::new("values", "[.., n bits / 8]"), Slot::new("scales", "[.., n / block]")],
    outputs: &[Slot::new("out", "[.., n]")],
    args: &[
        ArgSpec { name: "bits", default: "8", doc: "8 or 4" },
        ArgSpec { name: "format", default: "int", doc: "int, or of 8 bits e4m3 or e5m2" },
        ArgSpec { name: "block", default: "32", doc: "16 to 1024, a power of two; 0 for the row" },
        ArgSpec { name: "n", default: "0", doc: "elements of a row" },
        ArgSpec { name: "dtype", default: "f32", doc: "f32, f16 or bf16" },
    ],
    dtypes: DTYPES,
};

/// `dequantize` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let case = |tier, m, n: usize, dtype: DType, bits: i64, block: i64| {
            let case = Case::new(tier, &[("m", m), ("n", n)], dtype);
            case.set("bits", bits).set("block", block).set("n", n as i64).set("dtype", dtype.name())
        };
        let mut cases = vec![
            case(Edge, 0, 8, F32, 8, 32),
            case(Edge, 3, 1, F32, 4, 0),
            case(Edge, 3, 333, F32, 8, 32),
            case(Edge, 3, 336, F32, 4, 16),
            case(Edge, 2, 1028, Bf16, 8, 0),
            case(Edge, 3, 333, F32, 8, 32).set("format", "e4m3"),
            case(Edge, 3, 336, F32, 8, 16).set("format", "e5m2"),
        ];
        for dtype in [F32, F16, Bf16] {
            for (bits, block) in [(8, 16), (8, 1024), (8, 0), (4, 32), (4, 0)] {
                cases.push(case(Check, 7, 3001, dtype, bits, block));
                cases.push(case(Check, 7, 4096, dtype, bits, block));
            }
            for format in ["e4m3", "e5m2"] {
                cases.push(case(Check, 7, 4096, dtype, 8, 64).set("format", format));
            }
        }
        for (bits, block) in [(8, 0), (8, 32), (4, 32)] {
            cases.push(case(Bench, 32_768, 8192, F32, bits, block));
        }
        cases.push(case(Bench, 2048, 8192, Bf16, 8, 32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let args = args(&case.args)?;
        let m = case.dim("m");
        let [width, _, blocks] = extents(NAME, args.n, args.format, args.bits, args.block)?;
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let mut bytes = vec![0u8; m * width];
        random.fill(&mut bytes[..]);
        let scale = |_| match random.random_range(0..40) {
            0 => f32::NAN,
            1 => 0.0,
            _ => random.random_range(0.01..3.0f32),
        };
        let scales: Vec<f32> = (0..m * blocks).map(scale).collect();
        let values = samples::of_bytes(bytes, args.format.stored(args.bits).0, &[m, width])?;
        Ok(vec![values, Tensor::from_vec(scales, [m, blocks])?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let m = case.dim("m");
        let [width, block, blocks] = extents(NAME, args.n, args.format, args.bits, args.block)?;
        let (bytes, scales) = (inputs[0].to_bytes()?, inputs[1].to_vec::<f32>()?);
        let mut products = Vec::with_capacity(m * args.n);
        for row in 0..m {
            for column in 0..args.n {
                let number =
                    reference::number(&bytes[row * width..][..width], args.format, args.bits, column);
                products.push(number * f64::from(scales[row * blocks + column / block]));
            }
        }
        // Rounded to f32 and then to the dtype of the result, as the contract says.
        let value: Vec<f64> = products
            .into_iter()
            .map(|product| match args.dtype {
                DType::F16 => f16::from_f32(product as f32).to_f64(),
                DType::Bf16 => bf16::from_f32(product as f32).to_f64(),
                _ => f64::from(product as f32),
            })
            .collect();
        let shape = vec![m, args.n];
        let tolerance = vec![0.0; value.len()];
        Ok(vec![Expected::Values { shape, dtype: args.dtype, value, tolerance }])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "dtype", case.dtype, DTYPES)?;
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
        Ok(vec![dequantize(stream, values, scales, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("m") * case.dim("n")) as f64;
        let bits = case.args.size("bits", 8).map_or(8.0, |bits| bits as f64);
        let block =
            case.args.size("block", 32).map_or(32, |block| if block == 0 { case.dim("n") } else { block });
        let bytes = case.dtype.size() as f64 + bits / 8.0 + 4.0 / block.max(1) as f64;
        Work { flops: elements, bytes: elements * bytes }
    }
}

fn args(args: &Args) -> Result<Dequantize> {
    Ok(Dequantize {
        bits: args.size("bits", 8)?,
        format: Format::of(NAME, args.text("format", "int")?)?,
        block: args.size("block", 32)?,
        n: args.size("n", 0)?,
        dtype: args.text("dtype", "f32")?.parse()?,
    })
}

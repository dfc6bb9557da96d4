//! Evidence for `kv_gather_quantized`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{DTYPES, KvGatherQuantized, NAME, kv_gather_quantized, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::cache::Layout;
use crate::cache::samples::sequences;
use crate::pack::quantize::{coding, extents};
use crate::pack::samples::bits;
use crate::pack::{Quantize, Quantized};

static SPEC: Spec = Spec {
    name: NAME,
    family: "cache",
    math: "out[b, t] = values[s] scales[s], s = table[b, t / block], t mod block, for t < lengths[b], else 0",
    inputs: &[
        Slot::new("values", "[blocks, block, heads, d bits / 8]"),
        Slot::new("scales", "[blocks, block, heads, d / group]"),
        Slot::new("table", "[b, m]"),
        Slot::new("lengths", "[b]"),
    ],
    outputs: &[Slot::new("out", "[b, tokens, heads, d]")],
    args: &[
        ArgSpec { name: "tokens", default: "0", doc: "of each sequence in the result" },
        ArgSpec { name: "layout", default: "nhd", doc: "nhd (tokens first) or hnd (heads first)" },
        ArgSpec { name: "bits", default: "8", doc: "8 or 4" },
        ArgSpec { name: "format", default: "int", doc: "int, or of 8 bits e4m3 or e5m2" },
        ArgSpec { name: "group", default: "0", doc: "numbers of a scale; 0 for the head" },
        ArgSpec { name: "d", default: "0", doc: "numbers of a head" },
        ArgSpec { name: "dtype", default: "f32", doc: "f32, f16 or bf16" },
    ],
    dtypes: DTYPES,
};

/// `kv_gather_quantized` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let case = |tier, [b, s, block, h, d]: [usize; 5], dtype: DType, bits: i64, group: i64| {
            let dims = [("b", b), ("s", s), ("block", block), ("h", h), ("d", d)];
            let case = Case::new(tier, &dims, dtype).set("tokens", s as i64).set("d", d as i64);
            case.set("bits", bits).set("group", group).set("dtype", dtype.name())
        };
        let hnd = |case: Case| case.set("layout", "hnd");
        let format = |case: Case, name: &str| case.set("format", name);
        let mut cases = vec![
            case(Edge, [0, 4, 2, 1, 4], F32, 8, 0),
            case(Edge, [3, 7, 4, 2, 32], F32, 8, 16),
            hnd(case(Edge, [3, 7, 4, 3, 33], F32, 4, 16)),
            hnd(case(Edge, [2, 9, 1, 2, 64], Bf16, 4, 0)),
            format(case(Edge, [3, 7, 4, 2, 48], F32, 8, 32), "e4m3"),
        ];
        for dtype in [F32, F16, Bf16] {
            for (bits, group) in [(8, 0), (8, 64), (4, 32), (4, 0)] {
                cases.push(case(Check, [5, 301, 16, 8, 128], dtype, bits, group));
                cases.push(hnd(case(Check, [5, 101, 16, 3, 65], dtype, bits, group)));
            }
            cases.push(format(case(Check, [5, 301, 16, 8, 128], dtype, 8, 0), "e4m3"));
            cases.push(hnd(format(case(Check, [5, 301, 16, 8, 128], dtype, 8, 0), "e5m2")));
        }
        cases.push(case(Bench, [8, 4096, 16, 8, 128], Bf16, 8, 0));
        cases.push(case(Bench, [8, 4096, 16, 8, 128], Bf16, 4, 32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let [b, s, block, h, d] = ["b", "s", "block", "h", "d"].map(|name| case.dim(name));
        let (_, coding) = args(&case.args)?;
        let [width, _, groups] = extents(NAME, d, coding.format, coding.bits, coding.block)?;
        let blocks = b * s.div_ceil(block) + 1;
        let [table, lengths] = sequences(&mut random, case)?;
        let scale =
            |_| if random.random_range(0..40) == 0 { f32::NAN } else { random.random_range(0.01..3.0) };
        let scales: Vec<f32> = (0..blocks * block * h * groups).map(scale).collect();
        Ok(vec![
            bits(case.seed, coding.format.stored(coding.bits).0, &[blocks, block, h, width])?,
            Tensor::from_vec(scales, [blocks, block, h, groups])?,
            table,
            lengths,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [b, s, block, h, d] = ["b", "s", "block", "h", "d"].map(|name| case.dim(name));
        let (args, coding) = args(&case.args)?;
        let (values, scales) = (inputs[0].to_bytes()?, inputs[1].to_vec::<f32>()?);
        let extents = extents(NAME, d, coding.format, coding.bits, coding.block)?;
        let cache = reference::Cache { values: &values, scales: &scales, args: coding, extents };
        let (table, lengths) = (inputs[2].to_vec::<i32>()?, inputs[3].to_vec::<i32>()?);
        let heads_first = args.layout == Layout::Hnd;
        let dims = [block, h, s.div_ceil(block), s, d];
        let value = cache.gather(&table, &lengths, dims, heads_first, args.dtype);
        let shape = if heads_first { vec![b, h, s, d] } else { vec![b, s, h, d] };
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
        let [values, scales, table, lengths] = inputs else {
            return Err(Error::range(NAME, "inputs", "4 tensors", inputs.len()));
        };
        let (args, coding) = args(given)?;
        let cache = Quantized::new(values.clone(), scales.clone(), given.size("d", 0)?, coding)?;
        Ok(vec![kv_gather_quantized(stream, &cache, table, lengths, &args)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = ["b", "s", "h", "d"].map(|name| case.dim(name) as f64).iter().product::<f64>();
        let coding = args(&case.args).map(|args| args.1).unwrap_or_default();
        let group = if coding.block == 0 { case.dim("d") } else { coding.block };
        let bytes = case.dtype.size() as f64 + coding.bits as f64 / 8.0 + 4.0 / group.max(1) as f64;
        Work { flops: elements, bytes: elements * bytes }
    }
}

fn args(args: &Args) -> Result<(KvGatherQuantized, Quantize)> {
    let layout = Layout::of(NAME, args.text("layout", "nhd")?)?;
    let (tokens, dtype) = (args.size("tokens", 0)?, args.text("dtype", "f32")?.parse()?);
    Ok((KvGatherQuantized { tokens, layout, dtype }, coding(NAME, args, "group", 0)?))
}

//! Evidence for `kv_gather`. Bytes are judged exactly.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work, with_element,
};

use super::{DTYPES, KvGather, Layout, NAME, kv_gather, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::cache::samples::sequences;

static SPEC: Spec = Spec {
    name: NAME,
    family: "cache",
    math: "out[b, t] = cache[table[b, t / block], t mod block] for t < lengths[b], else 0",
    inputs: &[
        Slot::new("cache", "[blocks, block, heads, d]"),
        Slot::new("table", "[b, m]"),
        Slot::new("lengths", "[b]"),
    ],
    outputs: &[Slot::new("out", "[b, tokens, heads, d]")],
    args: &[
        ArgSpec { name: "tokens", default: "0", doc: "of each sequence in the result" },
        ArgSpec { name: "layout", default: "nhd", doc: "nhd (tokens first) or hnd (heads first)" },
    ],
    dtypes: DTYPES,
};

/// `kv_gather` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn tensor(bytes: Vec<u8>, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    with_element!(dtype, T => Tensor::from_vec::<T>(bytemuck::pod_collect_to_vec(&bytes), shape))
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let case = |tier, b, s: usize, block, h, d, dtype, layout: &str| {
            let dims = [("b", b), ("s", s), ("block", block), ("h", h), ("d", d)];
            Case::new(tier, &dims, dtype).set("tokens", s as i64).set("layout", layout)
        };
        let mut cases = vec![
            case(Edge, 0, 4, 2, 1, 4, DType::F32, "nhd"),
            case(Edge, 3, 7, 4, 2, 8, DType::F32, "nhd"),
            case(Edge, 3, 7, 4, 3, 5, DType::Bf16, "hnd"),
            case(Edge, 2, 9, 1, 2, 6, DType::F16, "hnd"),
        ];
        for dtype in DTYPES {
            cases.push(case(Check, 5, 301, 16, 8, 128, *dtype, "nhd"));
            cases.push(case(Check, 5, 301, 16, 3, 65, *dtype, "hnd"));
        }
        for layout in ["nhd", "hnd"] {
            cases.push(case(Bench, 8, 4096, 16, 8, 128, DType::Bf16, layout));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let [b, s, block, h, d] = ["b", "s", "block", "h", "d"].map(|name| case.dim(name));
        let blocks = b * s.div_ceil(block) + 1;
        let mut bytes = vec![0u8; blocks * block * h * d * case.dtype.size()];
        random.fill(&mut bytes[..]);
        let [table, lengths] = sequences(&mut random, case)?;
        Ok(vec![tensor(bytes, case.dtype, &[blocks, block, h, d])?, table, lengths])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [b, s, block, h, d] = ["b", "s", "block", "h", "d"].map(|name| case.dim(name));
        let heads_first = args(&case.args)?.layout == Layout::Hnd;
        let (table, lengths) = (inputs[1].to_vec::<i32>()?, inputs[2].to_vec::<i32>()?);
        let dims = [block, h, s.div_ceil(block), s];
        let bytes = reference::gather(
            &inputs[0].to_bytes()?,
            &table,
            &lengths,
            dims,
            d * case.dtype.size(),
            heads_first,
        );
        let shape = if heads_first { [b, h, s, d] } else { [b, s, h, d] };
        Ok(vec![Expected::Exact(tensor(bytes, case.dtype, &shape)?)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "cache", case.dtype, DTYPES)?;
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
        let [cache, table, lengths] = inputs else {
            return Err(Error::range(NAME, "inputs", "3 tensors", inputs.len()));
        };
        Ok(vec![kv_gather(stream, cache, table, lengths, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, s, h, d] = ["b", "s", "h", "d"].map(|name| case.dim(name));
        Work { flops: 0.0, bytes: (2 * b * s * h * d * case.dtype.size()) as f64 }
    }
}

fn args(args: &Args) -> Result<KvGather> {
    let layout = Layout::of(NAME, args.text("layout", "nhd")?)?;
    Ok(KvGather { tokens: args.size("tokens", 0)?, layout })
}

//! Evidence for `attention_decode`. Slots that no sequence needs hold NaN.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::reference::{self, Sizes};
use super::{AttentionDecode, DTYPES, NAME, attention_decode};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::attention::samples::{expected, score_args, tensor, uniform};
use crate::pack::quantize::extents;
use crate::pack::samples::of_bytes;
use crate::pack::{Quantize, Quantized, dequantize, quantize};

static SPEC: Spec = Spec {
    name: NAME,
    family: "attention",
    math: "out = sum_j exp(s_j - lse) v_j, s_j = scale q . k_j, lse = log sum_j exp(s_j), over the tokens j of a paged sequence that its last sees",
    inputs: &[
        Slot::new("q", "[b, nh, d]"),
        Slot::new("k_cache", "[blocks, block, kvh, d]"),
        Slot::new("v_cache", "[blocks, block, kvh, dv]"),
        Slot::new("table", "[b, m]"),
        Slot::new("lengths", "[b]"),
        Slot::optional("k_scales", "[blocks, block, kvh, d / group]"),
        Slot::optional("v_scales", "[blocks, block, kvh, dv / group]"),
    ],
    outputs: &[Slot::new("out", "[b, nh, dv]"), Slot::new("lse", "[b, nh]")],
    args: &[
        ArgSpec { name: "scale", default: "1 / sqrt(d)", doc: "of the products" },
        ArgSpec { name: "soft_cap", default: "0", doc: "of the scores; 0 is none" },
        ArgSpec { name: "window", default: "0", doc: "how many of the last tokens are seen; 0 is all" },
        ArgSpec {
            name: "keep",
            default: "0",
            doc: "how many of the first tokens are seen beside the window",
        },
        ArgSpec {
            name: "splits",
            default: "0",
            doc: "parts of a sequence; 0 is as many as keep the device busy",
        },
        ArgSpec {
            name: "latent",
            default: "false",
            doc: "values are the first dv columns of the keys, which are read in their place",
        },
        ArgSpec { name: "bits", default: "8", doc: "with scales: 8 or 4" },
        ArgSpec { name: "format", default: "int", doc: "with scales: int, or of 8 bits e4m3 or e5m2" },
        ArgSpec { name: "group", default: "0", doc: "with scales: numbers of each; 0 for the head" },
        ArgSpec { name: "dv", default: "those of v_cache", doc: "with scales: columns of values" },
    ],
    dtypes: DTYPES,
};

/// `attention_decode` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// `b, nh, kvh, s, block, d, dv`: sequences of up to s tokens.
fn case(tier: Tier, [b, nh, kvh, s, block, d, dv]: [usize; 7], dtype: DType) -> Case {
    let dims = [("b", b), ("nh", nh), ("kvh", kvh), ("s", s), ("block", block), ("d", d), ("dv", dv)];
    Case::new(tier, &dims, dtype)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let split = |case: Case, splits: i64| case.set("splits", splits);
        let small = |case: Case, bits: i64, group: i64| {
            let dv = case.dim("dv") as i64;
            case.set("bits", bits).set("group", group).set("dv", dv)
        };
        let mut cases = vec![
            case(Edge, [3, 2, 1, 7, 4, 8, 32], F32),
            split(case(Edge, [3, 2, 1, 300, 16, 8, 32], F32), 3),
            split(case(Edge, [2, 2, 1, 140, 1, 8, 32], F32), 1).data("peaked"),
            split(case(Edge, [2, 2, 1, 200, 16, 8, 32], F32), 2).set("window", 45i64).set("keep", 3i64),
            case(Edge, [2, 2, 1, 50, 16, 8, 32], F32).set("soft_cap", 2.5).set("scale", 0.75),
            // Odd sizes, and more query heads of a group than one pass takes.
            split(case(Edge, [2, 9, 1, 70, 5, 7, 45], F32), 2),
            case(Edge, [2, 6, 2, 40, 8, 36, 128], Bf16),
            // A latent cache, of more columns than the queries of a pass otherwise have room for.
            split(case(Edge, [2, 5, 1, 40, 8, 264, 256], F32).set("latent", true), 2),
            small(case(Edge, [2, 4, 2, 40, 8, 64, 128], F32), 8, 0),
            small(case(Edge, [2, 4, 2, 40, 8, 36, 45], F32), 4, 16),
            small(case(Edge, [2, 4, 2, 40, 8, 64, 32], F32), 8, 32).set("format", "e4m3"),
            small(case(Edge, [2, 5, 1, 40, 8, 80, 64], F32), 8, 16).set("latent", true),
            case(Edge, [0, 2, 1, 7, 4, 8, 32], F32),
            case(Edge, [2, 2, 1, 0, 4, 8, 32], F32),
        ];
        for dtype in [F32, F16, Bf16] {
            cases.push(case(Check, [5, 8, 2, 1500, 16, 128, 128], dtype));
            cases.push(split(case(Check, [3, 8, 8, 700, 32, 64, 64], dtype), 7));
            cases.push(case(Check, [3, 12, 1, 333, 16, 256, 256], dtype).data("peaked"));
            cases
                .push(case(Check, [2, 10, 5, 900, 3, 33, 65], dtype).set("window", 256i64).set("keep", 4i64));
        }
        for dtype in [F32, Bf16] {
            for (bits, group) in [(8, 0), (8, 64), (4, 32)] {
                cases.push(small(case(Check, [5, 8, 2, 1500, 16, 128, 128], dtype), bits, group));
            }
            cases.push(small(case(Check, [3, 6, 3, 333, 16, 65, 33], dtype), 4, 0));
            let floats = small(case(Check, [5, 8, 2, 1500, 16, 128, 128], dtype), 8, 0);
            cases.extend(["e4m3", "e5m2"].map(|name| floats.clone().set("format", name)));
            let latent = case(Check, [2, 32, 1, 700, 64, 576, 512], dtype).set("latent", true);
            cases.extend([(8, 64), (4, 32)].map(|(bits, group)| small(latent.clone(), bits, group)));
            cases.push(latent);
        }
        cases.push(case(Bench, [32, 32, 8, 4096, 16, 128, 128], Bf16));
        cases.push(small(case(Bench, [32, 32, 8, 4096, 16, 128, 128], Bf16), 8, 0));
        cases.push(small(case(Bench, [32, 32, 8, 4096, 16, 128, 128], Bf16), 4, 32));
        cases.push(case(Bench, [32, 16, 1, 4096, 64, 576, 512], Bf16).set("latent", true));
        cases.push(small(case(Bench, [32, 16, 1, 4096, 64, 576, 512], Bf16).set("latent", true), 8, 64));
        cases.push(case(Bench, [1, 32, 8, 32_768, 16, 128, 128], Bf16));
        cases.push(case(Bench, [8, 8, 8, 4096, 16, 128, 128], F32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [b, nh, kvh, s, block, d, dv] =
            ["b", "nh", "kvh", "s", "block", "d", "dv"].map(|name| case.dim(name));
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let entries = s.div_ceil(block);
        let blocks = b * entries + 1;
        let mut numbers: Vec<i32> = (0..blocks as i32).collect();
        numbers.shuffle(&mut random);
        numbers.truncate(b * entries);
        let bench = case.tier == Tier::Bench;
        let lengths: Vec<i32> = (0..b)
            .map(|row| match row {
                0 => s as i32,
                _ if bench => s as i32,
                1 => (s / 2) as i32,
                2 => 0,
                _ => random.random_range(0..=s as i32),
            })
            .collect();
        let mut needed = vec![false; blocks * block];
        for (table, &length) in numbers.chunks(entries.max(1)).zip(&lengths) {
            (0..length as usize).for_each(|j| needed[table[j / block] as usize * block + j % block] = true);
        }
        let cache = |part: u64, d: usize| {
            let mut values = uniform(case, part, blocks * block * kvh * d, 1.0);
            for (slot, _) in needed.iter().enumerate().filter(|(_, needed)| !**needed) {
                values[slot * kvh * d..][..kvh * d].fill(f64::NAN);
            }
            values
        };
        let shape = |d: usize| [blocks, block, kvh, d];
        let q = tensor(case, &uniform(case, 0, b * nh * d, 6.0), &[b, nh, d])?;
        let (table, lengths) = (Tensor::from_vec(numbers, [b, entries])?, Tensor::from_vec(lengths, [b])?);
        if let Some(coding) = coding(&case.args)? {
            let small = |part: u64, d: usize| {
                let [width, _, groups] = extents(NAME, d, coding.format, coding.bits, coding.block)?;
                let (mut bytes, mut scales) = (Vec::new(), Vec::new());
                for x in cache(part, d).chunks(d) {
                    let (row, own) = quantize::reference::row(x, &coding)?;
                    bytes.extend(row);
                    scales.extend(own);
                }
                let values = of_bytes(bytes, coding.format.stored(coding.bits).0, &shape(width))?;
                Ok::<_, Error>((values, Tensor::from_vec(scales, shape(groups))?))
            };
            let (k, k_scales) = small(1, d)?;
            let (v, v_scales) = if case.args.bool("latent", false)? {
                let v = Quantized::new(k.clone(), k_scales.clone(), d, coding)?.columns(dv)?;
                (v.values().to_host()?, v.scales().to_host()?)
            } else {
                small(2, dv)?
            };
            return Ok(vec![q, k, v, table, lengths, k_scales, v_scales]);
        }
        let k = tensor(case, &cache(1, d), &shape(d))?;
        let v = if case.args.bool("latent", false)? {
            k.slice(3, 0..dv)?.to_host()?
        } else {
            tensor(case, &cache(2, dv), &shape(dv))?
        };
        Ok(vec![q, k, v, table, lengths])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let [b, heads, kv_heads, s, block, d, dv] =
            ["b", "nh", "kvh", "s", "block", "d", "dv"].map(|name| case.dim(name));
        let q = inputs[0].to_f64_vec()?;
        let (k, v) = match coding(&case.args)? {
            Some(coding) => {
                (widened(&inputs[1], &inputs[5], d, &coding)?, widened(&inputs[2], &inputs[6], dv, &coding)?)
            }
            None => (inputs[1].to_f64_vec()?, inputs[2].to_f64_vec()?),
        };
        let (table, lengths) = (inputs[3].to_vec::<i32>()?, inputs[4].to_vec::<i32>()?);
        let entries = s.div_ceil(block);
        let sizes = Sizes { heads, kv_heads, d, dv, block, window: args.window, keep: args.keep };
        let scale = args.scale.map_or(1.0 / (d as f64).sqrt(), f64::from);
        let one = |at: usize| {
            let (sequence, head) = (at / heads, at % heads);
            let (q, table) = (&q[at * d..][..d], &table[sequence * entries..][..entries]);
            let (length, numbers) = (lengths[sequence] as usize, [scale, f64::from(args.soft_cap)]);
            reference::query(q, [&k, &v], table, length, head, &sizes, numbers)
        };
        let rows = (0..b * heads).into_par_iter().map(one).collect();
        Ok(expected(rows, &[b, heads, dv], case, d, s))
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "q", case.dtype, DTYPES)?;
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
        let own = args(given)?;
        let read = match inputs {
            [q, k, v, table, lengths] if given.bool("latent", false)? => {
                let dv = v.dims().last().copied().unwrap_or(0);
                attention_decode(stream, q, k, &k.slice(3, 0..dv)?, table, lengths, &own)?
            }
            [q, k, v, table, lengths] => attention_decode(stream, q, k, v, table, lengths, &own)?,
            [q, k, v, table, lengths, k_scales, v_scales] => {
                let coding = coding(given)?.unwrap_or(Quantize { block: 0, ..Quantize::default() });
                let small = |values: &Tensor, scales: &Tensor, d: usize| {
                    Quantized::new(values.clone(), scales.clone(), d, coding)
                };
                let last = |x: &Tensor| x.dims().last().copied().unwrap_or(0);
                let k = small(k, k_scales, last(q))?;
                let dv = given.size("dv", last(v))?;
                let v = if given.bool("latent", false)? { k.columns(dv)? } else { small(v, v_scales, dv)? };
                attention_decode(stream, q, &k, &v, table, lengths, &own)?
            }
            _ => return Err(Error::range(NAME, "inputs", "5 or 7 tensors", inputs.len())),
        };
        Ok(vec![read.out, read.lse])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, nh, kvh, s, d, dv] = ["b", "nh", "kvh", "s", "d", "dv"].map(|name| case.dim(name) as f64);
        let columns = if case.args.get("latent").is_some() { d } else { d + dv };
        let row = match coding(&case.args) {
            Ok(Some(coding)) => {
                let groups = if coding.block == 0 { 2.0 } else { columns / coding.block as f64 };
                columns * coding.bits as f64 / 8.0 + 4.0 * groups
            }
            _ => columns * case.dtype.size() as f64,
        };
        let bytes = b * (kvh * s * row + nh * (d + dv) * case.dtype.size() as f64);
        Work { flops: 2.0 * b * nh * s * (d + dv), bytes }
    }
}

fn args(args: &Args) -> Result<AttentionDecode> {
    let (scale, soft_cap) = score_args(args)?;
    let [window, keep, splits] = [args.size("window", 0)?, args.size("keep", 0)?, args.size("splits", 0)?];
    Ok(AttentionDecode { scale, soft_cap, window, keep, splits })
}

/// How the caches of a case are made small, if they are.
fn coding(args: &Args) -> Result<Option<Quantize>> {
    if args.get("bits").is_none() {
        return Ok(None);
    }
    quantize::coding(NAME, args, "group", 0).map(Some)
}

/// What small numbers and their scales stand for.
fn widened(values: &Tensor, scales: &Tensor, d: usize, coding: &Quantize) -> Result<Vec<f64>> {
    let [width, group, groups] = extents(NAME, d, coding.format, coding.bits, coding.block)?;
    let (bytes, scales) = (values.to_bytes()?, scales.to_vec::<f32>()?);
    let mut wide = Vec::with_capacity(bytes.len() / width.max(1) * d);
    for (row, scales) in bytes.chunks(width).zip(scales.chunks(groups)) {
        let number = |at| dequantize::reference::number(row, coding.format, coding.bits, at);
        wide.extend((0..d).map(|at| number(at) * f64::from(scales[at / group])));
    }
    Ok(wide)
}

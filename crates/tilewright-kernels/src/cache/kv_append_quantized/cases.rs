//! Evidence for `kv_append_quantized`. Bytes are judged exactly, those that no slot names too.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{DTYPES, NAME, kv_append_quantized, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::pack::quantize::{coding, extents};
use crate::pack::samples::{bits, floats, of_bytes, own};
use crate::pack::{Quantize, Quantized};

static SPEC: Spec = Spec {
    name: NAME,
    family: "cache",
    math: "k_cache[slots[t]] = quantize(k[t]), v_cache[slots[t]] = quantize(v[t])",
    inputs: &[
        Slot::new("k", "[t, heads, dk]"),
        Slot::new("v", "[t, heads, dv]"),
        Slot::new("slots", "[t]"),
        Slot::optional("k_values", "[blocks, block, heads, dk bits / 8]"),
        Slot::optional("k_scales", "[blocks, block, heads, dk / group]"),
        Slot::optional("v_values", "[blocks, block, heads, dv bits / 8]"),
        Slot::optional("v_scales", "[blocks, block, heads, dv / group]"),
    ],
    outputs: &[
        Slot::new("k_values", "[blocks, block, heads, dk bits / 8]"),
        Slot::new("k_scales", "[blocks, block, heads, dk / group]"),
        Slot::new("v_values", "[blocks, block, heads, dv bits / 8]"),
        Slot::new("v_scales", "[blocks, block, heads, dv / group]"),
    ],
    args: &[
        ArgSpec { name: "bits", default: "8", doc: "8 or 4" },
        ArgSpec { name: "format", default: "int", doc: "int, or of 8 bits e4m3 or e5m2" },
        ArgSpec { name: "group", default: "0", doc: "numbers of a scale; 0 for the head" },
        ArgSpec {
            name: "block",
            default: "16",
            doc: "without caches: of the new ones, which the slots must fill, each slot once",
        },
    ],
    dtypes: DTYPES,
};

/// `kv_append_quantized` in the registry. With caches it appends to copies of them, since a registered kernel leaves its inputs alone.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let case = |tier, t, h, dk, dv, dtype, bits: i64, group: i64| {
            let dims = [("t", t), ("h", h), ("dk", dk), ("dv", dv)];
            Case::new(tier, &dims, dtype).set("bits", bits).set("group", group)
        };
        let e4m3 = |case: Case| case.set("format", "e4m3");
        let mut cases = vec![
            case(Edge, 0, 2, 8, 8, F32, 8, 0),
            case(Edge, 7, 3, 33, 48, F32, 8, 16).data("special"),
            case(Edge, 5, 2, 33, 32, F32, 4, 16),
            case(Edge, 9, 2, 64, 128, Bf16, 4, 32),
            e4m3(case(Edge, 6, 2, 64, 96, F32, 8, 0)).data("special"),
            case(Edge, 16, 1, 128, 64, F32, 8, 0).data("filled"),
        ];
        for dtype in [F32, F16, Bf16] {
            for (bits, group) in [(8, 0), (8, 64), (4, 32), (4, 0)] {
                cases.push(case(Check, 301, 8, 128, 128, dtype, bits, group).data("special"));
                cases.push(case(Check, 67, 3, 65, 33, dtype, bits, group));
            }
            cases.push(e4m3(case(Check, 301, 8, 128, 256, dtype, 8, 0)).data("wide"));
            cases.push(case(Check, 301, 4, 128, 64, dtype, 8, 32).set("format", "e5m2"));
        }
        for t in [16, 256, 8192] {
            cases.push(case(Bench, t, 8, 128, 128, Bf16, 8, 0).data("filled"));
        }
        cases.push(case(Bench, 8192, 8, 128, 128, Bf16, 4, 32).data("filled"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let [t, h, dk, dv] = ["t", "h", "dk", "dv"].map(|name| case.dim(name));
        let source = |d: usize, seed: u64| {
            let rows = Case::new(case.tier, &[("m", t * h), ("n", d)], case.dtype).data(case.data);
            floats(&Case { seed, ..rows })?.reshape([t, h, d])
        };
        let (k, v) = (source(dk, case.seed)?, source(dv, case.seed + 1)?);
        let filled = case.data == "filled";
        let (blocks, block) = if filled { (t / 16, 16) } else { (t / 3 + 2, 4) };
        let mut slots: Vec<i64> = (0..(blocks * block) as i64).collect();
        slots.shuffle(&mut random);
        slots.truncate(t);
        if filled {
            return Ok(vec![k, v, Tensor::from_vec(slots, [t])?]);
        }
        slots.iter_mut().step_by(3).for_each(|slot| *slot = -1);
        let mut inputs = vec![k, v, Tensor::from_vec(slots, [t])?];
        let args = args(&case.args)?;
        for (d, seed) in [(dk, 2), (dv, 4)] {
            let [width, _, groups] = extents(NAME, d, args.format, args.bits, args.block)?;
            let dtype = args.format.stored(args.bits).0;
            inputs.push(bits(case.seed + seed, dtype, &[blocks, block, h, width])?);
            inputs.push(bits(case.seed + seed + 1, DType::F32, &[blocks, block, h, groups])?);
        }
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let slots = inputs[2].to_vec::<i64>()?;
        let (h, blocks) = (case.dim("h"), case.dim("t") / 16);
        let mut expected = Vec::new();
        for (at, d) in [case.dim("dk"), case.dim("dv")].into_iter().enumerate() {
            let [width, _, groups] = extents(NAME, d, args.format, args.bits, args.block)?;
            let (mut values, mut scales, dims) = match inputs.get(3 + 2 * at..5 + 2 * at) {
                Some([values, scales]) => {
                    (values.to_bytes()?, scales.to_vec::<f32>()?, values.dims()[..2].to_vec())
                }
                _ => {
                    (vec![0; blocks * 16 * h * width], vec![0.0; blocks * 16 * h * groups], vec![blocks, 16])
                }
            };
            let x = inputs[at].to_f64_vec()?;
            reference::append(&x, &slots, [h, d], &args, &mut values, &mut scales)?;
            let shape = |last: usize| vec![dims[0], dims[1], h, last];
            expected.push(Expected::Exact(of_bytes(values, args.format.stored(args.bits).0, &shape(width))?));
            // The very quotients; but a device may have a NaN of another form.
            let (value, tolerance) = (scales.iter().map(|&x| x.into()).collect(), vec![0.0; scales.len()]);
            expected.push(Expected::Values { shape: shape(groups), dtype: DType::F32, value, tolerance });
        }
        Ok(expected)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "k", case.dtype, DTYPES)?;
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
        let block = given.size("block", 16)?;
        let d = |x: &Tensor, name: &'static str| match *x.dims() {
            [_, h, d] => Ok([h, d]),
            _ => Err(Error::shape(NAME, name, "[t, heads, d]", x.shape())),
        };
        let of = |values: &Tensor, scales: &Tensor, d: usize| {
            Quantized::new(own(values, stream)?, own(scales, stream)?, d, args)
        };
        let (mut k_cache, mut v_cache) = match inputs {
            [k, v, _, k_values, k_scales, v_values, v_scales] => {
                (of(k_values, k_scales, d(k, "k")?[1])?, of(v_values, v_scales, d(v, "v")?[1])?)
            }
            [k, v, slots] => {
                let fresh = |x: &Tensor, name: &'static str| {
                    let ([h, d], t) = (d(x, name)?, x.dims()[0]);
                    if block == 0 || t % block != 0 || slots.dims() != [t] {
                        let expected = format!("[t, heads, d], t a multiple of {block}");
                        return Err(Error::shape(NAME, name, expected, x.shape()));
                    }
                    let [width, _, groups] = extents(NAME, d, args.format, args.bits, args.block)?;
                    let part = |dtype, last| Tensor::empty(stream, dtype, [t / block, block, h, last]);
                    let values = part(args.format.stored(args.bits).0, width)?;
                    Quantized::new(values, part(DType::F32, groups)?, d, args)
                };
                (fresh(k, "k")?, fresh(v, "v")?)
            }
            _ => return Err(Error::range(NAME, "inputs", "3 or 7 tensors", inputs.len())),
        };
        kv_append_quantized(stream, &inputs[0], &inputs[1], &inputs[2], &mut k_cache, &mut v_cache)?;
        let parts = [k_cache, v_cache].map(|cache| [cache.values().clone(), cache.scales().clone()]);
        Ok(parts.concat())
    }

    fn work(&self, case: &Case) -> Work {
        let numbers = (case.dim("t") * case.dim("h") * (case.dim("dk") + case.dim("dv"))) as f64;
        let args = args(&case.args).unwrap_or_default();
        let group = if args.block == 0 { case.dim("dk") } else { args.block };
        let bytes = case.dtype.size() as f64 + args.bits as f64 / 8.0 + 4.0 / group as f64;
        Work { flops: 3.0 * numbers, bytes: numbers * bytes + 8.0 * case.dim("t") as f64 }
    }
}

fn args(args: &Args) -> Result<Quantize> {
    coding(NAME, args, "group", 0)
}

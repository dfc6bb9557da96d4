//! Evidence for `mla_append_quantized`. Bytes are judged exactly, those that no slot names too.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{NAME, mla_append_quantized, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::pack::dequantize::DTYPES;
use crate::pack::quantize::{coding, extents};
use crate::pack::samples::{bits, floats, of_bytes, own};
use crate::pack::{Quantize, Quantized};

static SPEC: Spec = Spec {
    name: NAME,
    family: "cache",
    math: "cache[slots[t]] = quantize(latent[t]), quantize(rotated[t]) side by side",
    inputs: &[
        Slot::new("latent", "[t, r]"),
        Slot::new("rotated", "[t, p]"),
        Slot::new("slots", "[t]"),
        Slot::new("values", "[blocks, block, (r + p) bits / 8]"),
        Slot::new("scales", "[blocks, block, (r + p) / group]"),
    ],
    outputs: &[
        Slot::new("values", "[blocks, block, (r + p) bits / 8]"),
        Slot::new("scales", "[blocks, block, (r + p) / group]"),
    ],
    args: &[
        ArgSpec { name: "bits", default: "8", doc: "8 or 4" },
        ArgSpec { name: "format", default: "int", doc: "int, or of 8 bits e4m3 or e5m2" },
        ArgSpec { name: "group", default: "32", doc: "numbers of a scale: a divisor of r" },
    ],
    dtypes: DTYPES,
};

/// `mla_append_quantized` in the registry: it appends to a copy of the cache, since a registered kernel leaves its inputs alone.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let case = |tier, t, r, p, dtype, bits: i64, group: i64| {
            Case::new(tier, &[("t", t), ("r", r), ("p", p)], dtype).set("bits", bits).set("group", group)
        };
        let mut cases = vec![
            case(Edge, 0, 16, 4, F32, 8, 16),
            case(Edge, 7, 48, 20, F32, 8, 16).data("special"),
            case(Edge, 5, 32, 9, F32, 4, 16),
            case(Edge, 6, 64, 32, Bf16, 8, 32).set("format", "e4m3"),
        ];
        for dtype in [F32, F16, Bf16] {
            for (bits, group) in [(8, 128), (8, 64), (4, 32)] {
                cases.push(case(Check, 301, 512, 64, dtype, bits, group).data("special"));
            }
            cases.push(case(Check, 301, 512, 64, dtype, 8, 128).set("format", "e4m3"));
        }
        cases.extend([16, 8192].map(|t| case(Bench, t, 512, 64, Bf16, 8, 64)));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [t, r, p] = ["t", "r", "p"].map(|name| case.dim(name));
        let source = |d: usize, seed: u64| {
            let rows = Case::new(case.tier, &[("m", t), ("n", d)], case.dtype).data(case.data);
            floats(&Case { seed, ..rows })
        };
        let (blocks, block) = (t / 3 + 2, 4);
        let mut slots: Vec<i64> = (0..(blocks * block) as i64).collect();
        slots.shuffle(&mut ChaCha8Rng::seed_from_u64(case.seed));
        slots.truncate(t);
        if case.tier != Tier::Bench {
            slots.iter_mut().step_by(3).for_each(|slot| *slot = -1);
        }
        let args = args(&case.args)?;
        let [width, _, groups] = extents(NAME, r + p, args.format, args.bits, args.block)?;
        Ok(vec![
            source(r, case.seed)?,
            source(p, case.seed + 1)?,
            Tensor::from_vec(slots, [t])?,
            bits(case.seed + 2, args.format.stored(args.bits).0, &[blocks, block, width])?,
            bits(case.seed + 3, DType::F32, &[blocks, block, groups])?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let slots = inputs[2].to_vec::<i64>()?;
        let (mut values, mut scales) = (inputs[3].to_bytes()?, inputs[4].to_vec::<f32>()?);
        let (latent, rotated) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
        let lengths = ["r", "p"].map(|name| case.dim(name));
        reference::append([&latent, &rotated], lengths, &slots, &args, &mut values, &mut scales)?;
        // The very quotients; but a device may have a NaN of another form.
        let (value, tolerance) = (scales.iter().map(|&x| x.into()).collect(), vec![0.0; scales.len()]);
        Ok(vec![
            Expected::Exact(of_bytes(values, args.format.stored(args.bits).0, inputs[3].dims())?),
            Expected::Values { shape: inputs[4].dims().to_vec(), dtype: DType::F32, value, tolerance },
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "latent", case.dtype, DTYPES)?;
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
        let [latent, rotated, slots, values, scales] = inputs else {
            return Err(Error::range(NAME, "inputs", "5 tensors", inputs.len()));
        };
        let last = |x: &Tensor| x.dims().last().copied().unwrap_or(0);
        let n = last(latent) + last(rotated);
        let mut cache = Quantized::new(own(values, stream)?, own(scales, stream)?, n, args(given)?)?;
        mla_append_quantized(stream, latent, rotated, slots, &mut cache)?;
        Ok(vec![cache.values().clone(), cache.scales().clone()])
    }

    fn work(&self, case: &Case) -> Work {
        let numbers = (case.dim("t") * (case.dim("r") + case.dim("p"))) as f64;
        let args = args(&case.args).unwrap_or_default();
        let bytes = case.dtype.size() as f64 + args.bits as f64 / 8.0 + 4.0 / args.block.max(1) as f64;
        Work { flops: 3.0 * numbers, bytes: numbers * bytes + 8.0 * case.dim("t") as f64 }
    }
}

fn args(args: &Args) -> Result<Quantize> {
    coding(NAME, args, "group", 32)
}

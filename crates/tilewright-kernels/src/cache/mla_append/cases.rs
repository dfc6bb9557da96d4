//! Evidence for `mla_append`. Bytes are judged exactly, those that no slot names too.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{DTYPES, NAME, mla_append, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::pack::samples::{bits, of_bytes, own};

static SPEC: Spec = Spec {
    name: NAME,
    family: "cache",
    math: "cache[slots[t]] = latent[t], rotated[t] side by side",
    inputs: &[
        Slot::new("latent", "[t, r]"),
        Slot::new("rotated", "[t, p]"),
        Slot::new("slots", "[t]"),
        Slot::new("cache", "[blocks, block, r + p]"),
    ],
    outputs: &[Slot::new("cache", "[blocks, block, r + p]")],
    args: &[],
    dtypes: DTYPES,
};

/// `mla_append` in the registry: it appends to a copy of the cache, since a registered kernel leaves its inputs alone.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let case = |tier, t, r, p, dtype| Case::new(tier, &[("t", t), ("r", r), ("p", p)], dtype);
        let mut cases = vec![
            case(Edge, 0, 8, 4, DType::F32),
            case(Edge, 5, 12, 4, DType::F32),
            case(Edge, 7, 33, 5, DType::Bf16),
            case(Edge, 4, 16, 0, DType::F8E4M3),
        ];
        cases.extend(DTYPES.iter().map(|&dtype| case(Check, 300, 512, 64, dtype)));
        cases.extend([16, 8192].map(|t| case(Bench, t, 512, 64, DType::Bf16)));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [t, r, p] = ["t", "r", "p"].map(|name| case.dim(name));
        let (blocks, block) = (t / 3 + 2, 4);
        let mut slots: Vec<i64> = (0..(blocks * block) as i64).collect();
        slots.shuffle(&mut ChaCha8Rng::seed_from_u64(case.seed));
        slots.truncate(t);
        if case.tier != Tier::Bench {
            slots.iter_mut().step_by(3).for_each(|slot| *slot = -1);
        }
        Ok(vec![
            bits(case.seed, case.dtype, &[t, r])?,
            bits(case.seed + 1, case.dtype, &[t, p])?,
            Tensor::from_vec(slots, [t])?,
            bits(case.seed + 2, case.dtype, &[blocks, block, r + p])?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let rows = ["r", "p"].map(|name| case.dim(name) * case.dtype.size());
        let slots = inputs[2].to_vec::<i64>()?;
        let mut cache = inputs[3].to_bytes()?;
        let (latent, rotated) = (inputs[0].to_bytes()?, inputs[1].to_bytes()?);
        reference::append([&latent, &rotated], &slots, rows, &mut cache);
        Ok(vec![Expected::Exact(of_bytes(cache, case.dtype, inputs[3].dims())?)])
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
        let [latent, rotated, slots, cache] = inputs else {
            return Err(Error::range(NAME, "inputs", "4 tensors", inputs.len()));
        };
        let mut cache = own(cache, stream)?;
        mla_append(stream, latent, rotated, slots, &mut cache)?;
        Ok(vec![cache])
    }

    fn work(&self, case: &Case) -> Work {
        let row = (case.dim("r") + case.dim("p")) * case.dtype.size();
        Work { flops: 0.0, bytes: (case.dim("t") * (2 * row + 8)) as f64 }
    }
}

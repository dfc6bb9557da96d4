//! Evidence for `kv_append`. Bytes are judged exactly, those that no slot names too.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{DTYPES, NAME, extents, kv_append, reference};
use crate::arguments::{check_dtype, choose, only_variant};

static SPEC: Spec = Spec {
    name: NAME,
    family: "cache",
    math: "k_cache[slots[t]] = k[t], v_cache[slots[t]] = v[t]",
    inputs: &[
        Slot::new("k", "[t, heads, dk]"),
        Slot::new("v", "[t, heads, dv]"),
        Slot::new("slots", "[t]"),
        Slot::optional("k_cache", "[blocks, block, heads, dk]"),
        Slot::optional("v_cache", "[blocks, block, heads, dv]"),
    ],
    outputs: &[
        Slot::new("k_cache", "[blocks, block, heads, dk]"),
        Slot::new("v_cache", "[blocks, block, heads, dv]"),
    ],
    args: &[ArgSpec {
        name: "block",
        default: "16",
        doc: "without caches: of the new ones, which the slots must fill, each slot once",
    }],
    dtypes: DTYPES,
};

/// `kv_append` in the registry. With caches it appends to copies of them, since a registered kernel leaves its inputs alone.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// Random bits as a tensor.
fn bytes(random: &mut ChaCha8Rng, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    let mut bytes = vec![0u8; shape.iter().product::<usize>() * dtype.size()];
    random.fill(&mut bytes[..]);
    tensor(bytes, dtype, shape)
}

fn tensor(bytes: Vec<u8>, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    tilewright_core::with_element!(dtype, T => Tensor::from_vec::<T>(bytemuck::pod_collect_to_vec(&bytes), shape))
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let case =
            |tier, t, h, dk, dv, dtype| Case::new(tier, &[("t", t), ("h", h), ("dk", dk), ("dv", dv)], dtype);
        let mut cases = vec![
            case(Edge, 0, 2, 8, 8, DType::F32),
            case(Edge, 5, 2, 8, 12, DType::F32),
            case(Edge, 7, 3, 5, 5, DType::Bf16),
            case(Edge, 16, 3, 6, 2, DType::F16).data("filled"),
            case(Edge, 3, 1, 7, 9, DType::F8E4M3),
        ];
        for dtype in DTYPES {
            cases.push(case(Check, 300, 8, 128, 128, *dtype));
        }
        cases.push(case(Check, 301, 4, 33, 65, DType::F16));
        for t in [16, 256, 8192] {
            cases.push(case(Bench, t, 8, 128, 128, DType::Bf16).data("filled"));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let [t, h, dk, dv] = ["t", "h", "dk", "dv"].map(|name| case.dim(name));
        let (k, v) =
            (bytes(&mut random, case.dtype, &[t, h, dk])?, bytes(&mut random, case.dtype, &[t, h, dv])?);
        if case.data == "filled" {
            let mut slots: Vec<i64> = (0..t as i64).collect();
            slots.shuffle(&mut random);
            return Ok(vec![k, v, Tensor::from_vec(slots, [t])?]);
        }
        let (blocks, block) = (t / 3 + 2, 4);
        let mut slots: Vec<i64> = (0..(blocks * block) as i64).collect();
        slots.shuffle(&mut random);
        slots.truncate(t);
        slots.iter_mut().step_by(3).for_each(|slot| *slot = -1);
        let slots = Tensor::from_vec(slots, [t])?;
        let k_cache = bytes(&mut random, case.dtype, &[blocks, block, h, dk])?;
        let v_cache = bytes(&mut random, case.dtype, &[blocks, block, h, dv])?;
        Ok(vec![k, v, slots, k_cache, v_cache])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let slots = inputs[2].to_vec::<i64>()?;
        let each = |at: usize| {
            let row = inputs[at].dims()[1] * inputs[at].dims()[2];
            let (shape, mut cache) = match inputs.get(3 + at) {
                Some(cache) => (cache.dims().to_vec(), cache.to_bytes()?),
                None => {
                    let dims = inputs[at].dims();
                    (vec![dims[0] / 16, 16, dims[1], dims[2]], vec![0; inputs[at].bytes()])
                }
            };
            reference::append(&inputs[at].to_bytes()?, &slots, row * case.dtype.size(), &mut cache);
            Ok(Expected::Exact(tensor(cache, case.dtype, &shape)?))
        };
        Ok(vec![each(0)?, each(1)?])
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
        let block = given.size("block", 16)?;
        let (mut k_cache, mut v_cache) = match inputs {
            [k, _, _, k_cache, v_cache] => {
                extents(NAME, "k_cache", k_cache)?;
                let copy = |cache: &Tensor| {
                    cache.to_host()?.to_bytes().and_then(|bytes| tensor(bytes, k.dtype(), cache.dims()))
                };
                (copy(k_cache)?.to(stream)?, copy(v_cache)?.to(stream)?)
            }
            [k, v, slots] => {
                let fresh = |x: &Tensor, name: &'static str| match x.dims() {
                    &[t, h, d] if block > 0 && t % block == 0 && slots.dims() == [t] => {
                        Tensor::empty(stream, x.dtype(), [t / block, block, h, d])
                    }
                    _ => Err(Error::shape(
                        NAME,
                        name,
                        format!("[t, heads, d], t a multiple of {block}"),
                        x.shape(),
                    )),
                };
                (fresh(k, "k")?, fresh(v, "v")?)
            }
            _ => return Err(Error::range(NAME, "inputs", "3 or 5 tensors", inputs.len())),
        };
        kv_append(stream, &inputs[0], &inputs[1], &inputs[2], &mut k_cache, &mut v_cache)?;
        Ok(vec![k_cache, v_cache])
    }

    fn work(&self, case: &Case) -> Work {
        let row = case.dim("h") * (case.dim("dk") + case.dim("dv")) * case.dtype.size();
        Work { flops: 0.0, bytes: (case.dim("t") * (2 * row + 8)) as f64 }
    }
}

//! Evidence for `topk_merge`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::reference::merged;
use super::{NAME, TopkMerge, topk_merge};
use crate::arguments::{check_dtype, choose, only_variant};

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "distances, ids = the first k candidates of p parts by (distance, id); NaN last",
    inputs: &[Slot::new("distances", "[p, b, kk]"), Slot::new("ids", "[p, b, kk]")],
    outputs: &[Slot::new("distances", "[b, k]"), Slot::new("ids", "[b, k]")],
    args: &[ArgSpec { name: "k", default: "1", doc: "how many; (infinity, -1) fills up" }],
    dtypes: &[DType::F32],
};

/// `topk_merge` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, p: usize, b: usize, kk: usize, k: usize) -> Case {
    Case::new(tier, &[("p", p), ("b", b), ("kk", kk)], DType::F32).set("k", k as i64)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = Vec::new();
        for (p, b, kk, k) in [
            (0, 2, 3, 2),
            (3, 0, 2, 2),
            (2, 3, 0, 2),
            (2, 2, 3, 0),
            (1, 2, 5, 3),
            (3, 2, 7, 30),
            (5, 3, 33, 40),
        ] {
            cases.push(case(Edge, p, b, kk, k));
            cases.push(case(Edge, p, b, kk, k).data("ties"));
        }
        for (p, b, kk, k) in [(2, 300, 10, 10), (100, 3, 50, 1000), (7, 31, 1025, 2000), (3000, 1, 2, 77)] {
            cases.push(case(Check, p, b, kk, k));
            cases.push(case(Check, p, b, kk, k).data("ties"));
        }
        cases.push(case(Bench, 32, 1000, 10, 10));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let shape = ["p", "b", "kk"].map(|name| case.dim(name));
        let (mut distances, mut ids) = (Vec::new(), Vec::new());
        for list in 0..shape[0] * shape[1] {
            // Every third list is not full.
            let full = if list % 3 == 2 { random.random_range(0..=shape[2]) } else { shape[2] };
            let mut candidates: Vec<(f32, i64)> = (0..full)
                .map(|_| {
                    let tie = [-1.0, -0.0, 0.0, 2.0, f32::NAN, f32::INFINITY][random.random_range(0..6)];
                    let distance = if case.data == "ties" { tie } else { random.random_range(-5.0..5.0) };
                    (distance, random.random_range(0..if case.data == "ties" { 50 } else { i64::MAX }))
                })
                .collect();
            candidates.sort_by(|a, b| {
                let distance = a.0.is_nan().cmp(&b.0.is_nan()).then((a.0 + 0.0).total_cmp(&(b.0 + 0.0)));
                distance.then(a.1.cmp(&b.1))
            });
            candidates.resize(shape[2], (f32::INFINITY, -1));
            distances.extend(candidates.iter().map(|candidate| candidate.0));
            ids.extend(candidates.iter().map(|candidate| candidate.1));
        }
        Ok(vec![Tensor::from_vec(distances, shape.as_slice())?, Tensor::from_vec(ids, shape.as_slice())?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [b, kk] = ["b", "kk"].map(|name| case.dim(name));
        let k = case.args.size("k", 1)?;
        let (distances, ids) = (inputs[0].to_f64_vec()?, inputs[1].to_vec::<i64>()?);
        let (mut value, mut found) = (Vec::new(), Vec::new());
        for query in 0..b {
            let list = |part: usize| (part * b + query) * kk..(part * b + query + 1) * kk;
            let part = |part: usize| (distances[list(part)].to_vec(), ids[list(part)].to_vec());
            let mut all = merged(&(0..case.dim("p")).map(part).collect::<Vec<_>>());
            all.resize(k.max(all.len()), (f64::INFINITY, -1));
            value.extend(all[..k].iter().map(|candidate| candidate.0));
            found.extend(all[..k].iter().map(|candidate| candidate.1));
        }
        let tolerance = vec![0.0; value.len()];
        Ok(vec![
            Expected::Values { shape: vec![b, k], dtype: DType::F32, value, tolerance },
            Expected::Exact(Tensor::from_vec(found, [b, k])?),
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "distances", case.dtype, SPEC.dtypes)?;
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
        let [distances, ids] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 tensors", inputs.len()));
        };
        let (distances, ids) = topk_merge(stream, distances, ids, &TopkMerge { k: given.size("k", 1)? })?;
        Ok(vec![distances, ids])
    }

    fn work(&self, case: &Case) -> Work {
        let candidates = ["p", "b", "kk"].map(|name| case.dim(name) as f64).iter().product::<f64>();
        let k = case.args.size("k", 1).map_or(0.0, |k| k as f64);
        Work { flops: candidates, bytes: 12.0 * (candidates + case.dim("b") as f64 * k) }
    }
}

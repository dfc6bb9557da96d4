//! Evidence for `hamming_scan_topk`.

use rayon::prelude::*;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::{HammingScanTopk, NAME, hamming_scan_topk, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::samples::{Samples, kept};

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "distances, ids = the first k rows x by (the number of bits in which q and x differ, id)",
    inputs: &[
        Slot::new("queries", "[b, bytes]"),
        Slot::new("data", "[n, bytes]"),
        Slot::optional("ids", "[n]"),
        Slot::optional("keep", "[bytes]"),
    ],
    outputs: &[Slot::new("distances", "[b, k]"), Slot::new("ids", "[b, k]")],
    args: &[ArgSpec { name: "k", default: "1", doc: "how many; (infinity, -1) fills up" }],
    dtypes: &[DType::U8],
};

/// `hamming_scan_topk` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, b: usize, n: usize, bytes: usize, k: usize) -> Case {
    Case::new(tier, &[("b", b), ("n", n), ("bytes", bytes)], DType::U8).set("k", k as i64)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// | data | |
    /// |---|---|
    /// | | random bits |
    /// | labelled | ids without order, and a third of the rows filtered out |
    /// | wide | as labelled, ids of 64 bits |
    /// | shared | as near, and forty ids for all rows, so that results tie in both |
    /// | near | rows that differ from each other in few bits, so that distances tie |
    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 5, 3, 2),
            case(Edge, 2, 0, 3, 2),
            case(Edge, 2, 5, 3, 0),
            case(Edge, 3, 5, 1, 7).data("near"),
            case(Edge, 2, 300, 7, 40).data("labelled"),
            case(Edge, 3, 70, 32, 5).data("near"),
            case(Edge, 1, 4300, 4, 300).data("labelled"),
            // More than a threadgroup selects: ties at the end of a round, more than there are.
            case(Edge, 2, 1500, 2, 1025).data("near"),
            case(Edge, 1, 2600, 2, 2000).data("shared"),
            case(Edge, 1, 1300, 3, 3000).data("wide"),
            case(Edge, 2, 300, 7, 40).data("wide"),
        ];
        for (b, n, bytes, k) in [(1, 5003, 16, 10), (70, 1501, 31, 33), (17, 9000, 8, 1024), (9, 300, 513, 3)]
        {
            for data in ["", "labelled", "near"] {
                cases.push(case(Check, b, n, bytes, k).data(data));
            }
        }
        cases.push(case(Check, 2, 3000, 5, 3000).data("near"));
        for (b, bytes) in [(1000, 32), (1, 32), (1000, 16)] {
            cases.push(case(Bench, b, 1_000_000, bytes, 10));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut samples = Samples::new(case);
        let [b, n, bytes] = ["b", "n", "bytes"].map(|name| case.dim(name));
        let mut bits = |rows: usize| {
            let all = (0..rows * bytes).map(|_| match case.data {
                "near" | "shared" => 0x5a ^ 1 << samples.below(8),
                _ => samples.below(256) as u8,
            });
            Tensor::from_vec(all.collect::<Vec<u8>>(), [rows, bytes])
        };
        let mut inputs = vec![bits(b)?, bits(n)?];
        if case.data == "shared" {
            inputs.push(Tensor::from_vec((0..n as u32).map(|row| row % 40).collect(), [n])?);
        }
        inputs.extend(samples.labels(n)?);
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (b, k) = (case.dim("b"), case.args.size("k", 1)?);
        if step(case) > 1 {
            let free = |dtype| Expected::Free { shape: vec![b, k], dtype };
            return Ok(vec![free(DType::F32), free(DType::I64)]);
        }
        let (distances, ids): (Vec<f32>, Vec<i64>) = truth(case, inputs)?.into_iter().flatten().unzip();
        Ok(vec![
            Expected::Exact(Tensor::from_vec(distances, [b, k])?),
            Expected::Exact(Tensor::from_vec(ids, [b, k])?),
        ])
    }

    /// Of a large problem every so many queries are judged, and here.
    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let k = case.args.size("k", 1)?;
        let (distances, ids) = (outputs[0].to_vec::<f32>()?, outputs[1].to_vec::<i64>()?);
        let found: Vec<(f32, i64)> = distances.into_iter().zip(ids).collect();
        let judged = found.chunks(k.max(1)).step_by(step(case));
        let wrong = judged.zip(truth(case, inputs)?).filter(|(own, truth)| own != truth).count();
        Ok(vec![Residual { name: "queries with another result", ratio: wrong as f64, limit: 0.5 }])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "data", case.dtype, &[DType::U8])?;
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
        let [queries, data, rest @ ..] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 to 4 tensors", inputs.len()));
        };
        let args = HammingScanTopk { k: given.size("k", 1)? };
        let (distances, ids) = hamming_scan_topk(stream, queries, data, rest.first(), rest.get(1), &args)?;
        Ok(vec![distances, ids])
    }

    /// A count of a word of 64 bits and its sum as two operations.
    fn work(&self, case: &Case) -> Work {
        let [b, n, bytes] = ["b", "n", "bytes"].map(|name| case.dim(name) as f64);
        let k = case.args.size("k", 1).map_or(0.0, |k| k as f64);
        Work { flops: 2.0 * b * n * (bytes / 8.0).ceil(), bytes: (b + n) * bytes + b * k * 12.0 }
    }
}

/// How far apart the queries are that are judged: the truth of all pairs of a large problem takes minutes.
fn step(case: &Case) -> usize {
    (case.dim("b") * case.dim("n") * case.dim("bytes") / (1 << 30)).max(1)
}

/// The result of each query that is judged.
fn truth(case: &Case, inputs: &[Tensor]) -> Result<Vec<Vec<(f32, i64)>>> {
    let (bytes, k) = (case.dim("bytes"), case.args.size("k", 1)?);
    let (queries, data) = (inputs[0].to_vec::<u8>()?, inputs[1].to_vec::<u8>()?);
    let ids = inputs.get(2).map(Tensor::to_f64_vec).transpose()?;
    let keep = inputs.get(3).map(Tensor::to_vec::<u8>).transpose()?;
    let of_query = |query: &[u8]| {
        let rows = data.chunks(bytes).enumerate().filter(|&(row, _)| kept(keep.as_deref(), row));
        let id = |row: usize| ids.as_ref().map_or(row as i64, |ids| ids[row] as i64);
        let nearest = reference::nearest(k, query, rows.map(|(row, x)| (id(row), x)));
        let mut found: Vec<_> = nearest.into_iter().map(|(count, id)| (count as f32, id)).collect();
        found.resize(k, (f32::INFINITY, -1));
        found
    };
    Ok(queries.par_chunks(bytes).step_by(step(case)).map(of_query).collect())
}

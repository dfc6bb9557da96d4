//! Evidence for `sq_scan`.

use rayon::prelude::*;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::{NAME, SqRows, SqScan, reference, sq_scan};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::flat_scan_topk::reference::{True, nearest};
use crate::search::judge;
use crate::search::samples::{self, Samples, kept, rows};

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "distances, ids = the first k rows of the lists that a query names, by the distance from what their codes stand for",
    inputs: &[
        Slot::new("queries", "[b, d]"),
        Slot::new("codes", "[n, bytes]"),
        Slot::new("ranges", "[2, d]"),
        Slot::new("offsets", "[nlist + 1]"),
        Slot::new("probes", "[b, nprobe]"),
        Slot::optional("centroids", "[nlist, d]"),
        Slot::optional("ids", "[n]"),
        Slot::optional("keep", "[bytes]"),
    ],
    outputs: &[Slot::new("distances", "[b, k]"), Slot::new("ids", "[b, k]")],
    args: &[
        ArgSpec { name: "k", default: "1", doc: "how many; (infinity, -1) fills up" },
        ArgSpec { name: "metric", default: "l2", doc: "l2, ip or cosine" },
        ArgSpec { name: "bits", default: "8", doc: "8, 6 or 4" },
    ],
    dtypes: &[DType::F32],
};

/// `sq_scan` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// `nlist` lists of uneven length, some of them empty; `nprobe` different lists for each query, and now and then none.
fn case(tier: Tier, b: usize, n: usize, (d, bits): (usize, usize), lists: (usize, usize), k: usize) -> Case {
    let dims = [("b", b), ("n", n), ("d", d), ("nlist", lists.0), ("nprobe", lists.1)];
    Case::new(tier, &dims, DType::F32).set("k", k as i64).set("bits", bits as i64)
}

fn bits(case: &Case) -> Result<usize> {
    case.args.size("bits", 8)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// | data | |
    /// |---|---|
    /// | | normal deviates, vectors themselves are coded |
    /// | integers | whole numbers, so that distances tie and are exact; with centroids |
    /// | labelled | as integers; ids without order, and a third of the rows filtered out |
    /// | wide | as labelled, ids of 64 bits |
    /// | left, subspace | normal deviates; with centroids |
    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 5, (3, 8), (2, 1), 2),
            case(Edge, 2, 0, (3, 8), (2, 2), 2),
            case(Edge, 2, 9, (3, 8), (3, 0), 2),
            case(Edge, 3, 60, (5, 8), (7, 3), 4).data("integers"),
            case(Edge, 2, 90, (33, 6), (4, 4), 70).data("labelled"),
            case(Edge, 2, 40, (7, 4), (3, 2), 6).data("left").set("metric", "ip"),
            case(Edge, 3, 80, (17, 8), (5, 2), 6).set("metric", "cosine"),
            case(Edge, 1, 3000, (2, 4), (1, 1), 5),
            // More than a threadgroup selects: ties at the end of a round, more than there are.
            case(Edge, 2, 1500, (3, 8), (2, 2), 1025).data("integers"),
            case(Edge, 1, 1300, (2, 4), (2, 2), 3000).data("wide"),
        ];
        for bits in [8, 6, 4] {
            for (b, n, d, lists, k, metric) in [
                (1, 5003, 128, (50, 8), 10, "l2"),
                (150, 1501, 31, (20, 7), 33, "ip"),
                (40, 300, 257, (9, 9), 5, "cosine"),
            ] {
                for data in ["", "integers", "labelled", "left"] {
                    cases.push(case(Check, b, n, (d, bits), lists, k).set("metric", metric).data(data));
                }
            }
            for (b, nprobe) in [(1000, 8), (1, 8)] {
                cases.push(case(Bench, b, 100_000, (128, bits), (316, nprobe), 10).data("subspace"));
            }
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut samples = Samples::new(case);
        let [b, n, d, nlist, nprobe] = ["b", "n", "d", "nlist", "nprobe"].map(|name| case.dim(name));
        let (bits, exact) = (bits(case)?, Samples::exact(case.data));
        let queries = samples.vectors(b, d)?;
        let bytes = (d * bits).div_ceil(8);
        let mut codes = vec![0u8; n * bytes];
        for code in codes.chunks_exact_mut(bytes.max(1)) {
            for j in 0..d {
                let word = samples.below(if exact { 4 } else { 1 << bits });
                for i in 0..bits {
                    code[(bits * j + i) / 8] |= (word as u8 >> i & 1) << ((bits * j + i) % 8);
                }
            }
        }
        // Words of whole numbers stand for -1, 0, 1 and 2.
        let levels = ((1 << bits) - 1) as f32;
        let mut ranges = if exact { vec![-1.5; d] } else { vec![-2.0; d] };
        ranges.extend((0..d).map(|j| if exact { levels } else { 3.0 + (j % 9) as f32 / 4.0 }));
        let mut cuts: Vec<u32> = (1..nlist).map(|_| samples.below(n + 1) as u32).collect();
        cuts.extend([0, n as u32]);
        cuts.sort_unstable();
        let mut probes = Vec::with_capacity(b * nprobe);
        for query in 0..b {
            let first = samples.below(nlist);
            probes.extend((0..nprobe).map(|probe| {
                let none = query % 4 == 2 && probe == nprobe / 2;
                if none { -1 } else { ((first + probe) % nlist) as i64 }
            }));
        }
        let mut inputs = vec![
            queries,
            Tensor::from_vec(codes, [n, bytes])?,
            Tensor::from_vec(ranges, [2, d])?,
            Tensor::from_vec(cuts, [nlist + 1])?,
            Tensor::from_vec(probes, [b, nprobe])?,
        ];
        if !case.data.is_empty() {
            inputs.push(samples.vectors(nlist, d)?);
        }
        inputs.extend(samples.labels(n)?);
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        samples::expected(case, args.metric, args.k, &truth(&args, inputs, step(case))?)
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let args = args(&case.args)?;
        judge::residual(&truth(&args, inputs, step(case))?, case.dim("d"), args.k, step(case), outputs)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "queries", case.dtype, &[DType::F32])?;
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
        let [queries, codes, ranges, offsets, probes, rest @ ..] = inputs else {
            return Err(Error::range(NAME, "inputs", "5 to 8 tensors", inputs.len()));
        };
        let (centroids, ids, keep) = (rest.first(), rest.get(1), rest.get(2));
        let rows = SqRows { codes, ranges, offsets, centroids, ids, keep };
        let (distances, ids) = sq_scan(stream, queries, &rows, probes, &args(given)?)?;
        Ok(vec![distances, ids])
    }

    /// Of lists of equal length; each code is read once, if any query comes by.
    fn work(&self, case: &Case) -> Work {
        let [b, n, d, nlist, nprobe] = ["b", "n", "d", "nlist", "nprobe"].map(|name| case.dim(name) as f64);
        let k = case.args.size("k", 1).map_or(0.0, |k| k as f64);
        let pairs = b * nprobe * n / nlist;
        let of_code = d * bits(case).map_or(8.0, |bits| bits as f64) / 8.0;
        let bytes = n.min(pairs) * of_code + 4.0 * b * d + nlist * 4.0 + b * (nprobe * 8.0 + k * 12.0);
        Work { flops: 2.0 * pairs * d, bytes }
    }
}

fn args(args: &Args) -> Result<SqScan> {
    let metric = args.text("metric", "l2")?.parse()?;
    Ok(SqScan { k: args.size("k", 1)?, metric, bits: args.size("bits", 8)? })
}

/// How far apart the queries are that are judged.
fn step(case: &Case) -> usize {
    judge::step(case.dim("b") * case.dim("n") / case.dim("nlist").max(1) * case.dim("nprobe"))
}

fn truth(args: &SqScan, inputs: &[Tensor], step: usize) -> Result<Vec<Vec<True>>> {
    let (queries, codes, ranges) = (rows(&inputs[0])?, inputs[1].to_vec::<u8>()?, inputs[2].to_vec::<f32>()?);
    let (offsets, probes) = (inputs[3].to_vec::<u32>()?, inputs[4].to_vec::<i64>()?);
    let (bytes, d, nprobe) = (inputs[1].dims()[1], inputs[0].dims()[1], inputs[4].dims()[1]);
    let centroids = inputs.get(5).map(Tensor::to_vec::<f32>).transpose()?;
    let ids = inputs.get(6).map(Tensor::to_f64_vec).transpose()?;
    let keep = inputs.get(7).map(Tensor::to_vec::<u8>).transpose()?;
    let mut vectors = vec![Vec::new(); inputs[1].dims()[0]];
    for (list, bounds) in offsets.windows(2).enumerate() {
        let centroid = centroids.as_ref().map(|centroids| &centroids[list * d..(list + 1) * d]);
        for row in bounds[0] as usize..bounds[1] as usize {
            let code = &codes[row * bytes..(row + 1) * bytes];
            vectors[row] = reference::decoded(code, args.bits, &ranges, centroid);
        }
    }
    let of_query = |(number, query): (usize, &Vec<f64>)| {
        let named = probes[number * nprobe..][..nprobe].iter().filter(|&&list| list >= 0);
        let all =
            named.flat_map(|&list| offsets[list as usize] as usize..offsets[list as usize + 1] as usize);
        let counting = all.filter(|&row| kept(keep.as_deref(), row));
        let id = |row: usize| ids.as_ref().map_or(row as i64, |ids| ids[row] as i64);
        nearest(args.metric, args.k, query, counting.map(|row| (id(row), &vectors[row])))
    };
    Ok(queries.par_iter().enumerate().step_by(step).map(of_query).collect())
}

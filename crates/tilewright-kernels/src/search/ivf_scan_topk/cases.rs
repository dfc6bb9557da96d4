//! Evidence for `ivf_scan_topk`.

use rayon::prelude::*;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::{IvfScanTopk, NAME, cuda, reference, run};
use crate::arguments::check_dtype;
use crate::search::flat_scan_topk::reference::True;
use crate::search::judge;
use crate::search::samples::{self, Samples, kept, rows};
use crate::search::vectors::DTYPES;

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "distances, ids = the first k rows x of the lists that a query names, by (distance(q, x), id)",
    inputs: &[
        Slot::new("queries", "[b, d]"),
        Slot::new("data", "[n, d]"),
        Slot::new("offsets", "[nlist + 1]"),
        Slot::new("probes", "[b, nprobe]"),
        Slot::optional("ids", "[n]"),
        Slot::optional("keep", "[bytes]"),
    ],
    outputs: &[Slot::new("distances", "[b, k]"), Slot::new("ids", "[b, k]")],
    args: &[
        ArgSpec { name: "k", default: "1", doc: "how many; (infinity, -1) fills up" },
        ArgSpec { name: "metric", default: "l2", doc: "l2, ip or cosine" },
    ],
    dtypes: DTYPES,
};

/// `ivf_scan_topk` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// `nlist` lists of uneven length, some of them empty; `nprobe` different lists for each query, and now and then none.
fn case(tier: Tier, b: usize, n: usize, d: usize, lists: (usize, usize), k: usize, dtype: DType) -> Case {
    let dims = [("b", b), ("n", n), ("d", d), ("nlist", lists.0), ("nprobe", lists.1)];
    Case::new(tier, &dims, dtype).set("k", k as i64)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32, I8};
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 5, 3, (2, 1), 2, F32),
            case(Edge, 2, 0, 3, (2, 2), 2, F32),
            case(Edge, 2, 9, 3, (3, 0), 2, F32),
            case(Edge, 3, 60, 5, (7, 3), 4, F32).data("integers"),
            case(Edge, 2, 90, 33, (4, 4), 70, F32).data("labelled"),
            case(Edge, 3, 80, 17, (5, 2), 6, F32).set("metric", "cosine"),
            case(Edge, 2, 75, 8, (3, 2), 5, F32).set("metric", "ip").data("special"),
            case(Edge, 2, 50, 6, (3, 2), 3, Bf16),
            // More than a threadgroup selects: ties at the end of a round, more than there are.
            case(Edge, 2, 2600, 3, (2, 2), 1500, F32).data("integers"),
            case(Edge, 1, 1700, 2, (2, 2), 1680, F32).data("special"),
            case(Edge, 2, 1300, 2, (3, 3), 3000, F32).data("wide"),
            case(Edge, 3, 60, 5, (4, 3), 20, F32).data("wide"),
        ];
        for metric in ["l2", "ip", "cosine"] {
            for (b, n, d, lists, k) in
                [(1, 5003, 128, (50, 8), 10), (150, 1501, 31, (20, 7), 33), (40, 300, 513, (9, 9), 5)]
            {
                for data in ["", "integers", "labelled", "special", "far"] {
                    cases.push(case(Check, b, n, d, lists, k, F32).set("metric", metric).data(data));
                }
            }
            for dtype in [F16, Bf16, I8] {
                cases.push(case(Check, 57, 1001, 100, (13, 5), 20, dtype).set("metric", metric));
            }
        }
        // The matrix units of CUDA: lists of more than one tile, more queries of a list than a stage.
        for (metric, b, n, d, lists, k, dtype) in [
            ("l2", 300, 6000, 128, (9, 5), 10, F32),
            ("ip", 70, 4001, 252, (40, 33), 40, F32),
            ("cosine", 65, 2500, 100, (3, 2), 1024, Bf16),
            ("l2", 33, 9000, 64, (100, 7), 100, F16),
        ] {
            for data in ["", "labelled", "wide", "special", "far"] {
                cases.push(case(Check, b, n, d, lists, k, dtype).set("metric", metric).data(data));
            }
        }
        for (b, nprobe) in [(1000, 8), (1000, 32), (1, 8)] {
            cases.push(case(Bench, b, 100_000, 128, (316, nprobe), 10, F32).data("subspace"));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut samples = Samples::new(case);
        let [b, n, d, nlist, nprobe] = ["b", "n", "d", "nlist", "nprobe"].map(|name| case.dim(name));
        let (queries, data) = (samples.vectors(b, d)?, samples.vectors(n, d)?);
        let mut cuts: Vec<u32> = (1..nlist).map(|_| samples.below(n + 1) as u32).collect();
        cuts.extend([0, n as u32]);
        cuts.sort_unstable();
        let mut probes = Vec::with_capacity(b * nprobe);
        for query in 0..b {
            // Steps of a walk around all lists: no list comes twice.
            let (first, step) = (samples.below(nlist), if nlist % 2 == 1 && query % 2 == 1 { 2 } else { 1 });
            probes.extend((0..nprobe).map(|probe| {
                let none = query % 4 == 2 && probe == nprobe / 2;
                if none { -1 } else { ((first + probe * step) % nlist) as i64 }
            }));
        }
        let offsets = Tensor::from_vec(cuts, [nlist + 1])?;
        let mut inputs = vec![queries, data, offsets, Tensor::from_vec(probes, [b, nprobe])?];
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
        check_dtype(NAME, "data", case.dtype, DTYPES)?;
        let k = case.args.size("k", 1)?;
        let [b, n, d, nprobe] = ["b", "n", "d", "nprobe"].map(|name| case.dim(name));
        Ok(cuda::variants(device, b, n, d, k, nprobe))
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        let [queries, data, offsets, probes, rest @ ..] = inputs else {
            return Err(Error::range(NAME, "inputs", "4 to 6 tensors", inputs.len()));
        };
        let labels = (rest.first(), rest.get(1));
        let (distances, ids) = run(stream, variant, queries, data, offsets, probes, labels, &args(given)?)?;
        Ok(vec![distances, ids])
    }

    /// Of lists of equal length; each row is read once, if any query comes by.
    fn work(&self, case: &Case) -> Work {
        let [b, n, d, nlist, nprobe] = ["b", "n", "d", "nlist", "nprobe"].map(|name| case.dim(name) as f64);
        let k = case.args.size("k", 1).map_or(0.0, |k| k as f64);
        let pairs = b * nprobe * n / nlist;
        let rows = n.min(pairs);
        let bytes = (b + rows) * d * case.dtype.size() as f64 + nlist * 4.0 + b * (nprobe * 8.0 + k * 12.0);
        Work { flops: 2.0 * pairs * d, bytes }
    }
}

fn args(args: &Args) -> Result<IvfScanTopk> {
    Ok(IvfScanTopk { k: args.size("k", 1)?, metric: args.text("metric", "l2")?.parse()? })
}

/// How far apart the queries are that are judged.
fn step(case: &Case) -> usize {
    judge::step(case.dim("b") * case.dim("n") / case.dim("nlist").max(1) * case.dim("nprobe"))
}

fn truth(args: &IvfScanTopk, inputs: &[Tensor], step: usize) -> Result<Vec<Vec<True>>> {
    let (queries, data) = (rows(&inputs[0])?, rows(&inputs[1])?);
    let (offsets, probes) = (inputs[2].to_vec::<u32>()?, inputs[3].to_vec::<i64>()?);
    let nprobe = inputs[3].dims()[1];
    let ids = inputs.get(4).map(Tensor::to_f64_vec).transpose()?;
    let keep = inputs.get(5).map(Tensor::to_vec::<u8>).transpose()?;
    let id = |row: usize| {
        let id = ids.as_ref().map_or(row as i64, |ids| ids[row] as i64);
        kept(keep.as_deref(), row).then_some(id)
    };
    let of_query = |(number, query): (usize, &Vec<f64>)| {
        let probes = &probes[number * nprobe..][..nprobe];
        reference::of_lists(args.metric, args.k, query, &data, &offsets, probes, id)
    };
    Ok(queries.par_iter().enumerate().step_by(step).map(of_query).collect())
}

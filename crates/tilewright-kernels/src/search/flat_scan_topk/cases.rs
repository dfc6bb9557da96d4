//! Evidence for `flat_scan_topk`.

use rayon::prelude::*;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::reference::{True, nearest};
use super::{FlatScanTopk, NAME, run};
use crate::arguments::check_dtype;
use crate::search::cuda;
use crate::search::judge;
use crate::search::samples::{self, Samples, kept, rows};
use crate::search::vectors::DTYPES;

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "distances, ids = the first k rows x by (distance(q, x), id); sum (q - x)^2, -q.x or 1 - cos; NaN last",
    inputs: &[
        Slot::new("queries", "[b, d]"),
        Slot::new("data", "[n, d]"),
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

/// `flat_scan_topk` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, b: usize, n: usize, d: usize, k: usize, dtype: DType) -> Case {
    Case::new(tier, &[("b", b), ("n", n), ("d", d)], dtype).set("k", k as i64)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32, I8};
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 5, 3, 2, F32),
            case(Edge, 2, 0, 3, 2, F32),
            case(Edge, 2, 5, 3, 0, F32),
            case(Edge, 3, 5, 1, 7, F32).data("integers"),
            case(Edge, 2, 300, 7, 40, F32).data("labelled"),
            case(Edge, 3, 70, 33, 5, F32).data("special"),
            case(Edge, 2, 40, 5, 6, F32).data("far"),
            case(Edge, 1, 4300, 3, 300, F32).data("integers"),
            case(Edge, 2, 60, 19, 9, F32).set("metric", "ip").data("integers"),
            case(Edge, 3, 65, 40, 4, F32).set("metric", "cosine").data("special"),
            case(Edge, 2, 50, 12, 50, I8).data("labelled"),
            case(Edge, 2, 45, 9, 3, Bf16),
            // More than a threadgroup selects: ties at the end of a round, more than there are.
            case(Edge, 2, 1500, 3, 1025, F32).data("integers"),
            case(Edge, 1, 2100, 2, 2100, F32).data("equal"),
            case(Edge, 2, 1500, 2, 1480, F32).data("special"),
            case(Edge, 1, 1300, 2, 3000, F32).data("wide"),
            case(Edge, 3, 60, 5, 20, F32).data("wide"),
        ];
        for metric in ["l2", "ip", "cosine"] {
            for (b, n, d, k) in
                [(1, 5003, 128, 10), (70, 1501, 31, 33), (17, 300, 1025, 3), (131, 217, 2, 217)]
            {
                for data in ["", "integers", "labelled", "special", "far", "equal"] {
                    cases.push(case(Check, b, n, d, k, F32).set("metric", metric).data(data));
                }
            }
            for dtype in [F16, Bf16, I8] {
                cases.push(case(Check, 7, 2001, 100, 1024, dtype).set("metric", metric));
                cases.push(case(Check, 5, 3001, 100, 20, dtype).set("metric", metric).data("labelled"));
            }
        }
        // The matrix units of CUDA: every padded length, more than one stage of queries, more than one split of them.
        for (metric, b, n, d, k, dtype) in [
            ("l2", 1, 40_003, 64, 10, F32),
            ("ip", 130, 2500, 252, 40, F32),
            ("cosine", 65, 2100, 100, 1024, Bf16),
            ("l2", 300, 3000, 8, 1, I8),
            ("l2", 33, 9000, 128, 100, F16),
        ] {
            for data in ["", "labelled", "wide", "special", "far"] {
                cases.push(case(Check, b, n, d, k, dtype).set("metric", metric).data(data));
            }
        }
        cases.push(case(Check, 3, 50, 4097, 5, F32));
        cases.push(case(Check, 9, 3000, 16, 3000, F32));
        for (b, k) in [(1000, 10), (1, 10), (1000, 1), (1000, 100)] {
            cases.push(case(Bench, b, 100_000, 128, k, F32).data("subspace"));
        }
        cases.push(case(Bench, 1000, 100_000, 128, 10, Bf16).data("subspace"));
        cases.push(case(Bench, 1, 1_000_000, 128, 10, F32).data("subspace"));
        cases.push(case(Bench, 1000, 1_000_000, 128, 10, F32).data("subspace"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut samples = Samples::new(case);
        let (b, n, d) = (case.dim("b"), case.dim("n"), case.dim("d"));
        let mut inputs = vec![samples.vectors(b, d)?, samples.vectors(n, d)?];
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
        let [b, n, d] = ["b", "n", "d"].map(|name| case.dim(name));
        Ok(cuda::variants(device, b, n, d, case.args.size("k", 1)?))
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        let [queries, data, rest @ ..] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 to 4 tensors", inputs.len()));
        };
        let (distances, ids) = run(stream, variant, queries, data, rest.first(), rest.get(1), &args(given)?)?;
        Ok(vec![distances, ids])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, n, d] = ["b", "n", "d"].map(|name| case.dim(name) as f64);
        let k = case.args.size("k", 1).map_or(0.0, |k| k as f64);
        Work { flops: 2.0 * b * n * d, bytes: (b + n) * d * case.dtype.size() as f64 + b * k * 12.0 }
    }
}

fn args(args: &Args) -> Result<FlatScanTopk> {
    Ok(FlatScanTopk { k: args.size("k", 1)?, metric: args.text("metric", "l2")?.parse()? })
}

/// How far apart the queries are that are judged.
fn step(case: &Case) -> usize {
    judge::step(case.dim("b") * case.dim("n"))
}

fn truth(args: &FlatScanTopk, inputs: &[Tensor], step: usize) -> Result<Vec<Vec<True>>> {
    let (queries, data) = (rows(&inputs[0])?, rows(&inputs[1])?);
    let ids = inputs.get(2).map(Tensor::to_f64_vec).transpose()?;
    let keep = inputs.get(3).map(Tensor::to_vec::<u8>).transpose()?;
    let id = |row: usize| ids.as_ref().map_or(row as i64, |ids| ids[row] as i64);
    let of_query = |query: &Vec<f64>| {
        let counting = data.iter().enumerate().filter(|(row, _)| kept(keep.as_deref(), *row));
        nearest(args.metric, args.k, query, counting.map(|(row, x)| (id(row), x)))
    };
    Ok(queries.par_iter().step_by(step).map(of_query).collect())
}

//! Evidence for `rerank`.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::{NAME, Rerank, reference, rerank};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::Metric;
use crate::search::flat_scan_topk::reference::True;
use crate::search::judge;
use crate::search::samples::{Samples, rows};
use crate::search::vectors::DTYPES;

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "distances, ids = the first k of the rows x that a query names, by (distance(q, x), id)",
    inputs: &[
        Slot::new("queries", "[b, d]"),
        Slot::new("data", "[n, d]"),
        Slot::new("rows", "[b, c]"),
        Slot::optional("ids", "[n]"),
    ],
    outputs: &[Slot::new("distances", "[b, k]"), Slot::new("ids", "[b, k]")],
    args: &[
        ArgSpec { name: "k", default: "1", doc: "how many; (infinity, -1) fills up" },
        ArgSpec { name: "metric", default: "l2", doc: "l2, ip or cosine" },
    ],
    dtypes: DTYPES,
};

/// `rerank` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// `c` different rows for each query, and now and then none.
fn case(tier: Tier, b: usize, n: usize, d: usize, c: usize, k: usize, dtype: DType) -> Case {
    Case::new(tier, &[("b", b), ("n", n), ("d", d), ("c", c)], dtype).set("k", k as i64)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32, I8};
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 5, 3, 2, 2, F32),
            case(Edge, 2, 9, 3, 0, 2, F32),
            case(Edge, 3, 60, 5, 40, 4, F32).data("integers"),
            case(Edge, 2, 90, 3, 70, 80, F32).data("labelled"),
            case(Edge, 1, 4500, 2, 4300, 300, F32).data("integers"),
            case(Edge, 2, 75, 8, 33, 5, F32).set("metric", "ip").data("special"),
            // More than a threadgroup selects: ties at the end of a round, more than there are.
            case(Edge, 2, 1500, 3, 1400, 1025, F32).data("integers"),
            case(Edge, 1, 1300, 2, 1300, 3000, F32).data("wide"),
            case(Edge, 2, 90, 3, 70, 30, F32).data("wide"),
        ];
        for metric in ["l2", "ip", "cosine"] {
            for dtype in [F32, F16, Bf16, I8] {
                cases.push(case(Check, 57, 1001, 100, 90, 20, dtype).set("metric", metric));
                cases.push(case(Check, 3, 501, 33, 500, 70, dtype).set("metric", metric).data("labelled"));
            }
        }
        cases.push(case(Bench, 1000, 100_000, 128, 100, 10, F32).data("subspace"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut samples = Samples::new(case);
        let [b, n, d, c] = ["b", "n", "d", "c"].map(|name| case.dim(name));
        let (queries, data) = (samples.vectors(b, d)?, samples.vectors(n, d)?);
        let mut named = Vec::with_capacity(b * c);
        for query in 0..b {
            let first = samples.below(n.max(1));
            named.extend(
                (0..c).map(|at| if at % 7 == query % 7 && at > 6 { -1 } else { ((first + at) % n) as i64 }),
            );
        }
        let mut inputs = vec![queries, data, Tensor::from_vec(named, [b, c])?];
        inputs.extend(samples.labels(n)?.into_iter().take(1));
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let exact = Samples::exact(case.data) && args.metric != Metric::Cosine;
        judge::expected(&truth(&args, inputs)?, case.dim("b"), case.dim("d"), args.k, exact)
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let args = args(&case.args)?;
        judge::residual(&truth(&args, inputs)?, case.dim("d"), args.k, 1, outputs)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "data", case.dtype, DTYPES)?;
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
        let [queries, data, named, rest @ ..] = inputs else {
            return Err(Error::range(NAME, "inputs", "3 or 4 tensors", inputs.len()));
        };
        let (distances, ids) = rerank(stream, queries, data, named, rest.first(), &args(given)?)?;
        Ok(vec![distances, ids])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, n, d, c] = ["b", "n", "d", "c"].map(|name| case.dim(name) as f64);
        let k = case.args.size("k", 1).map_or(0.0, |k| k as f64);
        let bytes = (b + n.min(b * c)) * d * case.dtype.size() as f64 + b * (c * 8.0 + k * 12.0);
        Work { flops: 3.0 * b * c * d, bytes }
    }
}

fn args(args: &Args) -> Result<Rerank> {
    Ok(Rerank { k: args.size("k", 1)?, metric: args.text("metric", "l2")?.parse()? })
}

fn truth(args: &Rerank, inputs: &[Tensor]) -> Result<Vec<Vec<True>>> {
    let (queries, data) = (rows(&inputs[0])?, rows(&inputs[1])?);
    let (named, c) = (inputs[2].to_vec::<i64>()?, inputs[2].dims()[1]);
    let ids = inputs.get(3).map(Tensor::to_f64_vec).transpose()?;
    let id = |row: usize| ids.as_ref().map_or(row as i64, |ids| ids[row] as i64);
    let of_query = |(number, query): (usize, &Vec<f64>)| {
        reference::of_rows(args.metric, args.k, query, &data, &named[number * c..(number + 1) * c], id)
    };
    Ok(queries.iter().enumerate().map(of_query).collect())
}

//! Evidence for `pq_lut`.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{NAME, PqLut, pq_lut, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::samples::{Samples, rows};

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "tables(q, j, c) = |q_j - codebooks_jc|^2, or -q_j . codebooks_jc, for each part j",
    inputs: &[Slot::new("queries", "[b, d]"), Slot::new("codebooks", "[m, words, d / m]")],
    outputs: &[Slot::new("tables", "[b, m, words]")],
    args: &[ArgSpec { name: "metric", default: "l2", doc: "l2 or ip" }],
    dtypes: &[DType::F32],
};

/// `pq_lut` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, b: usize, m: usize, words: usize, part: usize, metric: &'static str) -> Case {
    let dims = [("b", b), ("m", m), ("words", words), ("part", part)];
    Case::new(tier, &dims, DType::F32).set("metric", metric)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 2, 16, 3, "l2"),
            case(Edge, 3, 5, 16, 1, "l2"),
            case(Edge, 2, 3, 256, 3, "l2").data("far"),
            case(Edge, 3, 3, 16, 5, "ip"),
            case(Edge, 5, 2, 16, 2, "ip").data("special"),
        ];
        for metric in ["l2", "ip"] {
            for (b, m, words, part) in [(11, 32, 256, 4), (33, 7, 16, 19), (2, 1, 256, 513)] {
                cases.push(case(Check, b, m, words, part, metric));
            }
            cases.push(case(Bench, 1000, 32, 256, 4, metric).data("subspace"));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut samples = Samples::new(case);
        let [b, m, words, part] = ["b", "m", "words", "part"].map(|name| case.dim(name));
        let queries = samples.vectors(b, m * part)?;
        let plain = Case { data: if case.data == "far" { "far" } else { "" }, ..case.clone() };
        Ok(vec![queries, Samples::new(&plain).vectors(m * words, part)?.reshape([m, words, part])?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (args, shape) = (args(&case.args)?, ["b", "m", "words"].map(|name| case.dim(name)));
        let (part, words) =
            (case.dim("part"), rows(&inputs[1].reshape([shape[1] * shape[2], case.dim("part")])?)?);
        let queries = rows(&inputs[0])?;
        let entries = queries.iter().flat_map(|query| {
            let words = &words;
            query.chunks(part).enumerate().flat_map(move |(j, own)| {
                words[j * shape[2]..(j + 1) * shape[2]]
                    .iter()
                    .map(move |word| reference::entry(args.metric, own, word))
            })
        });
        // A difference, which counts twice in its square, the product and the sum.
        Ok(vec![Expected::values(&shape, DType::F32, DType::F32, (part + 4) as f64, entries)])
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
        let [queries, codebooks] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 tensors", inputs.len()));
        };
        Ok(vec![pq_lut(stream, queries, codebooks, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, words, part] = ["b", "m", "words", "part"].map(|name| case.dim(name) as f64);
        Work { flops: 3.0 * b * m * words * part, bytes: 4.0 * m * (b * part + words * part + b * words) }
    }
}

fn args(args: &Args) -> Result<PqLut> {
    Ok(PqLut { metric: args.text("metric", "l2")?.parse()? })
}

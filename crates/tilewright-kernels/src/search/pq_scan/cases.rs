//! Evidence for `pq_scan`.

use rayon::prelude::*;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::{Coded, NAME, PqScan, cuda, reference, run};
use crate::arguments::check_dtype;
use crate::search::codes::{BLOCK, block_codes};
use crate::search::flat_scan_topk::reference::{True, order};
use crate::search::judge;
use crate::search::product::{bytes, word};
use crate::search::samples::{Samples, kept};

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "distances, ids = the first k rows of the lists that a query names, by bases + biases + factors sum_j tables(j, code_j)",
    inputs: &[
        Slot::new("tables", "[b, m, words]"),
        Slot::new("codes", "[blocks, bytes, 64]"),
        Slot::new("offsets", "[nlist + 1]"),
        Slot::new("probes", "[b, nprobe]"),
        Slot::optional("bases", "[b, nprobe]"),
        Slot::optional("biases", "[n]"),
        Slot::optional("ids", "[n]"),
        Slot::optional("keep", "[bytes]"),
        Slot::optional("factors", "[n]"),
    ],
    outputs: &[Slot::new("distances", "[b, k]"), Slot::new("ids", "[b, k]")],
    args: &[ArgSpec { name: "k", default: "1", doc: "how many; (infinity, -1) fills up" }],
    dtypes: &[DType::F32],
};

/// `pq_scan` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

/// `nlist` lists of uneven length, some of them empty; `nprobe` different lists for each query, and now and then none.
fn case(tier: Tier, b: usize, n: usize, code: (usize, usize), lists: (usize, usize), k: usize) -> Case {
    let dims =
        [("b", b), ("n", n), ("m", code.0), ("words", code.1), ("nlist", lists.0), ("nprobe", lists.1)];
    Case::new(tier, &dims, DType::F32).set("k", k as i64)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// | data | |
    /// |---|---|
    /// | | normal deviates, codes alone |
    /// | integers | whole numbers, so that distances tie and are exact; bases and biases |
    /// | scaled | as labelled, with factors, some of them 0 |
    /// | labelled | as integers; ids without order, and a third of the rows filtered out |
    /// | wide | as labelled, ids of 64 bits |
    /// | special | NaN, infinities and huge entries in the tables |
    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 5, (2, 16), (2, 1), 2),
            case(Edge, 2, 0, (2, 16), (2, 2), 2).data("integers"),
            case(Edge, 2, 9, (1, 16), (3, 0), 2),
            case(Edge, 3, 130, (5, 16), (7, 3), 4).data("integers"),
            case(Edge, 2, 200, (4, 16), (4, 4), 70).data("labelled"),
            case(Edge, 2, 70, (3, 16), (2, 2), 9).data("special"),
            case(Edge, 2, 75, (3, 256), (3, 2), 80),
            case(Edge, 2, 66, (13, 256), (3, 2), 5).data("labelled"),
            case(Edge, 2, 140, (3, 16), (3, 2), 5).data("scaled"),
            // More than a threadgroup selects: ties at the end of a round, more than there are.
            case(Edge, 2, 1500, (2, 16), (2, 2), 1025).data("integers"),
            case(Edge, 2, 1600, (3, 16), (2, 2), 1590).data("special"),
            case(Edge, 1, 1300, (3, 256), (2, 2), 3000).data("wide"),
            case(Edge, 2, 200, (4, 16), (4, 4), 70).data("wide"),
        ];
        for words in [16, 256] {
            for (b, n, m, lists, k) in [
                (1, 5003, 32, (50, 8), 10),
                (150, 1501, 7, (20, 7), 33),
                (40, 1300, 64, (9, 9), 5),
                (3, 900, 600, (4, 2), 12),
            ] {
                for data in ["", "integers", "labelled", "wide", "special"] {
                    cases.push(case(Check, b, n, (m, words), lists, k).data(data));
                }
                cases.push(case(Check, b, n, (m, words), lists, k).data("scaled"));
            }
            for (b, nprobe) in [(1000, 8), (1000, 32), (1, 8)] {
                cases.push(case(Bench, b, 100_000, (32, words), (316, nprobe), 10).data("residuals"));
            }
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let scaled = case.data == "scaled";
        let case = &Case { data: if scaled { "labelled" } else { case.data }, ..case.clone() };
        let mut samples = Samples::new(case);
        let [b, n, m, words, nlist, nprobe] =
            ["b", "n", "m", "words", "nlist", "nprobe"].map(|name| case.dim(name));
        let tables = samples.vectors(b * m, words)?.reshape([b, m, words])?;
        let of_code = bytes(m, words);
        let codes: Vec<u8> = (0..n * of_code)
            .map(|at| {
                let unused = words == 16 && m % 2 == 1 && at % of_code == of_code - 1;
                samples.below(if unused { 16 } else { 256 }) as u8
            })
            .collect();
        let codes = block_codes(&Tensor::from_vec(codes, [n, of_code])?)?;
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
        let offsets = Tensor::from_vec(cuts, [nlist + 1])?;
        let mut inputs = vec![tables, codes, offsets, Tensor::from_vec(probes, [b, nprobe])?];
        if !case.data.is_empty() {
            let plain = if Samples::exact(case.data) { "integers" } else { "" };
            let mut plain = Samples::new(&Case { data: plain, seed: case.seed + 1, ..case.clone() });
            inputs.push(plain.vectors(b, nprobe.max(1))?.slice(1, 0..nprobe)?.to_host()?);
            inputs.push(plain.vectors(1, n.max(1))?.slice(1, 0..n)?.reshape([n])?);
        }
        inputs.extend(samples.labels(n)?);
        if scaled {
            let factors = (0..n).map(|_| samples.below(4) as f32).collect();
            inputs.push(Tensor::from_vec::<f32>(factors, [n])?);
        }
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (k, m) = (case.args.size("k", 1)?, case.dim("m"));
        let exact = Samples::exact(case.data) || case.data == "scaled";
        judge::expected(&truth(case, inputs)?, case.dim("b"), m, k, exact)
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (k, m) = (case.args.size("k", 1)?, case.dim("m"));
        judge::residual(&truth(case, inputs)?, m, k, step(case), outputs)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "tables", case.dtype, &[DType::F32])?;
        let k = case.args.size("k", 1)?;
        Ok(cuda::variants(device, case.dim("m"), case.dim("words"), k))
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        let [tables, codes, offsets, probes, rest @ ..] = inputs else {
            return Err(Error::range(NAME, "inputs", "4 to 9 tensors", inputs.len()));
        };
        let (biases, ids, keep, factors) = (rest.get(1), rest.get(2), rest.get(3), rest.get(4));
        let rows = Coded { codes, offsets, biases, factors, ids, keep };
        let args = PqScan { k: given.size("k", 1)? };
        let (distances, ids) = run(stream, variant, tables, &rows, probes, rest.first(), &args)?;
        Ok(vec![distances, ids])
    }

    /// Of lists of equal length; each code is read once, if any query comes by.
    fn work(&self, case: &Case) -> Work {
        let [b, n, m, words, nlist, nprobe] =
            ["b", "n", "m", "words", "nlist", "nprobe"].map(|name| case.dim(name) as f64);
        let k = case.args.size("k", 1).map_or(0.0, |k| k as f64);
        let pairs = b * nprobe * n / nlist;
        let of_code = bytes(case.dim("m"), case.dim("words")) as f64;
        let bytes = n.min(pairs) * (of_code + 4.0) + b * (4.0 * m * words + nprobe * 12.0 + k * 12.0);
        Work { flops: pairs * m, bytes }
    }
}

/// How far apart the queries are that are judged.
fn step(case: &Case) -> usize {
    judge::step(case.dim("b") * case.dim("n") / case.dim("nlist").max(1) * case.dim("nprobe"))
}

fn truth(case: &Case, inputs: &[Tensor]) -> Result<Vec<Vec<True>>> {
    let [m, words, nprobe] = ["m", "words", "nprobe"].map(|name| case.dim(name));
    let (tables, codes) = (inputs[0].to_f64_vec()?, inputs[1].to_vec::<u8>()?);
    let (offsets, probes) = (inputs[2].to_vec::<u32>()?, inputs[3].to_vec::<i64>()?);
    let numbers = |at: usize| inputs.get(at).map(Tensor::to_f64_vec).transpose();
    let (bases, biases, ids) = (numbers(4)?, numbers(5)?, numbers(6)?);
    let keep = inputs.get(7).map(Tensor::to_vec::<u8>).transpose()?;
    let factors = numbers(8)?;
    let of_code = bytes(m, words);
    let of_query = |query: usize| {
        let mut all = Vec::new();
        for at in (query * nprobe..(query + 1) * nprobe).filter(|&at| probes[at] >= 0) {
            let list = probes[at] as usize;
            for row in
                (offsets[list] as usize..offsets[list + 1] as usize).filter(|&row| kept(keep.as_deref(), row))
            {
                let byte = |i: usize| codes[(row / BLOCK * of_code + i) * BLOCK + row % BLOCK];
                let code: Vec<usize> = (0..m).map(|j| word(words, j, byte)).collect();
                let base = bases.as_ref().map_or(0.0, |bases| bases[at]);
                let bias = biases.as_ref().map_or(0.0, |biases| biases[row]);
                let own = &tables[query * m * words..(query + 1) * m * words];
                let id = ids.as_ref().map_or(row as i64, |ids| ids[row] as i64);
                let factor = factors.as_ref().map_or(1.0, |factors| factors[row]);
                all.push(reference::distance([base, bias, factor], own, words, &code, id));
            }
        }
        all.sort_by(order);
        all
    };
    Ok((0..case.dim("b")).into_par_iter().step_by(step(case)).map(of_query).collect())
}

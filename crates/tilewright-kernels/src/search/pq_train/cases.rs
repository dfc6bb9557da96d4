//! Evidence for `pq_train`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Value, Work,
};

use super::{NAME, PqTrain, pq_train, reference};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::search::samples::{Samples, rows};

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "codebooks(j) = the 2^bits centroids of part j of m parts of the rows x",
    inputs: &[Slot::new("x", "[n, d]"), Slot::optional("initial", "[m, 2^bits, d / m]")],
    outputs: &[Slot::new("codebooks", "[m, 2^bits, d / m]")],
    args: &[
        ArgSpec { name: "m", default: "1", doc: "parts of a vector, a divisor of d" },
        ArgSpec { name: "bits", default: "8", doc: "of a part's code: 8 or 4" },
        ArgSpec { name: "iterations", default: "25", doc: "how many updates" },
        ArgSpec { name: "seed", default: "1", doc: "of the draws" },
    ],
    dtypes: &[DType::F32],
};

/// `pq_train` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, n: usize, d: usize, m: usize, bits: usize, iterations: usize) -> Case {
    let case = Case::new(tier, &[("n", n), ("d", d)], DType::F32);
    case.set("m", m as i64).set("bits", bits as i64).set("iterations", iterations as i64)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// Clouds around different numbers, one centroid in each, so that no rounding moves a row; each part has them in an order of its own.
    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        vec![
            case(Edge, 16, 1, 1, 4, 1),
            case(Edge, 53, 6, 3, 4, 2),
            case(Check, 700, 15, 5, 8, 3),
            case(Check, 900, 64, 2, 4, 3),
            case(Bench, 65_536, 128, 32, 8, 25).data("subspace"),
            case(Bench, 65_536, 128, 32, 4, 25).data("subspace"),
        ]
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [n, d] = ["n", "d"].map(|name| case.dim(name));
        if case.data == "subspace" {
            return Ok(vec![Samples::new(case).vectors(n, d)?]);
        }
        let args = args(&case.args)?;
        let (words, part) = (1 << args.bits, d / args.m);
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let cloud = |row: usize, j: usize| (row * (2 * j + 1)) % words;
        let x = (0..n * d).map(|at| {
            let (row, column) = (at / d, at % d);
            8.0 * cloud(row, column / part) as f64 + random.random_range(-1.0..1.0)
        });
        let x = Tensor::from_f64(&x.collect::<Vec<f64>>(), DType::F32, [n, d])?;
        // The first rows, of which each part meets every cloud once.
        let first = x.slice(0, 0..words)?.reshape([words, args.m, part])?;
        Ok(vec![x, first.permute(&[1, 0, 2])?.to_host()?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (args, shape) = (args(&case.args)?, case.dim("d"));
        let shape = [args.m, 1 << args.bits, shape / args.m];
        let Some(initial) = inputs.get(1) else {
            return Ok(vec![Expected::Free { shape: shape.to_vec(), dtype: DType::F32 }]);
        };
        let initial = initial.to_f64_vec()?;
        let initial: Vec<Vec<Vec<f64>>> = initial
            .chunks(shape[1] * shape[2])
            .map(|words| words.chunks(shape[2]).map(<[f64]>::to_vec).collect())
            .collect();
        let truth = reference::parts(&rows(&inputs[0])?, &initial, args.iterations);
        let elements = truth.iter().flat_map(|clusters| {
            let values = clusters.centroids.iter().flatten().copied();
            values.zip(clusters.magnitudes.iter().flatten().copied())
        });
        // One sum of at most n terms, and a division.
        let roundings = (case.dim("n") + 2) as f64;
        Ok(vec![Expected::values(&shape, DType::F32, DType::F32, roundings, elements)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "x", case.dtype, &[DType::F32])?;
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
        let [x, rest @ ..] = inputs else {
            return Err(Error::range(NAME, "inputs", "1 or 2 tensors", inputs.len()));
        };
        Ok(vec![pq_train(stream, x, rest.first(), &args(given)?)?])
    }

    /// The rows are read once in each iteration.
    fn work(&self, case: &Case) -> Work {
        let [n, d] = ["n", "d"].map(|name| case.dim(name) as f64);
        let size = |name| case.args.size(name, 1).map_or(0.0, |size| size as f64);
        let (words, iterations) = (size("bits").exp2(), size("iterations"));
        Work { flops: iterations * n * d * (2.0 * words + 1.0), bytes: iterations * 4.0 * d * (n + words) }
    }
}

fn args(args: &Args) -> Result<PqTrain> {
    let seed = match args.get("seed") {
        None => 1,
        Some(&Value::Int(seed)) => seed as u64,
        Some(other) => return Err(Error::range(NAME, "seed", "a whole number", other)),
    };
    Ok(PqTrain {
        m: args.size("m", 1)?,
        bits: args.size("bits", 8)?,
        iterations: args.size("iterations", 25)?,
        seed,
    })
}

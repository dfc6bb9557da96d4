//! Evidence for `kmeans`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Value, Work,
};

use super::{Kmeans, NAME, Start, reference, run, variants};
use crate::arguments::check_dtype;
use crate::search::samples::{Samples, rows};
use crate::search::vectors::DTYPES;

static SPEC: Spec = Spec {
    name: NAME,
    family: "search",
    math: "repeat: label(i) = argmin_c |x_i - centroid_c|^2; centroid_c = mean of the x_i with label c",
    inputs: &[Slot::new("x", "[n, d]"), Slot::optional("initial", "[k, d]")],
    outputs: &[Slot::new("centroids", "[k, d]"), Slot::new("labels", "[n]")],
    args: &[
        ArgSpec { name: "k", default: "1", doc: "how many centroids" },
        ArgSpec { name: "iterations", default: "10", doc: "how many updates" },
        ArgSpec { name: "start", default: "random", doc: "without `initial`: random or plusplus" },
        ArgSpec { name: "seed", default: "1", doc: "of the draws" },
        ArgSpec { name: "spherical", default: "false", doc: "whether centroids have length 1" },
        ArgSpec { name: "batch", default: "0", doc: "rows of an iteration; 0: all" },
    ],
    dtypes: DTYPES,
};

/// `kmeans` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, n: usize, d: usize, k: usize, iterations: usize, dtype: DType) -> Case {
    Case::new(tier, &[("n", n), ("d", d)], dtype).set("k", k as i64).set("iterations", iterations as i64)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// | data | |
    /// |---|---|
    /// | | clouds far apart, one centroid in each: no rounding moves a row |
    /// | integers | whole numbers, which one iteration compares exactly, ties included, and whose weights k-means++ sums exactly |
    /// | rays | clouds in different directions, at most as many as axes |
    /// | twins | as clouds, but two centroids start at one place: the second has no rows |
    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 1, 1, 1, 1, DType::F32),
            case(Edge, 37, 3, 5, 3, DType::F32),
            case(Edge, 60, 7, 4, 1, DType::F32).data("integers"),
            case(Edge, 50, 5, 6, 3, DType::F32).data("twins"),
            case(Edge, 40, 9, 3, 2, DType::F32).set("spherical", true).data("rays"),
            case(Edge, 600, 4, 9, 1, DType::F32).set("start", "plusplus").data("integers"),
            case(Edge, 300, 5, 6, 5, DType::F32).set("batch", 64i64),
            case(Edge, 50, 5, 6, 2, DType::F32).set("batch", 500i64),
            case(Edge, 90, 9, 3, 3, DType::F32).set("spherical", true).set("batch", 20i64).data("rays"),
        ];
        for (n, d, k) in [(3001, 33, 50), (2000, 128, 7), (700, 1, 3), (501, 300, 97)] {
            cases.push(case(Check, n, d, k, 4, DType::F32));
            cases.push(case(Check, n, d, k, 1, DType::F32).data("integers"));
            cases.push(case(Check, n, d, k, 4, DType::F32).data("twins"));
        }
        for dtype in [DType::F16, DType::Bf16, DType::I8] {
            cases.push(case(Check, 1500, 40, 11, 3, dtype));
        }
        // The matrix units of CUDA: parts of tiles, several stages of centroids and stretches of the sort, and a slice that is not full.
        for (n, d, k, dtype) in [
            (9001, 60, 130, DType::F32),
            (5000, 128, 64, DType::F16),
            (2100, 200, 3, DType::F16),
            (4500, 256, 70, DType::Bf16),
            (3000, 8, 65, DType::I8),
        ] {
            cases.push(case(Check, n, d, k, 3, dtype));
            cases.push(case(Check, n, d, k, 1, dtype).data("integers"));
            cases.push(case(Check, n, d, k, 3, dtype).data("twins"));
        }
        cases.push(case(Check, 3000, 64, 9, 3, DType::F32).set("spherical", true).data("rays"));
        cases.push(case(Check, 3000, 64, 9, 3, DType::F16).set("spherical", true).data("rays"));
        for dtype in [DType::F32, DType::F16, DType::I8] {
            cases.push(case(Check, 5000, 8, 40, 1, dtype).set("start", "plusplus").data("integers"));
            cases.push(case(Check, 9001, 60, 30, 7, dtype).set("batch", 2500i64));
        }
        for dtype in [DType::F32, DType::F16] {
            cases.push(case(Bench, 1_000_000, 128, 1024, 1, dtype));
        }
        cases.push(case(Bench, 100_000, 128, 316, 10, DType::F32));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [n, d] = ["n", "d"].map(|name| case.dim(name));
        let k = case.args.size("k", 1)?;
        if case.data == "integers" {
            let mut samples = Samples::new(case);
            let x = samples.vectors(n, d)?;
            if args(&case.args)?.start == Start::PlusPlus {
                return Ok(vec![x]);
            }
            let initial = x.slice(0, 0..k)?.to_f64_vec()?;
            return Ok(vec![x, Tensor::from_f64(&initial, DType::F32, [k, d])?]);
        }
        // Cloud c lies around a corner of a lattice; in few dimensions the corners are counted off along the first axis.
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let rays = case.data == "rays";
        let digit = |c: usize, j: usize| match (rays, d < 8) {
            (true, _) => usize::from(c == j),
            (false, true) => {
                if j == 0 {
                    c
                } else {
                    0
                }
            }
            (false, false) => c >> (j % 8 * 2) & 3,
        };
        let scale = if d < 8 { 8.0 } else { 10.0 };
        let mut point = |c: usize| -> Vec<f64> {
            (0..d).map(|j| scale * digit(c, j) as f64 + random.random_range(-1.0..1.0)).collect()
        };
        let x: Vec<f64> = (0..n).flat_map(|row| point(row % k)).collect();
        let x = Tensor::from_f64(&x, case.dtype, [n, d])?;
        let mut initial: Vec<f64> = x.slice(0, 0..k)?.to_f64_vec()?;
        if case.data == "twins" && k > 1 {
            initial.copy_within(0..d, d);
        }
        Ok(vec![x, Tensor::from_f64(&initial, DType::F32, [k, d])?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = args(&case.args)?;
        let x = rows(&inputs[0])?;
        let initial = match inputs.get(1) {
            Some(initial) => rows(initial)?,
            None => reference::plus_plus(&x, args.k, args.seed),
        };
        let batch = args.batch.map(|batch| batch.min(x.len()));
        let truth = match batch {
            None => reference::lloyd(&x, &initial, args.iterations, args.spherical),
            Some(batch) => {
                let draws = (batch, args.seed);
                reference::mini_batches(&x, &initial, args.iterations, args.spherical, draws)
            }
        };
        let elements =
            truth.centroids.iter().flatten().copied().zip(truth.magnitudes.iter().flatten().copied());
        // One sum of at most so many terms, and a division.
        let roundings = (batch.unwrap_or(x.len()) + 2) as f64;
        let shape = [args.k, case.dim("d")];
        Ok(vec![
            Expected::values(&shape, DType::F32, DType::F32, roundings, elements),
            Expected::Exact(Tensor::from_vec(truth.labels, [x.len()])?),
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "x", case.dtype, DTYPES)?;
        variants(device, case.dtype, case.dim("n"), case.dim("d"), case.args.size("k", 1)?)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        let [x, rest @ ..] = inputs else {
            return Err(Error::range(NAME, "inputs", "1 or 2 tensors", inputs.len()));
        };
        let (centroids, labels) = run(stream, variant, x, rest.first(), &args(given)?)?;
        Ok(vec![centroids, labels])
    }

    /// The rows are read once in each iteration.
    fn work(&self, case: &Case) -> Work {
        let [n, d] = ["n", "d"].map(|name| case.dim(name) as f64);
        let size = |name| case.args.size(name, 1).map_or(0.0, |size| size as f64);
        let (k, iterations) = (size("k"), size("iterations"));
        let bytes = iterations * (n * d * case.dtype.size() as f64 + k * d * 8.0 + n * 8.0);
        Work { flops: iterations * n * d * (2.0 * k + 1.0), bytes }
    }
}

fn args(args: &Args) -> Result<Kmeans> {
    let seed = match args.get("seed") {
        None => 1,
        Some(&Value::Int(seed)) => seed as u64,
        Some(other) => return Err(Error::range(NAME, "seed", "a whole number", other)),
    };
    Ok(Kmeans {
        k: args.size("k", 1)?,
        iterations: args.size("iterations", 10)?,
        start: args.text("start", "random")?.parse()?,
        seed,
        spherical: args.bool("spherical", false)?,
        batch: Some(args.size("batch", 0)?).filter(|&batch| batch > 0),
    })
}

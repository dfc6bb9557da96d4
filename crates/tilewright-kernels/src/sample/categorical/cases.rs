//! Evidence for `categorical`. Tokens are judged exactly.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{Categorical, DTYPES, NAME, categorical, reference};
use crate::arguments::{check_dtype, choose, only_variant};

static SPEC: Spec = Spec {
    name: NAME,
    family: "sample",
    math: "ids[r, i] drawn from softmax(x[r]) or x[r] / sum(x[r]) with the noise of hash(seeds[r], positions[r] + i, token)",
    inputs: &[Slot::new("x", "[r, v]"), Slot::new("seeds", "[r]"), Slot::new("positions", "[r]")],
    outputs: &[Slot::new("ids", "[r, draws]")],
    args: &[
        ArgSpec { name: "probabilities", default: "false", doc: "whether x are probabilities, else logits" },
        ArgSpec { name: "draws", default: "1", doc: "how many tokens of each row" },
    ],
    dtypes: DTYPES,
};

/// `categorical` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// Data: `special` has rows of NaN, of infinities, of nothing.
    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let case = |tier, r, v, dtype, probabilities: bool, draws: i64| {
            Case::new(tier, &[("r", r), ("v", v)], dtype)
                .set("probabilities", probabilities)
                .set("draws", draws)
        };
        let mut cases = vec![
            case(Edge, 0, 5, F32, true, 1),
            case(Edge, 3, 1, F32, false, 2),
            case(Edge, 4, 1025, F32, false, 3),
            case(Edge, 4, 3001, F32, true, 3),
            case(Edge, 6, 70, F32, true, 1).data("special"),
            case(Edge, 6, 1030, F32, false, 1).data("special"),
            case(Edge, 3, 2100, Bf16, false, 2),
        ];
        for dtype in [F32, F16, Bf16] {
            for probabilities in [false, true] {
                cases.push(case(Check, 16, 50_257, dtype, probabilities, 5));
            }
        }
        for (r, draws) in [(1, 1), (256, 1), (1, 1000)] {
            cases.push(case(Bench, r, 128_256, F32, false, draws));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let (r, v) = (case.dim("r"), case.dim("v"));
        let probabilities = case.args.bool("probabilities", false)?;
        let mut x = Vec::with_capacity(r * v);
        for row in 0..r {
            for _ in 0..v {
                let uniform: f64 = random.random_range(0.0..1.0);
                let usual = if probabilities { uniform.powi(6) } else { 9.0 * uniform };
                x.push(match (case.data, row % 6, random.random_range(0..16)) {
                    ("special", 0, 0) => f64::NAN,
                    ("special", 1, 0) => f64::INFINITY,
                    ("special", 2, _) | ("special", 3, 1..) if probabilities => 0.0,
                    ("special", 2, _) | ("special", 3, 1..) => f64::NEG_INFINITY,
                    ("special", 4, 0) if probabilities => -1.0,
                    _ => usual,
                });
            }
        }
        let numbers = |first: i64| Tensor::from_vec((0..r as i64).map(|row| first - 3 * row).collect(), [r]);
        Ok(vec![Tensor::from_f64(&x, case.dtype, [r, v])?, numbers(case.seed as i64)?, numbers(1 << 40)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (r, v) = (case.dim("r"), case.dim("v"));
        let args = args(&case.args)?;
        let x = inputs[0].to_f64_vec()?;
        let (seeds, positions) = (inputs[1].to_vec::<i64>()?, inputs[2].to_vec::<i64>()?);
        let mut ids = Vec::with_capacity(r * args.draws);
        for row in 0..r {
            let weights = reference::weights(&x[row * v..][..v], args.probabilities);
            ids.extend((0..args.draws as u64).map(|at| match &weights {
                None => u32::MAX,
                Some(weights) => {
                    reference::draw(weights, seeds[row] as u64, (positions[row] as u64).wrapping_add(at))
                }
            }));
        }
        Ok(vec![Expected::Exact(Tensor::from_vec(ids, [r, args.draws])?)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "x", case.dtype, DTYPES)?;
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
        let [x, seeds, positions] = inputs else {
            return Err(Error::range(NAME, "inputs", "3 tensors", inputs.len()));
        };
        Ok(vec![categorical(stream, x, seeds, positions, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("r") * case.dim("v")) as f64;
        Work { flops: 20.0 * elements, bytes: elements * case.dtype.size() as f64 }
    }
}

fn args(args: &Args) -> Result<Categorical> {
    Ok(Categorical { probabilities: args.bool("probabilities", false)?, draws: args.size("draws", 1)? })
}

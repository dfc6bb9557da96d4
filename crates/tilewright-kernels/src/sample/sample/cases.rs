//! Evidence for `sample`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{DTYPES, Logprobs, NAME, Sample, reference, sample};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::sample::{Order, Parameters, Sampling};

static SPEC: Spec = Spec {
    name: NAME,
    family: "sample",
    math: "id = argmin of E(j) / p(j), p = filtered softmax(logits / T), E(j) = -ln(1 - hash(seed, position, j))",
    inputs: &[Slot::new("logits", "[r, v]"), Slot::new("parameters", "[r, 20]")],
    outputs: &[
        Slot::new("ids", "[r]"),
        Slot::new("logprobs", "[r]"),
        Slot::new("top_ids", "[r, top_n]"),
        Slot::new("top_logprobs", "[r, top_n]"),
    ],
    args: &[
        ArgSpec { name: "top_n", default: "0", doc: "how many of the likeliest tokens to report" },
        ArgSpec {
            name: "logprobs",
            default: "raw",
            doc: "of the logits as given (raw), or of what is drawn from (processed)",
        },
        ArgSpec { name: "step", default: "0", doc: "is added to every row's position" },
    ],
    dtypes: DTYPES,
};

/// `sample` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, r: usize, v: usize, dtype: DType, data: &'static str) -> Case {
    Case::new(tier, &[("r", r), ("v", v)], dtype).data(data)
}

/// What row `row` of a case asks for; the case's data names it.
pub(in crate::sample) fn sampling(data: &str, row: usize, seed: u64) -> Sampling {
    use crate::sample::Stage;
    let plain = Sampling { seed: seed * 1000 + row as u64, position: 17 * row as u64, ..Sampling::default() };
    let of = |name: &str| match name {
        "greedy" => Sampling { temperature: 0.0, top_k: 5, ..plain },
        "warm" => Sampling { temperature: 1.5, ..plain },
        "chat" => Sampling { temperature: 0.8, top_k: 50, top_p: 0.9, ..plain },
        "nucleus" => Sampling { temperature: 0.7, top_p: 0.8, ..plain },
        "least" => Sampling { top_p: 0.0, ..plain },
        "min_p" => Sampling { temperature: 1.3, min_p: 0.05, ..plain },
        "all_vllm" => {
            Sampling { temperature: 1.2, min_p: 0.02, top_k: 40, top_p: 0.95, typical_p: 0.9, ..plain }
        }
        "all_llama" => Sampling {
            temperature: 0.8,
            top_n_sigma: 2.0,
            top_k: 40,
            typical_p: 0.9,
            top_p: 0.9,
            min_p: 0.05,
            xtc_probability: 0.5,
            xtc_threshold: 0.1,
            order: Order::LLAMA_CPP,
            ..plain
        },
        "all_mlx" => Sampling {
            temperature: 0.6,
            top_p: 0.95,
            min_p: 0.01,
            xtc_probability: 0.7,
            top_k: 20,
            order: Order::MLX_LM,
            ..plain
        },
        "typical" => Sampling { typical_p: 0.5, ..plain },
        "sigma" => Sampling { top_n_sigma: 1.0, ..plain },
        "xtc" => Sampling { xtc_probability: 1.0, xtc_threshold: 0.02, ..plain },
        "own" => {
            let order = Order::new(&[Stage::Xtc, Stage::TopP, Stage::Temperature, Stage::TopK]);
            let order = order.expect("each stage once");
            Sampling {
                temperature: 2.0,
                xtc_probability: 1.0,
                xtc_threshold: 0.05,
                top_p: 0.7,
                top_k: 9,
                order,
                ..plain
            }
        }
        _ => plain,
    };
    const MIXED: [&str; 13] = [
        "greedy",
        "warm",
        "chat",
        "nucleus",
        "least",
        "min_p",
        "all_vllm",
        "all_llama",
        "all_mlx",
        "typical",
        "sigma",
        "xtc",
        "own",
    ];
    match data {
        "mixed" | "ties" | "special" | "flat" | "equal" | "sorted" => of(MIXED[row % MIXED.len()]),
        "special_plain" => plain,
        name => of(name),
    }
}

/// Logits of a case: normal deviates times 3, or
///
/// | data | |
/// |---|---|
/// | ties | -2, -1, -0, 0, 1, 2: boundaries fall among equals |
/// | equal | one value |
/// | flat | normal deviates times 1/4: the filters keep most of a row |
/// | sorted | as the usual ones, best first: few tiles have all that is kept |
/// | special | rows of NaN, of infinities, of minus infinity alone and in part |
pub(in crate::sample) fn logits(case: &Case) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    let (r, v) = (case.dim("r"), case.dim("v"));
    let mut normal = move || {
        let bits: u64 = random.random();
        let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
        ((sum as f64 / 65536.0 - 2.0) * 3f64.sqrt(), bits)
    };
    let mut logits = Vec::with_capacity(r * v);
    for row in 0..r {
        for _ in 0..v {
            let (deviate, bits) = normal();
            logits.push(match case.data {
                "ties" => [-2.0, -1.0, -0.0, 0.0, 1.0, 2.0][(bits % 6) as usize],
                "equal" => 0.75,
                "flat" => deviate / 4.0,
                "special" | "special_plain" => match (row % 5, bits % 16) {
                    (0, 0) => f64::NAN,
                    (1, 0) => f64::INFINITY,
                    (2, _) | (3, 1..) => f64::NEG_INFINITY,
                    _ => deviate,
                },
                _ => 3.0 * deviate,
            });
        }
        if case.data == "sorted" {
            logits[row * v..].sort_by(|a, b| b.total_cmp(a));
        }
    }
    logits
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let processed = |case: Case| case.set("logprobs", "processed");
        let mut cases = vec![
            case(Edge, 2, 1, F32, "chat").set("top_n", 1),
            case(Edge, 13, 37, F32, "mixed").set("top_n", 5),
            case(Edge, 13, 997, F32, "ties").set("top_n", 3),
            case(Edge, 13, 2500, F32, "mixed").set("step", 12345),
            case(Edge, 13, 1100, F32, "equal").set("top_n", 2),
            processed(case(Edge, 14, 1028, F32, "flat")),
            case(Edge, 15, 65, F32, "special").set("top_n", 4),
            case(Edge, 5, 65, F32, "special_plain"),
            processed(case(Edge, 13, 1500, Bf16, "mixed").set("top_n", 2)),
            case(Edge, 0, 5, F32, "chat"),
        ];
        for dtype in [F32, F16, Bf16] {
            cases.push(processed(case(Check, 26, 32_000, dtype, "mixed").set("top_n", 20)));
            cases.push(case(Check, 13, 20_001, dtype, "flat").set("top_n", 20));
            cases.push(case(Check, 13, 9000, dtype, "ties").set("top_n", 1));
            cases.push(case(Check, 8, 50_257, dtype, "plain"));
        }
        cases.push(case(Check, 13, 300_007, F32, "mixed").set("top_n", 7));
        cases.push(case(Check, 13, 100_003, F32, "sorted").set("top_n", 20));
        for r in [1, 32, 256] {
            cases.push(case(Bench, r, 128_256, F32, "chat"));
        }
        cases.push(case(Bench, 64, 128_000, F32, "plain"));
        cases.push(case(Bench, 32, 128_256, Bf16, "chat"));
        cases.push(case(Bench, 32, 128_256, F32, "all_llama"));
        cases.push(case(Bench, 32, 128_256, F32, "nucleus"));
        cases.push(case(Bench, 32, 128_256, F32, "flat"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let logits = Tensor::from_f64(&logits(case), case.dtype, [case.dim("r"), case.dim("v")])?;
        let rows: Vec<Sampling> = (0..case.dim("r")).map(|row| sampling(case.data, row, case.seed)).collect();
        Ok(vec![logits, Parameters::new(&rows)?.tensor().clone()])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (r, v) = (case.dim("r"), case.dim("v"));
        let args = args(&case.args)?;
        let logits = inputs[0].to_f64_vec()?;
        let draw = |row: usize| {
            reference::draw(
                &logits[row * v..][..v],
                &sampling(case.data, row, case.seed),
                args.step,
                args.top_n,
            )
        };
        let draws: Vec<reference::Draw> = (0..r).map(draw).collect();
        let ids: Vec<u32> = draws.iter().map(|draw| draw.id).collect();
        let top_ids: Vec<u32> = draws.iter().flat_map(|draw| draw.top.iter().map(|top| top.0)).collect();
        let logprob = |draw: &reference::Draw| match args.logprobs {
            Logprobs::Raw => draw.raw,
            Logprobs::Processed => draw.processed,
        };
        // Of a difference of logits, a logarithm and two products; weights err by 4 roundings and their sum by 20.
        let values = |shape: &[usize], truth: Vec<f64>| {
            let truth = truth
                .into_iter()
                .map(|value| (value, if value.is_finite() { value.abs() + 2.0 } else { 0.0 }));
            Expected::values(shape, DType::F32, DType::F32, 30.0, truth)
        };
        Ok(vec![
            Expected::Exact(Tensor::from_vec(ids, [r])?),
            values(&[r], draws.iter().map(logprob).collect()),
            Expected::Exact(Tensor::from_vec(top_ids, [r, args.top_n])?),
            values(
                &[r, args.top_n],
                draws.iter().flat_map(|draw| draw.top.iter().map(|top| top.1)).collect(),
            ),
        ])
    }

    /// Tokens that the filters keep.
    fn answers(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<bool> {
        let v = case.dim("v");
        let (logits, step) = (inputs[0].to_f64_vec()?, args(&case.args)?.step);
        let Some(ids) = outputs.first().filter(|ids| ids.dims() == [case.dim("r")]) else {
            return Ok(false);
        };
        let ids = ids.to_f64_vec()?;
        Ok(ids.iter().enumerate().all(|(row, &id)| {
            let sampling = sampling(case.data, row, case.seed);
            let kept =
                reference::keep(&logits[row * v..][..v], &sampling, sampling.position.wrapping_add(step));
            kept.get(id as usize) == Some(&true)
        }))
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "logits", case.dtype, DTYPES)?;
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
        let [logits, parameters] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 tensors", inputs.len()));
        };
        let drawn = sample(stream, logits, &Parameters::from_tensor(parameters)?, &args(given)?)?;
        Ok(vec![drawn.ids, drawn.logprobs, drawn.top_ids, drawn.top_logprobs])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("r") * case.dim("v")) as f64;
        Work { flops: 20.0 * elements, bytes: elements * case.dtype.size() as f64 }
    }
}

fn args(args: &Args) -> Result<Sample> {
    let logprobs = match args.text("logprobs", "raw")? {
        "raw" => Logprobs::Raw,
        "processed" => Logprobs::Processed,
        other => return Err(Error::range(NAME, "logprobs", "raw or processed", other)),
    };
    Ok(Sample { top_n: args.size("top_n", 0)?, logprobs, step: args.size("step", 0)? as u64 })
}

//! What the product is judged and timed on.
//!
//! Tolerance: any order of summing `k` products, fused or not, leaves at most `k` roundings on each; the rounding of `alpha`, the
//! multiplication by it and the addition of `beta c` are three more. Whole numbers are exact in any order, so their results are compared
//! byte for byte. Sizes whose f64 truth would take minutes are judged by residuals: a random element of every 32 x 32 block against its own
//! tolerance (a wrong tile, band or edge shows), and `|out x - a (b x)|` for a random `x` of signs (a wrong element shows).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Value, Work,
};

use super::super::product::{DTYPES, accumulator};
use super::super::samples::{Data, Samples, roundings};
use super::Matmul;
use super::reference::{Truth, exact_sum};

/// [`matmul()`](super::matmul()) as the registry sees it.
pub static KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: "matmul",
    family: "gemm",
    math: "out = alpha op(a) op(b) + beta c",
    inputs: &[Slot::new("a", "[.., m, k]"), Slot::new("b", "[.., k, n]"), Slot::optional("c", "[.., m, n]")],
    outputs: &[Slot::new("out", "[.., m, n]")],
    args: &[
        ArgSpec { name: "transpose_a", default: "false", doc: "op(a) is the transpose of a" },
        ArgSpec { name: "transpose_b", default: "false", doc: "op(b) is the transpose of b" },
        ArgSpec { name: "alpha", default: "1", doc: "factor of the product; 0 leaves a and b unread" },
        ArgSpec { name: "beta", default: "0", doc: "factor of c; 0 leaves c unread" },
        ArgSpec { name: "out_dtype", default: "auto", doc: "f32, f16, bf16 (f64 for f64); auto: that of a" },
        ArgSpec { name: "tile", default: "auto", doc: "tile of the portable GPU body, such as 64x64x16/4x4" },
    ],
    dtypes: DTYPES,
};

/// The smallest tile: one SIMD group, rectangular, so that edges are near.
const SMALL: &str = "16x32x8/4x4";

/// Products beyond this many terms in all are judged by residuals.
const FULLY_JUDGED: f64 = 5e8;

fn edge(m: usize, n: usize, k: usize, dtype: DType) -> Case {
    Case::new(Tier::Edge, &[("m", m), ("n", n), ("k", k)], dtype).set("tile", SMALL)
}

fn edge_batch(b: usize, m: usize, n: usize, k: usize) -> Case {
    Case::new(Tier::Edge, &[("b", b), ("m", m), ("n", n), ("k", k)], DType::F32).set("tile", SMALL)
}

fn transposed(case: Case, a: bool, b: bool) -> Case {
    let case = if a { case.set("transpose_a", true) } else { case };
    if b { case.set("transpose_b", true) } else { case }
}

fn edge_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (a, b) in [(false, false), (true, false), (false, true), (true, true)] {
        for (m, n, k) in [(1, 1, 1), (3, 2, 5), (17, 33, 9), (31, 65, 17)] {
            cases.push(transposed(edge(m, n, k, DType::F32), a, b));
        }
        // One more, one less and exactly one tile of every extent.
        for (m, n, k) in [(15, 31, 7), (16, 32, 8), (17, 33, 17)] {
            cases.push(transposed(edge(m, n, k, DType::F32), a, b).data("integers"));
        }
        cases.push(transposed(edge(18, 35, 11, DType::F32), a, b).data("strided"));
        cases.push(transposed(edge(19, 37, 13, DType::Bf16), a, b));
    }
    for (m, n, k) in [(0, 3, 2), (3, 0, 2), (0, 0, 0), (3, 2, 0)] {
        cases.push(edge(m, n, k, DType::F32));
        cases.push(edge(m, n, k, DType::F32).set("beta", 0.5));
    }
    let scaled = |case: Case, alpha: f64, beta: f64| case.set("alpha", alpha).set("beta", beta);
    cases.extend([
        scaled(edge(17, 34, 10, DType::F32), -0.75, 0.3),
        scaled(edge(17, 34, 10, DType::F32), 0.0, 2.0),
        scaled(edge(17, 34, 10, DType::F32), 1.0, 1.0).data("strided"),
        scaled(edge(9, 36, 12, DType::Bf16), 1.5, -1.0),
        edge(5, 6, 7, DType::F32).set("alpha", 0.0),
        edge(13, 29, 7, DType::F32).data("nonfinite"),
        edge(18, 36, 20, DType::F16),
        edge(18, 36, 20, DType::Bf16).data("integers_strided"),
        edge(18, 36, 20, DType::Bf16).set("out_dtype", "f32").data("integers"),
        edge(19, 37, 23, DType::F64).data("strided"),
        scaled(transposed(edge(33, 31, 65, DType::F64), true, true), 2.0, -0.5),
        edge_batch(0, 3, 4, 5),
        edge_batch(2, 17, 5, 3),
        edge_batch(3, 7, 35, 9).data("strided"),
        edge_batch(3, 7, 35, 9).data("shared"),
        edge_batch(3, 5, 4, 3).data("crossed"),
        scaled(edge_batch(2, 5, 33, 8), 1.0, 0.5).data("crossed"),
        scaled(edge_batch(2, 9, 6, 4), 0.5, 1.0).data("shared"),
        transposed(edge_batch(2, 6, 9, 4), true, true).data("crossed"),
        // Long sums are cut into pieces on a GPU.
        edge(5, 9, 1100, DType::F32),
        scaled(edge(5, 9, 1101, DType::F32), -0.5, 2.0),
        // The tile that devices run on most shapes, on both sides of its edges; and the device's own choice.
        Case::new(Tier::Edge, &[("m", 65), ("n", 63), ("k", 33)], DType::F32).set("tile", "64x64x16/4x4"),
        Case::new(Tier::Edge, &[("m", 33), ("n", 65), ("k", 31)], DType::F32),
    ]);
    cases
}

fn larger_cases() -> Vec<Case> {
    let sizes = |m: usize, n: usize, k: usize| [("m", m), ("n", n), ("k", k)];
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::F64, DType::F16, DType::Bf16] {
        for (a, b) in [(false, false), (true, false), (false, true), (true, true)] {
            cases.push(transposed(Case::new(Tier::Check, &sizes(127, 257, 129), dtype), a, b));
        }
        cases.push(Case::new(Tier::Check, &sizes(513, 255, 511), dtype).set("alpha", -1.0).set("beta", 1.0));
        cases.push(Case::new(Tier::Check, &sizes(256, 320, 384), dtype).data("integers"));
    }
    cases.extend([
        Case::new(Tier::Check, &sizes(300, 200, 513), DType::F32).data("strided"),
        Case::new(Tier::Check, &sizes(257, 129, 255), DType::Bf16).set("out_dtype", "f32").data("integers"),
        Case::new(Tier::Check, &sizes(31, 17, 50_000), DType::F32),
        Case::new(Tier::Check, &sizes(5_000, 3, 9), DType::F32),
        Case::new(Tier::Check, &[("b", 70), ("m", 65), ("n", 33), ("k", 64)], DType::F32),
        Case::new(Tier::Check, &[("b", 7), ("m", 128), ("n", 96), ("k", 160)], DType::Bf16).data("shared"),
    ]);
    for tile in super::Tile::candidates(DType::F32) {
        let case = Case::new(Tier::Check, &sizes(193, 259, 131), DType::F32);
        cases.push(case.set("tile", tile.to_string().as_str()));
    }
    for n in [512, 1024, 2048, 4096] {
        cases.push(Case::new(Tier::Bench, &sizes(n, n, n), DType::F32));
    }
    cases.push(Case::new(Tier::Bench, &sizes(1024, 1024, 1024), DType::F64));
    for n in [1024, 4096, 8192] {
        cases.push(Case::new(Tier::Bench, &sizes(n, n, n), DType::Bf16));
    }
    cases.push(Case::new(Tier::Bench, &[("b", 64), ("m", 128), ("n", 128), ("k", 128)], DType::F32));
    cases
}

/// The truth of a case, its operands transposed and repeated as the arguments say.
fn truth(args: &Matmul, inputs: &[Tensor]) -> Result<Truth> {
    let oriented = |tensor: &Tensor, flag: bool| if flag { tensor.transpose() } else { Ok(tensor.clone()) };
    let (a, b) = (oriented(&inputs[0], args.transpose_a)?, oriented(&inputs[1], args.transpose_b)?);
    // Cases have a's or b's leading axes, or one of each: `[b, 1]` against `[2]`.
    let lead = |tensor: &Tensor| tensor.dims()[..tensor.rank() - 2].to_vec();
    let batch = match (lead(&a).as_slice(), lead(&b).as_slice()) {
        ([b, 1], [other]) => vec![*b, *other],
        (own, _) => own.to_vec(),
    };
    let repeated = |tensor: &Tensor| {
        let own = &tensor.dims()[tensor.rank() - 2..];
        tensor.broadcast_to([batch.as_slice(), own].concat())
    };
    let c = inputs.get(2).map(repeated).transpose()?;
    Truth::new(&repeated(&a)?, &repeated(&b)?, c.as_ref(), (args.alpha, args.beta))
}

fn shape(case: &Case) -> Vec<usize> {
    let matrix = [case.dim("m"), case.dim("n")];
    match (case.dims.iter().any(|(name, _)| *name == "b"), case.data) {
        (false, _) => matrix.to_vec(),
        (true, "crossed") => vec![case.dim("b"), 2, matrix[0], matrix[1]],
        (true, _) => vec![case.dim("b"), matrix[0], matrix[1]],
    }
}

fn out_dtype(case: &Case) -> Result<DType> {
    Ok(Matmul::from_args(&case.args)?.out_dtype.unwrap_or(case.dtype))
}

fn terms(case: &Case) -> f64 {
    shape(case).iter().product::<usize>() as f64 * case.dim("k") as f64
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = edge_cases();
        cases.extend(larger_cases());
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let args = Matmul::from_args(&case.args)?;
        let (m, n, k) = (case.dim("m"), case.dim("n"), case.dim("k"));
        let a = if args.transpose_a { [k, m] } else { [m, k] };
        let b = if args.transpose_b { [n, k] } else { [k, n] };
        let batch: Vec<usize> = shape(case)[..shape(case).len() - 2].to_vec();
        let (lead_a, lead_b, lead_c) = match case.data {
            "shared" => (batch.clone(), vec![], batch.clone()),
            "crossed" => (vec![batch[0], 1], vec![2], vec![]),
            _ => (batch.clone(), batch.clone(), batch.clone()),
        };
        let mut samples = Samples::new(case);
        let mut inputs = vec![
            samples.tensor(case.dtype, &[lead_a.as_slice(), &a].concat())?,
            samples.tensor(case.dtype, &[lead_b.as_slice(), &b].concat())?,
        ];
        if args.beta != 0.0 {
            inputs.push(samples.tensor(out_dtype(case)?, &[lead_c.as_slice(), &[m, n]].concat())?);
        }
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (shape, dtype) = (shape(case), out_dtype(case)?);
        if terms(case) > FULLY_JUDGED {
            return Ok(vec![Expected::Free { shape, dtype }]);
        }
        let truth = truth(&Matmul::from_args(&case.args)?, inputs)?;
        if Data::of(case) == Data::Integers {
            let values: Vec<f64> = truth.elements().map(|(value, _)| value).collect();
            return Ok(vec![Expected::Exact(Tensor::from_f64(&values, dtype, shape)?)]);
        }
        let inner = accumulator(case.dtype);
        let count = roundings(case.dim("k"), 3, inner);
        Ok(vec![Expected::values(&shape, dtype, inner, count, truth.elements())])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        if terms(case) <= FULLY_JUDGED {
            return Ok(Vec::new());
        }
        residuals(&truth(&Matmul::from_args(&case.args)?, inputs)?, case, &outputs[0])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        super::support(SPEC.name, device, case.dtype, out_dtype(case)?)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let (a, b, c) = match inputs {
            [a, b] => (a, b, None),
            [a, b, c] => (a, b, Some(c)),
            _ => return Err(Error::range(SPEC.name, "inputs", "a, b and at most c", inputs.len())),
        };
        Ok(vec![super::run(stream, variant, a, b, c, &Matmul::from_args(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = shape(case).iter().product::<usize>() as f64;
        let batch = elements / (case.dim("m") * case.dim("n")).max(1) as f64;
        let (size, out) = (case.dtype.size() as f64, out_dtype(case).unwrap_or(case.dtype).size() as f64);
        let (one, both) = match case.data {
            "shared" => (batch, 1.0),
            "crossed" => (batch / 2.0, 2.0),
            _ => (batch, batch),
        };
        let (m, n, k) = (case.dim("m") as f64, case.dim("n") as f64, case.dim("k") as f64);
        let beta = case.args.get("beta").is_some_and(|beta| *beta != Value::Float(0.0)) as usize as f64;
        let bytes = size * k * (one * m + both * n) + out * elements * (1.0 + beta);
        Work { flops: 2.0 * terms(case), bytes }
    }
}

/// Two residuals of a product that is too large for a full truth.
pub(in super::super) fn residuals(truth: &Truth, case: &Case, out: &Tensor) -> Result<Vec<Residual>> {
    const BLOCK: usize = 32;
    let mut random = ChaCha8Rng::seed_from_u64(!case.seed);
    let values = out.to_f64_vec()?;
    let inner = accumulator(case.dtype);
    let (count, stored) = (roundings(truth.k, 3, inner) * inner.unit_roundoff(), out.dtype().unit_roundoff());
    let (mut share, mut squares, mut sampled, mut size) = (0.0f64, 0.0, 0.0, 0.0f64);
    let mut apart = 0.0f64;
    for batch in 0..truth.batches {
        let of = |i: usize, j: usize| values[(batch * truth.m + i) * truth.n + j];
        for top in (0..truth.m).step_by(BLOCK) {
            for left in (0..truth.n).step_by(BLOCK) {
                let i = random.random_range(top..truth.m.min(top + BLOCK));
                let j = random.random_range(left..truth.n.min(left + BLOCK));
                let (value, magnitude) = truth.element(batch, i, j);
                let error = (of(i, j) - value).abs();
                // A NaN must not pass for the smaller one.
                let part = error / (stored * value.abs() + (1.0 + stored) * count * magnitude);
                share = if part.is_nan() { f64::INFINITY } else { share.max(part) };
                squares += error * error;
                sampled += 1.0;
                size = size.max(value.abs());
            }
        }
        let signs: Vec<f64> = (0..truth.n).map(|_| if random.random() { 1.0 } else { -1.0 }).collect();
        let through = truth.b_times(batch, &signs);
        for i in 0..truth.m {
            let got = exact_sum((0..truth.n).map(|j| (of(i, j), signs[j])));
            let error = (got - truth.row_times(batch, i, &signs, &through)).abs();
            apart = if error.is_nan() { f64::INFINITY } else { apart.max(error) };
        }
    }
    // The sum of n errors with random signs exceeds 8 times their root mean square times sqrt(n) with a probability below 1e-13
    // (Hoeffding); the mean is taken from the sampled elements, doubled for their sampling, and at least a rounding of the largest.
    let typical = (squares / sampled).sqrt().max(stored * size / 16.0);
    let bound = 16.0 * typical * (truth.n as f64).sqrt();
    Ok(vec![
        Residual { name: "sampled |out - truth| / tolerance", ratio: share, limit: 1.0 },
        Residual { name: "|out x - a (b x)| / (16 rms sqrt n)", ratio: apart / bound, limit: 1.0 },
    ])
}

//! Evidence.
//!
//! Tolerance, in unit roundoffs of the accumulator relative to the sum of the absolute terms: one for each product and the longest chain of additions, which is
//! a chunk of rows and the sum of the chunks (`longest_chain`); for a block, which a matrix product takes, m + 3 in all. Compensated: 2 relative to the result, and the square
//! of the chain's error relative to the terms.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::{DTYPES, accumulator, longest_chain, samples, variants};
use super::{NAME, Project, reference, run};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "gram_schmidt",
    math: "c[j] = sum_i q[i, j] v[i]",
    inputs: &[Slot::new("q", "[.., m, k]"), Slot::new("v", "[.., m] or [.., m, p]")],
    outputs: &[Slot::new("c", "[.., k] or [.., k, p]")],
    args: &[ArgSpec { name: "compensated", default: "false", doc: "sum as if in twice the precision" }],
    dtypes: DTYPES,
};

/// The cases of `project` and `deflate`: b 0 means no batch axis, p 0 one vector.
pub(in crate::gram_schmidt) fn cases() -> Vec<Case> {
    let case = |tier, [b, m, k, p]: [usize; 4], dtype| {
        Case::new(tier, &[("b", b), ("m", m), ("k", k), ("p", p)], dtype)
    };
    let (f32, bf16) = (DType::F32, DType::Bf16);
    let mut cases = vec![
        case(Tier::Edge, [0, 1, 1, 0], f32),
        case(Tier::Edge, [0, 0, 3, 0], f32),
        case(Tier::Edge, [0, 5, 0, 0], f32),
        case(Tier::Edge, [0, 5, 3, 0], f32),
        case(Tier::Edge, [0, 131, 7, 0], f32),
        case(Tier::Edge, [0, 67, 12, 0], f32),
        case(Tier::Edge, [0, 37, 65, 0], f32).data("offset"),
        case(Tier::Edge, [0, 9, 300, 0], f32),
        case(Tier::Edge, [0, 41, 1, 0], f32),
        case(Tier::Edge, [3, 29, 5, 0], f32).data("transposed"),
        case(Tier::Edge, [2, 33, 6, 4], f32),
        case(Tier::Edge, [0, 33, 6, 1], f32),
        case(Tier::Edge, [2, 35, 4, 3], f32).set("compensated", true).data("cancelling"),
        case(Tier::Edge, [0, 150, 8, 0], f32).set("compensated", true).data("cancelling"),
        case(Tier::Edge, [0, 131, 8, 0], bf16),
        case(Tier::Edge, [2, 33, 6, 3], bf16).set("compensated", true),
        case(Tier::Edge, [2, 21, 5, 0], DType::F16),
        case(Tier::Edge, [3, 29, 5, 2], DType::F64),
        case(Tier::Edge, [0, 150, 8, 0], DType::F64).set("compensated", true).data("cancelling"),
    ];
    for dtype in DTYPES {
        cases.extend([
            case(Tier::Check, [0, 10_007, 37, 0], *dtype),
            case(Tier::Check, [5, 1000, 64, 0], *dtype),
            case(Tier::Check, [3, 700, 33, 17], *dtype),
            case(Tier::Check, [0, 100_003, 5, 0], *dtype).set("compensated", true),
        ]);
    }
    for dtype in [f32, bf16] {
        cases.extend([
            case(Tier::Bench, [0, 4096, 128, 0], dtype),
            case(Tier::Bench, [0, 1_000_000, 32, 0], dtype),
            case(Tier::Bench, [0, 1 << 18, 32, 16], dtype),
            case(Tier::Bench, [1024, 512, 64, 0], dtype),
        ]);
    }
    cases
}

/// The shape of an operand with `rows` rows: a matrix with `columns`, or, for 0 columns, a vector; batched unless b is 0.
pub(in crate::gram_schmidt) fn dims(case: &Case, rows: usize, columns: usize) -> Vec<usize> {
    let batch = [case.dim("b")].into_iter().filter(|&b| b != 0);
    batch.chain([rows]).chain([columns].into_iter().filter(|_| columns != 0)).collect()
}

/// q and v. Cancelling ones come in pairs of rows whose products nearly cancel.
pub(in crate::gram_schmidt) fn operands(case: &Case) -> Result<[Tensor; 2]> {
    let (m, k, p) = (case.dim("m"), case.dim("k"), case.dim("p"));
    let q_dims: Vec<usize> = [case.dim("b")].into_iter().filter(|&b| b != 0).chain([m, k]).collect();
    let v_dims = dims(case, m, p);
    if case.data != "cancelling" {
        return Ok([samples::tensor(case, 0, &q_dims)?, samples::tensor(case, 1, &v_dims)?]);
    }
    let mut q = samples::uniform(case, 0, q_dims.iter().product());
    let mut v = samples::uniform(case, 1, v_dims.iter().product());
    let columns = p.max(1);
    for row in (1..q.len() / k).filter(|row| row % m % 2 == 1) {
        for j in 0..k {
            q[row * k + j] = q[(row - 1) * k + j];
        }
        for l in 0..columns {
            v[row * columns + l] = -v[(row - 1) * columns + l] * (1.0 + 1e-5);
        }
    }
    Ok([Tensor::from_f64(&q, case.dtype, q_dims)?, Tensor::from_f64(&v, case.dtype, v_dims)?])
}

/// Count and magnitude for a sum of `chain` additions with a given value and sum of absolute terms.
pub(in crate::gram_schmidt) fn allowance(
    case: &Case,
    chain: usize,
    truth: impl IntoIterator<Item = (f64, f64)>,
) -> Result<(f64, Vec<(f64, f64)>)> {
    let chain = chain as f64;
    if !case.args.bool("compensated", false)? {
        return Ok((chain + 1.0, truth.into_iter().collect()));
    }
    let square = chain * chain * accumulator(case.dtype).unit_roundoff();
    Ok((2.0, truth.into_iter().map(|(value, terms)| (value, value.abs() + square * terms)).collect()))
}

/// The variants of a case of `project` or `deflate`.
pub(in crate::gram_schmidt) fn supported(
    name: &'static str,
    device: Device,
    case: &Case,
) -> Result<Vec<&'static str>> {
    variants(name, device, case.dtype, case.dim("p"), case.args.bool("compensated", false)?)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        operands(case).map(Vec::from)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (m, k, p) = (case.dim("m"), case.dim("k"), case.dim("p"));
        let (q, v) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
        let columns = p.max(1);
        let truth: Vec<(f64, f64)> = (0..case.dim("b").max(1))
            .flat_map(|b| reference::project(&q[b * m * k..], &v[b * m * columns..], m, k, columns))
            .collect();
        let chain = if p > 1 { m + 2 } else { longest_chain(m) };
        let (roundings, truth) = allowance(case, chain, truth)?;
        let shape = dims(case, k, p);
        Ok(vec![Expected::values(&shape, case.dtype, accumulator(case.dtype), roundings, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        supported(NAME, device, case)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [q, v] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 2, inputs.len()));
        };
        let args = Project { compensated: args.bool("compensated", false)? };
        Ok(vec![run(stream, variant, q, v, &args)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, k, p] = ["b", "m", "k", "p"].map(|name| case.dim(name) as f64);
        let (b, p, size) = (b.max(1.0), p.max(1.0), case.dtype.size() as f64);
        Work { flops: 2.0 * b * m * k * p, bytes: b * (m * k + m * p + k * p) * size }
    }
}

//! What the registered kernels of this family have in common: slots, arguments by name, sizes of a case.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Error, Expected, Residual, Result, Slot, Tensor, Tier, Value, Work,
};

use super::cell::{MlstmInputs, MlstmState, Sizes, accumulator};
use super::mlstm_sequence::reference::Truth;
use super::{InputGate, Mlstm};

/// The inputs of a sequence; of a step, without the axis s.
pub(super) const INPUTS: &[Slot] = &[
    Slot::new("q", "[b, nh, s, dqk]"),
    Slot::new("k", "[b, nh, s, dqk]"),
    Slot::new("v", "[b, nh, s, dv]"),
    Slot::new("i", "[b, nh, s]"),
    Slot::new("f", "[b, nh, s]"),
    Slot::optional("c", "[b, nh, dqk, dv]"),
    Slot::optional("n", "[b, nh, dqk]"),
    Slot::optional("m", "[b, nh]"),
    Slot::optional("o", "[b, nh, s, dv]"),
];

pub(super) const OUTPUTS: &[Slot] = &[
    Slot::new("h", "[b, nh, s, dv]"),
    Slot::new("c_last", "[b, nh, dqk, dv]"),
    Slot::new("n_last", "[b, nh, dqk]"),
    Slot::new("m_last", "[b, nh]"),
];

pub(super) const INPUT_GATE: ArgSpec =
    ArgSpec { name: "input_gate", default: "exponential", doc: "exponential, or sigmoid (m stays 0)" };
pub(super) const NORMALIZE: ArgSpec =
    ArgSpec { name: "normalize", default: "true", doc: "divide by max(|n.q|, exp(-m)) + eps" };
pub(super) const EPS: ArgSpec = ArgSpec { name: "eps", default: "1e-6", doc: "added to the denominator" };
pub(super) const SCALE: ArgSpec =
    ArgSpec { name: "scale", default: "auto", doc: "the factor of q; auto: dqk^-1/2" };
pub(super) const GATE_CAP: ArgSpec =
    ArgSpec { name: "gate_cap", default: "none", doc: "i and f are limited to cap tanh(x / cap)" };

pub(super) const CHUNK: ArgSpec = ArgSpec {
    name: "chunk",
    default: "auto",
    doc: "tokens per chunk, at least 1; auto: what suits the device",
};
/// The longest chunk that any device takes by itself.
pub(super) const LONGEST_CHUNK: usize = 64;

/// The argument `chunk`.
pub(super) fn chunk(args: &Args) -> Result<Option<usize>> {
    match args.get("chunk") {
        None => Ok(None),
        Some(Value::Text(text)) if text == "auto" => Ok(None),
        Some(_) => args.size("chunk", 0).map(Some),
    }
}

/// The arguments of the cell.
pub(super) fn cell(args: &Args) -> Result<Mlstm> {
    let default = Mlstm::default();
    let optional = |name: &'static str, none: &str| match args.get(name) {
        None => Ok(None),
        Some(Value::Text(text)) if text == none => Ok(None),
        Some(_) => args.float(name, 0.0).map(Some),
    };
    Ok(Mlstm {
        input_gate: args.text("input_gate", &InputGate::default().to_string())?.parse()?,
        normalize: args.bool("normalize", default.normalize)?,
        eps: args.float("eps", default.eps)?,
        scale: optional("scale", "auto")?,
        gate_cap: optional("gate_cap", "none")?,
    })
}

/// The inputs by name: q k v i f, then c n m, then o; o alone after f.
pub(super) fn inputs<'a>(
    operation: &'static str,
    tensors: &'a [Tensor],
) -> Result<(MlstmInputs<'a>, Option<MlstmState>)> {
    let [q, k, v, i, f, rest @ ..] = tensors else {
        return Err(Error::range(operation, "inputs", "q k v i f, then c n m, then o", tensors.len()));
    };
    let (state, o) = match rest {
        [] => (None, None),
        [o] => (None, Some(o)),
        [c, n, m, o @ ..] if o.len() < 2 => {
            (Some(MlstmState { c: c.clone(), n: n.clone(), m: m.clone() }), o.first())
        }
        _ => {
            return Err(Error::range(operation, "inputs", "q k v i f, then c n m, then o", tensors.len()));
        }
    };
    Ok((MlstmInputs { q, k, v, i, f, o }, state))
}

/// A case of these sizes.
pub(super) fn case(tier: Tier, [b, nh, s, dqk, dv]: [usize; 5], dtype: DType) -> Case {
    Case::new(tier, &[("b", b), ("nh", nh), ("s", s), ("dqk", dqk), ("dv", dv)], dtype)
}

/// The sizes of a case; a step's has no s.
pub(super) fn sizes(case: &Case) -> Sizes {
    let s = if case.dims.iter().any(|(name, _)| *name == "s") { case.dim("s") } else { 1 };
    Sizes { b: case.dim("b"), nh: case.dim("nh"), s, dqk: case.dim("dqk"), dv: case.dim("dv") }
}

/// What the outputs of a forward form have to be: all of them where the truth is quick, otherwise their shapes.
pub(super) fn expected(case: &Case, truth: impl FnOnce() -> Result<Truth>) -> Result<Vec<Expected>> {
    let (sizes, sums) = (sizes(case), accumulator(case.dtype));
    let h: Vec<usize> = match case.dims.iter().any(|(name, _)| *name == "s") {
        true => sizes.values().to_vec(),
        false => vec![sizes.b, sizes.nh, sizes.dv],
    };
    if is_sampled(case) {
        let free = |shape: &[usize], dtype| Expected::Free { shape: shape.to_vec(), dtype };
        return Ok(vec![
            free(&h, case.dtype),
            free(&sizes.c(), sums),
            free(&sizes.n(), sums),
            free(&sizes.m(), sums),
        ]);
    }
    let truth = truth()?;
    let values = |shape: &[usize], dtype, truth| Expected::values(shape, dtype, sums, 1.0, truth);
    Ok(vec![
        values(&h, case.dtype, truth.h),
        values(&sizes.c(), sums, truth.c),
        values(&sizes.n(), sums, truth.n),
        values(&sizes.m(), sums, truth.m),
    ])
}

/// Whether the truth would take minutes, so that it is made for two sequences only.
pub(super) fn is_sampled(case: &Case) -> bool {
    let sizes = sizes(case);
    sizes.heads() * sizes.s * sizes.dqk * sizes.dv > 500_000_000
}

/// The worst share of a tolerance in the first and the last sequence, where the truth is not made for all.
pub(super) fn residuals(
    case: &Case,
    inputs: &[Tensor],
    outputs: &[Tensor],
    truth: impl Fn(&[Tensor]) -> Result<Vec<Vec<(f64, f64)>>> + Sync,
) -> Result<Vec<Residual>> {
    if !is_sampled(case) {
        return Ok(Vec::new());
    }
    let (sizes, sums) = (sizes(case), accumulator(case.dtype));
    let sequence = |[b, head]: [usize; 2]| -> Result<f64> {
        let one = |tensor: &Tensor| tensor.slice(0, b..b + 1)?.slice(1, head..head + 1);
        let alone = inputs.iter().map(one).collect::<Result<Vec<_>>>()?;
        let mut share = 0.0f64;
        for (output, truth) in outputs.iter().zip(truth(&alone)?) {
            let (stored, inner) = (output.dtype().unit_roundoff(), sums.unit_roundoff());
            for (got, (value, error)) in one(output)?.to_f64_vec()?.into_iter().zip(truth) {
                let allowed = stored * value.abs() + (1.0 + stored) * inner * error;
                let part = (got - value).abs() / (allowed + output.dtype().smallest_positive());
                // A NaN must not pass for the smaller one.
                share = if part.is_nan() { f64::INFINITY } else { share.max(part) };
            }
        }
        Ok(share)
    };
    let (first, last) = rayon::join(|| sequence([0, 0]), || sequence([sizes.b - 1, sizes.nh - 1]));
    let ratio = first?.max(last?);
    Ok(vec![Residual { name: "two sequences' |out - truth| / tolerance", ratio, limit: 1.0 }])
}

/// The least bytes that a forward form moves: inputs, h, and the states at both ends. `flops` per token and head.
pub(super) fn work(case: &Case, flops: f64) -> Work {
    let sizes = sizes(case);
    let (heads, tokens) = (sizes.heads() as f64, sizes.s as f64);
    let (dqk, dv) = (sizes.dqk as f64, sizes.dv as f64);
    let (data, sums) = (case.dtype.size() as f64, accumulator(case.dtype).size() as f64);
    let gated = if case.data == "gated" { dv } else { 0.0 };
    let token = data * (2.0 * dqk + 2.0 * dv + gated) + sums * 2.0;
    let state = sums * (dqk * dv + dqk + 1.0);
    let ends = if has_state(case.data) { 2.0 } else { 1.0 };
    Work { flops: heads * tokens * flops, bytes: heads * (tokens * token + ends * state) }
}

/// Whether data of this name comes with an initial state.
pub(super) fn has_state(data: &str) -> bool {
    !matches!(data, "" | "vector")
}

/// The case of a step as that of a sequence of one token.
pub(super) fn sequence_of(case: &Case) -> Case {
    let mut case = case.clone();
    case.dims.insert(2, ("s", 1));
    case
}

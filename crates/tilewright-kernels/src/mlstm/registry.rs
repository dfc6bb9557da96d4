//! What the registered kernels of this family have in common: slots, arguments by name, sizes of a case.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
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
pub(super) const TILE: ArgSpec = ArgSpec {
    name: "tile",
    default: "auto",
    doc: "side of the tiles of a GPU's portable body, 32 or 64; auto: what suits the device and the sizes",
};
/// The longest chunk that any device takes by itself.
pub(super) const LONGEST_CHUNK: usize = 64;

/// The argument `chunk`.
pub(super) fn chunk(args: &Args) -> Result<Option<usize>> {
    size_or_auto(args, "chunk")
}

/// The argument `tile`.
pub(super) fn tile(args: &Args) -> Result<Option<usize>> {
    size_or_auto(args, "tile")
}

fn size_or_auto(args: &Args, name: &'static str) -> Result<Option<usize>> {
    match args.get(name) {
        None => Ok(None),
        Some(Value::Text(text)) if text == "auto" => Ok(None),
        Some(_) => args.size(name, 0).map(Some),
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
    let stored = stored_c(case);
    if is_sampled(case) {
        let free = |shape: &[usize], dtype| Expected::Free { shape: shape.to_vec(), dtype };
        return Ok(vec![
            free(&h, case.dtype),
            free(&sizes.c(), stored),
            free(&sizes.n(), sums),
            free(&sizes.m(), sums),
        ]);
    }
    let truth = truth()?;
    let values = |shape: &[usize], dtype, truth| Expected::values(shape, dtype, sums, 1.0, truth);
    Ok(vec![
        values(&h, case.dtype, truth.h),
        values(&sizes.c(), stored, truth.c),
        values(&sizes.n(), sums, truth.n),
        values(&sizes.m(), sums, truth.m),
    ])
}

/// Whether the truth would take minutes, so that it is made for two sequences only.
pub(super) fn is_sampled(case: &Case) -> bool {
    let sizes = sizes(case);
    sizes.heads() * sizes.s * sizes.dqk * sizes.dv > 500_000_000
}

/// Tokens of a long sequence that are judged at its start, in its middle and at its end, and those on either side of them, over which everything is forgotten.
const JUDGED: usize = 1024;
const MARGIN: usize = 1024;
/// The logarithm of what is left of a token over such a margin at most: far below the roundings of anything.
const FORGOTTEN: f64 = -120.0;

/// The truth of tokens `made` alone, which is that of the whole sequence for tokens `judged`.
#[derive(Clone)]
struct Stretch {
    made: Range<usize>,
    judged: Range<usize>,
}

/// What is judged of a sequence with these forget gates: all of it, unless it is long, starts from no state, and forgets.
fn stretches(case: &Case, f: &Tensor) -> Result<Vec<Stretch>> {
    let s = sizes(case).s;
    let whole = vec![Stretch { made: 0..s, judged: 0..s }];
    if s < 8 * (JUDGED + MARGIN) || !case.data.is_empty() || case.args.get("gate_cap").is_some() {
        return Ok(whole);
    }
    let kept: Vec<f64> = f.to_f64_vec()?.iter().map(|f| f.min(0.0) - (-f.abs()).exp().ln_1p()).collect();
    let forgets = |range: Range<usize>| range.is_empty() || kept[range].iter().sum::<f64>() < FORGOTTEN;
    let parts: Vec<Stretch> = [0, (s - JUDGED) / 2, s - JUDGED]
        .map(|first| Stretch {
            made: first.saturating_sub(MARGIN)..s.min(first + JUDGED + MARGIN),
            judged: first..first + JUDGED,
        })
        .into();
    let apart = |part: &Stretch| {
        forgets(part.made.start..part.judged.start) && forgets(part.judged.end..part.made.end)
    };
    Ok(if parts.iter().all(apart) { parts } else { whole })
}

/// The tokens of a tensor whose axis 2 they are; any other tensor as it is.
fn tokens_of(tensor: &Tensor, s: usize, range: &Range<usize>) -> Result<Tensor> {
    if range.len() == s || tensor.rank() < 3 || tensor.dims()[2] != s {
        return Ok(tensor.clone());
    }
    tensor.slice(2, range.clone())
}

/// The truth of each output: values and error bounds.
type Values = Vec<Vec<(f64, f64)>>;

/// Truths that were made last: a form and its gradient are judged in turn for each variant and peer.
static MADE: Mutex<VecDeque<(u64, Arc<Values>)>> = Mutex::new(VecDeque::new());
const KEPT: usize = 12;

/// The truth of these inputs, unless it was made before.
fn remembered(
    name: &str,
    case: &Case,
    inputs: &[Tensor],
    truth: impl Fn(&[Tensor]) -> Result<Values>,
) -> Result<Arc<Values>> {
    let mut hash = DefaultHasher::new();
    (name, &case.name).hash(&mut hash);
    for input in inputs {
        hash.write(&input.to_bytes()?);
    }
    let (key, made) = (hash.finish(), || MADE.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some((_, found)) = made().iter().find(|(other, _)| *other == key) {
        return Ok(found.clone());
    }
    let fresh = Arc::new(truth(inputs)?);
    let mut made = made();
    made.truncate(KEPT - 1);
    made.push_front((key, fresh.clone()));
    Ok(fresh)
}

/// The worst share of a tolerance in the first and the last sequence, where the truth is not made for all. States are those after the last token, or, of
/// gradients, those before the first.
pub(super) fn residuals(
    name: &str,
    case: &Case,
    inputs: &[Tensor],
    outputs: &[Tensor],
    gradients: bool,
    truth: impl Fn(&[Tensor]) -> Result<Values> + Sync,
) -> Result<Vec<Residual>> {
    if !is_sampled(case) {
        return Ok(Vec::new());
    }
    let (sizes, sums) = (sizes(case), accumulator(case.dtype));
    let mut parts = Vec::new();
    for place in [[0, 0], [sizes.b - 1, sizes.nh - 1]] {
        let one = |tensor: &Tensor| alone(tensor, place);
        for stretch in stretches(case, &one(&inputs[4])?)? {
            parts.push((place, stretch));
        }
    }
    let judged = |(place, stretch): &([usize; 2], Stretch)| -> Result<f64> {
        let part = |tensor: &Tensor| tokens_of(&alone(tensor, *place)?, sizes.s, &stretch.made);
        let of_part = inputs.iter().map(part).collect::<Result<Vec<_>>>()?;
        let truth = remembered(name, case, &of_part, &truth)?;
        let mut share = 0.0f64;
        for (output, truth) in outputs.iter().zip(truth.iter()) {
            let own = alone(output, *place)?;
            let by_token = own.rank() > 2 && own.dims()[2] == sizes.s;
            let ends = if gradients { stretch.judged.start == 0 } else { stretch.judged.end == sizes.s };
            if !by_token && !ends {
                continue;
            }
            let own = tokens_of(&own, sizes.s, &stretch.judged)?;
            let width = if by_token { own.elements() / stretch.judged.len().max(1) } else { 0 };
            let truth = &truth[(stretch.judged.start - stretch.made.start) * width..];
            let (stored, inner) = (output.dtype().unit_roundoff(), sums.unit_roundoff());
            for (got, (value, error)) in own.to_f64_vec()?.into_iter().zip(truth) {
                let allowed = stored * value.abs() + (1.0 + stored) * inner * error;
                let part = (got - value).abs() / (allowed + output.dtype().smallest_positive());
                // A NaN must not pass for the smaller one.
                share = if part.is_nan() { f64::INFINITY } else { share.max(part) };
            }
        }
        Ok(share)
    };
    let shares = parts.par_iter().map(judged).collect::<Result<Vec<f64>>>()?;
    let ratio = shares.into_iter().fold(0.0, f64::max);
    Ok(vec![Residual { name: "two sequences' |out - truth| / tolerance", ratio, limit: 1.0 }])
}

/// One sequence of a tensor of them.
fn alone(tensor: &Tensor, [b, head]: [usize; 2]) -> Result<Tensor> {
    tensor.slice(0, b..b + 1)?.slice(1, head..head + 1)
}

/// The least bytes that a forward form moves: inputs, h, and the states at both ends. `flops` per token and head.
pub(super) fn work(case: &Case, flops: f64) -> Work {
    let sizes = sizes(case);
    let (heads, tokens) = (sizes.heads() as f64, sizes.s as f64);
    let (dqk, dv) = (sizes.dqk as f64, sizes.dv as f64);
    let (data, sums) = (case.dtype.size() as f64, accumulator(case.dtype).size() as f64);
    let gated = if kind(case) == "gated" { dv } else { 0.0 };
    let token = data * (2.0 * dqk + 2.0 * dv + gated) + sums * 2.0;
    let state = stored_c(case).size() as f64 * dqk * dv + sums * (dqk + 1.0);
    let ends = if has_state(case.data) { 2.0 } else { 1.0 };
    Work { flops: heads * tokens * flops, bytes: heads * (tokens * token + ends * state) }
}

/// Whether data of this name comes with an initial state.
pub(super) fn has_state(data: &str) -> bool {
    !matches!(data, "" | "vector")
}

/// What the data of a case is like, whatever C is stored as.
pub(super) fn kind(case: &Case) -> &'static str {
    case.data.strip_suffix(BF16_C).unwrap_or(case.data)
}

/// What ends the name of data whose C is bf16.
const BF16_C: &str = "_bf16_c";

/// The dtype of C in a case.
pub(super) fn stored_c(case: &Case) -> DType {
    if case.data.ends_with(BF16_C) { DType::Bf16 } else { accumulator(case.dtype) }
}

/// The case of a step as that of a sequence of one token.
pub(super) fn sequence_of(case: &Case) -> Case {
    let mut case = case.clone();
    case.dims.insert(2, ("s", 1));
    case
}

#[cfg(test)]
mod tests {
    use tilewright_core::DType;

    use super::*;

    #[test]
    fn long_sequences_are_judged_in_stretches_where_they_forget() {
        let s = 40_000;
        let case = case(Tier::Bench, [1, 1, s, 1, 1], DType::F32);
        let gates = |f: &[f32]| stretches(&case, &Tensor::from_vec(f.to_vec(), [1, 1, s]).unwrap()).unwrap();
        let mut f = vec![1.0; s];
        let parts = gates(&f);
        let judged: Vec<_> = parts.iter().map(|part| (part.judged.clone(), part.made.clone())).collect();
        assert_eq!(
            judged,
            [(0..1024, 0..2048), (19_488..20_512, 18_464..21_536), (s - 1024..s, s - 2048..s)]
        );
        // Tokens that are kept for ever reach everything.
        f[18_000..21_000].fill(50.0);
        assert!(matches!(&gates(&f)[..], [Stretch { made, judged }] if *made == (0..s) && judged == made));
    }

    #[test]
    fn one_wrong_token_of_a_stretch_shows() {
        let case = case(Tier::Bench, [1, 1, 20_000, 160, 160], DType::F32);
        assert!(is_sampled(&case));
        let zeros = |dims: &[usize]| Tensor::zeros(DType::F32, dims);
        let inputs = [1, 1, 1].map(|d| zeros(&[1, 1, 20_000, d]).unwrap());
        let gates = [0, 1].map(|_| zeros(&[1, 1, 20_000]).unwrap());
        let inputs: Vec<Tensor> = inputs.into_iter().chain(gates).collect();
        let truth = |alone: &[Tensor]| Ok(vec![vec![(1.0, 1.0); alone[2].elements()]]);
        let ratio = |at: usize| {
            let mut h = vec![1.0f32; 20_000];
            h[at] = 1.5;
            let h = Tensor::from_vec(h, [1, 1, 20_000, 1]).unwrap();
            residuals("probe", &case, &inputs, &[h], false, truth).unwrap()[0].ratio
        };
        for at in [0, 1023, 9_600, 19_999] {
            assert!(ratio(at) > 1e3, "{at}");
        }
        assert!(ratio(5_000) == 0.0, "between stretches nothing is judged");
    }
}

//! What every form of the mLSTM takes: the cell's arguments, its inputs and its state, and the checks of all three.

use std::fmt;
use std::str::FromStr;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use crate::arguments::{check_device, check_dtype, only_variant};

/// Dtypes of q, k, v, o and h. Gates and states are f32, and f64 beside f64.
pub(super) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// How a pre-activation becomes an input gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputGate {
    /// `exp(i)`, kept in range by the stabiliser m.
    #[default]
    Exponential,
    /// `sigma(i)`, which needs no stabiliser: m stays 0.
    Sigmoid,
}

impl fmt::Display for InputGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InputGate::Exponential => "exponential",
            InputGate::Sigmoid => "sigmoid",
        })
    }
}

impl FromStr for InputGate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [InputGate::Exponential, InputGate::Sigmoid]
            .into_iter()
            .find(|gate| gate.to_string() == text)
            .ok_or_else(|| Error::range("mlstm", "input_gate", "exponential or sigmoid", text))
    }
}

/// What an mLSTM cell computes, in whatever form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mlstm {
    /// The input gate. Default exponential.
    pub input_gate: InputGate,
    /// Whether h is divided by `max(|n.q|, exp(-m)) + eps`. Without it h is what n does not enter: `q C exp(m)`. Default true.
    pub normalize: bool,
    /// Added to the denominator; >= 0. Default 1e-6.
    pub eps: f64,
    /// The factor of q; `None` is `dqk^-1/2`.
    pub scale: Option<f64>,
    /// Gate pre-activations x are first limited to `cap tanh(x / cap)`; > 0. Default `None`: they are taken as they are.
    pub gate_cap: Option<f64>,
}

impl Default for Mlstm {
    fn default() -> Self {
        Mlstm { input_gate: InputGate::Exponential, normalize: true, eps: 1e-6, scale: None, gate_cap: None }
    }
}

impl Mlstm {
    pub(super) fn scale(&self, dqk: usize) -> f64 {
        // Without keys nothing is scaled; the factor must only be finite.
        self.scale.unwrap_or(1.0 / (dqk.max(1) as f64).sqrt())
    }

    pub(super) fn check(&self, operation: &'static str) -> Result<()> {
        let finite = |x: f64| (x as f32).is_finite();
        if !(finite(self.eps) && self.eps >= 0.0) {
            return Err(Error::range(operation, "eps", "a finite number >= 0", self.eps));
        }
        if let Some(scale) = self.scale.filter(|scale| !finite(*scale)) {
            return Err(Error::range(operation, "scale", "a finite number", scale));
        }
        match self.gate_cap {
            Some(cap) if !(finite(cap) && cap as f32 > 0.0) => {
                Err(Error::range(operation, "gate_cap", "a finite number > 0", cap))
            }
            _ => Ok(()),
        }
    }
}

/// The inputs of a sequence. A step's lack the axis s.
#[derive(Debug, Clone, Copy)]
pub struct MlstmInputs<'a> {
    /// Queries, `[b, nh, s, dqk]`.
    pub q: &'a Tensor,
    /// Keys, `[b, nh, s, dqk]`.
    pub k: &'a Tensor,
    /// Values, `[b, nh, s, dv]`.
    pub v: &'a Tensor,
    /// Pre-activations of the input gate, `[b, nh, s]`, f32 (f64 beside f64).
    pub i: &'a Tensor,
    /// Pre-activations of the forget gate, `[b, nh, s]`, f32 (f64 beside f64).
    pub f: &'a Tensor,
    /// Pre-activations of the output gate, `[b, nh, s, dv]`: h is multiplied by `sigma(o)` where they are given.
    pub o: Option<&'a Tensor>,
}

/// What a sequence leaves to its continuation: C and n, both relative to `exp(m)`.
#[derive(Debug, Clone)]
pub struct MlstmState {
    /// The matrix of keys by values, `[b, nh, dqk, dv]`, f32 (f64 beside f64). Steps and [`mlstm_sequence`](super::mlstm_sequence()) take bf16 beside data of
    /// at most 32 bits too, and leave what they were given.
    pub c: Tensor,
    /// The sum of keys, `[b, nh, dqk]`, f32 (f64 beside f64): one part in dv of the state.
    pub n: Tensor,
    /// The stabiliser, `[b, nh]`, as n: the state that is meant is `(C exp(m), n exp(m))`, so that a rounding of m to bf16 would change all of it by up to
    /// `|m| / 512`.
    pub m: Tensor,
}

/// The extents of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) b: usize,
    pub(super) nh: usize,
    pub(super) s: usize,
    pub(super) dqk: usize,
    pub(super) dv: usize,
}

impl Sizes {
    /// Batch items times heads: the sequences that know nothing of each other.
    pub(super) fn heads(&self) -> usize {
        self.b * self.nh
    }

    /// `[b, nh, s, dqk]`
    pub(super) fn keys(&self) -> [usize; 4] {
        [self.b, self.nh, self.s, self.dqk]
    }

    /// `[b, nh, s, dv]`
    pub(super) fn values(&self) -> [usize; 4] {
        [self.b, self.nh, self.s, self.dv]
    }

    /// `[b, nh, s]`
    pub(super) fn gates(&self) -> [usize; 3] {
        [self.b, self.nh, self.s]
    }

    /// `[b, nh, dqk, dv]`
    pub(super) fn c(&self) -> [usize; 4] {
        [self.b, self.nh, self.dqk, self.dv]
    }

    /// `[b, nh, dqk]`
    pub(super) fn n(&self) -> [usize; 3] {
        [self.b, self.nh, self.dqk]
    }

    /// `[b, nh]`
    pub(super) fn m(&self) -> [usize; 2] {
        [self.b, self.nh]
    }
}

/// The type of gates, states and sums beside data of this dtype.
pub(super) fn accumulator(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// What C of a state may be, beside data of whatever dtype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoredC {
    /// That of the sums alone.
    Sums,
    /// bf16 too, where sums are f32.
    OrBf16,
}

impl StoredC {
    fn dtypes(self, sums: DType) -> &'static [DType] {
        match (sums, self) {
            (DType::F64, _) => &[DType::F64],
            (_, StoredC::Sums) => &[DType::F32],
            (_, StoredC::OrBf16) => &[DType::F32, DType::Bf16],
        }
    }
}

/// Refuses what does not fit together, and gives the extents.
pub(super) fn check(
    operation: &'static str,
    stream: &Stream,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    stored: StoredC,
    cell: &Mlstm,
) -> Result<Sizes> {
    let &[b, nh, s, dqk] = x.q.dims() else {
        return Err(Error::shape(operation, "q", "[b, nh, s, dqk]", x.q.shape()));
    };
    let &[_, _, _, dv] = x.v.dims() else {
        return Err(Error::shape(operation, "v", "[b, nh, s, dv]", x.v.shape()));
    };
    let sizes = Sizes { b, nh, s, dqk, dv };
    let data = x.q.dtype();
    check_dtype(operation, "q", data, DTYPES)?;
    let sums = accumulator(data);
    let one =
        |argument, tensor, dims: &[usize], dtype| check_one(operation, argument, stream, tensor, dims, dtype);
    one("q", x.q, &sizes.keys(), data)?;
    one("k", x.k, &sizes.keys(), data)?;
    one("v", x.v, &sizes.values(), data)?;
    one("i", x.i, &sizes.gates(), sums)?;
    one("f", x.f, &sizes.gates(), sums)?;
    if let Some(o) = x.o {
        one("o", o, &sizes.values(), data)?;
    }
    if let Some(state) = state {
        check_among(operation, "c", stream, &state.c, &sizes.c(), stored.dtypes(sums))?;
        one("n", &state.n, &sizes.n(), sums)?;
        one("m", &state.m, &sizes.m(), sums)?;
    }
    cell.check(operation)?;
    Ok(sizes)
}

/// Refuses a tensor on another device than the stream, or of other extents or another dtype.
pub(super) fn check_one(
    operation: &'static str,
    argument: &'static str,
    stream: &Stream,
    tensor: &Tensor,
    dims: &[usize],
    dtype: DType,
) -> Result<()> {
    check_among(operation, argument, stream, tensor, dims, &[dtype])
}

/// The same, of a tensor that may have one of some dtypes.
fn check_among(
    operation: &'static str,
    argument: &'static str,
    stream: &Stream,
    tensor: &Tensor,
    dims: &[usize],
    dtypes: &[DType],
) -> Result<()> {
    check_device(operation, argument, stream, tensor)?;
    if tensor.dims() != dims {
        return Err(Error::shape(operation, argument, format!("{dims:?}"), tensor.shape()));
    }
    check_dtype(operation, argument, tensor.dtype(), dtypes)
}

/// The same of a gradient, which may be absent.
pub(super) fn check_gradient(
    operation: &'static str,
    argument: &'static str,
    stream: &Stream,
    gradient: Option<&Tensor>,
    dims: &[usize],
    dtype: DType,
) -> Result<()> {
    gradient.map_or(Ok(()), |gradient| check_one(operation, argument, stream, gradient, dims, dtype))
}

/// The variants that run data of this dtype on a device.
pub(super) fn variants(operation: &'static str, device: Device, dtype: DType) -> Result<Vec<&'static str>> {
    if device != Device::Cpu && dtype == DType::F64 {
        let why = "the portable body computes in f32; f64 runs on the CPU";
        return Err(Error::unsupported(operation, device, why));
    }
    Ok(vec![only_variant(device)])
}

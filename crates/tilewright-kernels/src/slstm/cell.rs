//! What every kernel of the family takes: the cell's argument, its sizes and its state, and the checks of all three.

use std::fmt;
use std::str::FromStr;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use crate::arguments::{check_device, check_dtype, only_variant};

/// Dtypes of pre-activations, recurrent weights and h. States are f32, and f64 beside f64.
pub(super) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// Units of a head at most, on a GPU: a thread each.
pub(super) const WIDEST: usize = 1024;

/// How a pre-activation becomes a forget gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForgetGate {
    /// `sigma(f)`.
    #[default]
    Sigmoid,
    /// `exp(f)`, kept in range by the stabiliser m.
    Exponential,
}

impl fmt::Display for ForgetGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForgetGate::Sigmoid => "sigmoid",
            ForgetGate::Exponential => "exponential",
        })
    }
}

impl FromStr for ForgetGate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [ForgetGate::Sigmoid, ForgetGate::Exponential]
            .into_iter()
            .find(|gate| gate.to_string() == text)
            .ok_or_else(|| Error::range("slstm", "forget_gate", "sigmoid or exponential", text))
    }
}

/// What an sLSTM cell computes. The input gate is exponential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slstm {
    /// The forget gate. Default sigmoid.
    pub forget_gate: ForgetGate,
}

/// What a sequence leaves to its continuation. A unit whose n is 0 has seen nothing: its c and m count for nothing.
#[derive(Debug, Clone)]
pub struct SlstmState {
    /// The cells, `[b, nh, d]`, f32 (f64 beside f64), relative to `exp(m)`.
    pub c: Tensor,
    /// The normalisers, `[b, nh, d]`, relative to `exp(m)`.
    pub n: Tensor,
    /// What the gates of the next token see, `[b, nh, d]`: the last h, not rounded to the dtype of the data.
    pub h: Tensor,
    /// The stabilisers, `[b, nh, d]`: the state that is meant is `(c exp(m), n exp(m))`.
    pub m: Tensor,
}

impl SlstmState {
    /// In the order c n h m.
    pub(super) fn parts(&self) -> [&Tensor; 4] {
        [&self.c, &self.n, &self.h, &self.m]
    }

    pub(super) fn from_parts([c, n, h, m]: [Tensor; 4]) -> Self {
        SlstmState { c, n, h, m }
    }
}

/// The extents of a batch of sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) b: usize,
    pub(super) nh: usize,
    pub(super) s: usize,
    pub(super) d: usize,
}

impl Sizes {
    /// `[b, nh, s, 4, d]`
    pub(super) fn x(&self) -> [usize; 5] {
        [self.b, self.nh, self.s, 4, self.d]
    }

    /// `[nh, 4, d, d]`
    pub(super) fn r(&self) -> [usize; 4] {
        [self.nh, 4, self.d, self.d]
    }

    /// `[b, nh, s, d]`
    pub(super) fn h(&self) -> [usize; 4] {
        [self.b, self.nh, self.s, self.d]
    }

    /// `[b, nh, d]`
    pub(super) fn state(&self) -> [usize; 3] {
        [self.b, self.nh, self.d]
    }
}

/// The type of states and sums beside data of this dtype.
pub(super) fn accumulator(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Refuses what does not fit together, and gives the extents.
pub(super) fn check(
    operation: &'static str,
    stream: &Stream,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
) -> Result<Sizes> {
    let &[b, nh, s, 4, d] = x.dims() else {
        return Err(Error::shape(operation, "x", "[b, nh, s, 4, d]", x.shape()));
    };
    let sizes = Sizes { b, nh, s, d };
    check_dtype(operation, "x", x.dtype(), DTYPES)?;
    check_one(operation, "x", stream, x, &sizes.x(), x.dtype())?;
    check_one(operation, "r", stream, r, &sizes.r(), x.dtype())?;
    if let Some(state) = state {
        for (argument, part) in ["c", "n", "h", "m"].into_iter().zip(state.parts()) {
            check_one(operation, argument, stream, part, &sizes.state(), accumulator(x.dtype()))?;
        }
    }
    if stream.device() != Device::Cpu {
        if d > WIDEST {
            let why = format!("d is {d}: a group has a thread for each unit, {WIDEST} at most");
            return Err(Error::unsupported(operation, stream.device(), why));
        }
        let largest = [b, nh, s, 4 * d * d].into_iter().max().unwrap_or(0);
        if largest > u32::MAX as usize {
            return Err(Error::unsupported(operation, stream.device(), "an extent of 2^32 or more"));
        }
    }
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
    check_device(operation, argument, stream, tensor)?;
    if tensor.dims() != dims {
        return Err(Error::shape(operation, argument, format!("{dims:?}"), tensor.shape()));
    }
    check_dtype(operation, argument, tensor.dtype(), &[dtype])
}

/// The variants that run data of this dtype on a device.
pub(super) fn variants(operation: &'static str, device: Device, dtype: DType) -> Result<Vec<&'static str>> {
    if device != Device::Cpu && dtype == DType::F64 {
        let why = "the portable body computes in f32; f64 runs on the CPU";
        return Err(Error::unsupported(operation, device, why));
    }
    Ok(vec![only_variant(device)])
}

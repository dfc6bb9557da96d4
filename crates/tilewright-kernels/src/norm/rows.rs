//! What every norm takes, checked.

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use crate::arguments::{check_device, check_same_dtype, check_tensor};

pub(super) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// Tokens whose share of the gradient of the weights is summed by itself, at least: what one thread of a GPU adds up.
const BLOCK: usize = 64;
/// Such sums at most, so that adding them up stays cheap.
const BLOCKS: usize = 128;

/// Arguments of the norms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// Added to the mean square, so that a row of zeros has a norm; finite and >= 0. Default 1e-6.
    pub eps: f64,
}

impl Default for Norm {
    fn default() -> Self {
        Norm { eps: 1e-6 }
    }
}

/// The gradients of a norm.
#[derive(Debug, Clone)]
pub struct NormGradients {
    /// By x, of its shape.
    pub x: Tensor,
    /// By the weights, of their shape.
    pub weight: Tensor,
    /// By the gate, of its shape, where there was one.
    pub gate: Option<Tensor>,
}

/// Which norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// x `[.., n]`, weights `[n]`.
    Rms,
    /// x `[.., nh, n]`, weights `[nh, n]`, the mean of each row taken off.
    Heads,
}

/// The rows of x, `[tokens, heads, n]`, and the weights of each head.
pub(super) struct Rows<'a> {
    pub(super) operation: &'static str,
    pub(super) x: &'a Tensor,
    pub(super) weight: &'a Tensor,
    pub(super) tokens: usize,
    pub(super) heads: usize,
    pub(super) n: usize,
    pub(super) eps: f64,
    /// Whether the mean is taken off.
    pub(super) centred: bool,
    /// Of the shape of x: the sigmoid of it multiplies the result.
    pub(super) gate: Option<&'a Tensor>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        operation: &'static str,
        kind: Kind,
        stream: &Stream,
        x: &'a Tensor,
        weight: &'a Tensor,
        args: &Norm,
    ) -> Result<Self> {
        check_tensor(operation, "x", stream, x, DTYPES)?;
        check_device(operation, "weight", stream, weight)?;
        check_same_dtype(operation, "weight", weight, x)?;
        variants(operation, stream.device(), x.dtype())?;
        let (axes, shape) = match kind {
            Kind::Rms => (1, "[.., n]"),
            Kind::Heads => (2, "[.., nh, n]"),
        };
        let Some(split) = x.rank().checked_sub(axes) else {
            return Err(Error::shape(operation, "x", shape, x.shape()));
        };
        let (tokens, own) = x.dims().split_at(split);
        if weight.dims() != own {
            return Err(Error::shape(
                operation,
                "weight",
                format!("{own:?} as the rows of x"),
                weight.shape(),
            ));
        }
        let eps = if x.dtype() == DType::F64 { args.eps } else { f64::from(args.eps as f32) };
        if !(eps.is_finite() && eps >= 0.0) {
            return Err(Error::range(operation, "eps", "a finite number >= 0", args.eps));
        }
        let (tokens, n) = (tokens.iter().product(), own[axes - 1]);
        let heads = if kind == Kind::Heads { own[0] } else { 1 };
        Ok(Rows { operation, x, weight, tokens, heads, n, eps, centred: kind == Kind::Heads, gate: None })
    }

    /// With a gate.
    pub(super) fn gated(self, stream: &Stream, gate: &'a Tensor) -> Result<Self> {
        self.check_as_x(stream, "gate", gate)?;
        Ok(Rows { gate: Some(gate), ..self })
    }

    /// Refuses a gradient that is not as x.
    pub(super) fn check_gradient(&self, stream: &Stream, dy: &Tensor) -> Result<()> {
        self.check_as_x(stream, "dy", dy)
    }

    fn check_as_x(&self, stream: &Stream, argument: &'static str, tensor: &Tensor) -> Result<()> {
        check_device(self.operation, argument, stream, tensor)?;
        check_same_dtype(self.operation, argument, tensor, self.x)?;
        if tensor.dims() != self.x.dims() {
            let expected = format!("{} as x", self.x.shape());
            return Err(Error::shape(self.operation, argument, expected, tensor.shape()));
        }
        Ok(())
    }

    /// Elements of a token.
    pub(super) fn width(&self) -> usize {
        self.heads * self.n
    }
}

/// Tokens whose gradients by the weights are summed by themselves: a function of their number alone, so that sums are the same everywhere.
pub(super) fn block(tokens: usize) -> usize {
    tokens.div_ceil(BLOCKS).max(BLOCK)
}

/// Every dtype on the CPU; f64 on no GPU.
pub(super) fn variants(operation: &'static str, device: Device, dtype: DType) -> Result<Vec<&'static str>> {
    if device != Device::Cpu && dtype == DType::F64 {
        return Err(Error::unsupported(operation, device, "x is f64, and the GPU body computes in f32"));
    }
    Ok(vec![crate::arguments::only_variant(device)])
}

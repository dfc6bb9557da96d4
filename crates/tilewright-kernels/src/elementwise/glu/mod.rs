//! Gated linear units: one tensor let through by the activation of another. SwiGLU by default.
//!
//! # Math
//! ```text
//! out = a sigma(a) b      silu: the middle of a SwiGLU network
//! out = sigma(a) b        sigmoid: an output gate
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | a | any | any strides | f32, f16, bf16; f64 on the CPU |
//! | b | as a | any strides | as a |
//! | out | as a | row-major | as a |
//!
//! # Numerics
//! Computed in f32 (f64 for f64) and rounded once to the dtype. sigma is right relative to itself down to the smallest normal number of that type, below which
//! it may be 0. Deterministic. The tolerance is derived in `cases.rs`: 16 roundings.
//!
//! # Constraints
//! f64 is refused by every GPU.
//!
//! # Sources
//! Dauphin et al., Language modeling with gated convolutional networks, arXiv 1612.08083; Shazeer, GLU variants improve transformer, arXiv 2002.05202, equation 6.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::elementwise::{Activation, Glu, glu};
//! let a = Tensor::from_vec(vec![0.0f32, 100.0, -200.0], [3])?;
//! let b = Tensor::from_vec(vec![3.0f32, 2.0, 5.0], [3])?;
//! assert_eq!(glu(&Stream::cpu(), &a, &b, &Glu::default())?.to_vec::<f32>()?, [0.0, 200.0, 0.0]);
//! let gate = Glu { activation: Activation::Sigmoid };
//! assert_eq!(glu(&Stream::cpu(), &a, &b, &gate)?.to_vec::<f32>()?, [1.5, 2.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use std::fmt;
use std::str::FromStr;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::soft_cap::{DTYPES, cases::variants};
use crate::arguments::{check_device, check_same_dtype, check_tensor};

const NAME: &str = "glu";

/// What becomes of the gate's pre-activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// `a sigma(a)`.
    #[default]
    Silu,
    /// `sigma(a)`.
    Sigmoid,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Activation::Silu => "silu",
            Activation::Sigmoid => "sigmoid",
        })
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found =
            [Activation::Silu, Activation::Sigmoid].into_iter().find(|known| known.to_string() == text);
        found.ok_or_else(|| Error::range(NAME, "activation", "silu or sigmoid", text))
    }
}

/// The arguments of [`glu()`] and [`glu_bw()`](super::glu_bw()).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Glu {
    /// What lets b through. Default silu.
    pub activation: Activation,
}

/// `b` let through by the activation of `a`, elementwise.
///
/// # Errors
/// Tensors on another device than the stream, of different or other dtypes or shapes; f64 on a GPU.
pub fn glu(stream: &Stream, a: &Tensor, b: &Tensor, args: &Glu) -> Result<Tensor> {
    check(NAME, stream, [("a", a), ("b", b)])?;
    let silu = args.activation == Activation::Silu;
    match stream.device() {
        Device::Cpu => cpu::glu(a, b, silu),
        _ => gpu::glu(stream, a, b, silu),
    }
}

/// Refuses tensors that are not all like the first.
pub(super) fn check<const N: usize>(
    operation: &'static str,
    stream: &Stream,
    tensors: [(&'static str, &Tensor); N],
) -> Result<()> {
    let (name, first) = tensors[0];
    check_tensor(operation, name, stream, first, DTYPES)?;
    for (argument, tensor) in &tensors[1..] {
        check_device(operation, argument, stream, tensor)?;
        check_same_dtype(operation, argument, tensor, first)?;
        if tensor.dims() != first.dims() {
            let expected = format!("{} as {name}", first.shape());
            return Err(Error::shape(operation, *argument, expected, tensor.shape()));
        }
    }
    variants(operation, stream.device(), first.dtype()).map(drop)
}

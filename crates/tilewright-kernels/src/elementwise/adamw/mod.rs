//! One step of AdamW, in place.
//!
//! # Math
//! With g = scale dp, and t the number of the step, from 1:
//! ```text
//! m' = beta1 m + (1 - beta1) g
//! v' = beta2 v + (1 - beta2) g^2
//! p' = p - lr (decay p + (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + eps))
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | p, m, v | any, all alike | row-major, written in place | f32; f64 on the CPU |
//! | dp | as p | any strides | as p |
//!
//! # Numerics
//! Computed in the dtype; 1 - beta1, 1 - beta2 and the corrections are computed in f64 and rounded once. Deterministic.
//!
//! # Constraints
//! Tensors that are written share their memory with no other. f64 is refused by every GPU.
//!
//! # Sources
//! Loshchilov, Hutter, Decoupled weight decay regularization, arXiv 1711.05101, algorithm 2, with the decay multiplied by the rate as is usual.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::elementwise::{AdamW, adamw};
//! let one = |value: f32| Tensor::from_vec(vec![value], [1]);
//! let (mut p, mut m, mut v) = (one(1.0)?, one(0.0)?, one(0.0)?);
//! let args = AdamW { lr: 0.1, weight_decay: 0.0, ..AdamW::default() };
//! adamw(&Stream::cpu(), &mut p, &one(5.0)?, &mut m, &mut v, &args)?;
//! assert!((p.to_vec::<f32>()?[0] - 0.9).abs() < 1e-6); // the first step is the rate, whatever the gradient
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::soft_cap::cases::variants;
use crate::arguments::{check_device, check_same_dtype, check_tensor};

const NAME: &str = "adamw";
const DTYPES: &[DType] = &[DType::F32, DType::F64];

/// The arguments of [`adamw()`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// The rate of learning; finite and >= 0. Default 1e-3.
    pub lr: f64,
    /// How much of the mean gradient is kept; >= 0 and < 1. Default 0.9.
    pub beta1: f64,
    /// How much of the mean square is kept; >= 0 and < 1. Default 0.95.
    pub beta2: f64,
    /// Added to the root of the mean square; > 0. Default 1e-8.
    pub eps: f64,
    /// What is taken off a parameter, times the rate; finite and >= 0. Default 0.1.
    pub weight_decay: f64,
    /// The number of this step, from 1. Default 1.
    pub step: u64,
    /// The factor of the gradient, by which gradients are averaged and clipped; finite. Default 1.
    pub scale: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, step: 1, scale: 1.0 }
    }
}

/// The numbers that a step multiplies by.
struct Factors {
    scale: f64,
    beta1: f64,
    fresh1: f64,
    beta2: f64,
    fresh2: f64,
    /// lr / (1 - beta1^t).
    rate: f64,
    /// 1 / (1 - beta2^t).
    correction: f64,
    eps: f64,
    /// 1 - lr decay.
    keep: f64,
}

impl AdamW {
    fn factors(&self) -> Result<Factors> {
        let check = |argument: &'static str, expected: &'static str, value: f64, good: bool| {
            if good { Ok(()) } else { Err(Error::range(NAME, argument, expected, value)) }
        };
        let unit = |beta: f64| (0.0..1.0).contains(&beta);
        let size = |value: f64| (value as f32).is_finite() && value >= 0.0;
        check("lr", "a finite number >= 0", self.lr, size(self.lr))?;
        check("beta1", "a number >= 0 and < 1", self.beta1, unit(self.beta1))?;
        check("beta2", "a number >= 0 and < 1", self.beta2, unit(self.beta2))?;
        check("eps", "a finite number > 0", self.eps, size(self.eps) && self.eps as f32 > 0.0)?;
        check("weight_decay", "a finite number >= 0", self.weight_decay, size(self.weight_decay))?;
        check("step", "at least 1", self.step as f64, self.step > 0)?;
        check("scale", "a finite number", self.scale, (self.scale as f32).is_finite())?;
        let seen = |beta: f64| 1.0 - beta.powf(self.step as f64);
        Ok(Factors {
            scale: self.scale,
            beta1: self.beta1,
            fresh1: 1.0 - self.beta1,
            beta2: self.beta2,
            fresh2: 1.0 - self.beta2,
            rate: self.lr / seen(self.beta1),
            correction: 1.0 / seen(self.beta2),
            eps: self.eps,
            keep: 1.0 - self.lr * self.weight_decay,
        })
    }
}

/// Moves the parameters `p` against their gradient `dp`, and brings its running mean `m` and mean square `v`, zeros at first, up to date.
///
/// # Errors
/// Tensors on another device than the stream, of different or other dtypes or shapes; `p`, `m` or `v` not row-major or sharing memory; an
/// argument out of its range; f64 on a GPU.
pub fn adamw(
    stream: &Stream,
    p: &mut Tensor,
    dp: &Tensor,
    m: &mut Tensor,
    v: &mut Tensor,
    args: &AdamW,
) -> Result<()> {
    check_tensor(NAME, "p", stream, p, DTYPES)?;
    for (argument, tensor) in [("dp", dp), ("m", &*m), ("v", &*v)] {
        check_device(NAME, argument, stream, tensor)?;
        check_same_dtype(NAME, argument, tensor, p)?;
        if tensor.dims() != p.dims() {
            return Err(Error::shape(NAME, argument, format!("{} as p", p.shape()), tensor.shape()));
        }
    }
    for (argument, tensor) in [("p", &mut *p), ("m", &mut *m), ("v", &mut *v)] {
        if !tensor.is_contiguous() {
            return Err(Error::layout(NAME, argument, "is written, so it must be row-major"));
        }
        if !tensor.is_exclusive() {
            return Err(Error::layout(
                NAME,
                argument,
                "is written, but its memory is shared with another tensor",
            ));
        }
    }
    let factors = args.factors()?;
    variants(NAME, stream.device(), p.dtype())?;
    match stream.device() {
        Device::Cpu => cpu::adamw(p, dp, m, v, &factors),
        _ => gpu::adamw(stream, p, dp, m, v, &factors),
    }
}

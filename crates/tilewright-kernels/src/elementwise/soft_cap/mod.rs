//! Smooth limit of logits to `(-cap, cap)`.
//!
//! # Math
//! ```text
//! out = cap tanh(x / cap)
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | any | any strides | f32, f16, bf16; f64 on the CPU |
//! | out | as x | row-major | as x |
//!
//! # Numerics
//! Computed in f32 (f64 for f64) and rounded once to the dtype, whatever its range: f16 never sees x / cap. `cap` is rounded to the
//! type of the computation. Where |x| <= 2^-12 cap (2^-26 for f64), tanh(y) is y to the last bit and x is returned as it is, so a huge cap costs no accuracy.
//! NaN passes through, infinities become cap with their sign. Deterministic. The tolerance is derived in `cases.rs`: 14 roundings, most of them of Metal's tanh.
//!
//! # Constraints
//! `cap` must be positive and finite in f32 (f64 for f64). f64 is refused by every GPU.
//!
//! # Sources
//! Gemma 2 (Gemma Team 2024, section 2): logit soft-capping, with caps 50 (attention) and 30 (final logits).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::elementwise::{SoftCap, soft_cap};
//! let x = Tensor::from_vec(vec![0.5f32, -1000.0, f32::INFINITY], [3])?;
//! let y = soft_cap(&Stream::cpu(), &x, &SoftCap { cap: 30.0 })?;
//! assert_eq!(y.to_vec::<f32>()?[1..], [-30.0, 30.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use crate::arguments::check_tensor;

const NAME: &str = "soft_cap";
pub(super) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// The arguments of [`soft_cap`] and [`soft_cap_bw`](super::soft_cap_bw()).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftCap {
    /// The limit that outputs approach, positive and finite.
    pub cap: f64,
}

impl Default for SoftCap {
    fn default() -> Self {
        SoftCap { cap: 30.0 }
    }
}

impl SoftCap {
    /// Refuses a cap that is not positive and finite in the type of the computation.
    pub(super) fn check(&self, operation: &'static str, dtype: DType) -> Result<()> {
        let cap = if dtype == DType::F64 { self.cap } else { f64::from(self.cap as f32) };
        if cap > 0.0 && cap.is_finite() {
            return Ok(());
        }
        let computed = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        Err(Error::range(operation, "cap", format!("positive and finite in {computed}"), self.cap))
    }
}

/// `cap tanh(x / cap)`, elementwise.
///
/// # Errors
/// `x` on another device than the stream or not of a floating dtype; `cap` not positive and finite; f64 on a GPU.
pub fn soft_cap(stream: &Stream, x: &Tensor, args: &SoftCap) -> Result<Tensor> {
    check_tensor(NAME, "x", stream, x, DTYPES)?;
    args.check(NAME, x.dtype())?;
    match stream.device() {
        Device::Cpu => cpu::soft_cap(x, args.cap),
        device => {
            cases::variants(NAME, device, x.dtype())?;
            gpu::soft_cap(stream, x, args.cap)
        }
    }
}

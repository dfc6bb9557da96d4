//! Gradient of [`soft_cap`](super::soft_cap()).
//!
//! # Math
//! ```text
//! dx = dy (1 - tanh(x / cap)^2) = dy sech(x / cap)^2 = dy 4 e / (1 + e)^2,  e = exp(-2 |x| / cap)
//! ```
//! The last form has no cancellation: far from 0 the gradient is small, not a difference of ones.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | dy | any | any strides | f32, f16, bf16; f64 on the CPU |
//! | x | as dy | any strides | as dy |
//! | dx | as dy | row-major | as dy |
//!
//! # Numerics
//! Computed in f32 (f64 for f64) and rounded once to the dtype. The factor is right relative to itself down to the smallest normal number of the
//! computation's type, below which it may be 0. An infinite x gives dx = 0 dy. NaN passes through. Deterministic.
//! The tolerance is derived in `cases.rs`: 20 roundings and 8 more per unit of 2 |x| / cap, by which exp amplifies the rounding of its argument.
//!
//! # Constraints
//! `cap` must be positive and finite in f32 (f64 for f64). f64 is refused by every GPU.
//!
//! # Sources
//! The derivative of the formula of [`soft_cap`](super::soft_cap()).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::elementwise::{SoftCap, soft_cap_bw};
//! let x = Tensor::from_vec(vec![0.0f32, f32::INFINITY], [2])?;
//! let dy = Tensor::from_vec(vec![3.0f32, 3.0], [2])?;
//! let dx = soft_cap_bw(&Stream::cpu(), &dy, &x, &SoftCap { cap: 30.0 })?;
//! assert_eq!(dx.to_vec::<f32>()?, [3.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::soft_cap::{DTYPES, SoftCap};
use crate::arguments::{check_device, check_same_dtype, check_tensor};

const NAME: &str = "soft_cap_bw";

/// The gradient by `x` of [`soft_cap`](super::soft_cap()), given `dy`, the gradient by its output.
///
/// # Errors
/// `dy` or `x` on another device than the stream, of no floating dtype or of different dtypes or shapes; `cap` not positive and
/// finite; f64 on a GPU.
pub fn soft_cap_bw(stream: &Stream, dy: &Tensor, x: &Tensor, args: &SoftCap) -> Result<Tensor> {
    check_tensor(NAME, "dy", stream, dy, DTYPES)?;
    check_device(NAME, "x", stream, x)?;
    check_same_dtype(NAME, "x", x, dy)?;
    if x.dims() != dy.dims() {
        return Err(Error::shape(NAME, "x", format!("{} as dy", dy.shape()), x.shape()));
    }
    args.check(NAME, x.dtype())?;
    match stream.device() {
        Device::Cpu => cpu::soft_cap_bw(dy, x, args.cap),
        device => {
            super::soft_cap::cases::variants(NAME, device, x.dtype())?;
            gpu::soft_cap_bw(stream, dy, x, args.cap)
        }
    }
}

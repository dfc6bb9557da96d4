//! Draws tokens from categorical distributions, given as logits or as probabilities.
//!
//! # Math
//! p = softmax(x), or x / (its sum); `ids[r, i]` = argmin of E(j) / p(j) in two heats, as [`sample`](crate::sample::sample()) without filters draws, with the noise of
//! `seeds[r]` and `positions[r] + i`.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[r, v]`, 1 <= v < 2^31 | row-major, others are copied | f32, f16, bf16 |
//! | seeds, positions | `[r]`: the bits of u64 | row-major | i64 |
//! | ids | `[r, draws]` | row-major | u32 |
//!
//! # Numerics
//! Defined to the bit, the same on every device: of logits the draws are those of [`sample`](crate::sample::sample()) at temperature 1. Probabilities need not add up to 1; sums of
//! tiles of 1024 are f32, in one order. Draws are independent of each other, with replacement. A row whose probabilities hold NaN, infinity or a
//! negative number, or are all 0, gives `u32::MAX`; so do logits with NaN or plus infinity, or minus infinity alone.
//!
//! # Constraints
//! One threadgroup a row on a GPU, which suits many rows, or many draws of one.
//!
//! # Sources
//! As [`sample`](crate::sample::sample()). `torch.multinomial` with replacement and `mx.random.categorical` are what it stands for.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::sample::{Categorical, categorical};
//!
//! let p = Tensor::from_vec(vec![0.0f32, 1.0, 0.0, 0.5, 0.0, 0.0], [2, 3])?;
//! let zeros = Tensor::from_vec(vec![0i64; 2], [2])?;
//! let args = Categorical { probabilities: true, draws: 2 };
//! assert_eq!(categorical(&Stream::cpu(), &p, &zeros, &zeros, &args)?.to_vec::<u32>()?, [1, 1, 0, 0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::arguments::check_tensor;

const NAME: &str = "categorical";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// Arguments of [`categorical`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Categorical {
    /// Whether x are probabilities; else they are logits. Default false.
    pub probabilities: bool,
    /// How many tokens to draw of each row. Default 1.
    pub draws: usize,
}

impl Default for Categorical {
    fn default() -> Self {
        Self { probabilities: false, draws: 1 }
    }
}

/// The drawn tokens. Fails on a shape, dtype or device that does not fit.
pub fn categorical(
    stream: &Stream,
    x: &Tensor,
    seeds: &Tensor,
    positions: &Tensor,
    args: &Categorical,
) -> Result<Tensor> {
    check_tensor(NAME, "x", stream, x, DTYPES)?;
    let &[rows, n] = x.dims() else {
        return Err(Error::shape(NAME, "x", "[r, v]", x.shape()));
    };
    if n == 0 || n > i32::MAX as usize {
        return Err(Error::shape(NAME, "x", "[r, v] with 1 <= v < 2^31", x.shape()));
    }
    for (name, tensor) in [("seeds", seeds), ("positions", positions)] {
        check_tensor(NAME, name, stream, tensor, &[DType::I64])?;
        if tensor.dims() != [rows] {
            return Err(Error::shape(NAME, name, format!("[{rows}]"), tensor.shape()));
        }
    }
    if args.draws > i32::MAX as usize {
        return Err(Error::range(NAME, "draws", "below 2^31", args.draws));
    }
    match stream.device() {
        Device::Cpu => cpu::categorical(x, seeds, positions, args),
        _ => gpu::categorical(stream, x, seeds, positions, args),
    }
}

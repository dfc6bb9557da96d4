//! Gradients of [`glu`](super::glu()).
//!
//! # Math
//! ```text
//! db = dy act(a)
//! da = dy b act'(a)      silu: act' = sigma(a) (1 + a sigma(-a));  sigmoid: act' = sigma(a) sigma(-a)
//! ```
//! With sigma(-a) in the place of 1 - sigma(a), nothing cancels.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | dy | any | any strides | f32, f16, bf16; f64 on the CPU |
//! | a, b | as dy | any strides | as dy |
//! | da, db | as dy | row-major | as dy |
//!
//! # Numerics
//! Computed in f32 (f64 for f64) and rounded once to the dtype. Deterministic. The tolerance is derived in `cases.rs`: 30 roundings.
//!
//! # Constraints
//! f64 is refused by every GPU.
//!
//! # Sources
//! The derivatives of the formulas of [`glu`](super::glu()).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::elementwise::{Glu, glu_bw};
//! let one = |value: f32| Tensor::from_vec(vec![value], [1]);
//! let (da, db) = glu_bw(&Stream::cpu(), &one(2.0)?, &one(0.0)?, &one(3.0)?, &Glu::default())?;
//! assert_eq!((da.to_vec::<f32>()?, db.to_vec::<f32>()?), (vec![3.0], vec![0.0]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Result, Stream, Tensor};

use super::glu::{Activation, Glu, check};

const NAME: &str = "glu_bw";

/// The gradients by `a` and by `b` of [`glu`](super::glu()), given `dy`, the gradient by its output.
///
/// # Errors
/// Tensors on another device than the stream, of different or other dtypes or shapes; f64 on a GPU.
pub fn glu_bw(stream: &Stream, dy: &Tensor, a: &Tensor, b: &Tensor, args: &Glu) -> Result<(Tensor, Tensor)> {
    check(NAME, stream, [("dy", dy), ("a", a), ("b", b)])?;
    let silu = args.activation == Activation::Silu;
    match stream.device() {
        Device::Cpu => cpu::glu_bw(dy, a, b, silu),
        _ => gpu::glu_bw(stream, dy, a, b, silu),
    }
}

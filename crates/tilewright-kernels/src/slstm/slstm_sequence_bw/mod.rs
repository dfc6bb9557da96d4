//! Gradients of [`slstm_sequence`](super::slstm_sequence()).
//!
//! # Math
//! From the last token to the first, with dh the gradient by a token's h from the loss and from the gates of the token after, and dc, dn those by c and n after it:
//! ```text
//! dc += o dh / n        dn -= o dh c / n^2
//! do = dh (c / n) o (1 - o)         dz = dc I (1 - tanh(z)^2)      by pre-activations
//! di = I (dc tanh(z) + dn)          df = F (dc c_before + dn n_before) (1 - sigma(f)), or without the last factor
//! dc_before = F dc      dn_before = F dn        I = exp(i - m), F = exp(log F + m_before - m)
//! dh_before[a] = sum over g, e of r[g, e, a] dx[g, e]
//! dr[g, e, a]  = sum over b, t of dx[b, t, g, e] h[b, t - 1, a]
//! ```
//! The gradient is exact. h does not depend on the stabiliser, so nothing goes back through m; a loss by the last c and n is one of the state that is meant, `c exp(m)`:
//! dc and dn are its gradients with m held constant, and that by the first m is `dc c + dn n`.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x, r, state | those of the forward form | any strides | f32, f16, bf16; f64 on the CPU |
//! | dh | `[b, nh, s, d]` | any strides | as x |
//! | by c, n and h of the last state, optional | `[b, nh, d]` | any strides | f32; f64 beside f64 |
//! | dx, dr | `[b, nh, s, 4, d]`, `[nh, 4, d, d]` | row-major | as x |
//! | dc, dn, dh, dm of the first state | `[b, nh, d]` | row-major | f32; f64 beside f64 |
//!
//! # Numerics
//! The forward pass runs again and keeps what each token made, 8 numbers a unit; then one pass backward, in f32 (f64 for f64); dr is one product of matrices over all tokens
//! of all sequences, in f32. Deterministic, without atomics.
//!
//! # Constraints
//! Those of the forward form.
//!
//! # Sources
//! The chain rule over the equations of [`slstm_sequence`](super::slstm_sequence()).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::slstm::{Slstm, SlstmLoss, slstm_sequence_bw};
//!
//! // One token of one unit: h = sigma(o) tanh(z), whatever the other gates are.
//! let x = Tensor::zeros(DType::F32, [1, 1, 1, 4, 1])?;
//! let r = Tensor::zeros(DType::F32, [1, 4, 1, 1])?;
//! let dh = Tensor::from_vec(vec![1.0f32], [1, 1, 1, 1])?;
//! let loss = SlstmLoss { h: &dh, last: None };
//! let by = slstm_sequence_bw(&Stream::cpu(), &x, &r, None, &loss, &Slstm::default())?;
//! assert_eq!(by.x.to_vec::<f32>()?, [0.5, 0.0, 0.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::cell::{Sizes, accumulator, check, check_one, variants};
use super::{Slstm, SlstmState};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "slstm_sequence_bw";

/// The gradients of a loss by what the forward form gave.
#[derive(Debug, Clone, Copy)]
pub struct SlstmLoss<'a> {
    /// By h, `[b, nh, s, d]`, in the dtype of x.
    pub h: &'a Tensor,
    /// By c, n and h of the last state, `[b, nh, d]` each, f32 (f64 beside f64); `None` is zeros.
    pub last: Option<[&'a Tensor; 3]>,
}

/// The gradients of a loss by what the forward form took, each with the shape and dtype of what it is by.
#[derive(Debug, Clone)]
pub struct SlstmGradients {
    /// By the pre-activations.
    pub x: Tensor,
    /// By the recurrent weights.
    pub r: Tensor,
    /// By the state before the first token, also where that was none.
    pub state: SlstmState,
}

/// The gradients of a loss by x, r and the initial state of [`slstm_sequence`](super::slstm_sequence()).
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; f64, or d above 1,024, on a GPU.
pub fn slstm_sequence_bw(
    stream: &Stream,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    loss: &SlstmLoss<'_>,
    cell: &Slstm,
) -> Result<SlstmGradients> {
    let sizes = check(NAME, stream, x, r, state)?;
    check_one(NAME, "dh", stream, loss.h, &sizes.h(), x.dtype())?;
    for (argument, part) in ["dc_last", "dn_last", "dh_last"].into_iter().zip(loss.last.into_iter().flatten())
    {
        check_one(NAME, argument, stream, part, &sizes.state(), accumulator(x.dtype()))?;
    }
    variants(NAME, stream.device(), x.dtype())?;
    match stream.device() {
        Device::Cpu => cpu::slstm_sequence_bw(stream, &sizes, x, r, state, loss, cell),
        _ => gpu::slstm_sequence_bw(stream, &sizes, x, r, state, loss, cell),
    }
}

/// The gradient by r: of each head, `dpre [b s, 4 d]` transposed times the h that its gates saw, `[b s, d]`.
fn by_weights(stream: &Stream, sizes: &Sizes, dpre: &Tensor, seen: &Tensor, out: DType) -> Result<Tensor> {
    let Sizes { b, nh, s, d } = *sizes;
    let (dpre, seen) = (dpre.reshape([nh, b * s, 4 * d])?, seen.reshape([nh, b * s, d])?);
    let args = Matmul { transpose_a: true, out_dtype: Some(out), ..Matmul::default() };
    matmul(stream, &dpre, &seen, None, &args)?.reshape(sizes.r())
}

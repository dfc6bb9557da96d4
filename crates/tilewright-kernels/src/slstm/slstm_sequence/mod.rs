//! One token of the sLSTM after another, in one launch.
//!
//! # Math
//! For each unit e of a head, with h the outputs of the head's units at the token before:
//! ```text
//! z = tanh(x_z + r_z h)      i = x_i + r_i h      f = x_f + r_f h      o = sigma(x_o + r_o h)
//! m' = max(log F + m, i)                          F = sigma(f), or exp(f)
//! c' = exp(log F + m - m') c + exp(i - m') z
//! n' = exp(log F + m - m') n + exp(i - m')
//! h' = o c' / n'
//! ```
//! where `r_g h` of unit e is `sum over a of r[head, g, e, a] h[a]`: units see those of their own head alone.
//!
//! Without a state a sequence starts with h = 0 and n = 0. A unit with n = 0 has seen nothing: its m' is i, whatever m was, and its h is 0 as long as all its i are -inf.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x: z, i, f and o of the token itself, biases in them | `[b, nh, s, 4, d]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | r | `[nh, 4, d, d]` | any strides | as x |
//! | h | `[b, nh, s, d]` | row-major | as x |
//! | state c, n, h, m | `[b, nh, d]` | any strides | f32; f64 beside f64 |
//! | last state | `[b, nh, d]` | row-major | as the state |
//!
//! # Numerics
//! All arithmetic is in f32 (f64 for f64); the h that the next token sees is not rounded to the dtype of x. Gates enter as logarithms, so that pre-activations of +-100 leave
//! everything finite; i = -inf leaves a token out. The products are summed from the first unit to the last, so that a sequence in pieces has the bits of the whole.
//! Deterministic. The tolerance is a running error analysis, in the truth itself, relative to the stabilisers as they were rounded.
//!
//! # Constraints
//! Any extents, 0 included. On a GPU d is at most 1,024 and f64 is refused. A head's r is kept in threadgroup memory where it fits beside the rest: 4 d^2 elements.
//!
//! # Sources
//! Beck et al., xLSTM, arXiv 2405.04517, section 2.2, equations 8 to 17 and appendix A.1; the stabiliser is that of equations 15 to 17.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::slstm::{Slstm, slstm_sequence};
//!
//! // Two tokens of one head of one unit, whose gates do not see its output.
//! let x = Tensor::from_vec(vec![0.5f32, 0.0, 40.0, 40.0, -0.5, 0.0, 40.0, 40.0], [1, 1, 2, 4, 1])?;
//! let r = Tensor::zeros(DType::F32, [1, 4, 1, 1])?;
//! let (h, state) = slstm_sequence(&Stream::cpu(), &x, &r, None, &Slstm::default())?;
//! // Nothing is forgotten: c and n are sums, h their quotient.
//! assert_eq!(state.n.to_vec::<f32>()?, [2.0]);
//! let h = h.to_vec::<f32>()?;
//! assert!((h[0] - 0.5f32.tanh()).abs() < 1e-6 && h[1].abs() < 1e-6);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
pub(super) mod cpu;
pub(super) mod gpu;
pub(super) mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Result, Stream, Tensor};

use super::cell::{check, variants};
use super::{Slstm, SlstmState};

const NAME: &str = "slstm_sequence";

/// h, and the state after the last token, from `state`, or from nothing.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; f64, or d above 1,024, on a GPU.
pub fn slstm_sequence(
    stream: &Stream,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    cell: &Slstm,
) -> Result<(Tensor, SlstmState)> {
    let sizes = check(NAME, stream, x, r, state)?;
    variants(NAME, stream.device(), x.dtype())?;
    match stream.device() {
        Device::Cpu => cpu::slstm_sequence(&sizes, x, r, state, cell),
        _ => gpu::slstm_sequence(stream, &sizes, x, r, state, cell),
    }
}

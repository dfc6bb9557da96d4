//! One token of the sLSTM: the new state and what is read from it, in one launch.
//!
//! # Math
//! With F = `sigma(f)` or `exp(f)`, and the pre-activations of each gate `x + r h`:
//! ```text
//! m' = max(log F + m, i)
//! c' = exp(log F + m - m') c + exp(i - m') tanh(z)
//! n' = exp(log F + m - m') n + exp(i - m')
//! h' = sigma(o) c' / n'
//! ```
//! This is [`slstm_sequence`](super::slstm_sequence()) of one token, which says more.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x: z, i, f and o | `[b, nh, 4, d]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | r | `[nh, 4, d, d]` | any strides | as x |
//! | h | `[b, nh, d]` | row-major | as x |
//! | state c, n, h, m, before and after | `[b, nh, d]` | any strides; after it row-major | f32; f64 beside f64 |
//!
//! # Numerics
//! As [`slstm_sequence`](super::slstm_sequence()): many steps are a sequence, bit for bit, on the same device.
//!
//! # Constraints
//! Any extents, 0 included. On a GPU d is at most 1,024, and f64 is refused.
//!
//! # Sources
//! Those of [`slstm_sequence`](super::slstm_sequence()).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::slstm::{Slstm, SlstmState, slstm_step};
//!
//! let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
//! let part = zeros(&[1, 1, 2])?;
//! let state = SlstmState { c: part.clone(), n: part.clone(), h: part.clone(), m: part };
//! let x = Tensor::from_vec(vec![9f32, -9.0, 3.0, 3.0, 0.0, 0.0, 9.0, 9.0], [1, 1, 4, 2])?;
//! let (h, state) = slstm_step(&Stream::cpu(), &x, &zeros(&[1, 4, 2, 2])?, &state, &Slstm::default())?;
//! // The first token is all there is: its input gate is the stabiliser, and n is 1.
//! assert_eq!((state.m.to_vec::<f32>()?, state.n.to_vec::<f32>()?), (vec![3.0; 2], vec![1.0; 2]));
//! assert!(h.to_vec::<f32>()?.iter().all(|h| h.abs() > 0.99));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::{Slstm, SlstmState, slstm_sequence};

const NAME: &str = "slstm_step";

/// h and the state after the token, from the `state` before it.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; f64, or d above 1,024, on a GPU.
pub fn slstm_step(
    stream: &Stream,
    x: &Tensor,
    r: &Tensor,
    state: &SlstmState,
    cell: &Slstm,
) -> Result<(Tensor, SlstmState)> {
    let &[b, nh, _, d] = x.dims() else {
        return Err(Error::shape(NAME, "x", "[b, nh, 4, d]", x.shape()));
    };
    let token = x.unsqueeze(2)?;
    let made = slstm_sequence(stream, &token, r, Some(state), cell);
    let (h, next) = made.map_err(|error| error.within(NAME))?;
    Ok((h.reshape([b, nh, d])?, next))
}

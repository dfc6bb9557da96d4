//! The second part of [`mlstm_chunkwise`](super::mlstm_chunkwise()): what the queries read, from the states between chunks.
//!
//! # Math
//! With the states of [`mlstm_states`](super::mlstm_states()), phi = log sigma(f), b_t its sum from the start of the stretch to t, and C, n, m the state there:
//! ```text
//! D_tj = b_t - b_j + i_j (j <= t)
//! M_t  = max(b_t + m, max_j D_tj)                                            the stabiliser
//! S_tj = scale q_t . k_j exp(D_tj - M_t)
//! z_t  = scale exp(b_t + m - M_t) q_t . n + sum_j S_tj
//! N_t  = max(|z_t|, exp(-M_t))                                               the denominator, without eps
//! h_t  = (scale exp(b_t + m - M_t) q_tᵀ C + sum_j S_tj v_j) / (N_t + eps)    times sigma(o_t) where output gates are given
//! ```
//! Without normalisation N = exp(-M), and nothing is added to it. `chunk` and `every` are those that the states were made with.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, o | `[b, nh, s, dv]` | any strides | as q |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | states | `[b, nh, e, dqk, dv]`, `[b, nh, e, dqk]`, `[b, nh, e]`, e = ceil(s / (chunk every)) + 1 | any strides | as i |
//! | h | `[b, nh, s, dv]` | row-major | as q |
//! | N, M | `[b, nh, s]` | row-major | as i |
//!
//! # Numerics
//! As [`mlstm_chunkwise`](super::mlstm_chunkwise()) with chunks of a stretch. N and M are f32 (f64) whatever the data; N is infinite where exp(-M) is beyond their range,
//! which h, a quotient times exp(M), is not touched by. The result is independent of the stretches but for rounding; work within one grows with its length.
//!
//! # Constraints
//! Any extents, 0 included. The states must be those of these gates: on a GPU m within the sequence is made again from the first one. On a GPU f64 is refused, and
//! f = -inf counts as -16384.
//!
//! - `portable`: every GPU.
//! - `simdgroup`: the same on Metal, by `simdgroup_matrix` of floats. It has run emulated only.
//!
//! # Sources
//! Beck et al., Tiled Flash Linear Attention, arXiv 2503.14376, section 3: the outputs of a chunk.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{Mlstm, MlstmInputs, MlstmParts, mlstm_outputs, mlstm_sequence, mlstm_states};
//!
//! let waves = |shape: &[usize]| {
//!     let values: Vec<f64> = (0..shape.iter().product()).map(|x| (x as f64).sin()).collect();
//!     Tensor::from_f64(&values, DType::F32, shape)
//! };
//! let (q, k, v) = (waves(&[1, 2, 50, 4])?, waves(&[1, 2, 50, 4])?, waves(&[1, 2, 50, 3])?);
//! let (i, f) = (waves(&[1, 2, 50])?, waves(&[1, 2, 50])?);
//! let (stream, args) = (Stream::cpu(), MlstmParts { chunk: 16, ..MlstmParts::default() });
//! let states = mlstm_states(&stream, &k, &v, &i, &f, None, &args)?;
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let read = mlstm_outputs(&stream, &x, &states, &args)?;
//! let (by_steps, _) = mlstm_sequence(&stream, &x, None, &Mlstm::default())?;
//! for (a, b) in read.h.to_vec::<f32>()?.iter().zip(by_steps.to_vec::<f32>()?) {
//!     assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()));
//! }
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::parts::Part;
use super::{MlstmInputs, MlstmParts, MlstmStates};

const NAME: &str = "mlstm_outputs";

/// What [`mlstm_outputs()`] gives.
#[derive(Debug, Clone)]
pub struct MlstmOutputs {
    /// What was read, `[b, nh, s, dv]`, in the dtype of q.
    pub h: Tensor,
    /// N: what it was divided by, without eps, `[b, nh, s]`, f32 (f64 beside f64).
    pub denominators: Tensor,
    /// M, `[b, nh, s]`.
    pub stabilisers: Tensor,
}

/// h with its denominators and stabilisers, from the states at the ends of all stretches.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64 on a GPU.
pub fn mlstm_outputs(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    args: &MlstmParts,
) -> Result<MlstmOutputs> {
    run(stream, None, x, states, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    args: &MlstmParts,
) -> Result<MlstmOutputs> {
    let part = Part::new(NAME, stream, variant, x, args, true)?;
    part.check_states(states)?;
    if part.on_host() { cpu::mlstm_outputs(&part, x, states) } else { gpu::mlstm_outputs(&part, x, states) }
}

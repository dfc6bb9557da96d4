//! The mLSTM as a recurrence: one token after another, on the device in one launch.
//!
//! # Math
//! With phi_t = log sigma(f_t), and C_0, n_0, m_0 the initial state, or zeros:
//! ```text
//! m_t = max(phi_t + m_{t-1}, i_t)
//! C_t = exp(phi_t + m_{t-1} - m_t) C_{t-1} + exp(i_t - m_t) k_t v_tᵀ
//! n_t = exp(phi_t + m_{t-1} - m_t) n_{t-1} + exp(i_t - m_t) k_t
//! h_t = scale q_tᵀ C_t / (max(|scale q_t . n_t|, exp(-m_t)) + eps)
//! ```
//! A sigmoid input gate puts log sigma(i_t) in the place of i_t and 0 in that of m_t. Without normalisation `h_t = scale q_tᵀ C_t exp(m_t)`.
//! With a cap, `cap tanh(x / cap)` is put in the place of i_t and f_t. With an output gate, h_t is multiplied by sigma(o_t).
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, o | `[b, nh, s, dv]` | any strides | as q |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | C | `[b, nh, dqk, dv]` | any strides; row-major as an output | f32, bf16; f64 beside f64 |
//! | n, m | `[b, nh, dqk]`, `[b, nh]` | as C | f32; f64 beside f64 |
//! | h | `[b, nh, s, dv]` | row-major | as q |
//!
//! # Numerics
//! States and sums are f32 (f64 for f64) whatever the dtype of the data; h is rounded once. m keeps every exponential at or below 1, and where exp(-m) would
//! overflow the fraction is written with exp(m), so gates of +-100 and beyond stay finite; i = -inf leaves a token out, f = -inf forgets everything before it.
//! What is meant by a state is (C exp(m), n exp(m)): adding a constant to m_0 and dividing C_0 and n_0 by its exponential changes h only through eps.
//! C leaves with the dtype of the C that came (f32 where none did). Of bf16 it is widened before the first token and rounded once, after the last: half of the
//! bytes between calls, for a relative 2^-9 of each element a call. n and m have no such choice: they are one part in dv, and m is an exponent.
//! Deterministic. The tolerance is a running error analysis (`reference.rs`): the roundings of each exponent, exponential, product and sum, carried along
//! the recurrence with the weights that they have.
//!
//! # Constraints
//! Any extents, 0 included. On a GPU dqk is at most 1,024, and f64 is refused.
//!
//! # Sources
//! Beck et al., xLSTM: Extended Long Short-Term Memory, arXiv 2405.04517, equations 19 to 27. Beck et al., Tiled Flash Linear Attention, arXiv 2503.14376: the
//! sigmoid input gate. Beck et al., xLSTM 7B, arXiv 2503.13427: the soft cap of gates.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{Mlstm, MlstmInputs, mlstm_sequence};
//!
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let (q, k, v) = (ones(&[1, 1, 3, 4])?, ones(&[1, 1, 3, 4])?, ones(&[1, 1, 3, 2])?);
//! let (i, f) = (ones(&[1, 1, 3])?, ones(&[1, 1, 3])?);
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let (h, state) = mlstm_sequence(&Stream::cpu(), &x, None, &Mlstm::default())?;
//! // All values are 1, so their weighted mean is.
//! assert!(h.to_vec::<f32>()?.iter().all(|h| (h - 1.0).abs() < 1e-5));
//! let (more, _) = mlstm_sequence(&Stream::cpu(), &x, Some(&state), &Mlstm::default())?;
//! assert_eq!(more.dims(), [1, 1, 3, 2]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
pub(super) mod cpu;
pub(super) mod gpu;
pub(super) mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::cell::{StoredC, check, check_one, variants};
use super::{Mlstm, MlstmInputs, MlstmState};

const NAME: &str = "mlstm_sequence";

/// h, and the state after the last token, from `state`, or from zeros.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64, or dqk above 1,024, on a GPU.
pub fn mlstm_sequence(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
) -> Result<(Tensor, MlstmState)> {
    let sizes = check(NAME, stream, x, state, StoredC::OrBf16, cell)?;
    variants(NAME, stream.device(), x.q.dtype())?;
    match stream.device() {
        Device::Cpu => cpu::mlstm_sequence(&sizes, x, state, cell),
        _ => gpu::mlstm_sequence(stream, &sizes, x, state, cell),
    }
}

/// h; the state becomes that after the last token, and on a GPU C stays where it lies. n and m go to `next`, where it is given, and those of the state stay.
pub(super) fn mlstm_sequence_in_place(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    state: &mut MlstmState,
    mut next: Option<[&mut Tensor; 2]>,
    cell: &Mlstm,
) -> Result<Tensor> {
    let sizes = check(NAME, stream, x, Some(state), StoredC::OrBf16, cell)?;
    variants(NAME, stream.device(), x.q.dtype())?;
    let written = |argument: &'static str, tensor: &mut Tensor| {
        if tensor.is_contiguous() && tensor.is_exclusive() {
            return Ok(());
        }
        let why = "is written, so it must be row-major and share its memory with no other tensor";
        Err(Error::layout(NAME, argument, why))
    };
    written("c", &mut state.c)?;
    if let Some([n, m]) = &mut next {
        check_one(NAME, "next n", stream, n, &sizes.n(), state.n.dtype())?;
        check_one(NAME, "next m", stream, m, &sizes.m(), state.m.dtype())?;
        written("next n", n)?;
        written("next m", m)?;
    }
    if stream.device() != Device::Cpu {
        return gpu::mlstm_sequence_in_place(stream, &sizes, x, state, next, cell);
    }
    let (h, after) = cpu::mlstm_sequence(&sizes, x, Some(state), cell)?;
    match next {
        None => *state = after,
        Some([n, m]) => (state.c, *n, *m) = (after.c, after.n, after.m),
    }
    Ok(h)
}

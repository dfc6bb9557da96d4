//! One token of the mLSTM: the new state and what is read from it, in one launch.
//!
//! # Math
//! With phi = log sigma(f):
//! ```text
//! m' = max(phi + m, i)
//! C' = exp(phi + m - m') C + exp(i - m') k vᵀ
//! n' = exp(phi + m - m') n + exp(i - m') k
//! h  = scale qᵀ C' / (max(|scale q . n'|, exp(-m')) + eps)
//! ```
//! The variations are those of [`mlstm_sequence`](super::mlstm_sequence()), of which this is the case s = 1.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, o, h | `[b, nh, dv]` | any strides; h row-major | as q |
//! | i, f | `[b, nh]` | any strides | f32; f64 beside f64 |
//! | C, C' | `[b, nh, dqk, dv]` | any strides; C' row-major | f32, bf16; f64 beside f64 |
//! | n, n' and m, m' | `[b, nh, dqk]`, `[b, nh]` | as C | f32; f64 beside f64 |
//!
//! # Numerics
//! As [`mlstm_sequence`](super::mlstm_sequence()): many steps are a sequence, bit for bit, on the same device. With C of bf16 they are one whose C is rounded
//! after each token: h is read before it is, and a token's rounding is forgotten as the token is, so that errors stay near 2^-9 of what C remembers, times
//! the root of the number of tokens that it does. A step then moves half of the bytes.
//!
//! # Constraints
//! Any extents, 0 included. On a GPU dqk is at most 1,024, and f64 is refused.
//!
//! # Sources
//! Those of [`mlstm_sequence`](super::mlstm_sequence()).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{Mlstm, MlstmInputs, MlstmState, mlstm_step};
//!
//! let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let state = MlstmState { c: zeros(&[1, 1, 4, 2])?, n: zeros(&[1, 1, 4])?, m: zeros(&[1, 1])? };
//! let (q, k, v) = (ones(&[1, 1, 4])?, ones(&[1, 1, 4])?, ones(&[1, 1, 2])?);
//! let (i, f) = (ones(&[1, 1])?, ones(&[1, 1])?);
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let (h, state) = mlstm_step(&Stream::cpu(), &x, &state, &Mlstm::default())?;
//! assert_eq!(h.dims(), [1, 1, 2]);
//! assert_eq!(state.m.to_vec::<f32>()?, [1.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::mlstm_sequence::mlstm_sequence_in_place;
use super::{Mlstm, MlstmInputs, MlstmState, mlstm_sequence};

const NAME: &str = "mlstm_step";

/// h and the state after the token, from the `state` before it.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64, or dqk above 1,024, on a GPU.
pub fn mlstm_step(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    state: &MlstmState,
    cell: &Mlstm,
) -> Result<(Tensor, MlstmState)> {
    let (h, next) = with_token(x, |token| mlstm_sequence(stream, token, Some(state), cell))?;
    Ok((without_axis(h)?, next))
}

/// h. The `state` becomes that after the token; on a GPU its C is overwritten where it lies, so that no second one is needed.
///
/// # Errors
/// As [`mlstm_step()`]; and a C that is not row-major, or shares its memory with another tensor. The state is then as it was.
pub fn mlstm_step_in_place(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    state: &mut MlstmState,
    cell: &Mlstm,
) -> Result<Tensor> {
    without_axis(with_token(x, |token| mlstm_sequence_in_place(stream, token, state, None, cell))?)
}

/// h. C becomes that after the token, on a GPU where it lies; n and m of the state stay, and those after the token go to `next`, of their shapes: all parts
/// of a head read them while one part writes. With two pairs that take turns a step allocates no state and copies none.
///
/// # Errors
/// As [`mlstm_step_in_place()`]; and a `next` of other shapes or another dtype, not row-major, or sharing its memory.
pub fn mlstm_step_into(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    state: &mut MlstmState,
    next: [&mut Tensor; 2],
    cell: &Mlstm,
) -> Result<Tensor> {
    without_axis(with_token(x, |token| mlstm_sequence_in_place(stream, token, state, Some(next), cell))?)
}

/// Runs the sequence of one token.
fn with_token<T>(x: &MlstmInputs<'_>, run: impl FnOnce(&MlstmInputs<'_>) -> Result<T>) -> Result<T> {
    let one = |argument: &'static str, shape: &'static str, tensor: &Tensor| {
        if tensor.rank() != shape.split(',').count() {
            return Err(Error::shape(NAME, argument, shape, tensor.shape()));
        }
        tensor.unsqueeze(2)
    };
    let (q, k) = (one("q", "[b, nh, dqk]", x.q)?, one("k", "[b, nh, dqk]", x.k)?);
    let (v, o) = (one("v", "[b, nh, dv]", x.v)?, x.o.map(|o| one("o", "[b, nh, dv]", o)).transpose()?);
    let (i, f) = (one("i", "[b, nh]", x.i)?, one("f", "[b, nh]", x.f)?);
    run(&MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: o.as_ref() }).map_err(|error| error.within(NAME))
}

fn without_axis(h: Tensor) -> Result<Tensor> {
    let &[b, nh, _, dv] = h.dims() else { unreachable!("h is as v") };
    h.reshape([b, nh, dv])
}

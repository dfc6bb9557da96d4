//! The last part of [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()): the gradients of the gates, from all others.
//!
//! # Math
//! With F_e = <C_e, dC_e> + <n_e, dn_e> at the end e of a token's stretch, which seeds the sum:
//! ```text
//! di_t = k_t . dk_t
//! df_t = sigma(-f_t) (F_e + sum_{t<=u<=e} (q_u . dq_u - k_u . dk_u))
//! dm   = F_0                                                             by the m of the first state
//! ```
//! A sigmoid input gate multiplies di by sigma(-i), a cap both by its derivative. With one stretch the sum goes over the whole sequence, from
//! <C, dC> + <n, dn> after the last token.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | dq, dk | `[b, nh, s, dqk]` | any strides | both as q, or both as i |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | C, n | `[b, nh, e, dqk, dv]`, `[b, nh, e, dqk]`, e = ceil(s / (chunk every)) + 1 | any strides | as i |
//! | dC, dn | as C, n | any strides | as i |
//! | di, df, dm | `[b, nh, s]`, `[b, nh, s]`, `[b, nh]` | row-major | as i |
//!
//! # Numerics
//! Sums are f32 on a GPU; on the CPU products are f32 (f64 for f64) and the sum over tokens f64. Both products of df are large where their difference is small: dq and dk
//! that were rounded to 16 bits cost it digits, so take them as [`MlstmPartsBw::wide`](super::MlstmPartsBw::wide) gives them. Errors grow with a stretch, not
//! with s. Deterministic.
//!
//! # Constraints
//! Any extents, 0 included. On a GPU f64 is refused.
//!
//! # Sources
//! Derived in [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()), and judged by central differences there.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::*;
//!
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let (q, k, v) = (ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 2])?);
//! let (i, f) = (ones(&[1, 1, 9])?, ones(&[1, 1, 9])?);
//! let (stream, parts) = (Stream::cpu(), MlstmParts { chunk: 4, ..MlstmParts::default() });
//! let states = mlstm_states(&stream, &k, &v, &i, &f, None, &parts)?;
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let args = MlstmPartsBw { parts, wide: true, ..MlstmPartsBw::default() };
//! let by_states = mlstm_bw_states(&stream, &x, &states, &MlstmLoss { h: &v, c: None, n: None }, &args)?;
//! let dq = mlstm_bw_q(&stream, &x, &states, &v, &args)?;
//! let dk = mlstm_bw_k(&stream, &x, &states, &by_states, &v, &args)?;
//! let gates = MlstmGateInputs { q: &q, k: &k, i: &i, f: &f, dq: &dq, dk: &dk };
//! let by = mlstm_bw_gates(&stream, &gates, &states, &by_states, &parts)?;
//! // h is a weighted mean of values that are all alike: no gate can change it.
//! assert!(by.f.to_vec::<f32>()?.iter().all(|df| df.abs() < 1e-5));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::cell::{DTYPES, Sizes, accumulator, check_one};
use super::parts::Part;
use super::{MlstmParts, MlstmStateGradients, MlstmStates};
use crate::arguments::{check_dtype, check_tensor};

const NAME: &str = "mlstm_bw_gates";

/// What the gradients of the gates are made of, beside states and their gradients.
#[derive(Debug, Clone, Copy)]
pub struct MlstmGateInputs<'a> {
    /// Queries, `[b, nh, s, dqk]`.
    pub q: &'a Tensor,
    /// Keys, `[b, nh, s, dqk]`.
    pub k: &'a Tensor,
    /// Pre-activations of the input gate, `[b, nh, s]`, f32 (f64 beside f64).
    pub i: &'a Tensor,
    /// Pre-activations of the forget gate, `[b, nh, s]`.
    pub f: &'a Tensor,
    /// The gradient by the queries, in their dtype or in that of the gates.
    pub dq: &'a Tensor,
    /// That by the keys, in the dtype of dq.
    pub dk: &'a Tensor,
}

/// The gradients of a loss by the gates.
#[derive(Debug, Clone)]
pub struct MlstmGateGradients {
    /// By the pre-activations of the input gate, `[b, nh, s]`, f32 (f64 beside f64).
    pub i: Tensor,
    /// By the pre-activations of the forget gate, `[b, nh, s]`.
    pub f: Tensor,
    /// By m of the first state, `[b, nh]`.
    pub m: Tensor,
}

/// The gradients of a loss by the gates, from those by queries, keys and states. Of the states m is not looked at.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64 on a GPU.
pub fn mlstm_bw_gates(
    stream: &Stream,
    x: &MlstmGateInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
    args: &MlstmParts,
) -> Result<MlstmGateGradients> {
    run(stream, None, x, states, gradients, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    x: &MlstmGateInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
    args: &MlstmParts,
) -> Result<MlstmGateGradients> {
    check_tensor(NAME, "q", stream, x.q, DTYPES)?;
    let &[b, nh, s, dqk] = x.q.dims() else {
        return Err(Error::shape(NAME, "q", "[b, nh, s, dqk]", x.q.shape()));
    };
    let &[_, _, _, _, dv] = states.c.dims() else {
        return Err(Error::shape(NAME, "c_states", "[b, nh, e, dqk, dv]", states.c.shape()));
    };
    let (sizes, data) = (Sizes { b, nh, s, dqk, dv }, x.q.dtype());
    let sums = accumulator(data);
    let one =
        |argument, tensor, dims: &[usize], dtype| check_one(NAME, argument, stream, tensor, dims, dtype);
    one("k", x.k, &sizes.keys(), data)?;
    one("i", x.i, &sizes.gates(), sums)?;
    one("f", x.f, &sizes.gates(), sums)?;
    check_dtype(NAME, "dq", x.dq.dtype(), &[data, sums])?;
    one("dq", x.dq, &sizes.keys(), x.dq.dtype())?;
    one("dk", x.dk, &sizes.keys(), x.dq.dtype())?;
    args.cell.check(NAME)?;
    let part = Part::of(NAME, stream, variant, (sizes, data), args, false)?;
    part.check_pair(["c_states", "n_states"], [&states.c, &states.n])?;
    part.check_gradients(gradients)?;
    match part.on_host() {
        true => cpu::mlstm_bw_gates(&part, x, states, gradients),
        false => gpu::mlstm_bw_gates(&part, x, states, gradients),
    }
}

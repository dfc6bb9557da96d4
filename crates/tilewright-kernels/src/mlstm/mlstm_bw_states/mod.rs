//! The first part of [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()): the gradients of the states between chunks.
//!
//! # Math
//! With r = 1 / (N + eps) and z of [`mlstm_outputs`](super::mlstm_outputs()), g_t = r_t dh_t, dz_t = -sign(z_t) r_t dh_t . h_t where |z_t| > exp(-m_t), otherwise 0,
//! and the sums over the tokens t of the stretch between the states C, m and C', m':
//! ```text
//! dC = exp(g + m - m') dC' + sum_t scale exp(b_t + m - m_t) q_t g_tᵀ       b_t the sum of log sigma(f) from the stretch's start to t, g that to its end
//! dn = exp(g + m - m') dn' + sum_t scale exp(b_t + m - m_t) q_t dz_t
//! ```
//! from dC and dn after the last token, or zeros, to those of the first state: entry j belongs to entry j of the states. m is held constant, see
//! [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()); with [`NormInvariant`](super::MlstmBackward::NormInvariant) so are the denominators, dz = 0.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, dh | `[b, nh, s, dv]` | any strides | as q |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | states | `[b, nh, e, dqk, dv]`, `[b, nh, e, dqk]`, `[b, nh, e]`, e = ceil(s / (chunk every)) + 1 | any strides | as i |
//! | dC, dn after the last token | `[b, nh, dqk, dv]`, `[b, nh, dqk]` | any strides | as i |
//! | dC, dn | `[b, nh, e, dqk, dv]`, `[b, nh, e, dqk]` | row-major | as i |
//!
//! # Numerics
//! As [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()) with chunks of a stretch. Nothing but the states is kept of the forward form: denominators are made again
//! from them. Deterministic.
//!
//! # Constraints
//! As [`mlstm_outputs`](super::mlstm_outputs()). dh is by h before output gates: they are refused.
//!
//! # Sources
//! Beck et al., Tiled Flash Linear Attention, arXiv 2503.14376, appendix: the recurrence of dC. That of dn is derived in
//! [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{MlstmInputs, MlstmLoss, MlstmParts, MlstmPartsBw, mlstm_bw_states, mlstm_states};
//!
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let (q, k, v) = (ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 2])?);
//! let (i, f) = (ones(&[1, 1, 9])?, ones(&[1, 1, 9])?);
//! let (stream, parts) = (Stream::cpu(), MlstmParts { chunk: 4, ..MlstmParts::default() });
//! let states = mlstm_states(&stream, &k, &v, &i, &f, None, &parts)?;
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let loss = MlstmLoss { h: &v, c: None, n: None };
//! let args = MlstmPartsBw { parts, ..MlstmPartsBw::default() };
//! let by = mlstm_bw_states(&stream, &x, &states, &loss, &args)?;
//! assert_eq!(by.c.dims(), states.c.dims());
//! // Nothing reads the state after the last token.
//! assert!(by.c.slice(2, 3..4)?.to_vec::<f32>()?.iter().all(|&dc| dc == 0.0));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream};

use super::cell::check_gradient;
use super::parts::Part;
use super::{MlstmBackward, MlstmInputs, MlstmLoss, MlstmPartsBw, MlstmStateGradients, MlstmStates};

const NAME: &str = "mlstm_bw_states";

/// The gradients of a loss by the states at the ends of all stretches.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an output gate; an argument out of its range; f64 on a GPU.
pub fn mlstm_bw_states(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    loss: &MlstmLoss<'_>,
    args: &MlstmPartsBw,
) -> Result<MlstmStateGradients> {
    run(stream, None, x, states, loss, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    loss: &MlstmLoss<'_>,
    args: &MlstmPartsBw,
) -> Result<MlstmStateGradients> {
    let part = Part::new(NAME, stream, variant, x, &args.parts, false)?;
    part.check_states(states)?;
    part.check_loss(loss.h, x.q.dtype())?;
    check_gradient(NAME, "dc_last", stream, loss.c, &part.sizes.c(), part.sums)?;
    check_gradient(NAME, "dn_last", stream, loss.n, &part.sizes.n(), part.sums)?;
    match part.on_host() {
        true => cpu::mlstm_bw_states(&part, x, states, loss, args.mode),
        false => gpu::mlstm_bw_states(&part, x, states, loss, args.mode == MlstmBackward::Exact),
    }
}

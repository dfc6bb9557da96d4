//! The gradient of [`mlstm_chunkwise`](super::mlstm_chunkwise()) by its values, from the states between chunks and their gradients.
//!
//! # Math
//! With g_t = r_t dh_t of [`mlstm_bw_states`](super::mlstm_bw_states()), over the tokens t >= j of the stretch, and dC', m' those after its last token e:
//! ```text
//! S_tj = scale q_t . k_j exp(D_tj - m_t)
//! dv_j = sum_{t>=j} S_tj g_t + exp(D_ej - m') dC'ᵀ k_j
//! ```
//! What is held constant makes no difference: the denominators do not depend on the values.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, dh | `[b, nh, s, dv]` | any strides | as q |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | states | `[b, nh, e, dqk, dv]`, `[b, nh, e, dqk]`, `[b, nh, e]`, e = ceil(s / (chunk every)) + 1 | any strides | as i |
//! | dC, dn | `[b, nh, e, dqk, dv]`, `[b, nh, e, dqk]` | any strides | as i |
//! | dv | as v | row-major | as v; `wide`: as i |
//!
//! # Numerics
//! As [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()) with chunks of a stretch; all stretches at once. Denominators are made again from the states. Deterministic.
//!
//! # Constraints
//! As [`mlstm_bw_states`](super::mlstm_bw_states()).
//!
//! # Sources
//! Beck et al., Tiled Flash Linear Attention, arXiv 2503.14376, appendix.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{MlstmInputs, MlstmLoss, MlstmParts, MlstmPartsBw, mlstm_bw_states, mlstm_bw_v, mlstm_states};
//!
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let (q, k, v) = (ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 2])?);
//! let (i, f) = (ones(&[1, 1, 9])?, ones(&[1, 1, 9])?);
//! let (stream, parts) = (Stream::cpu(), MlstmParts { chunk: 4, ..MlstmParts::default() });
//! let states = mlstm_states(&stream, &k, &v, &i, &f, None, &parts)?;
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let args = MlstmPartsBw { parts, ..MlstmPartsBw::default() };
//! let by_states = mlstm_bw_states(&stream, &x, &states, &MlstmLoss { h: &v, c: None, n: None }, &args)?;
//! let dv = mlstm_bw_v(&stream, &x, &states, &by_states, &v, &args)?;
//! // Each h is a weighted mean of the values: their gradients add up to those of h.
//! assert!((dv.to_vec::<f32>()?.iter().sum::<f32>() - 18.0).abs() < 1e-3);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::row_gradients::{By, RowGradient};
use super::{MlstmInputs, MlstmPartsBw, MlstmStateGradients, MlstmStates};

const NAME: &str = "mlstm_bw_v";

/// The gradient of a loss by the values, given `dh`, that by h before output gates, and those by the states.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an output gate; an argument out of its range; f64 on a GPU.
pub fn mlstm_bw_v(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    gradients: &MlstmStateGradients,
    dh: &Tensor,
    args: &MlstmPartsBw,
) -> Result<Tensor> {
    RowGradient { by: By::Value, x, states, gradients: Some(gradients), dh, args }.run(NAME, stream, None)
}

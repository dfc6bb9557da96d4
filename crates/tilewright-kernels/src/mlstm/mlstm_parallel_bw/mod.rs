//! The gradients of [`mlstm_parallel`](super::mlstm_parallel()).
//!
//! # Math
//! That of [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()) with one chunk and without states:
//! ```text
//! g_t  = r_t dh_t,   dz_t = -sign(z_t) r_t dh_t . h_t where |z_t| > exp(-m_t), otherwise 0
//! A_tj = scale W_tj (g_t . v_j + dz_t)
//! dq_t = sum_{j<=t} A_tj k_j,   dk_j = sum_{t>=j} A_tj q_t,   dv_j = sum_{t>=j} S_tj g_t
//! di_j = k_j . dk_j,   df_t = sigma(-f_t) sum_{u>=t} (q_u . dq_u - k_u . dk_u)
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, o, dh | `[b, nh, s, dv]` | any strides | as q |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | gradients | each as what it is by | row-major | each as what it is by |
//!
//! # Numerics
//! As [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()). Here the one sum of df goes over the whole sequence, so its error grows with s: for long ones the chunkwise form
//! is the better one in this too.
//!
//! # Constraints
//! Any extents, 0 included. An output gate is as in [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()). On a GPU f64 is refused, and f = -inf counts as -16384.
//!
//! # Sources
//! Those of [`mlstm_chunkwise_bw`](super::mlstm_chunkwise_bw()).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{Mlstm, MlstmBackward, MlstmInputs, mlstm_parallel_bw};
//!
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let (q, k, v) = (ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 2])?);
//! let (i, f) = (ones(&[1, 1, 9])?, ones(&[1, 1, 9])?);
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let by = mlstm_parallel_bw(&Stream::cpu(), &x, &v, &Mlstm::default(), MlstmBackward::Exact)?;
//! // Each h is a weighted mean of the values: their gradients add up to those of h.
//! let sum: f32 = by.v.to_vec::<f32>()?.iter().sum();
//! assert!((sum - 18.0).abs() < 1e-3);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::{
    Mlstm, MlstmBackward, MlstmChunkwiseBw, MlstmGradients, MlstmInputs, MlstmLoss, mlstm_chunkwise_bw,
};

const NAME: &str = "mlstm_parallel_bw";

/// The gradients of a loss by the inputs of [`mlstm_parallel`](super::mlstm_parallel()), given `dh`, the one by its result; and by the zeros that
/// stand for a state before the first token.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64 on a GPU.
pub fn mlstm_parallel_bw(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    dh: &Tensor,
    cell: &Mlstm,
    mode: MlstmBackward,
) -> Result<MlstmGradients> {
    // At least one token; a rank that is wrong is refused there.
    let tokens = x.q.dims().get(2).map_or(1, |&s| s.max(1));
    let args = MlstmChunkwiseBw { cell: *cell, chunk: Some(tokens), tile: None, mode };
    let loss = MlstmLoss { h: dh, c: None, n: None };
    mlstm_chunkwise_bw(stream, x, None, &loss, &args).map_err(|error| error.within(NAME))
}

//! The mLSTM as attention: all tokens at once, quadratic in their number, in tiles.
//!
//! # Math
//! With phi = log sigma(f), the sums over l from j + 1 to t, and m_0 = 0 as everywhere:
//! ```text
//! D_tj = sum_l phi_l + i_j  (j <= t)
//! m_t  = max(phi_1 + .. + phi_t, max_j D_tj)
//! S_tj = scale q_t . k_j exp(D_tj - m_t)
//! h_t  = sum_j S_tj v_j / (max(|sum_j S_tj|, exp(-m_t)) + eps)
//! ```
//! The variations are those of [`mlstm_sequence`](super::mlstm_sequence()), whose h this is; it is [`mlstm_chunkwise`](super::mlstm_chunkwise()) with one
//! chunk, without the states.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, o | `[b, nh, s, dv]` | any strides | as q |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | h | `[b, nh, s, dv]` | row-major | as q |
//!
//! # Numerics
//! As [`mlstm_chunkwise`](super::mlstm_chunkwise()). Scores exist a block of queries by s keys (CPU) or a tile (GPU) at a time: memory grows with s, not with its square.
//!
//! # Constraints
//! Any extents, 0 included. On a GPU f64 is refused, and f = -inf counts as -16384.
//!
//! # Sources
//! Beck et al., xLSTM: Extended Long Short-Term Memory, arXiv 2405.04517, appendix A.3: the parallel form.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{Mlstm, MlstmInputs, mlstm_parallel};
//!
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let (q, k, v) = (ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 4])?, ones(&[1, 1, 9, 2])?);
//! let (i, f) = (ones(&[1, 1, 9])?, ones(&[1, 1, 9])?);
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let h = mlstm_parallel(&Stream::cpu(), &x, &Mlstm::default())?;
//! // All values are 1, so their weighted mean is.
//! assert!(h.to_vec::<f32>()?.iter().all(|h| (h - 1.0).abs() < 1e-5));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Result, Stream, Tensor};

use super::cell::{StoredC, check, variants};
use super::mlstm_chunkwise::{cpu, gpu};
use super::{Mlstm, MlstmInputs};

const NAME: &str = "mlstm_parallel";

/// h of sequences that follow nothing.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64 on a GPU.
pub fn mlstm_parallel(stream: &Stream, x: &MlstmInputs<'_>, cell: &Mlstm) -> Result<Tensor> {
    let sizes = check(NAME, stream, x, None, StoredC::Sums, cell)?;
    variants(NAME, stream.device(), x.q.dtype())?;
    match stream.device() {
        Device::Cpu => cpu::mlstm_parallel(&sizes, x, cell),
        _ => {
            let (chunk, tile, matrices) = (sizes.s.max(1), None, false);
            let call = gpu::Call { operation: NAME, stream, sizes: &sizes, cell, chunk, tile, matrices };
            gpu::mlstm_parallel(&call, x)
        }
    }
}

//! The mLSTM in chunks: within a chunk all tokens at once, as products of matrices; from chunk to chunk the state.
//!
//! # Math
//! The function is that of [`mlstm_sequence`](super::mlstm_sequence()). With phi = log sigma(f), time counted from the start of a chunk and C, n, m the state there:
//! ```text
//! b_t  = phi_1 + .. + phi_t
//! D_tj = b_t - b_j + i_j (j <= t)            the exponent of what is left of token j at token t
//! m_t  = max(b_t + m, max_j D_tj)            = max(phi_t + m_{t-1}, i_t)
//! S_tj = scale q_t . k_j exp(D_tj - m_t)     0 for j > t
//! h_t  = (scale exp(b_t + m - m_t) q_tᵀ C + sum_j S_tj v_j) / (max(|scale exp(b_t + m - m_t) q_t . n + sum_j S_tj|, exp(-m_t)) + eps)
//! C'   = exp(b_l + m - m_l) C + sum_j exp(D_lj - m_l) k_j v_jᵀ      the state after the l tokens of the chunk; n' alike, m' = m_l
//! ```
//! On a GPU the same weights are written over the whole sequence. With B_t the sum of all phi up to t, c_j = i_j - B_j and mu_t = max(m_0, max_{j<=t} c_j):
//! ```text
//! m_t = B_t + mu_t      exp(D_tj - m_t) = exp(c_j - mu_t)      exp(b_t + m - m_t) = exp(mu_start - mu_t)
//! ```
//! so that one scan gives every weight of every chunk, whatever its length. B grows without bound where c and mu differ little; all three are sums of two floats.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, o | `[b, nh, s, dv]` | any strides | as q |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | C | `[b, nh, dqk, dv]` | any strides; row-major as an output | f32; f64 beside f64 |
//! | n, m | `[b, nh, dqk]`, `[b, nh]` | as C | as C |
//! | h | `[b, nh, s, dv]` | row-major; of `mma` by tokens, where v is: `[b, s, nh, dv]` in memory | as q |
//!
//! # Numerics
//! States, weights and sums are f32 (f64 for f64) whatever the dtype of the data; h is rounded once. Every exponential is at or below 1. Exponents are not
//! differences of f32 prefix sums: on the CPU each is a running sum, on a GPU a difference in twice the precision. The last chunk is as long as what is left: nothing
//! is padded. m is the very m of the recurrence, so the result depends on the chunk length through rounding only. Deterministic. The tolerance is that of
//! [`mlstm_sequence`](super::mlstm_sequence()), with a chunk more of additions.
//!
//! The factors of products of matrices may be rounded to bf16 where the data are bf16, as matrix units take them: a value with its weight, as it enters C;
//! a score, beside its value; C, beside a query. Products, sums, n and the denominators' terms stay f32. Each contribution k vᵀ therefore passes through at most
//! two more roundings of 2^-8: one on entering the state, one on being read. A chunk length that is given selects the body that rounds none of them.
//!
//! # Constraints
//! Any extents, 0 included; any chunk length from 1. On a GPU f64 is refused, and f = -inf counts as -16384.
//!
//! - `portable`: every GPU, every dtype and chunk length; the only one with tiles of 32.
//! - `simdgroup`: the same on Metal, by `simdgroup_matrix` of floats: sums of the same factors, in an order of their own. Its tiles are 64. It has run emulated only.
//! - `mma`: CUDA, where neither a chunk length nor a tile is given: bf16, dqk and dv multiples of 8, dqk at most 256. Its chunks have 64 tokens, and C never leaves the chip
//!   between them; where sequences are too few to fill the device, each is cut into segments.
//!
//! # Sources
//! Beck et al., Tiled Flash Linear Attention, arXiv 2503.14376, section 3 and appendix: the chunkwise form. Beck et al., xLSTM, arXiv 2405.04517: the cell.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{Mlstm, MlstmChunkwise, MlstmInputs, mlstm_chunkwise, mlstm_sequence};
//!
//! let waves = |shape: &[usize]| {
//!     let values: Vec<f64> = (0..shape.iter().product()).map(|x| (x as f64).sin()).collect();
//!     Tensor::from_f64(&values, DType::F32, shape)
//! };
//! let (q, k, v) = (waves(&[1, 2, 50, 4])?, waves(&[1, 2, 50, 4])?, waves(&[1, 2, 50, 3])?);
//! let (i, f) = (waves(&[1, 2, 50])?, waves(&[1, 2, 50])?);
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let args = MlstmChunkwise { chunk: Some(16), ..MlstmChunkwise::default() };
//! let (h, _) = mlstm_chunkwise(&Stream::cpu(), &x, None, &args)?;
//! let (by_steps, _) = mlstm_sequence(&Stream::cpu(), &x, None, &Mlstm::default())?;
//! for (a, b) in h.to_vec::<f32>()?.iter().zip(by_steps.to_vec::<f32>()?) {
//!     assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()));
//! }
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::caps;

use super::cell::{Sizes, StoredC, check, variants};
use super::registry::LONGEST_CHUNK;
use super::{Mlstm, MlstmInputs, MlstmState};
use crate::arguments::{choose, only_variant};

const NAME: &str = "mlstm_chunkwise";

/// Arguments of [`mlstm_chunkwise()`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MlstmChunkwise {
    /// What is computed.
    pub cell: Mlstm,
    /// Tokens per chunk, at least 1; `None`: what suits the device. It changes the speed and the variant, and the result by rounding only.
    pub chunk: Option<usize>,
    /// The side of the tiles that groups of a GPU's portable bodies have, of tokens, keys and values: 32 or 64; `None`: what suits the device and the sizes. It
    /// changes the speed and the variant alone: sums are made in the same order. The CPU has no tiles.
    pub tile: Option<usize>,
}

/// Work within a chunk grows with its length, work from chunk to chunk with their number: at 64 keys and 128 values 32 is best (Zen 4).
const CPU_CHUNK: usize = 32;
/// The largest tile of queries.
const GPU_CHUNK: usize = LONGEST_CHUNK;
/// The sides that tiles of the portable bodies have.
const TILES: [usize; 2] = [32, LARGEST_TILE];
const LARGEST_TILE: usize = 64;
/// Where a device does not tell how many multiprocessors it has.
const MULTIPROCESSORS: usize = 16;

/// Tokens per chunk that suit a device, whatever the sizes: more are more work within a chunk, fewer are more states in memory.
fn suited_chunk(device: Device) -> usize {
    if device == Device::Cpu { CPU_CHUNK } else { GPU_CHUNK }
}

/// The side of the tiles that suits a device and a launch over so many matrices of [rows, columns].
///
/// A tile of 64 reads each number from memory half as often, and four times as many threads hide its latency. One of 32 is taken where rows or columns are at
/// most 32, so that half of a larger one were padding, and where tiles would keep each multiprocessor busy twice all the same. On an H200 the gradient of 512
/// sequences of 256 tokens, 32 keys and 32 values, then takes .82 of the time that it takes by tiles of 64; that of 4 sequences would take 1.36.
fn suited_tile(device: Device, [rows, columns]: [usize; 2], matrices: usize) -> Result<usize> {
    let [small, large] = TILES;
    let multiprocessors = caps(device)?.multiprocessors.unwrap_or(MULTIPROCESSORS);
    let many = matrices * rows.div_ceil(large) * columns.div_ceil(large) >= 2 * multiprocessors;
    Ok(if many && rows.min(columns) <= small { small } else { large })
}

impl MlstmChunkwise {
    pub(super) fn chunk(&self, operation: &'static str, device: Device) -> Result<usize> {
        match self.chunk {
            Some(0) => Err(Error::range(operation, "chunk", "at least 1", 0)),
            Some(chunk) => Ok(chunk),
            None => Ok(suited_chunk(device)),
        }
    }

    /// The tile, which is checked on every device.
    pub(super) fn tile(&self, operation: &'static str) -> Result<Option<usize>> {
        match self.tile {
            Some(tile) if !TILES.contains(&tile) => Err(Error::range(operation, "tile", "32 or 64", tile)),
            tile => Ok(tile),
        }
    }

    /// The variants that chunk and tile leave of those for inputs of these sizes and this dtype, the default first, or why there is none. `takes`: by matrix units.
    pub(super) fn variants(
        &self,
        operation: &'static str,
        device: Device,
        dtype: DType,
        takes: impl FnOnce() -> bool,
    ) -> Result<Vec<&'static str>> {
        let mut known = variants(operation, device, dtype)?;
        if gpu::has_matrices(device) && self.tile.is_none_or(|tile| tile == LARGEST_TILE) {
            known.push(gpu::SIMDGROUP);
        }
        // Either is a wish for the body that takes any.
        if self.chunk.is_none() && self.tile.is_none() && takes() {
            known.insert(0, cuda::VARIANT);
        }
        Ok(known)
    }
}

/// h, and the state after the last token, from `state`, or from zeros.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64 on a GPU.
pub fn mlstm_chunkwise(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    args: &MlstmChunkwise,
) -> Result<(Tensor, MlstmState)> {
    run(stream, None, x, state, args)
}

/// The variants for inputs of these sizes and this dtype, the default first, or why there is none.
fn support(device: Device, sizes: &Sizes, dtype: DType, args: &MlstmChunkwise) -> Result<Vec<&'static str>> {
    args.variants(NAME, device, dtype, || cuda::takes(device, sizes, dtype))
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    args: &MlstmChunkwise,
) -> Result<(Tensor, MlstmState)> {
    let sizes = check(NAME, stream, x, state, StoredC::Sums, &args.cell)?;
    let device = stream.device();
    let (chunk, tile) = (args.chunk(NAME, device)?, args.tile(NAME)?);
    let known = support(device, &sizes, x.q.dtype(), args)?;
    // The body that takes any view, where it matters.
    let wish = variant.or_else(|| cuda::misaligned(x, state).map(|_| only_variant(device)));
    let variant = choose(NAME, wish, &known)?;
    if device == Device::Cpu {
        return cpu::mlstm_chunkwise(&sizes, x, state, &args.cell, chunk);
    }
    let matrices = variant == gpu::SIMDGROUP;
    let call = gpu::Call { operation: NAME, stream, sizes: &sizes, cell: &args.cell, chunk, tile, matrices };
    match variant {
        cuda::VARIANT => cuda::mlstm_chunkwise(&call, x, state),
        _ => gpu::mlstm_chunkwise(&call, x, state),
    }
}

//! The gradients of [`mlstm_chunkwise`](super::mlstm_chunkwise()).
//!
//! # Math
//! Given dh, and dC and dn by the state after the last token. Where h leaves as y = sigma(o) h, dy is given, and first dh = sigma(o) dy and do = sigma(o) sigma(-o) dy h. With the weights W_tj = exp(D_tj - m_t), scores S_tj = scale q_t . k_j W_tj, and
//! r_t = 1 / (max(|z_t|, exp(-m_t)) + eps) of the forward form, m constant; beside the state before the first token, which acts like a token:
//! ```text
//! g_t  = r_t dh_t
//! dz_t = -sign(z_t) r_t dh_t . h_t where |z_t| > exp(-m_t), otherwise 0
//! A_tj = scale W_tj (g_t . v_j + dz_t)                      the gradient of q_t . k_j
//! dq_t = sum_{j<=t} A_tj k_j
//! dk_j = sum_{t>=j} A_tj q_t + W_sj (dC v_j + dn)
//! dv_j = sum_{t>=j} S_tj g_t + W_sj dCᵀ k_j
//! di_j = k_j . dk_j
//! df_t = sigma(-f_t) sum_{j<t<=u} A_uj q_u . k_j + ..       all that reaches over t, the state's part in it
//!      = sigma(-f_t) (F_e + sum_{t<=u<=e} (q_u . dq_u - k_u . dk_u)),  F_e = <C_e, dC_e> + <n_e, dn_e> at the end e of t's chunk
//! ```
//! The gradients by the first state are dC_0, dn_0 and dm_0 = F_0. A sigmoid input gate multiplies di by sigma(-i), a cap both by its derivative. Without
//! normalisation r_t = exp(m_t) and dz_t = 0.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q, k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v, o, dh | `[b, nh, s, dv]` | any strides | as q |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | C, n, m; dC, dn | `[b, nh, dqk, dv]`, `[b, nh, dqk]`, `[b, nh]` | any strides | as i |
//! | gradients | each as what it is by | row-major | each as what it is by |
//!
//! # Numerics
//! States, weights and sums are f32 (f64 for f64); what the forward form made is made again, so nothing has to be kept. The loss is one of h and of C exp(m) and
//! n exp(m): dC and dn are by the arrays as stored, and nothing flows through m itself. Of eps, what it reaches through m is left out: relative to the rest, eps exp(m).
//! The sums of df go over one chunk at a time (`mma`: 256 tokens), from what the states say at its end, so their rounding errors do not grow with s.
//! Deterministic, without atomics. The tolerance is an error analysis over all pairs of tokens (`reference.rs`).
//!
//! The factors of products of matrices may be rounded to bf16 where the data are bf16, as matrix units take them: A, S r, a query, key or dh with its weight as it
//! enters a state or its gradient, and those beside what reads them. Each pair of tokens passes through at most two more roundings of 2^-8, what flows over the end
//! of a chunk through three. n, dn, the denominators and their gradients stay f32. A chunk length that is given selects the body that rounds none of them.
//!
//! # Constraints
//! Any extents, 0 included; any chunk length from 1. On a GPU f64 is refused, and f = -inf counts as -16384. An output gate costs no pass of its own: h is
//! there, and do is made where h is read (`mma`: the forward form, for h, and a pass over dy, h and o).
//!
//! - `portable`: every GPU, every dtype and chunk length; the only one with tiles of 32.
//! - `simdgroup`: the same on Metal, with the passes of [`mlstm_chunkwise`](super::mlstm_chunkwise())'s variant of this name. It has run emulated only.
//! - `mma`: CUDA, where neither a chunk length nor a tile is given: bf16, dqk and dv multiples of 8, at most 128 and 256. Of states nothing
//!   but C, rounded, at every 256th token leaves the chip; beside it A and S r of every chunk do, which the walk by query makes for the other two: 272 bytes a
//!   token and head. Where sequences are too few to fill the device, each is cut into segments.
//!
//! # Sources
//! Beck et al., Tiled Flash Linear Attention, arXiv 2503.14376, appendix: the backward with denominators held constant, here [`MlstmBackward::NormInvariant`]. The
//! gradient of the denominators and of the states is derived here, and judged by central differences.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{MlstmChunkwiseBw, MlstmInputs, MlstmLoss, mlstm_chunkwise_bw};
//!
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let (q, k, v) = (ones(&[1, 1, 3, 4])?, ones(&[1, 1, 3, 4])?, ones(&[1, 1, 3, 2])?);
//! let (i, f) = (ones(&[1, 1, 3])?, ones(&[1, 1, 3])?);
//! let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
//! let loss = MlstmLoss { h: &v, c: None, n: None };
//! let by = mlstm_chunkwise_bw(&Stream::cpu(), &x, None, &loss, &MlstmChunkwiseBw::default())?;
//! // h is a weighted mean of values that are all alike: no key, query or gate can change it.
//! assert!(by.k.to_vec::<f32>()?.iter().all(|dk| dk.abs() < 1e-5));
//! assert!(by.f.to_vec::<f32>()?.iter().all(|df| df.abs() < 1e-5));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
pub(super) mod cpu;
mod cuda;
pub(super) mod gpu;
pub(super) mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::cell::{Sizes, StoredC, check, check_gradient};
use super::mlstm_chunkwise::cuda::VARIANT as MATRIX_UNITS;
use super::mlstm_chunkwise::gpu::{Call, SIMDGROUP};
use super::{Mlstm, MlstmChunkwise, MlstmInputs, MlstmState};
use crate::arguments::{choose, only_variant};

const NAME: &str = "mlstm_chunkwise_bw";

/// What a backward holds constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MlstmBackward {
    /// Nothing: the gradient of any loss.
    #[default]
    Exact,
    /// The denominators of h: right for a loss that only the direction of each h changes, as where a norm without weights follows.
    NormInvariant,
}

/// Arguments of [`mlstm_chunkwise_bw()`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MlstmChunkwiseBw {
    /// What the forward form computed.
    pub cell: Mlstm,
    /// Tokens per chunk, at least 1; `None`: what suits the device. It need not be that of the forward form.
    pub chunk: Option<usize>,
    /// The side of the tiles of a GPU's portable bodies, as in [`MlstmChunkwise`]. It changes the speed and the variant alone.
    pub tile: Option<usize>,
    /// What is held constant. Default nothing.
    pub mode: MlstmBackward,
}

impl MlstmChunkwiseBw {
    /// What both forms take.
    fn forward(&self) -> MlstmChunkwise {
        MlstmChunkwise { cell: self.cell, chunk: self.chunk, tile: self.tile }
    }
}

/// The gradients of a loss by what the forward form gave.
#[derive(Debug, Clone, Copy)]
pub struct MlstmLoss<'a> {
    /// By h, or by `sigma(o) h` where there is an output gate, `[b, nh, s, dv]`, in the dtype of q.
    pub h: &'a Tensor,
    /// By C after the last token, `[b, nh, dqk, dv]`; `None` is zeros.
    pub c: Option<&'a Tensor>,
    /// By n after the last token, `[b, nh, dqk]`; `None` is zeros.
    pub n: Option<&'a Tensor>,
}

/// The gradients of a loss by what the forward form took, each with the shape and dtype of what it is by.
#[derive(Debug, Clone)]
pub struct MlstmGradients {
    /// By the queries.
    pub q: Tensor,
    /// By the keys.
    pub k: Tensor,
    /// By the values.
    pub v: Tensor,
    /// By the pre-activations of the input gate.
    pub i: Tensor,
    /// By the pre-activations of the forget gate.
    pub f: Tensor,
    /// By the pre-activations of the output gate, where there were any.
    pub o: Option<Tensor>,
    /// By the state before the first token, also where that was zeros.
    pub state: MlstmState,
}

/// The gradients of a loss by the inputs and the initial state of [`mlstm_chunkwise`](super::mlstm_chunkwise()).
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64 on a GPU.
pub fn mlstm_chunkwise_bw(
    stream: &Stream,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    loss: &MlstmLoss<'_>,
    args: &MlstmChunkwiseBw,
) -> Result<MlstmGradients> {
    run(stream, None, x, state, loss, args)
}

/// The variants for inputs of these sizes and this dtype, the default first, or why there is none.
fn support(
    device: Device,
    sizes: &Sizes,
    dtype: DType,
    args: &MlstmChunkwiseBw,
) -> Result<Vec<&'static str>> {
    args.forward().variants(NAME, device, dtype, || cuda::takes(device, sizes, dtype))
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    loss: &MlstmLoss<'_>,
    args: &MlstmChunkwiseBw,
) -> Result<MlstmGradients> {
    let sizes = check(NAME, stream, x, state, StoredC::Sums, &args.cell)?;
    check_gradient(NAME, "dh", stream, Some(loss.h), &sizes.values(), x.q.dtype())?;
    check_gradient(NAME, "dc", stream, loss.c, &sizes.c(), x.i.dtype())?;
    check_gradient(NAME, "dn", stream, loss.n, &sizes.n(), x.i.dtype())?;
    let device = stream.device();
    let forward = args.forward();
    let (chunk, tile) = (forward.chunk(NAME, device)?, forward.tile(NAME)?);
    let known = support(device, &sizes, x.q.dtype(), args)?;
    let misaligned = cuda::misaligned(x, state, loss);
    // The body that takes any view, where it matters.
    let variant = choose(NAME, variant.or_else(|| misaligned.map(|_| only_variant(device))), &known)?;
    let exact = args.mode == MlstmBackward::Exact;
    if device == Device::Cpu {
        return cpu::mlstm_chunkwise_bw(&sizes, x, state, loss, &args.cell, exact, chunk);
    }
    let matrices = variant == SIMDGROUP;
    let call = Call { operation: NAME, stream, sizes: &sizes, cell: &args.cell, chunk, tile, matrices };
    match (variant, misaligned) {
        (MATRIX_UNITS, Some(argument)) => {
            let why = "begins at an address that is no multiple of 16 bytes, which the variant needs";
            Err(Error::layout(NAME, argument, why))
        }
        (MATRIX_UNITS, None) => cuda::mlstm_chunkwise_bw(&call, x, state, loss, exact),
        _ => gpu::mlstm_chunkwise_bw(&call, x, state, loss, exact),
    }
}

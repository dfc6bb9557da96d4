//! The first part of [`mlstm_chunkwise`](super::mlstm_chunkwise()): the states between chunks.
//!
//! # Math
//! With phi = log sigma(f), the sums over the tokens l of a stretch behind j or from its start on, and C, n, m before it:
//! ```text
//! g  = sum_l phi_l,   a_j = sum_{l>j} phi_l + i_j
//! m' = max(g + m, max_j a_j)
//! C' = exp(g + m - m') C + sum_j exp(a_j - m') k_j v_jᵀ
//! n' = exp(g + m - m') n + sum_j exp(a_j - m') k_j
//! ```
//! A stretch is `every` chunks of `chunk` tokens; entry j of the result is the state before stretch j, the last one that after the last token. They are those of
//! the recurrence, whatever the stretches are. A sigmoid input gate has m' = 0; `normalize` and `scale` change nothing here.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | k | `[b, nh, s, dqk]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | v | `[b, nh, s, dv]` | any strides | as k |
//! | i, f | `[b, nh, s]` | any strides | f32; f64 beside f64 |
//! | C, n, m | `[b, nh, dqk, dv]`, `[b, nh, dqk]`, `[b, nh]` | any strides | as i |
//! | states | `[b, nh, e, dqk, dv]`, `[b, nh, e, dqk]`, `[b, nh, e]`, e = ceil(s / (chunk every)) + 1 | row-major | as i |
//!
//! # Numerics
//! As [`mlstm_chunkwise`](super::mlstm_chunkwise()) with chunks of a stretch: f32 (f64 for f64), every exponential at or below 1. Deterministic.
//!
//! # Constraints
//! Any extents, 0 included: without tokens the one entry is the first state. On a GPU f64 is refused, and f = -inf counts as -16384.
//!
//! - `portable`: every GPU. The states pass through memory twice, as the pass leaves them and in one array.
//! - `simdgroup`: the same on Metal, by `simdgroup_matrix` of floats. It has run emulated only.
//!
//! # Sources
//! Beck et al., Tiled Flash Linear Attention, arXiv 2503.14376, section 3: the recurrence between chunks.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::mlstm::{MlstmParts, mlstm_states};
//!
//! let ones = |shape: &[usize]| Tensor::from_f64(&vec![1.0; shape.iter().product()], DType::F32, shape);
//! let (k, v) = (ones(&[1, 1, 50, 4])?, ones(&[1, 1, 50, 3])?);
//! let (i, f) = (ones(&[1, 1, 50])?, ones(&[1, 1, 50])?);
//! let args = MlstmParts { chunk: 8, every: 2, ..MlstmParts::default() };
//! let states = mlstm_states(&Stream::cpu(), &k, &v, &i, &f, None, &args)?;
//! // Before tokens 0, 16, 32 and 48, and after the last.
//! assert_eq!(states.c.dims(), [1, 1, 5, 4, 3]);
//! assert!(states.c.slice(2, 0..1)?.to_vec::<f32>()?.iter().all(|&c| c == 0.0));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::cell::{DTYPES, StoredC, check};
use super::parts::Part;
use super::{MlstmInputs, MlstmParts, MlstmState, MlstmStates};
use crate::arguments::check_tensor;

const NAME: &str = "mlstm_states";

/// What the states are made of.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    k: &'a Tensor,
    v: &'a Tensor,
    i: &'a Tensor,
    f: &'a Tensor,
}

impl<'a> Inputs<'a> {
    /// Of a sequence; there are no queries, and nothing looks at what stands in their place.
    fn as_sequence(&self) -> MlstmInputs<'a> {
        MlstmInputs { q: self.k, k: self.k, v: self.v, i: self.i, f: self.f, o: None }
    }
}

/// The states at the ends of all stretches, from `state`, or from zeros.
///
/// # Errors
/// Shapes, dtypes or devices that do not fit together; an argument out of its range; f64 on a GPU.
pub fn mlstm_states(
    stream: &Stream,
    k: &Tensor,
    v: &Tensor,
    i: &Tensor,
    f: &Tensor,
    state: Option<&MlstmState>,
    args: &MlstmParts,
) -> Result<MlstmStates> {
    run(stream, None, &Inputs { k, v, i, f }, state, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    x: &Inputs<'_>,
    state: Option<&MlstmState>,
    args: &MlstmParts,
) -> Result<MlstmStates> {
    // What is wrong with k would be said of queries.
    check_tensor(NAME, "k", stream, x.k, DTYPES)?;
    if x.k.rank() != 4 {
        return Err(Error::shape(NAME, "k", "[b, nh, s, dqk]", x.k.shape()));
    }
    let sizes = check(NAME, stream, &x.as_sequence(), state, StoredC::Sums, &args.cell)?;
    let part = Part::of(NAME, stream, variant, (sizes, x.k.dtype()), args, true)?;
    if part.on_host() { cpu::mlstm_states(&part, x, state) } else { gpu::mlstm_states(&part, x, state) }
}

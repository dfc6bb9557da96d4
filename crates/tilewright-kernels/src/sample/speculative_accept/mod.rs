//! Verifies a chain of drafted tokens so that what comes out has exactly the target's distribution.
//!
//! # Math
//! For i = 0, 1, ..: with x_i the drafted token, q_i the distribution it was drawn from and p_i the target's at its place, x_i is accepted with
//! probability min(1, p_i(x_i) / q_i(x_i)). At the first i that is not, a token is drawn from max(p_i - q_i, 0) / (its sum); where all are accepted, one
//! from p_k. Each token has the probability p_i that the target gives it, whatever q is.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | draft | `[b, k]`: tokens; a negative one ends its row's draft | row-major | i32 |
//! | draft_probs | `[b, k, v]` | row-major, others are copied | f32 |
//! | target_probs | `[b, k + 1, v]` | row-major, others are copied | f32 |
//! | seeds, positions | `[b]`: the bits of u64; the position of the first drafted token | row-major | i64 |
//! | tokens | `[b, k + 1]`: the accepted ones, the drawn one, then -1 | row-major | i32 |
//! | accepted | `[b]` | row-major | i32 |
//!
//! # Numerics
//! Comparisons of f32 products, and the race of [`sample`](crate::sample::sample()) for the draw, with noise from hash(seed, position, token) that is independent
//! of the noise by which `sample` draws with the same seed: drafts may come from there. The same tokens on every device. Probabilities need not add
//! up to 1; a weight that is negative, infinite or NaN counts as 0, and where no token has any, -1 is drawn. Where p - q is nowhere positive, the
//! token is drawn from p.
//!
//! # Constraints
//! `v >= 1`, `v < 2^31`. A drafted token beyond v is an error on the CPU; a GPU, which cannot say so without waiting, takes it for the end of the draft.
//!
//! # Sources
//! Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", 2023, Algorithm 1; Chen et al., "Accelerating Large Language Model
//! Decoding with Speculative Sampling", 2023, Theorem 1.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::sample::speculative_accept;
//!
//! // The target agrees with the first token, and never says the second.
//! let draft = Tensor::from_vec(vec![1i32, 0], [1, 2])?;
//! let draft_probs = Tensor::from_vec(vec![0.5f32, 0.5, 0.5, 0.5], [1, 2, 2])?;
//! let target_probs = Tensor::from_vec(vec![0.5f32, 0.5, 0.0, 1.0, 0.5, 0.5], [1, 3, 2])?;
//! let zero = Tensor::from_vec(vec![0i64], [1])?;
//! let found = speculative_accept(&Stream::cpu(), &draft, &draft_probs, &target_probs, &zero, &zero)?;
//! assert_eq!(found.tokens.to_vec::<i32>()?, [1, 1, -1]);
//! assert_eq!(found.accepted.to_vec::<i32>()?, [1]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::arguments::check_tensor;

const NAME: &str = "speculative_accept";

/// Parts the noise of this kernel from that of `sample` with the same seed.
const STREAM: u64 = 0x5bd1_e995_7b7d_159c;

/// What [`speculative_accept`] finds.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The accepted tokens of each row, the drawn one, then -1.
    pub tokens: Tensor,
    /// How many of each row's drafted tokens were accepted.
    pub accepted: Tensor,
}

struct Plan {
    b: usize,
    k: usize,
    v: usize,
}

/// The verified tokens. Fails on a shape, dtype or device that does not fit; on the CPU on a token too.
pub fn speculative_accept(
    stream: &Stream,
    draft: &Tensor,
    draft_probs: &Tensor,
    target_probs: &Tensor,
    seeds: &Tensor,
    positions: &Tensor,
) -> Result<Accepted> {
    check_tensor(NAME, "draft", stream, draft, &[DType::I32])?;
    check_tensor(NAME, "draft_probs", stream, draft_probs, &[DType::F32])?;
    check_tensor(NAME, "target_probs", stream, target_probs, &[DType::F32])?;
    let &[b, k] = draft.dims() else {
        return Err(Error::shape(NAME, "draft", "[b, k]", draft.shape()));
    };
    let v = match *draft_probs.dims() {
        [db, dk, v] if [db, dk] == [b, k] && (1..=i32::MAX as usize).contains(&v) => v,
        _ => {
            let expected = format!("[{b}, {k}, v], 1 <= v < 2^31");
            return Err(Error::shape(NAME, "draft_probs", expected, draft_probs.shape()));
        }
    };
    if target_probs.dims() != [b, k + 1, v] {
        let expected = format!("[{b}, {}, {v}]", k + 1);
        return Err(Error::shape(NAME, "target_probs", expected, target_probs.shape()));
    }
    for (name, tensor) in [("seeds", seeds), ("positions", positions)] {
        check_tensor(NAME, name, stream, tensor, &[DType::I64])?;
        if tensor.dims() != [b] {
            return Err(Error::shape(NAME, name, format!("[{b}]"), tensor.shape()));
        }
    }
    let (plan, numbers) = (Plan { b, k, v }, [seeds, positions]);
    match stream.device() {
        Device::Cpu => cpu::speculative_accept(draft, draft_probs, target_probs, numbers, &plan),
        _ => gpu::speculative_accept(stream, draft, draft_probs, target_probs, numbers, &plan),
    }
}

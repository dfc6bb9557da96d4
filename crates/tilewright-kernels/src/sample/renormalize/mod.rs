//! The distribution that [`sample`](crate::sample::sample()) draws from: the softmax of a row at its temperature, renormalised over what its filters keep.
//!
//! # Math
//! `out[j] = exp(z[j] / T) / (sum over kept i of exp(z[i] / T))` where j is kept, else 0; or its logarithm; or `z[j]` and minus infinity, a mask on the logits.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | logits | `[r, v]`, 1 <= v < 2^31 | any strides | f32, f16, bf16 |
//! | parameters | `[r, 20]`, of [`Parameters`] | row-major | u32 |
//! | out | `[r, v]` | row-major | f32 |
//!
//! # Numerics
//! What is kept is decided as in [`sample`](crate::sample::sample()), to the bit: a token has a probability here exactly if it can be drawn there. Weights err by 3 unit
//! roundoffs and by the rounding of the logits' differences, their total by the sums of tiles. A greedy row has probability 1 at its token. A row
//! that holds NaN or plus infinity, or nothing but minus infinity, is NaN. XTC is decided by the row's seed and position.
//!
//! # Constraints
//! Those of [`sample`](crate::sample::sample()). To renormalise probabilities, give their logarithms at temperature 1.
//!
//! # Sources
//! `top_k_renorm_probs`, `top_p_renorm_probs` and `top_k_mask_logits` of FlashInfer, for what users ask; the filters are [`Sampling`](crate::sample::Sampling)'s.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::sample::{Parameters, Renormalize, Sampling, renormalize};
//!
//! let logits = Tensor::from_vec(vec![0.5f32.ln(), 0.25f32.ln(), 0.125f32.ln(), 0.125f32.ln()], [1, 4])?;
//! let parameters = Parameters::new(&[Sampling { top_p: 0.7, ..Sampling::default() }])?;
//! let p = renormalize(&Stream::cpu(), &logits, &parameters, &Renormalize::default())?.to_vec::<f32>()?;
//! assert!((p[0] - 2.0 / 3.0).abs() < 1e-6 && (p[1] - 1.0 / 3.0).abs() < 1e-6);
//! assert_eq!(p[2..], [0.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::parameters::Parameters;
use super::sample::check_rows;

const NAME: &str = "renormalize";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// What [`renormalize`] gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Renormalized {
    /// Probabilities.
    #[default]
    Probabilities,
    /// Their logarithms: minus infinity of what is not kept.
    Logprobs,
    /// The logits as given where they are kept, else minus infinity.
    Logits,
}

/// Arguments of [`renormalize`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Renormalize {
    /// What to give. Default probabilities.
    pub output: Renormalized,
    /// Is added to every row's position. Default 0.
    pub step: u64,
}

/// The distribution of each row. Fails on a shape, dtype or device that does not fit.
pub fn renormalize(
    stream: &Stream,
    logits: &Tensor,
    parameters: &Parameters,
    args: &Renormalize,
) -> Result<Tensor> {
    check_rows(NAME, stream, logits, parameters)?;
    match stream.device() {
        Device::Cpu => cpu::renormalize(logits, parameters.tensor(), args),
        _ => gpu::renormalize(stream, logits, parameters.tensor(), args),
    }
}

//! Draws one token a row from logits, with temperature, filters and seed of each row, and reports log-probabilities.
//!
//! # Math
//! p = softmax(z / T) of the logits z, filtered in the row's order ([`Sampling`](crate::sample::Sampling), [`Order`](crate::sample::Order)); id = argmin of E(j) / p(j) over the
//! kept tokens j, where E(j) = -ln(1 - u(j)) and u(j) is a hash of seed, position + step and j: an exponential race, which is Gumbel-max. Without
//! filters it is run in two heats, which give the same distribution: among tiles of 1024 tokens by their masses (tile t has the number 2^31 + t in the
//! hash), then among the tokens of the tile that won; so only a tile's tokens are hashed. Every filter keeps the tokens that are equal to the last one it keeps, so that what is kept depends on the values alone.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | logits | `[r, v]`, 1 <= v < 2^31 | any strides | f32, f16, bf16 |
//! | parameters | `[r, 20]`, of [`Parameters`] | row-major | u32 |
//! | ids | `[r]` | row-major | u32 |
//! | logprobs | `[r]` | row-major | f32 |
//! | top_ids | `[r, top_n]` | row-major | u32 |
//! | top_logprobs | `[r, top_n]` | row-major | f32 |
//!
//! # Numerics
//! What decides is defined to the bit, the same on every device: distances from the largest logit in f32, powers of two by a polynomial of fused
//! multiply-adds, masses as integers in units of 2^-40 of the likeliest token's, totals from tiles of 1024 tokens summed in one order, the hash in
//! integers, the deviate by polynomials. So a row's token depends on its logits, parameters and step only. Against exact arithmetic the weights err
//! by 3 unit roundoffs of f32 and by the rounding of the logits' differences; tokens below 2^-40 of the likeliest have no mass for filters.
//! Minus infinity is never drawn. A row that holds NaN or plus infinity, or nothing but minus infinity, gives the id `u32::MAX` and NaN: never a
//! wrong token. `logprobs` are of the logits as given (temperature 1, before filters), or of what the draw was made from, as
//! [`Sample::logprobs`] says. Top ids descend by logit, then ascend by id; where fewer than `top_n` tokens can be drawn, `u32::MAX` and minus
//! infinity follow.
//!
//! # Constraints
//! At most 65,535 rows on a GPU, and `top_n` at most 1024 there. Where the filters keep more tokens than a list of 1024 (a flat distribution under
//! top-p alone), a GPU searches the row itself, which takes some five passes over it by one threadgroup.
//!
//! # Sources
//! Gumbel-max in the form of exponential races: Maddison, Tarlow, Minka, "A* sampling", 2014. Filters as vLLM, llama.cpp (`llama-sampling.cpp`)
//! and mlx-lm (`sample_utils.py`) define them; read for their semantics only. Integer hash: after Wellons' triple32, with a second key word.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::sample::{Parameters, Sample, Sampling, sample};
//!
//! let logits = Tensor::from_vec(vec![0.0f32, 3.0, 1.0, 9.0, 8.0, -2.0], [2, 3])?;
//! let rows = [Sampling { top_k: 1, seed: 7, ..Sampling::default() }, Sampling { temperature: 0.0, ..Sampling::default() }];
//! let drawn = sample(&Stream::cpu(), &logits, &Parameters::new(&rows)?, &Sample { top_n: 2, ..Sample::default() })?;
//! assert_eq!(drawn.ids.to_vec::<u32>()?, [1, 0]);
//! assert_eq!(drawn.top_ids.to_vec::<u32>()?, [1, 2, 0, 1]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
pub(super) mod cpu;
pub(super) mod gpu;
mod keep;
pub(super) mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::parameters::Parameters;
use crate::arguments::{check_device, check_tensor};

const NAME: &str = "sample";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// Which distribution `logprobs` are of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Logprobs {
    /// The softmax of the logits as given.
    #[default]
    Raw,
    /// What the draw was made from: after temperature and filters. Greedy rows have 0.
    Processed,
}

/// Arguments of [`sample`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many of the likeliest tokens to report, at most v. Default 0.
    pub top_n: usize,
    /// What the logprobs of the drawn tokens are of. Default raw.
    pub logprobs: Logprobs,
    /// Is added to every row's position. Default 0.
    pub step: u64,
}

/// What [`sample`] gives.
#[derive(Debug, Clone)]
pub struct Sampled {
    /// The drawn tokens, u32 `[r]`.
    pub ids: Tensor,
    /// Their log-probabilities, f32 `[r]`.
    pub logprobs: Tensor,
    /// The likeliest tokens, u32 `[r, top_n]`.
    pub top_ids: Tensor,
    /// Their log-probabilities by the logits as given, f32 `[r, top_n]`.
    pub top_logprobs: Tensor,
}

/// Draws one token a row. Fails on a shape, dtype or device that does not fit, and on `top_n` beyond v.
pub fn sample(stream: &Stream, logits: &Tensor, parameters: &Parameters, args: &Sample) -> Result<Sampled> {
    let n = check_rows(NAME, stream, logits, parameters)?;
    if args.top_n > n {
        return Err(Error::range(NAME, "top_n", format!("at most {n}, the tokens there are"), args.top_n));
    }
    match stream.device() {
        Device::Cpu => cpu::sample(logits, parameters.tensor(), args),
        _ => gpu::sample(stream, logits, parameters.tensor(), args),
    }
}

/// Checks logits and their parameters, and gives v.
pub(super) fn check_rows(
    operation: &'static str,
    stream: &Stream,
    logits: &Tensor,
    parameters: &Parameters,
) -> Result<usize> {
    check_tensor(operation, "logits", stream, logits, DTYPES)?;
    check_device(operation, "parameters", stream, parameters.tensor())?;
    let &[rows, n] = logits.dims() else {
        return Err(Error::shape(operation, "logits", "[r, v]", logits.shape()));
    };
    if n == 0 || n > i32::MAX as usize {
        return Err(Error::shape(operation, "logits", "[r, v] with 1 <= v < 2^31", logits.shape()));
    }
    if parameters.tensor().dims()[0] != rows {
        let expected = format!("[{rows}, {}]", super::parameters::WORDS);
        return Err(Error::shape(operation, "parameters", expected, parameters.tensor().shape()));
    }
    Ok(n)
}

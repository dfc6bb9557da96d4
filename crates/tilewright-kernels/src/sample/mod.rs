//! Drawing tokens from logits.
//!
//! [`draw`] · [`sample()`] · [`Parameters`] · [`penalize()`] · [`dry()`] · [`renormalize()`] · [`categorical()`] · [`speculative_accept()`] · [`beam_top_k()`]
//!
//! A draw is a race: each token gets an exponential deviate from a hash of the row's seed, its position and the token, divided by the
//! token's weight, and the least wins; where nothing was filtered, tiles of tokens run first. Luck therefore depends on nothing but these three numbers,
//! and all arithmetic that decides is defined to the bit: a row draws the same token on every device, in every batch, with any number of threads.

pub mod beam_top_k;
pub mod categorical;
mod draw;
pub mod dry;
mod noise;
mod parameters;
pub mod penalize;
pub mod renormalize;
#[expect(
    clippy::module_inception,
    reason = "the family is named after its main kernel, as kernels are after their functions"
)]
pub mod sample;
pub mod speculative_accept;

pub use beam_top_k::{BeamTopK, Continuations, beam_top_k};
pub use categorical::{Categorical, categorical};
pub use draw::{Drawn, Dry, Penalty, Text, TextSampler, TextSampling, draw};
pub use dry::dry;
pub use parameters::{Order, Parameters, Sampling, Stage};
pub use penalize::{Penalize, penalize};
pub use renormalize::{Renormalize, Renormalized, renormalize};
pub use sample::{Logprobs, Sample, Sampled, sample};
pub use speculative_accept::{Accepted, speculative_accept};

//! The mLSTM, a linear recurrence with a matrix for a state, in each of its forms.
//!
//! | kernel | |
//! |---|---|
//! | [`mlstm_step()`] | one token |
//! | [`mlstm_sequence()`] | one token after another, in one launch |
//! | [`mlstm_chunkwise()`] | a chunk of tokens after another: within a chunk, products of matrices |
//! | [`mlstm_chunkwise_bw()`] | its gradients, by the initial state too |
//! | [`mlstm_parallel()`] | all tokens at once, as attention |
//! | [`mlstm_parallel_bw()`] | its gradients |
//!
//! All forms compute one function, which [`Mlstm`] describes, and carry one state, [`MlstmState`].

pub mod mlstm_chunkwise;
pub mod mlstm_chunkwise_bw;
pub mod mlstm_parallel;
pub mod mlstm_parallel_bw;
pub mod mlstm_sequence;
pub mod mlstm_step;

mod cell;
mod gates;
mod lanes;
mod product;
mod registry;
mod rows;
mod samples;
#[cfg(test)]
mod stabilisers;
mod vectors;

pub use cell::{InputGate, Mlstm, MlstmInputs, MlstmState};
pub use mlstm_chunkwise::{MlstmChunkwise, mlstm_chunkwise};
pub use mlstm_chunkwise_bw::{
    MlstmBackward, MlstmChunkwiseBw, MlstmGradients, MlstmLoss, mlstm_chunkwise_bw,
};
pub use mlstm_parallel::mlstm_parallel;
pub use mlstm_parallel_bw::mlstm_parallel_bw;
pub use mlstm_sequence::mlstm_sequence;
pub use mlstm_step::{mlstm_step, mlstm_step_in_place, mlstm_step_into};

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
//! The parts of the chunkwise form, each by itself, which composed give it and its gradients:
//!
//! | kernel | |
//! |---|---|
//! | [`mlstm_states()`] | the states between chunks, all or every n-th |
//! | [`mlstm_outputs()`] | what queries read of them, with denominators and stabilisers |
//! | [`mlstm_bw_states()`] | the gradients of the states |
//! | [`mlstm_bw_q()`], [`mlstm_bw_k()`], [`mlstm_bw_v()`] | those of queries, keys and values, from states and their gradients |
//! | [`mlstm_bw_gates()`] | those of the gates, from all others |
//!
//! All forms compute one function, which [`Mlstm`] describes, and carry one state, [`MlstmState`].

pub mod mlstm_bw_gates;
pub mod mlstm_bw_k;
pub mod mlstm_bw_q;
pub mod mlstm_bw_states;
pub mod mlstm_bw_v;
pub mod mlstm_chunkwise;
pub mod mlstm_chunkwise_bw;
pub mod mlstm_outputs;
pub mod mlstm_parallel;
pub mod mlstm_parallel_bw;
pub mod mlstm_sequence;
pub mod mlstm_states;
pub mod mlstm_step;

mod boundaries;
mod cell;
mod gates;
mod lanes;
mod parts;
mod parts_cases;
mod product;
mod registry;
mod row_gradients;
mod rows;
mod samples;
#[cfg(test)]
mod stabilisers;
mod stretches;
mod vectors;

pub use cell::{InputGate, Mlstm, MlstmInputs, MlstmState};
pub use mlstm_bw_gates::{MlstmGateGradients, MlstmGateInputs, mlstm_bw_gates};
pub use mlstm_bw_k::mlstm_bw_k;
pub use mlstm_bw_q::mlstm_bw_q;
pub use mlstm_bw_states::mlstm_bw_states;
pub use mlstm_bw_v::mlstm_bw_v;
pub use mlstm_chunkwise::{MlstmChunkwise, mlstm_chunkwise};
pub use mlstm_chunkwise_bw::{
    MlstmBackward, MlstmChunkwiseBw, MlstmGradients, MlstmLoss, mlstm_chunkwise_bw,
};
pub use mlstm_outputs::{MlstmOutputs, mlstm_outputs};
pub use mlstm_parallel::mlstm_parallel;
pub use mlstm_parallel_bw::mlstm_parallel_bw;
pub use mlstm_sequence::mlstm_sequence;
pub use mlstm_states::mlstm_states;
pub use mlstm_step::{mlstm_step, mlstm_step_in_place, mlstm_step_into};
pub use parts::{MlstmParts, MlstmPartsBw, MlstmStateGradients, MlstmStates};

//! The sLSTM: a state of scalars, one a unit, whose gates see the output of the token before.
//!
//! | kernel | |
//! |---|---|
//! | [`slstm_step()`] | one token |
//! | [`slstm_sequence()`] | one token after another, in one launch |
//! | [`slstm_sequence_bw()`] | its gradients, by the recurrent weights and the initial state too |
//!
//! All carry one state, [`SlstmState`]. Unlike the mLSTM there is no form that is parallel over time: each token waits for the one before.

pub mod slstm_sequence;
pub mod slstm_sequence_bw;
pub mod slstm_step;

mod bound;
mod cell;
mod product;
mod registry;
mod samples;
mod units;

pub use cell::{ForgetGate, Slstm, SlstmState};
pub use slstm_sequence::slstm_sequence;
pub use slstm_sequence_bw::{SlstmGradients, SlstmLoss, slstm_sequence_bw};
pub use slstm_step::slstm_step;

//! The mLSTM, a linear recurrence with a matrix for a state, in each of its forms.
//!
//! | kernel | |
//! |---|---|
//! | [`mlstm_step()`] | one token |
//! | [`mlstm_sequence()`] | one token after another, in one launch |
//!
//! All forms compute one function, which [`Mlstm`] describes, and carry one state, [`MlstmState`].

pub mod mlstm_sequence;
pub mod mlstm_step;

mod cell;
mod gates;
mod registry;
mod rows;
mod samples;

pub use cell::{InputGate, Mlstm, MlstmInputs, MlstmState};
pub use mlstm_sequence::mlstm_sequence;
pub use mlstm_step::mlstm_step;

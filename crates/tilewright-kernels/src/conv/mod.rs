//! Convolutions over time, channel by channel.
//!
//! [`causal_conv()`] · [`causal_conv_bw()`]

pub mod causal_conv;
pub mod causal_conv_bw;

pub use causal_conv::{CausalConvInputs, causal_conv};
pub use causal_conv_bw::{CausalConvGradients, causal_conv_bw};

/// Taps of a filter at most: a thread of a GPU keeps as many sums.
const WIDEST: usize = 8;
/// Tokens whose share of the gradient of the weights is summed by itself, at least, and such sums at most.
const BLOCK: usize = 64;
const BLOCKS: usize = 128;

/// Tokens whose gradients by the weights are summed by themselves: a function of their number alone, so that sums are the same everywhere.
fn block(tokens: usize) -> usize {
    tokens.div_ceil(BLOCKS).max(BLOCK)
}

//! Norms of rows, each with a weight per element, and their gradients.
//!
//! [`rms_norm()`] · [`rms_norm_bw()`] · [`multi_head_layer_norm()`] · [`multi_head_layer_norm_bw()`]
//!
//! A row is what lies along the last axis. All four are one computation: a layer norm is an RMS norm of what is left when the mean has
//! been taken off, and heads are rows whose weights take turns.

pub mod multi_head_layer_norm;
pub mod multi_head_layer_norm_bw;
pub mod rms_norm;
pub mod rms_norm_bw;

mod device;
mod host;
mod registry;
mod rows;
mod truth;

pub use multi_head_layer_norm::{multi_head_layer_norm, multi_head_layer_norm_gated};
pub use multi_head_layer_norm_bw::{multi_head_layer_norm_bw, multi_head_layer_norm_gated_bw};
pub use rms_norm::rms_norm;
pub use rms_norm_bw::rms_norm_bw;
pub use rows::{Norm, NormGradients};

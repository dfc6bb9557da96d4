//! Rows of a table by their numbers, and the gradient of the table.
//!
//! [`embedding()`] · [`embedding_bw()`]

pub mod embedding;
pub mod embedding_bw;

pub use embedding::embedding;
pub use embedding_bw::embedding_bw;

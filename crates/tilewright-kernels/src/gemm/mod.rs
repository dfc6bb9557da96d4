//! Products: of matrices, of a matrix with its own transpose, of a matrix and a vector.
//!
//! - [`matmul()`]: `alpha op(A) op(B) + beta C`, batched.
//! - [`gram()`]: `AᵀA` or `AAᵀ`, half the work, symmetric to the bit.
//! - [`gemv()`]: `op(A) x`, at the speed of memory.
//! - [`gemv_fused()`]: several maps of one vector, with a norm before and an activation after.
//!
//! The first three reduce their arguments to one `Product` of views; a transposition, a slice or a broadcast is
//! a change of strides there, never a copy.

pub mod gemv;
pub mod gemv_fused;
pub mod gram;
pub mod matmul;
pub(crate) mod number;
mod product;
pub(crate) mod runs;
mod samples;
mod tile;

pub use gemv::{Gemv, gemv};
pub use gemv_fused::{After, Before, Fused, FusedMaps, gemv_fused};
pub use gram::{Gram, gram};
pub use matmul::{Matmul, matmul};
pub use tile::Tile;

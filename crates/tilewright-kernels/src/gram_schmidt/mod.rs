//! Projections onto and away from an orthonormal basis, and what is made of them.
//!
//! | kernel | |
//! |---|---|
//! | [`project()`] | `c = Qᵀ v`: the coefficients of `v` in the basis |
//! | [`deflate()`] | `v - Q c`: what is left of `v` |
//! | [`orthonormalize()`] | block Gram-Schmidt with both, twice |
//! | [`subspace_step()`] | `Aᵀ (A V)`, a step of subspace iteration |

pub mod deflate;
pub mod orthonormalize;
pub mod project;
pub mod subspace_step;

mod exact;
mod gpu;
mod host;
mod samples;

pub use deflate::{Deflate, deflate};
pub use orthonormalize::{Orthonormal, Orthonormalize, orthonormalize};
pub use project::{Project, project};
pub use subspace_step::{SubspaceStep, subspace_step};

use tilewright_core::{DType, Device, Error, Result, Tensor};

use crate::arguments::check_f64;

/// Dtypes of projections.
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// The extents of `q [.., m, k]` and of `v [.., m]`, one vector, or `[.., m, p]`, a block of p.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sizes {
    batch: Vec<usize>,
    m: usize,
    k: usize,
    /// `None` for one vector without an axis of its own.
    p: Option<usize>,
}

impl Sizes {
    /// Of `q` and of `block`, which has `rows` in the place of its first matrix axis: m for `v`, k for `c`.
    fn new(
        operation: &'static str,
        q: &Tensor,
        argument: &'static str,
        block: &Tensor,
        rows: impl Fn(usize, usize) -> usize,
    ) -> Result<Self> {
        let &[ref batch @ .., m, k] = q.dims() else {
            return Err(Error::shape(operation, "q", "[.., m, k]", q.shape()));
        };
        let rows = rows(m, k);
        let wanted = || {
            format!(
                "[{0}{rows}] or [{0}{rows}, p]",
                batch.iter().map(|n| format!("{n}, ")).collect::<String>()
            )
        };
        let p = match block.dims().strip_prefix(batch) {
            Some([first]) if *first == rows => None,
            Some([first, p]) if *first == rows => Some(*p),
            _ => return Err(Error::shape(operation, argument, wanted(), block.shape())),
        };
        Ok(Sizes { batch: batch.to_vec(), m, k, p })
    }

    fn batches(&self) -> usize {
        self.batch.iter().product()
    }

    fn columns(&self) -> usize {
        self.p.unwrap_or(1)
    }

    /// `[.., rows]` or `[.., rows, p]`.
    fn shape(&self, rows: usize) -> Vec<usize> {
        self.batch.iter().copied().chain([rows]).chain(self.p).collect()
    }
}

/// The type in which sums of this dtype are kept.
fn accumulator(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The variants of a projection, the default first: a block is a matrix product where its sums need not be compensated.
fn variants(
    operation: &'static str,
    device: Device,
    dtype: DType,
    columns: usize,
    compensated: bool,
) -> Result<Vec<&'static str>> {
    check_f64(operation, device, dtype)?;
    Ok(match device {
        Device::Cpu => vec!["cpu"],
        _ if is_product(columns, compensated) => vec!["gemm", "portable"],
        _ => vec!["portable"],
    })
}

fn is_product(columns: usize, compensated: bool) -> bool {
    columns > 1 && !compensated
}

/// The most rows whose products one chain adds up, so that rounding errors grow as the square root of m and not as m.
fn rows_per_chain(m: usize) -> usize {
    2 * m.isqrt() + 32
}

/// The longest chain of additions in a sum over m rows: one chunk, and the sum over the chunks.
fn longest_chain(m: usize) -> usize {
    let rows = rows_per_chain(m);
    m.min(rows + m.div_ceil(rows) + 8)
}

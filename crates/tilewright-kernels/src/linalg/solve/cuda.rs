//! NVIDIA's cuSOLVER for a single large system.

use tilewright_core::{Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;

use super::super::extents::Extents;
use super::super::lu::{Columns, columns};
use super::super::{Solution, vendor};

/// The solution for `b: [.., n, k]`, or without one the inverse. `a` has elements.
pub(super) fn solve(stream: &Stream, a: &Tensor, b: Option<&Tensor>, extents: &Extents) -> Result<Solution> {
    let Columns { mut factors, mut pivots, info } = columns(stream, a, extents)?;
    let mut x = match b {
        Some(b) => vendor::columns(stream, b)?,
        None => vendor::identity(stream, a.dtype(), a.dims().to_vec(), &info)?,
    };
    cusolver::solve(stream, &mut factors, &mut pivots, &mut x)?;
    vendor::spoil(stream, &mut x, &info)?;
    Ok(Solution { x: x.transpose()?, info })
}

//! NVIDIA's cuSOLVER for a single large matrix.

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;

use super::super::extents::Extents;
use super::super::vendor;
use super::LuFactors;

/// Factors as the library leaves them.
pub(in super::super) struct Columns {
    /// `[.., n, m]`: both factors by columns.
    pub(in super::super) factors: Tensor,
    /// The exchanges of rows, i64.
    pub(in super::super) pivots: Tensor,
    /// Of the batch's shape.
    pub(in super::super) info: Tensor,
}

/// Of a matrix that has elements.
pub(in super::super) fn columns(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<Columns> {
    let mut factors = vendor::columns(stream, a)?;
    let mut pivots = Tensor::empty(stream, DType::I64, [extents.m.min(extents.n)])?;
    let mut info = Tensor::empty(stream, DType::I32, &extents.batch[..])?;
    cusolver::lu(stream, &mut factors, &mut pivots, &mut info)?;
    Ok(Columns { factors, pivots, info })
}

/// The factors. `a` has elements.
pub(super) fn lu(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<LuFactors> {
    let Columns { factors, pivots, info } = columns(stream, a, extents)?;
    let permutation = vendor::permutation(stream, &pivots, extents.m, extents.shape(&[extents.m]))?;
    Ok(LuFactors { lu: factors.transpose()?, permutation, info })
}

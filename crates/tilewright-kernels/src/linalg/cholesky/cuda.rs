//! NVIDIA's cuSOLVER for a single large matrix.

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;

use super::super::vendor;

/// The factor and its info. `a` has elements.
pub(super) fn cholesky(
    stream: &Stream,
    a: &Tensor,
    batch: &[usize],
    upper: bool,
) -> Result<(Tensor, Tensor)> {
    let mut columns = vendor::columns(stream, a)?;
    let mut info = Tensor::empty(stream, DType::I32, batch)?;
    // By columns a triangle is the other one.
    cusolver::cholesky(stream, &mut columns, &mut info, !upper)?;
    let info = vendor::triangle(stream, &mut columns, &info, !upper, batch)?;
    Ok((columns.transpose()?, info))
}

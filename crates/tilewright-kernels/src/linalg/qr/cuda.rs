//! NVIDIA's cuSOLVER for a single large matrix with no fewer rows than columns.

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;

use super::super::extents::Extents;
use super::super::vendor;
use super::gpu::finish;

/// q, if it is wanted, and r. `a` has elements.
pub(super) fn qr(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    with_q: bool,
    nonnegative: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let n = extents.n;
    let mut columns = vendor::columns(stream, a)?;
    let mut tau = Tensor::empty(stream, a.dtype(), [n])?;
    let mut info = Tensor::empty(stream, DType::I32, [1])?;
    cusolver::reflectors(stream, &mut columns, &mut tau, &mut info)?;
    let shape = extents.shape(&[n, n]);
    let (_, r) = finish(stream, &columns.transpose()?, None, extents, &shape, false)?;
    let q = match with_q {
        true => {
            cusolver::orthogonal(stream, &mut columns, &mut tau, &mut info)?;
            Some(columns.transpose()?)
        }
        false => None,
    };
    match nonnegative {
        // The signs that count are on the diagonal of r, whose rows are the first ones of a single matrix.
        true => finish(stream, &r, q, extents, &shape, true),
        false => Ok((q, r)),
    }
}

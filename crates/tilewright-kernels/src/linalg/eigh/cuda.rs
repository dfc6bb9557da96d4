//! NVIDIA's cuSOLVER: divide and conquer, single or batched, where the portable body's turns have become too many.

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;

use super::super::extents::Extents;
use super::super::vendor::{Form, columns, finished};
use super::{Eigen, Eigh};

/// The eigenvalues and eigenvectors. `a` has elements.
pub(super) fn eigh(stream: &Stream, a: &Tensor, extents: &Extents, args: &Eigh) -> Result<Eigen> {
    let vectors = !args.values_only;
    // The largest eigenvalue of a is the least of its negative.
    let form = Form::Symmetric { upper: args.upper, negative: args.descending };
    let (mut matrix, scale) = columns(stream, a, extents, form)?;
    let mut values = Tensor::empty(stream, a.dtype(), extents.shape(&[extents.n]))?;
    let mut info = Tensor::empty(stream, DType::I32, &extents.batch[..])?;
    cusolver::eigh(stream, &mut matrix, &mut values, &mut info, vectors)?;
    let mut none = Tensor::empty(stream, a.dtype(), [0])?;
    if !vectors {
        matrix = Tensor::empty(stream, a.dtype(), [0])?;
    }
    let written = (&mut values, &mut matrix, &mut none);
    let info = finished(stream, (&scale, &info), written, extents)?;
    // Each one is a row there.
    let vectors = vectors.then(|| matrix.transpose()).transpose()?;
    Ok(Eigen { values, vectors, info })
}

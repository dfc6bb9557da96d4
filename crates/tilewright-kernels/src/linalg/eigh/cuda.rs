//! NVIDIA's cuSOLVER: divide and conquer for a single matrix, where the portable body gives it to one group of threads, and its form for batches.

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;

use super::super::extents::Extents;
use super::super::vendor::{ascending, finished, whole};
use super::{Eigen, Eigh};

/// The eigenvalues and eigenvectors. `a` has elements.
pub(super) fn eigh(stream: &Stream, a: &Tensor, extents: &Extents, args: &Eigh) -> Result<Eigen> {
    let vectors = !args.values_only;
    // The largest eigenvalue of a is the least of its negative.
    let (mut matrix, scale) = whole(stream, a, extents, (args.upper, args.descending))?;
    let mut values = Tensor::empty(stream, a.dtype(), extents.shape(&[extents.n]))?;
    let mut info = Tensor::empty(stream, DType::I32, &extents.batch[..])?;
    if extents.batches() == 1 {
        cusolver::eigh(stream, &mut matrix, &mut values, &mut info, vectors)?;
        if !vectors {
            matrix = Tensor::empty(stream, a.dtype(), [0])?;
        }
    } else {
        cusolver::eigh_batched(stream, &mut matrix, &mut values, &mut info, vectors)?;
        (values, matrix) = ascending(stream, &values, vectors.then_some(&matrix))?;
        if !vectors {
            matrix = Tensor::empty(stream, a.dtype(), [0])?;
        }
    }
    let info = finished(stream, (&scale, &info), (&mut values, &mut matrix), extents)?;
    // Each one is a row there.
    let vectors = vectors.then(|| matrix.transpose()).transpose()?;
    Ok(Eigen { values, vectors, info })
}

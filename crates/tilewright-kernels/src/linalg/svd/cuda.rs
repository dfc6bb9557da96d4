//! NVIDIA's cuSOLVER: the polar decomposition, then the eigenvalues of its symmetric factor.

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;

use super::super::extents::Extents;
use super::super::vendor::{Form, columns, finished};
use super::{SvdFactors, SvdMode};

/// The factors. `a` has elements, and n <= m.
pub(super) fn svd(stream: &Stream, a: &Tensor, extents: &Extents, mode: SvdMode) -> Result<SvdFactors> {
    let (m, n) = (extents.m, extents.n);
    let vectors = mode != SvdMode::Values;
    let (mut matrix, scale) = columns(stream, a, extents, Form::Whole)?;
    let shape = |rows: usize, columns: usize| if vectors { extents.shape(&[rows, columns]) } else { vec![0] };
    let mut s = Tensor::empty(stream, a.dtype(), extents.shape(&[n]))?;
    let mut u = Tensor::empty(stream, a.dtype(), shape(if mode == SvdMode::Full { m } else { n }, m))?;
    let mut v = Tensor::empty(stream, a.dtype(), shape(n, n))?;
    let mut info = Tensor::empty(stream, DType::I32, &extents.batch[..])?;
    let out = cusolver::Svd { s: &mut s, u: &mut u, v: &mut v, info: &mut info };
    cusolver::svd(stream, &mut matrix, out)?;
    let info = finished(stream, (&scale, &info), (&mut s, &mut u, &mut v), extents)?;
    // Columns of u, and columns of v: rows of vᵀ.
    let u = vectors.then(|| u.transpose()).transpose()?;
    Ok(SvdFactors { u, s, vt: vectors.then_some(v), info })
}

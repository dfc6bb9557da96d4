//! Linear maps, forward and backward, over the last axis.

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{Axpy, CopyTo, axpy, copy};
use tilewright_kernels::gemm::{Gemv, Matmul, gemv, matmul};

/// `x wᵀ + plus`: x `[.., k]`, w `[n, k]`, plus `[.., n]` or `[n]`. The result has the dtype `out`, by default that of x.
pub(super) fn linear(
    stream: &Stream,
    x: &Tensor,
    w: &Tensor,
    plus: Option<&Tensor>,
    out: Option<DType>,
) -> Result<Tensor> {
    let (k, n) = (w.dims()[1], w.dims()[0]);
    let shape = [&x.dims()[..x.rank() - 1], &[n]].concat();
    if x.elements() == k {
        // One vector: the weights are read once, and that is all the time there is.
        let row = flat(stream, x)?.reshape([k])?;
        let y = gemv(stream, w, &row, &Gemv { transpose: false, out_dtype: out })?;
        let y = match plus {
            Some(plus) => axpy(stream, &y, &flat(stream, plus)?.reshape([n])?, &Axpy::default())?,
            None => y,
        };
        return y.reshape(shape);
    }
    // A row beside all rows is repeated; it needs as many axes as the product of matrices has.
    let plus = match plus {
        Some(row) if row.rank() == 1 => Some(row.unsqueeze(0)?.broadcast_to(shape)?),
        other => other.cloned(),
    };
    let beta = if plus.is_some() { 1.0 } else { 0.0 };
    let args = Matmul { transpose_b: true, beta, out_dtype: out, ..Matmul::default() };
    matmul(stream, x, w, plus.as_ref(), &args)
}

/// The gradient by x of `x wᵀ`, added to `plus`: dy `[.., n]`, w `[n, k]`.
pub(super) fn linear_bw_x(stream: &Stream, dy: &Tensor, w: &Tensor, plus: Option<&Tensor>) -> Result<Tensor> {
    let beta = if plus.is_some() { 1.0 } else { 0.0 };
    matmul(stream, dy, w, plus, &Matmul { beta, ..Matmul::default() })
}

/// The gradient by w of `x wᵀ`: dy `[.., n]`, x `[.., k]`.
pub(super) fn linear_bw_w(stream: &Stream, dy: &Tensor, x: &Tensor) -> Result<Tensor> {
    let args = Matmul { transpose_a: true, ..Matmul::default() };
    matmul(stream, &rows(stream, dy)?, &rows(stream, x)?, None, &args)
}

/// All leading axes as one.
pub(super) fn rows(stream: &Stream, x: &Tensor) -> Result<Tensor> {
    let last = *x.dims().last().ok_or_else(|| Error::shape("model", "x", "at least 1 axis", x.shape()))?;
    flat(stream, x)?.reshape([x.elements() / last.max(1), last])
}

/// The same row-major.
pub(super) fn flat(stream: &Stream, x: &Tensor) -> Result<Tensor> {
    if x.is_contiguous() { Ok(x.clone()) } else { copy(stream, x, &CopyTo::default()) }
}

//! What the arguments' shapes say.

use tilewright_core::{Error, Result, Stream, Tensor};

use super::DTYPES;
use crate::arguments::{check_same_dtype, check_tensor};

/// The extents of a stack of matrices, `[.., m, n]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extents {
    pub(super) batch: Vec<usize>,
    pub(super) m: usize,
    pub(super) n: usize,
}

impl Extents {
    /// Of an argument that lies on the stream's device and has a dtype of the family.
    pub(super) fn of(
        operation: &'static str,
        stream: &Stream,
        argument: &'static str,
        tensor: &Tensor,
    ) -> Result<Self> {
        check_tensor(operation, argument, stream, tensor, DTYPES)?;
        match tensor.dims() {
            &[ref batch @ .., m, n] => Ok(Extents { batch: batch.to_vec(), m, n }),
            _ => Err(Error::shape(operation, argument, "[.., m, n]", tensor.shape())),
        }
    }

    /// Of square matrices.
    pub(super) fn square(
        operation: &'static str,
        stream: &Stream,
        argument: &'static str,
        tensor: &Tensor,
    ) -> Result<Self> {
        let extents = Self::of(operation, stream, argument, tensor)?;
        if extents.m != extents.n {
            return Err(Error::shape(operation, argument, "[.., n, n]", tensor.shape()));
        }
        Ok(extents)
    }

    /// The number of matrices.
    pub(super) fn batches(&self) -> usize {
        self.batch.iter().product()
    }

    /// `[.., tail]`
    pub(super) fn shape(&self, tail: &[usize]) -> Vec<usize> {
        [&self.batch, tail].concat()
    }
}

/// Right-hand sides `b`, `[.., rows, k]` or `[.., rows]`, beside matrices of `extents`: as a view `[.., rows, k]`.
pub(super) fn right_sides(
    operation: &'static str,
    stream: &Stream,
    b: &Tensor,
    a: &Tensor,
    extents: &Extents,
    rows: usize,
) -> Result<Tensor> {
    check_tensor(operation, "b", stream, b, DTYPES)?;
    check_same_dtype(operation, "b", b, a)?;
    match b.dims().strip_prefix(&extents.batch[..]) {
        Some(&[first]) if first == rows => b.unsqueeze(b.rank()),
        Some(&[first, _]) if first == rows => Ok(b.clone()),
        _ => {
            let batch: String = extents.batch.iter().map(|extent| format!("{extent}, ")).collect();
            let expected = format!("[{batch}{rows}] or [{batch}{rows}, k]");
            Err(Error::shape(operation, "b", expected, b.shape()))
        }
    }
}

/// Refuses a tensor that lies elsewhere than the work, or has another dtype or shape than it must.
pub(super) fn check_like(
    operation: &'static str,
    stream: &Stream,
    argument: &'static str,
    tensor: &Tensor,
    other: &Tensor,
    shape: &[usize],
) -> Result<()> {
    check_tensor(operation, argument, stream, tensor, DTYPES)?;
    check_same_dtype(operation, argument, tensor, other)?;
    if tensor.dims() != shape {
        return Err(Error::shape(operation, argument, format!("{shape:?}"), tensor.shape()));
    }
    Ok(())
}

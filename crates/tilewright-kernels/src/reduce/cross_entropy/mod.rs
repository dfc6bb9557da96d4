//! The cross-entropy of logits: minus the logarithm of the probability that softmax gives to what came.
//!
//! # Math
//! ```text
//! loss[..] = log(sum over j of exp(logits[.., j])) - logits[.., target[..]]        0 where target < 0
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | logits | `[.., n]`, at least 1 axis | any strides | f32, f16, bf16; f64 on the CPU |
//! | target | `[..]` | any strides | i64 |
//! | loss | `[..]` | row-major | f32; f64 for f64 |
//!
//! # Numerics
//! The sum is [`logsumexp`](super::logsumexp())'s, relative to the largest logit; the difference to the largest is taken before the logarithm is added. Nothing of
//! the size of the logits is written. A row with NaN or +inf, or of -inf alone, has the loss NaN. A negative target is one to leave out: its loss is 0.
//!
//! # Constraints
//! A target >= n is an error on the CPU, and a loss of NaN on a GPU, which cannot ask before it runs. f64 is refused by every GPU.
//!
//! # Sources
//! Blanchard, Higham, Higham, Accurately computing the log-sum-exp and softmax functions, IMA J. Numer. Anal. 41 (2021), section 4.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::cross_entropy;
//! let logits = Tensor::from_vec(vec![0.0f32, 3f32.ln(), 7.0, 7.0], [2, 2])?;
//! let target = Tensor::from_vec(vec![1i64, -1], [2])?;
//! let loss = cross_entropy(&Stream::cpu(), &logits, &target)?.to_vec::<f32>()?;
//! assert!((loss[0] - (4f32 / 3.0).ln()).abs() < 1e-6 && loss[1] == 0.0);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use crate::arguments::check_tensor;
use crate::reduce::rows::{Rows, check_exponential};

const NAME: &str = "cross_entropy";
pub(super) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// The loss of each row of `logits`, given which of its elements came.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; on the CPU a target beyond the row; f64 on a GPU.
pub fn cross_entropy(stream: &Stream, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    let rows = check(NAME, stream, logits, target)?;
    match stream.device() {
        Device::Cpu => cpu::cross_entropy(&rows, target),
        _ => gpu::cross_entropy(stream, &rows, target),
    }
}

/// The rows of logits with as many targets.
pub(super) fn check(
    operation: &'static str,
    stream: &Stream,
    logits: &Tensor,
    target: &Tensor,
) -> Result<Rows> {
    check_exponential(operation, stream.device(), logits.dtype())?;
    let rows =
        Rows::new(operation, stream, logits, -1, DTYPES).map_err(|error| named(operation, error, logits))?;
    check_tensor(operation, "target", stream, target, &[DType::I64])?;
    if target.dims() != rows.reduced() {
        let expected = format!("{:?} as the rows of logits", rows.reduced());
        return Err(Error::shape(operation, "target", expected, target.shape()));
    }
    Ok(rows)
}

/// `Rows` calls what it is given x.
fn named(operation: &'static str, error: Error, logits: &Tensor) -> Error {
    match error.kind() {
        tilewright_core::Kind::DType { expected, got, .. } => {
            Error::dtype(operation, "logits", expected.clone(), *got)
        }
        tilewright_core::Kind::Shape { expected, .. } => {
            Error::shape(operation, "logits", expected.clone(), logits.shape())
        }
        tilewright_core::Kind::Layout { why, .. } => Error::layout(operation, "logits", why.clone()),
        _ => error,
    }
}

/// The targets of host rows, each of them checked.
pub(super) fn targets(operation: &'static str, rows: &Rows, target: &Tensor) -> Result<Vec<i64>> {
    let targets = target.to_vec::<i64>()?;
    match targets.iter().find(|&&target| target >= rows.n as i64) {
        Some(beyond) => Err(Error::range(operation, "target", format!("below {}", rows.n), beyond)),
        None => Ok(targets),
    }
}

/// The dtype of losses.
pub(super) fn loss_dtype(logits: DType) -> DType {
    if logits == DType::F64 { DType::F64 } else { DType::F32 }
}

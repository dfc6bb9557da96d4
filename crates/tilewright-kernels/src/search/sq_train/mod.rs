//! The ranges of a scalar quantiser: the least number of each column, and how far the greatest is from it.
//!
//! # Math
//! ranges(0, j) = min_i x_ij, ranges(1, j) = max_i x_ij - min_i x_ij, over the finite x_ij; both 0 where there is none.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[n, d]`, d >= 1 | any strides | f32 |
//! | ranges | `[2, d]` | row-major | f32 |
//!
//! # Numerics
//! One rounding, that of the difference. Deterministic, the same bits on every device.
//!
//! # Constraints
//! Differences have to stay below f32's greatest number.
//!
//! # Sources
//! The scalar quantiser of faiss, whose `trained` numbers these are, with its default of the whole range.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::sq_train;
//!
//! let x = Tensor::from_vec(vec![1.0f32, 5.0, -2.0, 5.0], [2, 2])?;
//! assert_eq!(sq_train(&Stream::cpu(), &x)?.to_vec::<f32>()?, [-2.0, 5.0, 3.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::arguments::check_tensor;

const NAME: &str = "sq_train";

/// The ranges `[2, d]` of the columns of `x`. Fails on shapes, dtypes and devices that do not fit.
pub fn sq_train(stream: &Stream, x: &Tensor) -> Result<Tensor> {
    check_tensor(NAME, "x", stream, x, &[DType::F32])?;
    match *x.dims() {
        [n, d] if d > 0 && n < u32::MAX as usize => {}
        _ => {
            let expected = "[n, d] with d >= 1 and fewer than 2^32 - 1 rows";
            return Err(Error::shape(NAME, "x", expected, x.shape()));
        }
    }
    let x = x.to(stream)?;
    match stream.device() {
        Device::Cpu => cpu::sq_train(&x),
        _ => gpu::sq_train(stream, &x),
    }
}

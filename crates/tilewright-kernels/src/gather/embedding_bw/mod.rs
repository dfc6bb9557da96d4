//! The gradient of the table of [`embedding`](super::embedding()).
//!
//! # Math
//! ```text
//! dtable[i, j] = sum of dy[p, j] over all places p with ids[p] = i
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | dy | `[.., d]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | ids | `[..]` | any strides | i64 |
//! | dtable | `[n, d]` | row-major | as dy |
//!
//! # Numerics
//! Sums are f32 (f64 for f64), in the order of the places, and rounded once: the same bits on every run and every device, without atomics.
//!
//! # Constraints
//! An id outside of 0..n is an error on the CPU; a GPU leaves it out. Each row of the table looks through all ids on a GPU: the work is n times their number, read
//! from caches. There n, d and the number of ids are below 2^31, and f64 is refused.
//!
//! # Sources
//! The transpose of the gather that [`embedding`](super::embedding()) is.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gather::embedding_bw;
//! let dy = Tensor::from_vec(vec![1.0f32, 2.0, 4.0], [3, 1])?;
//! let ids = Tensor::from_vec(vec![1i64, 0, 1], [3])?;
//! assert_eq!(embedding_bw(&Stream::cpu(), &dy, &ids, 3)?.to_vec::<f32>()?, [2.0, 5.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::embedding::{DTYPES, check_extents, variants};
use crate::arguments::check_tensor;

const NAME: &str = "embedding_bw";

/// The gradient by a table of `n` rows, given `dy`, the gradient by what [`embedding`](super::embedding()) took from it.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; on the CPU an id that the table lacks; f64 on a GPU.
pub fn embedding_bw(stream: &Stream, dy: &Tensor, ids: &Tensor, n: usize) -> Result<Tensor> {
    check_tensor(NAME, "dy", stream, dy, DTYPES)?;
    check_tensor(NAME, "ids", stream, ids, &[DType::I64])?;
    variants(NAME, stream.device(), dy.dtype())?;
    let Some((&d, places)) = dy.dims().split_last().filter(|(_, places)| *places == ids.dims()) else {
        let places: Vec<String> = ids.dims().iter().map(usize::to_string).collect();
        let expected = format!("[{}, d] as ids", places.join(", "));
        return Err(Error::shape(NAME, "dy", expected, dy.shape()));
    };
    match stream.device() {
        Device::Cpu => cpu::embedding_bw(dy, ids, n, d),
        _ => {
            check_extents(NAME, "dy", n, d, places.iter().product())?;
            gpu::embedding_bw(stream, dy, ids, n, d)
        }
    }
}

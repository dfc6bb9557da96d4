//! Rows of a table by their numbers: tokens become vectors.
//!
//! # Math
//! ```text
//! out[.., j] = table[ids[..], j]
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | table | `[n, d]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | ids | `[..]` | any strides | i64 |
//! | out | `[.., d]` | row-major | as table |
//!
//! # Numerics
//! Elements are moved: exact.
//!
//! # Constraints
//! An id outside of 0..n is an error on the CPU, and a row of NaN on a GPU, which cannot ask before it runs. On a GPU n and d are below 2^32. f64 is refused by
//! every GPU.
//!
//! # Sources
//! Bengio et al., A neural probabilistic language model, JMLR 3 (2003).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gather::embedding;
//! let table = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
//! let ids = Tensor::from_vec(vec![1i64, 0, 1], [3])?;
//! let rows = embedding(&Stream::cpu(), &table, &ids)?;
//! assert_eq!(rows.to_vec::<f32>()?, [3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cases::{DTYPES, cases as shared_cases, ids as case_ids, values, variants};

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use crate::arguments::check_tensor;

const NAME: &str = "embedding";

/// The rows of `table` that `ids` name.
///
/// # Errors
/// Tensors on another device than the stream, of other dtypes or ranks; on the CPU an id that the table lacks; f64 on a GPU.
pub fn embedding(stream: &Stream, table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    check_tensor(NAME, "table", stream, table, DTYPES)?;
    check_tensor(NAME, "ids", stream, ids, &[DType::I64])?;
    variants(NAME, stream.device(), table.dtype())?;
    let &[n, d] = table.dims() else {
        return Err(Error::shape(NAME, "table", "[n, d]", table.shape()));
    };
    let shape = [ids.dims(), &[d]].concat();
    match stream.device() {
        Device::Cpu => cpu::embedding(table, ids, &shape),
        _ => {
            check_extents(NAME, "table", n, d, ids.elements())?;
            gpu::embedding(stream, table, ids, &shape)
        }
    }
}

/// The ids, each of them checked.
pub(super) fn checked(operation: &'static str, ids: &Tensor, n: usize) -> Result<Vec<i64>> {
    let ids = ids.to_vec::<i64>()?;
    match ids.iter().find(|&&id| id < 0 || id >= n as i64) {
        Some(beyond) => Err(Error::range(operation, "ids", format!("0..{n}"), beyond)),
        None => Ok(ids),
    }
}

/// What the GPU bodies can count.
pub(super) fn check_extents(
    operation: &'static str,
    argument: &'static str,
    n: usize,
    d: usize,
    ids: usize,
) -> Result<()> {
    if n.max(d).max(ids) > i32::MAX as usize {
        return Err(Error::shape(
            operation,
            argument,
            "extents below 2^31",
            format!("[{n}, {d}], {ids} ids"),
        ));
    }
    Ok(())
}

//! What the registered kernels of this family have in common: arguments by name, variants by device.

use tilewright_core::{ArgSpec, Args, Case, DType, Device, Error, Result, Tensor, Value, Work};

use super::rows::check_exponential;
use crate::arguments::{check_dtype, check_f64, only_variant};

pub(super) const AXIS: ArgSpec =
    ArgSpec { name: "axis", default: "-1", doc: "the axis, counted from the end where negative" };
pub(super) const INDEX: ArgSpec =
    ArgSpec { name: "index", default: "u32", doc: "the dtype of positions: u32 or i64" };

/// The argument `axis`.
pub(super) fn axis(operation: &'static str, args: &Args) -> Result<i64> {
    match args.get("axis") {
        None => Ok(-1),
        Some(&Value::Int(axis)) => Ok(axis),
        Some(other) => Err(Error::range(operation, "axis", "a whole number", other)),
    }
}

/// The argument `index`.
pub(super) fn index(args: &Args) -> Result<DType> {
    args.text("index", "u32")?.parse()
}

/// The one input of every kernel of the family.
pub(super) fn one<'a>(operation: &'static str, inputs: &'a [Tensor]) -> Result<&'a Tensor> {
    match inputs {
        [x] => Ok(x),
        _ => Err(Error::range(operation, "inputs", "1 tensor", inputs.len())),
    }
}

/// The variants that run `dtype` on `device`: one, where there is one.
pub(super) fn variants(
    operation: &'static str,
    device: Device,
    dtype: DType,
    dtypes: &[DType],
) -> Result<Vec<&'static str>> {
    check_dtype(operation, "x", dtype, dtypes)?;
    check_f64(operation, device, dtype)?;
    Ok(vec![only_variant(device)])
}

/// [`variants`] of a kernel with exponentials.
pub(super) fn variants_without_f64(
    operation: &'static str,
    device: Device,
    dtype: DType,
    dtypes: &[DType],
) -> Result<Vec<&'static str>> {
    check_exponential(operation, device, dtype)?;
    variants(operation, device, dtype, dtypes)
}

/// The work of a reduction: one operation an element.
pub(super) fn reduction(case: &Case) -> Work {
    let elements = elements(case);
    let results = elements / case.dim("n").max(1) as f64;
    Work { flops: elements, bytes: (elements + results) * case.dtype.size() as f64 }
}

/// Elements of the input of a case.
pub(super) fn elements(case: &Case) -> f64 {
    case.dims.iter().map(|&(_, size)| size as f64).product()
}

/// Whole numbers modulo the range of an integer dtype.
pub(super) fn wrapped(numbers: impl Iterator<Item = i64>, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    match dtype {
        DType::I32 => Tensor::from_vec(numbers.map(|number| number as i32).collect(), shape),
        DType::U32 => Tensor::from_vec(numbers.map(|number| number as u32).collect(), shape),
        _ => Tensor::from_vec(numbers.collect(), shape),
    }
}

//! Checks that all families share. Each names the operation and the argument that is wrong.

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

/// Refuses a tensor that lies elsewhere than the work, or has none of `dtypes`.
pub(crate) fn check_tensor(
    operation: &'static str,
    argument: &'static str,
    stream: &Stream,
    tensor: &Tensor,
    dtypes: &[DType],
) -> Result<()> {
    check_device(operation, argument, stream, tensor)?;
    check_dtype(operation, argument, tensor.dtype(), dtypes)
}

/// Refuses a tensor that lies elsewhere than the work.
pub(crate) fn check_device(
    operation: &'static str,
    argument: &'static str,
    stream: &Stream,
    tensor: &Tensor,
) -> Result<()> {
    if tensor.device() == stream.device() {
        return Ok(());
    }
    let why = format!("lies on {}, the stream is on {}", tensor.device(), stream.device());
    Err(Error::layout(operation, argument, why))
}

/// Refuses a dtype that is not among `dtypes`.
pub(crate) fn check_dtype(
    operation: &'static str,
    argument: &'static str,
    dtype: DType,
    dtypes: &[DType],
) -> Result<()> {
    if dtypes.contains(&dtype) {
        return Ok(());
    }
    let names: Vec<_> = dtypes.iter().map(|dtype| dtype.name()).collect();
    Err(Error::dtype(operation, argument, names.join(", "), dtype))
}

/// Refuses a tensor whose dtype is not that of `other`.
pub(crate) fn check_same_dtype(
    operation: &'static str,
    argument: &'static str,
    tensor: &Tensor,
    other: &Tensor,
) -> Result<()> {
    check_dtype(operation, argument, tensor.dtype(), &[other.dtype()])
}

/// Refuses f64 where kernels are Metal.
pub(crate) fn check_f64(operation: &'static str, device: Device, dtype: DType) -> Result<()> {
    if dtype == DType::F64 && matches!(device, Device::Metal(_) | Device::Emulated) {
        return Err(Error::unsupported(operation, device, "Metal has no 64-bit floats"));
    }
    Ok(())
}

/// The variant that was asked for, or the first of the `known`.
pub(crate) fn choose(
    operation: &'static str,
    variant: Option<&str>,
    known: &[&'static str],
) -> Result<&'static str> {
    let Some(variant) = variant else { return Ok(known[0]) };
    let found = known.iter().find(|known| **known == variant);
    found.copied().ok_or_else(|| Error::range(operation, "variant", format!("one of {known:?}"), variant))
}

/// The one variant of a kernel without alternatives.
pub(crate) fn only_variant(device: Device) -> &'static str {
    if device == Device::Cpu { "cpu" } else { "portable" }
}

//! What the registered kernels of this family have in common.

use tilewright_core::{ArgSpec, Device, DType, Error, Result, Tensor};

pub(super) const UPPER: ArgSpec =
    ArgSpec { name: "upper", default: "false", doc: "the upper triangle is read and written, not the lower one" };

/// The variants that run `dtype` on `device`.
pub(super) fn variants(operation: &'static str, device: Device, dtype: DType) -> Result<Vec<&'static str>> {
    check_device(operation, device, dtype)?;
    Ok(vec![variant(device)])
}

/// Refuses f64 where kernels are Metal.
pub(super) fn check_device(operation: &'static str, device: Device, dtype: DType) -> Result<()> {
    if dtype == DType::F64 && matches!(device, Device::Metal(_) | Device::Emulated) {
        return Err(Error::unsupported(operation, device, "Metal has no f64"));
    }
    Ok(())
}

/// Fails on a variant that `device` does not have.
pub(super) fn check_variant(operation: &'static str, device: Device, asked: Option<&str>) -> Result<()> {
    match asked {
        Some(asked) if asked != variant(device) => {
            Err(Error::range(operation, "variant", format!("{} on {device}", variant(device)), asked))
        }
        _ => Ok(()),
    }
}

fn variant(device: Device) -> &'static str {
    if device == Device::Cpu { "cpu" } else { "portable" }
}

/// As many inputs as there must be.
pub(super) fn inputs<'a, const N: usize>(
    operation: &'static str,
    inputs: &'a [Tensor],
) -> Result<&'a [Tensor; N]> {
    let wrong = |_| Error::range(operation, "number of inputs", N, inputs.len());
    inputs.try_into().map_err(wrong)
}

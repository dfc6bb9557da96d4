//! What the registered kernels of this family have in common.

use tilewright_core::{ArgSpec, DType, Device, Error, Result, Tensor};

use crate::arguments::{check_f64, only_variant};

pub(super) const UPPER: ArgSpec = ArgSpec {
    name: "upper",
    default: "false",
    doc: "the upper triangle is read and written, not the lower one",
};

/// The one variant that runs `dtype` on `device`.
pub(super) fn variants(operation: &'static str, device: Device, dtype: DType) -> Result<Vec<&'static str>> {
    check_f64(operation, device, dtype)?;
    Ok(vec![only_variant(device)])
}

/// As many inputs as there must be.
pub(super) fn inputs<'a, const N: usize>(
    operation: &'static str,
    inputs: &'a [Tensor],
) -> Result<&'a [Tensor; N]> {
    let wrong = |_| Error::range(operation, "number of inputs", N, inputs.len());
    inputs.try_into().map_err(wrong)
}

/// Compiles a body for CUDA, where NVRTC is installed: no emulator shows what f64 makes of it.
#[cfg(test)]
pub(super) fn compiles(
    program: &tilewright_gpu::Program,
    templates: &[tilewright_gpu::Template],
    dtypes: &[DType],
) {
    match program.compile_for("sm_90", templates, dtypes) {
        Err(error) if error.is_unsupported() => eprintln!("not compiled: {error}"),
        done => done.unwrap(),
    }
}

//! What the registered kernels of this family have in common.

use tilewright_core::{ArgSpec, Case, DType, Device, Error, Result, Tensor, Tier};

use super::extents::Extents;
use crate::arguments::{check_f64, only_variant};

pub(super) const UPPER: ArgSpec = ArgSpec {
    name: "upper",
    default: "false",
    doc: "the upper triangle is read and written, not the lower one",
};

/// Spectra between those that decide and the worst, for the sizes beside the ones at which bodies change.
pub(super) const SPECTRA: [&str; 5] = ["mild", "moderate", "harsh", "clustered", "scattered"];
/// Matrices of a batch, 0 for a single one, and their side: around a SIMD group's 32 and the 128 that stay on a chip.
pub(super) const BESIDE: [[usize; 2]; 5] = [[1, 32], [5, 33], [3, 127], [1, 128], [2, 129]];

/// Matrices of a batch, 0 for a single one, and rows and columns of each, of what is timed; and of f32 alone.
pub(super) const TIMED: [[usize; 2]; 7] =
    [[1000, 32], [4096, 32], [1024, 64], [256, 128], [0, 128], [0, 512], [0, 1024]];
pub(super) const TIMED_F32: [[usize; 2]; 3] = [[640, 512], [60, 1024], [0, 4096]];

/// The matrices of a case: b of m x n.
pub(super) fn extents(case: &Case) -> Extents {
    Extents { batch: vec![case.dim("b").max(1)], m: case.dim("m"), n: case.dim("n") }
}

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

/// What is timed of the variants of a case. One group of threads a matrix, which is made for smaller ones, takes seconds for a large one.
pub(super) fn timed(case: &Case, variants: Vec<&'static str>) -> Vec<&'static str> {
    if case.tier != Tier::Bench || case.dim("n") < 512 || variants.len() == 1 {
        return variants;
    }
    variants.into_iter().filter(|&variant| variant != "portable").collect()
}

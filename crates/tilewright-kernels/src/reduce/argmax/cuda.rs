//! The variant for CUDA: the groups of a row are a cluster of Hopper's, which joins what they found without a second launch.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Program, caps};

use super::NAME;
use super::gpu::BEST;
use crate::reduce::geometry::{CLUSTER, HEADER, REGISTERS, Split, definition};
use crate::reduce::rows::Rows;

/// Named after what the chip calls such groups.
pub(super) const VARIANT: &str = "cluster";

/// Lengths of rows: below, a group has little to read; above, eight groups are few for a row.
const SHORTEST: usize = 1 << 15;
const LONGEST: usize = 1 << 18;
/// Rows from which on the portable body, whose parts fill the chip by then, is no slower.
const MANY: usize = 96;

static CLUSTERS: LazyLock<Program> = LazyLock::new(|| {
    // Pointers of CUDA do not name the address spaces of Metal.
    let header = ["#define device\n#define threadgroup\n", HEADER, BEST].concat();
    let definition = definition("argmax_cluster", &[], include_str!("gpu.cuda.cu")).header(header);
    let definition = definition.cuda_only().cluster(CLUSTER as u32).most_registers(REGISTERS);
    Program::new(definition.output("out")).expect("the definition is valid")
});

/// Whether the variant runs this.
pub(super) fn takes(device: Device, dtype: DType, rows: usize, n: usize) -> bool {
    let Device::Cuda(_) = device else { return false };
    let has_clusters = || {
        caps(device).is_ok_and(|caps| caps.compute_capability().is_some_and(|capability| capability >= 90))
    };
    // What a group found of larger elements is more than is sent at once.
    dtype.size() <= 4 && (1..MANY).contains(&rows) && (SHORTEST..=LONGEST).contains(&n) && has_clusters()
}

pub(super) fn argmax(stream: &Stream, rows: &Rows, index: DType) -> Result<Tensor> {
    let split = Split::in_clusters(NAME, rows.rows, rows.n)?;
    split.launch(&CLUSTERS, stream, &rows.x).output("out", index, rows.reduced()).run_one()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed. No other test of a machine without a GPU reads this source.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        for dtype in [DType::F32, DType::F16, DType::Bf16, DType::I32, DType::U32] {
            for index in [DType::U32, DType::I64] {
                crate::nvrtc::compiles(&CLUSTERS, &[dtype.into()], &[dtype, index]);
            }
        }
    }

    #[test]
    fn the_device_and_the_sizes_decide() {
        assert!(include_str!("gpu.cuda.cu").contains(&format!("found[{CLUSTER}];")));
        assert!(!takes(Device::Emulated, DType::F32, 32, 128_256));
        // Every row has a part for each group of its cluster.
        for n in [SHORTEST, SHORTEST + 1, 128_256, LONGEST - 1, LONGEST] {
            assert_eq!(Split::in_clusters(NAME, 3, n).unwrap().parts, CLUSTER);
        }
    }
}

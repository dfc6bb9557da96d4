//! Matrices that a group of threads holds whole, in its registers.

use tilewright_core::DType;
use tilewright_gpu::Launch;

/// How such a matrix is laid out: rows go round the SIMD groups, columns round the lanes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// Columns, in 32.
    pub(super) blocks: usize,
    /// SIMD groups.
    pub(super) simds: usize,
}

impl Tile {
    /// For matrices of so many rows and columns at most, if they fit. A thread has 64 numbers of 32 bits at most.
    pub(super) fn of(dtype: DType, largest: usize) -> Option<Self> {
        match (dtype, largest.div_ceil(32)) {
            (_, ..=2) => Some(Tile { blocks: 2, simds: 4 }),
            (DType::F64, _) => None,
            (_, blocks @ 3..=4) => Some(Tile { blocks, simds: 8 }),
            _ => None,
        }
    }

    /// [`of`](Self::of), or up to 128 of f64: for a body that needs few numbers beside the matrix, which takes half of a thread's registers.
    pub(super) fn with_f64(dtype: DType, largest: usize) -> Option<Self> {
        Self::of(dtype, largest).or_else(|| Self::of(DType::F32, largest))
    }

    pub(super) fn threads(self) -> usize {
        32 * self.simds
    }

    /// The launch with its templates `Q` and `W`.
    pub(super) fn set<'a>(self, launch: Launch<'a>) -> Launch<'a> {
        launch.template("Q", self.blocks).template("W", self.simds)
    }
}

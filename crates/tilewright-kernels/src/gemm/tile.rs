//! The shape of the portable GPU body's tile.

use std::fmt;
use std::str::FromStr;

use tilewright_core::{DType, Error, Result};

/// How the portable body of [`matmul`](super::matmul()) divides its work: a group of threads makes a `rows` x `columns` block of the
/// output in steps of `depth` terms, and each thread holds `thread_rows` x `thread_columns` of it in registers.
///
/// Written `64x64x16/4x4`.
///
/// ```
/// use tilewright_kernels::gemm::Tile;
/// let tile: Tile = "128x64x8/8x8".parse()?;
/// assert_eq!((tile.rows, tile.columns, tile.threads()), (128, 64, 128));
/// # Ok::<(), tilewright_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows of the output block.
    pub rows: usize,
    /// Columns of the output block.
    pub columns: usize,
    /// Terms of the sum per step.
    pub depth: usize,
    /// Rows per thread, in runs of 4.
    pub thread_rows: usize,
    /// Columns per thread, in runs of 4.
    pub thread_columns: usize,
}

/// Threadgroup memory that every target has.
const GROUP_MEMORY: usize = 32 * 1024;

impl Tile {
    /// A tile; see the fields.
    pub const fn new(
        rows: usize,
        columns: usize,
        depth: usize,
        thread_rows: usize,
        thread_columns: usize,
    ) -> Self {
        Tile { rows, columns, depth, thread_rows, thread_columns }
    }

    /// Threads per group.
    pub const fn threads(&self) -> usize {
        (self.rows / self.thread_rows) * (self.columns / self.thread_columns)
    }

    /// Threadgroup memory: two stages of both operands, each row of the stage padded by 4 elements.
    pub const fn bytes(&self, accumulator: DType) -> usize {
        2 * self.depth * (self.rows + 4 + self.columns + 4) * accumulator.size()
    }

    /// What is wrong with the tile for sums in `accumulator`, if anything.
    pub(super) fn fault(&self, accumulator: DType) -> Option<String> {
        let runs = self.thread_rows.is_multiple_of(4) && self.thread_columns.is_multiple_of(4);
        if !runs || self.thread_rows == 0 || self.thread_columns == 0 || self.depth == 0 {
            return Some("the depth must be positive and a thread's share a positive multiple of 4".into());
        }
        // A SIMD group covers 4 x 8 threads of the block, so that its reads of threadgroup memory are mostly shared.
        if !self.rows.is_multiple_of(4 * self.thread_rows)
            || !self.columns.is_multiple_of(8 * self.thread_columns)
            || self.threads() == 0
        {
            return Some("the block must hold whole SIMD groups of 4 x 8 threads".into());
        }
        if self.threads() > 1024 {
            return Some(format!("{} threads, of at most 1024", self.threads()));
        }
        let chunks = (self.rows * self.depth, self.columns * self.depth);
        if !self.depth.is_multiple_of(4)
            || !chunks.0.is_multiple_of(4 * self.threads())
            || !chunks.1.is_multiple_of(4 * self.threads())
        {
            return Some("each thread must load whole runs of 4 elements of both operands".into());
        }
        let bytes = self.bytes(accumulator);
        (bytes > GROUP_MEMORY)
            .then(|| format!("{bytes} bytes of threadgroup memory, of at most {GROUP_MEMORY}"))
    }

    /// The tiles worth timing for sums in `accumulator`, from large blocks to small ones.
    pub fn candidates(accumulator: DType) -> Vec<Tile> {
        const ALL: [Tile; 8] = [
            Tile::new(128, 128, 8, 8, 8),
            Tile::new(128, 64, 8, 8, 8),
            Tile::new(64, 128, 8, 8, 8),
            Tile::new(128, 64, 16, 8, 4),
            Tile::new(64, 64, 16, 4, 4),
            Tile::new(64, 64, 8, 8, 4),
            Tile::new(32, 32, 16, 4, 4),
            Tile::new(16, 32, 8, 4, 4),
        ];
        ALL.into_iter().filter(|tile| tile.fault(accumulator).is_none()).collect()
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tile { rows, columns, depth, thread_rows, thread_columns } = self;
        write!(f, "{rows}x{columns}x{depth}/{thread_rows}x{thread_columns}")
    }
}

impl FromStr for Tile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers: Option<Vec<usize>> = text.split(['x', '/']).map(|part| part.parse().ok()).collect();
        if let Some(&[rows, columns, depth, thread_rows, thread_columns]) = numbers.as_deref() {
            let tile = Tile { rows, columns, depth, thread_rows, thread_columns };
            if tile.to_string() == text {
                return Ok(tile);
            }
        }
        Err(Error::range("tile", "tile", "ROWSxCOLUMNSxDEPTH/ROWSxCOLUMNS, such as 64x64x16/4x4", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_sound_and_round_trip() {
        for accumulator in [DType::F32, DType::F64] {
            let tiles = Tile::candidates(accumulator);
            assert!(tiles.len() > 4);
            for tile in tiles {
                assert_eq!(tile.to_string().parse::<Tile>().unwrap(), tile);
                assert!(tile.threads() % 32 == 0 && tile.threads() <= 1024);
            }
        }
    }

    #[test]
    fn unsound_tiles_say_why() {
        for (text, part) in [
            ("64x64x16/3x4", "multiple of 4"),
            ("64x64x0/4x4", "depth"),
            ("8x64x16/4x4", "whole SIMD groups"),
            ("512x512x8/8x8", "4096 threads"),
            ("128x128x4/4x4", "whole runs"),
            ("128x128x16/8x8", "33792 bytes"),
        ] {
            let fault = text.parse::<Tile>().unwrap().fault(DType::F32);
            assert!(fault.as_ref().is_some_and(|fault| fault.contains(part)), "{text}: {fault:?}");
        }
        for text in ["", "64", "64x64x16", "64x64/16x4x4", "64x64x16/4x-4", "64x64x16/4x4 "] {
            assert!(text.parse::<Tile>().is_err(), "{text}");
        }
    }
}

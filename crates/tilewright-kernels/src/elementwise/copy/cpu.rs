//! Native path. Movement knows only the size of an element; conversion, where there is any, follows on contiguous blocks.

use bytemuck::{Pod, cast_slice};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Tensor, with_element};

use super::convert::convert;
use super::walk::{Path, Walk};
use crate::parallel::Each;

/// Bytes of the output per task: below one of them threads cost more than they give.
const TASK: usize = 1 << 20;
/// Elements that are gathered before they are converted: they stay in the L1 cache.
const GATHERED: usize = 1024;
/// Elements along each side of a tile that is turned: 64 cache lines of the source at a time fit the L1 cache and its TLB.
const TILE: usize = 64;

pub(super) fn copy(x: &Tensor, out: &mut Tensor) -> Result<()> {
    let walk = Walk::new(x.layout());
    let (from, to) = (x.dtype(), out.dtype());
    let source: &[u8] = with_element!(from, S => cast_slice(x.host_elements::<S>()?));
    let target: &mut [u8] = with_element!(to, T => bytemuck::cast_slice_mut(out.as_slice_mut::<T>()?));
    let path = walk.path(8);
    if path == Path::Contiguous {
        contiguous(&source[walk.offset * from.size()..][..walk.dims[0] * from.size()], from, target, to);
        return Ok(());
    }
    let moved = Moved { walk: &walk, from, to };
    match from.size() {
        1 => moved.by::<u8>(source, target, path),
        2 => moved.by::<u16>(cast_slice(source), target, path),
        4 => moved.by::<u32>(cast_slice(source), target, path),
        _ => moved.by::<u64>(cast_slice(source), target, path),
    }
    Ok(())
}

fn contiguous(source: &[u8], from: DType, target: &mut [u8], to: DType) {
    let run = |source: &[u8], target: &mut [u8]| {
        if from == to { target.copy_from_slice(source) } else { convert(from, source, to, target) }
    };
    if target.len() <= TASK {
        return run(source, target);
    }
    let elements = TASK / to.size();
    let sources = source.par_chunks(elements * from.size());
    sources.zip(target.par_chunks_mut(elements * to.size())).each(&|(source, target)| run(source, target));
}

/// A copy of a source that is not one run.
struct Moved<'a> {
    walk: &'a Walk,
    from: DType,
    to: DType,
}

impl Moved<'_> {
    /// With elements moved as `E`, an integer of their size.
    fn by<E: Pod + Send + Sync>(&self, source: &[E], target: &mut [u8], path: Path) {
        match path {
            Path::Turned { axis } => self.turned(source, target, axis),
            _ => self.rows(source, target),
        }
    }

    /// Writes `elements`, which are contiguous, to `target`.
    fn deliver<E: Pod>(&self, elements: &[E], target: &mut [u8]) {
        if self.from == self.to {
            target.copy_from_slice(cast_slice(elements));
        } else {
            convert(self.from, cast_slice(elements), self.to, target);
        }
    }

    /// Row by row along the last axis. Long runs go as they are; everything else is gathered first, many short rows at a time.
    fn rows<E: Pod + Send + Sync>(&self, source: &[E], target: &mut [u8]) {
        let last = self.walk.dims.len() - 1;
        let (length, stride) = (self.walk.dims[last], self.walk.strides[last]);
        let row_bytes = length * self.to.size();
        let rows_per_task = (TASK / row_bytes).max(1);
        let rows_together = if stride == 1 { GATHERED / length } else { (GATHERED / length).max(1) };
        target.par_chunks_mut(rows_per_task * row_bytes).enumerate().each(&|(task, target)| {
            let mut starts = self.walk.row_starts(task * rows_per_task);
            if rows_together == 0 {
                for (target, start) in target.chunks_mut(row_bytes).zip(starts) {
                    self.deliver(&source[start..start + length], target);
                }
                return;
            }
            let mut gathered = Vec::new();
            for target in target.chunks_mut(rows_together * row_bytes) {
                gathered.clear();
                for start in starts.by_ref().take(target.len() / row_bytes) {
                    gathered.extend((0..length).map(|step| source[start + step * stride]));
                }
                self.deliver(&gathered, target);
            }
        });
    }

    /// Tile by tile: read along `axis`, along which the source is contiguous, written along the last axis.
    fn turned<E: Pod + Send + Sync>(&self, source: &[E], target: &mut [u8], axis: usize) {
        let Walk { dims, strides, .. } = self.walk;
        let last = dims.len() - 1;
        let (height, width, column) = (dims[axis], dims[last], strides[last]);
        let row: usize = dims[axis + 1..].iter().product();
        let bands = height.div_ceil(TILE);
        let items = dims.iter().product::<usize>() / (height * width);
        let target = Shared(target.as_mut_ptr(), target.len());
        (0..items * bands).into_par_iter().each(&|task| {
            let (from, to) = self.walk.locate(task / bands, &[axis, last]);
            let top = task % bands * TILE;
            let rows = TILE.min(height - top);
            let mut tile = [[E::zeroed(); TILE]; TILE];
            for left in (0..width).step_by(TILE) {
                let columns = TILE.min(width - left);
                for j in 0..columns {
                    let start = from + top + (left + j) * column;
                    for (line, &element) in tile.iter_mut().zip(&source[start..start + rows]) {
                        line[j] = element;
                    }
                }
                for (i, line) in tile[..rows].iter().enumerate() {
                    let start = (to + (top + i) * row + left) * self.to.size();
                    // SAFETY: this run of one output row belongs to this task's item, band and tile alone: `locate` gives each item its own
                    // positions on the other axes, bands part `axis`, and tiles part the last axis.
                    let run = unsafe { target.part(start, columns * self.to.size()) };
                    self.deliver(&line[..columns], run);
                }
            }
        });
    }
}

/// The output, to be written in disjoint parts by several tasks.
struct Shared(*mut u8, usize);

// SAFETY: the parts that tasks take are disjoint, which `part` asks of its caller.
unsafe impl Sync for Shared {}

impl Shared {
    /// # Safety
    /// No two parts that are alive at one time may overlap.
    #[expect(clippy::mut_from_ref, reason = "the caller promises disjoint parts")]
    unsafe fn part(&self, start: usize, length: usize) -> &mut [u8] {
        assert!(start + length <= self.1, "a part lies within the output");
        // SAFETY: in bounds as asserted, disjoint from all others as promised, and alive as long as the slice it was made from.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), length) }
    }
}

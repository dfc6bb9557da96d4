//! Host memory: aligned, and kept for reuse where getting it afresh from the operating system would cost more than the work in it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;

use crate::buffer::poisoning;
use crate::error::Kind;
use crate::{Device, Error, Result};

/// From this size on memory comes in pages, straight from the operating system.
const PAGED: usize = 128 << 10;
/// Page sizes of a block are multiples of this, so that blocks of nearly one size can serve each other.
const GRAIN: usize = 64 << 10;
/// From this size on the system is asked for huge pages: one fault for 2 MiB and not for 4 KiB.
#[cfg(target_os = "linux")]
const HUGE: usize = 4 << 20;
/// The idle pages that are kept in all. A first touch of a page costs a fault and a clearing, some 0.25 ms a MiB on virtual machines:
/// more than a product of 512 x 512 matrices takes a MiB of output. In larger blocks, huge pages make it cheap.
const KEPT: usize = 128 << 20;

/// Idle blocks, the longest idle first.
static IDLE: Mutex<VecDeque<MmapMut>> = Mutex::new(VecDeque::new());

/// Bytes of the host that start on a 64-byte boundary, so that they can be read as any element type and by any SIMD width.
pub struct AlignedBytes {
    block: Block,
    bytes: usize,
}

enum Block {
    Lines(Vec<CacheLine>),
    /// Always there, but for the moment of the drop.
    Pages(Option<MmapMut>),
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([u8; 64]);

impl AlignedBytes {
    /// `bytes` zeros. Fails where there is no memory.
    pub fn zeros(bytes: usize) -> Result<Self> {
        let (mut new, used) = Self::new(bytes)?;
        if used {
            new.as_mut().fill(0);
        }
        Ok(new)
    }

    /// `bytes` bytes to be overwritten: of any value, or poison where [`poison_new_memory`](crate::poison_new_memory) is on.
    /// Fails where there is no memory.
    pub fn fresh(bytes: usize) -> Result<Self> {
        let (mut new, _) = Self::new(bytes)?;
        if poisoning() {
            new.as_mut().fill(0xff);
        }
        Ok(new)
    }

    /// A copy of `source`. Fails where there is no memory.
    pub fn copy_of(source: &[u8]) -> Result<Self> {
        let (mut new, _) = Self::new(source.len())?;
        new.as_mut().copy_from_slice(source);
        Ok(new)
    }

    /// Initialised memory, and whether something else was in it before; it is zero where not.
    fn new(bytes: usize) -> Result<(Self, bool)> {
        if bytes < PAGED {
            let lines = bytemuck::zeroed_vec(bytes.div_ceil(64));
            return Ok((Self { block: Block::Lines(lines), bytes }, false));
        }
        let out_of_memory = || Error::new("allocate", Kind::OutOfMemory { bytes, device: Device::Cpu });
        let size = bytes.checked_next_multiple_of(GRAIN).ok_or_else(out_of_memory)?;
        if let Some(pages) = take(size) {
            return Ok((Self { block: Block::Pages(Some(pages)), bytes }, true));
        }
        let pages = MmapMut::map_anon(size).map_err(|_| out_of_memory())?;
        #[cfg(target_os = "linux")]
        if size >= HUGE {
            // A wish: without huge pages the same memory is only slower.
            let _ = pages.advise(memmap2::Advice::HugePage);
        }
        Ok((Self { block: Block::Pages(Some(pages)), bytes }, false))
    }
}

/// An idle block of this very size, the last one used: its contents may still be in a cache.
fn take(size: usize) -> Option<MmapMut> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let found = idle.iter().rposition(|pages| pages.len() == size)?;
    idle.remove(found)
}

fn keep(pages: MmapMut) {
    let mut freed = Vec::new();
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    idle.push_back(pages);
    let mut total: usize = idle.iter().map(|pages| pages.len()).sum();
    while total > KEPT {
        let Some(oldest) = idle.pop_front() else { break };
        total -= oldest.len();
        freed.push(oldest);
    }
    // Pages go back to the system after the lock: that takes time.
    drop(idle);
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        if let Block::Pages(pages) = &mut self.block {
            pages.take().into_iter().for_each(keep);
        }
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        let whole = match &self.block {
            Block::Lines(lines) => bytemuck::cast_slice(lines),
            Block::Pages(pages) => pages.as_deref().unwrap_or_default(),
        };
        &whole[..self.bytes]
    }
}

impl AsMut<[u8]> for AlignedBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        let whole = match &mut self.block {
            Block::Lines(lines) => bytemuck::cast_slice_mut(lines),
            Block::Pages(pages) => pages.as_deref_mut().unwrap_or_default(),
        };
        &mut whole[..self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_zero_in_memory_that_was_used() {
        for bytes in [0, 1, 63, PAGED - 1, PAGED, PAGED + 1, HUGE_TEST] {
            let mut first = AlignedBytes::fresh(bytes).unwrap();
            first.as_mut().fill(7);
            drop(first);
            let again = AlignedBytes::zeros(bytes).unwrap();
            assert_eq!(again.as_ref().len(), bytes);
            assert!(again.as_ref().iter().all(|&byte| byte == 0), "{bytes}");
            assert!(again.as_ref().as_ptr().addr().is_multiple_of(64));
        }
    }

    const HUGE_TEST: usize = (5 << 20) + 12345;

    #[test]
    fn copies_hold_what_was_copied() {
        let source: Vec<u8> = (0..PAGED + 77).map(|i| i as u8).collect();
        assert_eq!(AlignedBytes::copy_of(&source).unwrap().as_ref(), source);
    }

    #[test]
    fn more_than_there_can_be_is_an_error_that_says_how_much() {
        for bytes in [usize::MAX, usize::MAX / 2] {
            let error = AlignedBytes::zeros(bytes).err().expect("no machine has it");
            assert!(error.to_string().contains(&bytes.to_string()), "{error}");
        }
    }

    #[test]
    fn idle_memory_stays_within_its_limit() {
        let blocks: Vec<_> = (1..=40).map(|i| AlignedBytes::fresh(i << 20).unwrap()).collect();
        drop(blocks);
        let idle = IDLE.lock().unwrap();
        assert!(idle.iter().map(|pages| pages.len()).sum::<usize>() <= KEPT);
    }
}

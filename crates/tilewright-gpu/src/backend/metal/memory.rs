//! Memory that the GPU and the host share.

use std::any::Any;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_metal::{MTLBuffer, MTLDevice, MTLResourceOptions};
use tilewright_core::{Buffer, Device, Error, Kind, Result};

use super::device::Gpu;
use super::lock;
use super::queue::{Batch, Queue};

/// One shared allocation. A batch that uses it keeps it alive until the batch is done, so dropping it never waits.
pub(super) struct Memory {
    gpu: &'static Gpu,
    raw: Retained<ProtocolObject<dyn MTLBuffer>>,
    bytes: usize,
    uses: Mutex<Uses>,
}

// SAFETY: an MTLBuffer is bound to no thread, and its length and address never change. Its contents are touched by the host only while
// no other reference to this memory exists (at its creation) or after the batch that wrote them (`download`), and by the GPU in the order
// that `uses` keeps.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// The batches that a next use may have to wait for.
#[derive(Default)]
struct Uses {
    written: Option<Arc<Batch>>,
    /// Since it was written; at most one per queue, the latest.
    read: Vec<Arc<Batch>>,
}

/// Metal makes no empty buffer, and a launch with an empty tensor still binds one.
const LEAST: usize = 16;

impl Memory {
    pub(super) fn allocate(gpu: &'static Gpu, bytes: usize) -> Result<Self> {
        Self::make(gpu, bytes, || gpu.raw.newBufferWithLength_options(bytes.max(LEAST), shared()))
    }

    pub(super) fn upload(gpu: &'static Gpu, contents: &[u8]) -> Result<Self> {
        if contents.is_empty() {
            return Self::allocate(gpu, 0);
        }
        let from = NonNull::from(contents).cast::<c_void>();
        // SAFETY: Metal copies exactly the slice's bytes before it returns.
        let copy = || unsafe { gpu.raw.newBufferWithBytes_length_options(from, contents.len(), shared()) };
        Self::make(gpu, contents.len(), copy)
    }

    fn make(
        gpu: &'static Gpu,
        bytes: usize,
        make: impl FnOnce() -> Option<Retained<ProtocolObject<dyn MTLBuffer>>>,
    ) -> Result<Self> {
        let fits = bytes <= gpu.raw.maxBufferLength();
        let raw = autoreleasepool(|_| fits.then(make).flatten());
        let raw =
            raw.ok_or_else(|| Error::new("allocate", Kind::OutOfMemory { bytes, device: gpu.device() }))?;
        Ok(Self { gpu, raw, bytes, uses: Mutex::default() })
    }

    /// Fills new memory, which nothing has used yet.
    pub(super) fn poison(&mut self) {
        // SAFETY: the allocation has `bytes` bytes, and neither a batch nor another thread knows it.
        unsafe { self.raw.contents().cast::<u8>().write_bytes(0xff, self.bytes) };
    }

    pub(super) fn raw(&self) -> &ProtocolObject<dyn MTLBuffer> {
        &self.raw
    }

    /// Adds the batches of other queues that must be done before `queue` reads, or reads and writes, the memory.
    pub(super) fn before(&self, queue: &Queue, writes: bool, batches: &mut Vec<Arc<Batch>>) {
        let uses = lock(&self.uses);
        let readers = if writes { &uses.read[..] } else { &[] };
        let others = uses.written.iter().chain(readers).filter(|batch| !batch.is_of(queue));
        batches.extend(others.cloned());
    }

    /// Notes that `batch` reads, or reads and writes, the memory.
    pub(super) fn note(&self, batch: &Arc<Batch>, writes: bool) {
        let mut uses = lock(&self.uses);
        if writes {
            *uses = Uses { written: Some(batch.clone()), read: Vec::new() };
            return;
        }
        match uses.read.iter_mut().find(|other| other.is_of(batch.queue())) {
            Some(earlier) => *earlier = batch.clone(),
            None => uses.read.push(batch.clone()),
        }
    }
}

fn shared() -> MTLResourceOptions {
    // Hazard tracking stays on, Metal's default: it is what orders the work of one queue.
    MTLResourceOptions::StorageModeShared
}

/// Memory as tensors hold it; launches hold the memory itself.
pub(super) struct MetalBuffer(pub(super) Arc<Memory>);

impl Buffer for MetalBuffer {
    fn device(&self) -> Device {
        self.0.gpu.device()
    }

    fn bytes(&self) -> usize {
        self.0.bytes
    }

    fn download(&self, offset: usize, target: &mut [u8]) -> Result<()> {
        let memory = &self.0;
        assert!(offset + target.len() <= memory.bytes, "the tensor stays within its buffer");
        let written = lock(&memory.uses).written.clone();
        if let Some(batch) = written {
            batch.wait()?;
        }
        // SAFETY: the range lies within the allocation; the batch that wrote it last is done, and another cannot begin while the tensor
        // is borrowed for reading.
        unsafe {
            let from = memory.raw.contents().cast::<u8>().add(offset);
            from.copy_to_nonoverlapping(NonNull::from(&mut *target).cast(), target.len());
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

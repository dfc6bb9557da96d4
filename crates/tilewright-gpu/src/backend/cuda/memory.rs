//! Device memory, freed in stream order.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cudarc::driver::sys;
use tilewright_core::{Buffer, Device, Result};

use super::context::{check, check_memory};
use super::foreign::{Owner, retire};
use super::stream::RawStream;

/// Memory that was allocated on one stream, its home, and may be used on any.
///
/// The first use on another stream waits for what the home stream was asked to do until then; the last drop frees the memory in the home
/// stream's order, after the work so far of every stream that used it. So neither needs the host to wait.
pub(super) struct CudaBuffer {
    home: Arc<RawStream>,
    address: u64,
    bytes: usize,
    /// One bit per stream slot that has used the memory.
    used: AtomicU64,
    origin: Origin,
}

/// Where memory comes from, and so how it goes back.
enum Origin {
    /// The stream-ordered pool.
    Pool,
    /// The device's allocator: while a stream captures, the pool would belong to the capture.
    Device,
    /// Another library; taken when the buffer is dropped.
    Foreign(Option<Owner>),
}

impl CudaBuffer {
    pub(super) fn allocate(home: &Arc<RawStream>, bytes: usize) -> Result<Self> {
        let context = &home.context;
        context.bind()?;
        let mut address = 0;
        let pooled = !home.is_capturing();
        if bytes > 0 {
            let allocated = if pooled {
                // SAFETY: writes one address; the stream lives.
                unsafe { sys::cuMemAllocAsync(&mut address, bytes, home.raw) }
            } else {
                // SAFETY: writes one address.
                unsafe { sys::cuMemAlloc_v2(&mut address, bytes) }
            };
            check_memory(context.ordinal, bytes, allocated)?;
        }
        let origin = if pooled { Origin::Pool } else { Origin::Device };
        Ok(Self { home: home.clone(), address, bytes, used: AtomicU64::new(home.bit()), origin })
    }

    /// Memory that `owner` keeps, ready for what `home` is asked to do from now on.
    pub(super) fn foreign(home: &Arc<RawStream>, address: u64, bytes: usize, owner: Owner) -> Self {
        let (used, origin) = (AtomicU64::new(home.bit()), Origin::Foreign(Some(owner)));
        Self { home: home.clone(), address, bytes, used, origin }
    }

    pub(super) fn address(&self) -> u64 {
        self.address
    }

    /// Notes that `stream` is about to use the memory, after its home stream's work so far if this is the first time.
    pub(super) fn use_on(&self, stream: &Arc<RawStream>) -> Result<()> {
        if self.used.load(Ordering::Relaxed) & stream.bit() != 0 {
            return Ok(());
        }
        self.used.fetch_or(stream.bit(), Ordering::Relaxed);
        if Arc::ptr_eq(stream, &self.home) {
            return Ok(());
        }
        if stream.is_capturing() {
            // A capture cannot wait for work outside it, but the host can.
            return self.home.synchronize();
        }
        stream.wait_for(&self.home)
    }

    /// Every stream that may still be working on the memory.
    fn users(&self) -> Vec<Arc<RawStream>> {
        let used = self.used.load(Ordering::Relaxed);
        let streams = self.home.context.streams.lock().expect("no panic holds the lock");
        streams
            .iter()
            .filter_map(|stream| stream.upgrade())
            .filter(|stream| used & stream.bit() != 0)
            .collect()
    }
}

impl Buffer for CudaBuffer {
    fn device(&self) -> Device {
        Device::Cuda(self.home.context.ordinal)
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn download(&self, offset: usize, target: &mut [u8]) -> Result<()> {
        assert!(offset + target.len() <= self.bytes, "the tensor stays within its buffer");
        for user in self.users() {
            user.synchronize()?;
        }
        let context = &self.home.context;
        context.bind()?;
        let (from, raw) = (self.address + offset as u64, self.home.raw);
        // SAFETY: the range was checked against the buffer; `target` outlives the copy, which is waited for below.
        let copied =
            unsafe { sys::cuMemcpyDtoHAsync_v2(target.as_mut_ptr().cast(), from, target.len(), raw) };
        check(context.ordinal, "download", copied)?;
        self.home.synchronize()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for CudaBuffer {
    fn drop(&mut self) {
        if self.address == 0 || self.home.context.bind().is_err() {
            return;
        }
        if let Origin::Foreign(owner) = &mut self.origin {
            if let Some(owner) = owner.take() {
                retire(&self.users(), owner);
            }
            return;
        }
        for user in self.users() {
            if !Arc::ptr_eq(&user, &self.home) {
                // After a device fault every call fails alike; the memory is gone with the context then.
                let _ = self.home.wait_for(&user);
            }
        }
        // SAFETY: the address came from the matching allocator, and the free comes after every use in stream order (the pool's) or waits
        // for the device itself.
        unsafe {
            let _ = match self.origin {
                Origin::Device => sys::cuMemFree_v2(self.address),
                _ => sys::cuMemFreeAsync(self.address, self.home.raw),
            };
        }
    }
}

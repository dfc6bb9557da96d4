//! Host memory that another library owns, as a buffer.

use std::any::Any;

use tilewright_core::{Buffer, Device, Result};

/// Lent memory: read, never written, and given back with the last tensor over it.
pub(crate) struct Foreign {
    address: *const u8,
    bytes: usize,
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the memory is only read, and the owner may be dropped on any thread.
unsafe impl Send for Foreign {}
// SAFETY: as above.
unsafe impl Sync for Foreign {}

impl Foreign {
    /// # Safety
    /// `owner` keeps `bytes` readable bytes at `address`, which is aligned for the elements in it.
    pub(crate) unsafe fn new(address: *const u8, bytes: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { address, bytes, _owner: owner }
    }

    fn contents(&self) -> &[u8] {
        // SAFETY: the owner lives in `self`. That nobody writes while a call reads is asked of the caller in the documentation, as by
        // every library that releases the interpreter's lock.
        unsafe { std::slice::from_raw_parts(self.address, self.bytes) }
    }
}

impl Buffer for Foreign {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn bytes(&self) -> usize {
        self.bytes
    }
    fn host(&self) -> Option<&[u8]> {
        Some(self.contents())
    }
    fn download(&self, offset: usize, target: &mut [u8]) -> Result<()> {
        target.copy_from_slice(&self.contents()[offset..offset + target.len()]);
        Ok(())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

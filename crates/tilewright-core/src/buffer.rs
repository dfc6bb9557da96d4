//! Memory that a tensor's elements lie in.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{AlignedBytes, Device, Element, Result};

/// A block of memory on one device. Shared by the tensors that view it; freed with the last of them.
///
/// Back ends implement this; programs see [`crate::Tensor`].
pub trait Buffer: Any + Send + Sync {
    /// Where the memory is.
    fn device(&self) -> Device;
    /// Its size.
    fn bytes(&self) -> usize;
    /// The contents, where the host can read them directly.
    fn host(&self) -> Option<&[u8]> {
        None
    }
    /// The contents to change, where the host can do so directly.
    fn host_mut(&mut self) -> Option<&mut [u8]> {
        None
    }
    /// Copies `target.len()` bytes from `offset` to the host, after all work submitted so far that touches the buffer.
    fn download(&self, offset: usize, target: &mut [u8]) -> Result<()>;
    /// For a back end to recognise its own.
    fn as_any(&self) -> &dyn Any;
}

static POISON: AtomicBool = AtomicBool::new(false);

/// From now on, memory that is allocated without contents is filled with `0xFF` bytes (NaN in every float format).
///
/// A test device: an operation that leaves an output element unwritten then shows. Off by default.
pub fn poison_new_memory(on: bool) {
    POISON.store(on, Ordering::Relaxed);
}

/// Whether [`poison_new_memory`] is in force. Back ends ask when they allocate.
pub fn poisoning() -> bool {
    POISON.load(Ordering::Relaxed)
}

impl Buffer for AlignedBytes {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn bytes(&self) -> usize {
        self.as_ref().len()
    }
    fn host(&self) -> Option<&[u8]> {
        Some(self.as_ref())
    }
    fn host_mut(&mut self) -> Option<&mut [u8]> {
        Some(self.as_mut())
    }
    fn download(&self, offset: usize, target: &mut [u8]) -> Result<()> {
        target.copy_from_slice(&self.as_ref()[offset..offset + target.len()]);
        Ok(())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Any host container of elements, taken over without a copy.
pub(crate) struct Owned<T, O>(pub(crate) O, pub(crate) std::marker::PhantomData<T>);

impl<T: Element, O: AsRef<[T]> + Send + Sync + 'static> Buffer for Owned<T, O> {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn bytes(&self) -> usize {
        std::mem::size_of_val(self.0.as_ref())
    }
    fn host(&self) -> Option<&[u8]> {
        Some(bytemuck::cast_slice(self.0.as_ref()))
    }
    fn host_mut(&mut self) -> Option<&mut [u8]> {
        let owner: &mut dyn Any = &mut self.0;
        owner.downcast_mut::<Vec<T>>().map(|vec| bytemuck::cast_slice_mut(vec.as_mut_slice()))
    }
    fn download(&self, offset: usize, target: &mut [u8]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(self.0.as_ref());
        target.copy_from_slice(&bytes[offset..offset + target.len()]);
        Ok(())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

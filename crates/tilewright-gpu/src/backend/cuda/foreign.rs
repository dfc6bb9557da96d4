//! Memory and streams of other CUDA libraries in this process, such as PyTorch.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys;
use tilewright_core::{Buffer, EventDriver, Result};

use super::context::check;
use super::memory::CudaBuffer;
use super::stream::{CudaEvent, CudaStream, RawStream};

/// What keeps another library's memory.
pub(super) type Owner = Box<dyn Any + Send + Sync>;

/// Owners whose memory our streams may still be working on, with the events that end it.
static RETIRED: Mutex<Vec<(Vec<CudaEvent>, Owner)>> = Mutex::new(Vec::new());

/// Keeps `owner` until what `users` were asked to do so far is done. Nothing waits for that: owners go when a later call finds them idle.
pub(super) fn retire(users: &[Arc<RawStream>], owner: Owner) {
    // After a device fault nothing works on the memory any more.
    let Ok(events) = users.iter().map(|user| user.mark()).collect::<Result<Vec<_>>>() else { return };
    RETIRED.lock().unwrap_or_else(PoisonError::into_inner).push((events, owner));
    sweep();
}

/// Drops the owners of idle memory: outside the lock, for that may run another library's code.
fn sweep() {
    let done = |event: &CudaEvent| event.is_complete().unwrap_or(true);
    let mut retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner);
    let idle: Vec<_> = retired.extract_if(.., |(events, _)| events.iter().all(done)).collect();
    drop(retired);
    drop(idle);
}

impl CudaStream {
    /// Memory of another library as a buffer, kept by `owner` until the last tensor over it is gone and this library's work on it is done.
    ///
    /// # Safety
    /// `owner` keeps `bytes` bytes of device memory at `address`, on this stream's device. The work that made them is done, or comes before what
    /// is submitted to this stream from now on.
    pub unsafe fn adopt(&self, address: u64, bytes: usize, owner: Owner) -> Arc<dyn Buffer> {
        sweep();
        Arc::new(CudaBuffer::foreign(&self.0, address, bytes, owner))
    }

    /// Makes a stream of another library, a live `CUstream` handle of this device, wait for all that was submitted to this one.
    ///
    /// # Safety
    /// The handle is live.
    pub unsafe fn precede(&self, other: u64) -> Result<()> {
        let event = self.0.mark()?;
        // SAFETY: both live; the driver keeps what it needs of the event.
        let waits = unsafe { sys::cuStreamWaitEvent(other as sys::CUstream, event.raw, 0) };
        check(self.0.context.ordinal, "wait", waits)
    }

    /// Makes this stream wait for all that was submitted to a stream of another library, a live `CUstream` handle of this device.
    ///
    /// # Safety
    /// The handle is live.
    pub unsafe fn follow(&self, other: u64) -> Result<()> {
        let event = self.0.untimed_event()?;
        // SAFETY: both live.
        let recorded = unsafe { sys::cuEventRecord(event.raw, other as sys::CUstream) };
        check(self.0.context.ordinal, "wait", recorded)?;
        self.0.wait_event(&event)
    }

    /// Waits for everything on the device, streams of other libraries included.
    pub fn synchronize_device(&self) -> Result<()> {
        self.0.context.bind()?;
        // SAFETY: the context is current.
        check(self.0.context.ordinal, "synchronize", unsafe { sys::cuCtxSynchronize() })
    }
}

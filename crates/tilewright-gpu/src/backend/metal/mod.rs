//! Apple GPUs, through Metal.
//!
//! A stream is a command queue. Launches are encoded one after another into a command buffer, a batch, which is submitted when the GPU
//! would otherwise be idle, when it is full, and whenever something is to wait for it. Memory is shared with the host. Metal orders the
//! work of one queue by itself; between queues each buffer knows who wrote and read it last, and the next user waits on the device.
//!
//! It follows Apple's documentation and is type-checked for `aarch64-apple-darwin`; no Apple GPU has run it.

mod compile;
mod device;
mod job;
mod memory;
mod queue;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use compile::MetalPipeline;
pub(crate) use device::{caps, count};
pub(crate) use stream::{MetalRecording, MetalStream};

use std::sync::{Mutex, MutexGuard};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic holds the lock")
}

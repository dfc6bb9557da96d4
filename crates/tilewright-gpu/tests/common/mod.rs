//! The devices that a test runs on: every one that runs Metal bodies and is there.

use tilewright_core::{Device, Stream};

/// A new stream on each GPU that is present, and on the emulator, which needs no more than a C++ compiler.
pub(crate) fn streams() -> Vec<Stream> {
    let present =
        tilewright_gpu::devices().into_iter().filter(|(_, caps)| caps.is_ok()).map(|(device, _)| device);
    let streams: Vec<Stream> = present
        .filter(|device| *device != Device::Cpu)
        .map(|device| tilewright_gpu::stream(device).unwrap())
        .collect();
    assert!(!streams.is_empty(), "no device runs Metal bodies: install a C++ compiler for the emulator");
    streams
}

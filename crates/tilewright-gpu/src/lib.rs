//! The kernel runtime: body-only Metal kernels on Apple GPUs, on NVIDIA GPUs, and emulated under sanitizers without any GPU.
//!
//! A [`Definition`] names parameters and options and carries the body; a [`Program`] is a checked definition that compiles
//! itself once per device, template values and dtypes; a [`Launch`] gives the tensors and runs it on a [`Stream`].
//!
//! | module | what it does |
//! |---|---|
//! | [`define`](Definition) | names, parameters, options |
//! | `signature` | the generated signature and the unit of source for each target |
//! | [`dialect`] | Metal's names in C++: a token pass and headers |
//! | [`cache`] | compiled code in memory and on disk |
//! | [`tune`] | which candidate configuration a device runs |
//! | `backend` | CUDA, Metal, emulator |

pub mod cache;
mod caps;
mod define;
pub mod dialect;
mod grid;
mod program;
mod signature;
pub mod tune;

/// The back ends: what is not the same on every device.
pub mod backend;

pub use backend::{EmulatorMode, EmulatorOptions, emulator_options, set_emulator_options};
pub use caps::Caps;
pub use define::{Definition, MathMode, Scalar, Template};
pub use grid::Grid;
pub use program::{Capture, Launch, Program};

use tilewright_core::{Device, Result, Stream};

/// Opens a new stream on `device`: independent of every other stream, in order within.
///
/// An absent device, driver or compiler is an error that says what was looked for.
pub fn stream(device: Device) -> Result<Stream> {
    backend::open(device)
}

/// What `device` says of itself.
pub fn caps(device: Device) -> Result<Caps> {
    backend::caps(device)
}

/// Every device that was found, and one of each kind that was not, with the reason.
pub fn devices() -> Vec<(Device, Result<Caps>)> {
    let mut devices = vec![Device::Cpu];
    for kind in [Device::Cuda as fn(u32) -> Device, Device::Metal] {
        devices.extend((0..backend::count(kind).max(1)).map(kind));
    }
    devices.push(Device::Emulated);
    devices.into_iter().map(|device| (device, caps(device))).collect()
}

/// Device constructors that look whether the device is there.
///
/// ```
/// use tilewright_core::Device;
/// use tilewright_gpu::Present;
/// match Device::cuda(0) {
///     Ok(device) => println!("found {device}"),
///     Err(error) => println!("{error}"), // for example: unsupported on cuda:0: no CUDA driver: libcuda was not found
/// }
/// ```
pub trait Present: Sized {
    /// The CUDA device of this ordinal, or why there is none.
    fn cuda(ordinal: u32) -> Result<Self>;
    /// The Metal device of this position, or why there is none.
    fn metal(ordinal: u32) -> Result<Self>;
    /// The emulator, or why it cannot run: it needs a C++ compiler with sanitizers.
    fn emulated() -> Result<Self>;
    /// A new stream on this device.
    fn stream(self) -> Result<Stream>;
}

impl Present for Device {
    fn cuda(ordinal: u32) -> Result<Self> {
        caps(Device::Cuda(ordinal)).map(|_| Device::Cuda(ordinal))
    }
    fn metal(ordinal: u32) -> Result<Self> {
        caps(Device::Metal(ordinal)).map(|_| Device::Metal(ordinal))
    }
    fn emulated() -> Result<Self> {
        caps(Device::Emulated).map(|_| Device::Emulated)
    }
    fn stream(self) -> Result<Stream> {
        stream(self)
    }
}

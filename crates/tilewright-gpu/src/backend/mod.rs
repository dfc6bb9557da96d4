//! The back ends, and the one place where a stream's device decides between them.

use std::sync::Arc;

use tilewright_core::{DType, Device, Element, Error, Result, Stream, Tensor, with_element};

use crate::caps::{Caps, Limits};
use crate::define::Definition;
use crate::program::Call;
use crate::signature::Unit;

pub mod cublaslt;
pub mod cuda;
mod emulator;
pub mod emulator_host;
#[cfg(target_os = "macos")]
mod metal;

pub use emulator::{EmulatorMode, EmulatorOptions, emulator_options, set_emulator_options};

/// The stream of a back end that runs Metal bodies.
pub(crate) enum Backend<'a> {
    Cuda(&'a cuda::CudaStream),
    Emulated(&'a emulator::EmulatedStream),
    #[cfg(target_os = "macos")]
    Metal(&'a metal::MetalStream),
}

/// A program compiled for one device.
pub(crate) enum Pipeline {
    Cuda(cuda::CudaPipeline),
    Emulated(emulator::EmulatedPipeline),
    #[cfg(target_os = "macos")]
    Metal(metal::MetalPipeline),
}

impl Pipeline {
    pub(crate) fn limits(&self) -> &Limits {
        match self {
            Pipeline::Cuda(pipeline) => &pipeline.limits,
            Pipeline::Emulated(pipeline) => &pipeline.limits,
            #[cfg(target_os = "macos")]
            Pipeline::Metal(pipeline) => &pipeline.limits,
        }
    }
}

/// Recorded launches.
pub(crate) enum Recording {
    Cuda(cuda::CudaGraph),
    Emulated(emulator::EmulatedRecording),
    #[cfg(target_os = "macos")]
    Metal(metal::MetalRecording),
}

fn mismatch(operation: &str, device: Device) -> Error {
    Error::layout(operation.to_owned(), "stream", format!("belongs to another device than {device}"))
}

impl<'a> Backend<'a> {
    pub(crate) fn of(stream: &'a Stream, operation: &str) -> Result<Self> {
        let driver = stream.driver().as_any();
        if let Some(stream) = driver.downcast_ref() {
            return Ok(Backend::Cuda(stream));
        }
        #[cfg(target_os = "macos")]
        if let Some(stream) = driver.downcast_ref() {
            return Ok(Backend::Metal(stream));
        }
        if let Some(stream) = driver.downcast_ref() {
            return Ok(Backend::Emulated(stream));
        }
        let why = "Metal bodies run on metal, cuda and emulated; the CPU has native paths";
        Err(Error::unsupported(operation.to_owned(), stream.device(), why))
    }

    pub(crate) fn compile(&self, definition: &Definition, unit: &Unit) -> Result<Pipeline> {
        match self {
            Backend::Cuda(stream) => stream.compile(definition, unit).map(Pipeline::Cuda),
            Backend::Emulated(stream) => stream.compile(definition, unit).map(Pipeline::Emulated),
            #[cfg(target_os = "macos")]
            Backend::Metal(stream) => stream.compile(definition, unit).map(Pipeline::Metal),
        }
    }

    pub(crate) fn launch(&self, pipeline: &Pipeline, call: &Call<'_>) -> Result<()> {
        match (self, pipeline) {
            (Backend::Cuda(stream), Pipeline::Cuda(pipeline)) => stream.launch(pipeline, call),
            (Backend::Emulated(stream), Pipeline::Emulated(pipeline)) => stream.launch(pipeline, call),
            #[cfg(target_os = "macos")]
            (Backend::Metal(stream), Pipeline::Metal(pipeline)) => stream.launch(pipeline, call),
            _ => Err(mismatch(call.name, self.device())),
        }
    }

    /// Fills a row-major tensor with a value cast to its dtype.
    pub(crate) fn fill(&self, tensor: &Tensor, value: f64) -> Result<()> {
        let pattern = pattern(tensor.dtype(), value);
        match self {
            Backend::Cuda(stream) => stream.fill(tensor, &pattern),
            Backend::Emulated(stream) => stream.fill(tensor, &pattern),
            #[cfg(target_os = "macos")]
            Backend::Metal(stream) => stream.fill(tensor, &pattern),
        }
    }

    pub(crate) fn begin_capture(&self) -> Result<()> {
        match self {
            Backend::Cuda(stream) => stream.begin_capture(),
            Backend::Emulated(stream) => stream.begin_capture(),
            #[cfg(target_os = "macos")]
            Backend::Metal(stream) => stream.begin_capture(),
        }
    }

    pub(crate) fn end_capture(&self) -> Result<Recording> {
        match self {
            Backend::Cuda(stream) => stream.end_capture().map(Recording::Cuda),
            Backend::Emulated(stream) => stream.end_capture().map(Recording::Emulated),
            #[cfg(target_os = "macos")]
            Backend::Metal(stream) => stream.end_capture().map(Recording::Metal),
        }
    }

    pub(crate) fn replay(&self, recording: &Recording) -> Result<()> {
        match (self, recording) {
            (Backend::Cuda(stream), Recording::Cuda(graph)) => stream.replay(graph),
            (Backend::Emulated(stream), Recording::Emulated(recording)) => stream.replay(recording),
            #[cfg(target_os = "macos")]
            (Backend::Metal(stream), Recording::Metal(recording)) => stream.replay(recording),
            _ => Err(mismatch("replay", self.device())),
        }
    }

    fn device(&self) -> Device {
        use tilewright_core::StreamDriver;
        match self {
            Backend::Cuda(stream) => stream.device(),
            Backend::Emulated(stream) => stream.device(),
            #[cfg(target_os = "macos")]
            Backend::Metal(stream) => stream.device(),
        }
    }
}

fn pattern(dtype: DType, value: f64) -> Vec<u8> {
    fn bytes<T: Element>(value: f64) -> Vec<u8> {
        bytemuck::bytes_of(&T::from_f64(value)).to_vec()
    }
    with_element!(dtype, T => bytes::<T>(value))
}

/// Opens a new stream on `device`.
pub(crate) fn open(device: Device) -> Result<Stream> {
    crate::caps::possible(device).map_err(|why| Error::unsupported("stream", device, why))?;
    match device {
        Device::Cpu => Ok(Stream::cpu()),
        Device::Cuda(ordinal) => Ok(Stream::from_driver(Arc::new(cuda::CudaStream::open(ordinal)?))),
        #[cfg(target_os = "macos")]
        Device::Metal(ordinal) => Ok(Stream::from_driver(Arc::new(metal::MetalStream::open(ordinal)?))),
        Device::Emulated => Ok(Stream::from_driver(Arc::new(emulator::EmulatedStream::open()?))),
        other => Err(Error::unsupported("stream", other, "this build has no such back end")),
    }
}

/// What `device` says of itself.
pub(crate) fn caps(device: Device) -> Result<Caps> {
    crate::caps::possible(device).map_err(|why| Error::unsupported("caps", device, why))?;
    match device {
        Device::Cpu => Ok(crate::caps::cpu()),
        Device::Cuda(ordinal) => cuda::caps(ordinal),
        #[cfg(target_os = "macos")]
        Device::Metal(ordinal) => metal::caps(ordinal),
        Device::Emulated => emulator::caps(),
        other => Err(Error::unsupported("caps", other, "this build has no such back end")),
    }
}

/// How many devices of each kind there are, the first absent one of each with its reason.
pub(crate) fn count(kind: fn(u32) -> Device) -> u32 {
    match kind(0) {
        Device::Cuda(_) => cuda::count().unwrap_or(0),
        #[cfg(target_os = "macos")]
        Device::Metal(_) => metal::count(),
        _ => 0,
    }
}

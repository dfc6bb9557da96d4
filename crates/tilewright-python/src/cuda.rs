//! CUDA memory and streams, lent to and by other libraries in this process. Nothing is copied through the host.

use std::any::Any;

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tilewright_core::{Args, DType, Device, Error, Layout, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::CudaStream;

use crate::array::Place;
use crate::device::stream;
use crate::dlpack::{self, Loan};
use crate::errors::raise;

/// `cudaStreamLegacy`, which DLPack means by 1 and by no stream at all.
const LEGACY: i64 = 1;
/// `cudaStreamPerThread`.
const PER_THREAD: i64 = 2;

fn driver(stream: &Stream) -> Result<&CudaStream> {
    let found = stream.driver().as_any().downcast_ref();
    found.ok_or_else(|| Error::device("stream", stream.device(), "is no CUDA stream"))
}

/// The handle of the stream that calls from Python submit to: what a producer makes wait for its work.
pub(crate) fn raw_stream(ordinal: u32) -> PyResult<u64> {
    let raw = stream(Device::Cuda(ordinal)).and_then(|stream| driver(&stream)?.raw());
    raw.map(|raw| raw as u64).map_err(raise)
}

/// A tensor over memory that another library lends.
pub(crate) fn adopt(
    ordinal: u32,
    address: *const u8,
    bytes: usize,
    owner: Box<dyn Any + Send + Sync>,
    dtype: DType,
    layout: Layout,
) -> Result<Tensor> {
    let stream = stream(Device::Cuda(ordinal))?;
    // SAFETY: the owner keeps the memory, and its library has made our stream wait for what writes it: `dlpack::import` asked for that.
    let buffer = unsafe { driver(&stream)?.adopt(address.addr() as u64, bytes, owner) };
    Tensor::from_buffer(buffer, dtype, layout)
}

/// A copy on the device that holds the tensor.
pub(crate) fn duplicate(tensor: &Tensor) -> Result<Tensor> {
    let stream = stream(tensor.device())?;
    let copy = tilewright_kernels::kernel("copy").ok_or_else(|| {
        Error::unsupported("copy", tensor.device(), "the registry has no kernel of this name")
    })?;
    let mut copies = copy.run(&stream, None, &Args::new(), std::slice::from_ref(tensor))?;
    Ok(copies.swap_remove(0))
}

/// A capsule over device memory. The consumer's stream waits for what writes it, and the memory is not used again before that stream is done.
pub(crate) fn lend<'py>(
    py: Python<'py>,
    tensor: &Tensor,
    ordinal: u32,
    consumer: Option<i64>,
    (versioned, read_only, copied): (bool, bool, bool),
) -> PyResult<Bound<'py, PyCapsule>> {
    if read_only && !versioned {
        let why = "the tensor is read-only, which DLPack before 1.0 cannot say: ask with max_version=(1, 0) or copy=True";
        return Err(PyBufferError::new_err(why));
    }
    let consumer = consumer.unwrap_or(LEGACY);
    if consumer == 0 || consumer < -1 {
        return Err(PyValueError::new_err(
            "stream: 0 is ambiguous; 1 is the legacy default stream, 2 the thread's, -1 is none",
        ));
    }
    let ours = stream(Device::Cuda(ordinal)).map_err(raise)?;
    let lend = || {
        let driver = driver(&ours)?;
        let address = driver.address(tensor)?;
        if consumer != -1 {
            // SAFETY: by the protocol a live stream of this device.
            unsafe { driver.precede(consumer as u64)? };
        }
        Ok(address)
    };
    let address = lend().map_err(raise)?;
    let returned = move || {
        let Ok(driver) = driver(&ours) else { return };
        // A failure is one of the device, which the next call will tell. A stream of the consumer's own may be gone by now.
        let _ = match consumer {
            // SAFETY: the default streams always live.
            LEGACY | PER_THREAD => unsafe { driver.follow(consumer as u64) },
            _ => driver.synchronize_device(),
        };
    };
    let loan = Loan {
        tensor: tensor.clone(),
        address: std::ptr::without_provenance_mut(address as usize),
        place: Place::Cuda(ordinal),
        read_only,
        copied,
        returned: Some(Box::new(returned)),
    };
    dlpack::export(py, loan, versioned)
}

//! Devices by name, and the stream of each that calls from Python share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::raise;

/// A place that runs kernels: "cpu", "cuda:0", "metal:0" or "emulated" (Metal kernels on the host, under sanitizers).
///
/// Naming a device needs no hardware; using one that is absent raises NotImplementedError with the reason.
#[pyclass(frozen, eq, hash, from_py_object, module = "tilewright")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Device(pub(crate) tilewright_core::Device);

#[pymethods]
impl Device {
    #[new]
    fn new(name: &str) -> PyResult<Self> {
        name.parse().map(Device).map_err(raise)
    }

    /// The name, such as "cuda:0".
    #[getter]
    fn name(&self) -> String {
        self.0.to_string()
    }

    /// Whether the device is there.
    #[getter]
    fn available(&self, py: Python<'_>) -> bool {
        py.detach(|| tilewright_gpu::caps(self.0)).is_ok()
    }

    /// What the device says of itself. NotImplementedError with the reason where it is absent.
    #[getter]
    fn caps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let caps = py.detach(|| tilewright_gpu::caps(self.0)).map_err(raise)?;
        let dict = PyDict::new(py);
        dict.set_item("name", caps.name)?;
        dict.set_item("architecture", caps.architecture)?;
        dict.set_item("simd_width", caps.simd_width)?;
        dict.set_item("max_threads_per_group", caps.max_threads_per_group)?;
        dict.set_item("threadgroup_memory", caps.threadgroup_memory)?;
        dict.set_item("multiprocessors", caps.multiprocessors)?;
        dict.set_item("cache_bytes", caps.cache_bytes)?;
        dict.set_item("memory_bytes", caps.memory_bytes)?;
        dict.set_item("driver", caps.driver)?;
        dict.set_item("compiler", caps.compiler)?;
        Ok(dict)
    }

    /// Waits for all work that calls from Python have submitted to the device, and raises its first error.
    fn synchronize(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| stream(self.0)?.synchronize()).map_err(raise)
    }

    fn __repr__(&self) -> String {
        format!("Device('{}')", self.0)
    }

    fn __str__(&self) -> String {
        self.name()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, (String,)) {
        (py.get_type::<Device>().into_any(), (self.name(),))
    }
}

/// The devices that this machine has; the CPU is the first.
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> Vec<Device> {
    let found = py.detach(tilewright_gpu::devices);
    found.into_iter().filter(|(_, caps)| caps.is_ok()).map(|(device, _)| Device(device)).collect()
}

/// A device as an argument: its name, or the object.
#[derive(FromPyObject)]
pub(crate) enum DeviceLike {
    Device(Device),
    #[pyo3(annotation = "str")]
    Name(String),
}

impl DeviceLike {
    pub(crate) fn resolve(self) -> PyResult<tilewright_core::Device> {
        match self {
            DeviceLike::Device(device) => Ok(device.0),
            DeviceLike::Name(name) => name.parse().map_err(raise),
        }
    }
}

/// A queue of work on one device: in order within, independent of other streams.
///
/// Calls submit to the stream of their device that all threads share. Within `with stream:` calls of this thread on the stream's device submit to
/// it instead. A result may be used on any stream: what reads it waits for what writes it.
#[pyclass(frozen, module = "tilewright")]
pub(crate) struct Stream(tilewright_core::Stream);

thread_local! {
    /// The streams of the `with` blocks that this thread is in, the innermost last.
    static ENTERED: RefCell<Vec<tilewright_core::Stream>> = const { RefCell::new(Vec::new()) };
}

#[pymethods]
impl Stream {
    #[new]
    fn new(py: Python<'_>, device: DeviceLike) -> PyResult<Self> {
        let device = device.resolve()?;
        py.detach(|| tilewright_gpu::stream(device)).map(Stream).map_err(raise)
    }

    /// Where the work runs.
    #[getter]
    fn device(&self) -> Device {
        Device(self.0.device())
    }

    /// Waits for all that was submitted to this stream, and raises its first error.
    fn synchronize(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.synchronize()).map_err(raise)
    }

    /// Makes what is submitted from now on wait for what has been submitted to `other`.
    fn wait(&self, py: Python<'_>, other: &Stream) -> PyResult<()> {
        py.detach(|| self.0.wait(&other.0.record()?)).map_err(raise)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        ENTERED.with_borrow_mut(|entered| entered.push(slf.get().0.clone()));
        slf
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let left = ENTERED.with_borrow_mut(Vec::pop);
        let none = || PyRuntimeError::new_err("the stream was not entered by this thread");
        left.map(drop).ok_or_else(none)
    }

    fn __repr__(&self) -> String {
        format!("<Stream on {}>", self.0.device())
    }
}

/// The stream of `device` that calls from Python submit to: that of the innermost `with` block, or else the one that all threads share, opened
/// once, so that calls from any thread are in order.
pub(crate) fn stream(device: tilewright_core::Device) -> tilewright_core::Result<tilewright_core::Stream> {
    let entered =
        ENTERED.with_borrow(|entered| entered.iter().rev().find(|stream| stream.device() == device).cloned());
    entered.map_or_else(|| shared(device), Ok)
}

fn shared(device: tilewright_core::Device) -> tilewright_core::Result<tilewright_core::Stream> {
    // Never dropped: at the process's end a driver may be gone before us.
    static STREAMS: LazyLock<RwLock<HashMap<tilewright_core::Device, tilewright_core::Stream>>> =
        LazyLock::new(RwLock::default);
    if let Some(stream) = STREAMS.read().unwrap_or_else(PoisonError::into_inner).get(&device) {
        return Ok(stream.clone());
    }
    let opened = tilewright_gpu::stream(device)?;
    let mut streams = STREAMS.write().unwrap_or_else(PoisonError::into_inner);
    Ok(streams.entry(device).or_insert(opened).clone())
}

//! Devices by name, and the stream of each that calls from Python share.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tilewright_core::Stream;

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

/// The stream of `device` that all calls from Python submit to, opened once: so calls from any thread are in order.
pub(crate) fn stream(device: tilewright_core::Device) -> tilewright_core::Result<Stream> {
    // Never dropped: at the process's end a driver may be gone before us.
    static STREAMS: LazyLock<RwLock<HashMap<tilewright_core::Device, Stream>>> =
        LazyLock::new(RwLock::default);
    if let Some(stream) = STREAMS.read().unwrap_or_else(PoisonError::into_inner).get(&device) {
        return Ok(stream.clone());
    }
    let opened = tilewright_gpu::stream(device)?;
    let mut streams = STREAMS.write().unwrap_or_else(PoisonError::into_inner);
    Ok(streams.entry(device).or_insert(opened).clone())
}

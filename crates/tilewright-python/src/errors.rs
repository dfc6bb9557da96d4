//! Errors of the library as Python's exceptions, with the same messages.

use pyo3::exceptions::{
    PyArithmeticError, PyMemoryError, PyNotImplementedError, PyOSError, PyRuntimeError, PyTypeError,
    PyValueError,
};
use pyo3::prelude::*;
use tilewright_core::{Error, Kind};

pyo3::create_exception!(
    tilewright,
    NumericalError,
    PyArithmeticError,
    "The numbers do not allow a result, such as a matrix that is not positive definite. `index` says where: pivot, item or element."
);
pyo3::create_exception!(
    tilewright,
    DeviceError,
    PyRuntimeError,
    "The device, its driver, or a kernel that ran on it, failed."
);
pyo3::create_exception!(
    tilewright,
    CompileError,
    PyRuntimeError,
    "A kernel's source did not compile; the message is the compiler's log."
);

/// The exception that tells `error`.
pub(crate) fn raise(error: Error) -> PyErr {
    let text = error.to_string();
    match error.kind() {
        Kind::Shape { .. } | Kind::Layout { .. } | Kind::Range { .. } => PyValueError::new_err(text),
        Kind::DType { .. } => PyTypeError::new_err(text),
        Kind::Unsupported { .. } => PyNotImplementedError::new_err(text),
        Kind::Numerical { index, .. } => {
            let raised = NumericalError::new_err(text);
            // The message has the index too: without the attribute nothing is lost.
            let _ = Python::attach(|py| raised.value(py).setattr("index", index));
            raised
        }
        Kind::OutOfMemory { .. } => PyMemoryError::new_err(text),
        Kind::Compile { .. } => CompileError::new_err(text),
        Kind::Device { .. } => DeviceError::new_err(text),
        Kind::File { .. } => PyOSError::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

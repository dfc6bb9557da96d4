//! The Python front of tilewright: its kernels on the arrays that NumPy, PyTorch, JAX and others have, without a copy where they can share.
//!
//! The package around this module lies in `python/tilewright`; functions are made from the registry when it is imported.

mod array;
mod cuda;
mod device;
mod dlpack;
mod dtype;
mod errors;
mod foreign;
mod kernel;
mod program;
mod tensor;

/// The native part of the package `tilewright`.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::device::{Device, devices};
    #[pymodule_export]
    use crate::errors::{CompileError, DeviceError, NumericalError};
    #[pymodule_export]
    use crate::kernel::{Kernel, kernels};
    #[pymodule_export]
    use crate::program::{MetalKernel, metal_kernel};
    #[pymodule_export]
    use crate::tensor::{Tensor, asarray, frombuffer};

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        use pyo3::types::PyModuleMethods;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DTYPES", tilewright_core::DType::ALL.map(tilewright_core::DType::name))
    }
}

//! The Python front of tilewright: its kernels on the arrays that NumPy, PyTorch, JAX and others have, without a copy where they can share.
//!
//! The package around this module lies in `python/tilewright`; functions are made from the registry when it is imported.

mod allowed;
mod array;
mod cuda;
mod device;
mod dlpack;
mod dtype;
mod errors;
mod foreign;
mod index;
mod interrupt;
mod kernel;
mod lm;
mod program;
mod sampler;
mod tensor;
mod train;
mod wire;

/// The native part of the package `tilewright`.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::device::{Device, Stream, devices};
    #[pymodule_export]
    use crate::errors::{CompileError, DeviceError, NumericalError};
    #[pymodule_export]
    use crate::index::{Index, Snapshot};
    #[pymodule_export]
    use crate::kernel::{Kernel, kernels};
    #[pymodule_export]
    use crate::lm::{LmState, Writing, Xlstm};
    #[pymodule_export]
    use crate::program::{MetalKernel, metal_kernel};
    #[pymodule_export]
    use crate::sampler::SamplerSession;
    #[pymodule_export]
    use crate::tensor::{Tensor, asarray, frombuffer, present};
    #[pymodule_export]
    use crate::train::Training;
    #[pymodule_export]
    use crate::wire::{
        FrameRead, frame_read, frame_write, prefill_read_header, prefill_read_message, prefill_write_arrays,
        prefill_write_done, prefill_write_error, prefill_write_header, prefill_write_kv,
    };

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        use pyo3::types::PyModuleMethods;
        crate::interrupt::remember_main_thread();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DTYPES", tilewright_core::DType::ALL.map(tilewright_core::DType::name))
    }
}

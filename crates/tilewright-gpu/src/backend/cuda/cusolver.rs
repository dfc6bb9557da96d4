//! Eigenvalues of a single large matrix by NVIDIA's cuSOLVER, found when the program runs.
//!
//! The library thinks in columns; a symmetric matrix is the same either way. It waits for the device when it pleases, and so cannot be captured.

use std::ffi::c_void;
use std::sync::{Arc, LazyLock};

use cudarc::cusolver::sys::{self, cusolverStatus_t as Status};
use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::stream::CudaStream;

const NAME: &str = "cusolver";

/// Whether the library can be used on `device`; an error says why not.
pub fn available(device: Device) -> Result<()> {
    // SAFETY: only looks for the library's file.
    static PRESENT: LazyLock<bool> = LazyLock::new(|| unsafe { sys::is_culib_present() });
    match device {
        Device::Cuda(_) if *PRESENT => Ok(()),
        Device::Cuda(_) => Err(Error::unsupported(NAME, device, "libcusolver was not found")),
        _ => Err(Error::unsupported(NAME, device, "cuSOLVER runs on NVIDIA GPUs")),
    }
}

/// Whether work that is submitted to `stream` now may be the library's: it is there, and nothing is being captured.
pub fn usable(stream: &Stream) -> bool {
    let cuda = stream.driver().as_any().downcast_ref::<CudaStream>();
    available(stream.device()).is_ok() && cuda.is_some_and(|cuda| !cuda.0.is_capturing())
}

/// A stream's handle of the library, with the memory that goes with it.
pub(super) struct Library {
    handle: sys::cusolverDnHandle_t,
    params: sys::cusolverDnParams_t,
}

// SAFETY: a handle may be used from any thread, by one at a time: it lies behind a lock.
unsafe impl Send for Library {}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: made once, destroyed once, before their stream is.
        unsafe {
            let _ = sys::cusolverDnDestroyParams(self.params);
            let _ = sys::cusolverDnDestroy(self.handle);
        }
    }
}

fn check(device: Device, operation: &str, status: Status) -> Result<()> {
    match status {
        Status::CUSOLVER_STATUS_SUCCESS => Ok(()),
        failure => Err(Error::device(NAME, device, format!("{operation}: {failure:?}"))),
    }
}

/// Where the library works: device bytes, their number, host bytes, their number.
type Workspace = (*mut c_void, usize, *mut c_void, usize);

/// One kind of call on one stream.
struct Caller<'a> {
    stream: &'a Stream,
    cuda: &'a CudaStream,
    operation: &'static str,
}

impl<'a> Caller<'a> {
    fn new(stream: &'a Stream, operation: &'static str) -> Result<Self> {
        let device = stream.device();
        available(device)?;
        let Some(cuda) = stream.driver().as_any().downcast_ref::<CudaStream>() else {
            return Err(Error::unsupported(operation, device, "the stream is not of the CUDA back end"));
        };
        if cuda.0.is_capturing() {
            return Err(Error::unsupported(operation, device, "cuSOLVER waits, and so cannot be captured"));
        }
        Ok(Self { stream, cuda, operation })
    }

    /// The address of a tensor that the library writes.
    fn address(&self, name: &'static str, tensor: &mut Tensor) -> Result<*mut c_void> {
        if !tensor.is_exclusive() || !tensor.is_contiguous() {
            let why = "must be row-major and share its memory with no other tensor";
            return Err(Error::layout(self.operation, name, why));
        }
        Ok(self.cuda.address(tensor)? as *mut c_void)
    }

    fn run(
        &self,
        sizes: impl FnOnce(&Library, &mut usize, &mut usize) -> Status,
        call: impl FnOnce(&Library, Workspace) -> Status,
    ) -> Result<()> {
        let device = self.stream.device();
        let raw = self.cuda.raw()?;
        let mut slot = self.cuda.0.solver.lock().expect("no panic holds the lock");
        let library = match &mut *slot {
            Some(library) => library,
            empty => {
                let (mut handle, mut params) = (std::ptr::null_mut(), std::ptr::null_mut());
                // SAFETY: writes two handles, the first of which the stream outlives: it is kept with it.
                let status = unsafe {
                    match sys::cusolverDnCreate(&mut handle) {
                        Status::CUSOLVER_STATUS_SUCCESS => match sys::cusolverDnSetStream(handle, raw.cast())
                        {
                            Status::CUSOLVER_STATUS_SUCCESS => sys::cusolverDnCreateParams(&mut params),
                            failure => failure,
                        },
                        failure => failure,
                    }
                };
                check(device, self.operation, status)?;
                empty.insert(Library { handle, params })
            }
        };
        let (mut bytes, mut host_bytes) = (0, 0);
        check(device, self.operation, sizes(library, &mut bytes, &mut host_bytes))?;
        let scratch = Tensor::empty(self.stream, DType::U8, [bytes])?;
        let mut host = vec![0u64; host_bytes.div_ceil(8)];
        let scratch =
            (self.cuda.address(&scratch)? as *mut c_void, bytes, host.as_mut_ptr().cast(), host_bytes);
        check(device, self.operation, call(library, scratch))?;
        static LABEL: LazyLock<Arc<str>> = LazyLock::new(|| NAME.into());
        self.cuda.note(&LABEL);
        if host_bytes > 0 {
            // What the library left in host memory may be read until the work is done.
            self.cuda.0.synchronize()?;
        }
        Ok(())
    }
}

fn data_type(dtype: DType) -> sys::cudaDataType {
    if dtype == DType::F64 { sys::cudaDataType::CUDA_R_64F } else { sys::cudaDataType::CUDA_R_32F }
}

/// Eigenvalues, ascending, of `a: [.., n, n]`, one matrix whose two triangles agree, into `values: [.., n]`; with `vectors` they replace `a`, each
/// one a row. `info: [..]`, i32, is LAPACK's.
///
/// The library's form for batches is left alone: it does not always give values in order.
///
/// # Errors
/// The library is absent, or the stream captures; an argument that is not row-major or shares its memory; more matrices than one.
pub fn eigh(
    stream: &Stream,
    a: &mut Tensor,
    values: &mut Tensor,
    info: &mut Tensor,
    vectors: bool,
) -> Result<()> {
    let caller = Caller::new(stream, "cusolver syevd")?;
    let n = a.dims().last().copied().unwrap_or(0);
    if a.elements() != n * n || values.elements() != n || info.elements() != 1 {
        return Err(Error::shape(NAME, "a", "one matrix [.., n, n]", a.shape()));
    }
    let (kind, order) = (data_type(a.dtype()), n as i64);
    let mode = sys::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER;
    let job = if vectors {
        sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_VECTOR
    } else {
        sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_NOVECTOR
    };
    let (matrix, info) = (caller.address("a", a)?, caller.address("info", info)?.cast());
    let values = caller.address("values", values)?;
    // SAFETY: the sizes are those of tensors that live, by stream order, until the work is done.
    let sizes = |library: &Library, bytes: &mut usize, host: &mut usize| unsafe {
        let Library { handle, params } = *library;
        sys::cusolverDnXsyevd_bufferSize(
            handle, params, job, mode, order, kind, matrix, order, kind, values, kind, bytes, host,
        )
    };
    // SAFETY: as above, and the workspace has the sizes that were asked for.
    let call = |library: &Library, (work, bytes, host, host_bytes): Workspace| unsafe {
        let Library { handle, params } = *library;
        sys::cusolverDnXsyevd(
            handle, params, job, mode, order, kind, matrix, order, kind, values, kind, work, bytes, host,
            host_bytes, info,
        )
    };
    caller.run(sizes, call)
}

//! Eigenvalues of a single large matrix by NVIDIA's cuSOLVER, found when the program runs.
//!
//! The library thinks in columns; a symmetric matrix is the same either way. It waits for the device when it pleases, and so cannot be captured.

use std::ffi::c_void;
use std::sync::{Arc, LazyLock};

use cudarc::cusolver::sys::{self, cusolverStatus_t as Status};
use cudarc::driver::sys::CUstream;
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

impl Library {
    /// For work on `stream`, which lives at least as long.
    fn new(device: Device, stream: CUstream) -> Result<Self> {
        let mut library = Self { handle: std::ptr::null_mut(), params: std::ptr::null_mut() };
        // SAFETY: writes one handle.
        check(device, unsafe { sys::cusolverDnCreate(&mut library.handle) })?;
        // SAFETY: both live.
        check(device, unsafe { sys::cusolverDnSetStream(library.handle, stream.cast()) })?;
        // SAFETY: as the first.
        check(device, unsafe { sys::cusolverDnCreateParams(&mut library.params) })?;
        Ok(library)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: what was made is destroyed once, before its stream is.
        unsafe {
            if !self.params.is_null() {
                let _ = sys::cusolverDnDestroyParams(self.params);
            }
            if !self.handle.is_null() {
                let _ = sys::cusolverDnDestroy(self.handle);
            }
        }
    }
}

fn check(device: Device, status: Status) -> Result<()> {
    match status {
        Status::CUSOLVER_STATUS_SUCCESS => Ok(()),
        failure => Err(Error::device(NAME, device, format!("{failure:?}"))),
    }
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
    let device = stream.device();
    available(device)?;
    let Some(cuda) = stream.driver().as_any().downcast_ref::<CudaStream>() else {
        return Err(Error::unsupported(NAME, device, "the stream is not of the CUDA back end"));
    };
    if cuda.0.is_capturing() {
        return Err(Error::unsupported(NAME, device, "cuSOLVER waits, and so cannot be captured"));
    }
    let n = a.dims().last().copied().unwrap_or(0);
    if a.elements() != n * n || values.elements() != n || info.elements() != 1 {
        return Err(Error::shape(NAME, "a", "one matrix [.., n, n]", a.shape()));
    }
    let address = |name: &'static str, tensor: &mut Tensor| {
        if !tensor.is_exclusive() || !tensor.is_contiguous() {
            let why = "must be row-major and share its memory with no other tensor";
            return Err(Error::layout(NAME, name, why));
        }
        Ok(cuda.address(tensor)? as *mut c_void)
    };
    let double = a.dtype() == DType::F64;
    let kind = if double { sys::cudaDataType::CUDA_R_64F } else { sys::cudaDataType::CUDA_R_32F };
    let (order, mode) = (n as i64, sys::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER);
    let job = if vectors {
        sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_VECTOR
    } else {
        sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_NOVECTOR
    };
    let (matrix, values, info) =
        (address("a", a)?, address("values", values)?, address("info", info)?.cast());

    let raw = cuda.raw()?;
    let mut slot = cuda.0.solver.lock().expect("no panic holds the lock");
    let &mut Library { handle, params } = match &mut *slot {
        Some(library) => library,
        empty => empty.insert(Library::new(device, raw)?),
    };
    let (mut bytes, mut host_bytes) = (0, 0);
    // SAFETY: the sizes are those of tensors that live; writes two sizes.
    check(device, unsafe {
        sys::cusolverDnXsyevd_bufferSize(
            handle,
            params,
            job,
            mode,
            order,
            kind,
            matrix,
            order,
            kind,
            values,
            kind,
            &mut bytes,
            &mut host_bytes,
        )
    })?;
    let scratch = Tensor::empty(stream, DType::U8, [bytes])?;
    let mut host = vec![0u64; host_bytes.div_ceil(8)];
    let (work, host_work) = (cuda.address(&scratch)? as *mut c_void, host.as_mut_ptr().cast());
    // SAFETY: the tensors live, by stream order, until the work is done, and the workspaces have the sizes that were asked for.
    check(device, unsafe {
        sys::cusolverDnXsyevd(
            handle, params, job, mode, order, kind, matrix, order, kind, values, kind, work, bytes,
            host_work, host_bytes, info,
        )
    })?;
    static LABEL: LazyLock<Arc<str>> = LazyLock::new(|| NAME.into());
    cuda.note(&LABEL);
    if host_bytes > 0 {
        // What the library left in host memory may be read until the work is done.
        cuda.0.synchronize()?;
    }
    Ok(())
}

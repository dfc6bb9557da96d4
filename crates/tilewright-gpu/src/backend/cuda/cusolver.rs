//! Large matrices by NVIDIA's cuSOLVER, found when the program runs: single ones, and symmetric ones of a batch.
//!
//! The library thinks in columns: a matrix here is a tensor whose rows are its columns. It waits for the device when it pleases, and so cannot be
//! captured. Every `info: [1]`, i32, is LAPACK's.

use std::ffi::c_void;
use std::sync::{Arc, LazyLock, MutexGuard};

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

/// The library and a stream of it, for one call.
struct Call<'a> {
    stream: &'a Stream,
    cuda: &'a CudaStream,
    slot: MutexGuard<'a, Option<Library>>,
}

impl<'a> Call<'a> {
    fn new(stream: &'a Stream) -> Result<Self> {
        let device = stream.device();
        available(device)?;
        let Some(cuda) = stream.driver().as_any().downcast_ref::<CudaStream>() else {
            return Err(Error::unsupported(NAME, device, "the stream is not of the CUDA back end"));
        };
        if cuda.0.is_capturing() {
            return Err(Error::unsupported(NAME, device, "cuSOLVER waits, and so cannot be captured"));
        }
        let raw = cuda.raw()?;
        let mut slot = cuda.0.solver.lock().expect("no panic holds the lock");
        if slot.is_none() {
            *slot = Some(Library::new(device, raw)?);
        }
        Ok(Self { stream, cuda, slot })
    }

    fn library(&self) -> &Library {
        self.slot.as_ref().expect("the call made it")
    }

    /// Of memory that the library may write.
    fn address(&self, name: &'static str, tensor: &mut Tensor) -> Result<*mut c_void> {
        if !tensor.is_exclusive() || !tensor.is_contiguous() {
            let why = "must be row-major and share its memory with no other tensor";
            return Err(Error::layout(NAME, name, why));
        }
        Ok(self.cuda.address(tensor)? as *mut c_void)
    }

    fn check(&self, status: Status) -> Result<()> {
        check(self.stream.device(), status)
    }

    /// Runs the library with as many bytes of workspace on the device and on the host.
    fn run(
        self,
        (bytes, host_bytes): (usize, usize),
        run: impl FnOnce(*mut c_void, *mut c_void) -> Status,
    ) -> Result<()> {
        let scratch = Tensor::empty(self.stream, DType::U8, [bytes.max(1)])?;
        let mut host = vec![0u64; host_bytes.div_ceil(8)];
        let work = self.cuda.address(&scratch)? as *mut c_void;
        self.check(run(work, host.as_mut_ptr().cast()))?;
        static LABEL: LazyLock<Arc<str>> = LazyLock::new(|| NAME.into());
        self.cuda.note(&LABEL);
        if host_bytes > 0 {
            // What the library left in host memory may be read until the work is done.
            self.cuda.0.synchronize()?;
        }
        Ok(())
    }
}

fn kind(dtype: DType) -> sys::cudaDataType {
    match dtype {
        DType::F64 => sys::cudaDataType::CUDA_R_64F,
        _ => sys::cudaDataType::CUDA_R_32F,
    }
}

fn job(vectors: bool) -> sys::cusolverEigMode_t {
    match vectors {
        true => sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_VECTOR,
        false => sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_NOVECTOR,
    }
}

/// Refuses tensors of other sizes: the library would read and write beyond them.
fn check_sizes(sizes: &[(&'static str, &Tensor, usize)]) -> Result<()> {
    match sizes.iter().find(|(_, tensor, elements)| tensor.elements() != *elements) {
        Some((name, tensor, elements)) => {
            Err(Error::shape(NAME, *name, format!("{elements} elements"), tensor.shape()))
        }
        None => Ok(()),
    }
}

/// Eigenvalues, ascending, of `a: [n, n]`, whose two triangles agree, into `values: [n]`; with `vectors` they replace `a`, each one a row.
///
/// # Errors
/// The library is absent, or the stream captures; an argument that is not row-major or shares its memory; other sizes than these.
pub fn eigh(
    stream: &Stream,
    a: &mut Tensor,
    values: &mut Tensor,
    info: &mut Tensor,
    vectors: bool,
) -> Result<()> {
    let call = Call::new(stream)?;
    let (n, kind) = (a.dims().last().copied().unwrap_or(0), kind(a.dtype()));
    check_sizes(&[("a", a, n * n), ("values", values, n), ("info", info, 1)])?;
    let (order, mode) = (n as i64, sys::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER);
    let job = job(vectors);
    let (a, values) = (call.address("a", a)?, call.address("values", values)?);
    let info = call.address("info", info)?.cast();
    let &Library { handle, params } = call.library();
    let mut sizes = (0, 0);
    // SAFETY: the sizes are those of tensors that live; writes two sizes.
    call.check(unsafe {
        sys::cusolverDnXsyevd_bufferSize(
            handle,
            params,
            job,
            mode,
            order,
            kind,
            a,
            order,
            kind,
            values,
            kind,
            &mut sizes.0,
            &mut sizes.1,
        )
    })?;
    // SAFETY: the tensors live, by stream order, until the work is done, and the workspaces have the sizes that were asked for.
    call.run(sizes, |work, host| unsafe {
        sys::cusolverDnXsyevd(
            handle, params, job, mode, order, kind, a, order, kind, values, kind, work, sizes.0, host,
            sizes.1, info,
        )
    })
}

/// Whether the library has [`eigh_batched`], which it has had since CUDA 12.6.
pub fn has_batches(device: Device) -> bool {
    static VERSION: LazyLock<i32> = LazyLock::new(|| {
        let mut version = 0;
        // SAFETY: writes one number.
        match unsafe { sys::cusolverGetVersion(&mut version) } {
            Status::CUSOLVER_STATUS_SUCCESS => version,
            _ => 0,
        }
    });
    available(device).is_ok() && *VERSION >= 11_700
}

/// [`eigh`] of each matrix of `a: [items, n, n]`, into `values: [items, n]` and `info: [items]`, at once. The values are in no order.
///
/// # Errors
/// Those of [`eigh`]; the library is one without this.
pub fn eigh_batched(
    stream: &Stream,
    a: &mut Tensor,
    values: &mut Tensor,
    info: &mut Tensor,
    vectors: bool,
) -> Result<()> {
    let call = Call::new(stream)?;
    if !has_batches(stream.device()) {
        return Err(Error::unsupported(NAME, stream.device(), "this cuSOLVER has no eigenvalues of batches"));
    }
    let (n, kind, items) = (a.dims().last().copied().unwrap_or(0), kind(a.dtype()), info.elements());
    check_sizes(&[("a", a, items * n * n), ("values", values, items * n)])?;
    let (order, count, mode) = (n as i64, items as i64, sys::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER);
    let job = job(vectors);
    let (a, values) = (call.address("a", a)?, call.address("values", values)?);
    let info = call.address("info", info)?.cast();
    let &Library { handle, params } = call.library();
    let mut sizes = (0, 0);
    // SAFETY: as in `eigh`.
    call.check(unsafe {
        sys::cusolverDnXsyevBatched_bufferSize(
            handle,
            params,
            job,
            mode,
            order,
            kind,
            a,
            order,
            kind,
            values,
            kind,
            &mut sizes.0,
            &mut sizes.1,
            count,
        )
    })?;
    // SAFETY: as in `eigh`.
    call.run(sizes, |work, host| unsafe {
        sys::cusolverDnXsyevBatched(
            handle, params, job, mode, order, kind, a, order, kind, values, kind, work, sizes.0, host,
            sizes.1, info, count,
        )
    })
}

/// The Cholesky factor of `a: [n, n]` in place of its lower triangle, or of its upper one.
///
/// # Errors
/// Those of [`eigh`].
pub fn cholesky(stream: &Stream, a: &mut Tensor, info: &mut Tensor, upper: bool) -> Result<()> {
    let call = Call::new(stream)?;
    let (n, kind) = (a.dims().last().copied().unwrap_or(0), kind(a.dtype()));
    check_sizes(&[("a", a, n * n), ("info", info, 1)])?;
    // A triangle of rows is the other one of columns.
    let mode = match upper {
        true => sys::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER,
        false => sys::cublasFillMode_t::CUBLAS_FILL_MODE_UPPER,
    };
    let order = n as i64;
    let (a, info) = (call.address("a", a)?, call.address("info", info)?.cast());
    let &Library { handle, params } = call.library();
    let mut sizes = (0, 0);
    // SAFETY: as in `eigh`.
    call.check(unsafe {
        sys::cusolverDnXpotrf_bufferSize(
            handle,
            params,
            mode,
            order,
            kind,
            a,
            order,
            kind,
            &mut sizes.0,
            &mut sizes.1,
        )
    })?;
    // SAFETY: as in `eigh`.
    call.run(sizes, |work, host| unsafe {
        sys::cusolverDnXpotrf(
            handle, params, mode, order, kind, a, order, kind, work, sizes.0, host, sizes.1, info,
        )
    })
}

/// The factors l and u of `a: [n, m]`, m x n by columns, in its place. `pivots: [min(m, n)]`, i64: row k was exchanged with row `pivots[k]`,
/// counted from 1, one after the other.
///
/// # Errors
/// Those of [`eigh`].
pub fn lu(stream: &Stream, a: &mut Tensor, pivots: &mut Tensor, info: &mut Tensor) -> Result<()> {
    let call = Call::new(stream)?;
    let &[.., n, m] = a.dims() else { return Err(Error::shape(NAME, "a", "[n, m]", a.shape())) };
    let kind = kind(a.dtype());
    check_sizes(&[("a", a, n * m), ("pivots", pivots, m.min(n)), ("info", info, 1)])?;
    let (rows, columns) = (m as i64, n as i64);
    let (a, pivots) = (call.address("a", a)?, call.address("pivots", pivots)?.cast());
    let info = call.address("info", info)?.cast();
    let &Library { handle, params } = call.library();
    let mut sizes = (0, 0);
    // SAFETY: as in `eigh`.
    call.check(unsafe {
        sys::cusolverDnXgetrf_bufferSize(
            handle,
            params,
            rows,
            columns,
            kind,
            a,
            rows,
            kind,
            &mut sizes.0,
            &mut sizes.1,
        )
    })?;
    // SAFETY: as in `eigh`.
    call.run(sizes, |work, host| unsafe {
        sys::cusolverDnXgetrf(
            handle, params, rows, columns, kind, a, rows, pivots, kind, work, sizes.0, host, sizes.1, info,
        )
    })
}

/// The solutions, in place of `b: [k, n]`, of the system whose square matrix [`lu`] factored.
///
/// # Errors
/// Those of [`eigh`].
pub fn solve(stream: &Stream, factors: &mut Tensor, pivots: &mut Tensor, b: &mut Tensor) -> Result<()> {
    let call = Call::new(stream)?;
    let &[.., k, n] = b.dims() else { return Err(Error::shape(NAME, "b", "[k, n]", b.shape())) };
    check_sizes(&[("factors", factors, n * n), ("pivots", pivots, n), ("b", b, k * n)])?;
    let kind = kind(b.dtype());
    // Whether the factors are of use is known; this one says only whether arguments were.
    let mut info = Tensor::empty(stream, DType::I32, [1])?;
    let (a, pivots) = (call.address("factors", factors)?, call.address("pivots", pivots)?.cast());
    let (b, info) = (call.address("b", b)?, call.address("info", &mut info)?.cast());
    let (order, sides) = (n as i64, k as i64);
    let as_it_is = sys::cublasOperation_t::CUBLAS_OP_N;
    let &Library { handle, params } = call.library();
    // SAFETY: as in `eigh`; no workspace is asked for.
    call.run((0, 0), |_, _| unsafe {
        sys::cusolverDnXgetrs(
            handle, params, as_it_is, order, sides, kind, a, order, pivots, kind, b, order, info,
        )
    })
}

/// The reflections of `a: [n, m]`, m x n by columns, in its place, and their factors in `tau: [min(m, n)]`.
///
/// # Errors
/// Those of [`eigh`].
pub fn reflectors(stream: &Stream, a: &mut Tensor, tau: &mut Tensor, info: &mut Tensor) -> Result<()> {
    let call = Call::new(stream)?;
    let &[.., n, m] = a.dims() else { return Err(Error::shape(NAME, "a", "[n, m]", a.shape())) };
    let kind = kind(a.dtype());
    check_sizes(&[("a", a, n * m), ("tau", tau, m.min(n)), ("info", info, 1)])?;
    let (rows, columns) = (m as i64, n as i64);
    let (a, tau) = (call.address("a", a)?, call.address("tau", tau)?);
    let info = call.address("info", info)?.cast();
    let &Library { handle, params } = call.library();
    let mut sizes = (0, 0);
    // SAFETY: as in `eigh`.
    call.check(unsafe {
        sys::cusolverDnXgeqrf_bufferSize(
            handle,
            params,
            rows,
            columns,
            kind,
            a,
            rows,
            kind,
            tau,
            kind,
            &mut sizes.0,
            &mut sizes.1,
        )
    })?;
    // SAFETY: as in `eigh`.
    call.run(sizes, |work, host| unsafe {
        sys::cusolverDnXgeqrf(
            handle, params, rows, columns, kind, a, rows, kind, tau, kind, work, sizes.0, host, sizes.1, info,
        )
    })
}

/// The first columns of the product of reflections, in place of them: `a: [n, m]`, no more columns than rows.
///
/// # Errors
/// Those of [`eigh`]; a side that 32 bits do not count.
pub fn orthogonal(stream: &Stream, a: &mut Tensor, tau: &mut Tensor, info: &mut Tensor) -> Result<()> {
    let call = Call::new(stream)?;
    let &[.., n, m] = a.dims() else { return Err(Error::shape(NAME, "a", "[n, m]", a.shape())) };
    let (Ok(rows), Ok(columns)) = (i32::try_from(m), i32::try_from(n)) else {
        return Err(Error::shape(NAME, "a", "sides that 32 bits count", a.shape()));
    };
    check_sizes(&[("a", a, n * m), ("tau", tau, n), ("info", info, 1)])?;
    let double = a.dtype() == DType::F64;
    let (a, tau) = (call.address("a", a)?, call.address("tau", tau)?);
    let info = call.address("info", info)?.cast();
    let &Library { handle, .. } = call.library();
    let mut elements = 0;
    // SAFETY: as in `eigh`; the pointers are of the dtype.
    call.check(unsafe {
        if double {
            let (a, tau) = (a.cast(), tau.cast());
            sys::cusolverDnDorgqr_bufferSize(handle, rows, columns, columns, a, rows, tau, &mut elements)
        } else {
            let (a, tau) = (a.cast(), tau.cast());
            sys::cusolverDnSorgqr_bufferSize(handle, rows, columns, columns, a, rows, tau, &mut elements)
        }
    })?;
    let bytes = elements as usize * if double { 8 } else { 4 };
    // SAFETY: as above.
    call.run((bytes, 0), |work, _| unsafe {
        if double {
            let (a, tau, work) = (a.cast(), tau.cast(), work.cast());
            sys::cusolverDnDorgqr(handle, rows, columns, columns, a, rows, tau, work, elements, info)
        } else {
            let (a, tau, work) = (a.cast(), tau.cast(), work.cast());
            sys::cusolverDnSorgqr(handle, rows, columns, columns, a, rows, tau, work, elements, info)
        }
    })
}

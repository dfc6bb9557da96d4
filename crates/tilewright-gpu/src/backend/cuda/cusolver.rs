//! Factorizations of single large matrices by NVIDIA's cuSOLVER, found when the program runs.
//!
//! The library thinks in columns, so what it is given here are columns: `[.., n, m]`, row-major, for matrices of m rows and n columns. A
//! symmetric matrix is the same either way. Batches are taken one matrix after the other, but for `eigh`, which has a batched form.
//! It waits for the device when it pleases, and so cannot be captured.

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

/// One kind of call on one stream: the workspace is asked for once, for all matrices of a batch.
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
        mut call: impl FnMut(&Library, Workspace, usize) -> Status,
        calls: usize,
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
        for index in 0..calls {
            check(device, self.operation, call(library, scratch, index))?;
        }
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

/// The matrices of `[.., n, m]`: how many, m, n, the dtype's size.
fn extents(tensor: &Tensor) -> (usize, usize, usize, usize) {
    let (rank, dims) = (tensor.rank(), tensor.dims());
    (dims[..rank - 2].iter().product(), dims[rank - 1], dims[rank - 2], tensor.dtype().size())
}

/// The address `items` times `bytes` further.
fn at(address: *mut c_void, bytes: usize) -> *mut c_void {
    address.wrapping_byte_add(bytes)
}

fn fill_mode(upper_by_columns: bool) -> sys::cublasFillMode_t {
    if upper_by_columns {
        sys::cublasFillMode_t::CUBLAS_FILL_MODE_UPPER
    } else {
        sys::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER
    }
}

/// Replaces a triangle of `a: [.., n, n]`, by rows the upper or the lower one, by its Cholesky factor; the other triangle stays.
/// `info: [..]`, i32, is LAPACK's.
pub fn cholesky(stream: &Stream, a: &mut Tensor, info: &mut Tensor, upper: bool) -> Result<()> {
    let caller = Caller::new(stream, "cusolver potrf")?;
    let (items, n, _, size) = extents(a);
    let (kind, order, mode) = (data_type(a.dtype()), n as i64, fill_mode(!upper));
    let (matrix, infos) = (caller.address("a", a)?, caller.address("info", info)?);
    // SAFETY: the sizes are those of tensors that live, by stream order, until the work is done; the same in all calls below.
    let sizes = |library: &Library, bytes: &mut usize, host: &mut usize| unsafe {
        let Library { handle, params } = *library;
        sys::cusolverDnXpotrf_bufferSize(handle, params, mode, order, kind, matrix, order, kind, bytes, host)
    };
    let call = |library: &Library, (work, bytes, host, host_bytes): Workspace, item: usize| {
        let Library { handle, params } = *library;
        let (a, info) = (at(matrix, item * n * n * size), at(infos, item * 4).cast());
        // SAFETY: as above; the item lies within the batch.
        unsafe {
            sys::cusolverDnXpotrf(
                handle, params, mode, order, kind, a, order, kind, work, bytes, host, host_bytes, info,
            )
        }
    };
    caller.run(sizes, call, items)
}

/// Replaces columns `a: [.., n, m]` by LU factors. `swaps: [.., min(m, n)]`, i64, are LAPACK's, counted from 1; `info: [..]`, i32, too.
pub fn lu(stream: &Stream, a: &mut Tensor, swaps: &mut Tensor, info: &mut Tensor) -> Result<()> {
    let caller = Caller::new(stream, "cusolver getrf")?;
    let (items, m, n, size) = extents(a);
    let (kind, rows, columns) = (data_type(a.dtype()), m as i64, n as i64);
    let (matrix, infos) = (caller.address("a", a)?, caller.address("info", info)?);
    let swaps = caller.address("swaps", swaps)?;
    // SAFETY: as in `cholesky`.
    let sizes = |library: &Library, bytes: &mut usize, host: &mut usize| unsafe {
        let Library { handle, params } = *library;
        sys::cusolverDnXgetrf_bufferSize(handle, params, rows, columns, kind, matrix, rows, kind, bytes, host)
    };
    let call = |library: &Library, (work, bytes, host, host_bytes): Workspace, item: usize| {
        let Library { handle, params } = *library;
        let (a, info) = (at(matrix, item * m * n * size), at(infos, item * 4).cast());
        let swaps = at(swaps, item * m.min(n) * 8).cast();
        // SAFETY: as in `cholesky`.
        unsafe {
            sys::cusolverDnXgetrf(
                handle, params, rows, columns, kind, a, rows, swaps, kind, work, bytes, host, host_bytes,
                info,
            )
        }
    };
    caller.run(sizes, call, items)
}

/// Replaces columns `a: [.., n, m]` by r and reflections, with `tau: [.., min(m, n)]`, as LAPACK packs them.
pub fn qr(stream: &Stream, a: &mut Tensor, tau: &mut Tensor) -> Result<()> {
    let caller = Caller::new(stream, "cusolver geqrf")?;
    let (items, m, n, size) = extents(a);
    let (kind, rows, columns) = (data_type(a.dtype()), m as i64, n as i64);
    let mut info = Tensor::empty(stream, DType::I32, [1])?;
    let (matrix, info) = (caller.address("a", a)?, caller.address("info", &mut info)?.cast());
    let taus = caller.address("tau", tau)?;
    // SAFETY: as in `cholesky`.
    let sizes = |library: &Library, bytes: &mut usize, host: &mut usize| unsafe {
        let Library { handle, params } = *library;
        sys::cusolverDnXgeqrf_bufferSize(
            handle, params, rows, columns, kind, matrix, rows, kind, taus, kind, bytes, host,
        )
    };
    let call = |library: &Library, (work, bytes, host, host_bytes): Workspace, item: usize| {
        let Library { handle, params } = *library;
        let (a, tau) = (at(matrix, item * m * n * size), at(taus, item * m.min(n) * size));
        // SAFETY: as in `cholesky`.
        unsafe {
            sys::cusolverDnXgeqrf(
                handle, params, rows, columns, kind, a, rows, kind, tau, kind, work, bytes, host, host_bytes,
                info,
            )
        }
    };
    caller.run(sizes, call, items)
}

/// Replaces the reflections in columns `a: [.., n, m]`, n <= m, by the first n columns of their product; of `tau: [.., k]`, k <= n.
pub fn form_q(stream: &Stream, a: &mut Tensor, tau: &mut Tensor) -> Result<()> {
    let caller = Caller::new(stream, "cusolver orgqr")?;
    let (items, m, n, size) = extents(a);
    let k = tau.dims()[tau.rank() - 1];
    let double = a.dtype() == DType::F64;
    let int = |extent: usize| {
        i32::try_from(extent).map_err(|_| Error::range("cusolver orgqr", "a", "extents of 31 bits", extent))
    };
    let (rows, columns, terms) = (int(m)?, int(n)?, int(k)?);
    let mut info = Tensor::empty(stream, DType::I32, [1])?;
    let (matrix, info) = (caller.address("a", a)?, caller.address("info", &mut info)?.cast());
    let taus = caller.address("tau", tau)?;
    // SAFETY: as in `cholesky`.
    let sizes = |library: &Library, bytes: &mut usize, _: &mut usize| unsafe {
        let (handle, mut elements) = (library.handle, 0);
        let status = if double {
            let (a, tau) = (matrix.cast(), taus.cast());
            sys::cusolverDnDorgqr_bufferSize(handle, rows, columns, terms, a, rows, tau, &mut elements)
        } else {
            let (a, tau) = (matrix.cast(), taus.cast());
            sys::cusolverDnSorgqr_bufferSize(handle, rows, columns, terms, a, rows, tau, &mut elements)
        };
        *bytes = elements as usize * size;
        status
    };
    let call = |library: &Library, (work, bytes, _, _): Workspace, item: usize| {
        let (a, tau) = (at(matrix, item * m * n * size), at(taus, item * k * size));
        let (handle, elements) = (library.handle, (bytes / size) as i32);
        // SAFETY: as in `cholesky`.
        unsafe {
            if double {
                let (a, tau, work) = (a.cast(), tau.cast(), work.cast());
                sys::cusolverDnDorgqr(handle, rows, columns, terms, a, rows, tau, work, elements, info)
            } else {
                let (a, tau, work) = (a.cast(), tau.cast(), work.cast());
                sys::cusolverDnSorgqr(handle, rows, columns, terms, a, rows, tau, work, elements, info)
            }
        }
    };
    caller.run(sizes, call, items)
}

/// Eigenvalues, ascending, of `a: [.., n, n]`, whose two triangles agree, into `values: [.., n]`; with `vectors` they replace `a`, each one a row.
/// `info: [..]`, i32, is LAPACK's.
pub fn eigh(
    stream: &Stream,
    a: &mut Tensor,
    values: &mut Tensor,
    info: &mut Tensor,
    vectors: bool,
) -> Result<()> {
    let caller = Caller::new(stream, "cusolver syevd")?;
    let (items, n, _, _) = extents(a);
    let (kind, order, mode) = (data_type(a.dtype()), n as i64, fill_mode(false));
    let job = if vectors {
        sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_VECTOR
    } else {
        sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_NOVECTOR
    };
    let (matrix, info) = (caller.address("a", a)?, caller.address("info", info)?.cast());
    let values = caller.address("values", values)?;
    if items == 1 {
        // SAFETY: as in `cholesky`.
        let sizes = |library: &Library, bytes: &mut usize, host: &mut usize| unsafe {
            let Library { handle, params } = *library;
            sys::cusolverDnXsyevd_bufferSize(
                handle, params, job, mode, order, kind, matrix, order, kind, values, kind, bytes, host,
            )
        };
        // SAFETY: as in `cholesky`.
        let call = |library: &Library, (work, bytes, host, host_bytes): Workspace, _: usize| unsafe {
            let Library { handle, params } = *library;
            sys::cusolverDnXsyevd(
                handle, params, job, mode, order, kind, matrix, order, kind, values, kind, work, bytes, host,
                host_bytes, info,
            )
        };
        return caller.run(sizes, call, 1);
    }
    // SAFETY: as in `cholesky`.
    let sizes = |library: &Library, bytes: &mut usize, host: &mut usize| unsafe {
        let Library { handle, params } = *library;
        sys::cusolverDnXsyevBatched_bufferSize(
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
            bytes,
            host,
            items as i64,
        )
    };
    // SAFETY: as in `cholesky`.
    let call = |library: &Library, (work, bytes, host, host_bytes): Workspace, _: usize| unsafe {
        let Library { handle, params } = *library;
        sys::cusolverDnXsyevBatched(
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
            work,
            bytes,
            host,
            host_bytes,
            info,
            items as i64,
        )
    };
    caller.run(sizes, call, 1)
}

/// What [`svd`] writes: singular values `[.., n]`, descending; columns of u, `[.., n, m]` or `[.., m, m]`, and of v, `[.., n, n]`, or no
/// elements in either; LAPACK's `info: [..]`, i32.
pub struct Svd<'a> {
    /// Singular values.
    pub s: &'a mut Tensor,
    /// Columns of u.
    pub u: &'a mut Tensor,
    /// Columns of v.
    pub v: &'a mut Tensor,
    /// 0 where it converged.
    pub info: &'a mut Tensor,
}

/// Singular values and vectors of columns `a: [.., n, m]`, n <= m, by the polar decomposition. What is in `a` afterwards is undefined.
pub fn svd(stream: &Stream, a: &mut Tensor, out: Svd<'_>) -> Result<()> {
    let caller = Caller::new(stream, "cusolver gesvdp")?;
    let (items, m, n, size) = extents(a);
    let (kind, rows, columns) = (data_type(a.dtype()), m as i64, n as i64);
    let vectors = !out.u.is_empty();
    let u_columns = if vectors { out.u.dims()[out.u.rank() - 2] } else { n };
    let economic = i32::from(u_columns == n);
    let job = if vectors {
        sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_VECTOR
    } else {
        sys::cusolverEigMode_t::CUSOLVER_EIG_MODE_NOVECTOR
    };
    let (matrix, s) = (caller.address("a", a)?, caller.address("s", out.s)?);
    let (u, v) = (caller.address("u", out.u)?, caller.address("v", out.v)?);
    let infos = caller.address("info", out.info)?;
    let mut perturbations = vec![0.0; items];
    // SAFETY: as in `cholesky`.
    let sizes = |library: &Library, bytes: &mut usize, host: &mut usize| unsafe {
        let Library { handle, params } = *library;
        sys::cusolverDnXgesvdp_bufferSize(
            handle, params, job, economic, rows, columns, kind, matrix, rows, kind, s, kind, u, rows, kind,
            v, columns, kind, bytes, host,
        )
    };
    let call = |library: &Library, (work, bytes, host, host_bytes): Workspace, item: usize| {
        let Library { handle, params } = *library;
        let (a, s) = (at(matrix, item * m * n * size), at(s, item * n * size));
        let step = |elements: usize| if vectors { item * elements * size } else { 0 };
        let (u, v) = (at(u, step(m * u_columns)), at(v, step(n * n)));
        let info = at(infos, item * 4).cast();
        // SAFETY: as in `cholesky`; the perturbations live until the stream is waited for below.
        unsafe {
            sys::cusolverDnXgesvdp(
                handle,
                params,
                job,
                economic,
                rows,
                columns,
                kind,
                a,
                rows,
                kind,
                s,
                kind,
                u,
                rows,
                kind,
                v,
                columns,
                kind,
                work,
                bytes,
                host,
                host_bytes,
                info,
                &mut perturbations[item],
            )
        }
    };
    caller.run(sizes, call, items)?;
    caller.cuda.0.synchronize()
}

//! Products of parts of matrices by NVIDIA's cuBLAS, found when the program runs: what factorizations in blocks consist of.
//!
//! The library thinks in columns: a matrix of rows is its transpose there, and so `c = a b` is asked for as `cᵀ = bᵀ aᵀ`. Sums of f32 are of f32, never
//! of TF32, which the library does only when it is told to.

use std::ffi::c_int;
use std::sync::{Arc, LazyLock, MutexGuard};

use cudarc::cublas::sys::{self, cublasOperation_t as Operation, cublasStatus_t as Status};
use cudarc::driver::sys::CUstream;
use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::stream::CudaStream;

const NAME: &str = "cublas";

/// Whether the library can be used on `device`; an error says why not.
pub fn available(device: Device) -> Result<()> {
    // SAFETY: only looks for the library's file.
    static PRESENT: LazyLock<bool> = LazyLock::new(|| unsafe { sys::is_culib_present() });
    match device {
        Device::Cuda(_) if *PRESENT => Ok(()),
        Device::Cuda(_) => Err(Error::unsupported(NAME, device, "libcublas was not found")),
        _ => Err(Error::unsupported(NAME, device, "cuBLAS runs on NVIDIA GPUs")),
    }
}

/// Whether work that is submitted to `stream` now may be the library's: it is there, and nothing is being captured, as its own memory would be.
pub fn usable(stream: &Stream) -> bool {
    let cuda = stream.driver().as_any().downcast_ref::<CudaStream>();
    available(stream.device()).is_ok() && cuda.is_some_and(|cuda| !cuda.0.is_capturing())
}

/// A stream's handle of the library.
pub(super) struct Products(sys::cublasHandle_t);

// SAFETY: a handle may be used from any thread, by one at a time: it lies behind a lock.
unsafe impl Send for Products {}

impl Products {
    /// For work on `stream`, which lives at least as long.
    fn new(device: Device, stream: CUstream) -> Result<Self> {
        let mut products = Self(std::ptr::null_mut());
        // SAFETY: writes one handle.
        check(device, unsafe { sys::cublasCreate_v2(&mut products.0) })?;
        // SAFETY: both live.
        check(device, unsafe { sys::cublasSetStream_v2(products.0, stream.cast()) })?;
        Ok(products)
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: what was made is destroyed once, before its stream is.
            let _ = unsafe { sys::cublasDestroy_v2(self.0) };
        }
    }
}

fn check(device: Device, status: Status) -> Result<()> {
    match status {
        Status::CUBLAS_STATUS_SUCCESS => Ok(()),
        failure => Err(Error::device(NAME, device, format!("{failure:?}"))),
    }
}

/// Where a matrix of each item lies in a row-major tensor, in elements.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The first element of the first item.
    pub first: usize,
    /// From a row to the next.
    pub pitch: usize,
    /// From an item to the next.
    pub step: usize,
    /// What lies there is the operand's transpose.
    pub transposed: bool,
}

impl Part {
    /// The same, taken as its transpose.
    #[must_use]
    pub fn transposed(self) -> Self {
        Part { transposed: !self.transposed, ..self }
    }
}

/// `out = alpha left right + beta out`, of parts, for each item. A tensor that is `None` is that of `out`; then the parts do not overlap.
pub struct Update<'a> {
    /// How many products there are.
    pub items: usize,
    /// Rows and columns of each, and terms of its sums.
    pub sides: [usize; 3],
    /// `[rows, terms]`
    pub left: (Option<&'a Tensor>, Part),
    /// `[terms, columns]`
    pub right: (Option<&'a Tensor>, Part),
    /// `[rows, columns]`, not transposed.
    pub out: Part,
    /// The factor of the product.
    pub alpha: f64,
    /// The factor of what is there; with 0 it is not read.
    pub beta: f64,
}

/// Runs the products, of f32 or of f64. No side may be 0.
///
/// # Errors
/// The library is absent, or the stream captures; tensors of different dtypes, an operand that is not row-major, an output that shares its memory;
/// parts beyond a tensor's elements; sides that 32 bits do not count.
pub fn update(stream: &Stream, out: &mut Tensor, update: &Update<'_>) -> Result<()> {
    let device = stream.device();
    available(device)?;
    let Some(cuda) = stream.driver().as_any().downcast_ref::<CudaStream>() else {
        return Err(Error::unsupported(NAME, device, "the stream is not of the CUDA back end"));
    };
    if cuda.0.is_capturing() {
        return Err(Error::unsupported(NAME, device, "cuBLAS has memory of its own, and is not captured"));
    }
    let dtype = out.dtype();
    if !matches!(dtype, DType::F32 | DType::F64) {
        return Err(Error::dtype(NAME, "out", "f32, f64", dtype));
    }
    if !out.is_exclusive() || !out.is_contiguous() {
        let why = "must be row-major and share its memory with no other tensor";
        return Err(Error::layout(NAME, "out", why));
    }
    let out = &*out;
    let [rows, columns, terms] = update.sides;
    let place = |name: &'static str, tensor: &Tensor, part: Part, [rows, columns]: [usize; 2]| {
        if tensor.dtype() != dtype {
            return Err(Error::dtype(NAME, name, dtype.name(), tensor.dtype()));
        }
        if !tensor.is_contiguous() {
            return Err(Error::layout(NAME, name, "must be row-major"));
        }
        let [rows, columns] = if part.transposed { [columns, rows] } else { [rows, columns] };
        let end = part.first + (update.items - 1) * part.step + (rows - 1) * part.pitch + columns;
        if end > tensor.elements() || columns > part.pitch {
            let expected = format!("{end} elements, rows of {}", part.pitch);
            return Err(Error::shape(NAME, name, expected, tensor.shape()));
        }
        Ok(cuda.address(tensor)? + (part.first * dtype.size()) as u64)
    };
    if update.items == 0 || update.sides.contains(&0) || update.out.transposed {
        let expected = "products of one element at least, into rows";
        return Err(Error::shape(NAME, "out", expected, out.shape()));
    }
    let a = place("left", update.left.0.unwrap_or(out), update.left.1, [rows, terms])?;
    let b = place("right", update.right.0.unwrap_or(out), update.right.1, [terms, columns])?;
    let c = place("out", out, update.out, [rows, columns])?;
    let count = |extent: usize| {
        c_int::try_from(extent)
            .map_err(|_| Error::unsupported(NAME, device, format!("{extent}: 32 bits do not count it")))
    };
    let (m, n, k, items) = (count(rows)?, count(columns)?, count(terms)?, count(update.items)?);
    let pitch = |part: Part| count(part.pitch);
    let (lda, ldb, ldc) = (pitch(update.left.1)?, pitch(update.right.1)?, pitch(update.out)?);
    let steps = [update.left.1, update.right.1, update.out].map(|part| part.step as i64);
    let operation =
        |part: Part| if part.transposed { Operation::CUBLAS_OP_T } else { Operation::CUBLAS_OP_N };
    let (of_a, of_b) = (operation(update.left.1), operation(update.right.1));
    let products = products(cuda, device)?;
    let handle = products.as_ref().expect("the call made it").0;
    // SAFETY: every part lies within a tensor that lives, by stream order, until the work is done; the factors are read before the call returns.
    check(device, unsafe {
        if dtype == DType::F64 {
            let (alpha, beta) = (update.alpha, update.beta);
            sys::cublasDgemmStridedBatched(
                handle,
                of_b,
                of_a,
                n,
                m,
                k,
                &alpha,
                b as *const f64,
                ldb,
                steps[1],
                a as *const f64,
                lda,
                steps[0],
                &beta,
                c as *mut f64,
                ldc,
                steps[2],
                items,
            )
        } else {
            let (alpha, beta) = (update.alpha as f32, update.beta as f32);
            sys::cublasSgemmStridedBatched(
                handle,
                of_b,
                of_a,
                n,
                m,
                k,
                &alpha,
                b as *const f32,
                ldb,
                steps[1],
                a as *const f32,
                lda,
                steps[0],
                &beta,
                c as *mut f32,
                ldc,
                steps[2],
                items,
            )
        }
    })?;
    static LABEL: LazyLock<Arc<str>> = LazyLock::new(|| NAME.into());
    cuda.note(&LABEL);
    Ok(())
}

/// The stream's handle, made by the first call.
fn products(cuda: &CudaStream, device: Device) -> Result<MutexGuard<'_, Option<Products>>> {
    let raw = cuda.raw()?;
    let mut slot = cuda.0.products.lock().expect("no panic holds the lock");
    if slot.is_none() {
        *slot = Some(Products::new(device, raw)?);
    }
    Ok(slot)
}

//! DLPack, the protocol by which Python's array libraries lend each other memory: its structures, and capsules in and out.
//!
//! The layout is that of `dlpack.h` 1.x (dmlc/dlpack); a capsule is versioned (1.x) or legacy (before 1.0, without flags).

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use pyo3::exceptions::{PyBufferError, PyNotImplementedError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3::{ffi, intern};
use tilewright_core::Tensor;

use crate::array::{Place, Source};
use crate::dtype;

/// `DLDataType`: code, bits and lanes of an element.
#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct DataType {
    pub(crate) code: u8,
    pub(crate) bits: u8,
    pub(crate) lanes: u16,
}

/// `DLDevice`.
#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
struct DlDevice {
    kind: i32,
    ordinal: i32,
}

/// `DLTensor`.
#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device: DlDevice,
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`: legacy.
#[repr(C)]
struct Legacy {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Legacy)>,
}

/// `DLManagedTensorVersioned`: 1.x.
#[repr(C)]
struct Versioned {
    version: [u32; 2],
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    flags: u64,
    tensor: DlTensor,
}

const VERSION: [u32; 2] = [1, 0];
const READ_ONLY: u64 = 1;
const COPIED: u64 = 2;
const CPU: i32 = 1;
const CUDA: i32 = 2;
const CUDA_HOST: i32 = 3;

/// What the two kinds of managed tensor have in common.
///
/// # Safety
/// `tensor` and `free` are called with pointers that a capsule of `NAME` holds.
unsafe trait Managed {
    const NAME: &'static CStr;
    const USED: &'static CStr;
    fn tensor(&self) -> &DlTensor;
    /// Calls the deleter.
    ///
    /// # Safety
    /// `managed` is live and this is its last use.
    unsafe fn free(managed: NonNull<Self>);
    /// Whether this reader knows the layout.
    fn known(&self) -> bool;
    fn new(tensor: DlTensor, flags: u64, deleter: unsafe extern "C" fn(*mut Self)) -> Self;
}

// SAFETY: `USED` and `NAME` are the protocol's names for this structure.
unsafe impl Managed for Legacy {
    const NAME: &'static CStr = c"dltensor";
    const USED: &'static CStr = c"used_dltensor";
    fn tensor(&self) -> &DlTensor {
        &self.tensor
    }
    unsafe fn free(managed: NonNull<Self>) {
        // SAFETY: the caller gives a live managed tensor; its deleter takes it and nothing else.
        unsafe {
            if let Some(deleter) = managed.as_ref().deleter {
                deleter(managed.as_ptr());
            }
        }
    }
    fn known(&self) -> bool {
        true
    }
    fn new(tensor: DlTensor, _flags: u64, deleter: unsafe extern "C" fn(*mut Self)) -> Self {
        Self { tensor, context: std::ptr::null_mut(), deleter: Some(deleter) }
    }
}

// SAFETY: as above.
unsafe impl Managed for Versioned {
    const NAME: &'static CStr = c"dltensor_versioned";
    const USED: &'static CStr = c"used_dltensor_versioned";
    fn tensor(&self) -> &DlTensor {
        &self.tensor
    }
    unsafe fn free(managed: NonNull<Self>) {
        // SAFETY: as above; the deleter stands at the same place in every version.
        unsafe {
            if let Some(deleter) = managed.as_ref().deleter {
                deleter(managed.as_ptr());
            }
        }
    }
    fn known(&self) -> bool {
        self.version[0] == VERSION[0]
    }
    fn new(tensor: DlTensor, flags: u64, deleter: unsafe extern "C" fn(*mut Self)) -> Self {
        Self { version: VERSION, context: std::ptr::null_mut(), deleter: Some(deleter), flags, tensor }
    }
}

/// A managed tensor taken out of its capsule: the producer keeps the memory until this is dropped.
struct Consumed<M: Managed>(NonNull<M>);

// SAFETY: the protocol lets any thread read the memory and call the deleter.
unsafe impl<M: Managed> Send for Consumed<M> {}
// SAFETY: as above; shared use only reads.
unsafe impl<M: Managed> Sync for Consumed<M> {}

impl<M: Managed> Drop for Consumed<M> {
    fn drop(&mut self) {
        // SAFETY: taken from a capsule that was renamed, so that nobody else frees it.
        unsafe { M::free(self.0) }
    }
}

/// The array that `object`, which has `__dlpack__`, lends.
pub(crate) fn import(object: &Bound<'_, PyAny>) -> PyResult<Source> {
    let py = object.py();
    let (kind, ordinal): (i32, u32) = object.call_method0(intern!(py, "__dlpack_device__"))?.extract()?;
    let place = match kind {
        // Pinned memory is the host's.
        CPU | CUDA_HOST => Place::Host,
        CUDA => Place::Cuda(ordinal),
        _ => {
            let why = format!(
                "the array lies on a device of DLPack type {kind}; CPU (1) and CUDA (2) can be taken"
            );
            return Err(PyNotImplementedError::new_err(why));
        }
    };
    let keywords = pyo3::types::PyDict::new(py);
    keywords.set_item(intern!(py, "max_version"), (VERSION[0], VERSION[1]))?;
    if let Place::Cuda(ordinal) = place {
        // The producer makes this stream wait for what writes the array.
        keywords.set_item(intern!(py, "stream"), crate::cuda::raw_stream(ordinal)?)?;
    }
    let name = intern!(py, "__dlpack__");
    let capsule = match object.call_method(name, (), Some(&keywords)) {
        // From before 1.0.
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            keywords.del_item(intern!(py, "max_version"))?;
            object.call_method(name, (), Some(&keywords))?
        }
        called => called?,
    };
    match take::<Versioned>(&capsule, place) {
        None => take::<Legacy>(&capsule, place).unwrap_or_else(|| {
            Err(PyTypeError::new_err("__dlpack__ gave no capsule of DLPack, or a used one"))
        }),
        Some(source) => source,
    }
}

/// Takes the managed tensor out of the capsule; `None` if that is not what is in it.
fn take<M: Managed + 'static>(capsule: &Bound<'_, PyAny>, place: Place) -> Option<PyResult<Source>> {
    let raw = capsule.as_ptr();
    // SAFETY: a live object; the check accepts any object, and says no unless it is a capsule of this name.
    if unsafe { ffi::PyCapsule_IsValid(raw, M::NAME.as_ptr()) } == 0 {
        return None;
    }
    // SAFETY: valid for this name, by the check above; renaming it passes the ownership to us. The name is static.
    let managed = unsafe {
        let pointer = ffi::PyCapsule_GetPointer(raw, M::NAME.as_ptr()).cast::<M>();
        ffi::PyCapsule_SetName(raw, M::USED.as_ptr());
        NonNull::new(pointer)?
    };
    let owner = Consumed(managed);
    // SAFETY: live until `owner` is dropped.
    let lent = unsafe { managed.as_ref() };
    Some(read(lent, place).map(|(address, dtype, dims, strides)| Source {
        address,
        dtype,
        dims,
        strides,
        place,
        owner: Box::new(owner),
    }))
}

type Read = (*const u8, tilewright_core::DType, Vec<usize>, Option<Vec<isize>>);

fn read<M: Managed>(lent: &M, place: Place) -> PyResult<Read> {
    if !lent.known() {
        return Err(PyBufferError::new_err("the array comes by a DLPack version other than 1.x"));
    }
    let tensor = lent.tensor();
    let expected = match place {
        Place::Host => tensor.device.kind == CPU || tensor.device.kind == CUDA_HOST,
        Place::Cuda(ordinal) => tensor.device == DlDevice { kind: CUDA, ordinal: ordinal as i32 },
    };
    if !expected {
        return Err(PyBufferError::new_err("the array lies on another device than __dlpack_device__ says"));
    }
    let dtype = dtype::from_dlpack(tensor.dtype).ok_or_else(|| {
        let DataType { code, bits, lanes } = tensor.dtype;
        let why = format!(
            "the array has a dtype that tilewright lacks: DLPack code {code}, {bits} bits, {lanes} lanes"
        );
        PyTypeError::new_err(why)
    })?;
    let rank = usize::try_from(tensor.ndim).unwrap_or_default();
    let values = |pointer: *const i64| -> Option<&[i64]> {
        // SAFETY: the protocol promises `ndim` values behind a pointer that is not null; they live as long as `lent`.
        (!pointer.is_null()).then(|| unsafe { std::slice::from_raw_parts(pointer, rank) })
    };
    let dims = values(tensor.shape).unwrap_or_default();
    let negative = || PyBufferError::new_err("the array has a negative extent");
    let dims: Vec<usize> = dims
        .iter()
        .map(|&extent| usize::try_from(extent).map_err(|_| negative()))
        .collect::<PyResult<_>>()?;
    let strides = values(tensor.strides);
    let strides = strides
        .map(|strides| strides.iter().map(|&stride| stride as isize * dtype.size() as isize).collect());
    let address = tensor.data.cast::<u8>().cast_const().wrapping_add(tensor.byte_offset as usize);
    Ok((address, dtype, dims, strides))
}

/// What a consumer is lent.
pub(crate) struct Loan {
    /// Kept alive until the consumer's deleter call.
    pub(crate) tensor: Tensor,
    /// The first element.
    pub(crate) address: *mut u8,
    pub(crate) place: Place,
    pub(crate) read_only: bool,
    pub(crate) copied: bool,
    /// Runs when the consumer gives the memory back.
    pub(crate) returned: Option<Box<dyn FnOnce() + Send>>,
}

/// A managed tensor with what it points to. The managed tensor stands first: the deleter casts back.
#[repr(C)]
struct Exported<M> {
    managed: M,
    /// Shape, then strides.
    axes: Vec<i64>,
    returned: Option<Box<dyn FnOnce() + Send>>,
    tensor: Tensor,
}

/// The DLPack device pair of a place.
pub(crate) fn device(place: Place) -> (i32, u32) {
    match place {
        Place::Host => (CPU, 0),
        Place::Cuda(ordinal) => (CUDA, ordinal),
    }
}

/// A capsule that lends a tensor: versioned, or legacy for consumers that know no other.
pub(crate) fn export<'py>(py: Python<'py>, loan: Loan, versioned: bool) -> PyResult<Bound<'py, PyCapsule>> {
    if versioned { pack::<Versioned>(py, loan) } else { pack::<Legacy>(py, loan) }
}

fn pack<M: Managed + 'static>(py: Python<'_>, loan: Loan) -> PyResult<Bound<'_, PyCapsule>> {
    let flags = u64::from(loan.read_only) * READ_ONLY + u64::from(loan.copied) * COPIED;
    let (kind, ordinal) = device(loan.place);
    let sizes = loan.tensor.dims().iter().chain(loan.tensor.strides());
    let mut axes: Vec<i64> = sizes.map(|&size| size as i64).collect();
    let rank = loan.tensor.rank();
    let tensor = DlTensor {
        data: loan.address.cast(),
        device: DlDevice { kind, ordinal: ordinal as i32 },
        ndim: rank as i32,
        dtype: dtype::to_dlpack(loan.tensor.dtype()),
        shape: axes.as_mut_ptr(),
        strides: axes.as_mut_ptr().wrapping_add(rank),
        byte_offset: 0,
    };
    let managed = M::new(tensor, flags, delete::<M>);
    let exported = Box::new(Exported { managed, axes, returned: loan.returned, tensor: loan.tensor });
    let pointer = NonNull::from(Box::leak(exported));
    // SAFETY: `Exported` starts with the managed tensor that a capsule of this name promises; `discard` frees it unless a consumer took it.
    unsafe { PyCapsule::new_with_pointer_and_destructor(py, pointer.cast(), M::NAME, Some(discard::<M>)) }
        // SAFETY: there is no capsule, so this is the only owner.
        .inspect_err(|_| drop(unsafe { Box::from_raw(pointer.as_ptr()) }))
}

/// The deleter that a consumer calls, from any thread, with or without the interpreter.
unsafe extern "C" fn delete<M: Managed>(managed: *mut M) {
    // SAFETY: the managed tensor is the first field of the `Exported` that `pack` leaked, and this is its one deleter call.
    let mut exported = unsafe { Box::from_raw(managed.cast::<Exported<M>>()) };
    if let Some(returned) = exported.returned.take() {
        returned();
    }
    let Exported { tensor, .. } = *exported;
    drop(tensor);
}

/// The capsule's destructor: frees what no consumer took.
unsafe extern "C" fn discard<M: Managed>(capsule: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls this with a capsule that `pack` made; a consumer has renamed it if it took the tensor.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, M::NAME.as_ptr()) == 1 {
            delete::<M>(ffi::PyCapsule_GetPointer(capsule, M::NAME.as_ptr()).cast());
        }
    }
}

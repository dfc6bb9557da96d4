//! Arrays of other libraries as tensors: shared where the layout allows it, copied on the host where it does not.

use std::any::Any;
use std::sync::Arc;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use tilewright_core::{AlignedBytes, DType, Device, Error, Layout, Result, Shape, Tensor};

use crate::errors::raise;
use crate::foreign::Foreign;
use crate::{dlpack, dtype};

/// Where lent memory lies.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Place {
    /// Where the host reads it.
    Host,
    /// On a CUDA device of this ordinal.
    Cuda(u32),
}

/// Memory that another library lends.
pub(crate) struct Source {
    /// The first element.
    pub(crate) address: *const u8,
    pub(crate) dtype: DType,
    pub(crate) dims: Vec<usize>,
    /// In bytes; row-major where absent.
    pub(crate) strides: Option<Vec<isize>>,
    pub(crate) place: Place,
    /// Keeps the memory.
    pub(crate) owner: Box<dyn Any + Send + Sync>,
}

/// The tensor of any array: one of ours, or what DLPack, the buffer protocol or `__array_interface__` lends, in this order.
pub(crate) fn tensor(object: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let py = object.py();
    if let Ok(ours) = object.cast::<crate::tensor::Tensor>() {
        return Ok(ours.get().inner.clone());
    }
    let refused = if object.hasattr(intern!(py, "__dlpack__"))? {
        match dlpack::import(object) {
            Ok(source) => return adopt(source),
            // What DLPack cannot say (byte order, a type of one library only), the other protocols may.
            Err(error)
                if error.is_instance_of::<PyBufferError>(py) || error.is_instance_of::<PyTypeError>(py) =>
            {
                Some(error)
            }
            Err(error) => return Err(error),
        }
    } else {
        None
    };
    if let Some(source) = interface(object)? {
        return adopt(source);
    }
    match PyUntypedBuffer::get(object) {
        Ok(buffer) => adopt(buffered(buffer)?),
        Err(_) => Err(refused.unwrap_or_else(|| {
            let kind = object.get_type().name().map(|name| name.to_string()).unwrap_or_default();
            PyTypeError::new_err(format!(
                "{kind} is no array: expected one with __dlpack__ or the buffer protocol"
            ))
        })),
    }
}

/// An exporter of the buffer protocol, viewed.
fn buffered(buffer: PyUntypedBuffer) -> PyResult<Source> {
    let format = buffer.format().to_string_lossy().into_owned();
    let dtype = dtype::from_format(&format, buffer.item_size()).ok_or_else(|| {
        let size = buffer.item_size();
        PyTypeError::new_err(format!(
            "the array has items of format {format:?} and {size} bytes, which tilewright lacks"
        ))
    })?;
    if buffer.suboffsets().is_some_and(|offsets| offsets.iter().any(|&offset| offset >= 0)) {
        return Err(PyBufferError::new_err("the array is made of pointers to rows"));
    }
    Ok(Source {
        address: buffer.buf_ptr().cast_const().cast(),
        dtype,
        dims: buffer.shape().to_vec(),
        strides: Some(buffer.strides().to_vec()),
        place: Place::Host,
        owner: Box::new(buffer),
    })
}

/// An array that has `__array_interface__` and nothing better, or a dtype that only its own library names (bf16 and f8 of `ml_dtypes`).
fn interface(object: &Bound<'_, PyAny>) -> PyResult<Option<Source>> {
    let py = object.py();
    let described = intern!(py, "__array_interface__");
    let Ok(mut interface) = object.getattr(described) else { return Ok(None) };
    let mut owner = object.clone();
    let dims: Vec<usize> = interface.get_item("shape")?.extract()?;
    // A scalar of NumPy describes an array that it has just made and dropped again: another has to be made, and held.
    if dims.is_empty()
        && let Ok(held) = object.call_method0(intern!(py, "__array__"))
    {
        interface = held.getattr(described)?;
        owner = held;
    }
    let typestr: String = interface.get_item("typestr")?.extract()?;
    let dtype = match dtype::from_typestr(&typestr) {
        Some(dtype) => dtype,
        None => {
            let named = object.getattr(intern!(py, "dtype")).and_then(|dtype| dtype::of_object(&dtype));
            let named = named.ok().filter(|dtype| dtype::to_typestr(*dtype).is_none());
            named.ok_or_else(|| {
                PyTypeError::new_err(format!("the array has the dtype {typestr}, which tilewright lacks"))
            })?
        }
    };
    let Ok((address, _read_only)) = interface.get_item("data")?.extract::<(usize, bool)>() else {
        return Ok(None);
    };
    let strides = interface.get_item("strides").and_then(|strides| strides.extract()).unwrap_or_default();
    Ok(Some(Source {
        address: std::ptr::with_exposed_provenance(address),
        dtype,
        dims,
        strides,
        place: Place::Host,
        owner: Box::new(owner.unbind()),
    }))
}

/// A tensor over lent memory.
pub(crate) fn adopt(source: Source) -> PyResult<Tensor> {
    let Source { address, dtype, dims, strides, place, owner } = source;
    let shape = Shape::new(&dims).map_err(raise)?;
    if shape.elements() == 0 && place == Place::Host {
        return Tensor::zeros(dtype, &shape).map_err(raise);
    }
    let size = dtype.size() as isize;
    let row_major = Layout::contiguous(shape);
    let strides = match strides {
        // The stride of an axis of extent 1 is never walked, and may be anything.
        Some(strides) if strides.len() == dims.len() => strides
            .iter()
            .zip(&dims)
            .map(|(&stride, &extent)| if extent > 1 { stride } else { size })
            .collect(),
        Some(_) => {
            return Err(PyBufferError::new_err("the array has another number of strides than of axes"));
        }
        None => row_major.strides().iter().map(|&stride| stride as isize * size).collect::<Vec<_>>(),
    };
    let viewable = address.addr().is_multiple_of(dtype.size())
        && strides.iter().all(|&stride| stride >= 0 && stride % size == 0);
    if !viewable {
        if let Place::Cuda(ordinal) = place {
            let why = "an array with reversed axes or between its elements' boundaries has to be made contiguous first";
            return Err(raise(Error::unsupported("asarray", Device::Cuda(ordinal), why)));
        }
        let mut bytes = AlignedBytes::fresh(shape.elements() * dtype.size()).map_err(raise)?;
        // SAFETY: the owner promises every element that shape and strides reach, and is alive.
        unsafe { gather(address, &dims, &strides, dtype.size(), bytes.as_mut()) };
        drop(owner);
        return Tensor::from_buffer(Arc::new(bytes), dtype, row_major).map_err(raise);
    }
    let strides: Vec<usize> = strides.iter().map(|&stride| (stride / size) as usize).collect();
    let layout = Layout::strided(shape, &strides, 0, isize::MAX as usize / dtype.size()).map_err(raise)?;
    let bytes = layout.end() * dtype.size();
    match place {
        Place::Host => {
            // SAFETY: the owner promises every element that shape and strides reach, and they reach `bytes` bytes.
            let foreign = unsafe { Foreign::new(address, bytes, owner) };
            Tensor::from_buffer(Arc::new(foreign), dtype, layout).map_err(raise)
        }
        Place::Cuda(ordinal) => {
            crate::cuda::adopt(ordinal, address, bytes, owner, dtype, layout).map_err(raise)
        }
    }
}

/// A row-major tensor with a copy of these bytes.
pub(crate) fn from_bytes(bytes: &[u8], dtype: DType, shape: Shape) -> Result<Tensor> {
    if bytes.len() != shape.elements() * dtype.size() {
        return Err(Error::shape("frombuffer", "shape", format!("{} bytes of {dtype}", bytes.len()), shape));
    }
    Tensor::from_buffer(Arc::new(AlignedBytes::copy_of(bytes)?), dtype, Layout::contiguous(shape))
}

/// Copies every element into row-major order.
///
/// # Safety
/// Every element that the extents and byte strides reach from `address` can be read.
unsafe fn gather(address: *const u8, dims: &[usize], strides: &[isize], size: usize, target: &mut [u8]) {
    let mut index = vec![0usize; dims.len()];
    let mut offset = 0isize;
    for element in target.chunks_exact_mut(size) {
        // SAFETY: `offset` is that of an element within the extents, which the caller vouches for.
        element.copy_from_slice(unsafe { std::slice::from_raw_parts(address.offset(offset), size) });
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            offset += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            offset -= strides[axis] * dims[axis] as isize;
            index[axis] = 0;
        }
    }
}

//! The tensor class, and results as the arrays of the caller's library.

use std::ffi::c_int;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyAttributeError, PyBufferError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyTuple};
use pyo3::{ffi, intern};
use tilewright_core::{DType, Shape, with_element};

use crate::array::Place;
use crate::device::{Device, DeviceLike, stream};
use crate::dlpack::{self, Loan};
use crate::errors::raise;
use crate::{array, dtype};

/// An array on some device, that nothing changes: what functions return for tensors, and what holds bf16, f8 and device memory where no
/// other library does.
///
/// It lends its memory without a copy, read-only, by `__dlpack__` (so `numpy.from_dlpack`, `torch.from_dlpack`, `jax.numpy.from_dlpack`),
/// and on the CPU by the buffer protocol and `__array_interface__`. A view keeps the tensor alive.
#[pyclass(frozen, module = "tilewright")]
pub(crate) struct Tensor {
    pub(crate) inner: tilewright_core::Tensor,
    /// The elements (on a device: nothing), where this is a fresh result on its way to the caller, whom alone it belongs to: lent to write.
    writable: Option<Address>,
}

struct Address(*mut u8);

// SAFETY: an address; who uses it answers for how.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

impl Tensor {
    pub(crate) fn new(inner: tilewright_core::Tensor) -> Self {
        Self { inner, writable: None }
    }

    /// A result that will belong to the caller alone.
    fn fresh(mut inner: tilewright_core::Tensor) -> tilewright_core::Result<Self> {
        if inner.device() != tilewright_core::Device::Cpu {
            if !inner.is_exclusive() {
                inner = duplicate(&inner)?;
            }
            return Ok(Self { inner, writable: Some(Address(std::ptr::null_mut())) });
        }
        let address = match own(&mut inner) {
            Ok(address) => address,
            // A view, or memory that another tensor shares.
            Err(_) => {
                inner = duplicate(&inner)?;
                own(&mut inner)?
            }
        };
        Ok(Self { inner, writable: Some(Address(address)) })
    }

    fn place(&self) -> Result<Place, PyErr> {
        match self.inner.device() {
            tilewright_core::Device::Cpu => Ok(Place::Host),
            tilewright_core::Device::Cuda(ordinal) => Ok(Place::Cuda(ordinal)),
            device => Err(PyBufferError::new_err(format!(
                "the tensor lies on {device}, whose memory other libraries cannot read: use .to(\"cpu\")"
            ))),
        }
    }

    /// The first element of a host tensor.
    fn address(&self) -> PyResult<*mut u8> {
        if let Some(Address(address)) = self.writable {
            return Ok(address);
        }
        let bytes = self.inner.buffer().host().ok_or_else(|| {
            PyBufferError::new_err(format!("the tensor lies on {}: use .to(\"cpu\")", self.inner.device()))
        })?;
        let offset = self.inner.layout().offset() * self.inner.dtype().size();
        Ok(bytes.as_ptr().wrapping_add(offset).cast_mut())
    }

    fn interface<'py>(&self, py: Python<'py>, typestr: String) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let size = self.inner.dtype().size();
        dict.set_item("version", 3)?;
        dict.set_item("typestr", typestr)?;
        dict.set_item("shape", self.shape(py)?)?;
        dict.set_item("strides", PyTuple::new(py, self.inner.strides().iter().map(|stride| stride * size))?)?;
        dict.set_item("data", (self.address()?.expose_provenance(), self.writable.is_none()))?;
        Ok(dict)
    }
}

/// A row-major copy that shares its memory with nothing.
fn duplicate(tensor: &tilewright_core::Tensor) -> tilewright_core::Result<tilewright_core::Tensor> {
    if tensor.device() != tilewright_core::Device::Cpu {
        return crate::cuda::duplicate(tensor);
    }
    array::from_bytes(&tensor.to_bytes()?, tensor.dtype(), *tensor.shape())
}

/// The elements of a row-major host tensor that shares its memory with no other.
fn own(tensor: &mut tilewright_core::Tensor) -> tilewright_core::Result<*mut u8> {
    with_element!(tensor.dtype(), T => Ok(tensor.as_slice_mut::<T>()?.as_mut_ptr().cast()))
}

#[pymethods]
impl Tensor {
    /// The short name of the dtype: "f32", "bf16", ...
    #[getter]
    fn dtype(&self) -> &'static str {
        self.inner.dtype().name()
    }

    /// The extents.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.dims())
    }

    /// Elements between neighbours, per axis.
    #[getter]
    fn strides<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.strides())
    }

    /// The number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.inner.rank()
    }

    /// The number of elements.
    #[getter]
    fn size(&self) -> usize {
        self.inner.elements()
    }

    /// The bytes that the elements take.
    #[getter]
    fn nbytes(&self) -> usize {
        self.inner.bytes()
    }

    /// Where the memory is.
    #[getter]
    fn device(&self) -> Device {
        Device(self.inner.device())
    }

    /// The same elements on another device; itself where it is there already and row-major.
    fn to(slf: Bound<'_, Self>, device: DeviceLike) -> PyResult<Bound<'_, Self>> {
        let device = device.resolve()?;
        let inner = &slf.get().inner;
        if inner.device() == device && inner.is_contiguous() {
            return Ok(slf);
        }
        let moved = slf.py().detach(|| inner.to(&stream(device)?)).map_err(raise)?;
        Bound::new(slf.py(), Tensor::new(moved))
    }

    /// The last two axes exchanged. A view.
    #[getter(mT)]
    fn transpose(&self) -> PyResult<Self> {
        self.inner.transpose().map(Self::new).map_err(raise)
    }

    /// Axes in another order: axis `i` of the result is axis `axes[i]` of this. A view.
    fn permute(&self, axes: Vec<usize>) -> PyResult<Self> {
        self.inner.permute(&axes).map(Self::new).map_err(raise)
    }

    /// One index of one axis, which disappears. A view.
    fn select(&self, axis: usize, index: usize) -> PyResult<Self> {
        self.inner.select(axis, index).map(Self::new).map_err(raise)
    }

    /// The indices from `start` to before `stop` of one axis. A view.
    fn slice(&self, axis: usize, start: usize, stop: usize) -> PyResult<Self> {
        self.inner.slice(axis, start..stop).map(Self::new).map_err(raise)
    }

    /// Axes of extent 1 repeated and axes added in front, as NumPy broadcasts. A view.
    fn broadcast_to(&self, shape: Vec<usize>) -> PyResult<Self> {
        self.inner.broadcast_to(&shape[..]).map(Self::new).map_err(raise)
    }

    /// Another shape for the same elements. A view where the layout allows it, else a copy.
    fn reshape(&self, py: Python<'_>, shape: Vec<usize>) -> PyResult<Self> {
        let shape = Shape::new(&shape).map_err(raise)?;
        if shape.elements() != self.inner.elements() {
            let expected = format!("one of {} elements", self.inner.elements());
            return Err(raise(tilewright_core::Error::shape("reshape", "shape", expected, shape)));
        }
        match self.inner.reshape(shape.dims()) {
            Ok(view) => Ok(Self::new(view)),
            Err(_) => {
                let copy = py.detach(|| duplicate(&self.inner)?.reshape(shape.dims()));
                copy.map(Self::new).map_err(raise)
            }
        }
    }

    /// The diagonal of the last two axes, `offset` columns to the right (or, below 0, rows down). A view.
    #[pyo3(signature = (offset=0))]
    fn diagonal(&self, offset: isize) -> PyResult<Self> {
        let rank = self.inner.rank();
        if rank < 2 {
            let shape = *self.inner.shape();
            return Err(raise(tilewright_core::Error::shape("diagonal", "x", "at least 2 axes", shape)));
        }
        let (down, right) = (offset.min(0).unsigned_abs(), offset.max(0).unsigned_abs());
        let dims = self.inner.dims();
        let (m, n) = (dims[rank - 2].saturating_sub(down), dims[rank - 1].saturating_sub(right));
        let diagonal = || {
            // The empty diagonal starts nowhere.
            let (down, right) = if m.min(n) == 0 { (0, 0) } else { (down, right) };
            let corner = self.inner.slice(rank - 2, down..down + m.min(n))?;
            let corner = corner.slice(rank - 1, right..right + m.min(n))?;
            let (mut dims, mut strides) = (corner.dims().to_vec(), corner.strides().to_vec());
            dims.pop();
            let column = strides.pop().unwrap_or_default();
            strides[rank - 2] += column;
            let (shape, offset) = (Shape::new(&dims)?, corner.layout().offset());
            let layout = tilewright_core::Layout::strided(shape, &strides, offset, usize::MAX)?;
            tilewright_core::Tensor::from_buffer(self.inner.buffer().clone(), self.inner.dtype(), layout)
        };
        diagonal().map(Self::new).map_err(raise)
    }

    /// The bytes of the elements in row-major order, from any device.
    fn tobytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.inner.to_bytes()).map_err(raise)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The elements as nested lists of Python numbers, from any device.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dtype = self.inner.dtype();
        let numbers: Vec<Bound<'py, PyAny>> = match dtype {
            DType::Bool => {
                let values = self.inner.to_f64_vec().map_err(raise)?;
                values
                    .into_iter()
                    .map(|value| (value != 0.0).into_bound_py_any(py))
                    .collect::<PyResult<_>>()?
            }
            DType::U64 => numbers(py, self.inner.to_vec::<u64>().map_err(raise)?)?,
            DType::I64 => numbers(py, self.inner.to_vec::<i64>().map_err(raise)?)?,
            _ => {
                let values = self.inner.to_f64_vec().map_err(raise)?;
                if dtype.is_float() {
                    numbers(py, values)?
                } else {
                    numbers(py, values.into_iter().map(|value| value as i64).collect())?
                }
            }
        };
        nest(py, self.inner.dims(), &numbers)
    }

    fn __len__(&self) -> PyResult<usize> {
        self.inner
            .dims()
            .first()
            .copied()
            .ok_or_else(|| PyTypeError::new_err("a tensor without axes has no length"))
    }

    /// Pickles as its bytes; what is loaded lies on the CPU.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Pickled<'py>)> {
        let make = py.import("tilewright")?.getattr("frombuffer")?;
        Ok((make, (self.tobytes(py)?, self.dtype(), self.inner.dims().to_vec())))
    }

    fn __repr__(&self) -> String {
        let (dtype, shape, device) = (self.inner.dtype(), self.inner.shape(), self.inner.device());
        format!("tilewright.Tensor({dtype} {shape} on {device})")
    }

    fn __dlpack_device__(&self) -> PyResult<(i32, u32)> {
        Ok(dlpack::device(self.place()?))
    }

    /// A DLPack capsule that lends the memory: read-only; a copy to write with `copy=True`, or for consumers from before DLPack 1.0.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<i64>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, u32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let place = self.place()?;
        if dl_device.is_some_and(|wanted| wanted != dlpack::device(place)) {
            let why = format!("the tensor lies on {}: move it with .to(device) first", self.inner.device());
            return Err(PyBufferError::new_err(why));
        }
        let versioned = max_version.is_some_and(|(major, _)| major >= 1);
        // Before 1.0 DLPack could not say that memory is read-only: such consumers (JAX) get a copy unless they forbid it.
        let copied = copy.unwrap_or(!versioned && self.writable.is_none());
        if let Place::Cuda(ordinal) = place {
            let (tensor, read_only) = match copied {
                true => (py.detach(|| duplicate(&self.inner)).map_err(raise)?, false),
                false => (self.inner.clone(), self.writable.is_none()),
            };
            return crate::cuda::lend(py, &tensor, ordinal, stream, (versioned, read_only, copied));
        }
        if stream.is_some_and(|stream| stream != -1) {
            return Err(PyValueError::new_err("stream: a tensor on the CPU has none"));
        }
        let lent = if copied {
            let copy = py.detach(|| duplicate(&self.inner)).map_err(raise)?;
            Tensor::fresh(copy).map_err(raise)?
        } else {
            Tensor {
                inner: self.inner.clone(),
                writable: self.writable.as_ref().map(|address| Address(address.0)),
            }
        };
        let read_only = lent.writable.is_none();
        if read_only && !versioned {
            let why = "the tensor is read-only, which DLPack before 1.0 cannot say: ask with max_version=(1, 0) or copy=True";
            return Err(PyBufferError::new_err(why));
        }
        let address = lent.address()?;
        let loan = Loan { tensor: lent.inner, address, place, read_only, copied, returned: None };
        dlpack::export(py, loan, versioned)
    }

    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dtype = self.inner.dtype();
        let typestr = dtype::to_typestr(dtype)
            .ok_or_else(|| PyAttributeError::new_err(format!("__array_interface__ has no {dtype}")))?;
        if self.place()? != Place::Host {
            let why = format!("the tensor lies on {}: use .to(\"cpu\")", self.inner.device());
            return Err(PyAttributeError::new_err(why));
        }
        self.interface(py, typestr)
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let tensor = slf.get();
        let dtype = tensor.inner.dtype();
        let format = dtype::to_format(dtype).ok_or_else(|| {
            PyBufferError::new_err(format!("the buffer protocol has no {dtype}: use DLPack"))
        })?;
        let (address, size) = (tensor.address()?, dtype.size());
        if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE && tensor.writable.is_none() {
            return Err(PyBufferError::new_err("a tensor is read-only"));
        }
        let strided = flags & ffi::PyBUF_STRIDES == ffi::PyBUF_STRIDES;
        if !strided && !tensor.inner.is_contiguous() {
            return Err(PyBufferError::new_err(
                "the tensor is not row-major, and strides were not asked for",
            ));
        }
        let rank = tensor.inner.rank();
        let sizes = tensor.inner.dims().iter().map(|&extent| extent as ffi::Py_ssize_t);
        let strides = tensor.inner.strides().iter().map(|&stride| (stride * size) as ffi::Py_ssize_t);
        // Leaked to the view, and freed in `__releasebuffer__`.
        let axes = Box::into_raw(Box::new(sizes.chain(strides).collect::<Vec<_>>()));
        // SAFETY: the interpreter gives a view to fill. What it points to is static, the tensor's, which `obj` keeps alive, or `axes`.
        unsafe {
            (*view).obj = slf.clone().into_any().into_ptr();
            (*view).buf = address.cast();
            (*view).len = tensor.inner.bytes() as ffi::Py_ssize_t;
            (*view).itemsize = size as ffi::Py_ssize_t;
            (*view).readonly = c_int::from(tensor.writable.is_none());
            (*view).ndim = rank as c_int;
            let asked = |flag: c_int| flags & flag == flag;
            (*view).format =
                if asked(ffi::PyBUF_FORMAT) { format.as_ptr().cast_mut() } else { std::ptr::null_mut() };
            let pointer = (*axes).as_mut_ptr();
            (*view).shape = if asked(ffi::PyBUF_ND) { pointer } else { std::ptr::null_mut() };
            (*view).strides = if strided { pointer.wrapping_add(rank) } else { std::ptr::null_mut() };
            (*view).suboffsets = std::ptr::null_mut();
            (*view).internal = axes.cast();
        }
        Ok(())
    }

    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: `__getbuffer__` left the vector here, once per view.
        drop(unsafe { Box::from_raw((*view).internal.cast::<Vec<ffi::Py_ssize_t>>()) });
    }
}

/// The arguments of `frombuffer`.
type Pickled<'py> = (Bound<'py, PyBytes>, &'static str, Vec<usize>);

fn numbers<'py, T: IntoPyObjectExt<'py>>(
    py: Python<'py>,
    values: Vec<T>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    values.into_iter().map(|value| value.into_bound_py_any(py)).collect()
}

fn nest<'py>(py: Python<'py>, dims: &[usize], numbers: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
    let Some((&extent, rest)) = dims.split_first() else { return Ok(numbers[0].clone()) };
    let each: usize = rest.iter().product();
    let rows = (0..extent).map(|row| nest(py, rest, &numbers[row * each..(row + 1) * each]));
    rows.collect::<PyResult<Vec<_>>>()?.into_bound_py_any(py)
}

/// Any array as a tensor: without a copy where it is on the device and its layout can be viewed.
///
/// Takes what has `__dlpack__`, the buffer protocol or `__array_interface__`. The array must not be written while a call reads it.
#[pyfunction]
#[pyo3(signature = (array, *, device=None))]
pub(crate) fn asarray(
    py: Python<'_>,
    array: &Bound<'_, PyAny>,
    device: Option<DeviceLike>,
) -> PyResult<Tensor> {
    let tensor = array::tensor(array)?;
    let Some(device) = device else { return Ok(Tensor::new(tensor)) };
    let device = device.resolve()?;
    if tensor.device() == device {
        return Ok(Tensor::new(tensor));
    }
    py.detach(|| tensor.to(&stream(device)?)).map(Tensor::new).map_err(raise)
}

/// A row-major tensor on the CPU with a copy of these bytes: any dtype, bf16 and f8 too, without another library.
#[pyfunction]
pub(crate) fn frombuffer(
    buffer: &Bound<'_, PyAny>,
    dtype: &Bound<'_, PyAny>,
    shape: Vec<usize>,
) -> PyResult<Tensor> {
    let dtype = dtype::of_object(dtype)?;
    let bytes = pyo3::buffer::PyBuffer::<u8>::get(buffer)?.to_vec(buffer.py())?;
    let shape = Shape::new(&shape).map_err(raise)?;
    array::from_bytes(&bytes, dtype, shape).map(Tensor::new).map_err(raise)
}

/// A tensor as an array of the library that `like` belongs to, which shares no memory with an input; as it is where that is this library.
#[pyfunction]
pub(crate) fn present<'py>(
    py: Python<'py>,
    tensor: &Bound<'py, Tensor>,
    like: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let presenter = Presenter::of(py, Some(like))?;
    if matches!(presenter.library, Library::Ours) {
        return Ok(tensor.clone().into_any());
    }
    let inner = &tensor.get().inner;
    let copy = py.detach(|| duplicate(inner)).map_err(raise)?;
    presenter.present("the result", copy, &[])
}

/// Results as arrays of the library that `like` belongs to.
pub(crate) struct Presenter<'py> {
    py: Python<'py>,
    library: Library<'py>,
}

enum Library<'py> {
    /// Tensors, and arrays of no library, such as memoryviews.
    Ours,
    /// The library's `from_dlpack`, and whether it is NumPy's.
    Other(Bound<'py, PyAny>, bool),
}

impl<'py> Presenter<'py> {
    pub(crate) fn of(py: Python<'py>, like: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        Ok(Self { py, library: like.map_or(Ok(Library::Ours), library)? })
    }

    /// One result: of the caller alone, to write as well.
    pub(crate) fn present(
        &self,
        name: &str,
        result: tilewright_core::Tensor,
        inputs: &[tilewright_core::Tensor],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let Library::Other(from_dlpack, numpy) = &self.library else {
            return Ok(Bound::new(py, Tensor::new(result))?.into_any());
        };
        // An operation may return an input as it is; a caller who writes to a result must not change that.
        let shared = inputs.iter().any(|input| std::sync::Arc::ptr_eq(input.buffer(), result.buffer()));
        let result = if shared { py.detach(|| duplicate(&result)).map_err(raise)? } else { result };
        let dtype = result.dtype();
        if *numpy && dtype::to_typestr(dtype).is_none() {
            return Err(PyTypeError::new_err(format!(
                "{name} has dtype {dtype}, which NumPy lacks: give tilewright.asarray(..) of the inputs to get tensors"
            )));
        }
        let fresh = Bound::new(py, Tensor::fresh(result).map_err(raise)?)?;
        from_dlpack.call1((fresh,))
    }
}

fn library<'py>(like: &Bound<'py, PyAny>) -> PyResult<Library<'py>> {
    let py = like.py();
    if like.cast::<Tensor>().is_ok() {
        return Ok(Library::Ours);
    }
    let class = like.get_type();
    // By class, because looking a library up takes longer than a small kernel.
    static KNOWN: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let known = KNOWN.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    if let Some(found) = known.get_item(&class)? {
        let (from_dlpack, numpy) = found.extract()?;
        return Ok(Library::Other(from_dlpack, numpy));
    }
    let module: String = class.getattr(intern!(py, "__module__"))?.extract()?;
    let root = module.split('.').next().unwrap_or_default();
    let namespace = match root {
        "numpy" | "torch" | "cupy" => py.import(root)?.into_any(),
        "jax" | "jaxlib" => py.import("jax.numpy")?.into_any(),
        _ => match like.call_method0(intern!(py, "__array_namespace__")) {
            Ok(namespace) => namespace,
            Err(_) => return Ok(Library::Ours),
        },
    };
    let (from_dlpack, numpy) = (namespace.getattr(intern!(py, "from_dlpack"))?, root == "numpy");
    known.set_item(class, (&from_dlpack, numpy))?;
    Ok(Library::Other(from_dlpack, numpy))
}

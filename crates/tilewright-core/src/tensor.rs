//! Tensors: a dtype, a layout and shared memory on some device.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::buffer::{Buffer, Owned};
use crate::{AlignedBytes, DType, Device, Element, Error, Layout, Result, Shape, Stream, with_element};

/// An array of numbers on some device, or a strided view of one.
///
/// A tensor is a value: clones and views share memory, and nothing changes it while it is shared. Operations that write
/// in place take `&mut Tensor` and refuse one whose memory another tensor shares.
#[derive(Clone)]
pub struct Tensor {
    buffer: Arc<dyn Buffer>,
    dtype: DType,
    layout: Layout,
    /// Counts the tensors that share the memory. Not the buffer's own count: a back end may keep a buffer alive for work in
    /// progress, or for a capture, without standing in the way of writes in place.
    sharers: Arc<()>,
}

impl Tensor {
    /// Takes over a vector without copying it. Fails unless `shape` has as many elements.
    pub fn from_vec<T: Element>(data: Vec<T>, shape: impl TryInto<Shape, Error = Error>) -> Result<Self> {
        Self::from_owner(data, shape)
    }

    /// Copies a slice.
    pub fn from_slice<T: Element>(data: &[T], shape: impl TryInto<Shape, Error = Error>) -> Result<Self> {
        let bytes = AlignedBytes::copy_of(bytemuck::cast_slice(data))?;
        Self::over(Arc::new(bytes), data.len(), T::DTYPE, shape.try_into()?)
    }

    /// Takes over any host container of elements without copying it; it is dropped with the last view.
    pub fn from_owner<T: Element>(
        owner: impl AsRef<[T]> + Send + Sync + 'static,
        shape: impl TryInto<Shape, Error = Error>,
    ) -> Result<Self> {
        let elements = owner.as_ref().len();
        Self::over(Arc::new(Owned(owner, PhantomData)), elements, T::DTYPE, shape.try_into()?)
    }

    /// A 0-d tensor.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::from_vec(vec![value], []).expect("one element")
    }

    /// Zeros on the host.
    pub fn zeros(dtype: DType, shape: impl TryInto<Shape, Error = Error>) -> Result<Self> {
        let shape = shape.try_into()?;
        let bytes = AlignedBytes::zeros(shape.elements() * dtype.size())?;
        Self::over(Arc::new(bytes), shape.elements(), dtype, shape)
    }

    /// Memory without contents on the stream's device, row-major.
    pub fn empty(stream: &Stream, dtype: DType, shape: impl TryInto<Shape, Error = Error>) -> Result<Self> {
        let shape = shape.try_into()?;
        let buffer = stream.driver().allocate(shape.elements() * dtype.size())?;
        Self::over(buffer, shape.elements(), dtype, shape)
    }

    /// A tensor over a back end's memory, the first one. Fails unless the layout stays within it.
    pub fn from_buffer(buffer: Arc<dyn Buffer>, dtype: DType, layout: Layout) -> Result<Self> {
        if layout.end() * dtype.size() > buffer.bytes() {
            let why = format!("{layout:?} of {dtype} leaves a buffer of {} bytes", buffer.bytes());
            return Err(Error::layout("tensor", "layout", why));
        }
        Ok(Self { buffer, dtype, layout, sharers: Arc::default() })
    }

    /// The same tensor, not counted among those that share its memory: for a back end that has to keep it alive.
    pub fn uncounted(&self) -> Self {
        Self { sharers: Arc::default(), ..self.clone() }
    }

    fn over(buffer: Arc<dyn Buffer>, elements: usize, dtype: DType, shape: Shape) -> Result<Self> {
        if shape.elements() != elements {
            return Err(Error::shape("tensor", "shape", format!("{elements} elements"), shape));
        }
        Ok(Self { buffer, dtype, layout: Layout::contiguous(shape), sharers: Arc::default() })
    }

    /// The elements' format.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extents.
    pub fn shape(&self) -> &Shape {
        self.layout.shape()
    }

    /// The extents as a slice.
    pub fn dims(&self) -> &[usize] {
        self.layout.shape().dims()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.shape().elements()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.elements() == 0
    }

    /// Bytes that the elements take, gaps left out.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.size()
    }

    /// Where the elements lie in the buffer.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Elements between neighbours, per axis.
    pub fn strides(&self) -> &[usize] {
        self.layout.strides()
    }

    /// Whether the elements lie row-major without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// The device that holds the memory.
    pub fn device(&self) -> Device {
        self.buffer.device()
    }

    /// The memory, for back ends.
    pub fn buffer(&self) -> &Arc<dyn Buffer> {
        &self.buffer
    }

    /// Whether no other tensor shares the memory, so that it may be written in place.
    pub fn is_exclusive(&mut self) -> bool {
        Arc::get_mut(&mut self.sharers).is_some()
    }

    /// Exchanges the last two axes. A view.
    pub fn transpose(&self) -> Result<Self> {
        let rank = self.rank();
        if rank < 2 {
            return Err(Error::shape("transpose", "self", "at least 2 axes", self.shape()));
        }
        let mut axes: Vec<usize> = (0..rank).collect();
        axes.swap(rank - 2, rank - 1);
        self.permute(&axes)
    }

    /// Reorders axes: axis `i` of the result is axis `axes[i]` of this. A view.
    pub fn permute(&self, axes: &[usize]) -> Result<Self> {
        Ok(self.with_layout(self.layout.permute(axes)?))
    }

    /// Keeps `range` of one axis. A view.
    pub fn slice(&self, axis: usize, range: Range<usize>) -> Result<Self> {
        Ok(self.with_layout(self.layout.slice(axis, range)?))
    }

    /// Keeps one index of one axis, which disappears. A view.
    pub fn select(&self, axis: usize, index: usize) -> Result<Self> {
        let kept = self.layout.slice(axis, index..index.saturating_add(1))?;
        let without = |values: &[usize]| {
            let mut values = values.to_vec();
            values.remove(axis);
            values
        };
        let shape = Shape::new(&without(kept.shape().dims()))?;
        let layout = Layout::strided(shape, &without(kept.strides()), kept.offset(), usize::MAX)?;
        Ok(self.with_layout(layout))
    }

    /// Repeats axes of extent 1 and adds axes in front, as NumPy broadcasts. A view.
    pub fn broadcast_to(&self, shape: impl TryInto<Shape, Error = Error>) -> Result<Self> {
        Ok(self.with_layout(self.layout.broadcast_to(shape.try_into()?)?))
    }

    /// Inserts an axis of extent 1. A view.
    pub fn unsqueeze(&self, axis: usize) -> Result<Self> {
        Ok(self.with_layout(self.layout.unsqueeze(axis)?))
    }

    /// Another shape for the same elements. A view; refuses a layout that only a copy could reshape.
    pub fn reshape(&self, shape: impl TryInto<Shape, Error = Error>) -> Result<Self> {
        let layout = self.layout.reshape(shape.try_into()?)?;
        let strided = || Error::layout("reshape", "self", "not contiguous: copy it first");
        Ok(self.with_layout(layout.ok_or_else(strided)?))
    }

    fn with_layout(&self, layout: Layout) -> Self {
        Self { layout, ..self.clone() }
    }

    /// The whole buffer as elements, for strided access by [`Layout::indices`]. Host tensors only.
    pub fn host_elements<T: Element>(&self) -> Result<&[T]> {
        self.check_dtype::<T>("host_elements")?;
        let bytes = self.buffer.host().ok_or_else(|| self.elsewhere("host_elements"))?;
        let whole = bytes.len() / size_of::<T>() * size_of::<T>();
        bytemuck::try_cast_slice(&bytes[..whole])
            .map_err(|why| Error::layout("host_elements", "self", format!("misaligned memory: {why}")))
    }

    /// The elements of a contiguous host tensor.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        if !self.is_contiguous() {
            return Err(Error::layout("as_slice", "self", "not contiguous: copy it first"));
        }
        let start = self.layout.offset();
        Ok(&self.host_elements::<T>()?[start..start + self.elements()])
    }

    /// The whole buffer as elements to change, for strided access. Host tensors that share their memory with no other only.
    pub fn host_elements_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        self.elements_mut::<T>("host_elements_mut")
    }

    /// The elements of a contiguous host tensor that shares its memory with no other, to change.
    pub fn as_slice_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        self.check_dtype::<T>("as_slice_mut")?;
        if !self.is_contiguous() {
            return Err(Error::layout("as_slice_mut", "self", "not contiguous: copy it first"));
        }
        let range = self.layout.offset()..self.layout.end();
        Ok(&mut self.elements_mut::<T>("as_slice_mut")?[range])
    }

    fn elements_mut<T: Element>(&mut self, operation: &'static str) -> Result<&mut [T]> {
        self.check_dtype::<T>(operation)?;
        let elsewhere = self.elsewhere(operation);
        let Some(buffer) = Arc::get_mut(&mut self.buffer) else {
            return Err(Error::layout(operation, "self", "its memory is shared with another tensor"));
        };
        let bytes = buffer.host_mut().ok_or(elsewhere)?;
        let whole = bytes.len() / size_of::<T>() * size_of::<T>();
        bytemuck::try_cast_slice_mut(&mut bytes[..whole])
            .map_err(|why| Error::layout(operation, "self", format!("misaligned memory: {why}")))
    }

    /// The elements in row-major order, from any device and layout. Waits for the work that writes them.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.check_dtype::<T>("to_vec")?;
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let start = self.layout.offset();
        let mut span = vec![T::zeroed(); self.layout.end() - start];
        self.buffer.download(start * size_of::<T>(), bytemuck::cast_slice_mut(&mut span))?;
        if self.is_contiguous() {
            return Ok(span);
        }
        Ok(self.layout.indices().map(|index| span[index - start]).collect())
    }

    /// The elements in row-major order as f64, whatever the dtype, device and layout.
    pub fn to_f64_vec(&self) -> Result<Vec<f64>> {
        with_element!(self.dtype, T => Ok(self.to_vec::<T>()?.into_iter().map(Element::to_f64).collect()))
    }

    /// The bytes of the elements in row-major order, from any device and layout.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        with_element!(self.dtype, T => Ok(bytemuck::cast_slice(&self.to_vec::<T>()?).to_vec()))
    }

    /// A host tensor of `dtype` from f64 values, each rounded once.
    pub fn from_f64(values: &[f64], dtype: DType, shape: impl TryInto<Shape, Error = Error>) -> Result<Self> {
        with_element!(dtype, T => Self::from_vec(values.iter().map(|&value| T::from_f64(value)).collect(), shape))
    }

    /// A row-major tensor with these elements on the stream's device. Shares memory where nothing needs to move.
    ///
    /// Between two GPUs the elements pass through the host.
    pub fn to(&self, stream: &Stream) -> Result<Self> {
        if self.device() == stream.device() && self.is_contiguous() {
            return Ok(self.clone());
        }
        let contiguous = self.to_host()?;
        if stream.device() == Device::Cpu {
            return Ok(contiguous);
        }
        let start = contiguous.layout.offset() * self.dtype.size();
        let bytes = contiguous.buffer.host().ok_or_else(|| contiguous.elsewhere("to"))?;
        let buffer = stream.driver().upload(&bytes[start..start + self.bytes()])?;
        Self::over(buffer, self.elements(), self.dtype, *self.shape())
    }

    /// A row-major tensor with these elements on the host. Shares memory where nothing needs to move.
    pub fn to_host(&self) -> Result<Self> {
        if self.device() == Device::Cpu && self.is_contiguous() {
            return Ok(self.clone());
        }
        if self.is_contiguous() && !self.is_empty() {
            // Into memory that is kept for reuse: the first touch of fresh pages takes longer than a GPU's copy.
            let mut bytes = AlignedBytes::fresh(self.bytes())?;
            self.buffer.download(self.layout.offset() * self.dtype.size(), bytes.as_mut())?;
            return Self::over(Arc::new(bytes), self.elements(), self.dtype, *self.shape());
        }
        with_element!(self.dtype, T => Self::from_vec(self.to_vec::<T>()?, self.shape()))
    }

    fn check_dtype<T: Element>(&self, operation: &'static str) -> Result<()> {
        if self.dtype == T::DTYPE {
            return Ok(());
        }
        Err(Error::dtype(operation, "self", T::DTYPE, self.dtype))
    }

    fn elsewhere(&self, operation: &'static str) -> Error {
        Error::layout(operation, "self", format!("lies on {}: copy it to the host first", self.device()))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {} on {}", self.dtype, self.shape(), self.device())?;
        if !self.is_contiguous() {
            write!(f, ", strides {:?}", self.strides())?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_taken_over_and_views_share() {
        let data = vec![1i32, 2, 3, 4];
        let address = data.as_ptr();
        let mut tensor = Tensor::from_vec(data, [2, 2]).unwrap();
        assert_eq!(tensor.as_slice::<i32>().unwrap().as_ptr(), address);
        let view = tensor.transpose().unwrap();
        assert!(tensor.as_slice_mut::<i32>().unwrap_err().to_string().contains("shared"));
        assert_eq!(view.to_vec::<i32>().unwrap(), [1, 3, 2, 4]);
        drop(view);
        tensor.as_slice_mut::<i32>().unwrap()[0] = 9;
        assert_eq!(tensor.select(0, 0).unwrap().to_vec::<i32>().unwrap(), [9, 2]);
    }

    #[test]
    fn wrong_use_names_the_argument() {
        let tensor = Tensor::zeros(DType::F32, [2, 3]).unwrap();
        for (error, part) in [
            (
                Tensor::from_vec(vec![0u8; 5], [2, 3]).unwrap_err(),
                "shape has shape [2, 3], expected 5 elements",
            ),
            (tensor.to_vec::<f64>().unwrap_err(), "self has dtype f32, expected f64"),
            (tensor.transpose().unwrap().as_slice::<f32>().unwrap_err(), "not contiguous"),
            (tensor.reshape([4]).unwrap_err(), "6 elements"),
            (tensor.select(0, 2).unwrap_err(), "range is"),
            (tensor.select(1, usize::MAX).unwrap_err(), "range is"),
            (Tensor::zeros(DType::F32, [3]).unwrap().transpose().unwrap_err(), "at least 2 axes"),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn every_dtype_converts_through_f64() {
        for dtype in DType::ALL {
            let tensor = Tensor::from_f64(&[0.0, 1.0], dtype, [2]).unwrap();
            assert_eq!(tensor.to_f64_vec().unwrap(), [0.0, 1.0], "{dtype}");
            assert_eq!(tensor.to_bytes().unwrap().len(), 2 * dtype.size());
        }
    }

    #[test]
    fn poison_shows_in_new_memory() {
        crate::poison_new_memory(true);
        let fresh = Tensor::empty(&Stream::cpu(), DType::F32, [3]).unwrap();
        crate::poison_new_memory(false);
        assert!(fresh.as_slice::<f32>().unwrap().iter().all(|value| value.is_nan()));
    }

    #[test]
    fn tensors_cross_threads() {
        fn check<T: Send + Sync>() {}
        check::<Tensor>();
        check::<Stream>();
        check::<crate::Event>();
        check::<Error>();
    }
}

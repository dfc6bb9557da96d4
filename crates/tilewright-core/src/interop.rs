//! Tensors from and to `ndarray`, `faer` and safetensors files, without a copy wherever the memory allows it.

#[cfg(any(feature = "ndarray", feature = "faer"))]
use crate::{Element, Error, Result, Tensor};

#[cfg(feature = "ndarray")]
impl Tensor {
    /// Takes over an `ndarray` array, in row-major order or in column-major order, which become strides. Copies only when it is in neither. A tensor may
    /// outlive what it was made of, so a borrowed view has to be copied: `view.to_owned()`.
    ///
    /// ```
    /// use tilewright_core::Tensor;
    /// let array = ndarray::array![[1.0f32, 2.0], [3.0, 4.0]];
    /// let tensor = Tensor::from_ndarray(array.clone())?;
    /// assert_eq!(tensor.as_ndarray::<f32>()?, array.into_dyn());
    /// # Ok::<(), tilewright_core::Error>(())
    /// ```
    pub fn from_ndarray<T: Element, D: ndarray::Dimension>(array: ndarray::Array<T, D>) -> Result<Self> {
        let shape = array.shape().to_vec();
        if !array.is_standard_layout() && array.t().is_standard_layout() {
            let axes: Vec<usize> = (0..shape.len()).rev().collect();
            return Self::from_ndarray(array.reversed_axes())?.permute(&axes);
        }
        let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
        let (data, offset) = array.into_raw_vec_and_offset();
        let offset = offset.unwrap_or(0);
        let elements = shape.iter().product::<usize>();
        if offset == 0 && data.len() == elements {
            return Self::from_vec(data, shape);
        }
        let capacity = data.len();
        Self::from_vec(data, [capacity])?.slice(0, offset..offset + elements)?.reshape(shape)
    }

    /// A view of a host tensor, strides included, as an `ndarray` view.
    pub fn as_ndarray<T: Element>(&self) -> Result<ndarray::ArrayViewD<'_, T>> {
        use ndarray::ShapeBuilder;
        let elements = self.host_elements::<T>()?;
        let dims = ndarray::IxDyn(self.dims());
        let view = if self.is_empty() {
            ndarray::ArrayViewD::from_shape(dims, &[])
        } else {
            let strided = dims.strides(ndarray::IxDyn(self.strides()));
            ndarray::ArrayViewD::from_shape(strided, &elements[self.layout().offset()..])
        };
        view.map_err(|why| Error::layout("as_ndarray", "self", why))
    }
}

#[cfg(feature = "faer")]
impl Tensor {
    /// A view of a 2-d host tensor, strides included, as a `faer` matrix.
    ///
    /// ```
    /// use tilewright_core::Tensor;
    /// let a = Tensor::from_vec(vec![1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
    /// let transposed = a.transpose()?;
    /// assert_eq!(transposed.as_faer::<f64>()?[(2, 1)], 6.0);
    /// # Ok::<(), tilewright_core::Error>(())
    /// ```
    pub fn as_faer<T: Element>(&self) -> Result<faer::MatRef<'_, T>> {
        let &[rows, columns] = self.dims() else {
            return Err(Error::shape("as_faer", "self", "2 axes", self.shape()));
        };
        let elements = self.host_elements::<T>()?;
        let strides = self.strides();
        let from = if self.is_empty() { elements.len() } else { self.layout().offset() };
        // SAFETY: the layout was checked against the buffer when the tensor was made, so every (row, column) lies within
        // `elements`, which is borrowed for the life of the view; an empty matrix is never read.
        Ok(unsafe {
            faer::MatRef::from_raw_parts(
                elements[from..].as_ptr(),
                rows,
                columns,
                strides[0] as isize,
                strides[1] as isize,
            )
        })
    }

    /// Takes over a `faer` matrix, column-major as it lies. Copies, once, only where there are gaps between its columns, which faer pads to whole vectors.
    ///
    /// ```
    /// use tilewright_core::Tensor;
    /// let matrix = faer::Mat::from_fn(64, 3, |i, j| (10 * i + j) as f64);
    /// let tensor = Tensor::from_faer_mat(matrix)?;
    /// assert_eq!(tensor.dims(), [64, 3]);
    /// assert_eq!(tensor.as_faer::<f64>()?[(2, 1)], 21.0);
    /// # Ok::<(), tilewright_core::Error>(())
    /// ```
    pub fn from_faer_mat<T: Element>(matrix: faer::Mat<T>) -> Result<Self> {
        let (rows, columns) = matrix.shape();
        if columns > 1 && matrix.col_stride() != rows as isize {
            return Self::from_faer(matrix.as_ref().transpose())?.transpose();
        }
        Self::from_owner(Gapless(matrix), [columns, rows])?.transpose()
    }

    /// A row-major tensor with a copy of a `faer` matrix, whose own storage is column-major.
    pub fn from_faer<T: Element>(matrix: faer::MatRef<'_, T>) -> Result<Self> {
        let (rows, columns) = matrix.shape();
        let elements = (0..rows).flat_map(|i| (0..columns).map(move |j| matrix[(i, j)]));
        Self::from_vec(elements.collect(), [rows, columns])
    }
}

/// A matrix whose columns lie side by side.
#[cfg(feature = "faer")]
struct Gapless<T>(faer::Mat<T>);

#[cfg(feature = "faer")]
impl<T: Element> AsRef<[T]> for Gapless<T> {
    fn as_ref(&self) -> &[T] {
        let (rows, columns) = self.0.shape();
        // SAFETY: the matrix owns so many elements in a row, all of them initialised: its columns have no gaps.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), rows * columns) }
    }
}

#[cfg(feature = "safetensors")]
mod files {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::io::Read;
    use std::path::Path;
    use std::sync::Arc;

    use safetensors::{Dtype, SafeTensors};

    use crate::{AlignedBytes, Buffer, DType, Error, Layout, Result, Shape, Tensor};

    const NAMES: [(Dtype, DType); 15] = [
        (Dtype::F64, DType::F64),
        (Dtype::F32, DType::F32),
        (Dtype::F16, DType::F16),
        (Dtype::BF16, DType::Bf16),
        (Dtype::F8_E4M3, DType::F8E4M3),
        (Dtype::F8_E5M2, DType::F8E5M2),
        (Dtype::I8, DType::I8),
        (Dtype::I16, DType::I16),
        (Dtype::I32, DType::I32),
        (Dtype::I64, DType::I64),
        (Dtype::U8, DType::U8),
        (Dtype::U16, DType::U16),
        (Dtype::U32, DType::U32),
        (Dtype::U64, DType::U64),
        (Dtype::BOOL, DType::Bool),
    ];

    /// Reads every tensor of a safetensors file; they share one buffer, without a copy each.
    pub fn read_safetensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>> {
        let path = path.as_ref();
        let fail = |why: &dyn std::fmt::Display| Error::file("read_safetensors", path, why);
        let mut file = File::open(path).map_err(|why| fail(&why))?;
        let length = file.metadata().map_err(|why| fail(&why))?.len() as usize;
        let mut bytes = AlignedBytes::zeros(length)?;
        file.read_exact(bytes.as_mut()).map_err(|why| fail(&why))?;
        let bytes = Arc::new(bytes);
        let whole: &[u8] = (*bytes).as_ref();
        let parsed = SafeTensors::deserialize(whole).map_err(|why| fail(&why))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.iter() {
            let Some((_, dtype)) = NAMES.iter().find(|(theirs, _)| *theirs == view.dtype()) else {
                return Err(fail(&format!(
                    "tensor {name} has the dtype {:?}, which tilewright lacks",
                    view.dtype()
                )));
            };
            let shape = Shape::new(view.shape())?;
            let start = view.data().as_ptr().addr() - whole.as_ptr().addr();
            let tensor = if start.is_multiple_of(dtype.size()) {
                let strides = Layout::contiguous(shape);
                let capacity = whole.len() / dtype.size();
                let layout = Layout::strided(shape, strides.strides(), start / dtype.size(), capacity)?;
                Tensor::from_buffer(bytes.clone() as Arc<dyn Buffer>, *dtype, layout)?
            } else {
                let copy = AlignedBytes::copy_of(view.data())?;
                Tensor::from_buffer(Arc::new(copy), *dtype, Layout::contiguous(shape))?
            };
            tensors.insert(name.to_string(), tensor);
        }
        Ok(tensors)
    }

    /// Writes tensors from any device and layout as one safetensors file: to a temporary name first, then renamed.
    pub fn write_safetensors<'a>(
        path: impl AsRef<Path>,
        tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<()> {
        let path = path.as_ref();
        let fail = |why: &dyn std::fmt::Display| Error::file("write_safetensors", path, why);
        let mut parts = Vec::new();
        for (name, tensor) in tensors {
            parts.push((name, tensor.dtype(), tensor.dims().to_vec(), tensor.to_bytes()?));
        }
        let mut views = Vec::new();
        for (name, dtype, dims, bytes) in &parts {
            let (theirs, _) = NAMES.iter().find(|(_, ours)| ours == dtype).expect("every dtype has a name");
            let view = safetensors::tensor::TensorView::new(*theirs, dims.clone(), bytes);
            views.push((*name, view.map_err(|why| fail(&why))?));
        }
        let bytes = safetensors::serialize(views, None).map_err(|why| fail(&why))?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.part", std::process::id()));
        let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
        written.map_err(|why| {
            // The rename failed or the disk is full: leave nothing half-written behind.
            let _ = std::fs::remove_file(&temporary);
            fail(&why)
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn files_round_trip_every_dtype_and_share_one_buffer() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("all.safetensors");
            let tensors: Vec<(&str, Tensor)> = DType::ALL
                .iter()
                .map(|&dtype| {
                    (dtype.name(), Tensor::from_f64(&[0.0, 1.0, 1.0, 0.0, 1.0, 0.0], dtype, [3, 2]).unwrap())
                })
                .collect();
            let transposed = tensors[1].1.transpose().unwrap();
            let empty = Tensor::zeros(DType::F32, [0, 4]).unwrap();
            let more = [("transposed", &transposed), ("empty", &empty)];
            write_safetensors(&path, tensors.iter().map(|(name, tensor)| (*name, tensor)).chain(more))
                .unwrap();
            let back = read_safetensors(&path).unwrap();
            assert_eq!(back.len(), 17);
            for (name, tensor) in &tensors {
                assert_eq!(back[*name].dtype(), tensor.dtype());
                assert_eq!(back[*name].to_bytes().unwrap(), tensor.to_bytes().unwrap(), "{name}");
            }
            assert_eq!(back["transposed"].dims(), [2, 3]);
            assert_eq!(back["transposed"].to_f64_vec().unwrap(), [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
            assert!(back["empty"].is_empty());
            assert!(Arc::ptr_eq(back["f64"].buffer(), back["f32"].buffer()));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        }

        #[test]
        fn hostile_files_are_errors() {
            let folder = tempfile::tempdir().unwrap();
            let header = br#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}"#;
            let mut lies = (header.len() as u64).to_le_bytes().to_vec();
            lies.extend(header);
            lies.extend([0; 16]);
            for (name, bytes) in [
                ("empty", vec![]),
                ("noise", vec![0xa5; 64]),
                ("long", u64::MAX.to_le_bytes().to_vec()),
                ("lies", lies),
            ] {
                let path = folder.path().join(name);
                std::fs::write(&path, bytes).unwrap();
                let error = read_safetensors(&path).unwrap_err().to_string();
                assert!(error.contains(name), "{error}");
            }
            assert!(
                read_safetensors(folder.path().join("absent")).unwrap_err().to_string().contains("absent")
            );
        }
    }
}

#[cfg(feature = "safetensors")]
pub use files::{read_safetensors, write_safetensors};

#[cfg(all(test, feature = "ndarray", feature = "faer"))]
mod tests {
    use super::*;

    #[test]
    fn strided_views_cross_over_unchanged() {
        let tensor = Tensor::from_vec((0..24i32).map(f64::from).collect::<Vec<_>>(), [2, 3, 4]).unwrap();
        let view = tensor.slice(2, 1..3).unwrap().permute(&[2, 0, 1]).unwrap();
        let array = view.as_ndarray::<f64>().unwrap();
        assert_eq!(array.iter().copied().collect::<Vec<_>>(), view.to_vec::<f64>().unwrap());
        let matrix = tensor.select(0, 1).unwrap().transpose().unwrap();
        let faer = matrix.as_faer::<f64>().unwrap();
        assert_eq!(
            Tensor::from_faer(faer).unwrap().to_vec::<f64>().unwrap(),
            matrix.to_vec::<f64>().unwrap()
        );
        assert!(tensor.as_faer::<f64>().unwrap_err().to_string().contains("2 axes"));
    }

    #[test]
    fn arrays_are_taken_over() {
        let array = ndarray::Array2::from_shape_fn((2, 3), |(i, j)| (3 * i + j) as f32);
        let address = array.as_ptr();
        let tensor = Tensor::from_ndarray(array.clone()).unwrap();
        assert_eq!(tensor.to_vec::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let moved = Tensor::from_ndarray(array).unwrap();
        assert_eq!(moved.as_slice::<f32>().unwrap().as_ptr(), address);
        let reversed = ndarray::Array2::from_shape_fn((2, 3), |(i, j)| (3 * i + j) as f32).reversed_axes();
        let address = reversed.as_ptr();
        let turned = Tensor::from_ndarray(reversed).unwrap();
        assert_eq!(turned.to_vec::<f32>().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(turned.host_elements::<f32>().unwrap().as_ptr(), address);
        let neither = ndarray::Array3::from_shape_fn((2, 3, 2), |(i, j, k)| (6 * i + 2 * j + k) as f32);
        let neither = neither.permuted_axes([1, 0, 2]);
        let truth: Vec<f32> = neither.iter().copied().collect();
        assert_eq!(Tensor::from_ndarray(neither).unwrap().to_vec::<f32>().unwrap(), truth);
        let empty = Tensor::from_vec(Vec::<f32>::new(), [0, 3]).unwrap();
        assert_eq!(empty.as_ndarray::<f32>().unwrap().shape(), [0, 3]);
        assert_eq!(empty.as_faer::<f32>().unwrap().nrows(), 0);
    }

    #[test]
    fn faer_matrices_are_taken_over_with_and_without_gaps() {
        for (rows, columns) in [(64, 3), (5, 3), (7, 1), (1, 4), (0, 3), (3, 0)] {
            let matrix = faer::Mat::from_fn(rows, columns, |i, j| (10 * i + j) as f32);
            let (address, gapless) = (matrix.as_ptr(), matrix.col_stride() == rows as isize);
            let tensor = Tensor::from_faer_mat(matrix.clone()).unwrap();
            assert_eq!(tensor.dims(), [rows, columns]);
            let copied = Tensor::from_faer(matrix.as_ref()).unwrap();
            assert_eq!(tensor.to_vec::<f32>().unwrap(), copied.to_vec::<f32>().unwrap());
            let moved = Tensor::from_faer_mat(matrix).unwrap();
            if gapless && rows * columns > 0 {
                assert_eq!(moved.as_faer::<f32>().unwrap().as_ptr(), address);
            }
        }
    }
}

//! NumPy's files: `.npy` and `.npz`.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;

use ndarray::ArrayD;
use ndarray_npy::{
    NpzReader, NpzWriter, ReadDataError, ReadNpyError, ReadNpyExt, ReadNpzError, ReadableElement,
    WritableElement, WriteDataError, WriteNpyExt,
};
use py_literal::Value as Literal;
use tilewright_core::{DType, Element, Error, Result, Tensor, with_element};

/// What NumPy calls a dtype; `None` for those that it lacks.
fn descriptor(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::F64 => "<f8",
        DType::F32 => "<f4",
        DType::F16 => "<f2",
        DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::U8 => "|u1",
        DType::U16 => "<u2",
        DType::U32 => "<u4",
        DType::U64 => "<u8",
        DType::Bool => "|b1",
        DType::Bf16 | DType::F8E4M3 | DType::F8E5M2 => return None,
    })
}

/// An element as it lies in a file.
#[derive(Clone, Copy)]
struct Stored<T>(T);

impl<T: Element> ReadableElement for Stored<T> {
    fn read_to_end_exact_vec<R: Read>(
        mut reader: R,
        described: &Literal,
        len: usize,
    ) -> Result<Vec<Self>, ReadDataError> {
        if !matches!(described, Literal::String(text) if descriptor(T::DTYPE) == Some(text)) {
            return Err(ReadDataError::WrongDescriptor(described.clone()));
        }
        // The header may claim any length: only what is really there takes memory, and one byte more shows an excess.
        let claimed = len.saturating_mul(size_of::<T>());
        let mut bytes = Vec::new();
        reader.by_ref().take((claimed as u64).saturating_add(1)).read_to_end(&mut bytes)?;
        match bytes.len() {
            got if got < claimed => Err(ReadDataError::MissingData),
            got if got > claimed => Err(ReadDataError::ExtraBytes(got - claimed)),
            _ => Ok(bytemuck::pod_collect_to_vec::<u8, T>(&bytes).into_iter().map(Stored).collect()),
        }
    }
}

impl<T: Element> WritableElement for Stored<T> {
    fn type_descriptor() -> Literal {
        Literal::String(descriptor(T::DTYPE).expect("looked at before writing").to_owned())
    }

    fn write<W: Write>(&self, mut writer: W) -> Result<(), WriteDataError> {
        Ok(writer.write_all(bytemuck::bytes_of(&self.0))?)
    }

    fn write_slice<W: Write>(slice: &[Self], mut writer: W) -> Result<(), WriteDataError> {
        let elements: Vec<T> = slice.iter().map(|stored| stored.0).collect();
        Ok(writer.write_all(bytemuck::cast_slice(&elements))?)
    }
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> Error {
    // A parser may quote the whole of a hostile header.
    Error::file("numpy", path, why.to_string().chars().take(200).collect::<String>())
}

fn open(path: &Path) -> Result<BufReader<File>> {
    File::open(path).map(BufReader::new).map_err(|why| failed(path, &why))
}

/// Tries one dtype after the other; `attempt` says whether it was the file's.
fn any_dtype(path: &Path, mut attempt: impl FnMut(DType) -> Option<Result<Tensor>>) -> Result<Tensor> {
    let dtypes = DType::ALL.into_iter().filter(|&dtype| descriptor(dtype).is_some());
    dtypes.filter_map(&mut attempt).next().unwrap_or_else(|| {
        let known: Vec<_> = DType::ALL.into_iter().filter_map(descriptor).collect();
        Err(failed(path, &format!("its dtype is none of {known:?}")))
    })
}

fn tensor<T: Element>(path: &Path, array: ArrayD<Stored<T>>) -> Result<Tensor> {
    Tensor::from_ndarray(array.mapv(|stored| stored.0)).map_err(|why| failed(path, &why))
}

/// Reads an `.npy` file.
pub(crate) fn read_npy(path: &Path) -> Result<Tensor> {
    let mut file = open(path)?;
    any_dtype(path, |dtype| {
        if let Err(why) = file.rewind() {
            return Some(Err(failed(path, &why)));
        }
        with_element!(dtype, T => match ArrayD::<Stored<T>>::read_npy(&mut file) {
            Err(ReadNpyError::WrongDescriptor(_)) => None,
            array => Some(array.map_err(|why| failed(path, &why)).and_then(|array| tensor(path, array))),
        })
    })
}

/// An `.npz` file that is being read.
pub(crate) struct Archive<'p> {
    path: &'p Path,
    reader: NpzReader<BufReader<File>>,
}

impl<'p> Archive<'p> {
    /// Opens it.
    pub(crate) fn open(path: &'p Path) -> Result<Self> {
        let reader = NpzReader::new(open(path)?).map_err(|why| failed(path, &why))?;
        Ok(Self { path, reader })
    }

    /// The names of its arrays.
    pub(crate) fn names(&mut self) -> Result<Vec<String>> {
        self.reader.names().map_err(|why| failed(self.path, &why))
    }

    /// Reads one array.
    pub(crate) fn read(&mut self, name: &str) -> Result<Tensor> {
        any_dtype(self.path, |dtype| {
            with_element!(dtype, T => match self.reader.by_name::<ndarray::OwnedRepr<Stored<T>>, ndarray::IxDyn>(name) {
                Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => None,
                array => Some(array.map_err(|why| failed(self.path, &why)).and_then(|array| tensor(self.path, array))),
            })
        })
    }
}

fn array<T: Element>(tensor: &Tensor) -> Result<ArrayD<Stored<T>>> {
    let elements = tensor.to_vec::<T>()?.into_iter().map(Stored).collect();
    Ok(ArrayD::from_shape_vec(tensor.dims(), elements).expect("as many elements as the shape has"))
}

fn check_dtype(path: &Path, name: &str, tensor: &Tensor) -> Result<()> {
    let dtype = tensor.dtype();
    let refusal = || failed(path, &format!("{name} is {dtype}, which NumPy lacks: take a .safetensors file"));
    descriptor(dtype).map(drop).ok_or_else(refusal)
}

/// Writes one tensor as `.npy`.
pub(crate) fn write_npy(path: &Path, to: impl Write, name: &str, tensor: &Tensor) -> Result<()> {
    check_dtype(path, name, tensor)?;
    with_element!(tensor.dtype(), T => array::<T>(tensor)?.write_npy(to).map_err(|why| failed(path, &why)))
}

/// Writes named tensors as `.npz`, not compressed.
pub(crate) fn write_npz(path: &Path, to: impl Write + Seek, tensors: &[(&str, Tensor)]) -> Result<()> {
    let mut archive = NpzWriter::new(to);
    for (name, tensor) in tensors {
        check_dtype(path, name, tensor)?;
        with_element!(tensor.dtype(), T => archive.add_array(*name, &array::<T>(tensor)?))
            .map_err(|why| failed(path, &why))?;
    }
    archive.finish().map(drop).map_err(|why| failed(path, &why))
}

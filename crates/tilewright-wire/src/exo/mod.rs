//! exo's formats, byte for byte.
//!
//! - [`node_service`]: the messages of the gRPC service of exo up to 0.0.15, and of tilewright's own.
//! - [`prefill`]: the stream of msgpack frames that carries a prefilled cache from one node to another.
//! - [`socket`]: the `EXO\x01` messages of the exo-mlx fork.
//!
//! What these formats lack (checksums, dtypes, alignment) the [frame](crate::frame) has.

mod msgpack;
pub mod node_service;
pub mod prefill;
pub mod socket;

use std::sync::Arc;

use tilewright_core::{AlignedBytes, DType, Error, Layout, Result, Shape, Tensor};

/// The names that NumPy and ml_dtypes give to dtypes.
const NUMPYS: [(&str, DType); 15] = [
    ("float64", DType::F64),
    ("float32", DType::F32),
    ("float16", DType::F16),
    ("bfloat16", DType::Bf16),
    ("float8_e4m3fn", DType::F8E4M3),
    ("float8_e5m2", DType::F8E5M2),
    ("int8", DType::I8),
    ("int16", DType::I16),
    ("int32", DType::I32),
    ("int64", DType::I64),
    ("uint8", DType::U8),
    ("uint16", DType::U16),
    ("uint32", DType::U32),
    ("uint64", DType::U64),
    ("bool", DType::Bool),
];

fn numpys(dtype: DType) -> &'static str {
    NUMPYS.iter().find(|(_, known)| *known == dtype).expect("every dtype has a name").0
}

fn from_numpys(operation: &'static str, name: &str) -> Result<DType> {
    let found = NUMPYS.iter().find(|(known, _)| *known == name);
    let error = || {
        // A stranger's text: as much of it as helps.
        let name: String = name.chars().take(32).collect();
        Error::range(operation, "dtype", "a name of NumPy's such as float32 or bfloat16", format!("{name:?}"))
    };
    found.map(|&(_, dtype)| dtype).ok_or_else(error)
}

/// A tensor of row-major bytes in aligned memory, after the shape and the count of the bytes were found to agree.
fn tensor_of(operation: &'static str, dtype: DType, shape: Shape, bytes: AlignedBytes) -> Result<Tensor> {
    agree(operation, dtype, &shape, bytes.as_ref().len())?;
    Tensor::from_buffer(Arc::new(bytes), dtype, Layout::contiguous(shape))
}

fn agree(operation: &'static str, dtype: DType, shape: &Shape, bytes: usize) -> Result<()> {
    if shape.elements() * dtype.size() == bytes {
        return Ok(());
    }
    let expected = format!("{} bytes for {shape} of {dtype}", shape.elements() * dtype.size());
    Err(Error::range(operation, "data", expected, format!("{bytes} bytes")))
}

/// A shape of a stranger's integers.
fn shape_of(operation: &'static str, dims: impl IntoIterator<Item = i64>) -> Result<Shape> {
    let one =
        |dim: i64| usize::try_from(dim).map_err(|_| Error::range(operation, "shape", "extents >= 0", dim));
    let dims: Vec<usize> = dims.into_iter().map(one).collect::<Result<_>>()?;
    Shape::new(&dims).map_err(|why| why.within(operation))
}

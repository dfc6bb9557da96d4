//! Names of dtypes: tilewright's own, and those of NumPy, PyTorch, JAX, DLPack and the buffer protocol.

use std::ffi::CStr;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use tilewright_core::DType;

use crate::dlpack::DataType;

/// The long name, as NumPy's `dtype.name` and PyTorch's `torch.<name>` have it.
fn long_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "float64",
        DType::F32 => "float32",
        DType::F16 => "float16",
        DType::Bf16 => "bfloat16",
        DType::F8E4M3 => "float8_e4m3fn",
        DType::F8E5M2 => "float8_e5m2",
        DType::I8 => "int8",
        DType::I16 => "int16",
        DType::I32 => "int32",
        DType::I64 => "int64",
        DType::U8 => "uint8",
        DType::U16 => "uint16",
        DType::U32 => "uint32",
        DType::U64 => "uint64",
        DType::Bool => "bool",
    }
}

/// The dtype of a short or a long name.
pub(crate) fn named(name: &str) -> Option<DType> {
    DType::ALL.into_iter().find(|dtype| dtype.name() == name || long_name(*dtype) == name)
}

/// The dtype that an object means: a name, or a dtype of NumPy, PyTorch, JAX or MLX, which all print as `..name`.
pub(crate) fn of_object(object: &Bound<'_, PyAny>) -> PyResult<DType> {
    let text = object.str()?.to_string();
    let word = text.trim_end_matches("'>").rsplit(['.', '\'']).next().unwrap_or_default();
    let word = if word == "bool_" { "bool" } else { word };
    named(word).ok_or_else(|| {
        let known = DType::ALL.map(DType::name).join(", ");
        PyTypeError::new_err(format!("{text} is no dtype of tilewright, which has {known}"))
    })
}

const CODES: [(DType, u8, u8); 15] = [
    (DType::F64, 2, 64),
    (DType::F32, 2, 32),
    (DType::F16, 2, 16),
    (DType::Bf16, 4, 16),
    (DType::F8E4M3, 10, 8),
    (DType::F8E5M2, 12, 8),
    (DType::I8, 0, 8),
    (DType::I16, 0, 16),
    (DType::I32, 0, 32),
    (DType::I64, 0, 64),
    (DType::U8, 1, 8),
    (DType::U16, 1, 16),
    (DType::U32, 1, 32),
    (DType::U64, 1, 64),
    (DType::Bool, 6, 8),
];

/// The dtype of a DLPack type, or `None` for complex, packed and vector types.
pub(crate) fn from_dlpack(data_type: DataType) -> Option<DType> {
    let found = CODES.iter().find(|(_, code, bits)| (*code, *bits) == (data_type.code, data_type.bits));
    found.filter(|_| data_type.lanes == 1).map(|(dtype, ..)| *dtype)
}

/// The DLPack type of a dtype.
pub(crate) fn to_dlpack(dtype: DType) -> DataType {
    let (_, code, bits) =
        CODES.into_iter().find(|(known, ..)| *known == dtype).expect("CODES has every dtype");
    DataType { code, bits, lanes: 1 }
}

/// The dtype of a `struct` format of native byte order, of this size: `l` has 4 or 8 bytes, depending on the system.
pub(crate) fn from_format(format: &str, size: usize) -> Option<DType> {
    let foreign = if cfg!(target_endian = "little") { ['>', '!'] } else { ['<', '<'] };
    if format.starts_with(foreign) && size > 1 {
        return None;
    }
    let floats = [DType::F16, DType::F32, DType::F64];
    let signed = [DType::I8, DType::I16, DType::I32, DType::I64];
    let unsigned = [DType::U8, DType::U16, DType::U32, DType::U64];
    let known: &[DType] = match format.trim_start_matches(['@', '=', '<', '>', '!', '|']) {
        "?" => &[DType::Bool],
        "e" | "f" | "d" => &floats,
        "b" | "h" | "i" | "l" | "q" | "n" => &signed,
        "B" | "H" | "I" | "L" | "Q" | "N" => &unsigned,
        _ => &[],
    };
    known.iter().copied().find(|dtype| dtype.size() == size)
}

/// The `struct` format of a dtype, or `None` where there is none.
pub(crate) fn to_format(dtype: DType) -> Option<&'static CStr> {
    Some(match dtype {
        DType::F64 => c"d",
        DType::F32 => c"f",
        DType::F16 => c"e",
        DType::I8 => c"b",
        DType::I16 => c"h",
        DType::I32 => c"i",
        DType::I64 => c"q",
        DType::U8 => c"B",
        DType::U16 => c"H",
        DType::U32 => c"I",
        DType::U64 => c"Q",
        DType::Bool => c"?",
        DType::Bf16 | DType::F8E4M3 | DType::F8E5M2 => return None,
    })
}

/// The dtype of an `__array_interface__` type string such as `<f4`.
pub(crate) fn from_typestr(typestr: &str) -> Option<DType> {
    let foreign = if cfg!(target_endian = "little") { '>' } else { '<' };
    let mut letters = typestr.chars();
    if letters.next()? == foreign {
        return None;
    }
    let kind = letters.next()?;
    let size: usize = letters.as_str().parse().ok()?;
    DType::ALL.into_iter().find(|dtype| {
        to_format(*dtype).is_some()
            && dtype.size() == size
            && to_typestr(*dtype).is_some_and(|known| known.contains(kind))
    })
}

/// The `__array_interface__` type string of a dtype, or `None` where NumPy has no such type.
pub(crate) fn to_typestr(dtype: DType) -> Option<String> {
    to_format(dtype)?;
    let kind = match dtype {
        DType::Bool => 'b',
        _ if dtype.is_float() => 'f',
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => 'i',
        _ => 'u',
    };
    let order = match dtype.size() {
        1 => '|',
        _ if cfg!(target_endian = "little") => '<',
        _ => '>',
    };
    Some(format!("{order}{kind}{}", dtype.size()))
}

//! Vectors in files: `.npy`, `.npz`, `.safetensors`, `.fvecs`, `.ivecs` and `.bvecs`.

use std::path::Path;

use tilewright_core::{DType, Error, Result, Tensor};

use crate::files;

/// The f32 matrix of a file.
pub(super) fn read(place: &str) -> Result<Tensor> {
    let path = Path::new(place);
    let vectors = match path.extension().and_then(|ending| ending.to_str()) {
        Some("fvecs") => vecs::<4>(path, f32::from_le_bytes)?,
        Some("ivecs") => vecs::<4>(path, |bytes| i32::from_le_bytes(bytes) as f32)?,
        Some("bvecs") => vecs::<1>(path, |[byte]| f32::from(byte))?,
        _ => files::read(place, "vectors")?,
    };
    if vectors.rank() != 2 || vectors.dims()[1] == 0 {
        let why = format!("holds an array of shape {}, expected [vectors, dimensions]", vectors.shape());
        return Err(Error::file("read", path, why));
    }
    match vectors.dtype() {
        DType::F32 => vectors.to_host(),
        DType::F64 | DType::F16 | DType::Bf16 | DType::I8 | DType::U8 => {
            Tensor::from_f64(&vectors.to_f64_vec()?, DType::F32, vectors.dims())
        }
        other => Err(Error::file(
            "read",
            path,
            format!("holds numbers of dtype {other}, expected floats or bytes"),
        )),
    }
}

/// Ids, one for each vector.
pub(super) fn ids(place: &str) -> Result<Vec<i64>> {
    let ids = files::read(place, "ids")?;
    if ids.rank() != 1 || !matches!(ids.dtype(), DType::I64 | DType::I32 | DType::U32) {
        let why = format!("holds {} of shape {}, expected whole numbers [vectors]", ids.dtype(), ids.shape());
        return Err(Error::file("read", place, why));
    }
    if ids.dtype() == DType::I64 {
        ids.to_vec()
    } else {
        Ok(ids.to_f64_vec()?.iter().map(|&id| id as i64).collect())
    }
}

/// Each vector after its length, an i32; elements of `SIZE` bytes.
fn vecs<const SIZE: usize>(path: &Path, element: impl Fn([u8; SIZE]) -> f32) -> Result<Tensor> {
    let failed = |why: String| Error::file("read", path, why);
    let bytes = std::fs::read(path).map_err(|why| failed(why.to_string()))?;
    let length = |at: usize| {
        bytes.get(at..at + 4).map(|four| i32::from_le_bytes(four.try_into().expect("four bytes")))
    };
    let Some(d) = length(0).and_then(|d| usize::try_from(d).ok()).filter(|&d| d > 0) else {
        return Err(failed("does not begin with the length of a vector".to_owned()));
    };
    let Some(record) =
        d.checked_mul(SIZE).and_then(|d| d.checked_add(4)).filter(|record| bytes.len() % record == 0)
    else {
        return Err(failed(format!("{} bytes are no whole number of vectors of length {d}", bytes.len())));
    };
    let n = bytes.len() / record;
    let mut values: Vec<f32> = Vec::with_capacity(n * d);
    for (row, one) in bytes.chunks_exact(record).enumerate() {
        if one[..4] != bytes[..4] {
            return Err(failed(format!("vector {row} has another length than the first")));
        }
        values.extend(one[4..].as_chunks::<SIZE>().0.iter().map(|&x| element(x)));
    }
    Tensor::from_vec(values, [n, d])
}

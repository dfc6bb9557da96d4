//! Vectors in files: `.npy`, `.npz`, `.safetensors`, `.fvecs`, `.ivecs`, `.bvecs`, `.arrow`, `.feather` and `.parquet`.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use tilewright_core::{DType, Error, Result, Tensor, bf16, f16};

use super::arrow::{self, Column};
use crate::files;

/// The f32 matrix of a file; of bytes where vectors are bits.
pub(super) fn read(place: &str, bits: bool) -> Result<Tensor> {
    let mut source = Source::open(place, bits)?;
    source.rows(0..source.n)
}

/// Vectors in a file, of which a few at a time are read: `.fvecs`, `.ivecs`, `.bvecs`, `.arrow`, and rows of an `.npy`, where they lie; others with the whole file.
pub(super) struct Source {
    path: PathBuf,
    pub(super) n: usize,
    /// Elements of a row; bytes where vectors are bits.
    pub(super) d: usize,
    bits: bool,
    rows: Rows,
}

enum Rows {
    Whole(Tensor),
    Lying {
        file: BufReader<File>,
        /// Where a stretch of them begins, and how many there are.
        stretches: Vec<(u64, usize)>,
        /// Bytes before each, that have to be the same.
        head: Vec<u8>,
        element: Stored,
    },
}

/// What elements are in a file.
#[derive(Clone, Copy)]
enum Stored {
    Float(DType),
    I32,
}

impl Stored {
    fn size(self) -> usize {
        match self {
            Stored::Float(dtype) => dtype.size(),
            Stored::I32 => 4,
        }
    }

    fn number(self, bytes: &[u8]) -> f32 {
        let four = || bytes.try_into().expect("four bytes");
        let two = || bytes.try_into().expect("two bytes");
        match self {
            Stored::I32 => i32::from_le_bytes(four()) as f32,
            Stored::Float(DType::F32) => f32::from_le_bytes(four()),
            Stored::Float(DType::F64) => f64::from_le_bytes(bytes.try_into().expect("eight bytes")) as f32,
            Stored::Float(DType::F16) => f16::from_le_bytes(two()).to_f32(),
            Stored::Float(DType::Bf16) => bf16::from_le_bytes(two()).to_f32(),
            Stored::Float(DType::I8) => f32::from(bytes[0] as i8),
            Stored::Float(_) => f32::from(bytes[0]),
        }
    }
}

impl Source {
    pub(super) fn open(place: &str, bits: bool) -> Result<Self> {
        let path = Path::new(place);
        // `FILE#COLUMN` of an Arrow or Parquet file.
        let (path, column) = match place.split_once('#') {
            Some((path, column)) if !path.is_empty() && !Path::new(place).exists() => {
                (Path::new(path), Some(column))
            }
            _ => (path, None),
        };
        let failed = |why: String| Error::file("read", path, why);
        let opened = || File::open(path).map_err(|why| failed(why.to_string()));
        let lying = match path.extension().and_then(|ending| ending.to_str()) {
            Some("fvecs") => Some(vecs(path, opened()?, Stored::Float(DType::F32))?),
            Some("ivecs") => Some(vecs(path, opened()?, Stored::I32)?),
            Some("bvecs") => Some(vecs(path, opened()?, Stored::Float(DType::U8))?),
            Some("npy") => npy(opened()?),
            Some("arrow" | "feather") => {
                let mut file = BufReader::new(opened()?);
                let Column { d, dtype, batches } = arrow::column(&mut file, column).map_err(failed)?;
                let n = batches.iter().map(|&(_, rows)| rows).sum();
                let element = Stored::Float(dtype);
                Some((n, d, Rows::Lying { file, stretches: batches, head: Vec::new(), element }))
            }
            _ => None,
        };
        let (n, d, rows) = match lying {
            Some(lying) => lying,
            None => {
                let all = if path.extension().is_some_and(|ending| ending == "parquet") {
                    listed(opened()?, column).map_err(failed)?
                } else {
                    files::read(place, "vectors")?.to_host()?
                };
                let (n, d) = match *all.dims() {
                    [n, d] if d > 0 => (n, d),
                    _ => {
                        let shape = all.shape();
                        return Err(failed(format!(
                            "holds an array of shape {shape}, expected [vectors, dimensions]"
                        )));
                    }
                };
                (n, d, Rows::Whole(all))
            }
        };
        let dtype = match &rows {
            Rows::Whole(all) => Some(all.dtype()),
            Rows::Lying { element: Stored::Float(dtype), .. } => Some(*dtype),
            Rows::Lying { element: Stored::I32, .. } => None,
        };
        let known = [DType::F32, DType::F64, DType::F16, DType::Bf16, DType::I8, DType::U8];
        let fits =
            if bits { dtype == Some(DType::U8) } else { dtype.is_none_or(|dtype| known.contains(&dtype)) };
        if !fits {
            let (got, expected) =
                (dtype.map_or("i32", DType::name), if bits { "bytes of bits" } else { "floats or bytes" });
            return Err(failed(format!("holds numbers of dtype {got}, expected {expected}")));
        }
        Ok(Self { path: path.to_owned(), n, d, bits, rows })
    }

    /// Some rows, as f32, or bytes where vectors are bits.
    pub(super) fn rows(&mut self, rows: Range<usize>) -> Result<Tensor> {
        let (path, d, shape) = (&self.path, self.d, [rows.len(), self.d]);
        let failed = |why: String| Error::file("read", path, why);
        let (file, stretches, head, element) = match &mut self.rows {
            Rows::Whole(all) => {
                let some = all.slice(0, rows)?;
                return if self.bits || some.dtype() == DType::F32 {
                    some.to_host()
                } else {
                    Tensor::from_f64(&some.to_f64_vec()?, DType::F32, shape)
                };
            }
            Rows::Lying { file, stretches, head, element } => (file, stretches, head, *element),
        };
        let record = head.len() + d * element.size();
        let mut bytes = vec![0u8; rows.len() * record];
        let (mut first, mut left) = (0, &mut bytes[..]);
        for &mut (start, count) in stretches {
            let (from, to) = (rows.start.max(first), rows.end.min(first + count));
            if from < to {
                let (own, rest) = std::mem::take(&mut left).split_at_mut((to - from) * record);
                file.seek(SeekFrom::Start(start + ((from - first) * record) as u64))
                    .and_then(|_| file.read_exact(own))
                    .map_err(|why| failed(why.to_string()))?;
                left = rest;
            }
            first += count;
        }
        for (row, one) in rows.zip(bytes.chunks_exact(record)) {
            if one[..head.len()] != head[..] {
                return Err(failed(format!("vector {row} has another length than the first")));
            }
        }
        let elements = bytes.chunks_exact(record).flat_map(|one| &one[head.len()..]).copied();
        if self.bits {
            return Tensor::from_vec(elements.collect::<Vec<u8>>(), shape);
        }
        let numbers =
            bytes.chunks_exact(record).flat_map(|one| one[head.len()..].chunks_exact(element.size()));
        Tensor::from_vec(numbers.map(|bytes| element.number(bytes)).collect::<Vec<f32>>(), shape)
    }

    /// Rows to train on: all, or stretches at even distances, about `most` rows in all.
    pub(super) fn some(&mut self, most: usize) -> Result<Tensor> {
        const STRETCHES: usize = 256;
        if self.n <= most {
            return self.rows(0..self.n);
        }
        let each = most / STRETCHES;
        let parts = (0..STRETCHES).map(|at| {
            let start = at * (self.n - each) / (STRETCHES - 1);
            self.rows(start..start + each)?.to_vec::<f32>()
        });
        let all = parts.collect::<Result<Vec<_>>>()?.concat();
        Tensor::from_vec(all, [each * STRETCHES, self.d])
    }
}

/// The vectors of a Parquet file.
#[cfg(feature = "parquet")]
fn listed(file: File, column: Option<&str>) -> Result<Tensor, String> {
    super::parquet::read(file, column)
}

#[cfg(not(feature = "parquet"))]
fn listed(_: File, _: Option<&str>) -> Result<Tensor, String> {
    Err("is a Parquet file, which this program was built without".to_owned())
}

type Lying = (usize, usize, Rows);

/// Each vector after its length, an i32.
fn vecs(path: &Path, file: File, element: Stored) -> Result<Lying> {
    let failed = |why: String| Error::file("read", path, why);
    let (mut file, mut head) = (BufReader::new(file), [0u8; 4]);
    let bytes = file.get_ref().metadata().map_err(|why| failed(why.to_string()))?.len();
    let read = file.read_exact(&mut head).is_ok();
    let Some(d) = usize::try_from(i32::from_le_bytes(head)).ok().filter(|&d| read && d > 0) else {
        return Err(failed("does not begin with the length of a vector".to_owned()));
    };
    // A length of 31 bits and elements of at most four bytes.
    let record = 4 + d as u64 * element.size() as u64;
    if bytes % record != 0 {
        return Err(failed(format!("{bytes} bytes are no whole number of vectors of length {d}")));
    }
    let n = (bytes / record) as usize;
    Ok((n, d, Rows::Lying { file, stretches: vec![(0, n)], head: head.to_vec(), element }))
}

/// The matrix of an `.npy` file that is as this machine reads it, row after row; `None` for any other.
fn npy(file: File) -> Option<Lying> {
    let bytes = file.metadata().ok()?.len();
    let (mut file, mut prefix) = (BufReader::new(file), [0u8; 10]);
    file.read_exact(&mut prefix).ok()?;
    (prefix[..7] == *b"\x93NUMPY\x01").then_some(())?;
    let mut header = vec![0u8; usize::from(u16::from_le_bytes([prefix[8], prefix[9]]))];
    file.read_exact(&mut header).ok()?;
    let header = String::from_utf8(header).ok()?;
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches([':', ' ', '\'']));
    let dtype = match after("'descr'")?.split('\'').next()? {
        "<f4" => DType::F32,
        "<f8" => DType::F64,
        "<f2" => DType::F16,
        "|i1" => DType::I8,
        "|u1" => DType::U8,
        _ => return None,
    };
    after("'fortran_order'")?.starts_with("False").then_some(())?;
    let shape = after("'shape'")?.strip_prefix('(')?.split(')').next()?;
    let mut extents = shape.split(',').map(|extent| extent.trim().parse::<usize>());
    let (n, d) = (extents.next()?.ok()?, extents.next()?.ok()?);
    (extents.all(|rest| rest.is_err()) && d > 0).then_some(())?;
    let start = 10 + header.len() as u64;
    let size = (n as u64).checked_mul(d as u64)?.checked_mul(dtype.size() as u64)?;
    (start + size == bytes).then_some(())?;
    let element = Stored::Float(dtype);
    Some((n, d, Rows::Lying { file, stretches: vec![(start, n)], head: Vec::new(), element }))
}

/// Ids, one for each vector.
pub(super) fn ids(place: &str) -> Result<Vec<i64>> {
    ids_of(place, &files::read(place, "ids")?)
}

/// The ids that a file holds.
pub(super) fn ids_of(place: &str, ids: &Tensor) -> Result<Vec<i64>> {
    if ids.rank() != 1 || !matches!(ids.dtype(), DType::I64 | DType::I32 | DType::U32) {
        let (dtype, shape) = (ids.dtype(), ids.shape());
        let why = format!("holds {dtype} of shape {shape}, expected ids [ids] of i64, i32 or u32");
        return Err(Error::file("read", place, why));
    }
    if ids.dtype() == DType::I64 {
        ids.to_vec()
    } else {
        Ok(ids.to_f64_vec()?.iter().map(|&id| id as i64).collect())
    }
}

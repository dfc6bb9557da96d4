//! The vectors of a Parquet file: a column of lists of floats or bytes, all of one length and none of them null.

use std::fs::File;

use parquet::basic::{CompressionCodec, ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use tilewright_core::{DType, Element, Tensor, f16};

/// Vectors that are read at a time.
const ROWS: usize = 1 << 14;
/// How columns may be compressed.
const READ: [CompressionCodec; 3] =
    [CompressionCodec::UNCOMPRESSED, CompressionCodec::SNAPPY, CompressionCodec::ZSTD];

/// The column of that name, or the only one of vectors, `[n, d]`. Fails on what is no such file, with the reason.
pub(super) fn read(file: File, name: Option<&str>) -> Result<Tensor, String> {
    let reader = SerializedFileReader::new(file).map_err(|why| why.to_string())?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let columns = schema.columns().iter().enumerate();
    let found: Vec<(usize, &str, DType)> = columns
        .filter_map(|(number, column)| {
            Some((number, column.path().parts().first()?.as_str(), dtype_of(column)?))
        })
        .collect();
    let &(number, column, dtype) = match (name, &found[..]) {
        (None, [only]) => only,
        _ => {
            let wanted = name.unwrap_or("vectors");
            let names: Vec<&str> = found.iter().map(|&(_, name, _)| name).collect();
            let column = found.iter().find(|&&(_, name, _)| name == wanted);
            column.ok_or_else(|| {
                format!("has no column {wanted:?} of lists of floats or bytes, but {names:?}")
            })?
        }
    };
    let level = schema.column(number).max_def_level();
    let mut all = Elements { level, d: 0, open: 0, started: false };
    let (mut floats, mut doubles, mut halves, mut signed, mut bytes) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(|why| why.to_string())?;
        let codec = group.metadata().column(number).compression_codec();
        if !READ.contains(&codec) {
            return Err(format!("has column {column:?} compressed by {codec:?}; {READ:?} are read"));
        }
        match group.get_column_reader(number).map_err(|why| why.to_string())? {
            ColumnReader::FloatColumnReader(column) => all.take(column, |x| floats.push(*x))?,
            ColumnReader::DoubleColumnReader(column) => all.take(column, |x| doubles.push(*x))?,
            ColumnReader::Int32ColumnReader(column) if dtype == DType::I8 => {
                all.take(column, |x| signed.push(*x as i8))?;
            }
            ColumnReader::Int32ColumnReader(column) => all.take(column, |x| bytes.push(*x as u8))?,
            ColumnReader::FixedLenByteArrayColumnReader(column) => all.take(column, |x| {
                let two = x.data().try_into().unwrap_or([0; 2]);
                halves.push(f16::from_le_bytes(two));
            })?,
            _ => return Err("has another column than its schema says".to_owned()),
        }
    }
    let d = all.end()?;
    match dtype {
        DType::F32 => matrix(floats, d),
        DType::F64 => matrix(doubles, d),
        DType::F16 => matrix(halves, d),
        DType::I8 => matrix(signed, d),
        _ => matrix(bytes, d),
    }
}

/// What the elements of a column of lists are; `None` for any other column.
fn dtype_of(column: &ColumnDescriptor) -> Option<DType> {
    if column.max_rep_level() != 1 {
        return None;
    }
    match (column.physical_type(), column.converted_type()) {
        (Type::FLOAT, _) => Some(DType::F32),
        (Type::DOUBLE, _) => Some(DType::F64),
        (Type::INT32, ConvertedType::INT_8) => Some(DType::I8),
        (Type::INT32, ConvertedType::UINT_8) => Some(DType::U8),
        (Type::FIXED_LEN_BYTE_ARRAY, _) => {
            let half = column.logical_type_ref() == Some(&LogicalType::Float16) && column.type_length() == 2;
            half.then_some(DType::F16)
        }
        _ => None,
    }
}

/// How the elements of a column fall into lists.
struct Elements {
    /// The level of an element that is there.
    level: i16,
    /// The length of the first list, once it has ended.
    d: usize,
    /// Elements of the list that has not.
    open: usize,
    started: bool,
}

impl Elements {
    /// Takes all elements of a column of some rows.
    fn take<T: DataType>(
        &mut self,
        mut column: ColumnReaderImpl<T>,
        mut element: impl FnMut(&T::T),
    ) -> Result<(), String> {
        let (mut values, mut there, mut begins) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            values.clear();
            there.clear();
            begins.clear();
            let read = column.read_records(ROWS, Some(&mut there), Some(&mut begins), &mut values);
            if read.map_err(|why| why.to_string())?.0 == 0 {
                return Ok(());
            }
            for (&there, &begins) in there.iter().zip(&begins) {
                if there != self.level {
                    return Err("has a null or an empty list where a vector is expected".to_owned());
                }
                if begins == 0 && self.started {
                    self.close()?;
                }
                self.started = true;
                self.open += 1;
            }
            values.iter().for_each(&mut element);
        }
    }

    fn close(&mut self) -> Result<(), String> {
        if self.d == 0 {
            self.d = self.open;
        }
        if self.open != self.d {
            return Err(format!("has a vector of length {} after those of length {}", self.open, self.d));
        }
        self.open = 0;
        Ok(())
    }

    /// The length of all lists.
    fn end(mut self) -> Result<usize, String> {
        if self.started {
            self.close()?;
        }
        if self.d == 0 { Err("holds no vectors".to_owned()) } else { Ok(self.d) }
    }
}

fn matrix<T: Element>(elements: Vec<T>, d: usize) -> Result<Tensor, String> {
    let n = elements.len() / d;
    Tensor::from_vec(elements, [n, d]).map_err(|why| why.to_string())
}

//! Where the vectors of an Arrow file lie (the IPC file format, also called Feather 2): a column of fixed-size lists of floats or bytes, batch after batch.
//!
//! Only what that takes is read of the metadata, which are flatbuffers: tables whose fields are found through a table of offsets, every one of which is checked against the end of
//! the bytes. Written from the format's own specification.

use std::io::{Read, Seek, SeekFrom};

use tilewright_core::DType;

/// A column of vectors.
pub(super) struct Column {
    pub(super) d: usize,
    pub(super) dtype: DType,
    /// For each batch, where its first vector begins, and how many there are.
    pub(super) batches: Vec<(u64, usize)>,
}

/// The longest metadata that are read.
const LONGEST: usize = 64 << 20;
const MAGIC: &[u8; 6] = b"ARROW1";

/// The column of that name, or the only one of vectors. Fails on what is no such file, with the reason.
pub(super) fn column(file: &mut (impl Read + Seek), name: Option<&str>) -> Result<Column, String> {
    let end = file.seek(SeekFrom::End(0)).map_err(|why| why.to_string())?;
    let tail = bytes(file, end.checked_sub(10).ok_or("is no Arrow file")?, 10)?;
    if &tail[4..] != MAGIC {
        return Err("does not end as an Arrow file".to_owned());
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let footer = bytes(file, end.checked_sub(10 + length).ok_or("ends within its footer")?, length as usize)?;
    let footer = Table::root(&footer)?;
    let schema = footer.table(1)?.ok_or("has no schema")?;
    if schema.number::<2>(0)?.is_some_and(|order| order != [0; 2]) {
        return Err("is big-endian".to_owned());
    }
    let fields = schema.tables(1)?;
    let mut found: Vec<(String, usize, DType, usize, usize)> = Vec::new();
    // The numbers of nodes and buffers of the columns before.
    let (mut nodes, mut buffers) = (0, 0);
    for field in &fields {
        let own = field.text(0)?.unwrap_or_default();
        if let Some((d, dtype)) = vectors(field)? {
            // After the list's node and validity come those of its elements, and then they themselves.
            found.push((own, d, dtype, nodes, buffers));
        }
        let (more_nodes, more_buffers) = size(field, 0)?;
        (nodes, buffers) = (nodes + more_nodes, buffers + more_buffers);
    }
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    let (_, d, dtype, node, buffer) = match (name, &found[..]) {
        (None, [only]) => only,
        _ => {
            let wanted = name.unwrap_or("vectors");
            let column = found.iter().find(|(name, ..)| name == wanted);
            column.ok_or_else(|| format!("has no column {wanted:?} of fixed-size lists, but {names:?}"))?
        }
    };
    let mut batches = Vec::new();
    for block in footer.structs::<24>(3)? {
        let start = i64::from_le_bytes(part(&block, 0)?);
        let length = i32::from_le_bytes(part(&block, 8)?);
        let (start, length) =
            (u64::try_from(start).map_err(|_| "has a batch before its start")?, length.max(0) as usize);
        let message = bytes(file, start, length)?;
        // Since 0.15 the length follows a mark.
        let marked = message.starts_with(&[0xff; 4]);
        let message = message.get(if marked { 8 } else { 4 }..).ok_or("has a batch without a message")?;
        let message = Table::root(message)?;
        if message.number::<1>(1)? != Some([3]) {
            return Err("has a message that is no batch where a batch should be".to_owned());
        }
        let batch = message.table(2)?.ok_or("has an empty batch")?;
        if batch.table(3)?.is_some() {
            return Err("has compressed batches: write it without compression".to_owned());
        }
        let rows = usize::try_from(i64::from_le_bytes(batch.number(0)?.unwrap_or_default()))
            .map_err(|_| "has a batch of fewer than no rows")?;
        let (own_nodes, own_buffers) = (batch.structs::<16>(1)?, batch.structs::<16>(2)?);
        for node in own_nodes.get(*node..node + 2).ok_or("has a batch with fewer columns than its schema")? {
            if i64::from_le_bytes(part(node, 8)?) != 0 {
                return Err("has vectors or elements that are null".to_owned());
            }
        }
        let place = own_buffers.get(buffer + 2).ok_or("has a batch with fewer buffers than its schema")?;
        let (offset, size) = (i64::from_le_bytes(part(place, 0)?), i64::from_le_bytes(part(place, 8)?));
        let needed = rows.checked_mul(*d).and_then(|elements| elements.checked_mul(dtype.size()));
        let begin = u64::try_from(offset).ok().and_then(|offset| (start + length as u64).checked_add(offset));
        let (Some(needed), Some(begin)) = (needed, begin) else {
            return Err("has a batch beyond all files".to_owned());
        };
        if u64::try_from(size).is_ok_and(|size| size < needed as u64)
            || size < 0
            || begin.checked_add(needed as u64).is_none_or(|last| last > end)
        {
            return Err("has a batch that ends before its vectors do".to_owned());
        }
        batches.push((begin, rows));
    }
    Ok(Column { d: *d, dtype: *dtype, batches })
}

/// The length and dtype of a field of fixed-size lists.
fn vectors(field: &Table) -> Result<Option<(usize, DType)>, String> {
    let (Some([16]), Some(list), [child]) = (field.number::<1>(2)?, field.table(3)?, &field.tables(5)?[..])
    else {
        return Ok(None);
    };
    let d = usize::try_from(i32::from_le_bytes(list.number(0)?.unwrap_or_default())).unwrap_or(0);
    let Some(kind) = child.table(3)? else { return Ok(None) };
    let dtype = match child.number::<1>(2)? {
        Some([3]) => match i16::from_le_bytes(kind.number(0)?.unwrap_or_default()) {
            0 => DType::F16,
            1 => DType::F32,
            2 => DType::F64,
            _ => return Ok(None),
        },
        Some([2]) if i32::from_le_bytes(kind.number(0)?.unwrap_or_default()) == 8 => {
            if kind.number::<1>(1)? == Some([1]) { DType::I8 } else { DType::U8 }
        }
        _ => return Ok(None),
    };
    Ok((d > 0).then_some((d, dtype)))
}

/// How many nodes and buffers a field has in each batch.
fn size(field: &Table, depth: usize) -> Result<(usize, usize), String> {
    if depth > 64 {
        return Err("has columns within columns without end".to_owned());
    }
    let kind = field.number::<1>(2)?.map_or(0, |[kind]| kind);
    // Codes of a dictionary lie like numbers.
    let own = match kind {
        _ if field.table(4)?.is_some() => return Ok((1, 2)),
        1 => 0,
        2 | 3 | 6..=11 | 15 | 18 => 2,
        4 | 5 | 19 | 20 => 3,
        12 | 17 | 21 => 2,
        13 | 16 => 1,
        other => return Err(format!("has a column of kind {other}, whose buffers are not known here")),
    };
    let mut all = (1, own);
    for child in field.tables(5)? {
        let (nodes, buffers) = size(&child, depth + 1)?;
        all = (all.0 + nodes, all.1 + buffers);
    }
    Ok(all)
}

fn bytes(file: &mut (impl Read + Seek), start: u64, length: usize) -> Result<Vec<u8>, String> {
    if length > LONGEST {
        return Err(format!("has metadata of {length} bytes"));
    }
    let mut bytes = vec![0u8; length];
    let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
    read.map_err(|why| format!("ends within its metadata: {why}"))?;
    Ok(bytes)
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], String> {
    let end = at.checked_add(N);
    let part = end.and_then(|end| bytes.get(at..end)).and_then(|part| part.try_into().ok());
    part.ok_or_else(|| "has metadata that point beyond their end".to_owned())
}

/// A flatbuffers table.
struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Table<'a> {
    fn root(bytes: &'a [u8]) -> Result<Self, String> {
        Ok(Self { bytes, at: u32::from_le_bytes(part(bytes, 0)?) as usize })
    }

    /// Where a field lies.
    fn field(&self, number: usize) -> Result<Option<usize>, String> {
        let beyond = || "has metadata that point beyond their end".to_owned();
        let back = i64::from(i32::from_le_bytes(part(self.bytes, self.at)?));
        let places = usize::try_from(self.at as i64 - back).map_err(|_| beyond())?;
        let size = usize::from(u16::from_le_bytes(part(self.bytes, places)?));
        if 4 + 2 * number + 2 > size {
            return Ok(None);
        }
        let offset = usize::from(u16::from_le_bytes(part(self.bytes, places + 4 + 2 * number)?));
        Ok((offset != 0).then_some(self.at + offset))
    }

    /// A number of so many bytes.
    fn number<const N: usize>(&self, number: usize) -> Result<Option<[u8; N]>, String> {
        self.field(number)?.map(|at| part(self.bytes, at)).transpose()
    }

    /// What an offset leads to.
    fn target(&self, at: usize) -> Result<usize, String> {
        Ok(at + u32::from_le_bytes(part(self.bytes, at)?) as usize)
    }

    fn table(&self, number: usize) -> Result<Option<Table<'a>>, String> {
        self.field(number)?.map(|at| Ok(Table { bytes: self.bytes, at: self.target(at)? })).transpose()
    }

    /// A vector's first element, and how many there are.
    fn vector(&self, number: usize, size: usize) -> Result<(usize, usize), String> {
        let Some(at) = self.field(number)? else { return Ok((0, 0)) };
        let start = self.target(at)?;
        let count = u32::from_le_bytes(part(self.bytes, start)?) as usize;
        let fits = count.checked_mul(size).and_then(|bytes| bytes.checked_add(start + 4));
        match fits {
            Some(end) if end <= self.bytes.len() => Ok((start + 4, count)),
            _ => Err("has metadata that point beyond their end".to_owned()),
        }
    }

    fn tables(&self, number: usize) -> Result<Vec<Table<'a>>, String> {
        let (start, count) = self.vector(number, 4)?;
        (0..count).map(|i| Ok(Table { bytes: self.bytes, at: self.target(start + 4 * i)? })).collect()
    }

    fn structs<const N: usize>(&self, number: usize) -> Result<Vec<[u8; N]>, String> {
        let (start, count) = self.vector(number, N)?;
        (0..count).map(|i| part(self.bytes, start + N * i)).collect()
    }

    fn text(&self, number: usize) -> Result<Option<String>, String> {
        let (start, count) = self.vector(number, 1)?;
        Ok(String::from_utf8(self.bytes[start..start + count].to_vec()).ok())
    }
}

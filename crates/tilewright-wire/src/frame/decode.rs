//! Reading. Nothing in a frame is believed before it is checked, and nothing is allocated for a length that a limit forbids.

use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use tilewright_core::{AlignedBytes, Buffer, DType, Device, Error, Layout, MAX_RANK, Result, Shape, Tensor};

use super::checksum::{crc32c, read_summed};
use super::{ALIGNMENT, CRC32C, DTYPES, ENTRY, LZ4, Limits, MAGIC, MAJOR, MINOR, NAME_BYTES, PREAMBLE};
use super::{UNCHECKED, UNCOMPRESSED, compress};

const NAME: &str = "decode_frame";

fn wrong(what: impl Into<String>, expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Error {
    Error::range(NAME, what.into(), expected, got)
}

fn unknown(why: String) -> Error {
    Error::unsupported(NAME, Device::Cpu, why)
}

/// Little-endian integers at an offset that was checked to be within.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

/// What the first [`PREAMBLE`] bytes say, as far as they can be believed alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preamble {
    pub(crate) frame_bytes: usize,
    header_bytes: usize,
}

impl Preamble {
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        if bytes.len() < PREAMBLE {
            return Err(wrong(
                "frame",
                format!("at least {PREAMBLE} bytes"),
                format!("{} bytes", bytes.len()),
            ));
        }
        if bytes[..4] != MAGIC {
            return Err(wrong("magic", format!("{MAGIC:02x?}"), format!("{:02x?}", &bytes[..4])));
        }
        let (major, needs) = (bytes[4], u16_at(bytes, 6));
        if major != MAJOR {
            return Err(unknown(format!("a frame of version {major}; this reader knows {MAJOR}")));
        }
        if needs != 0 {
            return Err(unknown(format!(
                "a frame that needs the features {needs:#06x}; this reader has none of them"
            )));
        }
        let (header_bytes, frame_bytes) = (u32_at(bytes, 8), u64_at(bytes, 16));
        for (what, length) in [("header length", u64::from(header_bytes)), ("frame length", frame_bytes)] {
            if length < ALIGNMENT as u64 || !length.is_multiple_of(ALIGNMENT as u64) {
                return Err(wrong(what, format!("a multiple of {ALIGNMENT}"), length));
            }
        }
        if header_bytes > limits.header_bytes {
            return Err(wrong("header length", format!("at most {}", limits.header_bytes), header_bytes));
        }
        if frame_bytes > limits.frame_bytes || usize::try_from(frame_bytes).is_err() {
            return Err(wrong("frame length", format!("at most {}", limits.frame_bytes), frame_bytes));
        }
        if u64::from(header_bytes) > frame_bytes {
            return Err(wrong("header length", format!("at most {frame_bytes}, the frame's"), header_bytes));
        }
        Ok(Preamble { frame_bytes: frame_bytes as usize, header_bytes: header_bytes as usize })
    }
}

/// A tensor of a frame, as its entry describes it.
#[derive(Debug, Clone)]
pub struct Entry {
    name: String,
    dtype: u8,
    compression: u8,
    checksum: u8,
    sum: u32,
    dims: Vec<u64>,
    stored: Range<usize>,
}

impl Entry {
    /// Its name; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its dtype.
    ///
    /// # Errors
    /// A code that a later version has brought.
    pub fn dtype(&self) -> Result<DType> {
        let found = DTYPES.iter().find(|(code, _)| *code == self.dtype);
        let why = || unknown(format!("tensor {:?}: the dtype of code {}", self.name, self.dtype));
        found.map(|&(_, dtype)| dtype).ok_or_else(why)
    }

    /// Its extents.
    ///
    /// # Errors
    /// More axes, or more elements, than tensors have here.
    pub fn shape(&self) -> Result<Shape> {
        if self.dims.len() > MAX_RANK {
            let axes = self.dims.len();
            return Err(unknown(format!("tensor {:?}: {axes} axes of at most {MAX_RANK}", self.name)));
        }
        let dims: Vec<usize> =
            self.dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(usize::MAX)).collect();
        Shape::new(&dims).map_err(|why| why.within(NAME))
    }

    /// Bytes that it takes in the frame.
    pub fn stored_bytes(&self) -> usize {
        self.stored.len()
    }
}

/// What a frame says of itself: checked, and apart from the memory that the frame is in.
#[derive(Debug, Clone)]
pub struct Contents {
    meta: Range<usize>,
    entries: Vec<Entry>,
    limits: Limits,
}

impl Contents {
    /// Reads the header of a frame, of which `bytes` hold neither less nor more.
    ///
    /// What is checked here: version, lengths, the header's checksum, that entries lie in the header and payloads behind it one after
    /// another, and that the space between is zero. The payloads' own checksums are checked where a tensor is taken.
    ///
    /// # Errors
    /// Bytes that are no such frame; one above the limits; one of another major version or with features that this reader lacks.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let preamble = Preamble::parse(bytes, limits)?;
        if bytes.len() != preamble.frame_bytes {
            return Err(wrong(
                "frame",
                format!("{} bytes", preamble.frame_bytes),
                format!("{} bytes", bytes.len()),
            ));
        }
        let contents = Self::of_header(&bytes[..preamble.header_bytes], preamble.frame_bytes, limits)?;
        contents.check_spaces(bytes)?;
        Ok(contents)
    }

    /// That the space behind each payload is zero, of a frame of the right length.
    fn check_spaces(&self, bytes: &[u8]) -> Result<()> {
        self.entries.iter().try_for_each(|entry| {
            let end = entry.stored.end;
            let space = bytes.get(end..end.next_multiple_of(ALIGNMENT)).unwrap_or_default();
            zero(space, "the space behind a payload")
        })
    }

    /// From the header alone, of a frame of so many bytes.
    fn of_header(header: &[u8], frame_bytes: usize, limits: &Limits) -> Result<Self> {
        let sum = ::crc32c::crc32c_append(::crc32c::crc32c(&header[..12]), &[0; 4]);
        let (sum, stated) = (::crc32c::crc32c_append(sum, &header[16..]), u32_at(header, 12));
        if sum != stated {
            return Err(wrong("header checksum", format!("{sum:#010x}"), format!("{stated:#010x}")));
        }
        // Space that this version leaves zero may carry what a later one knows.
        let strict = header[5].saturating_sub(MINOR) == 0;
        let (count, meta_bytes) = (u32_at(header, 24), u32_at(header, 28) as usize);
        if count > limits.tensors {
            return Err(wrong("tensors", format!("at most {}", limits.tensors), count));
        }
        let meta = PREAMBLE..PREAMBLE.saturating_add(meta_bytes);
        let mut at = meta.end.next_multiple_of(8);
        if at > header.len() {
            let left = header.len() - PREAMBLE;
            return Err(wrong("metadata", format!("at most {left} bytes"), format!("{meta_bytes} bytes")));
        }
        zero(&header[meta.end..at], "the space behind the metadata")?;
        let (mut entries, mut names) = (Vec::new(), HashMap::new());
        let mut free = header.len();
        for index in 0..count as usize {
            let entry = entry(&header[at..], index, strict)?;
            at += entry.1;
            let entry = entry.0;
            if !entry.name.is_empty() && names.insert(entry.name.clone(), index).is_some() {
                return Err(wrong("tensors", "different names", format!("{:?} twice", entry.name)));
            }
            let Range { start, end } = entry.stored;
            if start < free || end > frame_bytes {
                let expected = format!("within {free}..{frame_bytes}");
                return Err(wrong(format!("payload of tensor {index}"), expected, format!("{start}..{end}")));
            }
            if strict && start != free {
                return Err(wrong(format!("payload of tensor {index}"), format!("from {free} on"), start));
            }
            free = end.next_multiple_of(ALIGNMENT);
            entries.push(entry);
        }
        if strict {
            zero(&header[at..], "the space behind the entries")?;
            if free != frame_bytes {
                return Err(wrong("frame length", free, frame_bytes));
            }
        }
        Ok(Contents { meta, entries, limits: limits.clone() })
    }

    /// The tensors, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The metadata, of the bytes that the frame was parsed from.
    pub fn meta<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.meta.clone()).unwrap_or_default()
    }

    /// The place of the tensor of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }

    /// The stored bytes of tensor `index` in the frame that was parsed, their checksum checked.
    ///
    /// # Errors
    /// No such tensor; another checksum; codes or a size that this reader does not know how to take.
    pub fn stored<'a>(&self, frame: &'a [u8], index: usize) -> Result<&'a [u8]> {
        self.summed(frame, index, None)
    }

    /// As [`Self::stored`], of bytes whose sum may be known already.
    fn summed<'a>(&self, frame: &'a [u8], index: usize, known: Option<u32>) -> Result<&'a [u8]> {
        let entry = self.entry(index)?;
        let found = frame.get(entry.stored.clone());
        let bytes = found
            .ok_or_else(|| wrong("frame", "the bytes that were parsed", format!("{} bytes", frame.len())))?;
        match entry.checksum {
            UNCHECKED => {}
            CRC32C => {
                let sum = known.unwrap_or_else(|| crc32c(bytes));
                if sum != entry.sum {
                    let what = format!("checksum of tensor {:?}", entry.name);
                    return Err(wrong(what, format!("{sum:#010x}"), format!("{:#010x}", entry.sum)));
                }
            }
            other => return Err(unknown(format!("tensor {:?}: the checksum of code {other}", entry.name))),
        }
        Ok(bytes)
    }

    fn entry(&self, index: usize) -> Result<&Entry> {
        let count = self.entries.len();
        self.entries.get(index).ok_or_else(|| wrong("index of a tensor", format!("below {count}"), index))
    }
}

/// An entry and the bytes that it takes.
fn entry(bytes: &[u8], index: usize, strict: bool) -> Result<(Entry, usize)> {
    let what = |part: &str| format!("{part} of tensor {index}");
    if bytes.len() < ENTRY {
        return Err(wrong(
            what("entry"),
            format!("{ENTRY} bytes"),
            format!("{} left in the header", bytes.len()),
        ));
    }
    let (length, name_bytes, rank) =
        (usize::from(u16_at(bytes, 0)), usize::from(u16_at(bytes, 2)), usize::from(bytes[7]));
    let name = ENTRY + 8 * rank;
    let used = name + name_bytes;
    if name_bytes > NAME_BYTES {
        return Err(wrong(what("name"), format!("at most {NAME_BYTES} bytes"), name_bytes));
    }
    let exact = !strict || length == used.next_multiple_of(8);
    if length < used || length > bytes.len() || !length.is_multiple_of(8) || !exact {
        let expected = format!("{} in {} bytes of header", used.next_multiple_of(8), bytes.len());
        return Err(wrong(what("length of the entry"), expected, length));
    }
    if strict {
        zero(&bytes[used..length], "the space behind an entry")?;
        zero(&bytes[28..32], "the space in an entry")?;
    }
    let text = std::str::from_utf8(&bytes[name..used]);
    let name = text.map_err(|why| wrong(what("name"), "UTF-8", why))?.to_owned();
    let (offset, stored) = (u64_at(bytes, 8), u64_at(bytes, 16));
    let end = offset.checked_add(stored).and_then(|end| end.checked_next_multiple_of(ALIGNMENT as u64));
    let range = usize::try_from(offset).ok().zip(end.and_then(|end| usize::try_from(end).ok()));
    let Some((offset, _)) = range.filter(|_| offset.is_multiple_of(ALIGNMENT as u64)) else {
        let expected = format!("an offset that is a multiple of {ALIGNMENT}, and an end");
        return Err(wrong(what("payload"), expected, format!("{offset} and {stored} bytes")));
    };
    let entry = Entry {
        name,
        dtype: bytes[4],
        compression: bytes[5],
        checksum: bytes[6],
        sum: u32_at(bytes, 24),
        dims: (0..rank).map(|axis| u64_at(bytes, ENTRY + 8 * axis)).collect(),
        stored: offset..offset + stored as usize,
    };
    // Of codes that are known, the size is known too; others are refused where their tensor is taken.
    if let (Ok(dtype), Ok(shape), UNCOMPRESSED) = (entry.dtype(), entry.shape(), entry.compression) {
        let bytes = shape.elements() * dtype.size();
        if bytes != entry.stored.len() {
            return Err(wrong(what("payload"), format!("{bytes} bytes for {shape} of {dtype}"), stored));
        }
    }
    Ok((entry, length))
}

fn zero(bytes: &[u8], what: &str) -> Result<()> {
    match bytes.iter().find(|&&byte| byte != 0) {
        None => Ok(()),
        Some(byte) => Err(wrong(what, "zeros", byte)),
    }
}

/// A frame that was received. Its tensors are views of its memory.
#[derive(Clone)]
pub struct Frame {
    bytes: Arc<AlignedBytes>,
    contents: Contents,
    /// Of the payloads that were summed as they were read.
    sums: Vec<Option<u32>>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("entries", &self.contents.entries).finish_non_exhaustive()
    }
}

impl Frame {
    /// Takes over memory that holds a frame and nothing else.
    ///
    /// # Errors
    /// As [`Contents::parse`].
    pub fn from_memory(bytes: AlignedBytes, limits: &Limits) -> Result<Self> {
        let contents = Contents::parse(bytes.as_ref(), limits)?;
        Ok(Frame { bytes: Arc::new(bytes), contents, sums: Vec::new() })
    }

    /// Copies a frame from memory that is not aligned, or not one's own.
    ///
    /// # Errors
    /// As [`Contents::parse`].
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self> {
        // Before the copy: a stranger's bytes are worth one only if they are a frame.
        let contents = Contents::parse(bytes, limits)?;
        Ok(Frame { bytes: Arc::new(AlignedBytes::copy_of(bytes)?), contents, sums: Vec::new() })
    }

    /// Reads one frame; `None` where the stream ends before it.
    ///
    /// # Errors
    /// A stream that fails, or ends within the frame; as [`Contents::parse`].
    pub fn read(reader: &mut impl Read, limits: &Limits) -> Result<Option<Self>> {
        let failed = |why: io::Error| Error::file(NAME, "stream", why);
        let mut preamble = [0; PREAMBLE];
        let mut begun = 0;
        while begun == 0 {
            match reader.read(&mut preamble) {
                Ok(0) => return Ok(None),
                Ok(read) => begun = read,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(failed(why)),
            }
        }
        reader.read_exact(&mut preamble[begun..]).map_err(failed)?;
        let Preamble { frame_bytes, header_bytes } = Preamble::parse(&preamble, limits)?;
        let mut bytes = AlignedBytes::fresh(frame_bytes)?;
        let (header, mut rest) = bytes.as_mut().split_at_mut(header_bytes);
        header[..PREAMBLE].copy_from_slice(&preamble);
        reader.read_exact(&mut header[PREAMBLE..]).map_err(failed)?;
        let contents = Contents::of_header(header, frame_bytes, limits)?;
        let (mut at, mut sums) = (header_bytes, Vec::with_capacity(contents.entries.len()));
        for entry in &contents.entries {
            // Entries lie one behind the other.
            let (before, from) = rest.split_at_mut(entry.stored.start - at);
            let (payload, behind) = from.split_at_mut(entry.stored.len());
            reader.read_exact(before).map_err(failed)?;
            sums.push(match entry.checksum {
                CRC32C => Some(read_summed(reader, payload).map_err(failed)?),
                _ => {
                    reader.read_exact(payload).map_err(failed)?;
                    None
                }
            });
            (rest, at) = (behind, entry.stored.end);
        }
        reader.read_exact(rest).map_err(failed)?;
        contents.check_spaces(bytes.as_ref())?;
        Ok(Some(Frame { bytes: Arc::new(bytes), contents, sums }))
    }

    /// The tensors' entries, in order.
    pub fn entries(&self) -> &[Entry] {
        self.contents.entries()
    }

    /// The metadata.
    pub fn meta(&self) -> &[u8] {
        self.contents.meta((*self.bytes).as_ref())
    }

    /// The tensor of this name: a view of the frame's memory, or a copy of one that is compressed.
    ///
    /// # Errors
    /// None of this name; as [`Frame::tensor_at`].
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let found = self.contents.find(name);
        self.tensor_at(
            found.ok_or_else(|| wrong("name", "one of a tensor in the frame", format!("{name:?}")))?,
        )
    }

    /// The tensor at this place.
    ///
    /// # Errors
    /// None there; a checksum that is not its own; a damaged block; what this reader does not know; a size above the limit.
    pub fn tensor_at(&self, index: usize) -> Result<Tensor> {
        let stored =
            self.contents.summed((*self.bytes).as_ref(), index, self.sums.get(index).copied().flatten())?;
        let entry = self.contents.entry(index)?;
        let (dtype, shape) = (entry.dtype()?, entry.shape()?);
        let raw = shape.elements().saturating_mul(dtype.size());
        match entry.compression {
            UNCOMPRESSED => {
                let whole = Layout::contiguous(shape);
                let capacity = (*self.bytes).as_ref().len() / dtype.size();
                let layout =
                    Layout::strided(shape, whole.strides(), entry.stored.start / dtype.size(), capacity)?;
                Tensor::from_buffer(Arc::clone(&self.bytes) as Arc<dyn Buffer>, dtype, layout)
            }
            LZ4 => {
                let limit = self.contents.limits.tensor_bytes;
                if raw as u64 > limit || !compress::plausible(stored.len() as u64, raw as u64) {
                    let what = format!("tensor {:?}", entry.name);
                    let expected = format!("at most {limit} bytes, and what {} can hold", stored.len());
                    return Err(wrong(what, expected, format!("{raw} bytes")));
                }
                let mut bytes = AlignedBytes::fresh(raw)?;
                compress::unpack(stored, bytes.as_mut())?;
                Tensor::from_buffer(Arc::new(bytes), dtype, Layout::contiguous(shape))
            }
            other => Err(unknown(format!("tensor {:?}: the compression of code {other}", entry.name))),
        }
    }
}

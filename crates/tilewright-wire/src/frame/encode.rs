//! Writing.

use std::collections::HashSet;
use std::io::{self, IoSlice, Read, Write};

use tilewright_core::{AlignedBytes, Device, Error, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{CopyTo, copy};

use super::checksum::{crc32c, gather};
use super::{
    ALIGNMENT, CRC32C, Compression, DTYPES, ENTRY, Frame, LZ4, MAGIC, MAJOR, MINOR, NAME_BYTES, PREAMBLE,
};
use super::{UNCHECKED, UNCOMPRESSED, compress};

const NAME: &str = "encode_frame";
static ZEROS: [u8; ALIGNMENT] = [0; ALIGNMENT];

/// A tensor to be sent.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// Its name in the frame; several may have none.
    pub name: &'a str,
    /// From any device, of any layout.
    pub tensor: &'a Tensor,
    /// How it is stored.
    pub compression: Compression,
    /// Whether its bytes are summed. A tensor that has strides is summed where it is gathered, for almost nothing.
    pub checksum: bool,
}

impl<'a> Item<'a> {
    /// Uncompressed, with a checksum.
    pub fn new(name: &'a str, tensor: &'a Tensor) -> Self {
        Item { name, tensor, compression: Compression::None, checksum: true }
    }
}

/// A frame on its way out: a header, and the tensors where they are.
#[derive(Debug)]
pub struct Encoded {
    header: Vec<u8>,
    payloads: Vec<Payload>,
    bytes: usize,
}

/// Bytes to be written.
pub(crate) enum Payload {
    /// Row-major on the host.
    Tensor(Tensor),
    Gathered(AlignedBytes),
    Packed(Vec<u8>),
}

impl Payload {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Payload::Tensor(tensor) => in_place(tensor).unwrap_or_default(),
            Payload::Gathered(bytes) => bytes.as_ref(),
            Payload::Packed(bytes) => bytes,
        }
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes().len())
    }
}

/// The bytes of a row-major host tensor.
fn in_place(tensor: &Tensor) -> Option<&[u8]> {
    if !tensor.is_contiguous() {
        return None;
    }
    let start = tensor.layout().offset() * tensor.dtype().size();
    if tensor.is_empty() {
        return Some(&[]);
    }
    tensor.buffer().host()?.get(start..start + tensor.bytes())
}

fn padding(bytes: usize) -> &'static [u8] {
    &ZEROS[..bytes.next_multiple_of(ALIGNMENT) - bytes]
}

impl Frame {
    /// A frame of `items`, with `meta` for whatever else the program has to say.
    ///
    /// # Errors
    /// Two tensors of one name; a name above 4096 bytes; more metadata or entries than 4 GiB of header hold; a device that cannot be read.
    pub fn encode(meta: &[u8], items: &[Item<'_>]) -> Result<Encoded> {
        let mut names = HashSet::new();
        let mut header_bytes = PREAMBLE + meta.len().next_multiple_of(8);
        for item in items {
            if item.name.len() > NAME_BYTES {
                let expected = format!("at most {NAME_BYTES} bytes");
                return Err(Error::range(NAME, "name", expected, format!("{} bytes", item.name.len())));
            }
            if !item.name.is_empty() && !names.insert(item.name) {
                return Err(Error::range(NAME, "name", "different names", format!("{:?} twice", item.name)));
            }
            header_bytes += entry_bytes(item);
        }
        let header_bytes = header_bytes.next_multiple_of(ALIGNMENT);
        if u32::try_from(header_bytes).is_err() {
            return Err(Error::range(NAME, "meta", "a header below 4 GiB", format!("{header_bytes} bytes")));
        }
        let mut header = Vec::with_capacity(header_bytes);
        header.extend(MAGIC);
        header.extend([MAJOR, MINOR, 0, 0]);
        header.extend((header_bytes as u32).to_le_bytes());
        // Checksum and length are filled in below.
        header.extend([0; 12]);
        header.extend((items.len() as u32).to_le_bytes());
        header.extend((meta.len() as u32).to_le_bytes());
        header.extend(meta);
        header.resize(header.len().next_multiple_of(8), 0);

        let (mut payloads, mut offset) = (Vec::with_capacity(items.len()), header_bytes);
        for item in items {
            let (payload, compression, sum) = stored(item)?;
            let stored_bytes = payload.bytes().len();
            let dtype = DTYPES.iter().find(|(_, dtype)| *dtype == item.tensor.dtype());
            let (code, _) = dtype.expect("every dtype has a code");
            let begin = header.len();
            header.extend((entry_bytes(item) as u16).to_le_bytes());
            header.extend((item.name.len() as u16).to_le_bytes());
            header.extend([*code, compression, if sum.is_some() { CRC32C } else { UNCHECKED }]);
            header.push(item.tensor.rank() as u8);
            header.extend((offset as u64).to_le_bytes());
            header.extend((stored_bytes as u64).to_le_bytes());
            header.extend(sum.unwrap_or(0).to_le_bytes());
            header.extend([0; 4]);
            item.tensor.dims().iter().for_each(|&dim| header.extend((dim as u64).to_le_bytes()));
            header.extend(item.name.as_bytes());
            header.resize(begin + entry_bytes(item), 0);
            offset += stored_bytes.next_multiple_of(ALIGNMENT);
            payloads.push(payload);
        }
        header.resize(header_bytes, 0);
        header[16..24].copy_from_slice(&(offset as u64).to_le_bytes());
        let sum = crc32c(&header);
        header[12..16].copy_from_slice(&sum.to_le_bytes());
        Ok(Encoded { header, payloads, bytes: offset })
    }
}

fn entry_bytes(item: &Item<'_>) -> usize {
    (ENTRY + 8 * item.tensor.rank() + item.name.len()).next_multiple_of(8)
}

fn stored(item: &Item<'_>) -> Result<(Payload, u8, Option<u32>)> {
    let sum_of = |bytes: &[u8]| item.checksum.then(|| crc32c(bytes));
    let (raw, gathered) = row_major(item.tensor, item.checksum)?;
    if item.compression == Compression::Lz4
        && let Some(packed) = compress::pack(raw.bytes())
    {
        let sum = sum_of(&packed);
        return Ok((Payload::Packed(packed), LZ4, sum));
    }
    let sum = match gathered {
        Some(sum) => Some(sum),
        None => sum_of(raw.bytes()),
    };
    Ok((raw, UNCOMPRESSED, sum))
}

/// The elements row-major on the host, where they are if they lie so, and their sum where they were gathered for it.
pub(crate) fn row_major(tensor: &Tensor, summed: bool) -> Result<(Payload, Option<u32>)> {
    if in_place(tensor).is_some() {
        return Ok((Payload::Tensor(tensor.clone()), None));
    }
    if let Some((bytes, sum)) = gather(tensor, summed)? {
        return Ok((Payload::Gathered(bytes), summed.then_some(sum)));
    }
    let host = match tensor.device() {
        Device::Cpu => copy(&Stream::cpu(), tensor, &CopyTo::default())?,
        _ => tensor.to_host()?,
    };
    Ok((Payload::Tensor(host), None))
}

impl Encoded {
    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The frame in pieces, in order: nothing is put together.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let payloads = self.payloads.iter().map(Payload::bytes);
        let padded = payloads.flat_map(|payload| [payload, padding(payload.len())]);
        std::iter::once(&self.header[..]).chain(padded).filter(|part| !part.is_empty())
    }

    /// The pieces for a vectored write.
    pub fn slices(&self) -> Vec<IoSlice<'_>> {
        self.parts().map(IoSlice::new).collect()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_to(&self, writer: &mut impl Write) -> io::Result<()> {
        write_all(writer, &mut self.slices())
    }

    /// All of it in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.bytes);
        self.parts().for_each(|part| whole.extend(part));
        whole
    }

    /// Reads it from its beginning, for a channel that takes chunks.
    pub fn reader(&self) -> impl Read {
        Reader { parts: self.parts().collect(), next: 0 }
    }
}

/// Writes all slices, however many writes that takes.
pub(crate) fn write_all(writer: &mut impl Write, mut left: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Slices without bytes at the front would look like a writer that takes nothing.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match writer.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

struct Reader<'a> {
    parts: Vec<&'a [u8]>,
    next: usize,
}

impl Read for Reader<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < target.len()
            && let Some(part) = self.parts.get_mut(self.next)
        {
            filled += part.read(&mut target[filled..])?;
            if part.is_empty() {
                self.next += 1;
            }
        }
        Ok(filled)
    }
}

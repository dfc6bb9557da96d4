//! The stream of a disaggregated prefill: a [`Header`], then [`Message`]s, each a big-endian u32 length and a msgpack map.
//!
//! Of exo's two ways to send keys and values both are read: in the message, and behind it ([`Place`]). The format has the dtypes f32, f16 and
//! bf16, and messages below 4 GiB.

use std::io::{self, IoSlice, Read, Write};

use tilewright_core::{AlignedBytes, DType, Error, Result, Shape, Tensor};

use super::msgpack::{Value, Writer};
use super::{agree, from_numpys, numpys, shape_of, tensor_of};
use crate::frame::{Payload, row_major, write_all};

const NAME: &str = "prefill";

/// What a stream begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The request that asked for the prefill.
    pub request_id: String,
    /// The model.
    pub model_id: String,
    /// Its layers.
    pub num_layers: i64,
    /// The dtype of the first cache; chunks say their own.
    pub dtype: DType,
    /// The position of the first token that is sent.
    pub start_pos: i64,
}

/// A message of the stream.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "messages are few, and moved one at a time")]
pub enum Message {
    /// Keys and values of a layer, `[tokens, heads, width]` each, of any strides.
    KvChunk {
        /// The layer.
        layer_idx: i64,
        /// The keys.
        keys: Tensor,
        /// The values, of the same shape and dtype.
        values: Tensor,
    },
    /// The state of a recurrent layer.
    ArraysState {
        /// The layer.
        layer_idx: i64,
        /// Its arrays.
        arrays: Vec<Tensor>,
    },
    /// The end.
    Done {
        /// Tokens that were sent.
        total_tokens: i64,
    },
    /// The end, too early.
    Error {
        /// What kind of failure.
        code: i64,
        /// What failed.
        message: String,
    },
}

/// Where keys and values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the message, as exo has had it first.
    Within,
    /// Behind the message, which states their lengths, as exo has it since.
    Behind,
}

fn failed(why: io::Error) -> Error {
    Error::file(NAME, "stream", why)
}

fn dtype_of(name: &str) -> Result<DType> {
    let dtype = from_numpys(NAME, name)?;
    known(dtype)?;
    Ok(dtype)
}

fn known(dtype: DType) -> Result<()> {
    if matches!(dtype, DType::Bf16 | DType::F16 | DType::F32) {
        return Ok(());
    }
    Err(Error::dtype(NAME, "tensor", "bf16, f16 or f32, which the format has", dtype))
}

/// Writes the header.
///
/// # Errors
/// A dtype that the format lacks; a text of 4 GiB; those of the writer.
pub fn write_header(writer: &mut impl Write, header: &Header) -> Result<()> {
    known(header.dtype)?;
    let mut out = Writer::default();
    out.map(5).text("request_id").text(&header.request_id).text("model_id").text(&header.model_id);
    out.text("num_layers").int(header.num_layers).text("dtype").text(numpys(header.dtype));
    out.text("start_pos").int(header.start_pos);
    Encoded::new(vec![Payload::Packed(out.0)], Vec::new())?.write_to(writer)
}

/// A message on its way out, in pieces: tensors where they are, gathered where they have strides.
#[derive(Debug)]
pub struct Encoded(Vec<Payload>);

impl Encoded {
    /// A length and a message in parts, and what lies behind it.
    fn new(mut message: Vec<Payload>, behind: Vec<Payload>) -> Result<Self> {
        let bytes: usize = message.iter().map(|part| part.bytes().len()).sum();
        let length = u32::try_from(bytes);
        let length =
            length.map_err(|_| Error::range(NAME, "message", "below 4 GiB", format!("{bytes} bytes")))?;
        message.insert(0, Payload::Packed(length.to_be_bytes().into()));
        message.extend(behind);
        Ok(Self(message))
    }

    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|part| part.bytes().len()).sum()
    }

    /// The pieces, in order, for a vectored write: nothing is put together.
    pub fn slices(&self) -> Vec<IoSlice<'_>> {
        self.0.iter().map(|part| IoSlice::new(part.bytes())).collect()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_to(&self, writer: &mut impl Write) -> Result<()> {
        write_all(writer, &mut self.slices()).map_err(failed)
    }
}

impl Message {
    /// The message's bytes, in pieces.
    ///
    /// # Errors
    /// Keys and values that differ in shape or dtype, or are not `[tokens, heads, width]`; a dtype that the format lacks; 4 GiB or more.
    pub fn encode(&self, place: Place) -> Result<Encoded> {
        let mut out = Writer::default();
        match self {
            Message::KvChunk { layer_idx, keys, values } => {
                let &[tokens, heads, width] = keys.dims() else {
                    return Err(Error::shape(NAME, "keys", "[tokens, heads, width]", keys.shape()));
                };
                if values.dims() != keys.dims() {
                    return Err(Error::shape(NAME, "values", keys.shape(), values.shape()));
                }
                if values.dtype() != keys.dtype() {
                    return Err(Error::dtype(NAME, "values", keys.dtype(), values.dtype()));
                }
                known(keys.dtype())?;
                let dtype = numpys(keys.dtype());
                let (keys, values) = (row_major(keys, false)?.0, row_major(values, false)?.0);
                let [keys_len, values_len] = [&keys, &values].map(|part| part.bytes().len());
                out.map(8).text("type").text("kv_chunk").text("layer_idx").int(*layer_idx);
                for (name, size) in [("num_tokens", tokens), ("n_heads", heads), ("head_dim", width)] {
                    out.text(name).int(size as i64);
                }
                out.text("dtype").text(dtype);
                if place == Place::Behind {
                    out.text("keys_len").int(keys_len as i64).text("values_len").int(values_len as i64);
                    return Encoded::new(vec![Payload::Packed(out.0)], vec![keys, values]);
                }
                if u32::try_from(keys_len).is_err() {
                    return Err(Error::range(NAME, "keys", "below 4 GiB", format!("{keys_len} bytes")));
                }
                out.text("keys").bytes_follow(keys_len);
                let mut between = Writer::default();
                between.text("values").bytes_follow(values_len);
                let parts = vec![Payload::Packed(out.0), keys, Payload::Packed(between.0), values];
                Encoded::new(parts, Vec::new())
            }
            Message::ArraysState { layer_idx, arrays } => {
                out.map(3).text("type").text("arrays_state").text("layer_idx").int(*layer_idx).text("arrays");
                out.array(arrays.len());
                let mut parts = Vec::new();
                for array in arrays {
                    known(array.dtype())?;
                    let body = row_major(array, false)?.0;
                    out.map(3).text("dtype").text(numpys(array.dtype())).text("shape").array(array.rank());
                    for &dim in array.dims() {
                        out.int(dim as i64);
                    }
                    out.text("data").bytes_follow(body.bytes().len());
                    parts.extend([Payload::Packed(std::mem::take(&mut out.0)), body]);
                }
                parts.push(Payload::Packed(out.0));
                Encoded::new(parts, Vec::new())
            }
            Message::Done { total_tokens } => {
                out.map(2).text("type").text("done").text("total_tokens").int(*total_tokens);
                Encoded::new(vec![Payload::Packed(out.0)], Vec::new())
            }
            Message::Error { code, message } => {
                out.map(3).text("type").text("error").text("code").int(*code).text("message").text(message);
                Encoded::new(vec![Payload::Packed(out.0)], Vec::new())
            }
        }
    }
}

/// Writes a message.
///
/// # Errors
/// Those of [`Message::encode`], and those of the writer.
pub fn write_message(writer: &mut impl Write, message: &Message, place: Place) -> Result<()> {
    message.encode(place)?.write_to(writer)
}

/// A message's bytes; `None` where the stream ends before it.
fn receive(reader: &mut impl Read, limit: usize) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut begun = 0;
    while begun < 4 {
        match reader.read(&mut length[begun..]) {
            Ok(0) if begun == 0 => return Ok(None),
            Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => begun += read,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(failed(why)),
        }
    }
    let length = within(u64::from(u32::from_be_bytes(length)), limit)?;
    // Grown as bytes come: a length alone takes no memory.
    let mut bytes = Vec::new();
    reader.take(length as u64).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() < length {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Some(bytes))
}

fn within(length: u64, limit: usize) -> Result<usize> {
    let fits = usize::try_from(length).ok().filter(|&length| length <= limit);
    fits.ok_or_else(|| Error::range(NAME, "length", format!("at most {limit}"), length))
}

fn missing(field: &'static str, expected: &str, got: Option<&Value<'_>>) -> Error {
    // The kind alone: a stranger's contents are not worth printing.
    let got = match got {
        None => "nothing",
        Some(Value::Nil) => "nil",
        Some(Value::Bool(_)) => "a truth value",
        Some(Value::Int(_)) => "an integer",
        Some(Value::Large(_)) => "a large integer",
        Some(Value::Float(_)) => "a number",
        Some(Value::Text(_)) => "a text",
        Some(Value::Bytes(_)) => "bytes",
        Some(Value::Array(_)) => "an array",
        Some(Value::Map(_)) => "a map",
    };
    Error::range(NAME, field, expected.to_owned(), got)
}

fn int(map: &Value<'_>, field: &'static str) -> Result<i64> {
    match map.get(field) {
        Some(Value::Int(value)) => Ok(*value),
        other => Err(missing(field, "an integer", other)),
    }
}

fn text<'a>(map: &Value<'a>, field: &'static str) -> Result<&'a str> {
    match map.get(field) {
        Some(Value::Text(value)) => Ok(value),
        other => Err(missing(field, "a text", other)),
    }
}

fn bytes<'a>(map: &Value<'a>, field: &'static str) -> Result<&'a [u8]> {
    match map.get(field) {
        Some(Value::Bytes(value)) => Ok(value),
        other => Err(missing(field, "bytes", other)),
    }
}

/// Reads the header, of `limit` bytes at most. Fields that it lacks have exo's defaults.
///
/// # Errors
/// A stream that ends or fails; what is no header.
pub fn read_header(reader: &mut impl Read, limit: usize) -> Result<Header> {
    let frame = receive(reader, limit)?.ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
    let map = Value::parse(&frame)?;
    if !matches!(map, Value::Map(_)) {
        return Err(missing("header", "a map", Some(&map)));
    }
    let text = |field| if map.get(field).is_some() { text(&map, field) } else { Ok("") };
    let int = |field| if map.get(field).is_some() { int(&map, field) } else { Ok(0) };
    let dtype = if map.get("dtype").is_some() { dtype_of(text("dtype")?)? } else { DType::Bf16 };
    Ok(Header {
        request_id: text("request_id")?.to_owned(),
        model_id: text("model_id")?.to_owned(),
        num_layers: int("num_layers")?,
        dtype,
        start_pos: int("start_pos")?,
    })
}

/// Reads a message, of which no part may have more than `limit` bytes; `None` where the stream ends before it.
///
/// # Errors
/// A stream that ends within or fails; what is no message; tensors whose bytes are not what their shapes say.
pub fn read_message(reader: &mut impl Read, limit: usize) -> Result<Option<Message>> {
    let Some(frame) = receive(reader, limit)? else { return Ok(None) };
    let map = Value::parse(&frame)?;
    let message = match text(&map, "type")? {
        "kv_chunk" => {
            let dtype = dtype_of(text(&map, "dtype")?)?;
            let shape =
                shape_of(NAME, [int(&map, "num_tokens")?, int(&map, "n_heads")?, int(&map, "head_dim")?])?;
            let layer_idx = int(&map, "layer_idx")?;
            let (keys, values) = if map.get("keys_len").is_some() {
                // Both lengths before either tensor.
                let length = |field| {
                    let length = within(int(&map, field)?.try_into().unwrap_or(u64::MAX), limit)?;
                    agree(NAME, dtype, &shape, length).map(|()| length)
                };
                let (keys, values) = (length("keys_len")?, length("values_len")?);
                (behind(reader, dtype, shape, keys)?, behind(reader, dtype, shape, values)?)
            } else {
                (copied(dtype, shape, bytes(&map, "keys")?)?, copied(dtype, shape, bytes(&map, "values")?)?)
            };
            Message::KvChunk { layer_idx, keys, values }
        }
        "arrays_state" => {
            let arrays = match map.get("arrays") {
                None => &[][..],
                Some(Value::Array(arrays)) => arrays,
                other => return Err(missing("arrays", "an array", other)),
            };
            let one = |map: &Value<'_>| {
                let dims = match map.get("shape") {
                    Some(Value::Array(dims)) => dims,
                    other => return Err(missing("shape", "an array", other)),
                };
                let dim = |value: &Value<'_>| match value {
                    Value::Int(dim) => Ok(*dim),
                    other => Err(missing("shape", "integers", Some(other))),
                };
                let shape = shape_of(NAME, dims.iter().map(dim).collect::<Result<Vec<_>>>()?)?;
                copied(dtype_of(text(map, "dtype")?)?, shape, bytes(map, "data")?)
            };
            Message::ArraysState {
                layer_idx: int(&map, "layer_idx")?,
                arrays: arrays.iter().map(one).collect::<Result<_>>()?,
            }
        }
        "done" => Message::Done { total_tokens: int(&map, "total_tokens")? },
        "error" => Message::Error { code: int(&map, "code")?, message: text(&map, "message")?.to_owned() },
        other => {
            let other: String = other.chars().take(32).collect();
            return Err(Error::range(
                NAME,
                "type",
                "kv_chunk, arrays_state, done or error",
                format!("{other:?}"),
            ));
        }
    };
    Ok(Some(message))
}

fn copied(dtype: DType, shape: Shape, bytes: &[u8]) -> Result<Tensor> {
    agree(NAME, dtype, &shape, bytes.len())?;
    tensor_of(NAME, dtype, shape, AlignedBytes::copy_of(bytes)?)
}

fn behind(reader: &mut impl Read, dtype: DType, shape: Shape, length: usize) -> Result<Tensor> {
    let mut bytes = AlignedBytes::fresh(length)?;
    reader.read_exact(bytes.as_mut()).map_err(failed)?;
    tensor_of(NAME, dtype, shape, bytes)
}

//! The messages of the exo-mlx fork: `EXO\x01`, a type, a big-endian u32 length, and JSON as Python writes it, with a tensor's bytes behind.
//!
//! Its dtypes are MLX's, `mlx.core.bfloat16`; they are read with and without that prefix. A tensor's metadata is read at both places where the
//! fork's own two ends expect it.

use std::io::{self, IoSlice, Read, Write};

use serde::ser::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tilewright_core::{AlignedBytes, Error, Result, Tensor};

use super::{agree, from_numpys, numpys, shape_of, tensor_of};
use crate::frame::{row_major, write_all};

const NAME: &str = "exo_socket";
const MAGIC: [u8; 4] = *b"EXO\x01";
const PREFIX: &str = "mlx.core.";

/// Blocks of a model, the last one included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The model.
    pub model_id: String,
    /// The first block.
    pub start_layer: i64,
    /// The last block.
    pub end_layer: i64,
    /// Blocks of the whole model.
    pub n_layers: i64,
}

/// A message.
#[derive(Debug, Clone)]
pub enum Message {
    /// 0x01.
    HealthCheckRequest,
    /// 0x02.
    HealthCheckResponse {
        /// Whether the node is well.
        is_healthy: bool,
    },
    /// 0x10: a text for the first blocks.
    PromptRequest {
        /// The blocks.
        shard: Shard,
        /// The text.
        prompt: String,
        /// Tells requests apart.
        request_id: Option<String>,
        /// What came before.
        inference_state: Option<Value>,
    },
    /// 0x11: what became of it.
    PromptResponse(Option<Tensor>),
    /// 0x12.
    TensorRequest {
        /// The blocks.
        shard: Shard,
        /// The tensor.
        tensor: Tensor,
        /// Tells requests apart.
        request_id: Option<String>,
        /// What came before.
        inference_state: Option<Value>,
    },
    /// 0x13: what became of it.
    TensorResponse(Option<Tensor>),
    /// 0x20: tokens that a request has become.
    Result {
        /// The request.
        request_id: String,
        /// The tokens.
        result: Vec<i64>,
        /// Whether that is all.
        is_finished: bool,
        /// A tensor beside.
        tensor: Option<Tensor>,
    },
    /// 0x30: who is there?
    TopologyRequest {
        /// Nodes that were asked already.
        visited: Vec<String>,
        /// How many steps the question may go on.
        max_depth: i64,
    },
    /// 0x31.
    TopologyResponse {
        /// What each node is.
        nodes: Value,
        /// Whom each reaches.
        peer_graph: Value,
    },
    /// 0x40: news of a request.
    OpaqueStatus {
        /// The request.
        request_id: String,
        /// The news.
        status: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Healthy {
    is_healthy: bool,
}

#[derive(Serialize, Deserialize)]
struct Prompt {
    shard: Shard,
    prompt: String,
    request_id: Option<String>,
    inference_state: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct Meta {
    shape: Vec<i64>,
    dtype: String,
}

#[derive(Serialize, Deserialize)]
struct Sent {
    shard: Shard,
    tensor: Meta,
    request_id: Option<String>,
    inference_state: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Nested { tensor: Meta },
    Plain(Meta),
}

#[derive(Serialize, Deserialize)]
struct Became {
    request_id: String,
    result: Vec<i64>,
    is_finished: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tensor: Option<Meta>,
}

#[derive(Serialize, Deserialize)]
struct Asked {
    visited: Vec<String>,
    max_depth: i64,
}

#[derive(Serialize, Deserialize)]
struct Known {
    nodes: Value,
    peer_graph: Value,
}

#[derive(Serialize, Deserialize)]
struct Status {
    request_id: String,
    status: String,
}

/// JSON as Python's `json.dumps` writes it: spaces after commas and colons, and nothing but ASCII.
struct Python;

impl serde_json::ser::Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for letter in fragment.chars() {
            if (' '..='~').contains(&letter) {
                writer.write_all(&[letter as u8])?;
            } else {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Python);
    value.serialize(&mut serializer).map_err(bad)?;
    Ok(text)
}

fn bad(why: serde_json::Error) -> Error {
    Error::range(NAME, "message", "JSON of its type", why)
}

fn failed(why: io::Error) -> Error {
    Error::file(NAME, "stream", why)
}

fn meta(tensor: &Tensor) -> Meta {
    let shape = tensor.dims().iter().map(|&dim| dim as i64).collect();
    Meta { shape, dtype: format!("{PREFIX}{}", numpys(tensor.dtype())) }
}

fn tensor(meta: &Meta, bytes: &[u8]) -> Result<Tensor> {
    // MLX has a bool_ where NumPy has a bool.
    let dtype =
        from_numpys(NAME, meta.dtype.strip_prefix(PREFIX).unwrap_or(&meta.dtype).trim_end_matches('_'))?;
    let shape = shape_of(NAME, meta.shape.iter().copied())?;
    agree(NAME, dtype, &shape, bytes.len())?;
    tensor_of(NAME, dtype, shape, AlignedBytes::copy_of(bytes)?)
}

/// Writes a message; a tensor from where it is.
///
/// # Errors
/// A message of 4 GiB or more; those of the writer.
pub fn write(writer: &mut impl Write, message: &Message) -> Result<()> {
    let empty = || Ok((0u32.to_be_bytes().to_vec(), None));
    let with = |text: Vec<u8>, tensor: &Tensor| {
        let mut head = (text.len() as u32).to_be_bytes().to_vec();
        head.extend(text);
        Ok::<_, Error>((head, Some(row_major(tensor, false)?.0)))
    };
    let (kind, (head, body)) = match message {
        Message::HealthCheckRequest => (0x01, (Vec::new(), None)),
        Message::HealthCheckResponse { is_healthy } => {
            (0x02, (json(&Healthy { is_healthy: *is_healthy })?, None))
        }
        Message::PromptRequest { shard, prompt, request_id, inference_state } => {
            let (shard, prompt) = (shard.clone(), prompt.clone());
            let (request_id, inference_state) = (request_id.clone(), inference_state.clone());
            (0x10, (json(&Prompt { shard, prompt, request_id, inference_state })?, None))
        }
        Message::PromptResponse(None) => (0x11, empty()?),
        Message::PromptResponse(Some(tensor)) => (0x11, with(json(&meta(tensor))?, tensor)?),
        Message::TensorRequest { shard, tensor, request_id, inference_state } => {
            let (shard, meta) = (shard.clone(), meta(tensor));
            let (request_id, inference_state) = (request_id.clone(), inference_state.clone());
            (0x12, with(json(&Sent { shard, tensor: meta, request_id, inference_state })?, tensor)?)
        }
        Message::TensorResponse(None) => (0x13, empty()?),
        Message::TensorResponse(Some(tensor)) => (0x13, with(json(&meta(tensor))?, tensor)?),
        Message::Result { request_id, result, is_finished, tensor } => {
            let (request_id, result) = (request_id.clone(), result.clone());
            let text = json(&Became {
                request_id,
                result,
                is_finished: *is_finished,
                tensor: tensor.as_ref().map(meta),
            })?;
            let parts = tensor.as_ref().map(|tensor| with(text.clone(), tensor)).transpose()?;
            (0x20, parts.unwrap_or((text, None)))
        }
        Message::TopologyRequest { visited, max_depth } => {
            (0x30, (json(&Asked { visited: visited.clone(), max_depth: *max_depth })?, None))
        }
        Message::TopologyResponse { nodes, peer_graph } => {
            (0x31, (json(&Known { nodes: nodes.clone(), peer_graph: peer_graph.clone() })?, None))
        }
        Message::OpaqueStatus { request_id, status } => {
            (0x40, (json(&Status { request_id: request_id.clone(), status: status.clone() })?, None))
        }
    };
    let body = body.as_ref().map_or(&[][..], |body| body.bytes());
    let bytes = head.len() + body.len();
    let length = u32::try_from(bytes);
    let length =
        length.map_err(|_| Error::range(NAME, "message", "below 4 GiB", format!("{bytes} bytes")))?;
    let begin = [&MAGIC[..], &[kind], &length.to_be_bytes()].concat();
    write_all(writer, &mut [&begin[..], &head, body].map(IoSlice::new)).map_err(failed)
}

/// Reads a message of `limit` bytes at most; `None` where the stream ends before it.
///
/// # Errors
/// A stream that ends within or fails; a type that is not known, or whose payload is undefined (0x14 and 0x15); what is not JSON of its type;
/// a tensor whose bytes are not what its shape says.
pub fn read(reader: &mut impl Read, limit: usize) -> Result<Option<Message>> {
    let mut begin = [0; 9];
    let mut begun = 0;
    while begun < begin.len() {
        match reader.read(&mut begin[begun..]) {
            Ok(0) if begun == 0 => return Ok(None),
            Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => begun += read,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(failed(why)),
        }
    }
    if begin[..4] != MAGIC {
        return Err(Error::range(NAME, "magic", format!("{MAGIC:02x?}"), format!("{:02x?}", &begin[..4])));
    }
    let length = u32::from_be_bytes([begin[5], begin[6], begin[7], begin[8]]) as usize;
    if length > limit {
        return Err(Error::range(NAME, "length", format!("at most {limit}"), length));
    }
    // Grown as bytes come: a length alone takes no memory.
    let mut payload = Vec::new();
    reader.take(length as u64).read_to_end(&mut payload).map_err(failed)?;
    if payload.len() < length {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    parse(begin[4], &payload).map(Some)
}

/// The length-prefixed JSON of a payload, and what lies behind it.
fn split(payload: &[u8]) -> Result<(&[u8], &[u8])> {
    let cut = payload.split_first_chunk::<4>();
    let cut = cut.and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length) as usize));
    cut.ok_or_else(|| bad(serde_json::Error::custom("a length beyond the message")))
}

fn answer(payload: &[u8]) -> Result<Option<Tensor>> {
    let (text, bytes) = split(payload)?;
    if text.is_empty() {
        return Ok(None);
    }
    let (Answer::Nested { tensor: meta } | Answer::Plain(meta)) =
        serde_json::from_slice(text).map_err(bad)?;
    tensor(&meta, bytes).map(Some)
}

fn parse(kind: u8, payload: &[u8]) -> Result<Message> {
    fn of<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T> {
        serde_json::from_slice(text).map_err(bad)
    }
    Ok(match kind {
        0x01 => Message::HealthCheckRequest,
        0x02 => Message::HealthCheckResponse { is_healthy: of::<Healthy>(payload)?.is_healthy },
        0x10 => {
            let Prompt { shard, prompt, request_id, inference_state } = of(payload)?;
            Message::PromptRequest { shard, prompt, request_id, inference_state }
        }
        0x11 => Message::PromptResponse(answer(payload)?),
        0x12 => {
            let (text, bytes) = split(payload)?;
            let Sent { shard, tensor: meta, request_id, inference_state } = of(text)?;
            Message::TensorRequest { shard, tensor: tensor(&meta, bytes)?, request_id, inference_state }
        }
        0x13 => Message::TensorResponse(answer(payload)?),
        0x20 => {
            // A brace where the length would be says two billion bytes: no message has both.
            let (text, bytes) = if payload.starts_with(b"{") { (payload, &[][..]) } else { split(payload)? };
            let Became { request_id, result, is_finished, tensor: meta } = of(text)?;
            let tensor = meta.map(|meta| tensor(&meta, bytes)).transpose()?;
            Message::Result { request_id, result, is_finished, tensor }
        }
        0x30 => {
            let Asked { visited, max_depth } = of(payload)?;
            Message::TopologyRequest { visited, max_depth }
        }
        0x31 => {
            let Known { nodes, peer_graph } = of(payload)?;
            Message::TopologyResponse { nodes, peer_graph }
        }
        0x40 => {
            let Status { request_id, status } = of(payload)?;
            Message::OpaqueStatus { request_id, status }
        }
        other => {
            let expected = "one of 0x01, 0x02, 0x10 to 0x13, 0x20, 0x30, 0x31 and 0x40";
            return Err(Error::range(NAME, "type", expected, format!("{other:#04x}")));
        }
    })
}

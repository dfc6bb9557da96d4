//! Frames of tensors and exo's prefill stream, to and from file objects of Python. `tilewright.wire` and `tilewright.exo` have the functions that are their faces.

use std::io::{self, Read, Write};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tilewright_core::{Error, Result};
use tilewright_wire::exo::prefill::{self, Header, Message, Place};
use tilewright_wire::{Compression, Frame, Item, Limits};

use crate::errors::raise;
use crate::tensor::Tensor;
use crate::{array, dtype};

/// A file object. What it raises is kept, for the caller to see it as it is.
struct File<'a> {
    object: &'a Py<PyAny>,
    raised: Option<PyErr>,
}

impl File<'_> {
    fn keep<T>(&mut self, result: PyResult<T>) -> io::Result<T> {
        result.map_err(|error| {
            let told = io::Error::other(error.to_string());
            self.raised = Some(error);
            told
        })
    }
}

impl Write for File<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = Python::attach(|py| {
            // A copy: a file object may keep what it was given.
            let said = self.object.call_method1(py, intern!(py, "write"), (PyBytes::new(py, bytes),))?;
            Ok(said.extract::<Option<usize>>(py)?.unwrap_or(bytes.len()).min(bytes.len()))
        });
        self.keep(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = Python::attach(|py| self.object.call_method0(py, intern!(py, "flush")).map(drop));
        self.keep(flushed)
    }
}

impl Read for File<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = Python::attach(|py| {
            let said = self.object.call_method1(py, intern!(py, "read"), (buffer.len(),))?;
            let bytes = said.bind(py).cast::<PyBytes>()?.as_bytes();
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            Ok(count)
        });
        self.keep(read)
    }
}

/// Runs `work` on the file object, without the interpreter's lock but where it reads or writes.
fn with<T: Send>(
    stream: &Bound<'_, PyAny>,
    work: impl FnOnce(&mut File<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    let object = stream.clone().unbind();
    stream.py().detach(|| {
        let mut file = File { object: &object, raised: None };
        let result = work(&mut file);
        match file.raised {
            Some(error) => Err(error),
            None => result.map_err(raise),
        }
    })
}

fn send(stream: &Bound<'_, PyAny>, message: &Message, place: Place) -> PyResult<()> {
    with(stream, |file| prefill::write_message(file, message, place))?;
    stream.call_method0(intern!(stream.py(), "flush")).map(drop)
}

#[pyfunction]
pub(crate) fn prefill_write_header(
    stream: &Bound<'_, PyAny>,
    request_id: String,
    model_id: String,
    num_layers: i64,
    dtype: &Bound<'_, PyAny>,
    start_pos: i64,
) -> PyResult<()> {
    let header = Header { request_id, model_id, num_layers, dtype: dtype::of_object(dtype)?, start_pos };
    with(stream, |file| prefill::write_header(file, &header))?;
    stream.call_method0(intern!(stream.py(), "flush")).map(drop)
}

/// Keys and values `[tokens, heads, width]` of any strides; `behind` the message, as newer streams have them, or in it.
#[pyfunction]
pub(crate) fn prefill_write_kv(
    stream: &Bound<'_, PyAny>,
    layer_idx: i64,
    keys: &Bound<'_, PyAny>,
    values: &Bound<'_, PyAny>,
    behind: bool,
) -> PyResult<()> {
    let (keys, values) = (array::tensor(keys)?, array::tensor(values)?);
    let place = if behind { Place::Behind } else { Place::Within };
    send(stream, &Message::KvChunk { layer_idx, keys, values }, place)
}

#[pyfunction]
pub(crate) fn prefill_write_arrays(
    stream: &Bound<'_, PyAny>,
    layer_idx: i64,
    arrays: Vec<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let arrays = arrays.iter().map(array::tensor).collect::<PyResult<_>>()?;
    send(stream, &Message::ArraysState { layer_idx, arrays }, Place::Within)
}

#[pyfunction]
pub(crate) fn prefill_write_done(stream: &Bound<'_, PyAny>, total_tokens: i64) -> PyResult<()> {
    send(stream, &Message::Done { total_tokens }, Place::Within)
}

#[pyfunction]
pub(crate) fn prefill_write_error(stream: &Bound<'_, PyAny>, code: i64, message: String) -> PyResult<()> {
    send(stream, &Message::Error { code, message }, Place::Within)
}

/// Request, model, number of layers, dtype and first position.
type Said = (String, String, i64, &'static str, i64);

#[pyfunction]
pub(crate) fn prefill_read_header(stream: &Bound<'_, PyAny>, limit: usize) -> PyResult<Said> {
    let header = with(stream, |file| prefill::read_header(file, limit))?;
    Ok((header.request_id, header.model_id, header.num_layers, header.dtype.name(), header.start_pos))
}

/// What a message is, its number (layer, tokens, code), its tensors, its text.
type Received = (&'static str, i64, Vec<Tensor>, String);

#[pyfunction]
pub(crate) fn prefill_read_message(stream: &Bound<'_, PyAny>, limit: usize) -> PyResult<Option<Received>> {
    let message = with(stream, |file| prefill::read_message(file, limit))?;
    Ok(message.map(|message| match message {
        Message::KvChunk { layer_idx, keys, values } => {
            ("kv_chunk", layer_idx, vec![Tensor::new(keys), Tensor::new(values)], String::new())
        }
        Message::ArraysState { layer_idx, arrays } => {
            ("arrays_state", layer_idx, arrays.into_iter().map(Tensor::new).collect(), String::new())
        }
        Message::Done { total_tokens } => ("done", total_tokens, Vec::new(), String::new()),
        Message::Error { code, message } => ("error", code, Vec::new(), message),
    }))
}

/// A frame that was read: named tensors, views of its memory, and what was said about them.
#[pyclass(frozen, name = "Frame", module = "tilewright.wire")]
pub(crate) struct FrameRead(Frame);

#[pymethods]
impl FrameRead {
    /// The metadata.
    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.meta())
    }

    /// The tensors' names, in order; several may have none.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.0.entries().iter().map(|entry| entry.name()).collect()
    }

    /// The tensor of this name: a view, or a copy of one that is compressed. Its checksum is looked at here.
    fn tensor(&self, py: Python<'_>, name: &str) -> PyResult<Tensor> {
        py.detach(|| self.0.tensor(name)).map(Tensor::new).map_err(raise)
    }

    /// The tensor at this place.
    fn tensor_at(&self, py: Python<'_>, index: usize) -> PyResult<Tensor> {
        py.detach(|| self.0.tensor_at(index)).map(Tensor::new).map_err(raise)
    }

    fn __len__(&self) -> usize {
        self.0.entries().len()
    }

    fn __repr__(&self) -> String {
        format!("<Frame of {} tensors>", self.__len__())
    }
}

/// Writes a frame; gives its bytes.
#[pyfunction]
pub(crate) fn frame_write(
    stream: &Bound<'_, PyAny>,
    tensors: Vec<(String, Bound<'_, PyAny>)>,
    meta: &[u8],
    compress: bool,
) -> PyResult<usize> {
    let named = |(name, tensor): (String, Bound<'_, PyAny>)| Ok((name, array::tensor(&tensor)?));
    let tensors = tensors.into_iter().map(named).collect::<PyResult<Vec<_>>>()?;
    let compression = if compress { Compression::Lz4 } else { Compression::None };
    let bytes = with(stream, |file| {
        let items = tensors.iter().map(|(name, tensor)| Item { compression, ..Item::new(name, tensor) });
        let items: Vec<Item<'_>> = items.collect();
        let frame = Frame::encode(meta, &items)?;
        frame.write_to(file).map_err(|why| Error::file("frame", "stream", why))?;
        Ok(frame.bytes())
    })?;
    stream.call_method0(intern!(stream.py(), "flush"))?;
    Ok(bytes)
}

/// The next frame, or nothing where the file object has ended before it.
#[pyfunction]
pub(crate) fn frame_read(stream: &Bound<'_, PyAny>, limit: u64) -> PyResult<Option<FrameRead>> {
    let limits = Limits { frame_bytes: limit, tensor_bytes: limit, ..Limits::default() };
    Ok(with(stream, |file| Frame::read(file, &limits))?.map(FrameRead))
}

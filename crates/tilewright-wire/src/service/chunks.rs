//! Frames in pieces that every gRPC implementation takes: none needs a message above 1 MiB.

use std::io::Read;

use bytes::Bytes;
use tilewright_core::{AlignedBytes, Device, Error, Result, Tensor};

use crate::frame::{Frame, Item, Limits, PREAMBLE, Preamble};

/// A piece of a frame. gRPC's own limit is 4 MiB, and a piece has to be whole before it counts.
const PIECE: usize = 1 << 20;

/// A piece of a frame.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Chunk {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) data: Bytes,
}

/// The pieces of a frame with one tensor.
pub(crate) fn cut(name: &str, tensor: &Tensor) -> Result<Vec<Chunk>> {
    let frame = Frame::encode(b"", &[Item::new(name, tensor)])?;
    let mut reader = frame.reader();
    let mut chunks = Vec::with_capacity(frame.bytes().div_ceil(PIECE));
    let mut left = frame.bytes();
    while left > 0 {
        let mut piece = vec![0; PIECE.min(left)];
        reader.read_exact(&mut piece).map_err(|why| Error::file("frame", "memory", why))?;
        left -= piece.len();
        chunks.push(Chunk { data: piece.into() });
    }
    Ok(chunks)
}

/// What `work` makes of a tensor on the host: here where that is soon done, else by a thread that may take its time and wait for the device.
pub(crate) async fn aside<T: Send + 'static>(
    tensor: Tensor,
    work: impl FnOnce(&Tensor) -> Result<T> + Send + 'static,
) -> Result<T> {
    if tensor.device() == Device::Cpu && tensor.bytes() <= PIECE {
        return work(&tensor);
    }
    let done = tokio::task::spawn_blocking(move || work(&tensor.to_host()?)).await;
    done.unwrap_or_else(|_| Err(Error::file("frame", "thread", "it has panicked")))
}

/// Puts frames together again.
pub(crate) struct Assembler {
    limits: Limits,
    /// The beginning, until it says how long the frame is.
    preamble: Vec<u8>,
    frame: Option<(AlignedBytes, usize)>,
}

impl Assembler {
    /// For frames of `bytes` at most, decompressed too.
    pub(crate) fn new(bytes: usize) -> Self {
        let limits = Limits {
            frame_bytes: bytes as u64,
            header_bytes: 1 << 16,
            tensors: 16,
            tensor_bytes: bytes as u64,
        };
        Assembler { limits, preamble: Vec::new(), frame: None }
    }

    /// Whether no frame has begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.preamble.is_empty() && self.frame.is_none()
    }

    /// Takes a piece; gives the frame that it completes.
    pub(crate) fn push(&mut self, mut data: &[u8]) -> Result<Option<Frame>> {
        if self.frame.is_none() {
            let taken = data.len().min(PREAMBLE - self.preamble.len());
            self.preamble.extend(&data[..taken]);
            data = &data[taken..];
            if self.preamble.len() < PREAMBLE {
                return Ok(None);
            }
            let mut bytes = AlignedBytes::fresh(Preamble::parse(&self.preamble, &self.limits)?.frame_bytes)?;
            bytes.as_mut()[..PREAMBLE].copy_from_slice(&self.preamble);
            self.preamble.clear();
            self.frame = Some((bytes, PREAMBLE));
        }
        let Some((bytes, filled)) = &mut self.frame else { return Ok(None) };
        let Some(target) = bytes.as_mut().get_mut(*filled..*filled + data.len()) else {
            let expected = "at most the rest of its frame";
            return Err(Error::range("frame", "piece", expected, format!("{} bytes", data.len())));
        };
        target.copy_from_slice(data);
        *filled += data.len();
        if *filled < bytes.as_ref().len() {
            return Ok(None);
        }
        let (bytes, _) = self.frame.take().expect("just filled");
        Frame::from_memory(bytes, &self.limits).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_from_pieces_of_any_size() {
        let tensor = Tensor::from_vec((0..1_000_000).collect::<Vec<i32>>(), [1000, 1000]).unwrap();
        let chunks = cut("x", &tensor).unwrap();
        assert_eq!(chunks.len(), 4);
        let mut assembler = Assembler::new(8 << 20);
        for _ in 0..2 {
            let mut frame = None;
            for chunk in &chunks {
                assert!(frame.is_none());
                frame = assembler.push(&chunk.data).unwrap();
            }
            assert_eq!(frame.unwrap().tensor("x").unwrap().to_bytes().unwrap(), tensor.to_bytes().unwrap());
            assert!(assembler.is_empty());
        }
        let small = cut("x", &Tensor::scalar(1.0f32)).unwrap();
        let frames: Vec<_> =
            small[0].data.chunks(7).filter_map(|piece| assembler.push(piece).unwrap()).collect();
        assert_eq!(frames.len(), 1);
    }

    #[test]
    fn frames_that_are_too_large_or_run_over_are_refused_at_once() {
        let chunks = cut("x", &Tensor::from_vec(vec![0u8; 5000], [5000]).unwrap()).unwrap();
        let error = Assembler::new(4096).push(&chunks[0].data[..64]).unwrap_err().to_string();
        assert!(error.contains("expected at most 4096"), "{error}");
        let over = [&chunks[0].data[..], &[0]].concat();
        assert!(Assembler::new(1 << 20).push(&over).unwrap_err().to_string().contains("piece"));
        assert!(Assembler::new(1 << 20).push(&[7; 100]).unwrap_err().to_string().contains("magic"));
    }
}

//! CRC-32C, on all cores where there is enough to sum, and gathering with the sum in the same pass.

use std::io::{self, Read};
use std::sync::mpsc;

use rayon::prelude::*;
use tilewright_core::{AlignedBytes, MAX_RANK, Result, Tensor};

/// A part that a core sums: large enough that handing it over and combining cost nothing beside it.
const PART: usize = 1 << 20;
/// A part that is gathered and summed while it is in the nearest caches.
const HOT: usize = 64 << 10;
/// A part that is read before it is handed over to be summed: still in the shared cache then.
const PIECE: usize = 1 << 20;
/// The shortest run of elements, in bytes, that is worth a copy of its own.
const RUN: usize = 64;

pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    if bytes.len() < 2 * PART {
        return ::crc32c::crc32c(bytes);
    }
    // A part for each core, so that there are few to combine.
    let part = bytes.len().div_ceil(rayon::current_num_threads()).max(PART);
    let sums: Vec<u32> = bytes.par_chunks(part).map(::crc32c::crc32c).collect();
    combined(&sums, bytes.len(), part)
}

/// Fills `bytes` from a reader and sums them on another core meanwhile, piece by piece.
pub(super) fn read_summed(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<u32> {
    if bytes.len() < 2 * PART {
        reader.read_exact(bytes)?;
        return Ok(crc32c(bytes));
    }
    let (sender, pieces) = mpsc::channel::<&[u8]>();
    std::thread::scope(|scope| {
        let summed = scope.spawn(move || pieces.into_iter().fold(0, ::crc32c::crc32c_append));
        let mut left = bytes;
        while !left.is_empty() {
            let (piece, rest) = left.split_at_mut(PIECE.min(left.len()));
            reader.read_exact(piece)?;
            // It is there to be received until the last piece has been.
            let _ = sender.send(piece);
            left = rest;
        }
        drop(sender);
        Ok(summed.join().expect("summing does not panic"))
    })
}

fn combined(sums: &[u32], bytes: usize, part: usize) -> u32 {
    let lengths = (0..bytes).step_by(part).map(|start| part.min(bytes - start));
    sums.iter().zip(lengths).fold(0, |whole, (&sum, length)| ::crc32c::crc32c_combine(whole, sum, length))
}

/// Where the runs of a tensor begin, one after the other: counted as an odometer counts, since a division costs as much as a run's copy.
#[derive(Clone)]
struct Starts<'a> {
    dims: &'a [usize],
    /// In elements of `size` bytes.
    strides: &'a [usize],
    size: usize,
    at: [usize; MAX_RANK],
    start: usize,
}

impl Starts<'_> {
    /// From run `index` on.
    fn from(&self, mut index: usize) -> Self {
        let mut from = self.clone();
        for (axis, &dim) in self.dims.iter().enumerate().rev() {
            from.at[axis] = index % dim;
            from.start += index % dim * self.strides[axis] * self.size;
            index /= dim;
        }
        from
    }

    fn step(&mut self) {
        for (axis, &dim) in self.dims.iter().enumerate().rev() {
            let stride = self.strides[axis] * self.size;
            self.at[axis] += 1;
            self.start += stride;
            if self.at[axis] < dim {
                return;
            }
            self.at[axis] = 0;
            self.start -= dim * stride;
        }
    }
}

/// The elements of a host tensor row-major in memory of their own, and their sum. `None` of a tensor elsewhere, and of one whose elements lie
/// too scattered for this way. The sum is 0 where it is not asked for.
pub(super) fn gather(tensor: &Tensor, summed: bool) -> Result<Option<(AlignedBytes, u32)>> {
    let (dims, strides, size) = (tensor.dims(), tensor.strides(), tensor.dtype().size());
    // The axes that lie as they should make up a run.
    let (mut axis, mut run) = (dims.len(), 1);
    while axis > 0 && (strides[axis - 1] == run || dims[axis - 1] == 1) {
        axis -= 1;
        run *= dims[axis];
    }
    let (outer, outer_strides, run) = (&dims[..axis], &strides[..axis], run * size);
    let source = tensor.buffer().host().filter(|_| run >= RUN && !tensor.is_empty());
    let Some(source) = source else { return Ok(None) };
    let first = tensor.layout().offset() * size;
    let mut bytes = AlignedBytes::fresh(tensor.bytes())?;
    let starts = Starts { dims: outer, strides: outer_strides, size, at: [0; MAX_RANK], start: first };
    let runs_of = |bytes: usize| (bytes / run).max(1);
    let part = run * runs_of(tensor.bytes().div_ceil(rayon::current_num_threads()).max(PART));
    let fill = |(index, target): (usize, &mut [u8])| {
        let (mut starts, mut sum) = (starts.from(index * (part / run)), 0);
        for hot in target.chunks_mut(run * runs_of(HOT)) {
            for target in hot.chunks_exact_mut(run) {
                target.copy_from_slice(&source[starts.start..starts.start + run]);
                starts.step();
            }
            if summed {
                sum = ::crc32c::crc32c_append(sum, hot);
            }
        }
        sum
    };
    let sums: Vec<u32> = bytes.as_mut().par_chunks_mut(part).enumerate().map(fill).collect();
    let sum = combined(&sums, tensor.bytes(), part);
    Ok(Some((bytes, sum)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_castagnolis_whatever_the_parts() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        let bytes: Vec<u8> = (0..5 * PART + 77).map(|i| ((i * i) >> 7) as u8).collect();
        assert_eq!(crc32c(&bytes), ::crc32c::crc32c(&bytes));
        let parts: Vec<u32> = bytes.chunks(PART).map(::crc32c::crc32c).collect();
        assert_eq!(combined(&parts, bytes.len(), PART), ::crc32c::crc32c(&bytes));
        assert_eq!(crc32c(&[]), 0);
    }

    #[test]
    fn what_is_read_is_summed() {
        let bytes: Vec<u8> = (0..3 * PART + 77).map(|i| ((i * i) >> 5) as u8).collect();
        for length in [0, 77, bytes.len()] {
            let mut read = vec![0; length];
            assert_eq!(read_summed(&mut &bytes[..], &mut read).unwrap(), ::crc32c::crc32c(&bytes[..length]));
            assert_eq!(read, bytes[..length]);
        }
        assert!(read_summed(&mut &bytes[..], &mut vec![0; bytes.len() + 1]).is_err());
    }

    #[test]
    fn what_is_gathered_is_row_major_and_summed() {
        let tensor =
            Tensor::from_vec((0..2 * 300 * 3 * 640).collect::<Vec<i32>>(), [2, 300, 3, 640]).unwrap();
        for view in [
            tensor.permute(&[2, 1, 0, 3]).unwrap(),
            tensor.slice(1, 3..290).unwrap(),
            tensor.slice(3, 5..70).unwrap(),
            tensor.slice(0, 1..2).unwrap().permute(&[0, 2, 1, 3]).unwrap(),
            tensor.select(0, 1).unwrap().select(0, 2).unwrap().broadcast_to([4, 3, 640]).unwrap(),
        ] {
            let (bytes, sum) = gather(&view, true).unwrap().unwrap();
            assert!(bytes.as_ref() == view.to_bytes().unwrap(), "{view:?}");
            assert_eq!(sum, ::crc32c::crc32c(bytes.as_ref()));
        }
        for scattered in [tensor.permute(&[3, 1, 0, 2]).unwrap(), tensor.slice(3, 5..7).unwrap()] {
            assert!(gather(&scattered, true).unwrap().is_none());
        }
    }
}

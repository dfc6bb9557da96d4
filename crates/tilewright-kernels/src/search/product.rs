//! What the kernels of product quantisation share: the shape of codebooks.

use tilewright_core::{DType, Error, Result, Stream, Tensor};

use crate::arguments::check_tensor;

/// `m` parts of a vector, each of `part` elements, with a codeword of `words` for each.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub(super) m: usize,
    /// 256 or 16.
    pub(super) words: usize,
    pub(super) part: usize,
}

impl Product {
    /// That of codebooks `[m, words, part]`, checked.
    pub(super) fn of(operation: &'static str, stream: &Stream, codebooks: &Tensor) -> Result<Self> {
        check_tensor(operation, "codebooks", stream, codebooks, &[DType::F32])?;
        match *codebooks.dims() {
            [m, words @ (16 | 256), part] if m > 0 && part > 0 => Ok(Self { m, words, part }),
            _ => Err(Error::shape(
                operation,
                "codebooks",
                "[m, 256 or 16, part] with m, part >= 1",
                codebooks.shape(),
            )),
        }
    }

    /// The length of vectors.
    pub(super) fn d(self) -> usize {
        self.m * self.part
    }

    /// The bytes of a code.
    pub(super) fn bytes(self) -> usize {
        bytes(self.m, self.words)
    }
}

/// The bytes of a code of `m` parts: one for each of 256 words, one for two of 16.
pub(super) fn bytes(m: usize, words: usize) -> usize {
    if words == 16 { m.div_ceil(2) } else { m }
}

/// The word of part `j`, where `byte(i)` is byte `i` of a code: of two in a byte the first is in the low bits.
#[inline(always)]
pub(super) fn word(words: usize, j: usize, byte: impl Fn(usize) -> u8) -> usize {
    usize::from(if words == 16 { byte(j / 2) >> (j % 2 * 4) & 15 } else { byte(j) })
}

/// Rows `[n, d]` of f32, d as the codebooks have it.
pub(super) fn check_rows(
    operation: &'static str,
    argument: &'static str,
    stream: &Stream,
    rows: &Tensor,
    d: usize,
) -> Result<usize> {
    check_tensor(operation, argument, stream, rows, &[DType::F32])?;
    match *rows.dims() {
        [n, of_rows] if of_rows == d && n < u32::MAX as usize => Ok(n),
        _ => {
            let expected = format!("[rows, {d}] with fewer than 2^32 - 1 rows");
            Err(Error::shape(operation, argument, expected, rows.shape()))
        }
    }
}

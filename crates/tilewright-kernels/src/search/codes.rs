//! Where codes lie: row by row as they are made, in blocks as they are scanned.

use rayon::prelude::*;
use tilewright_core::{DType, Error, Result, Tensor};

use crate::parallel::Each;

/// Rows whose codes lie side by side in a block.
pub const BLOCK: usize = 64;

/// Blocks that a thread takes at a time, at least.
const MANY: usize = 256;

/// Codes `[n, bytes]` in blocks `[ceil(n / 64), bytes, 64]`: byte `j` of row `i` becomes element `(i / 64, j, i % 64)`, so that one load brings the same
/// byte of 64 rows. Zeros fill the last block. On the host; fails on what is no matrix of u8.
pub fn block_codes(codes: &Tensor) -> Result<Tensor> {
    let &[n, bytes] = codes.dims() else {
        return Err(Error::shape("block_codes", "codes", "[n, bytes]", codes.shape()));
    };
    let host = codes.to_host()?;
    if host.dtype() != DType::U8 {
        return Err(Error::dtype("block_codes", "codes", "u8", codes.dtype()));
    }
    let (from, blocks) = (host.as_slice::<u8>()?, n.div_ceil(BLOCK));
    let mut to = vec![0; blocks * bytes * BLOCK];
    let whole = (bytes * BLOCK).max(1);
    to.par_chunks_mut(whole).zip(from.par_chunks(whole)).with_min_len(MANY).each(&|(block, rows)| {
        for (row, code) in rows.chunks_exact(bytes).enumerate() {
            code.iter().enumerate().for_each(|(j, &byte)| block[j * BLOCK + row] = byte);
        }
    });
    Tensor::from_vec(to, [blocks, bytes, BLOCK])
}

/// The first `n` codes `[n, bytes]` of blocks `[blocks, bytes, 64]`: what [`block_codes`] was given. On the host; fails where there are fewer.
pub fn row_codes(blocks: &Tensor, n: usize) -> Result<Tensor> {
    let &[count, bytes, BLOCK] = blocks.dims() else {
        return Err(Error::shape("row_codes", "blocks", format!("[blocks, bytes, {BLOCK}]"), blocks.shape()));
    };
    if n > count * BLOCK {
        return Err(Error::range("row_codes", "n", format!("at most {}", count * BLOCK), n));
    }
    let host = blocks.to_host()?;
    if host.dtype() != DType::U8 {
        return Err(Error::dtype("row_codes", "blocks", "u8", blocks.dtype()));
    }
    let from = host.as_slice::<u8>()?;
    let mut to = vec![0; n * bytes];
    let whole = (bytes * BLOCK).max(1);
    to.par_chunks_mut(whole).zip(from.par_chunks(whole)).with_min_len(MANY).each(&|(rows, block)| {
        for (row, code) in rows.chunks_exact_mut(bytes).enumerate() {
            code.iter_mut().enumerate().for_each(|(j, byte)| *byte = block[j * BLOCK + row]);
        }
    });
    Tensor::from_vec(to, [n, bytes])
}

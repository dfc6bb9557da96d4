//! LZ4 in blocks, so that cores share the work and a block that does not shrink is kept as it is.
//!
//! A compressed payload is the stored length of each block (u32), then the blocks. A block is 1 MiB of the tensor, the last one what is left;
//! one whose stored length is its own is not compressed.

use rayon::prelude::*;
use tilewright_core::{Error, Result};

const BLOCK: usize = 1 << 20;
/// LZ4 spends a byte on 255 at most.
const RATIO: usize = 255;

/// The compressed payload, where it is smaller by a sixteenth at least: less would not pay for the copy that readers have to make.
pub(super) fn pack(raw: &[u8]) -> Option<Vec<u8>> {
    let blocks: Vec<Vec<u8>> = raw.par_chunks(BLOCK).map(lz4_flex::block::compress).collect();
    let chosen = || {
        let raw = raw.chunks(BLOCK);
        raw.zip(&blocks).map(|(raw, packed)| if packed.len() < raw.len() { packed } else { raw })
    };
    let bytes = 4 * blocks.len() + chosen().map(<[u8]>::len).sum::<usize>();
    if bytes > raw.len() - raw.len() / 16 || raw.is_empty() {
        return None;
    }
    let mut payload = Vec::with_capacity(bytes);
    chosen().for_each(|block| payload.extend((block.len() as u32).to_le_bytes()));
    chosen().for_each(|block| payload.extend(block));
    Some(payload)
}

/// Refuses a payload that cannot be as long as `raw` bytes, before there is memory for them.
pub(super) fn plausible(stored: u64, raw: u64) -> bool {
    raw.div_ceil(BLOCK as u64) * 4 <= stored && raw.div_ceil(RATIO as u64) <= stored
}

/// Fills `raw`.
pub(super) fn unpack(stored: &[u8], raw: &mut [u8]) -> Result<()> {
    let wrong = |what: &str, got: String| {
        Err(Error::range("decode_frame", what.to_owned(), "that of LZ4 blocks", got))
    };
    let count = raw.len().div_ceil(BLOCK);
    let Some((lengths, mut rest)) = stored.split_at_checked(4 * count) else {
        return wrong("compressed payload", format!("{} bytes", stored.len()));
    };
    let mut blocks = Vec::with_capacity(count);
    for length in lengths.chunks_exact(4) {
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let Some((block, after)) = rest.split_at_checked(length) else {
            return wrong("length of a block", format!("{length} of {} bytes left", rest.len()));
        };
        blocks.push(block);
        rest = after;
    }
    if !rest.is_empty() {
        return wrong("compressed payload", format!("{} bytes longer", rest.len()));
    }
    raw.par_chunks_mut(BLOCK).zip(blocks).try_for_each(|(raw, block)| {
        if block.len() == raw.len() {
            raw.copy_from_slice(block);
            return Ok(());
        }
        match lz4_flex::block::decompress_into(block, raw) {
            Ok(written) if written == raw.len() => Ok(()),
            Ok(written) => wrong("block", format!("{written} bytes of {}", raw.len())),
            Err(why) => wrong("block", why.to_string()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_round_trip_and_those_that_do_not_shrink_stay() {
        let mut raw: Vec<u8> = vec![7; 3 * BLOCK + 11];
        let mut random = 1u32;
        for byte in &mut raw[BLOCK..2 * BLOCK] {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (random >> 24) as u8;
        }
        let packed = pack(&raw).unwrap();
        assert!(packed.len() < BLOCK + BLOCK / 16, "{}", packed.len());
        assert!(plausible(packed.len() as u64, raw.len() as u64));
        let mut back = vec![0; raw.len()];
        unpack(&packed, &mut back).unwrap();
        assert!(back == raw);
        assert!(pack(&raw[BLOCK..2 * BLOCK]).is_none() && pack(&[]).is_none());
        for cut in [0, 3, 16, 100, packed.len() - 1] {
            assert!(unpack(&packed[..cut], &mut back).is_err(), "{cut}");
        }
        assert!(unpack(&[&packed[..], &[0]].concat(), &mut back).is_err());
    }
}

//! What strangers send: each lie of a table is refused with its reason, and no mutant of good bytes panics, hangs or passes as good.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_wire::{Frame, Limits};

use crate::frames::{decode, fixture};

/// States the checksum that the header has after a change: a liar's arithmetic is right.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let Some(mut header) = bytes.get(..length).filter(|header| header.len() >= 32).map(<[u8]>::to_vec) else {
        return bytes;
    };
    header[12..16].fill(0);
    bytes[12..16].copy_from_slice(&crc32c::crc32c(&header).to_le_bytes());
    bytes
}

/// Where the entry of the tensor of this name begins.
fn entry(bytes: &[u8], name: &str, rank: usize) -> usize {
    let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
    at - 32 - 8 * rank
}

#[test]
fn lies_are_refused_with_their_reason() {
    let good = fixture("frame.bin");
    let (first, scalar, empty) =
        (entry(&good, "float64", 2), entry(&good, "scalar", 0), entry(&good, "empty", 3));
    let u64s = |value: u64| value.to_le_bytes().to_vec();
    // Where, what, and a part of the reason.
    let lies: Vec<(usize, Vec<u8>, &str)> = vec![
        (0, vec![0x88], "magic"),
        (8, vec![0, 0, 0, 0], "header length is 0"),
        (8, vec![63, 0, 0, 0], "header length is 63"),
        (8, vec![0xc0, 0xff, 0xff, 0xff], "header length is 4294967232, expected at most 16777216"),
        (8, vec![0, 0x10, 0, 0], "header length is 4096, expected at most 2432"),
        (8, vec![64, 0, 0, 0], "left in the header"),
        (16, u64s(0), "frame length is 0"),
        (16, u64s(u64::MAX), "frame length is 18446744073709551615"),
        (16, u64s(1 << 40), "frame length is 1099511627776, expected at most"),
        (16, u64s(64), "header length is"),
        (16, u64s(2432 + 64), "frame is 2432 bytes, expected 2496"),
        (24, vec![0xff; 4], "tensors is 4294967295"),
        (24, vec![21, 0, 0, 0], "entry of tensor 20"),
        (24, vec![19, 0, 0, 0], "the space behind the entries"),
        (28, vec![0xff; 4], "metadata is 4294967295 bytes"),
        (28, vec![10, 0, 0, 0], "the space behind the metadata"),
        (first, vec![0, 0], "length of the entry of tensor 0 is 0"),
        (first, vec![0xf8, 0xff], "length of the entry of tensor 0 is 65528"),
        (first, vec![64, 0], "length of the entry of tensor 0"),
        (first + 2, vec![0xff, 0xff], "name of tensor 0 is 65535"),
        (first + 2, vec![200, 0], "length of the entry"),
        (first + 7, vec![255], "length of the entry"),
        (first + 7, vec![3], "length of the entry"),
        (first + 8, u64s(u64::MAX - 63), "payload of tensor 0"),
        (first + 8, u64s(1), "an offset that is a multiple of 64"),
        (first + 8, u64s(0), "payload of tensor 0 is 0..48"),
        (first + 8, u64s(1 << 30), "payload of tensor 0"),
        (first + 16, u64s(u64::MAX), "payload of tensor 0"),
        (first + 16, u64s(40), "expected 48 bytes for [2, 3] of f64"),
        (first + 28, vec![1], "the space in an entry"),
        (first + 32, u64s(u64::MAX), "expected fewer than 2^60 elements"),
        (first + 32, u64s(1 << 61), "expected fewer than 2^60 elements"),
        (first + 32, u64s(3), "expected 72 bytes for [3, 3] of f64"),
        (first + 48, vec![0xff], "name of tensor 0"),
        (first + 48, b"float32".to_vec(), "twice"),
        (scalar + 4, vec![1], "expected 8 bytes for [] of f64"),
        (empty + 40, u64s(1), "expected 12 bytes for [3, 1, 2] of bf16"),
    ];
    for (at, bytes, part) in lies {
        let mut lie = good.clone();
        lie[at..at + bytes.len()].copy_from_slice(&bytes);
        // A shape that is none is told when its tensor is asked for.
        let read = decode(&resealed(lie)).and_then(|frame| frame.tensor_at(0));
        let error = read.map(drop).expect_err(part).to_string();
        assert!(error.contains(part), "{error}\n  instead of: {part}");
    }
    for cut in [0, 1, 31, 32, 63, 64, good.len() - 64, good.len() - 1] {
        assert!(decode(&good[..cut]).is_err(), "{cut}");
        let read = Frame::read(&mut &good[..cut], &Limits::default());
        assert!(if cut == 0 { read.unwrap().is_none() } else { read.is_err() }, "{cut}");
    }
    assert!(decode(&[&good[..], &[0; 64]].concat()).unwrap_err().to_string().contains("frame is"));
}

#[test]
fn limits_hold_before_memory_is_taken() {
    let good = fixture("frame_lz4.bin");
    let refused = |limits: Limits| {
        let frame = Frame::decode(&good, &limits);
        frame.and_then(|frame| frame.tensor("zeros")).unwrap_err().to_string()
    };
    let usual = Limits::default;
    assert!(refused(Limits { frame_bytes: 128, ..usual() }).contains("frame length"));
    assert!(refused(Limits { header_bytes: 64, ..usual() }).contains("header length"));
    assert!(refused(Limits { tensors: 0, ..usual() }).contains("tensors is 1"));
    assert!(refused(Limits { tensor_bytes: 3999, ..usual() }).contains("4000 bytes"));
    // A bomb: a terabyte, which 44 bytes cannot hold.
    let mut bomb = good.clone();
    let at = entry(&bomb, "zeros", 1);
    bomb[at + 32..at + 40].copy_from_slice(&(1u64 << 38).to_le_bytes());
    let limits = Limits { tensor_bytes: u64::MAX, ..usual() };
    let error = Frame::decode(&resealed(bomb), &limits).unwrap().tensor("zeros").unwrap_err().to_string();
    assert!(error.contains("1099511627776 bytes"), "{error}");
}

#[test]
fn no_bit_can_flip_unseen() {
    // All tensors have a checksum but the last, whose three bytes are at the beginning of the last 64.
    let good = fixture("frame.bin");
    let unchecked = good.len() - 64..good.len() - 61;
    for bit in 0..8 * good.len() {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let seen = decode(&bytes)
            .and_then(|frame| (0..frame.entries().len()).try_for_each(|i| frame.tensor_at(i).map(drop)));
        assert_eq!(seen.is_ok(), unchecked.contains(&(bit / 8)), "bit {bit}");
    }
}

/// Mutants of good bytes: bits, integers of interest, cuts, repeats. Half of the frames get a right checksum again.
pub(crate) fn mutated(good: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => {
                let interesting =
                    [0u64, 1, 63, 64, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 62, u64::MAX - 63, u64::MAX];
                let value = interesting[random.random_range(0..interesting.len())];
                let width = [2, 4, 8][random.random_range(0..3)].min(bytes.len() - at);
                let value = if random.random() { value.to_le_bytes() } else { value.to_be_bytes() };
                bytes[at..at + width].copy_from_slice(&value[..width]);
            }
            3 => bytes.truncate(at),
            4 => {
                let end = random.random_range(at..bytes.len());
                let part = bytes[at..end].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, part);
            }
            _ => {
                let end = random.random_range(at..bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

#[test]
fn mutants_neither_panic_nor_hang() {
    let corpus = ["frame.bin", "frame_lz4.bin", "frame_later.bin"].map(fixture);
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let limits = Limits { frame_bytes: 1 << 20, tensor_bytes: 1 << 20, ..Limits::default() };
    let (begin, mut read, mut tried) = (Instant::now(), 0, 0u32);
    while begin.elapsed() < Duration::from_secs(2) {
        let mut bytes = mutated(&corpus[tried as usize % corpus.len()], &mut random);
        if bytes.len() > 32 && random.random() {
            bytes = resealed(bytes);
        }
        let one = Instant::now();
        if let Ok(frame) = Frame::decode(&bytes, &limits) {
            for place in 0..frame.entries().len() {
                if let Ok(tensor) = frame.tensor_at(place) {
                    assert!(tensor.bytes() <= 1 << 20);
                    std::hint::black_box(tensor.to_bytes().unwrap());
                }
            }
            read += 1;
        }
        assert!(one.elapsed() < Duration::from_secs(1));
        tried += 1;
    }
    assert!(tried > 1000 && read > 10 && read < tried, "{read} of {tried} were frames");
}

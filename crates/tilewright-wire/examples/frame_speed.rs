//! How fast frames are packed and unpacked: a 32 MiB bf16 K+V chunk of 8 heads, 8192 tokens, 128 wide.
//!
//! `bench/peers/exo_wire.py` times exo's own code path for the same chunk: run both at the same time of day on the same machine.

use std::hint::black_box;
use std::time::Instant;

use tilewright_core::{AlignedBytes, DType, Result, Tensor};
use tilewright_wire::{Frame, Item, Limits};

const SAMPLES: usize = 41;

/// Median milliseconds and the rate of the chunk's bytes.
fn time(what: &str, bytes: usize, mut once: impl FnMut() -> Result<()>) -> Result<()> {
    let mut samples = Vec::with_capacity(SAMPLES);
    once()?;
    for _ in 0..SAMPLES {
        let begin = Instant::now();
        once()?;
        samples.push(begin.elapsed().as_secs_f64());
    }
    samples.sort_by(f64::total_cmp);
    let median = samples[SAMPLES / 2];
    println!("{what:62} {:8.3} ms {:7.2} GB/s", median * 1e3, bytes as f64 / median / 1e9);
    Ok(())
}

fn main() -> Result<()> {
    let (heads, tokens, width) = (8, 8192, 128);
    let tensor = |seed: u32| {
        let values = (0..heads * tokens * width).map(|i| (i as u32).wrapping_mul(2_654_435_761) ^ seed);
        let bits: Vec<u8> = values.flat_map(|value| ((value >> 17) as u16).to_le_bytes()).collect();
        Tensor::from_buffer(
            std::sync::Arc::new(AlignedBytes::copy_of(&bits)?),
            DType::Bf16,
            tilewright_core::Layout::contiguous(tilewright_core::Shape::new(&[heads, tokens, width])?),
        )
    };
    let (k, v) = (tensor(1)?, tensor(2)?);
    let (k_nhd, v_nhd) = (k.permute(&[1, 0, 2])?, v.permute(&[1, 0, 2])?);
    let bytes = k.bytes() + v.bytes();
    println!("{} MiB of bf16 keys and values", bytes >> 20);

    let mut target = AlignedBytes::zeros(bytes)?;
    time("memcpy, one thread", bytes, || {
        let (one, two) = target.as_mut().split_at_mut(bytes / 2);
        one.copy_from_slice(bytes_of(&k));
        two.copy_from_slice(bytes_of(&v));
        black_box(&target);
        Ok(())
    })?;
    for checksum in [true, false] {
        let with = if checksum { "with CRC-32C" } else { "no checksum" };
        let item = |name, tensor| Item { checksum, ..Item::new(name, tensor) };
        time(&format!("pack, as they lie, for a vectored write, {with}"), bytes, || {
            black_box(Frame::encode(b"", &[item("k", &k), item("v", &v)])?.slices());
            Ok(())
        })?;
        time(&format!("pack, heads and tokens exchanged, {with}"), bytes, || {
            black_box(Frame::encode(b"", &[item("k", &k_nhd), item("v", &v_nhd)])?.slices());
            Ok(())
        })?;
        let frame = Frame::encode(b"", &[item("k", &k_nhd), item("v", &v_nhd)])?.to_vec();
        let frame = Frame::decode(&frame, &Limits::default())?;
        time(&format!("unpack, views, {with}"), bytes, || {
            let tensors = (frame.tensor("k")?.permute(&[1, 0, 2])?, frame.tensor("v")?.permute(&[1, 0, 2])?);
            black_box(tensors);
            Ok(())
        })?;
        let sent = Frame::encode(b"", &[item("k", &k_nhd), item("v", &v_nhd)])?.to_vec();
        time(&format!("read from a stream of memory and unpack, {with}"), bytes, || {
            let frame = Frame::read(&mut &sent[..], &Limits::default())?.expect("a frame");
            black_box((frame.tensor("k")?, frame.tensor("v")?));
            Ok(())
        })?;
    }
    let small = k.slice(1, 0..2)?.permute(&[1, 0, 2])?;
    let bytes = small.bytes();
    time(&format!("pack {bytes} bytes, exchanged, with CRC-32C, into one piece"), bytes, || {
        black_box(Frame::encode(b"", &[Item::new("k", &small)])?.to_vec());
        Ok(())
    })?;
    let sent = Frame::encode(b"", &[Item::new("k", &small)])?.to_vec();
    time(&format!("copy and unpack {bytes} bytes, with CRC-32C"), bytes, || {
        black_box(Frame::decode(&sent, &Limits::default())?.tensor("k")?);
        Ok(())
    })
}

fn bytes_of(tensor: &Tensor) -> &[u8] {
    &tensor.buffer().host().unwrap_or_default()[..tensor.bytes()]
}

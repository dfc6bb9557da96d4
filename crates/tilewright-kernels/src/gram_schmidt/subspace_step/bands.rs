//! Bands of columns on streams: each waits for what the caller's stream was asked to do before, and the caller's stream waits for each.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use tilewright_core::{DType, Device, Element, Result, Stream, Tensor, with_element};
use tilewright_gpu::{Definition, Grid, Program};

use super::SubspaceStep;
use crate::gemm::{Matmul, matmul};

pub(super) fn subspace_step(stream: &Stream, a: &Tensor, v: &Tensor, args: &SubspaceStep) -> Result<Tensor> {
    let (axis, k) = (v.rank() - 1, v.dims()[v.rank() - 1]);
    let band = if args.band == 0 { k } else { args.band };
    if k <= band {
        return product(stream, a, v);
    }
    let mut streams = vec![stream.clone()];
    streams.extend(others(stream.device(), args.streams - 1)?);
    let ready = stream.record()?;
    for other in &streams[1..] {
        other.wait(&ready)?;
    }
    let starts = (0..k).step_by(band);
    let parts = starts.zip(streams.iter().cycle()).map(|(start, stream)| {
        let columns = v.slice(axis, start..k.min(start + band))?;
        Ok((start, product(stream, a, &columns)?))
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    for other in &streams[1..] {
        stream.wait(&other.record()?)?;
    }
    join(stream, v, &parts)
}

fn product(stream: &Stream, a: &Tensor, v: &Tensor) -> Result<Tensor> {
    let forward = matmul(stream, a, v, None, &Matmul::default())?;
    matmul(stream, a, &forward, None, &Matmul { transpose_a: true, ..Matmul::default() })
}

/// The first `count` of the streams that are kept for this: to end a stream is to wait for it, so none ends.
fn others(device: Device, count: usize) -> Result<Vec<Stream>> {
    static KEPT: LazyLock<Mutex<HashMap<Device, Vec<Stream>>>> = LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().expect("no panic holds the lock");
    let streams = kept.entry(device).or_default();
    while streams.len() < count {
        streams.push(tilewright_gpu::stream(device)?);
    }
    Ok(streams[..count].to_vec())
}

static PLACE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("subspace_step_place", include_str!("gpu.metal"))
        .input("part")
        .in_place("out")
        .scalar("width", DType::U32)
        .scalar("k", DType::U32)
        .scalar("start", DType::U32);
    Program::new(definition).expect("the definition is valid")
});

/// Puts bands side by side in a tensor like `v`.
fn join(stream: &Stream, v: &Tensor, parts: &[(usize, Tensor)]) -> Result<Tensor> {
    let mut out = Tensor::empty(stream, v.dtype(), v.shape())?;
    let k = v.dims()[v.rank() - 1];
    for (start, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
        let width = part.dims()[part.rank() - 1];
        if stream.device() == Device::Cpu {
            with_element!(v.dtype(), T => place::<T>(part, &mut out, width, k, *start))?;
            continue;
        }
        PLACE
            .launch(stream)
            .input("part", part)
            .in_place("out", &mut out)
            .scalar("width", width as u32)
            .scalar("k", k as u32)
            .scalar("start", *start as u32)
            .grid(Grid::threads([width, part.elements() / width, 1]), [32, 8, 1])
            .run()?;
    }
    Ok(out)
}

fn place<T: Element>(part: &Tensor, out: &mut Tensor, width: usize, k: usize, start: usize) -> Result<()> {
    let rows = out.as_slice_mut::<T>()?.chunks_mut(k);
    for (row, part) in rows.zip(part.as_slice::<T>()?.chunks(width)) {
        row[start..start + width].copy_from_slice(part);
    }
    Ok(())
}

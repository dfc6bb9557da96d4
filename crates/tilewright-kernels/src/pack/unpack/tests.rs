use tilewright_core::{DType, Layout, Shape, Stream, Tensor};

use super::{Unpack, unpack, unpack_into};
use crate::pack::pack;

#[test]
fn what_was_packed_comes_back_in_any_order() {
    let cpu = Stream::cpu();
    let x = Tensor::from_vec((0..600_000u32).collect(), [100, 6, 1000]).unwrap();
    let heads_first = x.permute(&[1, 0, 2]).unwrap();
    let packed = pack(&cpu, &[&x, &heads_first]).unwrap();
    let sums = packed.checksums.to_vec::<u64>().unwrap();
    for (place, (shape, axes), sum) in [
        (packed.places[0].clone(), (vec![100, 6, 1000], vec![1, 0, 2]), sums[0]),
        (packed.places[1].clone(), (vec![6, 100, 1000], vec![]), sums[1]),
    ] {
        let part = packed.bytes.slice(0, place).unwrap();
        let (out, checksum) = unpack(&cpu, &part, &Unpack { dtype: DType::U32, shape, axes }).unwrap();
        assert_eq!(out.dims(), [6, 100, 1000]);
        assert_eq!(out.to_vec::<u32>().unwrap(), heads_first.to_vec::<u32>().unwrap());
        assert_eq!(checksum.to_vec::<u64>().unwrap(), [sum]);
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let bytes = Tensor::from_vec(vec![0u8; 24], [24]).unwrap();
    let error = |shape: &[usize], axes: &[usize]| {
        let args = Unpack { dtype: DType::F32, shape: shape.to_vec(), axes: axes.to_vec() };
        unpack(&cpu, &bytes, &args).unwrap_err().to_string()
    };
    assert!(error(&[2, 4], &[]).contains("bytes has shape [24], expected [32]"));
    assert!(error(&[2, 3], &[0, 0]).contains("axes is [0, 0], expected each axis of [2, 3] once"));
    assert!(error(&[2, 3], &[0]).contains("axes is [0]"));
    assert!(error(&[1 << 40, 1 << 40], &[]).contains("2^"), "{}", error(&[1 << 40, 1 << 40], &[]));
}

/// Its memory as a tensor, once it is the only one.
fn whole(view: &Tensor) -> Tensor {
    let elements = view.buffer().bytes() / view.dtype().size();
    let layout = Layout::contiguous(Shape::new(&[elements]).unwrap());
    Tensor::from_buffer(view.buffer().clone(), view.dtype(), layout).unwrap()
}

#[test]
fn a_view_is_written_and_what_lies_between_stays() {
    let cpu = Stream::cpu();
    // Pieces of a first-level cache, in parallel, with runs that are whole pairs of words and runs that are not.
    for width in [1000, 999, 1] {
        let x = Tensor::from_vec((0..300 * 4 * width as u32).collect(), [300, 4, width]).unwrap();
        let packed = pack(&cpu, &[&x]).unwrap();
        let memory = Tensor::from_vec(vec![u32::MAX; 5 * 310 * (width + 3)], [5, 310, width + 3]).unwrap();
        let before = memory.clone();
        let part = |axis, range, x: Tensor| x.slice(axis, range).unwrap();
        let turned = memory.permute(&[1, 0, 2]).unwrap();
        let mut view = part(2, 3..width + 3, part(0, 2..302, part(1, 1..5, turned)));
        let error = unpack_into(&cpu, &packed.bytes, &mut view).unwrap_err().to_string();
        assert!(error.contains("out: is written, but its memory is shared"), "{error}");
        drop((memory, before));
        let sum = unpack_into(&cpu, &packed.bytes, &mut view).unwrap();
        assert_eq!(sum.to_vec::<u64>().unwrap(), packed.checksums.to_vec::<u64>().unwrap());
        assert_eq!(view.to_vec::<u32>().unwrap(), x.to_vec::<u32>().unwrap());
        let all = whole(&view).to_vec::<u32>().unwrap();
        let written = all.iter().filter(|&&value| value != u32::MAX).count();
        assert_eq!(written, x.elements());
    }
}

#[test]
fn targets_whose_elements_meet_or_interlock_are_refused() {
    let cpu = Stream::cpu();
    let into = |dims: &[usize], strides: &[usize]| {
        let shape = Shape::new(dims).unwrap();
        let layout = Layout::strided(shape, strides, 0, usize::MAX).unwrap();
        let memory = Tensor::from_vec(vec![9u8; 64], [64]).unwrap();
        let mut out = Tensor::from_buffer(memory.buffer().clone(), DType::U8, layout).unwrap();
        drop(memory);
        let bytes: Vec<u8> = (0..shape.elements() as u8).collect();
        let bytes = Tensor::from_vec(bytes, [shape.elements()]).unwrap();
        let result = unpack_into(&cpu, &bytes, &mut out).map(drop).map_err(|why| why.to_string());
        (result, out)
    };
    for (dims, strides) in [
        (&[2, 3][..], &[0, 1][..]), // repeated
        (&[2, 3], &[2, 1]),         // the third of the first is the first of the second
        (&[3, 2], &[2, 3]),         // 0 3 2 5 4 7: none twice, but interlocked
        (&[2, 2], &[5, 5]),
    ] {
        let (result, out) = into(dims, strides);
        let error = result.unwrap_err();
        assert!(error.contains("out: is written, so an axis' stride must reach over"), "{error}");
        assert_eq!(whole(&out).to_vec::<u8>().unwrap(), [9; 64], "nothing was written");
    }
    // An axis of one element has no neighbours, so its stride counts for nothing.
    let (result, out) = into(&[1, 3, 2], &[0, 2, 7]);
    result.unwrap();
    assert_eq!(whole(&out).to_vec::<u8>().unwrap()[..12], [0, 9, 2, 9, 4, 9, 9, 1, 9, 3, 9, 5]);
}

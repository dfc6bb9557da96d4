use tilewright_core::{DType, Stream, Tensor};

use super::{Unpack, unpack};
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

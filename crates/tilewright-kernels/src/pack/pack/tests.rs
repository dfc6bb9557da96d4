use tilewright_core::{Stream, Tensor};

use super::{pack, reference};

#[test]
fn several_tensors_lie_aligned_with_zeros_between() {
    let x = Tensor::from_vec((0..15u8).collect(), [3, 5]).unwrap();
    let y = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2]).unwrap();
    let (turned, slice) = (y.transpose().unwrap(), x.slice(1, 1..4).unwrap());
    let packed = pack(&Stream::cpu(), &[&slice, &turned, &x.slice(0, 0..0).unwrap(), &x]).unwrap();
    assert_eq!(packed.places, [0..9, 16..32, 32..32, 32..47]);
    let bytes = packed.bytes.to_vec::<u8>().unwrap();
    assert_eq!(bytes[..16], [1, 2, 3, 6, 7, 8, 11, 12, 13, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[16..32], bytemuck::cast::<[f32; 4], [u8; 16]>([1.0, 3.0, 2.0, 4.0]));
    let checksums = packed.checksums.to_vec::<u64>().unwrap();
    for (place, checksum) in packed.places.iter().zip(checksums) {
        assert_eq!(checksum, reference::checksum(&bytes[place.clone()]));
    }
    let none = pack(&Stream::cpu(), &[]).unwrap();
    assert!(none.bytes.is_empty() && none.checksums.is_empty());
}

#[test]
fn many_threads_give_the_same_checksum() {
    let x = Tensor::from_vec((0..3_000_000u32).collect(), [1000, 3, 1000]).unwrap();
    let view = x.permute(&[1, 2, 0]).unwrap();
    let many = pack(&Stream::cpu(), &[&view]).unwrap();
    let bytes = many.bytes.to_vec::<u8>().unwrap();
    assert_eq!(bytes, view.to_bytes().unwrap());
    assert_eq!(many.checksums.to_vec::<u64>().unwrap(), [reference::checksum(&bytes)]);
}

#[test]
fn too_many_axes_are_refused() {
    let x = Tensor::from_vec(vec![0u8; 3usize.pow(8)], [3; 8]).unwrap();
    let turned = x.permute(&[7, 6, 5, 4, 3, 2, 1, 0]).unwrap();
    let error = pack(&Stream::cpu(), &[&turned]).unwrap_err().to_string();
    assert!(error.contains("x: lies in more than 6 axes"), "{error}");
}

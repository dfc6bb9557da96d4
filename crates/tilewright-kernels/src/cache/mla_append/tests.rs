use tilewright_core::{DType, Stream, Tensor};

use super::mla_append;

#[test]
fn wrong_arguments_are_named_and_nothing_is_written() {
    let cpu = Stream::cpu();
    let ones = |shape: &[usize]| Tensor::from_vec(vec![1.0f32; shape.iter().product()], shape).unwrap();
    let (latent, rotated) = (ones(&[2, 4]), ones(&[2, 2]));
    let slots = Tensor::from_vec(vec![0i64, 4], [2]).unwrap();
    let mut cache = Tensor::zeros(DType::F32, [2, 2, 6]).unwrap();
    let error = mla_append(&cpu, &latent, &rotated, &slots, &mut cache).unwrap_err().to_string();
    assert!(error.contains("slots is 4, expected below 4"), "{error}");
    assert_eq!(cache.to_vec::<f32>().unwrap(), [0.0; 24]);
    let error = mla_append(&cpu, &latent, &ones(&[1, 2]), &slots, &mut cache).unwrap_err().to_string();
    assert!(error.contains("rotated has shape [1, 2], expected [2, p]"), "{error}");
    let error = mla_append(&cpu, &latent, &ones(&[2, 3]), &slots, &mut cache).unwrap_err().to_string();
    assert!(error.contains("cache has shape [2, 2, 6], expected [blocks, block, 7]"), "{error}");
    let shared = cache.clone();
    let error = mla_append(&cpu, &latent, &rotated, &slots, &mut cache).unwrap_err().to_string();
    assert!(error.contains("its memory is shared"), "{error}");
    drop(shared);
}

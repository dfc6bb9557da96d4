use tilewright_core::{Stream, Tensor};

use super::mla_append_quantized;
use crate::pack::{Quantize, Quantized};

#[test]
fn wrong_arguments_are_named_and_nothing_is_written() {
    let cpu = Stream::cpu();
    let ones = |shape: &[usize]| Tensor::from_vec(vec![1.0f32; shape.iter().product()], shape).unwrap();
    let (latent, rotated) = (ones(&[2, 16]), ones(&[2, 2]));
    let slots = Tensor::from_vec(vec![0i64, 4], [2]).unwrap();
    let cache = |block: usize, n: usize| {
        Quantized::zeros(&cpu, &[2, 2, n], &Quantize { block, ..Quantize::default() }).unwrap()
    };
    let error = |cache: &mut Quantized| {
        mla_append_quantized(&cpu, &latent, &rotated, &slots, cache).unwrap_err().to_string()
    };
    let mut fits = cache(16, 18);
    assert!(error(&mut fits).contains("slots is 4, expected below 4"), "{}", error(&mut fits));
    assert_eq!(fits.values().to_vec::<i8>().unwrap(), [0; 72]);
    assert!(error(&mut cache(16, 19)).contains("cache has shape [2, 2, 19], expected [blocks, block, 18]"));
    for block in [0, 32] {
        let error = error(&mut cache(block, 18));
        assert!(error.contains(&format!("block of the cache is {block}, expected a divisor")), "{error}");
    }
    let shared = fits.clone();
    assert!(error(&mut fits).contains("its memory is shared"));
    drop(shared);
    let error = fits.columns(3).unwrap_err().to_string();
    assert!(error.contains("columns is 3, expected at most 18"), "{error}");
}

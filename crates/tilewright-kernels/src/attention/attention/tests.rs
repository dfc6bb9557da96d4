use tilewright_core::{DType, Stream, Tensor};

use super::{Attention, attention};

fn numbers(shape: [usize; 4], factor: f32) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|at| ((at * 7919 % 251) as f32 / 125.0 - 1.0) * factor).collect();
    Tensor::from_vec::<f32>(values, shape).unwrap()
}

#[test]
fn results_over_parts_of_the_keys_merge_to_the_whole() {
    let cpu = Stream::cpu();
    let (q, k, v) = (numbers([1, 2, 3, 8], 4.0), numbers([1, 2, 700, 8], 1.0), numbers([1, 2, 700, 5], 2.0));
    let whole = attention(&cpu, &q, &k, &v, &Attention::default()).unwrap();
    let parts = [0..300, 300..301, 301..700].map(|range| {
        let (k, v) = (k.slice(2, range.clone()).unwrap(), v.slice(2, range).unwrap());
        attention(&cpu, &q, &k, &v, &Attention::default()).unwrap()
    });
    let outs = parts.each_ref().map(|part| part.out.to_vec::<f32>().unwrap());
    let marks = parts.each_ref().map(|part| part.lse.to_vec::<f32>().unwrap());
    let (out, lse) = (whole.out.to_vec::<f32>().unwrap(), whole.lse.to_vec::<f32>().unwrap());
    for (row, lse) in lse.iter().enumerate() {
        let sum: f32 = marks.iter().map(|marks| (marks[row] - lse).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "row {row}: {sum}");
        for column in 0..5 {
            let at = row * 5 + column;
            let merged: f32 = (0..3).map(|part| (marks[part][row] - lse).exp() * outs[part][at]).sum();
            assert!((merged - out[at]).abs() < 1e-5, "row {row}: {merged} and {}", out[at]);
        }
    }
}

#[test]
fn a_prompt_in_pieces_reads_what_it_reads_at_once() {
    let cpu = Stream::cpu();
    let args = Attention { causal: true, window: 70, keep: 2, ..Attention::default() };
    let (q, k, v) =
        (numbers([1, 1, 300, 8], 4.0), numbers([1, 1, 300, 8], 1.0), numbers([1, 1, 300, 4], 2.0));
    let whole = attention(&cpu, &q, &k, &v, &args).unwrap().out.to_vec::<f32>().unwrap();
    for (first, last) in [(0, 100), (100, 101), (101, 300)] {
        let (k, v) = (k.slice(2, 0..last).unwrap(), v.slice(2, 0..last).unwrap());
        let piece = attention(&cpu, &q.slice(2, first..last).unwrap(), &k, &v, &args).unwrap();
        for (a, b) in piece.out.to_vec::<f32>().unwrap().iter().zip(&whole[first * 4..]) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
    }
}

#[test]
fn a_nan_among_the_keys_is_seen_by_those_that_see_it() {
    let cpu = Stream::cpu();
    let (q, v) = (numbers([1, 1, 4, 2], 1.0), numbers([1, 1, 4, 2], 1.0));
    let mut keys = numbers([1, 1, 4, 2], 1.0).to_vec::<f32>().unwrap();
    keys[5] = f32::NAN;
    let k = Tensor::from_vec(keys, [1, 1, 4, 2]).unwrap();
    let read = attention(&cpu, &q, &k, &v, &Attention { causal: true, ..Attention::default() }).unwrap();
    let lse = read.lse.to_vec::<f32>().unwrap();
    assert!(lse[..2].iter().all(|lse| lse.is_finite()) && lse[2..].iter().all(|lse| lse.is_nan()), "{lse:?}");
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let x = |shape: [usize; 4]| Tensor::zeros(DType::F32, shape).unwrap();
    let error = |q: &Tensor, k: &Tensor, v: &Tensor, args: Attention| {
        attention(&cpu, q, k, v, &args).unwrap_err().to_string()
    };
    let (q, k, plain) = (x([1, 4, 3, 2]), x([1, 2, 5, 2]), Attention::default());
    assert!(error(&q, &x([1, 3, 5, 2]), &x([1, 3, 5, 2]), plain).contains("q has shape"));
    assert!(error(&q, &x([1, 0, 5, 2]), &x([1, 0, 5, 2]), plain).contains("q has shape"));
    assert!(error(&q, &x([1, 2, 5, 3]), &k, plain).contains("k has shape [1, 2, 5, 3]"));
    assert!(error(&q, &k, &x([1, 2, 4, 2]), plain).contains("v has shape [1, 2, 4, 2]"));
    assert!(error(&x([1, 4, 3, 0]), &k, &k, plain).contains("d >= 1"));
    let half = Tensor::zeros(DType::F16, [1, 2, 5, 2]).unwrap();
    assert!(error(&q, &half, &k, plain).contains("k has dtype f16"));
    assert!(error(&q, &k, &k, Attention { window: 2, ..plain }).contains("window is 2"));
    assert!(error(&q, &k, &k, Attention { scale: Some(f32::NAN), ..plain }).contains("scale is NaN"));
    assert!(error(&q, &k, &k, Attention { soft_cap: -1.0, ..plain }).contains("soft_cap is -1"));
}

use tilewright_core::{DType, Stream, Tensor};

use super::{Renormalize, Renormalized, renormalize};
use crate::sample::{Order, Parameters, Sample, Sampling, sample, speculative_accept};

#[test]
fn presets_apply_the_filters_in_their_own_order() {
    // Half of the mass at temperature 1; a fourth at temperature 4.
    let p = [0.5f32, 0.2, 0.1, 0.1, 0.05, 0.05];
    let logits = Tensor::from_vec(p.iter().map(|p| p.ln()).collect::<Vec<f32>>(), [1, 6]).unwrap();
    let kept = |order: Order, settings: Sampling| {
        let parameters = Parameters::new(&[Sampling { order, ..settings }]).unwrap();
        let out = renormalize(&Stream::cpu(), &logits, &parameters, &Renormalize::default()).unwrap();
        out.to_vec::<f32>().unwrap().iter().filter(|&&p| p > 0.0).count()
    };
    // vLLM heats first, so that more tokens are needed for the part; llama.cpp and mlx-lm cut at temperature 1.
    let hot = Sampling { temperature: 4.0, top_p: 0.4, ..Sampling::default() };
    assert_eq!([Order::VLLM, Order::LLAMA_CPP, Order::MLX_LM].map(|order| kept(order, hot)), [2, 1, 1]);
    // Top-k before top-p renormalises (vLLM, llama.cpp); mlx-lm takes the part of all, then the k largest.
    let both = Sampling { top_k: 2, top_p: 0.71, ..Sampling::default() };
    assert_eq!([Order::VLLM, Order::LLAMA_CPP, Order::MLX_LM].map(|order| kept(order, both)), [1, 1, 2]);
}

#[test]
fn what_has_a_probability_is_what_is_drawn() {
    const ROWS: usize = 500;
    let cpu = Stream::cpu();
    let logits: Vec<f32> = (0..40).map(|j| ((j * 7919 % 23) as f32 - 11.0) / 4.0).collect();
    let settings =
        Sampling { temperature: 1.3, top_k: 12, top_p: 0.9, typical_p: 0.95, ..Sampling::default() };
    let one = Tensor::from_slice(&logits, [1, 40]).unwrap();
    let p = renormalize(&cpu, &one, &Parameters::new(&[settings]).unwrap(), &Renormalize::default()).unwrap();
    let p = p.to_vec::<f32>().unwrap();
    assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    let rows: Vec<Sampling> = (0..ROWS as u64).map(|seed| Sampling { seed, ..settings }).collect();
    let wide = one.broadcast_to([ROWS, 40]).unwrap();
    let ids = sample(&cpu, &wide, &Parameters::new(&rows).unwrap(), &Sample::default()).unwrap().ids;
    assert!(ids.to_vec::<u32>().unwrap().iter().all(|&id| p[id as usize] > 0.0));
    // What it gives is what a verifier of drafts takes.
    let q = one.reshape([1, 1, 40]).unwrap();
    let q = Tensor::from_vec(vec![1.0f32 / 40.0; q.elements()], [1, 1, 40]).unwrap();
    let target = Tensor::from_vec([p.clone(), p.clone()].concat(), [1, 2, 40]).unwrap();
    let (draft, zero) =
        (Tensor::from_vec(vec![0i32], [1, 1]).unwrap(), Tensor::from_vec(vec![0i64], [1]).unwrap());
    let found = speculative_accept(&cpu, &draft, &q, &target, &zero, &zero).unwrap();
    let token = found.tokens.to_vec::<i32>().unwrap()[0];
    assert!(p[token as usize] > 0.0);
}

#[test]
fn a_mask_leaves_logits_alone_and_wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let logits = Tensor::from_vec(vec![1.0f32, 3.0, 2.0, -1.0], [1, 4]).unwrap();
    let parameters =
        Parameters::new(&[Sampling { top_k: 2, temperature: 0.3, ..Sampling::default() }]).unwrap();
    let args = Renormalize { output: Renormalized::Logits, ..Renormalize::default() };
    let out = renormalize(&cpu, &logits, &parameters, &args).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(out, [f32::NEG_INFINITY, 3.0, 2.0, f32::NEG_INFINITY]);
    let wide = Tensor::zeros(DType::F64, [1, 4]).unwrap();
    let error = renormalize(&cpu, &wide, &parameters, &args).unwrap_err().to_string();
    assert!(error.contains("renormalize") && error.contains("logits has dtype f64"), "{error}");
    let two = Tensor::zeros(DType::F32, [2, 4]).unwrap();
    let error = renormalize(&cpu, &two, &parameters, &args).unwrap_err().to_string();
    assert!(error.contains("parameters has shape [1, 20], expected [2, 20]"), "{error}");
}

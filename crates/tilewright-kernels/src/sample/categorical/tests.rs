use tilewright_core::{DType, Stream, Tensor};

use super::{Categorical, categorical};
use crate::sample::{Parameters, Sample, Sampling, sample};

#[test]
fn logits_are_drawn_as_the_sampler_does() {
    let cpu = Stream::cpu();
    let logits: Vec<f32> = (0..5000).map(|j| ((j * 7919 % 2311) as f32 - 1100.0) / 300.0).collect();
    let x = Tensor::from_slice(&logits, [2, 2500]).unwrap();
    let rows = [(3u64, 10u64), (u64::MAX, u64::MAX - 1)];
    let settings = rows.map(|(seed, position)| Sampling { seed, position, ..Sampling::default() });
    let numbers = |of: [u64; 2]| Tensor::from_vec(of.map(|number| number as i64).to_vec(), [2]).unwrap();
    let (seeds, positions) = (numbers([3, u64::MAX]), numbers([10, u64::MAX - 1]));
    let args = Categorical { draws: 50, ..Categorical::default() };
    let ids = categorical(&cpu, &x, &seeds, &positions, &args).unwrap().to_vec::<u32>().unwrap();
    for step in 0..50 {
        let args = Sample { step, ..Sample::default() };
        let drawn = sample(&cpu, &x, &Parameters::new(&settings).unwrap(), &args).unwrap();
        let drawn = drawn.ids.to_vec::<u32>().unwrap();
        assert_eq!(drawn, [ids[step as usize], ids[50 + step as usize]]);
    }
}

#[test]
fn a_million_draws_of_probabilities_follow_them() {
    const DRAWS: usize = 1_000_000;
    // Over more than one tile, with few tokens of any weight.
    let mut p = vec![0.0f32; 3000];
    for (token, weight) in [(0, 1.0), (17, 2.0), (1023, 3.0), (1024, 4.0), (2500, 10.0), (2999, 0.5)] {
        p[token] = weight;
    }
    let x = Tensor::from_slice(&p, [1, 3000]).unwrap();
    let zero = Tensor::from_vec(vec![0i64], [1]).unwrap();
    let args = Categorical { probabilities: true, draws: DRAWS };
    let ids = categorical(&Stream::cpu(), &x, &zero, &zero, &args).unwrap().to_vec::<u32>().unwrap();
    let mut counts = vec![0u32; 3000];
    ids.iter().for_each(|&id| counts[id as usize] += 1);
    let (mut statistic, mut freedom) = (0.0, -1.0);
    for (&count, &p) in counts.iter().zip(&p) {
        let expected = f64::from(p) / 20.5 * DRAWS as f64;
        assert!(count == 0 || p > 0.0);
        if p > 0.0 {
            statistic += (f64::from(count) - expected).powi(2) / expected;
            freedom += 1.0;
        }
    }
    assert!((statistic - freedom) / (2.0f64 * freedom).sqrt() < 4.5, "chi-square is {statistic}");
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let x = Tensor::zeros(DType::F32, [2, 3]).unwrap();
    let (one, two) = (Tensor::zeros(DType::I64, [1]).unwrap(), Tensor::zeros(DType::I64, [2]).unwrap());
    let error = |x: &Tensor, seeds: &Tensor, positions: &Tensor| {
        categorical(&cpu, x, seeds, positions, &Categorical::default()).unwrap_err().to_string()
    };
    assert!(error(&x, &one, &two).contains("seeds has shape [1], expected [2]"));
    assert!(error(&x, &two, &one).contains("positions has shape [1], expected [2]"));
    assert!(error(&two, &two, &two).contains("x has dtype i64"));
    assert!(error(&Tensor::zeros(DType::F32, [2, 0]).unwrap(), &two, &two).contains("x has shape"));
}

use tilewright_core::{DType, Stream, Tensor};

use super::speculative_accept;
use crate::sample::{Parameters, Sample, Sampling, sample};

/// Of token `token` after `before`, of a target and of its draft.
fn probability(draft: bool, before: usize, token: usize) -> f32 {
    const TARGET: [[f32; 4]; 3] =
        [[0.5, 0.25, 0.25, 0.0], [0.125, 0.375, 0.25, 0.25], [0.0, 0.0, 0.75, 0.25]];
    const DRAFT: [[f32; 4]; 3] =
        [[0.25, 0.25, 0.25, 0.25], [0.5, 0.125, 0.25, 0.125], [0.5, 0.25, 0.25, 0.0]];
    (if draft { DRAFT } else { TARGET })[before % 3][token]
}

#[test]
fn what_comes_out_has_the_targets_distribution() {
    const ROWS: usize = 100_000;
    const V: usize = 4;
    let cpu = Stream::cpu();
    let mut counts = [[0u32; V]; V];
    for round in 0..12i64 {
        // Two tokens drawn by the sampler itself with the same seeds and positions, whose noise must not be seen again.
        let draw = |step: u64, before: Option<&[u32]>| -> Vec<u32> {
            let logits = (0..ROWS).flat_map(|row| {
                let before = before.map_or(0, |before| before[row] as usize + 1);
                (0..V).map(move |token| probability(true, before, token).ln())
            });
            let logits = Tensor::from_vec(logits.collect::<Vec<f32>>(), [ROWS, V]).unwrap();
            let row = |row: usize| Sampling {
                seed: row as u64,
                position: round as u64 * 10 + step,
                ..Sampling::default()
            };
            let parameters = Parameters::new(&(0..ROWS).map(row).collect::<Vec<_>>()).unwrap();
            sample(&cpu, &logits, &parameters, &Sample::default()).unwrap().ids.to_vec().unwrap()
        };
        let first = draw(0, None);
        let second = draw(1, Some(&first));
        let (mut draft, mut q, mut p) = (Vec::new(), Vec::new(), Vec::new());
        for (&first, &second) in first.iter().zip(&second) {
            draft.extend([first as i32, second as i32]);
            let befores = [0, first as usize + 1, second as usize + 1];
            q.extend(
                befores[..2].iter().flat_map(|&before| (0..V).map(move |x| probability(true, before, x))),
            );
            p.extend(befores.iter().flat_map(|&before| (0..V).map(move |x| probability(false, before, x))));
        }
        let found = speculative_accept(
            &cpu,
            &Tensor::from_vec(draft, [ROWS, 2]).unwrap(),
            &Tensor::from_vec(q, [ROWS, 2, V]).unwrap(),
            &Tensor::from_vec(p, [ROWS, 3, V]).unwrap(),
            &Tensor::from_vec((0..ROWS as i64).collect(), [ROWS]).unwrap(),
            &Tensor::from_vec(vec![round * 10; ROWS], [ROWS]).unwrap(),
        )
        .unwrap();
        let tokens = found.tokens.to_vec::<i32>().unwrap();
        for row in tokens.chunks_exact(3) {
            // The second token is the chain's only where the first was accepted; else the target would go on by itself.
            let first = row[0] as usize;
            let next = (0..V).map(|x| probability(false, first + 1, x));
            if row[1] >= 0 {
                counts[first][row[1] as usize] += 1;
                assert!(next.clone().nth(row[1] as usize).unwrap() > 0.0);
            }
        }
    }
    // Given the first token, and that it was accepted, the second has the target's distribution.
    for (first, counts) in counts.iter().enumerate() {
        let all: u32 = counts.iter().sum();
        let p: Vec<f64> = (0..V).map(|x| f64::from(probability(false, first + 1, x))).collect();
        let freedom = p.iter().filter(|&&p| p > 0.0).count() as f64 - 1.0;
        let terms = counts.iter().zip(&p).filter(|(_, p)| **p > 0.0);
        let statistic: f64 = terms
            .map(|(&count, p)| (f64::from(count) - p * f64::from(all)).powi(2) / (p * f64::from(all)))
            .sum();
        if all > 0 {
            let excess = (statistic - freedom) / (2.0 * freedom).sqrt();
            assert!(all > 100_000 && excess < 4.5, "after {first}: {excess} deviations of {all} draws");
        }
    }
}

#[test]
fn the_first_token_has_the_targets_distribution() {
    const ROWS: usize = 1_000_000;
    let cpu = Stream::cpu();
    let (target, draft) = ([0.4f32, 0.3, 0.2, 0.1, 0.0], [0.1f32, 0.1, 0.2, 0.3, 0.3]);
    let wide = |row: &[f32]| Tensor::from_slice(row, [1, 1, 5]).unwrap();
    let logits = Tensor::from_vec(draft.iter().map(|q| q.ln()).collect::<Vec<f32>>(), [1, 5]).unwrap();
    let rows: Vec<Sampling> =
        (0..ROWS as u64).map(|seed| Sampling { seed, position: 3, ..Sampling::default() }).collect();
    let logits = logits.broadcast_to([ROWS, 5]).unwrap();
    let drawn = sample(&cpu, &logits, &Parameters::new(&rows).unwrap(), &Sample::default()).unwrap();
    let tokens: Vec<i32> = drawn.ids.to_vec::<u32>().unwrap().into_iter().map(|id| id as i32).collect();
    let found = speculative_accept(
        &cpu,
        &Tensor::from_vec(tokens, [ROWS, 1]).unwrap(),
        &wide(&draft).broadcast_to([ROWS, 1, 5]).unwrap(),
        &wide(&target).broadcast_to([ROWS, 2, 5]).unwrap(),
        &Tensor::from_vec((0..ROWS as i64).collect(), [ROWS]).unwrap(),
        &Tensor::from_vec(vec![3i64; ROWS], [ROWS]).unwrap(),
    )
    .unwrap();
    let mut counts = [0u32; 5];
    found.tokens.to_vec::<i32>().unwrap().chunks_exact(2).for_each(|row| counts[row[0] as usize] += 1);
    assert_eq!(counts[4], 0);
    let expected = |p: f32| f64::from(p) * ROWS as f64;
    let statistic: f64 = counts[..4]
        .iter()
        .zip(target)
        .map(|(&count, p)| (f64::from(count) - expected(p)).powi(2) / expected(p))
        .sum();
    assert!((statistic - 3.0) / 6f64.sqrt() < 4.5, "chi-square is {statistic}: {counts:?}");
    let accepted: i32 = found.accepted.to_vec::<i32>().unwrap().into_iter().sum();
    // The sum of min(p, q) is 0.5.
    assert!((f64::from(accepted) / ROWS as f64 - 0.5).abs() < 0.003, "{accepted}");
}

#[test]
fn a_large_vocabulary_keeps_the_targets_distribution() {
    const ROWS: usize = 4096;
    const ROUNDS: usize = 256;
    const V: usize = 1000;
    let cpu = Stream::cpu();
    // Two distributions that agree in part; one token in five is impossible to the target, another to the draft.
    let distribution = |step: usize, none: usize| -> Vec<f64> {
        let weight = |x: usize| if x % 5 == none { 0.0 } else { 1.0 + (x * step % 97) as f64 };
        let sum: f64 = (0..V).map(weight).sum();
        (0..V).map(|x| weight(x) / sum).collect()
    };
    let (target, draft) = (distribution(31, 1), distribution(17, 3));
    let one = |p: &[f64], tokens: usize| {
        let row = Tensor::from_vec(p.iter().map(|&p| p as f32).collect::<Vec<_>>(), [1, 1, V]).unwrap();
        row.broadcast_to([ROWS, tokens, V]).unwrap().to_host().unwrap()
    };
    let (q, p) = (one(&draft, 1), one(&target, 2));
    let logits = Tensor::from_vec(draft.iter().map(|&q| q.ln() as f32).collect::<Vec<_>>(), [1, V]).unwrap();
    let logits = logits.broadcast_to([ROWS, V]).unwrap().to_host().unwrap();
    let rows: Vec<Sampling> = (0..ROWS as u64).map(|seed| Sampling { seed, ..Sampling::default() }).collect();
    let (parameters, seeds) =
        (Parameters::new(&rows).unwrap(), Tensor::from_vec((0..ROWS as i64).collect(), [ROWS]).unwrap());
    let mut counts = vec![0u32; V];
    for round in 0..ROUNDS {
        let drawn = sample(&cpu, &logits, &parameters, &Sample { step: round as u64, ..Sample::default() });
        let tokens = drawn.unwrap().ids.to_vec::<u32>().unwrap().into_iter().map(|id| id as i32).collect();
        let tokens = Tensor::from_vec::<i32>(tokens, [ROWS, 1]).unwrap();
        let positions = Tensor::from_vec(vec![round as i64; ROWS], [ROWS]).unwrap();
        let found = speculative_accept(&cpu, &tokens, &q, &p, &seeds, &positions).unwrap();
        let tokens = found.tokens.to_vec::<i32>().unwrap();
        tokens.chunks_exact(2).for_each(|row| counts[row[0] as usize] += 1);
    }
    let draws = (ROWS * ROUNDS) as f64;
    let (mut statistic, mut freedom) = (0.0, -1.0);
    for (token, (&count, p)) in counts.iter().zip(&target).enumerate() {
        assert!(count == 0 || *p > 0.0, "token {token} is impossible and came out");
        if *p > 0.0 {
            statistic += (f64::from(count) - p * draws).powi(2) / (p * draws);
            freedom += 1.0;
        }
    }
    let excess = (statistic - freedom) / (2.0f64 * freedom).sqrt();
    assert!(excess < 4.5, "chi-square is {excess} standard deviations above its mean");
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    let error = |draft: &Tensor, q: &[usize], p: &[usize], seeds: &[usize]| {
        let (q, p, seeds) = (zeros(DType::F32, q), zeros(DType::F32, p), zeros(DType::I64, seeds));
        speculative_accept(&cpu, draft, &q, &p, &seeds, &seeds).unwrap_err().to_string()
    };
    let draft = zeros(DType::I32, &[2, 1]);
    assert!(error(&draft, &[2, 2, 3], &[2, 2, 3], &[2]).contains("draft_probs has shape"));
    assert!(error(&draft, &[2, 1, 0], &[2, 2, 0], &[2]).contains("1 <= v < 2^31"));
    assert!(error(&draft, &[2, 1, 3], &[2, 1, 3], &[2]).contains("target_probs has shape"));
    assert!(error(&draft, &[2, 1, 3], &[2, 2, 3], &[1]).contains("seeds has shape [1], expected [2]"));
    let beyond = Tensor::from_vec(vec![0i32, 3], [2, 1]).unwrap();
    assert!(error(&beyond, &[2, 1, 3], &[2, 2, 3], &[2]).contains("draft is 3, expected below 3"));
}

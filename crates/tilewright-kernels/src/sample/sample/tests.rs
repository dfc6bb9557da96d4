use tilewright_core::{DType, Stream, Tensor};

use super::cases::sampling;
use super::reference;
use super::{Sample, Sampled, sample};
use crate::sample::{Order, Parameters, Sampling, Stage};

fn drawn(logits: &Tensor, rows: &[Sampling], args: &Sample) -> Sampled {
    sample(&Stream::cpu(), logits, &Parameters::new(rows).unwrap(), args).unwrap()
}

fn ids(logits: &[f32], rows: &[Sampling], step: u64) -> Vec<u32> {
    let logits = Tensor::from_slice(logits, [logits.len()]).unwrap();
    let logits = logits.broadcast_to([rows.len(), logits.dims()[0]]).unwrap();
    drawn(&logits, rows, &Sample { step, ..Sample::default() }).ids.to_vec().unwrap()
}

/// Logits with ties at many boundaries.
fn uneven(v: usize) -> Vec<f32> {
    (0..v).map(|j| ((j * 7919 % 23) as f32 - 11.0) / 4.0 + if j % 3 == 0 { 0.5 } else { 0.0 }).collect()
}

/// Pearson's statistic of `draws` against the truth, in standard deviations from its mean: tokens of few expected draws are taken together.
fn excess(counts: &[u32], p: &[f64], draws: usize) -> f64 {
    let (mut statistic, mut freedom, mut rest) = (0.0, -1.0, (0.0, 0.0));
    for (&count, p) in counts.iter().zip(p) {
        let expected = p * draws as f64;
        if expected < 8.0 {
            rest = (rest.0 + f64::from(count), rest.1 + expected);
            continue;
        }
        statistic += (f64::from(count) - expected).powi(2) / expected;
        freedom += 1.0;
    }
    if rest.1 >= 8.0 {
        statistic += (rest.0 - rest.1).powi(2) / rest.1;
        freedom += 1.0;
    }
    (statistic - freedom) / (2.0 * freedom).sqrt().max(1.0)
}

#[test]
fn draws_follow_the_distribution_of_every_filter() {
    const ROWS: usize = 2000;
    for (v, steps) in [(2usize, 10u64), (61, 20), (2300, 4)] {
        let logits = uneven(v);
        let wide: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
        for name in ["plain", "warm", "chat", "nucleus", "min_p", "all_vllm", "all_mlx", "typical", "sigma"] {
            // XTC's chance is drawn too: without it there is one distribution to compare with.
            let row = Sampling { xtc_probability: 0.0, ..sampling(name, 0, 1) };
            let kept = reference::keep(&wide, &row, 0);
            let largest = wide.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut p: Vec<f64> =
                wide.iter().map(|z| ((z - largest) / f64::from(row.temperature)).exp()).collect();
            p.iter_mut().zip(&kept).filter(|(_, kept)| !**kept).for_each(|(p, _)| *p = 0.0);
            let sum: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            // Seeds in sequence and positions in sequence: the hash has to part both.
            let rows: Vec<Sampling> =
                (0..ROWS as u64).map(|seed| Sampling { seed, position: 0, ..row }).collect();
            let mut counts = vec![0u32; v];
            for step in 0..steps {
                ids(&logits, &rows, step).into_iter().for_each(|id| counts[id as usize] += 1);
            }
            for (j, (&count, p)) in counts.iter().zip(&p).enumerate() {
                assert!(count == 0 || *p > 0.0, "{name}, v {v}: token {j} was filtered and is drawn");
            }
            let excess = excess(&counts, &p, ROWS * steps as usize);
            assert!(excess < 4.5, "{name}, v {v}: chi-square is {excess} standard deviations above its mean");
        }
    }
}

#[test]
fn the_statistic_sees_a_wrong_distribution() {
    let p = [0.5, 0.25, 0.25];
    assert!(excess(&[50_000, 25_000, 25_000], &p, 100_000) < 0.0);
    assert!(excess(&[51_000, 24_500, 24_500], &p, 100_000) > 10.0);
}

#[test]
fn a_row_is_its_own_whatever_is_beside_it() {
    let v = 3001;
    let logits = uneven(v);
    let rows: Vec<Sampling> = (0..40).map(|row| sampling("mixed", row, 3)).collect();
    let together = ids(&logits, &rows, 5);
    for (row, id) in rows.iter().zip(&together) {
        assert_eq!(ids(&logits, std::slice::from_ref(row), 5), [*id]);
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| ids(&logits, &rows, 5)), together);
    // A step is a position further, and so is a position.
    let further: Vec<Sampling> =
        rows.iter().map(|row| Sampling { position: row.position + 5, ..*row }).collect();
    assert_eq!(ids(&logits, &further, 0), together);
}

#[test]
fn boundaries_keep_equals() {
    // Two of the largest, three next, four last.
    let logits: Vec<f32> = [2.0, 2.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0].into();
    let seen = |row: Sampling| {
        let rows: Vec<Sampling> = (0..400).map(|seed| Sampling { seed, ..row }).collect();
        let mut seen: Vec<u32> = ids(&logits, &rows, 0);
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    let all: Vec<u32> = (0..9).collect();
    let plain = Sampling::default();
    assert_eq!(seen(plain), all);
    assert_eq!(seen(Sampling { top_k: 1, ..plain }), [0, 1]);
    assert_eq!(seen(Sampling { top_k: 3, ..plain }), [0, 1, 2, 3, 4]);
    assert_eq!(seen(Sampling { top_k: 100, ..plain }), all);
    assert_eq!(seen(Sampling { top_p: 0.0, ..plain }), [0, 1]);
    assert_eq!(seen(Sampling { top_p: 0.6, ..plain }), [0, 1, 2, 3, 4]);
    assert_eq!(seen(Sampling { min_p: 1.0, ..plain }), [0, 1]);
    assert_eq!(seen(Sampling { min_p: 0.3, ..plain }), [0, 1, 2, 3, 4]);
    assert_eq!(seen(Sampling { xtc_probability: 1.0, xtc_threshold: 0.1, ..plain }), [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(seen(Sampling { temperature: 0.0, ..plain }), [0]);
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let logits = Tensor::zeros(DType::F32, [2, 3]).unwrap();
    let plain = Sampling::default();
    let parameters = Parameters::new(&[plain, plain]).unwrap();
    let message = |result: tilewright_core::Result<Sampled>| result.unwrap_err().to_string();
    let args = Sample::default();
    let wide = Tensor::zeros(DType::F64, [2, 3]).unwrap();
    assert!(message(sample(&cpu, &wide, &parameters, &args)).contains("logits has dtype f64"));
    let none = Tensor::zeros(DType::F32, [2, 0]).unwrap();
    assert!(message(sample(&cpu, &none, &parameters, &args)).contains("logits has shape"));
    let three = Tensor::zeros(DType::F32, [3, 3]).unwrap();
    assert!(
        message(sample(&cpu, &three, &parameters, &args))
            .contains("parameters has shape [2, 20], expected [3, 20]")
    );
    let many = Sample { top_n: 4, ..args };
    assert!(message(sample(&cpu, &logits, &parameters, &many)).contains("top_n is 4, expected at most 3"));
    for (row, part) in [
        (Sampling { temperature: -1.0, ..plain }, "temperature is -1"),
        (Sampling { top_p: f32::NAN, ..plain }, "top_p is NaN, expected 0 to 1"),
        (Sampling { min_p: 1.5, ..plain }, "min_p is 1.5"),
        (Sampling { xtc_threshold: -0.1, ..plain }, "xtc_threshold is -0.1"),
    ] {
        let error = Parameters::new(&[plain, row]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(
        Order::new(&[Stage::TopK, Stage::TopP, Stage::TopK]).unwrap_err().to_string().contains("TopK twice")
    );
    assert!(
        Order::LLAMA_CPP
            .stages()
            .eq(Order::new(&Order::LLAMA_CPP.stages().collect::<Vec<_>>()).unwrap().stages())
    );
}

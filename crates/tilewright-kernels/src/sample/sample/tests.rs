use tilewright_core::{DType, Device, Stream, Tensor};
use tilewright_gpu::Present;

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

/// Pearson's statistic of `draws` against the truth, in standard deviations from its mean: tokens of few expected draws are taken together with the next.
fn excess(counts: &[u32], p: &[f64], draws: usize) -> f64 {
    let (mut statistic, mut freedom, mut open) = (0.0, -1.0, (0.0, 0.0));
    for (&count, p) in counts.iter().zip(p) {
        open = (open.0 + f64::from(count), open.1 + p * draws as f64);
        if open.1 >= 8.0 {
            statistic += (open.0 - open.1).powi(2) / open.1;
            freedom += 1.0;
            open = (0.0, 0.0);
        }
    }
    (statistic - freedom) / (2.0f64 * freedom).sqrt().max(1.0)
}

/// What a row draws from, in f64: where XTC removes tokens by chance, from two distributions.
fn truth(logits: &[f64], row: &Sampling) -> Vec<f64> {
    let of = |xtc_probability: f32, part: f64| {
        let kept = reference::keep(logits, &Sampling { xtc_probability, ..*row }, 0);
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weight = |(z, kept): (&f64, &bool)| {
            if *kept { ((z - largest) / f64::from(row.temperature)).exp() } else { 0.0 }
        };
        let weights: Vec<f64> = logits.iter().zip(&kept).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(move |weight| part * weight / sum)
    };
    let chance = f64::from(row.xtc_probability);
    match row.xtc_probability > 0.0 {
        true => of(0.0, 1.0 - chance).zip(of(1.0, chance)).map(|(without, with)| without + with).collect(),
        false => of(0.0, 1.0).collect(),
    }
}

const FILTERS: [&str; 13] = [
    "plain",
    "warm",
    "chat",
    "nucleus",
    "least",
    "min_p",
    "typical",
    "sigma",
    "xtc",
    "all_vllm",
    "all_llama",
    "all_mlx",
    "own",
];

/// Draws `rows * steps` tokens with each filter and compares them with the truth.
fn judge(stream: &Stream, v: usize, [rows, steps]: [usize; 2], filters: &[&str]) {
    let logits = uneven(v);
    let wide: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
    let all = Tensor::from_slice(&logits, [v]).unwrap().broadcast_to([rows, v]).unwrap().to(stream).unwrap();
    for name in filters {
        let row = sampling(name, 0, 1);
        let p = truth(&wide, &row);
        // Seeds in sequence and positions in sequence: the hash has to part both.
        let seeds: Vec<Sampling> =
            (0..rows as u64).map(|seed| Sampling { seed, position: 0, ..row }).collect();
        let parameters = Parameters::new(&seeds).unwrap().to(stream).unwrap();
        let mut counts = vec![0u32; v];
        for step in 0..steps as u64 {
            let drawn = sample(stream, &all, &parameters, &Sample { step, ..Sample::default() }).unwrap();
            drawn.ids.to_vec::<u32>().unwrap().into_iter().for_each(|id| counts[id as usize] += 1);
        }
        for (j, (&count, p)) in counts.iter().zip(&p).enumerate() {
            assert!(count == 0 || *p > 0.0, "{name}, v {v}: token {j} was filtered and is drawn");
        }
        let excess = excess(&counts, &p, rows * steps);
        println!("{}, v {v}, {name}: {} draws, chi-square {excess:+.2}", stream.device(), rows * steps);
        assert!(excess < 4.5, "{name}, v {v}: chi-square is {excess} standard deviations above its mean");
    }
}

#[test]
fn a_million_draws_follow_the_distribution_of_every_filter() {
    for (v, steps) in [(2, 16), (61, 256), (1000, 16)] {
        judge(&Stream::cpu(), v, [4096, steps], &FILTERS);
    }
}

#[test]
fn draws_from_a_models_vocabulary_follow_its_distribution() {
    judge(&Stream::cpu(), 128_256, [256, 128], &["plain", "chat"]);
    // A million each where it takes no time.
    if let Ok(device) = Device::cuda(0) {
        for v in [2, 61, 2300, 128_256] {
            judge(&device.stream().unwrap(), v, [256, 4096], &FILTERS);
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

use tilewright_core::{DType, Device, Stream, Tensor};

use super::{Kmeans, Start, kmeans};
use crate::search::{FlatScanTopk, flat_scan_topk};

fn waves(n: usize, d: usize) -> Tensor {
    Tensor::from_vec((0..n * d).map(|i| (i as f32 * 0.37).sin() + (i % 7) as f32).collect(), [n, d]).unwrap()
}

/// The sum of the squared distances of the rows from their nearest centroids.
fn objective(x: &Tensor, centroids: &Tensor) -> f64 {
    let cpu = Stream::cpu();
    let (distances, _) = flat_scan_topk(&cpu, x, centroids, None, None, &FlatScanTopk::default()).unwrap();
    distances.to_f64_vec().unwrap().iter().sum()
}

#[test]
fn the_objective_falls_and_a_seed_repeats() {
    let (cpu, x) = (Stream::cpu(), waves(900, 19));
    for start in [Start::Random, Start::PlusPlus] {
        let run = |iterations, seed| {
            let args = Kmeans { k: 40, iterations, start, seed, ..Kmeans::default() };
            kmeans(&cpu, &x, None, &args).unwrap().0
        };
        let falling: Vec<f64> = (1..8).map(|iterations| objective(&x, &run(iterations, 3))).collect();
        assert!(falling.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6)), "{start:?}: {falling:?}");
        assert_eq!(run(5, 3).to_bytes().unwrap(), run(5, 3).to_bytes().unwrap());
        assert_ne!(run(5, 3).to_bytes().unwrap(), run(5, 4).to_bytes().unwrap());
    }
}

#[test]
fn a_fixed_point_is_the_end() {
    let (cpu, x) = (Stream::cpu(), waves(300, 5));
    for spherical in [false, true] {
        let run = |iterations| {
            let args = Kmeans { k: 6, iterations, spherical, ..Kmeans::default() };
            let (centroids, labels) = kmeans(&cpu, &x, None, &args).unwrap();
            (centroids.to_bytes().unwrap(), labels.to_bytes().unwrap())
        };
        let few: Vec<_> = (1..80).map(run).collect();
        assert_ne!(few[0], few[78]);
        assert_eq!(few[77], few[78]);
        // As many as no machine makes.
        assert_eq!(run(usize::MAX), few[78]);
    }
}

#[test]
fn as_many_centroids_as_different_rows_are_those_rows() {
    let (cpu, x) = (Stream::cpu(), waves(30, 4));
    for start in [Start::Random, Start::PlusPlus] {
        let args = Kmeans { k: 30, start, ..Kmeans::default() };
        let (centroids, labels) = kmeans(&cpu, &x, None, &args).unwrap();
        assert_eq!(objective(&x, &centroids), 0.0);
        let mut labels = labels.to_vec::<i64>().unwrap();
        labels.sort_unstable();
        assert!(labels.into_iter().eq(0..30));
    }
    // More centroids than different rows: those that are left over stay.
    let same = Tensor::from_vec(vec![1.5f32; 20], [10, 2]).unwrap();
    let args = Kmeans { k: 4, start: Start::PlusPlus, ..Kmeans::default() };
    assert_eq!(kmeans(&cpu, &same, None, &args).unwrap().0.to_vec::<f32>().unwrap(), vec![1.5; 8]);
}

#[test]
fn mini_batches_come_near_what_all_rows_give() {
    let (cpu, x) = (Stream::cpu(), waves(4000, 19));
    let run = |iterations, batch, seed| {
        let args = Kmeans { k: 20, iterations, batch, seed, start: Start::PlusPlus, ..Kmeans::default() };
        kmeans(&cpu, &x, None, &args).unwrap()
    };
    let (all, _) = run(20, None, 3);
    let (some, labels) = run(60, Some(400), 3);
    let [best, near, start] = [&all, &some, &run(1, Some(1), 3).0].map(|centroids| objective(&x, centroids));
    assert!(near < 1.1 * best && near < start, "{best} {near} {start}");
    // Labels are those of the centroids that come with them.
    let own = flat_scan_topk(&cpu, &x, &some, None, None, &FlatScanTopk::default()).unwrap().1;
    let differ = labels
        .to_vec::<i64>()
        .unwrap()
        .iter()
        .zip(own.to_vec::<i64>().unwrap())
        .filter(|(a, b)| **a != *b)
        .count();
    assert!(differ < 4, "{differ} labels");
    assert_eq!(run(5, Some(100), 4).0.to_bytes().unwrap(), run(5, Some(100), 4).0.to_bytes().unwrap());
    // One batch of all rows is one iteration with all rows.
    let (one, whole) =
        (run(1, Some(4000), 3).0.to_vec::<f32>().unwrap(), run(1, None, 3).0.to_vec::<f32>().unwrap());
    assert!(one.iter().zip(whole).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs())));
}

#[test]
fn spherical_centroids_have_length_one_and_take_rows_by_direction() {
    let (cpu, x) = (Stream::cpu(), waves(900, 7));
    for batch in [None, Some(300)] {
        let args = Kmeans { k: 6, spherical: true, batch, ..Kmeans::default() };
        let (centroids, _) = kmeans(&cpu, &x, None, &args).unwrap();
        for centroid in centroids.to_vec::<f32>().unwrap().chunks(7) {
            assert!((centroid.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}

/// The devices that are here beside the CPU.
fn devices() -> Vec<Stream> {
    let all = [Device::Emulated, Device::Cuda(0), Device::Metal(0)];
    all.into_iter().filter_map(|device| tilewright_gpu::stream(device).ok()).collect()
}

#[test]
fn every_device_draws_the_same_rows() {
    let x = waves(700, 6);
    for start in [Start::Random, Start::PlusPlus] {
        for (batch, spherical) in [(None, false), (Some(90), false), (Some(90), true)] {
            let args = Kmeans { k: 12, iterations: 1, start, batch, spherical, ..Kmeans::default() };
            let here = kmeans(&Stream::cpu(), &x, None, &args).unwrap().0.to_vec::<f32>().unwrap();
            for stream in devices() {
                let (centroids, labels) = kmeans(&stream, &x.to(&stream).unwrap(), None, &args).unwrap();
                let there = centroids.to_vec::<f32>().unwrap();
                let off = there.iter().zip(&here).all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + b.abs()));
                assert!(off, "{start:?} {batch:?} {spherical}: {there:?} {here:?}");
                assert_eq!(labels.dims(), [700]);
            }
        }
    }
}

#[test]
fn rows_that_are_not_told_apart_start_anywhere() {
    let same = Tensor::from_vec(vec![1.5f32; 600], [300, 2]).unwrap();
    let mut holed = vec![0.5f32; 600];
    holed[7] = f32::INFINITY;
    let holed = Tensor::from_vec(holed, [300, 2]).unwrap();
    let args = Kmeans { k: 4, iterations: 1, start: Start::PlusPlus, ..Kmeans::default() };
    for stream in devices() {
        let found = kmeans(&stream, &same.to(&stream).unwrap(), None, &args).unwrap().0;
        assert_eq!(found.to_vec::<f32>().unwrap(), vec![1.5; 8]);
        kmeans(&stream, &holed.to(&stream).unwrap(), None, &args).unwrap();
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let mut values = waves(12, 3).to_vec::<f32>().unwrap();
    values[3 * 7 + 1] = f32::NAN;
    let holed = Tensor::from_vec(values, [12, 3]).unwrap();
    let initial = Tensor::zeros(DType::F32, [2, 4]).unwrap();
    let call = |x: &Tensor, initial: Option<&Tensor>, args: Kmeans| {
        kmeans(&cpu, x, initial, &args).unwrap_err().to_string()
    };
    let two = Kmeans { k: 2, ..Kmeans::default() };
    for (error, part) in [
        (call(&waves(3, 2), None, Kmeans { k: 4, ..two }), "k is 4, expected 1..=3"),
        (call(&waves(3, 2), None, Kmeans { k: 0, ..two }), "k is 0"),
        (call(&waves(3, 2), None, Kmeans { iterations: 0, ..two }), "iterations is 0"),
        (call(&waves(3, 2), None, Kmeans { batch: Some(0), ..two }), "batch is 0"),
        (call(&holed, None, Kmeans { batch: Some(12), ..two }), "x is not finite at 7"),
        (call(&waves(3, 3), Some(&initial), two), "initial has shape [2, 4], expected [2, 3]"),
        (call(&holed, None, two), "x is not finite at 7"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

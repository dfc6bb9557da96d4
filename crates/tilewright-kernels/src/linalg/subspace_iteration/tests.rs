//! Properties that cases cannot say.

use tilewright_core::{DType, Device, Stream, Tensor};

use super::{LeadingFactors, SubspaceIteration, subspace_iteration};

/// Streams of the devices that are there.
fn streams() -> Vec<Stream> {
    let gpus = [Device::Emulated, Device::Cuda(0), Device::Metal(0)]
        .into_iter()
        .filter(|&device| tilewright_gpu::caps(device).is_ok());
    [Device::Cpu].into_iter().chain(gpus).map(|device| tilewright_gpu::stream(device).unwrap()).collect()
}

/// `diagonal` turned by Householder's reflection along 1 .. n, on both sides, scaled so that no element is a whole number.
fn turned(diagonal: &[f32]) -> Vec<f32> {
    let n = diagonal.len();
    let square: f64 = (1..=n).map(|i| (i * i) as f64).sum();
    let h = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * ((i + 1) * (j + 1)) as f64 / square;
    let value = |i, j| (0..n).map(|l| h(i, l) * f64::from(diagonal[l]) * h(l, j)).sum::<f64>() as f32;
    (0..n * n).map(|e| value(e / n, e % n)).collect()
}

fn run(stream: &Stream, a: &Tensor, args: &SubspaceIteration) -> LeadingFactors {
    subspace_iteration(stream, &a.to(stream).unwrap(), args).unwrap()
}

/// Power iteration: the error falls by the square of the ratio of the first two values an iteration, so that twice as hard a tolerance takes twice as long.
#[test]
fn iterations_are_as_many_as_the_gap_says() {
    let mut diagonal = vec![0.25f32; 9];
    (diagonal[0], diagonal[1]) = (1.0, 0.8);
    let a = Tensor::from_vec(turned(&diagonal), [9, 9]).unwrap();
    for stream in streams() {
        let power = |tolerance| {
            let args = SubspaceIteration {
                rank: 1,
                oversample: 0,
                tolerance: Some(tolerance),
                ..SubspaceIteration::default()
            };
            let found = run(&stream, &a, &args).checked().unwrap();
            // The error of the value is 1.4 times the square of the residual, as all other squares are .64 at most.
            let off = f64::from(found.s.to_vec::<f32>().unwrap()[0]) - 1.0;
            assert!(off.abs() < 2e-6 + 1.4 * tolerance * tolerance, "{} {off:e}", stream.device());
            found.iterations.to_vec::<i32>().unwrap()[0]
        };
        let (few, many) = (power(1e-2), power(1e-5));
        // ln 1000 / ln (1 / 0.64) is 15.5.
        assert!((14..=17).contains(&(many - few)), "{} {few} {many}", stream.device());
        // With the second value iterated too there is next to no gap left.
        let wide = SubspaceIteration {
            rank: 1,
            oversample: 1,
            tolerance: Some(1e-5),
            ..SubspaceIteration::default()
        };
        let count = run(&stream, &a, &wide).iterations.to_vec::<i32>().unwrap()[0];
        assert!(count <= 7, "{} {count}", stream.device());
    }
}

/// Each matrix of a batch stops by itself, at what it has alone, whatever the others are.
#[test]
fn a_batch_is_its_matrices_one_by_one() {
    let easy = turned(&[4.0, 1.0, 0.01, 0.01, 0.01, 0.01, 0.01]);
    let hard = turned(&[1.0, 0.98, 0.96, 0.94, 0.92, 0.9, 0.88]);
    let slow = turned(&[1.0, 0.9, 0.7, 0.6, 0.5, 0.4, 0.3]);
    let mut broken = easy.clone();
    broken[10] = f32::NAN;
    let all = [&slow, &hard, &broken, &easy, &vec![0.0; 49]];
    let args = SubspaceIteration {
        rank: 2,
        oversample: 1,
        tolerance: Some(1e-4),
        iterations: 40,
        ..SubspaceIteration::default()
    };
    for stream in streams() {
        let together = Tensor::from_vec(all.map(|a| &a[..]).concat(), [5, 7, 7]).unwrap();
        let together = run(&stream, &together, &args);
        assert_eq!(together.info.to_vec::<i32>().unwrap(), [0, 2, 1, 0, 0], "{}", stream.device());
        let counts = together.iterations.to_vec::<i32>().unwrap();
        assert!(counts[0] > counts[3] && counts[1] == 40 && counts[4] == 1, "{counts:?}");
        let (s, residual) = (together.s.to_vec::<f32>().unwrap(), together.residual.to_vec::<f32>().unwrap());
        assert!(residual[0] <= 1e-4 && residual[1] > 1e-4 && residual[2].is_nan() && residual[4] == 0.0);
        for (item, a) in all.into_iter().enumerate() {
            let alone = run(&stream, &Tensor::from_vec(a.clone(), [7, 7]).unwrap(), &args);
            // Bodies for batches add in another order, by which a residual at the boundary may take another iteration.
            let count = alone.iterations.to_vec::<i32>().unwrap()[0];
            assert!((count - counts[item]).abs() <= 1, "{} {item}", stream.device());
            let values = alone.s.to_vec::<f32>().unwrap();
            for (x, y) in s[2 * item..][..2].iter().zip(values) {
                let near = (x - y).abs() <= if item == 1 { 1e-3 } else { 1e-5 };
                assert!(near || (x.is_nan() && y.is_nan()), "{} {item} {x} {y}", stream.device());
            }
            let vt = |found: &LeadingFactors| found.vt.to_vec::<f32>().unwrap();
            let own = &vt(&together)[14 * item..][..14];
            // The same direction, of whichever sign, where the two values differ.
            if matches!(item, 0 | 3) {
                let product: f32 = own[..7].iter().zip(&vt(&alone)[..7]).map(|(x, y)| x * y).sum();
                assert!((product.abs() - 1.0).abs() < 1e-4, "{} {item} {product}", stream.device());
            }
        }
        let error = together.checked().unwrap_err().to_string();
        assert!(error.contains("residual") && error.contains("40 iterations"), "{error}");
    }
}

#[test]
fn a_seed_gives_the_same_bits_and_another_other_ones() {
    let a = Tensor::from_vec(turned(&[1.0, 0.9, 0.7, 0.6, 0.5]), [5, 5]).unwrap();
    let of = |seed| {
        let args = SubspaceIteration {
            rank: 1,
            oversample: 1,
            tolerance: Some(1e-2),
            seed,
            ..SubspaceIteration::default()
        };
        run(&Stream::cpu(), &a, &args).u.to_vec::<f32>().unwrap()
    };
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(4));
}

#[test]
fn wrong_arguments_are_named() {
    let a = Tensor::zeros(DType::F32, [5, 4]).unwrap();
    let error = |a: &Tensor, args: SubspaceIteration| {
        subspace_iteration(&Stream::cpu(), a, &args).unwrap_err().to_string()
    };
    let args = SubspaceIteration { rank: 2, ..SubspaceIteration::default() };
    for (error, part) in [
        (error(&a, SubspaceIteration { rank: 5, ..args }), "rank is 5, expected at most 4"),
        (error(&a, SubspaceIteration { tolerance: Some(-1.0), ..args }), "tolerance is -1"),
        (error(&a, SubspaceIteration { tolerance: Some(f64::NAN), ..args }), "tolerance is NaN"),
        (error(&a, SubspaceIteration { iterations: 0, ..args }), "iterations is 0"),
        (error(&Tensor::zeros(DType::I32, [5, 4]).unwrap(), args), "a has dtype i32"),
        (error(&Tensor::zeros(DType::F32, [5]).unwrap(), args), "a has shape [5], expected [.., m, n]"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

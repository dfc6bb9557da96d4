//! Random numbers of the standard normal distribution: each a function of the seed and its place, the same on every device to the roundings of f32.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use rayon::prelude::*;
use tilewright_core::{DType, Device, Element, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::host::with_real;
use crate::parallel::Each;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("linalg_normals", include_str!("normals.metal"))
        .header(include_str!("normals.header.metal"))
        .template("S")
        .scalar("seed", DType::U64);
    Program::new(definition.output("out")).expect("the definition is valid")
});

/// A tensor of them, f32 or f64.
pub(super) fn normals(stream: &Stream, seed: u64, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    let elements = shape.iter().product::<usize>();
    if elements == 0 {
        return Tensor::empty(stream, dtype, shape);
    }
    if stream.device() == Device::Cpu {
        return with_real!(dtype, T => {
            let number = |place| T::from_f64(normal(seed, place as u64));
            let numbers = (0..elements).into_par_iter().with_min_len(1 << 12).each_made(&number);
            Tensor::from_vec(numbers.collect::<Vec<T>>(), shape)
        });
    }
    PROGRAM
        .launch(stream)
        .template("S", dtype)
        .scalar("seed", seed)
        .output("out", dtype, shape)
        .grid(Grid::threads([elements, 1, 1]), [256, 1, 1])
        .run_one()
}

/// The finalizer of splitmix64.
fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// By Box and Muller, of 64 bits that the place and the seed are mixed to.
fn normal(seed: u64, place: u64) -> f64 {
    let bits =
        mixed(mixed(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ place.wrapping_add(0xd1b5_4a32_d192_ed03));
    // Rounded to f32 as on a GPU, so that both take the logarithm of the same number.
    let unit = 2f32.powi(-32);
    let (u, turn) = ((((bits >> 32) as u32 as f32 + 0.5) * unit).min(1.0), bits as u32 as f32 * unit);
    (-2.0 * f64::from(u).ln()).sqrt() * (TAU * f64::from(turn)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        for real in [DType::F32, DType::F64] {
            crate::nvrtc::compiles(&PROGRAM, &[real.into()], &[real]);
        }
    }

    /// Moments of many: each within five of its own standard deviations.
    #[test]
    fn they_are_normal() {
        for seed in [0, 1, u64::MAX] {
            let count = 100_000;
            let numbers: Vec<f64> = (0..count).map(|place| normal(seed, place)).collect();
            let moment = |power: i32| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / count as f64;
            let deviation = |variance: f64| 5.0 * (variance / count as f64).sqrt();
            assert!(moment(1).abs() < deviation(1.0));
            assert!((moment(2) - 1.0).abs() < deviation(2.0));
            assert!(moment(3).abs() < deviation(15.0));
            assert!((moment(4) - 3.0).abs() < deviation(96.0));
            let neighbours = numbers.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / count as f64;
            assert!(neighbours.abs() < deviation(1.0));
        }
    }
}

//! On the host: rows, and pieces of long ones, on all threads.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use super::super::host::Real;
use super::Fold;
use crate::host::packed;
use crate::parallel::Each;

/// Elements of a piece; fixed, so that the result does not depend on the number of threads.
const PIECE: usize = 1 << 16;

/// Sums side by side, so that one addition need not wait for the other.
const LANES: usize = 16;

/// Along the last axis, of n > 0 elements.
pub(super) fn vectors<T: Real>(x: &Tensor, shape: Vec<usize>, n: usize, fold: Fold) -> Result<Tensor> {
    let elements: &[T] = &packed(x)?;
    let row = |row: &[T]| {
        let pieces: Vec<T> = row.par_chunks(PIECE).each_made(&|piece| of::<T>(piece, fold)).collect();
        if let [one] = pieces[..] { one } else { of::<T>(&pieces, fold.of_pieces()) }
    };
    let together = (PIECE / n).max(1);
    let norms: Vec<T> = elements.par_chunks(n).with_min_len(together).each_made(&row).collect();
    Tensor::from_vec(norms, shape)
}

fn of<T: Real>(x: &[T], fold: Fold) -> T {
    match fold {
        Fold::Count => T::from_count(x.iter().filter(|&&x| x != T::ZERO).count()),
        Fold::Sum => sum(x, |x| x.magnitude()),
        Fold::Largest => largest(x),
        Fold::Smallest => smallest(x),
        Fold::Root => {
            let plain = sum(x, |x| x * x);
            if T::SAFE_SQUARES.contains(&plain) {
                return plain.root();
            }
            let largest = largest(x);
            if largest == T::ZERO || !largest.finite() {
                return largest;
            }
            largest * sum(x, |x| (x / largest) * (x / largest)).root()
        }
        Fold::Power(p) => {
            let scale = if p > 0.0 { largest(x) } else { smallest(x) };
            if scale == T::ZERO || !scale.finite() {
                return scale;
            }
            let power = |x: T, p: f64| T::power(x, p);
            scale * power(sum(x, |x| power(x.magnitude() / scale, p)), 1.0 / p)
        }
    }
}

fn sum<T: Real>(x: &[T], term: impl Fn(T) -> T) -> T {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut sums = [T::ZERO; LANES];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += term(x);
        }
    }
    sums.iter_mut().zip(rest).for_each(|(sum, &x)| *sum += term(x));
    sums.into_iter().fold(T::ZERO, |total, sum| total + sum)
}

/// NaN if there is one.
fn largest<T: Real>(x: &[T]) -> T {
    x.iter().fold(T::ZERO, |largest, x| {
        let x = x.magnitude();
        if x > largest || x.partial_cmp(&x).is_none() { x } else { largest }
    })
}

/// NaN if there is one.
fn smallest<T: Real>(x: &[T]) -> T {
    x.iter().fold(x[0].magnitude(), |smallest, x| {
        let x = x.magnitude();
        if x < smallest || x.partial_cmp(&x).is_none() { x } else { smallest }
    })
}

//! Loops over several tensors at once, each written once for all dtypes: leaf by leaf in the type that accumulates.

use pulp::{Arch, Simd, WithSimd};

use super::TASK;
use crate::reduce::exp::Real;
use crate::reduce::number::{Accumulator, LEAF, Number};

/// `outputs[..][i] = one(inputs[..][i])` for every i; all slices are equally long.
pub(super) fn each<T: Number<Sum: Real>, const N: usize, const M: usize>(
    inputs: [&[T]; N],
    outputs: [&mut [T]; M],
    one: impl Fn([T::Sum; N]) -> [T::Sum; M] + Copy + Sync,
) {
    let elements = outputs[0].len();
    if elements <= TASK {
        return leaves(inputs, outputs, one);
    }
    let half = (elements / 2).next_multiple_of(LEAF);
    let inputs = inputs.map(|input| input.split_at(half));
    let mut right = [const { None }; M];
    let mut rest = right.iter_mut();
    let left = outputs.map(|output| {
        let (left, right) = output.split_at_mut(half);
        *rest.next().expect("as many as there are outputs") = Some(right);
        left
    });
    let right = right.map(|right| right.expect("every output was split"));
    rayon::join(
        || each(inputs.map(|input| input.0), left, one),
        || each(inputs.map(|input| input.1), right, one),
    );
}

fn leaves<T: Number<Sum: Real>, const N: usize, const M: usize>(
    inputs: [&[T]; N],
    mut outputs: [&mut [T]; M],
    one: impl Fn([T::Sum; N]) -> [T::Sum; M] + Copy,
) {
    let elements = outputs[0].len();
    let mut stages = [[T::Sum::ZERO; LEAF]; N];
    let mut results = [[T::Sum::ZERO; LEAF]; M];
    for start in (0..elements).step_by(LEAF) {
        let range = start..elements.min(start + LEAF);
        let mut stages = stages.iter_mut();
        let inputs = inputs
            .map(|input| T::load(&input[range.clone()], stages.next().expect("a stage for each input")));
        Arch::new().dispatch(Leaf { inputs, results: &mut results, one });
        for (output, result) in outputs.iter_mut().zip(&results) {
            let length = range.len();
            T::store(&mut output[range.clone()], |output| output.copy_from_slice(&result[..length]));
        }
    }
}

struct Leaf<'a, S, F, const N: usize, const M: usize> {
    inputs: [&'a [S]; N],
    results: &'a mut [[S; LEAF]; M],
    /// By value: what it has captured is then in registers, and the loop becomes SIMD.
    one: F,
}

impl<S: Real, F: Fn([S; N]) -> [S; M], const N: usize, const M: usize> WithSimd for Leaf<'_, S, F, N, M> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let length = self.inputs[0].len().min(LEAF);
        let inputs = self.inputs.map(|input| &input[..length]);
        for i in 0..length {
            let made = (self.one)(inputs.map(|input| input[i]));
            for (result, made) in self.results.iter_mut().zip(made) {
                result[i] = made;
            }
        }
    }
}

/// 1 / (1 + exp(-x)), by the exponential of a number that is not positive.
#[inline(always)]
pub(super) fn sigmoid<S: Real>(x: S) -> S {
    let e = if x > S::ZERO { S::ZERO.minus(x) } else { x }.exp();
    let small = e / S::ONE.plus(e); // sigma of -|x|
    if x > S::ZERO { S::ONE / S::ONE.plus(e) } else { small }
}

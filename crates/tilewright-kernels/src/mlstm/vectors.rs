//! Loops over vectors on the host. Each is compiled for the instructions that the machine has, in lanes whose order is fixed.

use pulp::{Arch, Simd, WithSimd};

use super::rows::Scalar;
use crate::reduce::exp::Real;

/// Partial sums that are kept side by side.
const LANES: usize = 16;

/// `x *= factor`
pub(super) fn scale<S: Scalar>(x: &mut [S], factor: S) {
    Arch::new().dispatch(Scale(x, factor));
}

struct Scale<'a, S>(&'a mut [S], S);

impl<S: Scalar> WithSimd for Scale<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for x in self.0 {
            *x = *x * self.1;
        }
    }
}

/// One more token: its forget gate for all before it, its input gate for itself.
pub(super) fn advance<S: Scalar>(exponents: &mut [S], log_f: S, log_i: S) {
    let Some((last, earlier)) = exponents.split_last_mut() else { return };
    *last = log_i;
    Arch::new().dispatch(Advance(earlier, log_f));
}

struct Advance<'a, S>(&'a mut [S], S);

impl<S: Scalar> WithSimd for Advance<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for exponent in self.0 {
            *exponent += self.1;
        }
    }
}

/// `scores *= weights`, and their sum.
pub(super) fn weigh<S: Scalar>(scores: &mut [S], weights: &[S]) -> S {
    Arch::new().dispatch(Weigh(scores, weights))
}

struct Weigh<'a, S>(&'a mut [S], &'a [S]);

impl<S: Scalar> WithSimd for Weigh<'_, S> {
    type Output = S;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> S {
        let mut lanes = [S::ZERO; LANES];
        let (weights, rest) = self.1.as_chunks::<LANES>();
        let (scores, tail) = self.0.as_chunks_mut::<LANES>();
        for (scores, weights) in scores.iter_mut().zip(weights) {
            for lane in 0..LANES {
                scores[lane] = scores[lane] * weights[lane];
                lanes[lane] += scores[lane];
            }
        }
        for ((score, &weight), lane) in tail.iter_mut().zip(rest).zip(&mut lanes) {
            *score = *score * weight;
            *lane += *score;
        }
        folded(lanes)
    }
}

/// `weights = exp(exponents - m)`
pub(super) fn weights<S: Scalar>(weights: &mut [S], exponents: &[S], m: S) {
    Arch::new().dispatch(Weights { weights, exponents, m });
}

struct Weights<'a, S> {
    weights: &'a mut [S],
    exponents: &'a [S],
    m: S,
}

impl<S: Scalar> WithSimd for Weights<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (weight, &exponent) in self.weights.iter_mut().zip(self.exponents) {
            *weight = Real::exp(exponent.minus(self.m));
        }
    }
}

/// `y += factor x`
pub(super) fn add_scaled<S: Scalar>(y: &mut [S], factor: S, x: &[S]) {
    Arch::new().dispatch(AddScaled(y, factor, x));
}

struct AddScaled<'a, S>(&'a mut [S], S, &'a [S]);

impl<S: Scalar> WithSimd for AddScaled<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (y, &x) in self.0.iter_mut().zip(self.2) {
            *y += self.1 * x;
        }
    }
}

/// `gradients = weights (factor gradients + shift)`
pub(super) fn weigh_gradients<S: Scalar>(gradients: &mut [S], weights: &[S], factor: S, shift: S) {
    Arch::new().dispatch(WeighGradients { gradients, weights, factor, shift });
}

struct WeighGradients<'a, S> {
    gradients: &'a mut [S],
    weights: &'a [S],
    factor: S,
    shift: S,
}

impl<S: Scalar> WithSimd for WeighGradients<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (gradient, &weight) in self.gradients.iter_mut().zip(self.weights) {
            *gradient = weight * (self.factor * *gradient + self.shift);
        }
    }
}

/// `sum_j a_j b_j`
pub(super) fn dot<S: Scalar>(a: &[S], b: &[S]) -> S {
    Arch::new().dispatch(Dot(a, b))
}

struct Dot<'a, S>(&'a [S], &'a [S]);

impl<S: Scalar> WithSimd for Dot<'_, S> {
    type Output = S;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> S {
        let mut lanes = [S::ZERO; LANES];
        let (a_whole, a_rest) = self.0.as_chunks::<LANES>();
        let (b_whole, b_rest) = self.1.as_chunks::<LANES>();
        for (a, b) in a_whole.iter().zip(b_whole) {
            for lane in 0..LANES {
                lanes[lane] += a[lane] * b[lane];
            }
        }
        for ((&a, &b), lane) in a_rest.iter().zip(b_rest).zip(&mut lanes) {
            *lane += a * b;
        }
        folded(lanes)
    }
}

/// The sum of the lanes, as a tree.
#[inline(always)]
fn folded<S: Scalar>(mut lanes: [S; LANES]) -> S {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] += other;
        }
        width /= 2;
    }
    lanes[0]
}

/// A row of C takes a token in, and is read: `c = keep c + key value`, `sum += query c`.
pub(super) fn absorb<S: Scalar>(c: &mut [S], sum: &mut [S], value: &[S], factors: [S; 3]) {
    Arch::new().dispatch(Absorb { c, sum, value, factors });
}

struct Absorb<'a, S> {
    c: &'a mut [S],
    sum: &'a mut [S],
    value: &'a [S],
    factors: [S; 3],
}

impl<S: Scalar> WithSimd for Absorb<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let [keep, key, query] = self.factors;
        for ((c, sum), &value) in self.c.iter_mut().zip(self.sum).zip(self.value) {
            *c = keep * *c + key * value;
            *sum += query * *c;
        }
    }
}

/// `h *= sigma(o)`
pub(super) fn gate_by<S: Scalar>(h: &mut [S], o: &[S]) {
    Arch::new().dispatch(Gate(h, o));
}

struct Gate<'a, S>(&'a mut [S], &'a [S]);

impl<S: Scalar> WithSimd for Gate<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (h, &o) in self.0.iter_mut().zip(self.1) {
            // exp of what is not positive: no overflow, and 0 where it underflows.
            let positive = o > S::ZERO;
            let e = Real::exp(if positive { S::ZERO.minus(o) } else { o });
            *h = *h * (if positive { S::ONE } else { e }) / S::ONE.plus(e);
        }
    }
}

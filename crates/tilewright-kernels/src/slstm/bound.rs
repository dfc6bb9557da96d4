//! Numbers that carry what rounding may have done to them: the running error analysis of a computation beside the computation.

use std::ops::{Add, Mul, Neg, Sub};

/// Roundings of an exponential: Metal allows 4 units in the last place, which are 8.
const EXP: f64 = 8.0;
/// Of tanh and of a sigmoid, made of an exponential, two sums and a quotient of numbers of size 1, or a library's own.
const SQUASH: f64 = 12.0;
/// Of the logarithm of a sigmoid, relative to it: an exponential, log1p, a sum.
const LOG: f64 = 16.0;
/// In roundoffs of f32: what was below its smallest normal number may have become 0.
const FLUSH: f64 = f32::MIN_POSITIVE as f64 / (f32::EPSILON as f64 / 2.0);

/// A number, and a bound to first order on its error in unit roundoffs of the type that is judged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bound {
    pub(super) value: f64,
    pub(super) error: f64,
}

impl Bound {
    pub(super) fn exact(value: f64) -> Self {
        Bound { value, error: 0.0 }
    }

    /// Value and error as a judge takes them.
    pub(super) fn pair(self) -> (f64, f64) {
        (self.value, self.error)
    }

    pub(super) fn exp(self) -> Self {
        let value = self.value.exp();
        let error = if value > 0.0 { value * (self.error + EXP) } else { 0.0 };
        Bound { value, error: error + FLUSH }
    }

    pub(super) fn tanh(self) -> Self {
        let value = self.value.tanh();
        Bound { value, error: (1.0 - value * value) * self.error + SQUASH }
    }

    pub(super) fn sigmoid(self) -> Self {
        let value = 1.0 / (1.0 + (-self.value).exp());
        let slope = value / (1.0 + self.value.exp());
        Bound { value, error: slope * self.error + SQUASH * value + FLUSH }
    }

    pub(super) fn log_sigmoid(self) -> Self {
        let x = self.value;
        let value = if x < 0.0 { x - x.exp().ln_1p() } else { -(-x).exp().ln_1p() };
        Bound { value, error: self.error / (1.0 + x.exp()) + LOG * value.abs() + FLUSH }
    }

    /// The quotient; a divisor is not 0.
    pub(super) fn over(self, other: Self) -> Self {
        let value = self.value / other.value;
        let error = self.error / other.value.abs() + value.abs() * (other.error / other.value.abs() + 1.0);
        Bound { value, error: error + FLUSH }
    }

    /// `self + sum of weight x`, in whatever order it is summed: each addition may round the sum of all sizes.
    pub(super) fn plus_products(self, terms: impl Iterator<Item = (Bound, Bound)>) -> Self {
        let (mut sum, mut size, mut count) = (self, self.value.abs(), 2.0);
        for (weight, x) in terms {
            sum.value += weight.value * x.value;
            sum.error += weight.value.abs() * x.error + weight.error * x.value.abs();
            size += (weight.value * x.value).abs();
            count += 1.0;
        }
        Bound { error: sum.error + count * (size + FLUSH), ..sum }
    }
}

impl Add for Bound {
    type Output = Bound;

    fn add(self, other: Bound) -> Bound {
        let value = self.value + other.value;
        Bound { value, error: self.error + other.error + value.abs() }
    }
}

impl Sub for Bound {
    type Output = Bound;

    fn sub(self, other: Bound) -> Bound {
        self + -other
    }
}

impl Neg for Bound {
    type Output = Bound;

    fn neg(self) -> Bound {
        Bound { value: -self.value, ..self }
    }
}

impl Mul for Bound {
    type Output = Bound;

    fn mul(self, other: Bound) -> Bound {
        let value = self.value * other.value;
        let error = self.value.abs() * other.error + self.error * other.value.abs() + value.abs();
        Bound { value, error: error + FLUSH }
    }
}

//! The truth of the family: sums of products of f64 in a fixed-point number wide enough for all of them, so that nothing is rounded before the end
//! and the order of the terms is nothing to it (Kulisch's accumulator).

/// The exponent of the lowest bit: that of the product of the two smallest numbers.
const LOWEST: i32 = -2 * 1074;
/// Digits of 32 bits, up to the product of the two largest numbers and 2^64 of them.
const DIGITS: usize = (2 * 1074 + 2 * 1024 + 64) / 32 + 2;

/// A sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact {
    /// Each holds more than its 32 bits while terms are added.
    digits: Vec<i64>,
    terms: u32,
}

impl Exact {
    pub(super) fn new() -> Self {
        Exact { digits: vec![0; DIGITS], terms: 0 }
    }

    /// Adds `a b`, both finite.
    pub(super) fn add_product(&mut self, a: f64, b: f64) {
        let ((a, a_exponent), (b, b_exponent)) = (parts(a), parts(b));
        let at = (a_exponent + b_exponent - LOWEST) as usize;
        let product = i128::from(a) * i128::from(b);
        let (sign, size) = (product.signum() as i64, product.unsigned_abs());
        // 106 bits, shifted by up to 31, lie in five digits.
        let (first, shift) = (at / 32, at % 32);
        let low = (size & u128::from(u64::MAX)) << shift;
        let high = (size >> 64 << shift) + (low >> 64);
        for (place, word) in [(0, low as u64), (2, high as u64), (4, (high >> 64) as u64)] {
            self.digits[first + place] += sign * (word & 0xffff_ffff) as i64;
            if place < 4 {
                self.digits[first + place + 1] += sign * (word >> 32) as i64;
            }
        }
        self.terms += 1;
        if self.terms == 1 << 30 {
            self.carry();
        }
    }

    /// Digits of -2^31 to 2^31 - 1 each; the sum's one and only form.
    fn carry(&mut self) {
        let mut carry = 0;
        for digit in &mut self.digits {
            let all = *digit + carry;
            *digit = i64::from(all as i32);
            carry = (all - *digit) >> 32;
        }
        self.terms = 0;
    }

    /// The sum to about 100 bits: a high and a low part.
    pub(super) fn value(mut self) -> (f64, f64) {
        self.carry();
        let (mut high, mut low) = (0.0f64, 0.0f64);
        for (place, &digit) in self.digits.iter().enumerate().rev().filter(|(_, digit)| **digit != 0) {
            let exponent = LOWEST + 32 * place as i32;
            // In two factors, each of which is a number.
            let x = digit as f64 * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2);
            let sum = high + x;
            let of_x = sum - high;
            low += (high - (sum - of_x)) + (x - of_x);
            high = sum;
        }
        let sum = high + low;
        (sum, low - (sum - high))
    }
}

/// A finite number as an integer times a power of 2.
fn parts(x: f64) -> (i64, i32) {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, (bits & ((1 << 52) - 1)) as i64);
    let size = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    (if x < 0.0 { -size } else { size }, exponent.max(1) - 1075)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[(f64, f64)]) -> (f64, f64) {
        let mut exact = Exact::new();
        terms.iter().for_each(|&(a, b)| exact.add_product(a, b));
        exact.value()
    }

    #[test]
    fn nothing_is_lost() {
        assert_eq!(sum(&[]), (0.0, 0.0));
        assert_eq!(sum(&[(1e200, 1e100), (3.0, 1.0), (-1e200, 1e100), (1e-200, 1e-90)]).0, 3.0);
        let third = 1.0 / 3.0;
        assert_eq!(sum(&[(third, 3.0), (-1.0, 1.0)]).0, -1.0 / (1u64 << 54) as f64);
        assert_eq!(sum(&[(1.0, 1.0), (2f64.powi(-80), 1.0)]), (1.0, 2f64.powi(-80)));
        assert_eq!(sum(&[(5e-324, 1.0), (5e-324, 1.0)]).0, 1e-323);
    }

    #[test]
    fn the_order_is_nothing_to_it() {
        let term =
            |i: usize| ((0.37 * i as f64).sin() * 2f64.powi((i * 37 % 60) as i32), (1.3 * i as f64).cos());
        let mut terms: Vec<_> = (0..500).map(term).collect();
        let all = |terms: &[(f64, f64)]| {
            let mut exact = Exact::new();
            terms.iter().for_each(|&(a, b)| exact.add_product(a, b));
            exact.carry();
            exact
        };
        let forward = all(&terms);
        terms.reverse();
        assert_eq!(forward, all(&terms));
        terms.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(forward, all(&terms));
    }
}

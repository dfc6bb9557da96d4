//! On the host: rows of the result side by side, each as sums that vectors take.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use super::Sizes;
use crate::extended::number::{Number, Twofold, plus, times};
use crate::extended::{Operand, Pair, pair};
use crate::parallel::Each;

struct Row<'a, T> {
    /// k numbers, and their low parts or nothing.
    a: [&'a [T]; 2],
    /// k x n numbers, and their low parts or nothing.
    b: [&'a [T]; 2],
    out: &'a mut [Twofold<T>],
}

impl<T: Number> WithSimd for Row<'_, T> {
    type Output = ();

    /// In code for the vector unit that was found, which has fma where the machine has.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let n = self.out.len();
        for (l, &high) in self.a[0].iter().enumerate() {
            let a = Twofold { high, low: self.a[1].get(l).copied().unwrap_or(T::ZERO) };
            let row = &self.b[0][l * n..][..n];
            if self.b[1].is_empty() {
                for (sum, &high) in self.out.iter_mut().zip(row) {
                    *sum = plus(*sum, times(a, Twofold { high, low: T::ZERO }));
                }
            } else {
                for ((sum, &high), &low) in self.out.iter_mut().zip(row).zip(&self.b[1][l * n..][..n]) {
                    *sum = plus(*sum, times(a, Twofold { high, low }));
                }
            }
        }
    }
}

pub(super) fn product<T: Number>(a: Operand<'_>, b: Operand<'_>, sizes: &Sizes) -> Result<Pair> {
    let numbers = |tensor: Option<&Tensor>| tensor.map_or(Ok(Vec::new()), |tensor| tensor.to_vec::<T>());
    let (a, b) = ([numbers(Some(a.high))?, numbers(a.low)?], [numbers(Some(b.high))?, numbers(b.low)?]);
    let &Sizes { batches, m, k, n, .. } = sizes;
    let mut out = vec![Twofold::ZERO; batches * m * n];
    out.par_chunks_mut(n).enumerate().each(&|(row, out)| {
        let part = |of: &'_ [T], at: usize, size: usize| {
            if of.is_empty() { 0..0 } else { at * size..(at + 1) * size }
        };
        let of_a = |i: usize| &a[i][part(&a[i], row, k)];
        let of_b = |i: usize| &b[i][part(&b[i], row / m, k * n)];
        Arch::new().dispatch(Row { a: [of_a(0), of_a(1)], b: [of_b(0), of_b(1)], out });
    });
    pair(&out, &sizes.shape)
}

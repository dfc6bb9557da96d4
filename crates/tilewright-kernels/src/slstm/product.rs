//! The recurrent product on the host: the outputs of a few sequences of one head by its weights, which a token passes over once.

use pulp::{Arch, Simd, WithSimd};

use super::units::Scalar;

/// Sequences that share a pass over the weights, and vectors of columns a pass: 8 of AVX2's 16 registers are sums.
pub(super) const ROWS: usize = 4;
const VECTORS: usize = 2;

/// `to += a b`: to `[rows, columns]`, a `[rows, terms]`, b `[terms, columns]`, all row-major, with at most [`ROWS`] rows. Each element is summed from
/// the first term to the last, in whatever company.
pub(super) fn add_product<S: Scalar>(to: &mut [S], a: &[S], b: &[S], columns: usize) {
    if columns > 0 {
        Arch::new().dispatch(Product { to, a, b, columns });
    }
}

struct Product<'a, S> {
    to: &'a mut [S],
    a: &'a [S],
    b: &'a [S],
    columns: usize,
}

impl<S: Scalar> WithSimd for Product<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Product { to, a, b, columns } = self;
        let (rows, terms) = (to.len() / columns, b.len() / columns);
        let width = VECTORS * size_of::<S::Vector<V>>() / size_of::<S>();
        let whole = columns / width * width;
        let a = |row: usize| &a[row.min(rows - 1) * terms..][..terms];
        for left in (0..whole).step_by(width) {
            // By name: an array that an index is left in would live in memory. A row that is not there repeats the last.
            let load = |row: usize| -> [S::Vector<V>; VECTORS] {
                bytemuck::cast_slice(&to[row.min(rows - 1) * columns + left..][..width])[0]
            };
            let [mut r0, mut r1, mut r2, mut r3] = [load(0), load(1), load(2), load(3)];
            let terms = a(0).iter().zip(a(1)).zip(a(2)).zip(a(3)).zip(b.chunks_exact(columns));
            for ((((&a0, &a1), &a2), &a3), b) in terms {
                let b: &[[S::Vector<V>; VECTORS]] = bytemuck::cast_slice(&b[left..left + width]);
                let b = b[0];
                r0 = add_row(simd, a0, b, r0);
                r1 = add_row(simd, a1, b, r1);
                r2 = add_row(simd, a2, b, r2);
                r3 = add_row(simd, a3, b, r3);
            }
            for (row, sums) in [r0, r1, r2, r3].iter().enumerate().take(rows) {
                to[row * columns + left..][..width].copy_from_slice(bytemuck::cast_slice(sums));
            }
        }
        for row in 0..rows {
            for column in whole..columns {
                let mut sum = [S::splat(simd, to[row * columns + column])];
                for (&a, b) in a(row).iter().zip(b.chunks_exact(columns)) {
                    sum = [S::fused(simd, S::splat(simd, a), S::splat(simd, b[column]), sum[0])];
                }
                let sum: &[S] = bytemuck::cast_slice(&sum);
                to[row * columns + column] = sum[0];
            }
        }
    }
}

#[inline(always)]
fn add_row<S: Scalar, V: Simd>(
    simd: V,
    a: S,
    b: [S::Vector<V>; VECTORS],
    sums: [S::Vector<V>; VECTORS],
) -> [S::Vector<V>; VECTORS] {
    let a = S::splat(simd, a);
    [S::fused(simd, a, b[0], sums[0]), S::fused(simd, a, b[1], sums[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_plain_product_for_any_rows_and_columns() {
        for (rows, terms, columns) in [(1, 3, 1), (2, 5, 33), (3, 1, 64), (4, 7, 70), (4, 0, 9), (1, 2, 31)] {
            let wave =
                |count: usize, by: f64| -> Vec<f64> { (0..count).map(|i| (by * i as f64).sin()).collect() };
            let (a, b, mut to) =
                (wave(rows * terms, 0.7), wave(terms * columns, 1.3), wave(rows * columns, 0.3));
            let mut plain = to.clone();
            for row in 0..rows {
                for column in 0..columns {
                    for term in 0..terms {
                        plain[row * columns + column] += a[row * terms + term] * b[term * columns + column];
                    }
                }
            }
            add_product(&mut to, &a, &b, columns);
            for (got, plain) in to.iter().zip(&plain) {
                assert!((got - plain).abs() < 1e-14, "{rows} {terms} {columns}: {got} {plain}");
            }
        }
    }
}

//! On the host, in the 1-norm: small matrices of a batch side by side in vector lanes, others one by one.

use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_unit_lower_triangular_in_place,
    solve_unit_upper_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{Result, Stream, Tensor};

use super::super::elimination::{eliminate, eliminate_lanes};
use super::super::estimate::{Climb, inverse_norm, reciprocal};
use super::super::extents::Extents;
use super::super::host::{Matrices, Real, for_each, largest_of, scaled};
use super::super::lanes::{self, Lanes, Room, Work};
use super::super::substitution;

/// Of matrices that have elements.
pub(super) fn rcond<T: Real>(a: &Tensor, extents: &Extents) -> Result<Tensor> {
    let (n, batches) = (extents.n, extents.batches());
    let a = Matrices::<T>::new(a)?;
    let mut rcond = Tensor::empty(&Stream::cpu(), T::DTYPE, &extents.batch[..])?;
    let outputs = rcond.as_slice_mut::<T>()?.iter_mut().enumerate();
    let items = outputs.map(|(item, rcond)| Item { a: a.at(item), rcond }).collect();
    if lanes::fit::<T>(batches, n) {
        lanes::for_each::<T, _>(&Estimate, items);
    } else {
        for_each(items, n, one);
    }
    Ok(rcond)
}

struct Item<'a, T> {
    a: MatRef<'a, T>,
    rcond: &'a mut T,
}

/// Next to a number, so that a quotient by it keeps all digits; 0 for 0.
fn power_of_two<T: Real>(x: T) -> T {
    T::from_f64(x.to_f64().log2().floor().exp2())
}

/// Of a matrix with a NaN or an infinity.
fn beyond<T: Real>(a: MatRef<'_, T>) -> T {
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    if a.col_iter().any(|column| column.iter().any(is_nan)) { T::NAN } else { T::ZERO }
}

fn one<T: Real>(item: Item<'_, T>, par: Par) {
    let (n, largest) = (item.a.nrows(), largest_of(item.a));
    if !largest.finite() {
        *item.rcond = beyond(item.a);
        return;
    }
    let mut lu = scaled(item.a, power_of_two(largest));
    let sums = lu.as_ref().col_iter().map(|column| column.norm_l1()).collect::<Vec<T>>();
    let norm = sums.into_iter().fold(T::ZERO, |most, sum| if sum > most { sum } else { most });
    eliminate(lu.as_mut(), &mut vec![0; n], par);
    let lu = lu.as_ref();
    // Exchanges of rows are exchanges of the inverse's columns, which its norm does not see.
    *item.rcond = if (0..n).any(|k| lu[(k, k)] == T::ZERO) {
        T::ZERO
    } else {
        reciprocal(norm, inverse_norm(n, |transpose, x| substitute(lu, transpose, x)).0)
    };
}

/// With the product of the factors, or its transpose. Each is read once for one vector: more threads would wait for the same memory.
fn substitute<T: Real>(lu: MatRef<'_, T>, transpose: bool, mut x: MatMut<'_, T>) {
    if transpose {
        solve_lower_triangular_in_place(lu.transpose(), x.as_mut(), Par::Seq);
        solve_unit_upper_triangular_in_place(lu.transpose(), x, Par::Seq);
    } else {
        solve_unit_lower_triangular_in_place(lu, x.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(lu, x, Par::Seq);
    }
}

struct Estimate;

impl<T: Real> Work<Item<'_, T>> for Estimate {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, items: Vec<Item<'_, T>>) {
        let n = items[0].a.nrows();
        // Column after column.
        let columns: Vec<_> = items.iter().map(|item| item.a.transpose()).collect();
        let mut lu = lanes::load(simd, &columns);
        let largest: Vec<T> = items.iter().map(|item| largest_of(item.a)).collect();
        let mut by = Lanes::splat(simd, T::ONE);
        for (by, &largest) in by.each_mut().iter_mut().zip(&largest) {
            if largest.finite() && largest > T::ZERO {
                *by = power_of_two(largest);
            }
        }
        let zero = Lanes::splat(simd, T::ZERO);
        let mut norm = zero;
        for column in lu.chunks_exact_mut(n) {
            let mut sum = zero;
            for x in column {
                *x = *x / by;
                sum = sum + x.abs();
            }
            norm = norm.where_less(sum, sum, norm);
        }
        eliminate_lanes(simd, n, n, true, &mut lu, |_, _| ());
        let mut climbs: Vec<Climb<T>> = items.iter().map(|_| Climb::new(n)).collect();
        let mut x = Room::zeros(simd, n);
        // The climbs take turns with the matrix and its transpose, and end at different times. Lanes of those that do not ask are solved with what
        // was left in them, which nobody reads.
        let mut transpose = false;
        while climbs.iter().any(|climb| climb.asks().is_some()) {
            for (lane, climb) in climbs.iter().enumerate() {
                if climb.asks() == Some(transpose) {
                    for (x, &side) in x.iter_mut().zip(&climb.x) {
                        x.each_mut()[lane] = side;
                    }
                }
            }
            substitution::vector(n, transpose, transpose, &lu, &mut x);
            substitution::vector(n, !transpose, transpose, &lu, &mut x);
            for (lane, climb) in climbs.iter_mut().enumerate() {
                if climb.asks() == Some(transpose) {
                    for (solution, x) in climb.x.iter_mut().zip(x.iter()) {
                        *solution = x.each()[lane];
                    }
                    climb.advance();
                }
            }
            transpose = !transpose;
        }
        for (lane, (item, climb)) in items.into_iter().zip(climbs).enumerate() {
            let mut singular = false;
            for k in 0..n {
                singular |= lu[k * (n + 1)].each()[lane] == T::ZERO;
            }
            *item.rcond = if !largest[lane].finite() {
                beyond(item.a)
            } else if singular {
                T::ZERO
            } else {
                reciprocal(norm.each()[lane], climb.bound)
            };
        }
    }
}

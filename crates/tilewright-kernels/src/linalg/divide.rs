//! Eigenvalues and eigenvectors of a symmetric tridiagonal matrix on the host, by divide and conquer.
//!
//! The matrix is cut into halves, again and again; the last ones, of at most 16 rows, are made diagonal side by side in vector lanes. Two halves are joined
//! as `diag(d) + rho z zᵀ` (Cuppen): columns that hardly change are left as they are (deflation), the other values are the roots of a rational function, each
//! by Li's middle way between two poles and with its distances to all poles, and the vectors are those of the matrix whose values these are exactly, so that
//! they are orthogonal however near values lie (Gu and Eisenstat, SIAM J. Matrix Anal. Appl. 16 (1995) 172; LAPACK's STEDC and LAED0 to LAED4, LAPACK Working
//! Note 89). What is small is done in f64, products are of the matrix's own numbers.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, ColMut, Mat, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::host::Real;
use super::lanes::{self, Lanes, Room, Work};
use super::reductions::identity;
use super::sweeps;
use crate::parallel::Each;

/// Rows of a half that is not cut again, at most.
const LEAF: usize = 16;

/// Steps towards a root; each that does not come nearer by the interpolation halves where it lies.
const STEPS: usize = 100;

/// Roots of a task.
const ROOTS: usize = 64;

/// A block on the diagonal: its values, in no order, that order, and its vectors, which are columns of one of two rooms, zeros beside it in both.
struct Block<'a, T: Real> {
    values: &'a mut [f64],
    /// The places of the values, rising.
    order: &'a mut [usize],
    vectors: MatMut<'a, T>,
    other: MatMut<'a, T>,
}

impl<T: Real> Block<'_, T> {
    fn halves(&mut self) -> (Block<'_, T>, Block<'_, T>) {
        let middle = self.values.len() / 2;
        let values = self.values.split_at_mut(middle);
        let order = self.order.split_at_mut(middle);
        let (first, _, _, second) = self.vectors.as_mut().split_at_mut(middle, middle);
        let (first_other, _, _, second_other) = self.other.as_mut().split_at_mut(middle, middle);
        (
            Block { values: values.0, order: order.0, vectors: first, other: first_other },
            Block { values: values.1, order: order.1, vectors: second, other: second_other },
        )
    }
}

/// Joins the halves of a block, after those of its halves, and so on, `depth` times. The last vectors are written to one room or the other in turn, the
/// leaves' being in the first. `beside` are the elements beside the diagonal.
fn conquer<T: Real>(mut block: Block<'_, T>, beside: &[f64], depth: usize, par: Par) {
    if depth == 0 {
        return;
    }
    let middle = block.values.len() / 2;
    let (first, second) = block.halves();
    let (left, right) = (&beside[..middle - 1], &beside[middle..]);
    if par.degree() > 1 {
        let join = |half, beside| conquer(half, beside, depth - 1, Par::Seq);
        rayon::join(|| join(first, left), || join(second, right));
    } else {
        conquer(first, left, depth - 1, par);
        conquer(second, right, depth - 1, par);
    }
    if depth.is_multiple_of(2) {
        std::mem::swap(&mut block.vectors, &mut block.other);
    }
    join(&mut block, beside[middle - 1], par);
}

/// Where a column of the joined block has elements.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Part {
    First,
    Both,
    Second,
}

/// Of the vectors of two halves, whose values are those of the matrix without `coupling`, those of the whole, in the other room.
fn join<T: Real>(block: &mut Block<'_, T>, coupling: f64, par: Par) {
    let n = block.values.len();
    let middle = n / 2;
    // The second half's places follow the first's.
    block.order[middle..].iter_mut().for_each(|place| *place += middle);
    let values = &mut *block.values;
    block.order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut vectors = block.vectors.as_mut();
    // Two rows of orthogonal matrices, over their length, which is the root of 2.
    let over = std::f64::consts::FRAC_1_SQRT_2;
    let mut z: Vec<f64> = (0..n)
        .map(|j| match j < middle {
            true => vectors[(middle - 1, j)].to_f64() * over,
            false => vectors[(middle, j)].to_f64() * over.copysign(coupling),
        })
        .collect();
    let weight = 2.0 * coupling.abs();
    let mut parts: Vec<Part> = (0..n).map(|j| if j < middle { Part::First } else { Part::Second }).collect();
    let largest = |x: &[f64]| x.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let tolerance = 4.0 * T::EPSILON.to_f64() * largest(values).max(largest(&z));

    let (mut kept, mut left): (Vec<usize>, Vec<usize>) = (Vec::with_capacity(n), Vec::new());
    let mut before: Option<usize> = None;
    for &j in block.order.iter() {
        if weight * z[j].abs() <= tolerance {
            left.push(j);
            continue;
        }
        let Some(i) = before.replace(j) else { continue };
        let length = z[i].hypot(z[j]);
        let (c, s) = (z[j] / length, -z[i] / length);
        if ((values[j] - values[i]) * c * s).abs() > tolerance {
            kept.push(i);
            continue;
        }
        // Two values that are one: all of z into the second.
        (z[i], z[j]) = (0.0, length);
        let (low, high) = (values[i], values[j]);
        (values[i], values[j]) = (low * c * c + high * s * s, low * s * s + high * c * c);
        turn(vectors.as_mut(), i, j, T::from_f64(c), T::from_f64(s));
        if parts[i] != parts[j] {
            (parts[i], parts[j]) = (Part::Both, Part::Both);
        }
        left.push(i);
    }
    kept.extend(before);

    let count = kept.len();
    let poles: Vec<f64> = kept.iter().map(|&j| values[j]).collect();
    let z: Vec<f64> = kept.iter().map(|&j| z[j]).collect();
    // One after the other: columns of the first half alone, of both, of the second alone.
    let mut sorted: Vec<usize> = (0..count).collect();
    sorted.sort_by(|&a, &b| parts[kept[a]].partial_cmp(&parts[kept[b]]).expect("parts are ordered"));
    let place = |part: Part| sorted.partition_point(|&a| parts[kept[a]] < part);
    let (both, second) = (place(Part::Both), place(Part::Second));

    let mut roots = vec![0.0; count];
    let turned: Mat<T> = eigenvectors(&poles, &z, weight, &sorted, &mut roots, par);
    let gathered = |rows: Range<usize>, columns: Range<usize>| {
        let mut gathered = Mat::<T>::zeros(rows.len(), columns.len());
        for (to, &a) in gathered.as_mut().col_iter_mut().zip(&sorted[columns]) {
            copy_column(vectors.as_ref().subrows(rows.start, rows.len()), kept[a], to);
        }
        gathered
    };
    let (mut top, mut bottom) = block.other.as_mut().split_at_row_mut(middle);
    let half = |out: MatMut<'_, T>, rows: Range<usize>, columns: Range<usize>| {
        let factor = turned.as_ref().subrows(columns.start, columns.len());
        matmul(out, Accum::Replace, &gathered(rows, columns), factor, T::ONE, par);
    };
    half(top.as_mut().subcols_mut(0, count), 0..middle, 0..second);
    half(bottom.as_mut().subcols_mut(0, count), middle..n, both..count);
    let mut rest = vec![0.0; left.len()];
    for ((to, value), &j) in (count..n).zip(&mut rest).zip(&left) {
        *value = values[j];
        copy_column(vectors.as_ref(), j, block.other.as_mut().col_mut(to));
    }
    values[..count].copy_from_slice(&roots);
    values[count..].copy_from_slice(&rest);
    (0..n).zip(block.order.iter_mut()).for_each(|(place, order)| *order = place);
    block.order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
}

fn copy_column<T: Real>(from: MatRef<'_, T>, j: usize, to: ColMut<'_, T>) {
    let (from, to) = (from.col(j).try_as_col_major(), to.try_as_col_major_mut());
    let (from, to) = from.zip(to).expect("columns lie in one piece");
    to.as_slice_mut().copy_from_slice(from.as_slice());
}

/// Columns i and j become `c i + s j` and `c j - s i`.
fn turn<T: Real>(vectors: MatMut<'_, T>, i: usize, j: usize, c: T, s: T) {
    let (first, second) = vectors.two_cols_mut(i, j);
    for (x, y) in first.iter_mut().zip(second.iter_mut()) {
        (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
    }
}

/// The vectors of `diag(poles) + weight z zᵀ`, of length 1, whose poles rise; row r is that of pole `sorted[r]`. The values go to `roots`.
fn eigenvectors<T: Real>(
    poles: &[f64],
    z: &[f64],
    weight: f64,
    sorted: &[usize],
    roots: &mut [f64],
    par: Par,
) -> Mat<T> {
    let count = poles.len();
    let mut vectors = Mat::<T>::zeros(count, count);
    if count == 0 {
        return vectors;
    }
    let squares: Vec<f64> = z.iter().map(|z| weight * z * z).collect();
    // Row k: the distances of all poles from root k.
    let mut distances = vec![0.0; count * count];
    let rounding = (T::EPSILON.to_f64() / 4096.0).max(f64::EPSILON);
    let secular = Secular { rounding, poles, squares: &squares };
    let chunk = if par.degree() > 1 && count > ROOTS { ROOTS } else { count };
    let each = |(task, (distances, roots)): (usize, (&mut [f64], &mut [f64]))| {
        Arch::new().dispatch(Roots { secular: &secular, first: task * chunk, distances, roots });
    };
    let tasks = distances.par_chunks_mut(chunk * count).zip(roots.par_chunks_mut(chunk)).enumerate();
    if chunk < count {
        tasks.each(&each)
    } else {
        each((0, (&mut distances, roots)))
    }
    // The z of which these are exactly the roots.
    let mut exact = vec![1.0; count];
    let each = |(task, exact): (usize, &mut [f64])| {
        Arch::new().dispatch(|| products(poles, &distances, task * chunk, exact));
    };
    exact.par_chunks_mut(chunk).enumerate().each(&each);
    for (exact, z) in exact.iter_mut().zip(z) {
        *exact = exact.abs().sqrt().copysign(*z);
    }
    let columns: Vec<_> = vectors.as_mut().col_iter_mut().zip(distances.chunks_exact_mut(count)).collect();
    let each = |(out, parts): (ColMut<'_, T>, &mut [f64])| {
        let over = Arch::new().dispatch(|| length(&exact, parts)).recip();
        for (out, &pole) in out.iter_mut().zip(sorted) {
            *out = T::from_f64(parts[pole] * over);
        }
    };
    if chunk < count {
        columns.into_par_iter().with_min_len(chunk).each(&each);
    } else {
        columns.into_iter().for_each(each);
    }
    vectors
}

/// Divides z by distances, in their place; the length of that.
#[inline(always)]
fn length(z: &[f64], parts: &mut [f64]) -> f64 {
    let mut squares = [0.0; 8];
    for (parts, z) in parts.chunks_mut(8).zip(z.chunks(8)) {
        for ((part, z), square) in parts.iter_mut().zip(z).zip(&mut squares) {
            *part = z / *part;
            *square += *part * *part;
        }
    }
    squares.iter().sum::<f64>().sqrt()
}

/// For poles i from `first` on: the product over roots k of `(poles_i - root_k) / (poles_i - poles_k)`, without the denominator of pole i itself.
#[inline(always)]
fn products(poles: &[f64], distances: &[f64], first: usize, exact: &mut [f64]) {
    let count = poles.len();
    let mine = &poles[first..][..exact.len()];
    for (k, &pole) in poles.iter().enumerate() {
        let distances = &distances[k * count + first..][..exact.len()];
        let own = k.checked_sub(first).filter(|&own| own < exact.len());
        let own = own.map(|own| (own, exact[own] * distances[own]));
        for ((exact, distance), mine) in exact.iter_mut().zip(distances).zip(mine) {
            *exact *= distance / (mine - pole);
        }
        // Over nothing.
        if let Some((own, product)) = own {
            exact[own] = product;
        }
    }
}

/// `1 + Σ squares / (poles - x)`, which rises from each pole to the next.
struct Secular<'a> {
    /// Of its terms, beyond which no root is looked for.
    rounding: f64,
    poles: &'a [f64],
    squares: &'a [f64],
}

/// Finds the roots from number `first` on.
struct Roots<'a> {
    secular: &'a Secular<'a>,
    first: usize,
    distances: &'a mut [f64],
    roots: &'a mut [f64],
}

impl WithSimd for Roots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let count = self.secular.poles.len();
        for (k, (root, distances)) in
            (self.first..).zip(self.roots.iter_mut().zip(self.distances.chunks_exact_mut(count)))
        {
            *root = self.secular.root(simd, k, distances);
        }
    }
}

impl Secular<'_> {
    /// The sum over some poles and that of the derivative, at a place whose distances are given.
    #[inline(always)]
    fn sums<S: Simd>(simd: S, distances: &[f64], squares: &[f64]) -> (f64, f64) {
        let (distance, distance_rest) = S::as_simd_f64s(distances);
        let (square, square_rest) = S::as_simd_f64s(squares);
        let (one, zero) = (simd.splat_f64s(1.0), simd.splat_f64s(0.0));
        let (mut sum, mut slope) = (zero, zero);
        for (&distance, &square) in distance.iter().zip(square) {
            let over = simd.div_f64s(one, distance);
            let term = simd.mul_f64s(square, over);
            sum = simd.add_f64s(sum, term);
            slope = simd.mul_add_f64s(term, over, slope);
        }
        let (mut sum, mut slope) = (simd.reduce_sum_f64s(sum), simd.reduce_sum_f64s(slope));
        for (distance, square) in distance_rest.iter().zip(square_rest) {
            let term = square / distance;
            sum += term;
            slope += term / distance;
        }
        (sum, slope)
    }

    /// The function at x from pole `origin`, the sums over the poles up to p and beyond, and the distances.
    #[inline(always)]
    fn at<S: Simd>(
        &self,
        simd: S,
        p: usize,
        origin: usize,
        x: f64,
        distances: &mut [f64],
    ) -> (f64, (f64, f64), (f64, f64)) {
        let origin = self.poles[origin];
        for (distance, pole) in distances.iter_mut().zip(self.poles) {
            *distance = (pole - origin) - x;
        }
        let first = Self::sums(simd, &distances[..p + 1], &self.squares[..p + 1]);
        let second = Self::sums(simd, &distances[p + 1..], &self.squares[p + 1..]);
        (1.0 + first.0 + second.0, first, second)
    }

    /// Root k, which lies above pole k and below the next one. Its distances from the poles are exact to roundings.
    #[inline(always)]
    fn root<S: Simd>(&self, simd: S, k: usize, distances: &mut [f64]) -> f64 {
        let (poles, squares, count) = (self.poles, self.squares, self.poles.len());
        if count == 1 {
            distances[0] = -squares[0];
            return poles[0] + squares[0];
        }
        let last = k + 1 == count;
        // The poles between which is interpolated; beyond the last one the last two.
        let p = if last { k - 1 } else { k };
        let gap = if last { squares.iter().sum() } else { poles[k + 1] - poles[k] };
        let (value, ..) = self.at(simd, p, k, gap / 2.0, distances);
        // From the nearer pole, so that the root's distance to it has all its digits.
        let (origin, mut low, mut high) = match (last, value < 0.0) {
            (true, true) => (k, gap / 2.0, gap),
            (true, false) => (k, 0.0, gap / 2.0),
            (false, true) => (k + 1, -gap / 2.0, 0.0),
            (false, false) => (k, 0.0, gap / 2.0),
        };
        // What solves the same with all poles but two taken as they are at that place.
        let (a, b) = (squares[p], squares[p + 1]);
        let rest = value - a / distances[p] - b / distances[p + 1];
        let width = poles[p + 1] - poles[p];
        let mut x = if origin == p {
            let (sum, product) = (rest * width + a + b, a * width);
            let root = (sum * sum - 4.0 * product * rest).max(0.0).sqrt();
            if sum > 0.0 { 2.0 * product / (sum + root) } else { (sum - root) / (2.0 * rest) }
        } else {
            let (sum, product) = (rest * width - a - b, b * width);
            let root = (sum * sum + 4.0 * product * rest).max(0.0).sqrt();
            let root = if last { -root } else { root };
            if (sum < 0.0) != last { 2.0 * product / (sum - root) } else { -(sum + root) / (2.0 * rest) }
        };
        if !(x > low && x < high) {
            x = (low + high) / 2.0;
        }
        for _ in 0..STEPS {
            let (value, (first, first_slope), (second, second_slope)) =
                self.at(simd, p, origin, x, distances);
            if value < 0.0 {
                low = x
            } else {
                high = x
            }
            let sizes = 8.0 * (1.0 + first.abs() + second.abs()) + x.abs() * (first_slope + second_slope);
            if value.abs() <= self.rounding * sizes {
                break;
            }
            let (a, b) = (distances[p], distances[p + 1]);
            let c = value - a * first_slope - b * second_slope;
            let sum = (a + b) * value - a * b * (first_slope + second_slope);
            let product = a * b * value;
            let root = (sum * sum - 4.0 * product * c).max(0.0).sqrt();
            // Of the two solutions that between the poles, or beyond them.
            let step = match (last, sum > 0.0) {
                (false, false) => (sum - root) / (2.0 * c),
                (false, true) => 2.0 * product / (sum + root),
                (true, true) => (sum + root) / (2.0 * c),
                (true, false) => 2.0 * product / (sum - root),
            };
            let next = x + step;
            x = if next > low && next < high { next } else { (low + high) / 2.0 };
        }
        poles[origin] + x
    }
}

/// A half that is not cut again.
struct Leaf<'a, T: Real> {
    values: &'a mut [f64],
    beside: &'a [f64],
    vectors: MatMut<'a, T>,
    converged: bool,
}

/// Leaves side by side: their values, in no order, and their vectors.
struct Leaves {
    /// The rows of the largest.
    n: usize,
}

impl<T: Real> Work<&mut Leaf<'_, T>> for Leaves {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, leaves: Vec<&mut Leaf<'_, T>>) {
        let n = self.n;
        // A smaller one has a row of zeros more, whose value and vector stay where they are.
        let (mut d, mut e) = (Room::zeros(simd, n), Room::zeros(simd, n));
        for (lane, leaf) in leaves.iter().enumerate() {
            for (d, &value) in d.iter_mut().zip(&*leaf.values) {
                d.each_mut()[lane] = T::from_f64(value);
            }
            for (e, &beside) in e.iter_mut().zip(leaf.beside) {
                e.each_mut()[lane] = T::from_f64(beside);
            }
        }
        let mut q = identity(simd, n, n);
        let failed: Lanes<S, T> = sweeps::tridiagonal(simd, &mut d, &mut e, &mut q);
        for (lane, leaf) in leaves.into_iter().enumerate() {
            leaf.converged = failed.each()[lane] == T::ZERO;
            for (j, value) in leaf.values.iter_mut().enumerate() {
                *value = d[j].each()[lane].to_f64();
                let column = leaf.vectors.as_mut().col_mut(j);
                column.iter_mut().zip(&q[j * n..]).for_each(|(to, from)| *to = from.each()[lane]);
            }
        }
    }
}

/// Makes the matrix with `d` on its diagonal and `e` beside it diagonal: its values in d, rising, and its vectors in the columns of q, which is
/// column-major. Whether it could; if not, neither means anything.
pub(super) fn tridiagonal<T: Real>(d: &mut [T], e: &[T], mut q: MatMut<'_, T>, par: Par) -> bool {
    let n = d.len();
    let size = d.iter().chain(e).fold(0.0f64, |largest, x| largest.max(x.to_f64().abs()));
    // A power of two, so that nothing is rounded, after which no element of a leaf is beyond 1.
    let size = if size > 0.0 { (3.0 * size).log2().ceil().exp2() } else { 1.0 };
    let mut values: Vec<f64> = d.iter().map(|d| d.to_f64() / size).collect();
    let beside: Vec<f64> = e.iter().map(|e| e.to_f64() / size).collect();
    let (mut depth, mut sizes) = (0, vec![n]);
    while sizes.iter().any(|&size| size > LEAF) {
        (depth, sizes) = (depth + 1, sizes.into_iter().flat_map(|n| [n / 2, n - n / 2]).collect());
    }
    let mut rooms = [Mat::<T>::zeros(n, n), Mat::<T>::zeros(n, n)];
    let (mut leaves, mut first) = (Vec::new(), 0);
    let mut rest = (&mut values[..], rooms[0].as_mut());
    for &size in &sizes {
        let (mine, others) = rest.0.split_at_mut(size);
        let (vectors, _, _, other_vectors) = rest.1.split_at_mut(size, size);
        // The coupling of two halves is taken from both sides.
        if first > 0 {
            mine[0] -= beside[first - 1].abs();
        }
        if first + size < n {
            mine[size - 1] -= beside[first + size - 1].abs();
        }
        let beside = &beside[first..first + size - 1];
        leaves.push(Leaf { values: mine, beside, vectors, converged: false });
        (rest, first) = ((others, other_vectors), first + size);
    }
    let largest = sizes.iter().copied().max().unwrap_or(0);
    lanes::for_each::<T, _>(&Leaves { n: largest }, leaves.iter_mut().collect());
    if !leaves.iter().all(|leaf| leaf.converged) {
        return false;
    }
    drop(leaves);
    let mut order = Vec::with_capacity(n);
    for &size in &sizes {
        let values = &values[order.len()..];
        let mut places: Vec<usize> = (0..size).collect();
        places.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
        order.extend(places);
    }
    let [vectors, other] = &mut rooms;
    let block =
        Block { values: &mut values, order: &mut order, vectors: vectors.as_mut(), other: other.as_mut() };
    conquer(block, &beside, depth, par);
    let found = &rooms[depth % 2];
    for (to, &from) in order.iter().enumerate() {
        d[to] = T::from_f64(values[from] * size);
        copy_column(found.as_ref(), from, q.as_mut().col_mut(to));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest of the residual and of what is missing to orthogonality, over `n eps |matrix|` and `n eps`.
    fn error<T: Real>(d: &[f64], e: &[f64], par: Par) -> f64 {
        let n = d.len();
        let round = |x: &[f64]| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
        let (mut values, beside) = (round(d), round(e));
        let mut q = Mat::<T>::zeros(n, n);
        assert!(tridiagonal(&mut values, &beside, q.as_mut(), par));
        assert!(values.is_sorted_by(|a, b| a <= b));
        let q = Mat::from_fn(n, n, |i, j| q[(i, j)].to_f64());
        let (d, e) = (round(d), beside);
        let a = Mat::from_fn(n, n, |i, j| match (i.abs_diff(j), i.min(j)) {
            (0, i) => d[i].to_f64(),
            (1, i) => e[i].to_f64(),
            _ => 0.0,
        });
        let scaled = Mat::from_fn(n, n, |i, j| q[(i, j)] * values[j].to_f64());
        let unit = n as f64 * T::EPSILON.to_f64();
        let residual = (&a * &q - scaled).norm_l2() / a.norm_l2().max(f64::MIN_POSITIVE);
        let orthogonality = (q.transpose() * &q - Mat::<f64>::identity(n, n)).norm_l2();
        residual.max(orthogonality) / unit
    }

    #[test]
    fn hard_matrices_are_made_diagonal() {
        let wave = |i: usize| (i as f64 * 1.7).sin();
        let falling = |i: usize, n: usize| 10f64.powf(-12.0 * i as f64 / n as f64);
        for n in [1, 2, 3, 16, 17, 33, 47, 128, 150, 530] {
            let all = |value: &dyn Fn(usize) -> f64| (0..n).map(value).collect::<Vec<f64>>();
            let matrices = [
                ("waves", all(&wave), all(&|i| wave(3 * i + 1))),
                ("zero", all(&|_| 0.0), all(&|_| 0.0)),
                ("nearly one", all(&|_| 1.0), all(&|_| 1e-9)),
                ("second differences", all(&|_| 2.0), all(&|_| -1.0)),
                ("Wilkinson's", all(&|i| (i as f64 - n as f64 / 2.0).abs()), all(&|_| 1.0)),
                (
                    "glued",
                    all(&|i| ((i % 21) as f64 - 10.0).abs()),
                    all(&|i| if i % 21 == 20 { 1e-7 } else { 1.0 }),
                ),
                ("graded", all(&|i| falling(i, n)), all(&|i| -0.5 * falling(i, n))),
                ("huge", all(&|i| 1e30 * wave(i)), all(&|i| 1e30 * wave(i + 9))),
                ("tiny", all(&|i| 1e-30 * wave(i)), all(&|i| 1e-30 * wave(i + 9))),
                ("of half rank", all(&|i| if i < n / 2 { 1.0 } else { 0.0 }), all(&|i| 1e-17 * wave(i))),
            ];
            for (name, d, e) in &matrices {
                for par in [Par::Seq, Par::rayon(2)] {
                    let errors = [error::<f32>(d, &e[1..], par), error::<f64>(d, &e[1..], par)];
                    assert!(errors.iter().all(|&error| error < 3.0), "{name}, {n}: {errors:?}");
                }
            }
        }
    }
}

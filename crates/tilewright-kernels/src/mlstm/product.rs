//! Products of the small matrices within a chunk, on the host.
//!
//! They are too small, and too many, for a general product of matrices, which takes three times as long here: 30 GFLOP/s on 32 x 64 x 128 (one thread, Zen).
//! And half of the scores are not wanted: a product that is told so leaves them out, tile by tile.

use super::lanes::{Lanes, Machine, Scalar, Task};

/// Vectors of a tile's row.
const VECTORS: usize = 2;

/// Elements of a matrix in a slice, `row` and `column` apart.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a, S> {
    pub(super) elements: &'a [S],
    pub(super) row: usize,
    pub(super) column: usize,
}

impl<'a, S> Strided<'a, S> {
    pub(super) fn row_major(elements: &'a [S], columns: usize) -> Self {
        Strided { elements, row: columns, column: 1 }
    }

    pub(super) fn transposed(self) -> Self {
        Strided { row: self.column, column: self.row, ..self }
    }
}

/// What is wanted of a product.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Everything,
    /// Of row r only the columns up to `first + r`; of the others, some are computed all the same, and some not even written.
    Columns {
        first: usize,
    },
    /// Row r of the left matrix is 0 from column `first + r + 1` on.
    Terms {
        first: usize,
    },
    /// Row r of the left matrix is 0 before column `r - first`.
    LateTerms {
        first: usize,
    },
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(super) enum Start<'a, S> {
    Zeros,
    /// What stands where the product goes to, times a number.
    Itself(S),
    /// Another matrix of that shape, times a number.
    Other(&'a [S], S),
}

/// `to = start + a b`, with `to [rows, columns]` and `b [terms, columns]` row-major.
pub(super) fn product<S: Scalar>(
    machine: Machine,
    to: &mut [S],
    start: Start<'_, S>,
    sizes: [usize; 3],
    a: Strided<'_, S>,
    b: &[S],
    wanted: Wanted,
) {
    let [rows, columns, terms] = sizes;
    let reach = |last: usize| (rows.max(1) - 1) * a.row + (last.max(1) - 1) * a.column;
    let left = rows * terms == 0 || reach(terms) < a.elements.len();
    assert!(left && b.len() >= terms * columns && to.len() >= rows * columns, "all hold their matrices");
    S::run(machine, Product { to, start, sizes, a, b, wanted });
}

struct Product<'a, S> {
    to: &'a mut [S],
    start: Start<'a, S>,
    sizes: [usize; 3],
    a: Strided<'a, S>,
    b: &'a [S],
    wanted: Wanted,
}

impl<S: Scalar> Task<S> for Product<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<S>, const ROWS: usize>(self, lanes: L) {
        let Product { to, start, sizes: [rows, columns, terms], a, b, wanted } = self;
        let width = VECTORS * L::WIDTH;
        let whole = columns / width * width;
        // The columns of a tile of b stay in the first cache for all rows.
        for left in (0..whole).step_by(width) {
            let start = match start {
                Start::Other(from, factor) => Start::Other(&from[left..], factor),
                other => other,
            };
            // Without terms there is nothing of b.
            let b = b.get(left..).unwrap_or(&[]);
            let panel = Panel { start, a, b, step: columns, terms, wanted, left };
            panel.run::<L, ROWS>(lanes, &mut to[left..], columns, rows);
        }
        if whole == columns {
            return;
        }
        // The last columns, filled up to a tile with zeros.
        let rest = columns - whole;
        let mut tail = vec![S::ZERO; terms * width];
        for (tail, b) in tail.chunks_exact_mut(width).zip(b.chunks_exact(columns)) {
            tail[..rest].copy_from_slice(&b[whole..]);
        }
        let mut edge = vec![S::ZERO; rows * width];
        let (beginning, start) = match start {
            Start::Other(from, factor) => (from, Start::Itself(factor)),
            other => (&*to, other),
        };
        for (edge, from) in edge.chunks_exact_mut(width).zip(beginning.chunks_exact(columns)) {
            edge[..rest].copy_from_slice(&from[whole..]);
        }
        let panel = Panel { start, a, b: &tail, step: width, terms, wanted, left: whole };
        panel.run::<L, ROWS>(lanes, &mut edge, width, rows);
        for (edge, to) in edge.chunks_exact(width).zip(to.chunks_exact_mut(columns)) {
            to[whole..].copy_from_slice(&edge[..rest]);
        }
    }
}

/// A tile's width of columns, from `left` on.
struct Panel<'a, S> {
    start: Start<'a, S>,
    a: Strided<'a, S>,
    /// Its rows `step` apart.
    b: &'a [S],
    step: usize,
    terms: usize,
    wanted: Wanted,
    left: usize,
}

impl<S: Scalar> Panel<'_, S> {
    #[inline(always)]
    fn run<L: Lanes<S>, const ROWS: usize>(&self, lanes: L, to: &mut [S], to_step: usize, rows: usize) {
        let mut top = 0;
        while top < rows {
            let rest = rows - top;
            let to = &mut to[top * to_step..];
            top += match rest {
                _ if rest >= ROWS => self.tile::<L, ROWS>(lanes, to, to_step, top),
                4.. => self.tile::<L, 4>(lanes, to, to_step, top),
                2.. => self.tile::<L, 2>(lanes, to, to_step, top),
                _ => self.tile::<L, 1>(lanes, to, to_step, top),
            };
        }
    }

    /// Gives the number of rows that it has done.
    #[inline(always)]
    fn tile<L: Lanes<S>, const ROWS: usize>(
        &self,
        lanes: L,
        to: &mut [S],
        to_step: usize,
        top: usize,
    ) -> usize {
        let (bottom, mut begin, mut end) = (top + ROWS, 0, self.terms);
        match self.wanted {
            Wanted::Everything => {}
            Wanted::Columns { first } if self.left >= first + bottom => return ROWS,
            Wanted::Columns { .. } => {}
            Wanted::Terms { first } => end = end.min(first + bottom),
            Wanted::LateTerms { first } => begin = end.min(top.saturating_sub(first)),
        }
        let (a, step, terms) = (self.a, self.step, end - begin);
        if terms > 0 {
            assert!(self.b.len() >= (end - 1) * step + VECTORS * L::WIDTH, "a tile's columns");
            assert!(a.elements.len() > (bottom - 1) * a.row + (end - 1) * a.column, "a tile's rows");
        }
        assert!(to.len() >= (ROWS - 1) * to_step + VECTORS * L::WIDTH, "a tile");
        let zero = lanes.splat(S::ZERO);
        let mut sums = [[zero; VECTORS]; ROWS];
        let begun = match self.start {
            Start::Zeros => None,
            Start::Itself(factor) => Some((to.as_ptr(), factor)),
            Start::Other(from, factor) => {
                let from = &from[top * to_step..];
                assert!(from.len() >= (ROWS - 1) * to_step + VECTORS * L::WIDTH, "a tile to start from");
                Some((from.as_ptr(), factor))
            }
        };
        // SAFETY: what is read and written was checked to be there above, up to the last element of a tile: rows of `to` are `to_step` apart,
        // those of b `step`, and the elements of the left factor `a.row` and `a.column`.
        unsafe {
            let to = to.as_mut_ptr();
            if let Some((from, factor)) = begun {
                let factor = lanes.splat(factor);
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (vector, sum) in sums.iter_mut().enumerate() {
                        let from = lanes.load(from.add(row * to_step + vector * L::WIDTH));
                        *sum = lanes.mul_add(factor, from, zero);
                    }
                }
            }
            let mut left = a.elements.as_ptr().wrapping_add(top * a.row + begin * a.column);
            let mut right = self.b.as_ptr().wrapping_add(begin * step);
            for _ in 0..terms {
                let vectors = [lanes.load(right), lanes.load(right.add(L::WIDTH))];
                for (row, sums) in sums.iter_mut().enumerate() {
                    let factor = lanes.splat(*left.add(row * a.row));
                    sums[0] = lanes.mul_add(factor, vectors[0], sums[0]);
                    sums[1] = lanes.mul_add(factor, vectors[1], sums[1]);
                }
                left = left.wrapping_add(a.column);
                right = right.wrapping_add(step);
            }
            for (row, sums) in sums.iter().enumerate() {
                for (vector, &sum) in sums.iter().enumerate() {
                    lanes.store(to.add(row * to_step + vector * L::WIDTH), sum);
                }
            }
        }
        ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers, so that sums are exact in any order.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 37 + 11) % 17) as f32 - 8.0).collect()
    }

    #[test]
    fn every_size_around_the_tile_is_exact() {
        let sizes = [[1, 1, 1], [5, 15, 3], [6, 16, 1], [7, 17, 9], [13, 35, 0], [12, 48, 20], [31, 70, 5]];
        let machines = [Machine::here(), Machine::narrow()];
        for ([rows, columns, terms], machine) in sizes.into_iter().flat_map(|s| machines.map(|m| (s, m))) {
            let (a, b) = (numbers(rows * terms), numbers(terms * columns));
            for transposed in [false, true] {
                let at =
                    |row: usize, term: usize| if transposed { term * rows + row } else { row * terms + term };
                let strided = match transposed {
                    true => Strided::row_major(&a, rows).transposed(),
                    false => Strided::row_major(&a, terms),
                };
                let mut to = numbers(rows * columns);
                let (before, mut other) = (to.clone(), vec![f32::NAN; to.len()]);
                let start = Start::Other(&before, 2.0);
                product(machine, &mut other, start, [rows, columns, terms], strided, &b, Wanted::Everything);
                product(
                    machine,
                    &mut to,
                    Start::Itself(1.0),
                    [rows, columns, terms],
                    strided,
                    &b,
                    Wanted::Everything,
                );
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f32 =
                            (0..terms).map(|term| a[at(row, term)] * b[term * columns + column]).sum();
                        let (at, begun) = (row * columns + column, before[row * columns + column]);
                        assert_eq!((to[at], other[at]), (begun + sum, 2.0 * begun + sum));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_wanted_is_there() {
        let (machine, rows, columns, terms) = (Machine::here(), 20, 40, 30);
        let (mut a, b) = (numbers(rows * terms), numbers(terms * columns));
        let mut full = vec![0.0; rows * columns];
        let mut part = vec![f32::NAN; rows * columns];
        let into = |to: &mut [f32], a: &[f32], wanted| {
            let a = Strided::row_major(a, terms);
            product(machine, to, Start::Zeros, [rows, columns, terms], a, &b, wanted);
        };
        into(&mut full, &a, Wanted::Everything);
        into(&mut part, &a, Wanted::Columns { first: 3 });
        for row in 0..rows {
            let seen = row * columns..row * columns + row + 4;
            assert_eq!(full[seen.clone()], part[seen]);
        }
        (0..rows).for_each(|row| a[row * terms..][..terms][(row + 6).min(terms)..].fill(0.0));
        into(&mut full, &a, Wanted::Everything);
        into(&mut part, &a, Wanted::Terms { first: 5 });
        assert_eq!(full, part);
        (0..rows).for_each(|row| a[row * terms..][..row.saturating_sub(2)].fill(0.0));
        into(&mut full, &a, Wanted::Everything);
        into(&mut part, &a, Wanted::LateTerms { first: 2 });
        assert_eq!(full, part);
    }
}

//! Products of the small matrices within a chunk, on the host.
//!
//! They are too small, and too many, for a general product of matrices, which takes three times as long here: 30 GFLOP/s on 32 x 64 x 128 (one thread, Zen).
//! And half of the scores are not wanted: a product that is told so leaves them out, tile by tile.

use pulp::{Arch, Simd, WithSimd};

use super::rows::Scalar;

/// Rows of the tile that is kept in registers, and vectors a row: 12 of AVX2's 16 registers, which leaves 4 for operands.
const ROWS: usize = 6;
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
}

/// `to = a b`, or `to += a b`, with `to [rows, columns]` and `b [terms, columns]` row-major.
pub(super) fn product<S: Scalar>(
    to: &mut [S],
    add: bool,
    sizes: [usize; 3],
    a: Strided<'_, S>,
    b: &[S],
    wanted: Wanted,
) {
    Arch::new().dispatch(Product { to, add, sizes, a, b, wanted });
}

struct Product<'a, S> {
    to: &'a mut [S],
    add: bool,
    sizes: [usize; 3],
    a: Strided<'a, S>,
    b: &'a [S],
    wanted: Wanted,
}

impl<S: Scalar> WithSimd for Product<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) {
        let Product { to, add, sizes: [rows, columns, terms], a, b, wanted } = self;
        if columns == 0 {
            return;
        }
        let width = VECTORS * size_of::<S::Vector<V>>() / size_of::<S>();
        // The last columns, filled up to a tile with zeros.
        let whole = columns / width * width;
        let mut tail = vec![S::ZERO; if whole < columns { terms * width } else { 0 }];
        for (tail, b) in tail.chunks_exact_mut(width).zip(b.chunks_exact(columns)) {
            tail[..columns - whole].copy_from_slice(&b[whole..]);
        }
        let mut packed = Vec::new();
        for top in (0..rows).step_by(ROWS) {
            let bottom = rows.min(top + ROWS);
            let (columns_here, terms_here) = match wanted {
                Wanted::Everything => (columns, terms),
                Wanted::Columns { first } => (columns.min(first + bottom), terms),
                Wanted::Terms { first } => (columns, terms.min(first + bottom)),
            };
            let left_rows = Block::of(a, top, bottom, terms_here, &mut packed);
            for left in (0..columns_here).step_by(width) {
                let right = columns.min(left + width);
                let mut sums = [[S::splat(simd, S::ZERO); VECTORS]; ROWS];
                if add {
                    for (row, sums) in (top..bottom).zip(&mut sums) {
                        let sums: &mut [S] = bytemuck::cast_slice_mut(sums);
                        copy(
                            &mut sums[..right - left],
                            &to[row * columns + left..row * columns + right],
                            width,
                        );
                    }
                }
                match left < whole {
                    true => left_rows.tile(simd, &mut sums, b, columns, left),
                    false => left_rows.tile(simd, &mut sums, &tail, width, 0),
                }
                for (row, sums) in (top..bottom).zip(&sums) {
                    let sums: &[S] = bytemuck::cast_slice(sums);
                    copy(&mut to[row * columns + left..row * columns + right], &sums[..right - left], width);
                }
            }
        }
    }
}

/// Copies; a whole row of a tile without asking how long it is.
#[inline(always)]
fn copy<S: Scalar>(to: &mut [S], from: &[S], width: usize) {
    if to.len() == width {
        to[..width].copy_from_slice(&from[..width]);
    } else {
        to.copy_from_slice(from);
    }
}

/// The rows of the left matrix that a tile has, where they lie if they can be read there one term after another.
enum Block<'a, S> {
    /// Each contiguous.
    Rows([&'a [S]; ROWS]),
    /// Side by side in rows of the transposed matrix, the first at `top`.
    Columns { elements: &'a [S], stride: usize, top: usize, terms: usize },
    /// Fewer than a tile has, or further apart: gathered.
    Packed(&'a [[S; ROWS]]),
}

impl<'a, S: Scalar> Block<'a, S> {
    fn of(
        a: Strided<'a, S>,
        top: usize,
        bottom: usize,
        terms: usize,
        packed: &'a mut Vec<[S; ROWS]>,
    ) -> Self {
        if bottom - top == ROWS && a.column == 1 {
            return Block::Rows(std::array::from_fn(|row| &a.elements[(top + row) * a.row..][..terms]));
        }
        if bottom - top == ROWS && a.row == 1 && a.column > 0 {
            return Block::Columns { elements: a.elements, stride: a.column, top, terms };
        }
        packed.clear();
        packed.resize(terms, [S::ZERO; ROWS]);
        for row in 0..bottom - top {
            for (term, packed) in packed.iter_mut().enumerate() {
                packed[row] = a.elements[(top + row) * a.row + term * a.column];
            }
        }
        Block::Packed(packed)
    }

    /// `sums +=` a tile's products by the columns of `b`, whose rows are `columns` long, from `left` on.
    #[inline(always)]
    fn tile<V: Simd>(
        &self,
        simd: V,
        sums: &mut [[S::Vector<V>; VECTORS]; ROWS],
        b: &[S],
        columns: usize,
        left: usize,
    ) {
        match *self {
            Block::Rows([r0, r1, r2, r3, r4, r5]) => {
                let rows = r0.iter().zip(r1).zip(r2).zip(r3).zip(r4).zip(r5);
                let a = rows.map(|(((((&a0, &a1), &a2), &a3), &a4), &a5)| [a0, a1, a2, a3, a4, a5]);
                tile(simd, sums, a, b, columns, left);
            }
            Block::Columns { elements, stride, top, terms } => {
                let rows = elements.chunks(stride).take(terms);
                let a = rows.map(|row| row[top..top + ROWS].try_into().expect("a slice of as many"));
                tile(simd, sums, a, b, columns, left);
            }
            Block::Packed(packed) => tile(simd, sums, packed.iter().copied(), b, columns, left),
        }
    }
}

/// `sums +=` a tile's products: the rows of `a`, term by term, by the columns of `b`, whose rows are `columns` long, from `left` on.
#[inline(always)]
fn tile<S: Scalar, V: Simd>(
    simd: V,
    sums: &mut [[S::Vector<V>; VECTORS]; ROWS],
    a: impl Iterator<Item = [S; ROWS]>,
    b: &[S],
    columns: usize,
    left: usize,
) {
    let width = VECTORS * size_of::<S::Vector<V>>() / size_of::<S>();
    // By name: an array that an index is left in would live in memory.
    let [mut r0, mut r1, mut r2, mut r3, mut r4, mut r5] = *sums;
    for (a, b) in a.zip(b.chunks_exact(columns)) {
        let b: &[[S::Vector<V>; VECTORS]] = bytemuck::cast_slice(&b[left..left + width]);
        let b = b[0];
        r0 = add_row(simd, a[0], b, r0);
        r1 = add_row(simd, a[1], b, r1);
        r2 = add_row(simd, a[2], b, r2);
        r3 = add_row(simd, a[3], b, r3);
        r4 = add_row(simd, a[4], b, r4);
        r5 = add_row(simd, a[5], b, r5);
    }
    *sums = [r0, r1, r2, r3, r4, r5];
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

    /// Whole numbers, so that sums are exact in any order.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 37 + 11) % 17) as f32 - 8.0).collect()
    }

    #[test]
    fn every_size_around_the_tile_is_exact() {
        for [rows, columns, terms] in
            [[1, 1, 1], [5, 15, 3], [6, 16, 1], [7, 17, 9], [13, 35, 0], [12, 48, 20]]
        {
            let (a, b) = (numbers(rows * terms), numbers(terms * columns));
            for transposed in [false, true] {
                let at =
                    |row: usize, term: usize| if transposed { term * rows + row } else { row * terms + term };
                let strided = match transposed {
                    true => Strided::row_major(&a, rows).transposed(),
                    false => Strided::row_major(&a, terms),
                };
                let mut to = numbers(rows * columns);
                let before = to.clone();
                product(&mut to, true, [rows, columns, terms], strided, &b, Wanted::Everything);
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f32 =
                            (0..terms).map(|term| a[at(row, term)] * b[term * columns + column]).sum();
                        assert_eq!(to[row * columns + column], before[row * columns + column] + sum);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_wanted_is_there() {
        let (rows, columns, terms) = (20, 40, 30);
        let (mut a, b) = (numbers(rows * terms), numbers(terms * columns));
        let mut full = vec![0.0; rows * columns];
        let mut part = vec![f32::NAN; rows * columns];
        let sizes = [rows, columns, terms];
        product(&mut full, false, sizes, Strided::row_major(&a, terms), &b, Wanted::Everything);
        product(&mut part, false, sizes, Strided::row_major(&a, terms), &b, Wanted::Columns { first: 3 });
        for row in 0..rows {
            let seen = row * columns..row * columns + row + 4;
            assert_eq!(full[seen.clone()], part[seen]);
        }
        (0..rows).for_each(|row| a[row * terms..][..terms][(row + 6).min(terms)..].fill(0.0));
        product(&mut full, false, sizes, Strided::row_major(&a, terms), &b, Wanted::Everything);
        product(&mut part, false, sizes, Strided::row_major(&a, terms), &b, Wanted::Terms { first: 5 });
        assert_eq!(full, part);
    }
}

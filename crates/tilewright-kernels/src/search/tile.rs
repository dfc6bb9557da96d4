//! The product at the heart of the family's host loops: a tile of rows against a pack of vectors, in registers from the first term to the
//! last, so that nothing of it is ever stored.

use super::lanes::{Lanes, WIDEST};

/// Vectors of a pack, at most.
pub(super) const VECTORS: usize = 3;

/// Up to `3 x WIDTH` vectors of length `d` side by side: element `j` of all of them, then element `j + 1`. Lanes without a vector hold zeros.
#[derive(Default)]
pub(super) struct Pack {
    /// `[d, vectors * width]`
    elements: Vec<f32>,
    /// How many vectors of lanes.
    pub(super) vectors: usize,
    /// The number of each lane's vector.
    pub(super) members: Vec<u32>,
}

impl Pack {
    /// Packs the `members` of `all`, which are numbers of rows of length `d`.
    pub(super) fn fill(&mut self, width: usize, all: &[f32], d: usize, members: &[u32]) {
        self.vectors = members.len().div_ceil(width);
        let lanes = self.vectors * width;
        self.members.clear();
        self.members.extend_from_slice(members);
        self.elements.clear();
        self.elements.resize(lanes * d, 0.0);
        for (lane, &member) in members.iter().enumerate() {
            let vector = &all[member as usize * d..][..d];
            for (to, &from) in self.elements[lane..].iter_mut().step_by(lanes).zip(vector) {
                *to = from;
            }
        }
    }

    /// Packs all `members`, as many to a pack as one holds.
    pub(super) fn all(width: usize, all: &[f32], d: usize, members: &[u32]) -> Vec<Pack> {
        let pack = |members| {
            let mut pack = Pack::default();
            pack.fill(width, all, d, members);
            pack
        };
        members.chunks(VECTORS * width).map(pack).collect()
    }
}

/// Repeats a block for each number below a constant, written out, so that arrays which only such blocks index are registers.
macro_rules! unrolled {
    ($index:ident < $count:expr, $body:block) => {
        unrolled!(@ $index, $count, $body, 0 1 2 3 4 5 6 7)
    };
    (@ $index:ident, $count:expr, $body:block, $($number:literal)*) => {$(
        if $number < $count {
            let $index: usize = $number;
            $body
        }
    )*};
}

pub(super) use unrolled;

/// The dot products of `R` rows of length `d` with every lane of a pack of `N` vectors: chains of `d` fused products.
#[inline(always)]
pub(super) fn dots<L: Lanes, const R: usize, const N: usize>(
    lanes: L,
    rows: &[f32],
    d: usize,
    pack: &Pack,
) -> [[L::V; N]; R] {
    let step = N * L::WIDTH;
    assert!(
        R <= 8 && rows.len() == R * d && pack.elements.len() == step * d,
        "a tile of whole rows and its pack"
    );
    let mut sums = [[lanes.splat(0.0); N]; R];
    let mut vectors = [lanes.splat(0.0); N];
    let (mut row, mut side) = (rows.as_ptr(), pack.elements.as_ptr());
    for _ in 0..d {
        unrolled!(n < N, {
            // SAFETY: `side` has come to one of the `d` steps, which are `N` vectors long.
            vectors[n] = unsafe { lanes.load_at(side.wrapping_add(n.wrapping_mul(L::WIDTH))) };
        });
        unrolled!(r < R, {
            // SAFETY: `row` has come to one of the `d` elements of the first of `R` rows.
            let factor = lanes.splat(unsafe { *row.wrapping_add(r.wrapping_mul(d)) });
            unrolled!(n < N, {
                sums[r][n] = lanes.mul_add(factor, vectors[n], sums[r][n]);
            });
        });
        (row, side) = (row.wrapping_add(1), side.wrapping_add(step));
    }
    sums
}

/// The sum of the lanes, by halves.
#[inline(always)]
pub(super) fn total<L: Lanes>(lanes: L, v: L::V) -> f32 {
    let mut array = lanes.array(v);
    let mut half = WIDEST / 2;
    while half > 0 {
        for lane in 0..half {
            array[lane] += array[lane + half];
        }
        half /= 2;
    }
    array[0]
}

/// The elements from the last whole vector on, in a vector with zeros after them.
#[inline(always)]
fn rest<L: Lanes>(lanes: L, row: &[f32]) -> L::V {
    let mut array = [0.0; WIDEST];
    array[..row.len()].copy_from_slice(row);
    lanes.load(&array)
}

/// The squared length of a row.
#[inline(always)]
pub(super) fn squared_length<L: Lanes>(lanes: L, row: &[f32]) -> f32 {
    let zero = lanes.splat(0.0);
    let mut sums = [zero; 4];
    let mut groups = row.chunks_exact(4 * L::WIDTH);
    for group in &mut groups {
        for (n, sum) in sums.iter_mut().enumerate() {
            let x = lanes.load(&group[n * L::WIDTH..]);
            *sum = lanes.mul_add(x, x, *sum);
        }
    }
    for (part, sum) in groups.remainder().chunks(L::WIDTH).zip(&mut sums) {
        let x = if part.len() == L::WIDTH { lanes.load(part) } else { rest(lanes, part) };
        *sum = lanes.mul_add(x, x, *sum);
    }
    let one = lanes.splat(1.0);
    let pairs = [lanes.mul_add(sums[0], one, sums[1]), lanes.mul_add(sums[2], one, sums[3])];
    total(lanes, lanes.mul_add(pairs[0], one, pairs[1]))
}

/// The squared distance of two rows, by differences.
#[inline(always)]
pub(super) fn squared_distance<L: Lanes>(lanes: L, row: &[f32], query: &[f32]) -> f32 {
    let mut sums = [lanes.splat(0.0); 4];
    let step = 4 * L::WIDTH;
    let whole = row.len() / step * step;
    for (x, q) in row[..whole].chunks_exact(step).zip(query[..whole].chunks_exact(step)) {
        for (n, sum) in sums.iter_mut().enumerate() {
            let difference = lanes.sub(lanes.load(&x[n * L::WIDTH..]), lanes.load(&q[n * L::WIDTH..]));
            *sum = lanes.mul_add(difference, difference, *sum);
        }
    }
    let rests = row[whole..].chunks(L::WIDTH).zip(query[whole..].chunks(L::WIDTH));
    for ((x, q), sum) in rests.zip(&mut sums) {
        let (x, q) = if x.len() == L::WIDTH {
            (lanes.load(x), lanes.load(q))
        } else {
            (rest(lanes, x), rest(lanes, q))
        };
        let difference = lanes.sub(x, q);
        *sum = lanes.mul_add(difference, difference, *sum);
    }
    let one = lanes.splat(1.0);
    let pairs = [lanes.mul_add(sums[0], one, sums[1]), lanes.mul_add(sums[2], one, sums[3])];
    total(lanes, lanes.mul_add(pairs[0], one, pairs[1]))
}

/// The dot product of two rows, and the squared length of the first.
#[inline(always)]
pub(super) fn dot_and_squared_length<L: Lanes>(lanes: L, row: &[f32], query: &[f32]) -> (f32, f32) {
    let zero = lanes.splat(0.0);
    let (mut dots, mut lengths) = ([zero; 2], [zero; 2]);
    for (part, (x, q)) in row.chunks(L::WIDTH).zip(query.chunks(L::WIDTH)).enumerate() {
        let (x, q) = if x.len() == L::WIDTH {
            (lanes.load(x), lanes.load(q))
        } else {
            (rest(lanes, x), rest(lanes, q))
        };
        dots[part % 2] = lanes.mul_add(x, q, dots[part % 2]);
        lengths[part % 2] = lanes.mul_add(x, x, lengths[part % 2]);
    }
    let one = lanes.splat(1.0);
    let sum = |parts: [L::V; 2]| total(lanes, lanes.mul_add(parts[0], one, parts[1]));
    (sum(dots), sum(lengths))
}

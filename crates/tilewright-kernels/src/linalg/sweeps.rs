//! Implicit shifts on the host, of matrices side by side in vector lanes: sweeps of rotations that make a tridiagonal or bidiagonal matrix diagonal
//! (LAPACK's STEQR and BDSQR).
//!
//! Each lane goes its own way: it has a block of its own, the first that is not diagonal yet, and what lies beside it is turned by no angle. So
//! the sweeps that are needed are those of the slowest lane, and not for each value those of the lane that is slowest there.

use pulp::Simd;

use super::host::Real;
use super::lanes::{Lanes, Room};

/// Sweeps for each value after which a matrix counts as one that does not converge; hard ones take less than three.
const SWEEPS: usize = 30;

/// Rows that are turned together, so that each rotation is loaded once for all of them.
const ROWS: usize = 4;

/// `x' = c x + s y`, `y' = c y - s x`.
#[derive(Clone, Copy)]
pub(super) struct Rotation<S: Simd, T: Real> {
    c: Lanes<S, T>,
    s: Lanes<S, T>,
}

/// One rotation after the other.
struct Rotations<S: Simd, T: Real> {
    c: Room<S, T>,
    s: Room<S, T>,
}

impl<S: Simd, T: Real> Rotations<S, T> {
    #[inline(always)]
    fn new(simd: S, n: usize) -> Self {
        Rotations { c: Room::zeros(simd, n), s: Room::zeros(simd, n) }
    }

    #[inline(always)]
    fn set(&mut self, i: usize, rotation: Rotation<S, T>) {
        (self.c[i], self.s[i]) = (rotation.c, rotation.s);
    }
}

/// With `c f + s g = length` and `c g - s f = 0`.
#[inline(always)]
fn rotation<S: Simd, T: Real>(simd: S, f: Lanes<S, T>, g: Lanes<S, T>) -> (Rotation<S, T>, Lanes<S, T>) {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let nothing = Lanes::splat(simd, T::NOTHING);
    let sum = |f: Lanes<S, T>, g: Lanes<S, T>| (f * f).minus_product(zero - g, g);
    // Neither may be lost for being small: both decide the angle. The root of NOTHING over a half power of two is a number.
    let raise = Lanes::splat(simd, T::from_f64((1u64 << 60) as f64));
    let is_small = |then, otherwise| sum(f, g).where_less(nothing, then, otherwise);
    let (f, g, back) = (is_small(f * raise, f), is_small(g * raise, g), is_small(one / raise, one));
    let square = sum(f, g);
    let is_none = |then, otherwise| square.where_less(nothing, then, otherwise);
    let over = is_none(zero, one / square.root());
    let rotation = Rotation { c: is_none(one, f * over), s: g * over };
    (rotation, is_none(f, square * over) * back)
}

/// Turns columns i and i + 1, of column-major columns of m, for i from `low` to `high - 1`; or with UP from `high - 1` to `low`, where the column
/// that comes second is the first of a rotation.
#[inline(always)]
fn turn<S: Simd, T: Real, const UP: bool>(
    simd: S,
    q: &mut [Lanes<S, T>],
    m: usize,
    rotations: &Rotations<S, T>,
    [low, high]: [usize; 2],
) {
    if q.is_empty() {
        return;
    }
    let mut i = 0;
    while i + ROWS <= m {
        turn_rows::<S, T, UP, ROWS>(simd, q, m, i, rotations, [low, high]);
        i += ROWS;
    }
    while i < m {
        turn_rows::<S, T, UP, 1>(simd, q, m, i, rotations, [low, high]);
        i += 1;
    }
}

/// R rows, from row i on.
#[inline(always)]
fn turn_rows<S: Simd, T: Real, const UP: bool, const R: usize>(
    simd: S,
    q: &mut [Lanes<S, T>],
    m: usize,
    i: usize,
    rotations: &Rotations<S, T>,
    [low, high]: [usize; 2],
) {
    let zero = Lanes::splat(simd, T::ZERO);
    let (from, to) = if UP { (high, low) } else { (low, high) };
    let mut carried = [zero; R];
    carried.copy_from_slice(&q[from * m + i..][..R]);
    let (c, s) = (&rotations.c[low..high], &rotations.s[low..high]);
    for step in 0..c.len() {
        let (k, taken, left) = if UP {
            (c.len() - 1 - step, high - 1 - step, high - step)
        } else {
            (step, low + step + 1, low + step)
        };
        let (c, s) = (c[k], s[k]);
        let minus_s = zero - s;
        let mut x = [zero; R];
        x.copy_from_slice(&q[taken * m + i..][..R]);
        let turned = &mut q[left * m + i..][..R];
        for r in 0..R {
            turned[r] = (c * carried[r]).minus_product(minus_s, x[r]);
            carried[r] = (c * x[r]).minus_product(s, carried[r]);
        }
    }
    q[to * m + i..][..R].copy_from_slice(&carried);
}

/// The block of each lane that is to be swept: rows `low` to `high`, both n where there is none; as whole numbers.
struct Blocks<S: Simd, T: Real> {
    low: Lanes<S, T>,
    high: Lanes<S, T>,
    /// The first row from `low` on where the diagonal is zero to rounding; n where there is none.
    zero: Lanes<S, T>,
}

impl<S: Simd, T: Real> Blocks<S, T> {
    /// Elements beside the diagonal that are nothing beside it become zeros.
    #[inline(always)]
    fn find(simd: S, d: &[Lanes<S, T>], e: &mut [Lanes<S, T>]) -> Self {
        let n = d.len();
        let index = |i: usize| Lanes::splat(simd, T::from_count(i));
        let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
        let unit = Lanes::splat(simd, T::EPSILON / T::from_count(2));
        let none = |i: usize, then, otherwise| unit.where_less(d[i].abs(), otherwise, then);
        let mut end = index(n - 1);
        let mut null = none(n - 1, end, index(n));
        let mut blocks = Blocks { low: index(n), high: index(n), zero: index(n) };
        for i in (0..n - 1).rev() {
            let beside = d[i].abs() + d[i + 1].abs();
            let bound = unit * one.where_less(beside, beside, one);
            let is_small = |then, otherwise| bound.where_less(e[i].abs(), otherwise, then);
            end = is_small(index(i), end);
            null = none(i, index(i), null);
            blocks.low = is_small(blocks.low, index(i));
            blocks.high = is_small(blocks.high, end);
            blocks.zero = is_small(blocks.zero, null);
            e[i] = is_small(zero, e[i]);
        }
        blocks
    }

    /// The rows from the first to the last of any block, if there is one.
    #[inline(always)]
    fn range(&self, n: usize) -> Option<[usize; 2]> {
        let ends = self.low.each().iter().zip(self.high.each());
        let mut range = [n, 0];
        for (low, high) in ends.map(|(low, high)| (low.to_f64() as usize, high.to_f64() as usize)) {
            if low < n {
                range = [range[0].min(low), range[1].max(high)];
            }
        }
        (range[0] < n).then_some(range)
    }
}

/// Of each lane's own row: the one of that number, 0 beyond the last.
#[inline(always)]
fn pick<S: Simd, T: Real>(simd: S, x: &[Lanes<S, T>], rows: Lanes<S, T>) -> Lanes<S, T> {
    let mut picked = Lanes::splat(simd, T::ZERO);
    for (lane, (to, row)) in picked.each_mut().iter_mut().zip(rows.each()).enumerate() {
        *to = x.get(row.to_f64() as usize).map_or(T::ZERO, |x| x.each()[lane]);
    }
    picked
}

/// 1 in lanes that did not converge, 0 in the others.
#[inline(always)]
fn unfinished<S: Simd, T: Real>(simd: S, blocks: &Blocks<S, T>, n: usize) -> Lanes<S, T> {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    blocks.low.where_less(Lanes::splat(simd, T::from_count(n)), one, zero)
}

/// Makes symmetric tridiagonal matrices diagonal: `d` on the diagonal, `e` below it, `e[n - 1]` is not used. Column-major `q`, with columns of n,
/// is multiplied by the eigenvectors from the right. Elements of size 1 at most. 1 in lanes that did not converge.
#[inline(always)]
pub(super) fn tridiagonal<S: Simd, T: Real>(
    simd: S,
    d: &mut [Lanes<S, T>],
    e: &mut [Lanes<S, T>],
    q: &mut [Lanes<S, T>],
) -> Lanes<S, T> {
    let n = d.len();
    let index = |i: usize| Lanes::splat(simd, T::from_count(i));
    let (zero, one, two) = (index(0), index(1), index(2));
    let mut rotations = Rotations::new(simd, n);
    for _ in 0..SWEEPS * n {
        let blocks = Blocks::find(simd, d, e);
        let Some([first, last]) = blocks.range(n) else { break };
        let Blocks { low, high, .. } = blocks;
        // Wilkinson's shift.
        let (top, off) = (pick(simd, d, low), pick(simd, e, low));
        let slope = (pick(simd, d, low + one) - top) / (two * zero.where_less(off.abs(), off, one));
        let length = one.minus_product(zero - slope, slope).root();
        let length = slope.where_less(zero, zero - length, length);
        let mut g = pick(simd, d, high) - top + off / (slope + length);
        let (mut c, mut s, mut p) = (one, one, zero);
        for i in (first..last).rev() {
            let here = index(i);
            // Within the block of a lane; and where its sweep begins and ends.
            let inside = here.where_less(low, zero, here.where_less(high, one, zero));
            let is_inside = |then, otherwise| inside.where_equal(one, then, otherwise);
            let (above, own, beside) = (d[i + 1], d[i], e[i]);
            let b = c * beside;
            let (turned, length) = rotation(simd, g, s * beside);
            let next = index(i + 1);
            e[i + 1] = is_inside(next.where_less(high, length, e[i + 1]), e[i + 1]);
            let left = above - p;
            let change = ((own - left) * turned.s).minus_product(zero - two * turned.c, b);
            d[i + 1] = is_inside(left.minus_product(zero - turned.s, change), above);
            p = is_inside(turned.s * change, p);
            g = is_inside((turned.c * change) - b, g);
            (c, s) = (is_inside(turned.c, c), is_inside(turned.s, s));
            rotations.set(i, Rotation { c: is_inside(turned.c, one), s: is_inside(turned.s, zero) });
            let is_first = |then, otherwise| here.where_equal(low, then, otherwise);
            d[i] = is_first(own - p, own);
            e[i] = is_first(g, beside);
        }
        turn::<S, T, true>(simd, q, n, &rotations, [first, last]);
    }
    unfinished(simd, &Blocks::find(simd, d, e), n)
}

/// Makes upper bidiagonal matrices diagonal: `d` on the diagonal, `e` beside it, `e[n - 1]` is not used. Column-major `u` and `v`, with columns of
/// m and n, are multiplied by the singular vectors from the right; those of u in its first n columns. Elements of size 1 at most. 1 in lanes that
/// did not converge.
#[inline(always)]
pub(super) fn bidiagonal<S: Simd, T: Real>(
    simd: S,
    d: &mut [Lanes<S, T>],
    e: &mut [Lanes<S, T>],
    u: &mut [Lanes<S, T>],
    m: usize,
    v: &mut [Lanes<S, T>],
) -> Lanes<S, T> {
    let n = d.len();
    let index = |i: usize| Lanes::splat(simd, T::from_count(i));
    let (zero, one) = (index(0), index(1));
    let (mut to_u, mut to_v) = (Rotations::new(simd, n), Rotations::new(simd, n));
    for _ in 0..SWEEPS * n {
        let blocks = Blocks::find(simd, d, e);
        let Some([first, last]) = blocks.range(n) else { break };
        let Blocks { low, high, zero: null } = blocks;
        let (start, before) = (pick(simd, d, low), high - one);
        let shift = shift(simd, [pick(simd, d, before), pick(simd, e, before), pick(simd, d, high)]);
        // With a zero among them the sweep without a shift splits it off; and a shift that is nothing beside the first element is none.
        let part = shift / zero.where_less(start.abs(), start, one);
        let unit = Lanes::splat(simd, T::EPSILON / T::from_count(2));
        let shift = (part * part).where_less(unit, zero, shift);
        let shift = high.where_less(null, shift, zero);
        let is_plain = |then, otherwise| shift.where_equal(zero, then, otherwise);
        let sign = start.where_less(zero, zero - one, one);
        // Where there is no shift the division is by 1: the result is not used.
        let over = is_plain(one, start);
        let mut f = (start.abs() - shift) * (sign + shift / over);
        let mut g = pick(simd, e, low);
        let (mut own, mut beside) = (start, g);
        let mut right = Rotation { c: one, s: zero };
        let mut left = right;
        for i in first..last {
            let here = index(i);
            let inside = here.where_less(low, zero, here.where_less(high, one, zero));
            let is_inside = |then, otherwise| inside.where_equal(one, then, otherwise);
            let (below, next) = (d[i + 1], if i + 2 < n { e[i + 1] } else { zero });
            let plain = own * right.c;
            let (new, length) = rotation(simd, is_plain(plain, f), is_plain(beside, g));
            if i > first {
                let length = is_plain(left.s * length, length);
                e[i - 1] = is_inside(low.where_less(here, length, e[i - 1]), e[i - 1]);
            }
            // What the rotation from the right leaves of rows i and i + 1.
            let (c, s, minus_s) = (new.c, new.s, zero - new.s);
            let down = (c * beside).minus_product(s, own);
            let head = (c * own).minus_product(minus_s, beside);
            let (new_left, length) = rotation(simd, is_plain(left.c * length, head), s * below);
            d[i] = is_inside(length, d[i]);
            let (c, s, minus_s) = (new_left.c, new_left.s, zero - new_left.s);
            let corner = new.c * below;
            let new_f = (c * down).minus_product(minus_s, corner);
            let new_own = is_plain(below, (c * corner).minus_product(s, down));
            let new_beside = is_plain(next, c * next);
            to_v.set(i, Rotation { c: is_inside(new.c, one), s: is_inside(new.s, zero) });
            to_u.set(i, Rotation { c: is_inside(c, one), s: is_inside(s, zero) });
            let is_last = |then, otherwise| index(i + 1).where_equal(high, then, otherwise);
            let end = below * new.c;
            d[i + 1] = is_inside(is_last(is_plain(end * c, new_own), below), below);
            e[i] = is_inside(is_last(is_plain(end * s, new_f), e[i]), e[i]);
            f = is_inside(new_f, f);
            g = is_inside(s * next, g);
            own = is_inside(new_own, own);
            beside = is_inside(new_beside, beside);
            right = Rotation { c: is_inside(new.c, right.c), s: is_inside(new.s, right.s) };
            left = Rotation { c: is_inside(c, left.c), s: is_inside(s, left.s) };
        }
        turn::<S, T, false>(simd, u, m, &to_u, [first, last]);
        turn::<S, T, false>(simd, v, n, &to_v, [first, last]);
    }
    unfinished(simd, &Blocks::find(simd, d, e), n)
}

/// The smaller singular value of (f g; 0 w).
#[inline(always)]
fn shift<S: Simd, T: Real>(simd: S, [f, g, w]: [Lanes<S, T>; 3]) -> Lanes<S, T> {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let two = one + one;
    let (f, g, w) = (f.abs(), g.abs(), w.abs());
    let (least, most) = (f.where_less(w, f, w), f.where_less(w, w, f));
    let over = |x: Lanes<S, T>| zero.where_less(x, x, one);
    let root = |x: Lanes<S, T>, y: Lanes<S, T>| (x * x).minus_product(zero - y, y).root();
    let (sum, difference) = (one + least / over(most), (most - least) / over(most));
    // By the larger of the two, so that nothing overflows.
    let ratio = g / over(most);
    let narrow = least * (two / (root(sum, ratio) + root(difference, ratio)));
    let ratio = most / over(g);
    let wide = one / (root(one, sum * ratio) + root(one, difference * ratio));
    let wide = (least * wide) * ratio * two;
    let shift = g.where_less(most, narrow, wide);
    // Of a matrix of rank 1 or 0.
    zero.where_less(least, shift, zero)
}

/// The largest absolute values, NaN where one is NaN or infinite.
#[inline(always)]
pub(super) fn largest<S: Simd, T: Real>(simd: S, x: &[Lanes<S, T>]) -> Lanes<S, T> {
    let zero = Lanes::splat(simd, T::ZERO);
    let (mut largest, mut sum) = (zero, zero);
    for &x in x {
        let size = x.abs();
        largest = largest.where_less(size, size, largest);
        // 0 times a number is 0, but NaN times infinity and NaN.
        sum = sum.minus_product(size, zero);
    }
    largest + sum
}

/// Divides by the largest element and gives it; what is zero throughout, or not of numbers, becomes zeros.
#[inline(always)]
pub(super) fn scale<S: Simd, T: Real>(simd: S, a: &mut [Lanes<S, T>]) -> Lanes<S, T> {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let size = largest(simd, a);
    let over = zero.where_less(size, size, one);
    for x in a {
        *x = zero.where_less(size, *x / over, zero);
    }
    size
}

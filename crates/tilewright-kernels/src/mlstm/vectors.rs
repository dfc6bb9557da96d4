//! Loops over vectors on the host. Each is compiled for the instructions that the machine has, in lanes whose order is fixed.

use super::lanes::{Lanes, Machine, Scalar, Task};
use super::rows::Data;
use crate::reduce::exp::Real;
use crate::reduce::number::Accumulator;

/// Partial sums that are kept side by side.
const LANES: usize = 16;

/// Loops without vectors of their own.
macro_rules! loops {
    ($name:ident<$S:ident> $(-> $output:ty)?, $task:ident => $body:expr) => {
        impl<$S: Scalar> Task<$S> for $name<'_, $S> {
            type Output = loops!(@ $($output)?);

            #[inline(always)]
            fn run<L: Lanes<$S>, const ROWS: usize>(self, _: L) -> Self::Output {
                let $task = self;
                $body
            }
        }
    };
    (@) => { () };
    (@ $output:ty) => { $output };
}

/// `x *= factor`
pub(super) fn scale<S: Scalar>(machine: Machine, x: &mut [S], factor: S) {
    S::run(machine, Scale(x, factor));
}

struct Scale<'a, S>(&'a mut [S], S);

loops!(Scale<S>, task => scale_here(task.0, task.1));

#[inline(always)]
fn scale_here<S: Scalar>(x: &mut [S], factor: S) {
    for x in x {
        *x = *x * factor;
    }
}

/// One token of a chunk as it looks back.
pub(super) struct Look<'a, S> {
    /// Its scores with the tokens up to itself; they get their weights.
    pub(super) scores: &'a mut [S],
    /// The exponents of these tokens' contributions at the token before. They advance by one token: its forget gate for all before it, its
    /// input gate for itself.
    pub(super) exponents: &'a mut [S],
    /// Their weights, as they come out.
    pub(super) weights: &'a mut [S],
    pub(super) log_f: S,
    pub(super) log_i: S,
    pub(super) m: S,
    /// Its query, which gets the weight `before` of the state before the chunk.
    pub(super) query: &'a mut [S],
    pub(super) before: S,
    /// n of the state before the chunk.
    pub(super) n: &'a [S],
}

/// The token's sum of scores, with what it reads of n.
pub(super) fn look<S: Scalar>(machine: Machine, look: Look<'_, S>) -> S {
    S::run(machine, look)
}

loops!(Look<S> -> S, task => {
    let Look { scores, exponents, weights, log_f, log_i, m, query, before, n } = task;
    let (last, earlier) = exponents.split_last_mut().expect("a token sees itself");
    for exponent in earlier {
        *exponent += log_f;
    }
    *last = log_i;
    weights_here(weights, exponents, m);
    scale_here(query, before);
    weigh_here(scores, weights) + dot_here(query, n)
});

/// `scores *= weights`, and their sum.
#[inline(always)]
fn weigh_here<S: Scalar>(scores: &mut [S], weights: &[S]) -> S {
    let mut lanes = [S::ZERO; LANES];
    let (weights, rest) = weights.as_chunks::<LANES>();
    let (scores, tail) = scores.as_chunks_mut::<LANES>();
    for (scores, weights) in scores.iter_mut().zip(weights) {
        for lane in 0..LANES {
            scores[lane] = scores[lane] * weights[lane];
            lanes[lane] += scores[lane];
        }
    }
    for ((score, &weight), lane) in tail.iter_mut().zip(rest).zip(&mut lanes) {
        *score = *score * weight;
        *lane += *score;
    }
    folded(lanes)
}

/// `weights = exp(exponents - m)`
pub(super) fn weights<S: Scalar>(machine: Machine, weights: &mut [S], exponents: &[S], m: S) {
    S::run(machine, Weights { weights, exponents, m });
}

struct Weights<'a, S> {
    weights: &'a mut [S],
    exponents: &'a [S],
    m: S,
}

loops!(Weights<S>, task => weights_here(task.weights, task.exponents, task.m));

#[inline(always)]
fn weights_here<S: Scalar>(weights: &mut [S], exponents: &[S], m: S) {
    for (weight, &exponent) in weights.iter_mut().zip(exponents) {
        *weight = Real::exp(exponent.minus(m));
    }
}

/// `row = weight (row + other)`
pub(super) fn add_and_scale<S: Scalar>(machine: Machine, row: &mut [S], other: &[S], weight: S) {
    S::run(machine, AddAndScale(row, other, weight));
}

struct AddAndScale<'a, S>(&'a mut [S], &'a [S], S);

loops!(AddAndScale<S>, task => {
    for (x, &y) in task.0.iter_mut().zip(task.1) {
        *x = task.2 * (*x + y);
    }
});

/// `weighted = weight key`, and n takes it in.
pub(super) fn take_in<S: Scalar>(machine: Machine, weighted: &mut [S], key: &[S], weight: S, n: &mut [S]) {
    S::run(machine, TakeIn { weighted, key, weight, n });
}

struct TakeIn<'a, S> {
    weighted: &'a mut [S],
    key: &'a [S],
    weight: S,
    n: &'a mut [S],
}

loops!(TakeIn<S>, task => {
    for ((weighted, &key), n) in task.weighted.iter_mut().zip(task.key).zip(task.n) {
        *weighted = task.weight * key;
        *n += *weighted;
    }
});

/// What a token of a chunk gives its query and all before it, from the gradient of its h.
pub(super) struct Spread<'a, S> {
    /// Of its scores: before, by the undivided h; after, of the products of query and key.
    pub(super) gradients: &'a mut [S],
    pub(super) weights: &'a [S],
    /// What h is divided by, inverted, and the gradient of the denominator.
    pub(super) factor: S,
    pub(super) dz: S,
    /// Of the query, by the state.
    pub(super) dq: &'a mut [S],
    pub(super) n: &'a [S],
    pub(super) before: S,
    /// Of h, which is divided.
    pub(super) dh: &'a mut [S],
    /// Of n, which gets the part of the `query`.
    pub(super) dn: &'a mut [S],
    pub(super) query: &'a [S],
}

pub(super) fn spread<S: Scalar>(machine: Machine, spread: Spread<'_, S>) {
    S::run(machine, spread);
}

loops!(Spread<S>, task => {
    let Spread { gradients, weights, factor, dz, dq, n, before, dh, dn, query } = task;
    for (gradient, &weight) in gradients.iter_mut().zip(weights) {
        *gradient = weight * (factor * *gradient + dz);
    }
    for (dq, &n) in dq.iter_mut().zip(n) {
        *dq = before * (factor * *dq + dz * n);
    }
    scale_here(dh, factor);
    for (dn, &query) in dn.iter_mut().zip(query) {
        *dn += dz * query;
    }
});

/// `sum_j a_j b_j`
pub(super) fn dot<S: Scalar>(machine: Machine, a: &[S], b: &[S]) -> S {
    S::run(machine, Dot(a, b))
}

struct Dot<'a, S>(&'a [S], &'a [S]);

loops!(Dot<S> -> S, task => dot_here(task.0, task.1));

#[inline(always)]
fn dot_here<S: Scalar>(a: &[S], b: &[S]) -> S {
    let mut lanes = [S::ZERO; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for ((&a, &b), lane) in a_rest.iter().zip(b_rest).zip(&mut lanes) {
        *lane += a * b;
    }
    folded(lanes)
}

/// The sum of the lanes, as a tree.
#[inline(always)]
fn folded<S: Scalar>(mut lanes: [S; LANES]) -> S {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] += other;
        }
        width /= 2;
    }
    lanes[0]
}

/// A row of C takes a token in, and is read: `c = keep c + key value`, `sum += query c`.
pub(super) fn absorb<S: Scalar>(machine: Machine, c: &mut [S], sum: &mut [S], value: &[S], factors: [S; 3]) {
    S::run(machine, Absorb { c, sum, value, factors });
}

struct Absorb<'a, S> {
    c: &'a mut [S],
    sum: &'a mut [S],
    value: &'a [S],
    factors: [S; 3],
}

loops!(Absorb<S>, task => absorb_here(task.c, task.sum, task.value, task.factors));

#[inline(always)]
fn absorb_here<S: Scalar>(c: &mut [S], sum: &mut [S], value: &[S], [keep, key, query]: [S; 3]) {
    for ((c, sum), &value) in c.iter_mut().zip(sum).zip(value) {
        *c = keep * *c + key * value;
        *sum += query * *c;
    }
}

/// The same of a row that is not stored as sums: it is widened, and rounded after it was read.
pub(super) fn absorb_stored<C: Data>(
    machine: Machine,
    c: &mut [C],
    sum: &mut [C::Sum],
    value: &[C::Sum],
    factors: [C::Sum; 3],
) {
    C::Sum::run(machine, AbsorbStored { c, sum, value, factors });
}

struct AbsorbStored<'a, C: Data> {
    c: &'a mut [C],
    sum: &'a mut [C::Sum],
    value: &'a [C::Sum],
    factors: [C::Sum; 3],
}

impl<C: Data> Task<C::Sum> for AbsorbStored<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<C::Sum>, const ROWS: usize>(self, _: L) {
        let (c, c_rest) = self.c.as_chunks_mut::<LANES>();
        let (sum, sum_rest) = self.sum.as_chunks_mut::<LANES>();
        let (value, value_rest) = self.value.as_chunks::<LANES>();
        let mut wide = [C::Sum::ZERO; LANES];
        for ((c, sum), value) in c.iter_mut().zip(sum).zip(value) {
            C::widen(c, &mut wide);
            absorb_here(&mut wide, sum, value, self.factors);
            C::round(&wide, c);
        }
        let wide = &mut wide[..c_rest.len()];
        C::widen(c_rest, wide);
        absorb_here(wide, sum_rest, value_rest, self.factors);
        C::round(wide, c_rest);
    }
}

/// `h *= sigma(o)`
pub(super) fn gate_by<S: Scalar>(machine: Machine, h: &mut [S], o: &[S]) {
    S::run(machine, Gate(h, o));
}

struct Gate<'a, S>(&'a mut [S], &'a [S]);

loops!(Gate<S>, task => {
    for (h, &o) in task.0.iter_mut().zip(task.1) {
        // exp of what is not positive: no overflow, and 0 where it underflows.
        let positive = o > S::ZERO;
        let e = Real::exp(if positive { S::ZERO.minus(o) } else { o });
        *h = *h * (if positive { S::ONE } else { e }) / S::ONE.plus(e);
    }
});

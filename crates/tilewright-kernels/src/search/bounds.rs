//! Up to where rows may be among the best of a query, as all threads of a scan know it together, and how far scores are from the truth.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Metric;
use super::best::{Best, distance_of, key_of};
use super::exact;
use super::lanes::Lanes;
use super::pending::Pending;
use super::scan::Scan;
use super::tile;

/// More than any error that underflow adds to a score that is not a cosine's.
pub(super) const TINY: f64 = 1e-37;

/// What rows are compared with, and the bounds of the queries' best.
pub(super) struct Bounds<'a> {
    pub(super) metric: Metric,
    pub(super) k: usize,
    pub(super) d: usize,
    /// `[b, d]`
    pub(super) queries: &'a [f32],
    /// The queries' squared lengths.
    pub(super) squared: Vec<f64>,
    /// The least key so far that `k` rows of each query are known not to exceed. Nothing else is published with it.
    keys: Vec<AtomicU32>,
    /// `[threads, b]`: the least key so far that as many rows of each thread's own are known not to exceed as make `k` together: the greatest of a query's is a bound too, and
    /// the better one where rows come in no order.
    parts: Vec<AtomicU32>,
    ids: Option<&'a [i64]>,
    keep: Option<&'a [u8]>,
}

impl<'a> Bounds<'a> {
    /// Nothing is known yet.
    pub(super) fn new<R>(scan: &Scan<'a, R>, threads: usize) -> Self {
        let &Scan { metric, k, d, queries, ids, keep, .. } = scan;
        let squared: Vec<f64> = queries.chunks(d).map(exact::squared_length).collect();
        let unknown = |count: usize| (0..count).map(|_| AtomicU32::new(u32::MAX)).collect();
        let (keys, parts) = (unknown(squared.len()), unknown(threads * squared.len()));
        Self { metric, k, d, queries, squared, keys, parts, ids, keep }
    }

    /// A query.
    #[inline(always)]
    pub(super) fn query(&self, query: usize) -> &'a [f32] {
        &self.queries[query * self.d..(query + 1) * self.d]
    }

    /// Whether a row does not count.
    #[inline(always)]
    pub(super) fn leaves_out(&self, row: usize) -> bool {
        self.keep.is_some_and(|keep| keep[row / 8] >> (row % 8) & 1 == 0)
    }

    /// The worst distance of the best so far, and what rounds to it; NaN as long as there are fewer than `k`.
    #[inline(always)]
    pub(super) fn bound(&self, best: &Best, query: usize) -> f64 {
        rounded_to(best.bound().min(self.keys[query].load(Ordering::Relaxed)))
    }

    /// The true score above which a row is certainly not among the best; NaN where none is.
    #[inline(always)]
    pub(super) fn limit(&self, best: &Best, query: usize) -> f64 {
        let (squared, bound) = (self.squared[query], self.bound(best, query));
        match self.metric {
            Metric::L2 => 0.5 * (bound - squared) + 1e-15 * squared,
            Metric::InnerProduct => bound,
            Metric::Cosine => (bound - 1.0) * squared.sqrt(),
        }
    }

    /// How far the score of a row of at most this length may be off.
    #[inline(always)]
    pub(super) fn slack(&self, query: usize, longest: f64) -> f64 {
        let (g, length) = (gamma(self.d), self.squared[query].sqrt());
        match self.metric {
            Metric::L2 => slack(g, length, longest, 0.5),
            Metric::InnerProduct => slack(g, length, longest, 0.0),
            Metric::Cosine => cosine_slack(g, length, self.d),
        }
    }

    /// Publishes what the rows that wait say of the bound, those of one thread or of all, and drops the ones that it leaves behind.
    #[inline(always)]
    pub(super) fn sort_out(&self, best: &Best, query: usize, pending: &mut Pending, thread: Option<usize>) {
        let (b, shared) = (self.keys.len(), &self.keys[query]);
        let threads = self.parts.len() / b;
        let part = if thread.is_some() { self.k.div_ceil(threads) } else { self.k };
        if let Some((all, some)) = pending.reached(self.k, part) {
            shared.fetch_min(self.key_above(query, all), Ordering::Relaxed);
            if let Some(thread) = thread.filter(|_| threads > 1) {
                self.parts[thread * b + query].fetch_min(self.key_above(query, some), Ordering::Relaxed);
                let parts = (0..threads).map(|other| self.parts[other * b + query].load(Ordering::Relaxed));
                shared.fetch_min(parts.max().unwrap_or(u32::MAX), Ordering::Relaxed);
            }
        }
        pending.drop_above(self.limit(best, query));
    }

    /// A key that the distance of a row of this true score does not exceed.
    #[inline(always)]
    fn key_above(&self, query: usize, score: f32) -> u32 {
        let (score, squared) = (f64::from(score), self.squared[query]);
        let (distance, terms) = match self.metric {
            Metric::L2 => (2.0 * score + squared, 2.0 * score.abs() + squared),
            Metric::InnerProduct => (score, score.abs()),
            Metric::Cosine => (1.0 + score / squared.sqrt(), 1.0 + score.abs() / squared.sqrt()),
        };
        // More than f64 rounds of sums of any length that there is.
        key_of(((distance + 1e-11 * terms) as f32).next_up())
    }

    /// Gives a row its true distance, and takes it in if that is among the best. Whether the bound may have changed.
    #[inline(always)]
    pub(super) fn admit(&self, best: &mut Best, query: usize, row: usize, x: &[f32]) -> bool {
        if self.leaves_out(row) {
            return false;
        }
        let distance = exact::distance(self.metric, self.query(query), self.squared[query], x);
        let (key, shared) = (key_of(distance), &self.keys[query]);
        if key > shared.load(Ordering::Relaxed) {
            return false;
        }
        best.offer(key, self.ids.map_or(row as i64, |ids| ids[row]));
        let bound = best.bound();
        shared.fetch_min(bound, Ordering::Relaxed);
        bound != u32::MAX
    }
}

/// The distance that has a key, and what rounds to it.
#[inline(always)]
pub(super) fn rounded_to(key: u32) -> f64 {
    let bound = f64::from(distance_of(key));
    bound + 2.0 * f64::from(f32::EPSILON) * bound.abs() + TINY
}

/// Whether a row is certainly farther from a query of this length than a bound, by sums in f32; not where that is NaN.
#[inline(always)]
pub(super) fn certainly_above<L: Lanes>(
    lanes: L,
    metric: Metric,
    x: &[f32],
    query: &[f32],
    length: f64,
    bound: f64,
) -> bool {
    is_above(least_distance(lanes, metric, x, query, length), bound)
}

/// What the distance of a row from a query of this length is certainly not below, by sums in f32; NaN where they do not say.
#[inline(always)]
pub(super) fn least_distance<L: Lanes>(
    lanes: L,
    metric: Metric,
    x: &[f32],
    query: &[f32],
    length: f64,
) -> f64 {
    let g = gamma(x.len());
    // What f64 rounds here is far less than an eighth of what f32 did.
    if metric == Metric::L2 {
        // A sum that overflows is of a distance that may be within its error of the greatest number.
        let score = f64::from(tile::squared_distance(lanes, x, query)).clamp(0.0, f64::from(f32::MAX));
        return (score - TINY) * (1.0 / (1.0 + 2.0 * g));
    }
    let (dot, squared) = tile::dot_and_squared_length(lanes, x, query);
    if metric == Metric::InnerProduct {
        -f64::from(dot) - slack(g, length, f64::from(squared).sqrt() * (1.0 + g), 0.0)
    } else {
        let off = cosine_slack(g, length, x.len());
        1.0 + (-f64::from(dot * reciprocal_length(squared)) - off) / length
    }
}

/// NaN, which passes every limit, where underflow or overflow makes the length meaningless.
#[inline(always)]
pub(super) fn reciprocal_length(squared: f32) -> f32 {
    if (1e-30..1e38).contains(&squared) { 1.0 / squared.sqrt() } else { f32::NAN }
}

/// NaN, which has no order, is not.
#[inline(always)]
pub(super) fn is_above(score: f64, limit: f64) -> bool {
    score > limit
}

/// The bound of the relative error of a chain of `d` terms and the few steps after it.
#[inline(always)]
pub(super) fn gamma(d: usize) -> f64 {
    let roundings = (d + 8) as f64 * f64::from(f32::EPSILON) / 2.0;
    if roundings < 0.5 { roundings / (1.0 - roundings) } else { f64::INFINITY }
}

/// How far a score of L2 (`half` of the row's squared length in it) or of the inner product may be off.
#[inline(always)]
pub(super) fn slack(g: f64, query: f64, row: f64, half: f64) -> f64 {
    let (product, square) = (query * row, row * row);
    // Partial sums may overflow although the whole does not: then a score says nothing.
    if product < 1e38 && square < 1e38 { g * (product + half * square) + TINY } else { f64::INFINITY }
}

/// How far a cosine's score may be off. Lengths from 1e-15 on make of an underflow of 1e-45 a term at most 1e-30.
#[inline(always)]
pub(super) fn cosine_slack(g: f64, query: f64, d: usize) -> f64 {
    if query < 1e18 { 2.0 * g * query + 1e-29 * (d + 1) as f64 } else { f64::INFINITY }
}

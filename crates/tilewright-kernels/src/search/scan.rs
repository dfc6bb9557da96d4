//! The host's scan: groups of rows against the queries that want them, and the best of what they meet.
//!
//! Scores come from a product of tiles, in f32, and only have to tell who is certainly not among the best: a score's distance from the truth
//! has a bound, and a candidate is dropped only if its score is beyond the worst of the best by more than that. The others, which on usual data
//! are few, get their distance anew, in f64 from differences, and that one decides. So the result is what a scan in f64 gives, whatever
//! the bound left undecided, and no order of work changes it.
//!
//! Bounds, with u = 2^-24 and g = (d + 8) u / (1 - (d + 8) u), Higham's for chains of d terms and the steps after them:
//! - L2: the score |x|²/2 - q·x is off by at most g (|q||x| + |x|²/2);
//! - inner product: the score -q·x by at most g |q||x|;
//! - cosine: the score -q·x / |x| by at most 2 g |q|;
//! - L2 by differences (few queries): the score by at most g of itself.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;
use tilewright_core::{Element, bf16, f16};

use super::Metric;
use super::best::{Best, Candidate, distance_of, key_of};
use super::exact;
use super::lanes::{Lanes, Task, WIDEST, dispatch};
use super::tile::{self, Pack, VECTORS, dots, unrolled};
use crate::gemm::number::Number;

/// Bytes of rows that stay in a core's second-level cache while all packs pass by.
const CHUNK: usize = 128 << 10;
/// Multiplications below which handing work out costs more than it gains.
const ALONE: usize = 1 << 21;
/// Rows of a group, at most: enough groups for every thread.
const GROUP: usize = 2048;
/// More than any error that underflow adds to a score that is not a cosine's.
const TINY: f64 = 1e-37;

/// Rows as they are stored.
pub(super) trait Stored: Element {
    /// The rows as f32, which holds every value; `scratch` where they are something else.
    fn widened<'a>(from: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32];
}

macro_rules! stored_float {
    ($($T:ty),*) => {$(
        impl Stored for $T {
            fn widened<'a>(from: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
                if let Some(same) = <$T as Number>::as_sums(from) {
                    return same;
                }
                scratch.resize(from.len(), 0.0);
                <$T as Number>::widen(from, scratch);
                scratch
            }
        }
    )*};
}

stored_float!(f32, f16, bf16);

impl Stored for i8 {
    fn widened<'a>(from: &'a [i8], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.clear();
        scratch.extend(from.iter().map(|&x| f32::from(x)));
        scratch
    }
}

/// Rows that a scan reads a few at a time, as f32.
pub(super) trait Rows: Sync {
    /// `[rows, d]`; `scratch` where they are stored as something else.
    fn widened<'a>(&'a self, rows: Range<usize>, d: usize, scratch: &'a mut Vec<f32>) -> &'a [f32];

    /// Where that is faster for one query than to widen rows: squares near the rows' squared distances from it, and how far the distances of what they are the squares of may be off, besides
    /// the roundings of the sums.
    #[inline(always)]
    fn squares<L: Lanes>(
        &self,
        _lanes: L,
        _rows: Range<usize>,
        _query: &[f32],
        _squares: &mut Vec<f32>,
    ) -> Option<f64> {
        None
    }
}

impl<T: Stored> Rows for &[T] {
    #[inline(always)]
    fn widened<'a>(&'a self, rows: Range<usize>, d: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        T::widened(&self[rows.start * d..rows.end * d], scratch)
    }
}

/// What is scanned, for what; `d` is at least 1.
pub(super) struct Scan<'a, R> {
    pub(super) metric: Metric,
    pub(super) k: usize,
    pub(super) d: usize,
    /// `[b, d]`
    pub(super) queries: &'a [f32],
    /// `[n, d]`
    pub(super) data: R,
    /// `[n]`; without it a row's id is its number.
    pub(super) ids: Option<&'a [i64]>,
    /// A bit for each row: bit `i % 8` of byte `i / 8`.
    pub(super) keep: Option<&'a [u8]>,
}

/// Rows, and the queries that they are compared with.
pub(super) struct Group {
    pub(super) rows: Range<usize>,
    /// Numbers of queries; `None` for all of them.
    pub(super) queries: Option<Range<usize>>,
}

/// The lists that are named, each with its rows and its stretch of the queries' numbers. A query alone keeps the order of its probes, nearest first.
pub(super) fn grouped(offsets: &[u32], probes: &[i64], b: usize) -> (Vec<Group>, Vec<u32>) {
    let nprobe = probes.len() / b;
    let rows = |list: usize| offsets[list] as usize..offsets[list + 1] as usize;
    if b == 1 {
        let named = probes.iter().filter(|&&list| list >= 0);
        return (
            named.map(|&list| Group { rows: rows(list as usize), queries: Some(0..1) }).collect(),
            vec![0],
        );
    }
    let nlist = offsets.len() - 1;
    let mut starts = vec![0usize; nlist + 1];
    for &list in probes.iter().filter(|&&list| list >= 0) {
        starts[list as usize + 1] += 1;
    }
    for list in 0..nlist {
        starts[list + 1] += starts[list];
    }
    let (mut places, mut members) = (starts.clone(), vec![0u32; starts[nlist]]);
    for (query, probes) in probes.chunks(nprobe.max(1)).enumerate() {
        for &list in probes.iter().filter(|&&list| list >= 0) {
            let place = &mut places[list as usize];
            members[*place] = query as u32;
            *place += 1;
        }
    }
    let group = |list: usize| Group { rows: rows(list), queries: Some(starts[list]..starts[list + 1]) };
    ((0..nlist).filter(|&list| starts[list] < starts[list + 1]).map(group).collect(), members)
}

impl<R: Rows> Scan<'_, R> {
    /// The best `k` of each query, best first: fewer where there are fewer. `members` holds the numbers of queries that the groups name.
    pub(super) fn run(&self, groups: &[Group], members: &[u32]) -> Vec<Vec<Candidate>> {
        let b = self.queries.len() / self.d;
        let every: Vec<u32> = (0..b as u32).collect();
        let pieces: Vec<(Range<usize>, &[u32], bool)> = groups
            .iter()
            .flat_map(|group| {
                let queries = group.queries.as_ref().map_or(&every[..], |queries| &members[queries.clone()]);
                let cut = |start: usize| start..group.rows.end.min(start + GROUP);
                let starts = group.rows.clone().step_by(GROUP);
                starts.map(move |start| (cut(start), queries, group.queries.is_none()))
            })
            .filter(|(_, queries, _)| !queries.is_empty())
            .collect();
        let work: usize = pieces.iter().map(|(rows, queries, _)| rows.len() * queries.len() * self.d).sum();
        let squared: Vec<f64> = self.queries.chunks(self.d).map(exact::squared_length).collect();
        let shared = Shared {
            squared: &squared,
            bounds: &(0..b).map(|_| AtomicU32::new(u32::MAX)).collect::<Vec<_>>(),
            next: &AtomicUsize::new(0),
            pieces: &pieces,
            every: &every,
        };
        let worker = || dispatch(Worker { scan: self, shared });
        let threads = if work < ALONE { 1 } else { rayon::current_num_threads().min(pieces.len()) };
        let mut found = if threads <= 1 {
            vec![worker()]
        } else {
            (0..threads).into_par_iter().map(|_| worker()).collect::<Vec<_>>()
        };
        let mut best = found.pop().unwrap_or_default();
        for other in found {
            best = best.into_iter().zip(other).map(|(best, other)| best.join(other)).collect();
        }
        best.into_iter().map(Best::sorted).collect()
    }
}

/// What the threads have in common.
#[derive(Clone, Copy)]
struct Shared<'a> {
    /// The queries' squared lengths.
    squared: &'a [f64],
    /// The least key so far that some thread's best `k` of a query do not exceed. Nothing else is published with it.
    bounds: &'a [AtomicU32],
    next: &'a AtomicUsize,
    pieces: &'a [(Range<usize>, &'a [u32], bool)],
    every: &'a [u32],
}

struct Worker<'a, R> {
    scan: &'a Scan<'a, R>,
    shared: Shared<'a>,
}

impl<R: Rows> Task for Worker<'_, R> {
    type Output = Vec<Best>;

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) -> Vec<Best> {
        let (scan, shared) = (self.scan, self.shared);
        let d = scan.d;
        let mut state =
            State { scan, shared, best: (0..shared.squared.len()).map(|_| Best::new(scan.k)).collect() };
        let (mut wide, mut scores, mut packs) = (Vec::new(), Scores::default(), Vec::new());
        let mut squares = Vec::new();
        let mut everything: Option<Vec<Pack>> = None;
        let chunk = (CHUNK / (4 * d)).clamp(ROWS, GROUP) / ROWS * ROWS;
        while let Some((rows, members, all)) = shared.pieces.get(shared.next.fetch_add(1, Ordering::Relaxed))
        {
            // So few queries that most lanes of a tile would be idle go one by one.
            let single = members.len() % (VECTORS * L::WIDTH);
            let single = if single <= L::WIDTH / 4 { single } else { 0 };
            let (packed, singles) = members.split_at(members.len() - single);
            let packs: &[Pack] = if *all {
                let every = &shared.every[..packed.len()];
                everything.get_or_insert_with(|| Pack::all(L::WIDTH, scan.queries, d, every))
            } else {
                packs.resize_with(packed.len().div_ceil(VECTORS * L::WIDTH), Pack::default);
                for (pack, members) in packs.iter_mut().zip(packed.chunks(VECTORS * L::WIDTH)) {
                    pack.fill(L::WIDTH, scan.queries, d, members);
                }
                &packs
            };
            for start in rows.clone().step_by(chunk) {
                let end = rows.end.min(start + chunk);
                if packs.is_empty()
                    && scan.metric == Metric::L2
                    && state.meet_squares(lanes, start..end, singles, &mut squares, &mut wide)
                {
                    continue;
                }
                let data = scan.data.widened(start..end, d, &mut wide);
                if !packs.is_empty() {
                    scores.prepare::<L, ROWS>(lanes, scan.metric, data, d);
                }
                for pack in packs {
                    match pack.vectors {
                        1 => state.meet::<L, ROWS, 1>(lanes, start, data, &scores, pack),
                        2 => state.meet::<L, ROWS, 2>(lanes, start, data, &scores, pack),
                        _ => state.meet::<L, ROWS, 3>(lanes, start, data, &scores, pack),
                    }
                }
                for &query in singles {
                    state.meet_one(lanes, start, data, query as usize);
                }
            }
        }
        state.best
    }
}

/// What turns the dot products of a chunk of rows into scores: `offset - factor * dot`.
#[derive(Default)]
struct Scores {
    offsets: Vec<f32>,
    /// With its sign turned.
    factors: Vec<f32>,
    /// The greatest length of a row.
    longest: f64,
    /// The last rows, where they do not fill a tile, with zeros after them.
    tail: Vec<f32>,
}

impl Scores {
    #[inline(always)]
    fn prepare<L: Lanes, const ROWS: usize>(&mut self, lanes: L, metric: Metric, data: &[f32], d: usize) {
        self.offsets.clear();
        self.factors.clear();
        let mut longest = 0.0f32;
        for row in data.chunks_exact(d) {
            let squared = tile::squared_length(lanes, row);
            longest = if squared > longest || squared.is_nan() { squared } else { longest };
            let (offset, factor) = match metric {
                Metric::L2 => (0.5 * squared, -1.0),
                Metric::InnerProduct => (0.0, -1.0),
                Metric::Cosine => (0.0, -reciprocal_length(squared)),
            };
            self.offsets.push(offset);
            self.factors.push(factor);
        }
        self.longest = (f64::from(longest) * (1.0 + gamma(d))).sqrt();
        let rows = data.len() / d;
        let rest = rows % ROWS;
        self.tail.clear();
        self.tail.extend_from_slice(&data[(rows - rest) * d..]);
        self.tail.resize(ROWS * d, 0.0);
        self.offsets.resize(rows.next_multiple_of(ROWS), 0.0);
        self.factors.resize(rows.next_multiple_of(ROWS), 0.0);
    }
}

/// NaN, which passes every limit, where underflow or overflow makes the length meaningless.
#[inline(always)]
fn reciprocal_length(squared: f32) -> f32 {
    if (1e-30..1e38).contains(&squared) { 1.0 / squared.sqrt() } else { f32::NAN }
}

/// The best so far of every query, of one thread.
struct State<'a, R> {
    scan: &'a Scan<'a, R>,
    shared: Shared<'a>,
    best: Vec<Best>,
}

impl<R: Rows> State<'_, R> {
    /// Compares a chunk of rows, the first of which is row `start`, with the queries of a pack.
    #[inline(always)]
    fn meet<L: Lanes, const ROWS: usize, const N: usize>(
        &mut self,
        lanes: L,
        start: usize,
        data: &[f32],
        scores: &Scores,
        pack: &Pack,
    ) {
        let d = self.scan.d;
        let rows = data.len() / d;
        let mut limits = [f32::NEG_INFINITY; VECTORS * WIDEST];
        for (limit, &query) in limits.iter_mut().zip(&pack.members) {
            *limit = self.limit(query as usize, scores.longest);
        }
        for first in (0..rows).step_by(ROWS) {
            let whole = first + ROWS <= rows;
            let block = if whole { &data[first * d..(first + ROWS) * d] } else { &scores.tail };
            let sums = dots::<L, ROWS, N>(lanes, block, d, pack);
            let mut passed = [[0u32; N]; ROWS];
            let mut any = 0;
            unrolled!(r < ROWS, {
                let offset = lanes.splat(scores.offsets[first + r]);
                let factor = lanes.splat(scores.factors[first + r]);
                unrolled!(n < N, {
                    let limit = lanes.load(&limits[n * L::WIDTH..]);
                    passed[r][n] = lanes.not_above(lanes.mul_add(factor, sums[r][n], offset), limit);
                    any |= passed[r][n];
                });
            });
            if any == 0 {
                continue;
            }
            for (r, passed) in passed.iter().enumerate().take(rows - first) {
                for (n, &passed) in passed.iter().enumerate() {
                    let mut left = passed;
                    while left != 0 {
                        let lane = n * L::WIDTH + left.trailing_zeros() as usize;
                        left &= left - 1;
                        let Some(&query) = pack.members.get(lane) else { break };
                        let row = first + r;
                        if self.admit(query as usize, start + row, &data[row * d..(row + 1) * d]) {
                            limits[lane] = self.limit(query as usize, scores.longest);
                        }
                    }
                }
            }
        }
    }

    /// Compares a chunk of rows with one query.
    #[inline(always)]
    fn meet_one<L: Lanes>(&mut self, lanes: L, start: usize, data: &[f32], query: usize) {
        let scan = self.scan;
        let (d, g) = (scan.d, gamma(scan.d));
        let vector = &scan.queries[query * d..(query + 1) * d];
        let length = self.shared.squared[query].sqrt();
        let mut bound = self.bound(query);
        for (row, x) in data.chunks_exact(d).enumerate() {
            let dropped = match scan.metric {
                Metric::L2 => {
                    let score = tile::squared_distance(lanes, x, vector);
                    is_above(f64::from(score), bound * (1.0 + 2.0 * g) + TINY)
                }
                metric => {
                    let (dot, squared) = tile::dot_and_squared_length(lanes, x, vector);
                    let (score, off) = if metric == Metric::InnerProduct {
                        (-f64::from(dot), slack(g, length, f64::from(squared).sqrt() * (1.0 + g), 0.0))
                    } else {
                        (-f64::from(dot * reciprocal_length(squared)), cosine_slack(g, length, d))
                    };
                    let limit = if metric == Metric::InnerProduct { bound } else { (bound - 1.0) * length };
                    is_above(score, limit + off)
                }
            };
            if !dropped && self.admit(query, start + row, x) {
                bound = self.bound(query);
            }
        }
    }

    /// Compares rows with a few queries by their squares, where they have them; and says whether.
    #[inline(always)]
    fn meet_squares<L: Lanes>(
        &mut self,
        lanes: L,
        rows: Range<usize>,
        queries: &[u32],
        squares: &mut Vec<f32>,
        wide: &mut Vec<f32>,
    ) -> bool {
        let scan = self.scan;
        let g = gamma(scan.d);
        for &query in queries {
            let query = query as usize;
            let vector = &scan.queries[query * scan.d..(query + 1) * scan.d];
            let Some(off) = scan.data.squares(lanes, rows.clone(), vector, squares) else { return false };
            // Lanes after the last row are masked.
            squares.resize(rows.len().next_multiple_of(L::WIDTH), 0.0);
            let limit = |state: &Self| {
                let limit = (state.bound(query).sqrt() + off).powi(2) * (1.0 + 2.0 * g) + TINY;
                let rounded = limit as f32;
                if f64::from(rounded) < limit { rounded.next_up() } else { rounded }
            };
            let mut least = limit(self);
            for (number, some) in squares.chunks_exact(L::WIDTH).enumerate() {
                let first = number * L::WIDTH;
                let mut left = lanes.not_above(lanes.load(some), lanes.splat(least));
                left &= u32::MAX >> (32 - L::WIDTH.min(rows.len() - first));
                while left != 0 {
                    let lane = left.trailing_zeros() as usize;
                    left &= left - 1;
                    if some[lane] > least {
                        continue;
                    }
                    let row = rows.start + first + lane;
                    let x = scan.data.widened(row..row + 1, scan.d, wide);
                    if self.admit(query, row, x) {
                        least = limit(self);
                    }
                }
            }
        }
        true
    }

    /// The worst distance of the best so far, and what rounds to it; NaN as long as there are fewer than `k`.
    #[inline(always)]
    fn bound(&self, query: usize) -> f64 {
        let key = self.best[query].bound().min(self.shared.bounds[query].load(Ordering::Relaxed));
        let bound = f64::from(distance_of(key));
        bound + 2.0 * f64::from(f32::EPSILON) * bound.abs() + TINY
    }

    /// The score above which a row of at most this length is certainly not among the best; NaN where none is.
    #[inline(always)]
    fn limit(&self, query: usize, longest: f64) -> f32 {
        let (squared, bound) = (self.shared.squared[query], self.bound(query));
        let (g, length) = (gamma(self.scan.d), squared.sqrt());
        let limit = match self.scan.metric {
            Metric::L2 => 0.5 * (bound - squared) + slack(g, length, longest, 0.5) + 1e-15 * squared,
            Metric::InnerProduct => bound + slack(g, length, longest, 0.0),
            Metric::Cosine => (bound - 1.0) * length + cosine_slack(g, length, self.scan.d),
        };
        let rounded = limit as f32;
        if f64::from(rounded) < limit { rounded.next_up() } else { rounded }
    }

    /// Gives a row its true distance, and takes it in if that is among the best. Whether the bound may have changed.
    #[inline(always)]
    fn admit(&mut self, query: usize, row: usize, x: &[f32]) -> bool {
        let scan = self.scan;
        if scan.keep.is_some_and(|keep| keep[row / 8] >> (row % 8) & 1 == 0) {
            return false;
        }
        let vector = &scan.queries[query * scan.d..(query + 1) * scan.d];
        let key = key_of(exact::distance(scan.metric, vector, self.shared.squared[query], x));
        let (best, shared) = (&mut self.best[query], &self.shared.bounds[query]);
        if key > shared.load(Ordering::Relaxed) {
            return false;
        }
        best.offer((key, scan.ids.map_or(row as i64, |ids| ids[row])));
        let bound = best.bound();
        shared.fetch_min(bound, Ordering::Relaxed);
        bound != u32::MAX
    }
}

/// NaN, which has no order, is not.
#[inline(always)]
fn is_above(score: f64, limit: f64) -> bool {
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
fn slack(g: f64, query: f64, row: f64, half: f64) -> f64 {
    let (product, square) = (query * row, row * row);
    // Partial sums may overflow although the whole does not: then a score says nothing.
    if product < 1e38 && square < 1e38 { g * (product + half * square) + TINY } else { f64::INFINITY }
}

/// How far a cosine's score may be off. Lengths from 1e-15 on make of an underflow of 1e-45 a term at most 1e-30.
#[inline(always)]
fn cosine_slack(g: f64, query: f64, d: usize) -> f64 {
    if query < 1e18 { 2.0 * g * query + 1e-29 * (d + 1) as f64 } else { f64::INFINITY }
}

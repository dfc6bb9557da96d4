//! The host's scan: groups of rows against the queries that want them, and the best of what they meet.
//!
//! Scores come from a product of tiles, in f32, and only have to tell who is certainly not among the best: a score's distance from the truth
//! has a bound, and a candidate is dropped only if its score is beyond the worst of the best by more than that. The others, which on usual data
//! are few, get their distance anew, in f64 from differences, and that one decides. So the result is what a scan in f64 gives, whatever
//! the bound left undecided, and no order of work changes it.
//!
//! Of many queries the candidates wait ([`Pending`]) with what is known of their scores, until there are twice as many as are asked for; those that others then leave behind never get a
//! distance.
//!
//! Bounds, with u = 2^-24 and g = (d + 8) u / (1 - (d + 8) u), Higham's for chains of d terms and the steps after them:
//! - L2: the score |x|²/2 - q·x is off by at most g (|q||x| + |x|²/2);
//! - inner product: the score -q·x by at most g |q||x|;
//! - cosine: the score -q·x / |x| by at most 2 g |q|;
//! - L2 by differences (few queries): the score by at most g of itself.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use tilewright_core::{Element, bf16, f16};

use super::Metric;
use super::best::{Best, Candidate};
use super::bounds::{Bounds, TINY, certainly_above, gamma, reciprocal_length};
use super::lanes::{Lanes, Task, WIDEST, dispatch};
use super::pending::Pending;
use super::tile::{self, Pack, VECTORS, dots, unrolled};
use crate::gemm::number::Number;
use crate::parallel::Each;
use crate::prefetch::prefetch;

/// Bytes of rows that stay in a core's second-level cache while all packs pass by.
const CHUNK: usize = 128 << 10;
/// Multiplications below which handing work out costs more than it gains.
pub(super) const ALONE: usize = 1 << 21;
/// Elements of rows whose way from memory takes longer than to wake another thread.
const NEAR: usize = 1 << 19;
/// Rows of a group, at most: enough groups for every thread.
pub(super) const GROUP: usize = 2048;
/// Neighbours from which on candidates wait, and up to which they may: they take 24 bytes each for every query and thread.
const WAITING: std::ops::RangeInclusive<usize> = 4..=4096;
/// Candidates that wait beyond twice the neighbours, so that few neighbours are not sorted out at every turn.
const MORE: usize = 64;
/// Candidates that a query's first one makes room for, at most.
const ROOM: usize = 512;
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

    /// Asks for a row that is soon to be read.
    fn prefetch(&self, row: usize, d: usize);

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

    #[inline(always)]
    fn prefetch(&self, row: usize, d: usize) {
        prefetch(&self[row * d..(row + 1) * d]);
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
        let elements: usize = pieces.iter().map(|(rows, ..)| rows.len() * self.d).sum();
        let alone = work < ALONE && elements < NEAR;
        let threads = if alone { 1 } else { rayon::current_num_threads().min(pieces.len()).max(1) };
        let bounds = &Bounds::new(self, threads);
        let shared = Shared { bounds, next: &AtomicUsize::new(0), pieces: &pieces, every: &every };
        let worker = |thread| dispatch(Worker { scan: self, shared, thread });
        let mut found: Vec<(Vec<Best>, Vec<Pending>)> = match threads {
            1 => vec![worker(0)],
            _ => (0..threads).into_par_iter().each_made(&worker).collect(),
        };
        let (mut best, mut pending) = found.pop().unwrap_or_default();
        for (other_best, other_pending) in found {
            best = best.into_iter().zip(other_best).map(|(best, other)| best.join(other)).collect();
            pending.iter_mut().zip(other_pending).for_each(|(own, other)| own.join(other));
        }
        let waiting: usize = pending.iter().map(Pending::len).sum();
        let finished = |(query, (best, pending)): (usize, (Best, Pending))| {
            if pending.len() == 0 {
                return best.sorted();
            }
            dispatch(Settling { data: &self.data, bounds, query, best, pending }).sorted()
        };
        if threads == 1 || waiting * self.d < ALONE {
            return best.into_iter().zip(pending).enumerate().map(finished).collect();
        }
        best.into_par_iter().zip(pending).enumerate().each_made(&finished).collect()
    }
}

/// What the threads have in common.
#[derive(Clone, Copy)]
struct Shared<'a> {
    bounds: &'a Bounds<'a>,
    next: &'a AtomicUsize,
    pieces: &'a [(Range<usize>, &'a [u32], bool)],
    every: &'a [u32],
}

struct Worker<'a, R> {
    scan: &'a Scan<'a, R>,
    shared: Shared<'a>,
    /// Its number.
    thread: usize,
}

impl<R: Rows> Task for Worker<'_, R> {
    type Output = (Vec<Best>, Vec<Pending>);

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) -> Self::Output {
        let Worker { scan, shared, thread } = self;
        let (b, d) = (shared.every.len(), scan.d);
        let best = (0..b).map(|_| Best::new(scan.k)).collect();
        let pending = (0..b).map(|_| Pending::default()).collect();
        let mut state = State { scan, bounds: shared.bounds, thread, best, pending };
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
            if packs.is_empty()
                && scan.metric == Metric::L2
                && state.meet_squares(lanes, rows.clone(), singles, &mut squares, &mut wide)
            {
                continue;
            }
            for start in rows.clone().step_by(chunk) {
                let end = rows.end.min(start + chunk);
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
        (state.best, state.pending)
    }
}

/// Gives the rows that wait for a query their distances, after those that others leave behind are dropped.
struct Settling<'a, R> {
    data: &'a R,
    bounds: &'a Bounds<'a>,
    query: usize,
    best: Best,
    pending: Pending,
}

impl<R: Rows> Task for Settling<'_, R> {
    type Output = Best;

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, _lanes: L) -> Best {
        let Settling { data, bounds, query, mut best, mut pending } = self;
        bounds.sort_out(&best, query, &mut pending, None);
        settle(data, bounds, &mut best, query, &mut pending);
        best
    }
}

/// Gives all rows that wait for a query their distances.
#[inline(always)]
fn settle<R: Rows>(data: &R, bounds: &Bounds, best: &mut Best, query: usize, pending: &mut Pending) {
    let (d, mut wide) = (bounds.d, Vec::new());
    let rows: Vec<usize> = pending.drain().collect();
    for (place, &row) in rows.iter().enumerate() {
        if let Some(&next) = rows.get(place + AHEAD) {
            data.prefetch(next, d);
        }
        bounds.admit(best, query, row, data.widened(row..row + 1, d, &mut wide));
    }
}

/// Rows that are on their way from memory while one is compared.
const AHEAD: usize = 4;

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

/// The best so far of every query, of one thread.
struct State<'a, R> {
    scan: &'a Scan<'a, R>,
    bounds: &'a Bounds<'a>,
    thread: usize,
    best: Vec<Best>,
    pending: Vec<Pending>,
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
        // How far scores may be off, the roundings of sums and differences with that included: they are less than an eighth of it.
        let mut off = [f32::INFINITY; VECTORS * WIDEST];
        for ((limit, off), &query) in limits.iter_mut().zip(&mut off).zip(&pack.members) {
            *limit = self.limit(query as usize, scores.longest);
            *off = 1.25 * self.bounds.slack(query as usize, scores.longest) as f32;
        }
        // A row that is so long that its scores say nothing gets its distance at once, and leaves those that wait alone.
        let waits =
            WAITING.contains(&self.scan.k) && off[..pack.members.len()].iter().all(|off| off.is_finite());
        let mut values = [[[0.0f32; WIDEST]; N]; ROWS];
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
            if waits {
                unrolled!(r < ROWS, {
                    let offset = lanes.splat(scores.offsets[first + r]);
                    let factor = lanes.splat(scores.factors[first + r]);
                    unrolled!(n < N, {
                        values[r][n] = lanes.array(lanes.mul_add(factor, sums[r][n], offset));
                    });
                });
            }
            for (r, passed) in passed.iter().enumerate().take(rows - first) {
                for (n, &passed) in passed.iter().enumerate() {
                    let mut left = passed;
                    while left != 0 {
                        let lane = n * L::WIDTH + left.trailing_zeros() as usize;
                        left &= left - 1;
                        let Some(&query) = pack.members.get(lane) else { break };
                        let (query, row) = (query as usize, first + r);
                        let value = values[r][n][lane % L::WIDTH];
                        let nearer = if waits && value.is_finite() {
                            self.wait(query, start + row, value - off[lane], value + off[lane])
                        } else {
                            self.admit(query, start + row, &data[row * d..(row + 1) * d])
                        };
                        if nearer {
                            limits[lane] = self.limit(query, scores.longest);
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
        let d = scan.d;
        let vector = self.bounds.query(query);
        let length = self.bounds.squared[query].sqrt();
        let mut bound = self.bound(query);
        for (row, x) in data.chunks_exact(d).enumerate() {
            let dropped = certainly_above(lanes, scan.metric, x, vector, length, bound);
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
            let vector = self.bounds.query(query);
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

    /// Lets a row wait whose score is between two numbers. Whether the bound may have changed.
    #[inline(always)]
    fn wait(&mut self, query: usize, row: usize, low: f32, high: f32) -> bool {
        let (bounds, most) = (self.bounds, 2 * self.scan.k + MORE);
        if bounds.leaves_out(row) {
            return false;
        }
        let (best, pending) = (&mut self.best[query], &mut self.pending[query]);
        if pending.len() == 0 {
            pending.reserve(most.min(ROOM));
        }
        pending.push(low, high, row as u32);
        if pending.len() < most {
            return false;
        }
        bounds.sort_out(best, query, pending, Some(self.thread));
        // So many that are as good as the last of them: their distances decide.
        if pending.len() > most - most / 4 {
            settle(&self.scan.data, bounds, best, query, pending);
        }
        true
    }

    #[inline(always)]
    fn bound(&self, query: usize) -> f64 {
        self.bounds.bound(&self.best[query], query)
    }

    /// The score above which a row of at most this length is certainly not among the best; NaN where none is.
    #[inline(always)]
    fn limit(&self, query: usize, longest: f64) -> f32 {
        let limit = self.bounds.limit(&self.best[query], query) + self.bounds.slack(query, longest);
        let rounded = limit as f32;
        if f64::from(rounded) < limit { rounded.next_up() } else { rounded }
    }

    #[inline(always)]
    fn admit(&mut self, query: usize, row: usize, x: &[f32]) -> bool {
        self.bounds.admit(&mut self.best[query], query, row, x)
    }
}

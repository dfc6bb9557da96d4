//! Native path: query by query, nearest lists first, so that the bound that rows are dropped by is soon a good one. Queries with the same nearest list
//! come one after another: they find its codes in the cache.

use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use super::{Input, NAME};
use crate::search::best::{Best, Candidate, distance_of, key_of};
use crate::search::codes::BLOCK;
use crate::search::device::Lists;
use crate::search::lookup::{Lookups, Steps, Task, dispatch, exact_sum};
use crate::search::product::bytes;
use crate::search::vectors::{fill, results, unfilled, wide_ids};

/// Neighbours from which on rows wait for their distances, and up to which they may.
const WAITING: RangeInclusive<usize> = 4..=1 << 20;
/// Rows that wait beyond twice the neighbours, so that few neighbours are not sorted out at every turn.
const MORE: usize = 64;
/// Rows that are worth making a query's tables once more for another thread.
const ENOUGH: usize = 1 << 16;

static ZEROS: [f32; BLOCK] = [0.0; BLOCK];
static ONES: [f32; BLOCK] = [1.0; BLOCK];

pub(super) fn pq_scan(input: &Input, k: usize) -> Result<(Tensor, Tensor)> {
    let lists = Lists { offsets: &input.offsets, probes: &input.probes };
    let (offsets, probes) = lists.checked(NAME, input.n)?;
    if k == 0 || input.b == 0 {
        return results(&[], input.b, k);
    }
    let ids = input.ids.known.as_ref().map(wide_ids).transpose()?;
    let bases = numbers(&input.bases)?;
    let scan = Scan {
        k,
        m: input.m,
        words: input.words,
        bytes: bytes(input.m, input.words),
        tables: input.tables.as_slice()?,
        codes: input.codes.as_slice()?,
        biases: numbers(&input.biases)?,
        factors: numbers(&input.factors)?,
        ids: ids.as_deref(),
        keep: input.keep.as_ref().map(Tensor::as_slice::<u8>).transpose()?,
    };
    let nprobe = input.probes.dims()[1];
    let mut order: Vec<u32> = (0..input.b as u32).collect();
    if nprobe > 0 {
        order.sort_by_key(|&query| probes[query as usize * nprobe]);
    }
    let threads = rayon::current_num_threads();
    let (mut runs, mut pieces, mut work) = (Vec::new(), Vec::with_capacity(input.b), 0);
    for query in order {
        let first = runs.len();
        for at in query as usize * nprobe..(query as usize + 1) * nprobe {
            let Ok(list) = usize::try_from(probes[at]) else { continue };
            let rows = offsets[list] as usize..offsets[list + 1] as usize;
            if !rows.is_empty() {
                runs.push(Run { rows, base: bases.map_or(0.0, |bases| bases[at]) });
            }
        }
        let rows: usize = runs[first..].iter().map(|run| run.rows.len()).sum();
        work += rows;
        let parts = if input.b >= 4 * threads { 1 } else { (rows / ENOUGH).clamp(1, threads) };
        if parts == 1 {
            pieces.push((query, first..runs.len()));
            continue;
        }
        for piece in cut(runs.split_off(first), rows.div_ceil(parts)) {
            let first = runs.len();
            runs.extend(piece);
            pieces.push((query, first..runs.len()));
        }
    }
    let bounds: Vec<AtomicU32> = (0..input.b).map(|_| AtomicU32::new(u32::MAX)).collect();
    let next = AtomicUsize::new(0);
    let worker =
        || dispatch(Worker { scan: &scan, runs: &runs, pieces: &pieces, bounds: &bounds, next: &next });
    let threads = if work < ENOUGH { 1 } else { threads.min(pieces.len()) };
    let found: Vec<Found> =
        if threads <= 1 { vec![worker()] } else { (0..threads).into_par_iter().map(|_| worker()).collect() };
    let mut found: Vec<(u32, &[Candidate])> = found.iter().flat_map(Found::pieces).collect();
    found.sort_unstable_by_key(|&(query, _)| query);
    let (mut distances, mut named) = unfilled(input.b, k);
    for same in found.chunk_by(|(query, _), (next, _)| query == next) {
        let start = same[0].0 as usize * k;
        let (distances, named) = (&mut distances[start..start + k], &mut named[start..start + k]);
        match same {
            [(_, best)] => fill(best, distances, named),
            _ => {
                let mut best: Vec<Candidate> = same.iter().flat_map(|(_, best)| *best).copied().collect();
                best.sort_unstable();
                fill(&best, distances, named);
            }
        }
    }
    Ok((Tensor::from_vec(distances, [input.b, k])?, Tensor::from_vec(named, [input.b, k])?))
}

/// Rows of one list, and what its probe adds to their distances.
#[derive(Clone)]
struct Run {
    rows: Range<usize>,
    base: f32,
}

/// Cuts runs into pieces of so many rows, the last one of fewer; one piece of none where there are none.
fn cut(runs: Vec<Run>, rows: usize) -> Vec<Vec<Run>> {
    let (mut pieces, mut piece, mut left) = (Vec::new(), Vec::new(), rows);
    for Run { rows: own, base } in runs {
        let mut start = own.start;
        while start < own.end {
            let end = own.end.min(start + left);
            piece.push(Run { rows: start..end, base });
            left -= end - start;
            start = end;
            if left == 0 {
                pieces.push(std::mem::take(&mut piece));
                left = rows;
            }
        }
    }
    if !piece.is_empty() || pieces.is_empty() {
        pieces.push(piece);
    }
    pieces
}

struct Scan<'a> {
    k: usize,
    m: usize,
    words: usize,
    bytes: usize,
    /// `[b, m, words]`
    tables: &'a [f32],
    /// `[blocks, bytes, 64]`
    codes: &'a [u8],
    biases: Option<&'a [f32]>,
    factors: Option<&'a [f32]>,
    ids: Option<&'a [i64]>,
    keep: Option<&'a [u8]>,
}

struct Worker<'a> {
    scan: &'a Scan<'a>,
    runs: &'a [Run],
    /// Queries, each with a stretch of the runs.
    pieces: &'a [(u32, Range<usize>)],
    /// The least key so far that some thread's best `k` of a query do not exceed. Nothing else is published with it.
    bounds: &'a [AtomicU32],
    next: &'a AtomicUsize,
}

/// What a thread found.
#[derive(Default)]
struct Found {
    /// The best of each piece, best first, one piece after another.
    best: Vec<Candidate>,
    /// Each piece's query, and where its best end.
    ends: Vec<(u32, usize)>,
}

impl Found {
    /// Queries, each with the best of a piece of its rows.
    fn pieces(&self) -> impl Iterator<Item = (u32, &[Candidate])> {
        let mut start = 0;
        self.ends
            .iter()
            .map(move |&(query, end)| (query, &self.best[std::mem::replace(&mut start, end)..end]))
    }
}

impl Task for Worker<'_> {
    type Output = Found;

    #[inline(always)]
    fn run<L: Lookups>(self, lookups: L) -> Found {
        let Self { scan, runs, pieces, bounds, next } = self;
        let size = scan.m * scan.words;
        let mut found = Found::default();
        let mut space = Workspace {
            steps: Steps::new(scan.m, scan.words),
            best: Best::new(scan.k),
            queue: Queue::default(),
        };
        while let Some((query, own)) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let table = &scan.tables[*query as usize * size..][..size];
            of_query(lookups, scan, table, &runs[own.clone()], &bounds[*query as usize], &mut space);
            let last = &mut space.queue.found;
            space.best.sort_into(last);
            found.best.append(last);
            found.ends.push((*query, found.best.len()));
        }
        found
    }
}

/// What a thread has for a query. Its memory serves one after another.
struct Workspace {
    steps: Steps,
    best: Best,
    queue: Queue,
}

/// The rows of a query that wait.
#[derive(Default)]
struct Queue {
    /// For each row, a key that its distance's is not below, above its number among the rows of the blocks that the runs touch.
    rows: Vec<u64>,
    /// The keys, where these are compared.
    keys: Vec<u32>,
    /// The rows that get a distance next.
    chosen: Vec<u64>,
    /// Those that have got it, and are not among the best yet.
    found: Vec<Candidate>,
    /// A query's tables as f64.
    wide: Vec<f64>,
}

impl Queue {
    /// A key that those of `k` rows do not exceed, nor those of many more where the keys allow it; `None` where there are fewer rows.
    #[inline(always)]
    fn reached(&mut self, k: usize) -> Option<u32> {
        let Self { rows, keys, .. } = self;
        if rows.len() < k {
            return None;
        }
        keys.clear();
        keys.extend(rows.iter().map(|row| (row >> 32) as u32));
        let (mut least, mut most) = (u32::MAX, 0);
        for &key in &*keys {
            (least, most) = (least.min(key), most.max(key));
        }
        // The keys of fewer than k are below `least`, those of k or more not above `most`.
        let enough = (k + k / 8) as u32;
        for _ in 0..16 {
            if least >= most {
                break;
            }
            let middle = least + (most - least) / 2;
            // Fewer than 2^32 rows, so nothing wraps: sums without a check are vectors.
            let below = keys.iter().fold(0u32, |below, &key| below.wrapping_add(u32::from(key <= middle)));
            if below < k as u32 {
                least = middle + 1;
            } else {
                most = middle;
                if below <= enough {
                    break;
                }
            }
        }
        Some(most)
    }
}

/// What is known of the rows of one query.
///
/// A row whose steps do not rule it out waits with them: they say between which numbers its distance is. When many wait, those that so many others are certainly nearer than go; only
/// what is left at the end gets a distance.
struct State<'a> {
    scan: &'a Scan<'a>,
    table: &'a [f32],
    runs: &'a [Run],
    steps: &'a Steps,
    best: &'a mut Best,
    /// The least key so far that some thread's best `k` do not exceed.
    shared: &'a AtomicU32,
    queue: &'a mut Queue,
    /// The most that f64 may have rounded of what is below a row's distance.
    rounded: f64,
}

impl State<'_> {
    /// The greatest of what is added to the base of a row that may be among the best, and how far it is rounded.
    #[inline(always)]
    fn rest(&self, base: f32) -> (f64, f64) {
        let key = self.best.bound().min(self.shared.load(Ordering::Relaxed));
        let bound = f64::from(distance_of(key));
        // What rounds to the bound counts too.
        let bound = bound + f64::from(f32::EPSILON) * bound.abs() + f64::from(f32::MIN_POSITIVE);
        (bound - f64::from(base), 1e-14 * (bound.abs() + f64::from(base.abs())))
    }

    /// What a row's bias and steps may come to together.
    #[inline(always)]
    fn limit(&self, base: f32) -> f32 {
        let (rest, rounded) = self.rest(base);
        (rest - self.steps.least + self.steps.slack + rounded + 1e-14 * self.steps.least.abs()) as f32
    }

    /// What a row's bias and steps are to be added to, for a number that its distance is not below.
    #[inline(always)]
    fn shift(&mut self, base: f32) -> f32 {
        let (base, steps) = (f64::from(base), self.steps);
        // What f64 rounds of all terms but the bias.
        let off = 1e-14 * (base.abs() + steps.least.abs() + 128.0 * steps.width);
        let exact = base + steps.least - steps.slack - off;
        let shift = exact as f32;
        let shift = shift - 4.0 * f32::EPSILON * shift.abs() - f32::MIN_POSITIVE;
        let tiny = 4.0 * f64::from(f32::MIN_POSITIVE);
        self.rounded = self.rounded.max(off + 8.0 * f64::from(f32::EPSILON) * exact.abs() + tiny);
        shift
    }

    /// A bit for each row of a block that may be among the best.
    #[inline(always)]
    fn passing<L: Lookups>(
        &self,
        lookups: L,
        sums: &[u16; BLOCK],
        (biases, factors): (&[f32; BLOCK], &[f32; BLOCK]),
        base: f32,
        least: f32,
    ) -> u64 {
        if self.scan.factors.is_none() {
            return lookups.passing(sums, biases, self.steps.step, least);
        }
        let (rest, rounded) = self.rest(base);
        lookups.passing_scaled(
            sums,
            (biases, factors),
            (self.steps.least - self.steps.slack, self.steps.step),
            rest + rounded,
        )
    }

    /// Publishes what the rows that wait say of the bound, and drops those that it leaves behind. Gives back a key that those of `k` rows do not exceed, where there are as many.
    #[inline(always)]
    fn sort_out(&mut self) -> u32 {
        let reached = self.queue.reached(self.scan.k);
        if let Some(least) = reached {
            let low = f64::from(distance_of(least));
            let high = low + self.steps.width + self.rounded;
            // More than the roundings of `low`, and of this.
            let high = (high + 1e-6 * (low.abs() + high.abs())) as f32;
            self.shared.fetch_min(key_of(high.next_up()), Ordering::Relaxed);
        }
        let bound = self.best.bound().min(self.shared.load(Ordering::Relaxed));
        let (rows, mut kept) = (&mut self.queue.rows[..], 0);
        for place in 0..rows.len() {
            let row = rows[place];
            // As many as have been looked at, at most.
            rows[kept] = row;
            kept += usize::from((row >> 32) as u32 <= bound);
        }
        self.queue.rows.truncate(kept);
        reached.unwrap_or(u32::MAX)
    }

    /// Gives the rows that wait their distances: first those whose keys do not exceed `near`, then those that the first ones, where they are enough, do not leave behind.
    #[inline(always)]
    fn settle(&mut self, near: u32) {
        let (rows, entries) = (self.queue.rows.len(), self.table.len());
        // A conversion is a vector's here, and a number's at each row: many rows make good for all entries.
        if rows * self.scan.m >= 2 * entries {
            let mut wide = std::mem::take(&mut self.queue.wide);
            wide.clear();
            wide.extend(self.table.iter().map(|&entry| f64::from(entry)));
            self.settle_by(&wide, near);
            self.queue.wide = wide;
        } else {
            self.settle_by(self.table, near);
        }
    }

    #[inline(always)]
    fn settle_by<T: Copy>(&mut self, table: &[T], near: u32)
    where
        f64: From<T>,
    {
        let Self { scan, runs, .. } = *self;
        let Queue { rows, chosen, found, .. } = &mut *self.queue;
        chosen.resize(rows.len(), 0);
        let mut bound = near;
        for first in [true, false] {
            let mut count = 0;
            for &row in &*rows {
                let key = (row >> 32) as u32;
                // Nobody can foretell which: no branch.
                chosen[count] = row;
                count += usize::from(((key <= near) == first) & (key <= bound));
            }
            // Rows wait in their order. A run's numbers end where those of its last block do.
            let (mut run, mut end) = (0, runs.first().map_or(0, Run::places));
            for &row in &chosen[..count] {
                let number = row as u32 as usize;
                while end <= number {
                    run += 1;
                    end += runs[run].places();
                }
                let row = runs[run].blocks().end * BLOCK + number - end;
                let sum = exact_sum(table, scan.m, scan.words, scan.block(row / BLOCK), row);
                let bias = scan.biases.map_or(0.0, |biases| biases[row]);
                let distance = scan.distance(runs[run].base, bias, 1.0, sum);
                found.push(Candidate::new(key_of(distance), scan.id(row)));
            }
            // The distances of as many rows as are asked for do not exceed this.
            let enough = found.len() >= scan.k;
            bound = if enough { found.iter().fold(0, |most, found| most.max(found.key())) } else { u32::MAX };
        }
        rows.clear();
    }
}

#[inline(always)]
fn of_query<L: Lookups>(
    lookups: L,
    scan: &Scan,
    table: &[f32],
    runs: &[Run],
    shared: &AtomicU32,
    Workspace { steps, best, queue }: &mut Workspace,
) {
    steps.set(lookups, table);
    let scaled = scan.factors.is_some();
    // Sums that say nothing, or only together with a factor, are no bounds to wait with.
    let blocks: usize = runs.iter().map(|run| run.blocks().len()).sum();
    let waits =
        WAITING.contains(&scan.k) && !scaled && steps.width.is_finite() && blocks < u32::MAX as usize / BLOCK;
    let most = if waits { 2 * scan.k + MORE } else { 0 };
    let mut state = State { scan, table, runs, steps, best, shared, queue, rounded: 0.0 };
    let (mut sums, mut padded) = ([0u16; BLOCK], [[0.0f32; BLOCK]; 2]);
    let mut number = 0u32;
    for run in runs {
        let (rows, base) = (&run.rows, run.base);
        let low = (state.steps.least - state.steps.slack, state.steps.step);
        let shift = state.shift(base);
        let mut least = state.limit(base);
        for block in run.blocks() {
            lookups.sums(scan.block(block).as_flattened(), state.steps, &mut sums);
            let [own_biases, own_factors] = &mut padded;
            let biases = of_block(scan.biases, block, &ZEROS, own_biases);
            let factors = of_block(scan.factors, block, &ONES, own_factors);
            let mut left = state.passing(lookups, &sums, (biases, factors), base, least);
            left &= u64::MAX << rows.start.saturating_sub(block * BLOCK);
            left &= u64::MAX >> ((block + 1) * BLOCK).saturating_sub(rows.end);
            if left == 0 {
                number += BLOCK as u32;
                continue;
            }
            if let Some(keep) = scan.keep {
                left &= keep_of(keep, block);
            }
            if waits {
                left = lookups.wait((&sums, biases), (low.1, shift), left, number, &mut state.queue.rows);
            }
            while left != 0 {
                let lane = left.trailing_zeros() as usize;
                left &= left - 1;
                let row = block * BLOCK + lane;
                let sum = exact_sum(table, scan.m, scan.words, scan.block(block), lane);
                let key = key_of(scan.distance(base, biases[lane], factors[lane], sum));
                if key > state.best.bound() || key > shared.load(Ordering::Relaxed) {
                    continue;
                }
                state.best.offer(key, scan.id(row));
                shared.fetch_min(state.best.bound(), Ordering::Relaxed);
                least = state.limit(base);
                left &= state.passing(lookups, &sums, (biases, factors), base, least);
            }
            number += BLOCK as u32;
            if waits && state.queue.rows.len() >= most {
                let near = state.sort_out();
                // So many that may be as good as the last of them: their distances decide.
                if state.queue.rows.len() > most - most / 4 {
                    state.settle(near);
                    state.best.offer_all(&mut state.queue.found);
                    shared.fetch_min(state.best.bound(), Ordering::Relaxed);
                }
                least = state.limit(base);
            }
        }
    }
    if waits {
        let near = state.sort_out();
        state.settle(near);
    }
}

/// The bits of a block's rows.
#[inline(always)]
fn keep_of(keep: &[u8], block: usize) -> u64 {
    let own = &keep[(block * (BLOCK / 8)).min(keep.len())..];
    own.iter().take(BLOCK / 8).rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte))
}

/// The numbers of a block's rows, whatever after the last one; `none` where there are none.
#[inline(always)]
fn of_block<'a>(
    all: Option<&'a [f32]>,
    block: usize,
    none: &'static [f32; BLOCK],
    padded: &'a mut [f32; BLOCK],
) -> &'a [f32; BLOCK] {
    let Some(all) = all else { return none };
    match all.get(block * BLOCK..(block + 1) * BLOCK) {
        Some(own) => own.try_into().expect("as many"),
        None => {
            padded[..all.len() - block * BLOCK].copy_from_slice(&all[block * BLOCK..]);
            padded
        }
    }
}

impl Run {
    /// The blocks that it touches.
    fn blocks(&self) -> Range<usize> {
        self.rows.start / BLOCK..self.rows.end.div_ceil(BLOCK)
    }

    /// The rows that they have room for.
    #[inline(always)]
    fn places(&self) -> usize {
        self.blocks().len() * BLOCK
    }
}

impl Scan<'_> {
    /// The codes `[bytes, 64]` of a block.
    #[inline(always)]
    fn block(&self, block: usize) -> &[[u8; BLOCK]] {
        self.codes[block * self.bytes * BLOCK..][..self.bytes * BLOCK].as_chunks().0
    }

    #[inline(always)]
    fn id(&self, row: usize) -> i64 {
        self.ids.map_or(row as i64, |ids| ids[row])
    }

    /// The distance that comes of the sum of a row's entries, rounded once.
    #[inline(always)]
    fn distance(&self, base: f32, bias: f32, factor: f32, sum: f64) -> f32 {
        (f64::from(base) + f64::from(bias) + f64::from(factor) * sum) as f32
    }
}

/// The elements of a tensor of f32, where there is one.
fn numbers(tensor: &Option<Tensor>) -> Result<Option<&[f32]>> {
    tensor.as_ref().map(Tensor::as_slice).transpose()
}

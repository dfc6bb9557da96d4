//! Native path: query by query, nearest lists first, so that the bound that rows are dropped by is soon a good one. Queries with the same nearest list
//! come one after another: they find its codes in the cache.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use super::{Input, NAME};
use crate::search::best::{Best, Candidate, distance_of, key_of};
use crate::search::codes::BLOCK;
use crate::search::device::Lists;
use crate::search::lookup::{Lookups, Steps, Task, dispatch};
use crate::search::product::{bytes, word};
use crate::search::vectors::{results, wide_ids};

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
    let ids = input.ids.as_ref().map(wide_ids).transpose()?;
    let slice = |tensor: &Option<Tensor>| -> Result<Option<Vec<f32>>> {
        tensor.as_ref().map(Tensor::to_vec::<f32>).transpose()
    };
    let bases = slice(&input.bases)?;
    let scan = Scan {
        k,
        m: input.m,
        words: input.words,
        bytes: bytes(input.m, input.words),
        tables: input.tables.as_slice()?,
        codes: input.codes.as_slice()?,
        biases: input.biases.as_ref().map(Tensor::as_slice::<f32>).transpose()?,
        factors: input.factors.as_ref().map(Tensor::as_slice::<f32>).transpose()?,
        ids: ids.as_deref(),
        keep: input.keep.as_ref().map(Tensor::as_slice::<u8>).transpose()?,
    };
    let nprobe = input.probes.dims()[1];
    let runs = |query: usize| -> Vec<Run> {
        let at = query * nprobe..(query + 1) * nprobe;
        let named = at.filter(|&at| probes[at] >= 0).map(|at| Run {
            rows: offsets[probes[at] as usize] as usize..offsets[probes[at] as usize + 1] as usize,
            base: bases.as_ref().map_or(0.0, |bases| bases[at]),
        });
        named.filter(|run| !run.rows.is_empty()).collect()
    };
    let mut order: Vec<u32> = (0..input.b as u32).collect();
    if nprobe > 0 {
        order.sort_by_key(|&query| probes[query as usize * nprobe]);
    }
    let all: Vec<(u32, Vec<Run>)> = order.iter().map(|&query| (query, runs(query as usize))).collect();
    let threads = rayon::current_num_threads();
    let mut pieces = Vec::with_capacity(all.len());
    for (query, runs) in all {
        let rows: usize = runs.iter().map(|run| run.rows.len()).sum();
        let parts = if input.b >= 4 * threads { 1 } else { (rows / ENOUGH).clamp(1, threads) };
        pieces.extend(cut(runs, rows.div_ceil(parts)).into_iter().map(|runs| (query, runs)));
    }
    let work = pieces.iter().flat_map(|(_, runs)| runs).map(|run| run.rows.len()).sum::<usize>();
    let bounds: Vec<AtomicU32> = (0..input.b).map(|_| AtomicU32::new(u32::MAX)).collect();
    let next = AtomicUsize::new(0);
    let worker = || dispatch(Worker { scan: &scan, pieces: &pieces, bounds: &bounds, next: &next });
    let threads = if work < ENOUGH { 1 } else { threads.min(pieces.len()) };
    let found: Vec<Vec<(u32, Best)>> =
        if threads <= 1 { vec![worker()] } else { (0..threads).into_par_iter().map(|_| worker()).collect() };
    let mut best: Vec<Option<Best>> = (0..input.b).map(|_| None).collect();
    for (query, own) in found.into_iter().flatten() {
        let best = &mut best[query as usize];
        *best = Some(match best.take() {
            Some(other) => other.join(own),
            None => own,
        });
    }
    let found: Vec<Vec<Candidate>> =
        best.into_iter().map(|best| best.map(Best::sorted).unwrap_or_default()).collect();
    results(&found, input.b, k)
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
    pieces: &'a [(u32, Vec<Run>)],
    /// The least key so far that some thread's best `k` of a query do not exceed. Nothing else is published with it.
    bounds: &'a [AtomicU32],
    next: &'a AtomicUsize,
}

impl Task for Worker<'_> {
    type Output = Vec<(u32, Best)>;

    #[inline(always)]
    fn run<L: Lookups>(self, lookups: L) -> Self::Output {
        let scan = self.scan;
        let size = scan.m * scan.words;
        let mut found = Vec::new();
        while let Some((query, runs)) = self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let table = &scan.tables[*query as usize * size..][..size];
            let bound = &self.bounds[*query as usize];
            found.push((*query, of_query(lookups, scan, table, runs, bound)));
        }
        found
    }
}

#[inline(always)]
fn of_query<L: Lookups>(lookups: L, scan: &Scan, table: &[f32], runs: &[Run], shared: &AtomicU32) -> Best {
    let mut best = Best::new(scan.k);
    let steps = Steps::of(table, scan.m, scan.words);
    let (mut sums, mut padded) = ([0u16; BLOCK], [[0.0f32; BLOCK]; 2]);
    for Run { rows, base } in runs {
        // The greatest of what is added to the base of a row that may be among the best.
        let rest = |best: &Best| -> (f64, f64) {
            let key = best.bound().min(shared.load(Ordering::Relaxed));
            let bound = f64::from(distance_of(key));
            // What rounds to the bound counts too.
            let bound = bound + f64::from(f32::EPSILON) * bound.abs() + f64::from(f32::MIN_POSITIVE);
            (bound - f64::from(*base), 1e-14 * (bound.abs() + f64::from(base.abs())))
        };
        let limit = |best: &Best| -> f32 {
            let (rest, rounded) = rest(best);
            (rest - steps.least + steps.slack + rounded + 1e-14 * steps.least.abs()) as f32
        };
        let mut least = limit(&best);
        for block in rows.start / BLOCK..rows.end.div_ceil(BLOCK) {
            let codes = &scan.codes[block * scan.bytes * BLOCK..][..scan.bytes * BLOCK];
            lookups.sums(codes, &steps, &mut sums);
            let [own_biases, own_factors] = &mut padded;
            let biases = of_block(scan.biases, block, &ZEROS, own_biases);
            let factors = of_block(scan.factors, block, &ONES, own_factors);
            let scaled = scan.factors.is_some();
            let low = (steps.least - steps.slack, steps.step);
            let mut left = if scaled {
                let (rest, rounded) = rest(&best);
                lookups.passing_scaled(&sums, (biases, factors), low, rest + rounded)
            } else {
                lookups.passing(&sums, biases, steps.step, least)
            };
            left &= u64::MAX << rows.start.saturating_sub(block * BLOCK);
            left &= u64::MAX >> ((block + 1) * BLOCK).saturating_sub(rows.end);
            while left != 0 {
                let lane = left.trailing_zeros() as usize;
                left &= left - 1;
                let row = block * BLOCK + lane;
                if scan.keep.is_some_and(|keep| keep[row / 8] >> (row % 8) & 1 == 0) {
                    continue;
                }
                let key = key_of(scan.exact(table, codes, lane, *base, biases[lane], factors[lane]));
                if key > best.bound() || key > shared.load(Ordering::Relaxed) {
                    continue;
                }
                best.offer((key, scan.ids.map_or(row as i64, |ids| ids[row])));
                shared.fetch_min(best.bound(), Ordering::Relaxed);
                least = limit(&best);
                left &= if scaled {
                    let (rest, rounded) = rest(&best);
                    lookups.passing_scaled(&sums, (biases, factors), low, rest + rounded)
                } else {
                    lookups.passing(&sums, biases, steps.step, least)
                };
            }
        }
    }
    best
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

impl Scan<'_> {
    /// The distance in f64, rounded once. Four sums side by side, the same on every machine.
    #[inline(always)]
    fn exact(&self, table: &[f32], codes: &[u8], lane: usize, base: f32, bias: f32, factor: f32) -> f32 {
        let (mut sums, lane) = ([0.0f64; 4], lane % BLOCK);
        let rows = codes.as_chunks::<BLOCK>().0;
        // Four parts at a time, by words that no table is too short for; then the rest.
        let mut done = 0;
        if self.words == 16 {
            for (tables, bytes) in table.as_chunks::<64>().0.iter().zip(rows.as_chunks::<2>().0) {
                let [first, second] = bytes.each_ref().map(|bytes| usize::from(bytes[lane]));
                sums[0] += f64::from(tables[first & 15]);
                sums[1] += f64::from(tables[16 + (first >> 4 & 15)]);
                sums[2] += f64::from(tables[32 + (second & 15)]);
                sums[3] += f64::from(tables[48 + (second >> 4 & 15)]);
                done += 4;
            }
        } else {
            for (tables, bytes) in table.as_chunks::<1024>().0.iter().zip(rows.as_chunks::<4>().0) {
                for (part, sum) in sums.iter_mut().enumerate() {
                    *sum += f64::from(tables[256 * part + usize::from(bytes[part][lane])]);
                }
                done += 4;
            }
        }
        for j in done..self.m {
            let word = word(self.words, j, |byte| codes[byte * BLOCK + lane]);
            sums[j % 4] += f64::from(table[j * self.words + word]);
        }
        let sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        (f64::from(base) + f64::from(bias) + f64::from(factor) * sum) as f32
    }
}

//! Native path: words of 64 bits of some hundred rows lie side by side, so that a vector register counts the bits of several rows at once, and every query passes them.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use crate::search::best::{Best, Candidate, distance_of, key_of};
use crate::search::vectors::{Vectors, results};

/// Rows whose counts stand side by side.
const SIDE: usize = 16;
/// Bytes of rows that lie side by side: they stay in the second-level cache while the queries pass.
const CHUNK: usize = 128 << 10;
/// Words compared below which handing work out costs more than it gains.
const ALONE: usize = 1 << 16;

pub(super) fn hamming_scan_topk(rows: &Vectors, k: usize) -> Result<(Tensor, Tensor)> {
    if k == 0 || rows.b == 0 || rows.n == 0 {
        return results(&[], rows.b, k);
    }
    let ids = rows.host_ids()?;
    let bytes = rows.d;
    let (queries, data) = (rows.queries.as_slice::<u8>()?, rows.data.as_slice::<u8>()?);
    let words = bytes.div_ceil(8);
    let chunk = (CHUNK / (8 * words)).clamp(SIDE, 4096) / SIDE * SIDE;
    let scan = Scan {
        k,
        bytes,
        words,
        chunk,
        queries: queries.chunks_exact(bytes).flat_map(words_of).collect(),
        data,
        ids: ids.as_deref(),
        keep: rows.host_keep()?,
        bounds: (0..rows.b).map(|_| AtomicU32::new(u32::MAX)).collect(),
        next: AtomicUsize::new(0),
    };
    let worker = || dispatch(&scan);
    let threads = rayon::current_num_threads().min(rows.n.div_ceil(chunk));
    let mut found = if threads <= 1 || rows.b * rows.n * words < ALONE {
        vec![worker()]
    } else {
        (0..threads).into_par_iter().map(|_| worker()).collect::<Vec<_>>()
    };
    let mut best = found.pop().expect("one at least");
    for other in found {
        best = best.into_iter().zip(other).map(|(best, other)| best.join(other)).collect();
    }
    let found: Vec<Vec<Candidate>> = best.into_iter().map(Best::sorted).collect();
    results(&found, rows.b, k)
}

/// Bytes as words, zeros after them.
fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks(8).map(|bytes| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    })
}

struct Scan<'a> {
    k: usize,
    bytes: usize,
    words: usize,
    /// Rows that lie side by side: a multiple of [`SIDE`].
    chunk: usize,
    /// `[b, words]`
    queries: Vec<u64>,
    /// `[n, bytes]`
    data: &'a [u8],
    ids: Option<&'a [i64]>,
    keep: Option<&'a [u8]>,
    /// For each query the least count so far that some thread's best `k` do not exceed. Nothing else is published with it.
    bounds: Vec<AtomicU32>,
    next: AtomicUsize,
}

/// A way to count.
trait Counts: Copy {
    /// In how many bits [`SIDE`] rows differ from a query, if that is at most `bound` for one of them, and a bit for each where it is.
    fn within(self, rows: &[[u64; SIDE]], query: &[u64], bound: u64, counts: &mut [u64; SIDE]) -> u32;
}

/// One row after another, or as the compiler finds registers for it.
#[derive(Clone, Copy)]
struct Plain;

impl Counts for Plain {
    #[inline(always)]
    fn within(self, rows: &[[u64; SIDE]], query: &[u64], bound: u64, counts: &mut [u64; SIDE]) -> u32 {
        *counts = [0; SIDE];
        for (words, &q) in rows.iter().zip(query) {
            for lane in 0..SIDE {
                counts[lane] += u64::from((words[lane] ^ q).count_ones());
            }
        }
        (0..SIDE).fold(0, |within, lane| within | u32::from(counts[lane] <= bound) << lane)
    }
}

/// Scans with the widest population counts that this machine has.
fn dispatch(scan: &Scan) -> Vec<Best> {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(counts) = x86::Avx512::found() {
            return x86::run(scan, counts);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            #[target_feature(enable = "avx2,popcnt")]
            fn inside(scan: &Scan) -> Vec<Best> {
                scan.work(Plain)
            }
            // SAFETY: the machine has these features.
            return unsafe { inside(scan) };
        }
    }
    scan.work(Plain)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Best, Counts, SIDE, Scan};

    /// A proof that the machine has AVX-512 and its population counts: nothing else makes one.
    #[derive(Clone, Copy)]
    pub(super) struct Avx512(());

    impl Avx512 {
        pub(super) fn found() -> Option<Self> {
            let all = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vpopcntdq")
                && is_x86_feature_detected!("popcnt");
            all.then_some(Avx512(()))
        }
    }

    pub(super) fn run(scan: &Scan, counts: Avx512) -> Vec<Best> {
        #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
        fn inside(scan: &Scan, counts: Avx512) -> Vec<Best> {
            scan.work(counts)
        }
        // SAFETY: `counts` exists, so the machine has these features.
        unsafe { inside(scan, counts) }
    }

    impl Counts for Avx512 {
        #[inline(always)]
        fn within(self, rows: &[[u64; SIDE]], query: &[u64], bound: u64, counts: &mut [u64; SIDE]) -> u32 {
            // SAFETY: `self` exists, so the machine has these features; each half of an array of 16 is read and written once.
            unsafe {
                let (mut low, mut high) = (_mm512_setzero_si512(), _mm512_setzero_si512());
                for (words, &q) in rows.iter().zip(query) {
                    let (q, from) = (_mm512_set1_epi64(q as i64), words.as_ptr());
                    let (first, second) =
                        (_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(8).cast()));
                    low = _mm512_add_epi64(low, _mm512_popcnt_epi64(_mm512_xor_si512(q, first)));
                    high = _mm512_add_epi64(high, _mm512_popcnt_epi64(_mm512_xor_si512(q, second)));
                }
                let bound = _mm512_set1_epi64(bound as i64);
                let within = u32::from(_mm512_cmple_epu64_mask(low, bound))
                    | u32::from(_mm512_cmple_epu64_mask(high, bound)) << 8;
                if within != 0 {
                    _mm512_storeu_si512(counts.as_mut_ptr().cast(), low);
                    _mm512_storeu_si512(counts.as_mut_ptr().add(8).cast(), high);
                }
                within
            }
        }
    }
}

impl Scan<'_> {
    #[inline(always)]
    fn work<C: Counts>(&self, counts: C) -> Vec<Best> {
        // To lay rows side by side pays for several queries.
        if self.bounds.len() == 1 && self.bytes == 8 * self.words {
            return vec![match self.words {
                1 => self.work_alone::<1>(),
                2 => self.work_alone::<2>(),
                4 => self.work_alone::<4>(),
                8 => self.work_alone::<8>(),
                16 => self.work_alone::<16>(),
                _ => self.work_alone::<0>(),
            }];
        }
        let mut best: Vec<Best> = self.bounds.iter().map(|_| Best::new(self.k)).collect();
        // [chunk / SIDE, words, SIDE]
        let mut side = vec![[0u64; SIDE]; self.chunk / SIDE * self.words];
        loop {
            let start = self.next.fetch_add(self.chunk, Ordering::Relaxed);
            let Some(data) = self.data.get(start * self.bytes..).filter(|data| !data.is_empty()) else {
                return best;
            };
            let data = &data[..data.len().min(self.chunk * self.bytes)];
            for (rows, block) in data.chunks(SIDE * self.bytes).zip(side.chunks_exact_mut(self.words)) {
                for (lane, row) in rows.chunks_exact(self.bytes).enumerate() {
                    for (word, bytes) in block.iter_mut().zip(row.chunks(8)) {
                        word[lane] = match bytes.try_into() {
                            Ok(whole) => u64::from_le_bytes(whole),
                            Err(_) => words_of(bytes).next().unwrap_or(0),
                        };
                    }
                }
            }
            let rows = data.len() / self.bytes;
            let blocks = &side[..rows.div_ceil(SIDE) * self.words];
            for (number, query) in self.queries.chunks_exact(self.words).enumerate() {
                self.meet(counts, number, query, (start, rows), blocks, &mut best[number]);
            }
        }
    }

    /// For one query, of `WORDS` words, or of any number where that is 0: one row after another, as they lie.
    #[inline(always)]
    fn work_alone<const WORDS: usize>(&self) -> Best {
        let mut best = Best::new(self.k);
        let words = if WORDS > 0 { WORDS } else { self.words };
        let query = &self.queries[..words];
        let mut counts = [0u64; SIDE];
        loop {
            let start = self.next.fetch_add(self.chunk, Ordering::Relaxed);
            let Some(data) = self.data.get(start * self.bytes..).filter(|data| !data.is_empty()) else {
                return best;
            };
            let data = &data[..data.len().min(self.chunk * self.bytes)];
            let mut bound = u64::from(self.bounds[0].load(Ordering::Relaxed));
            for (number, rows) in data.chunks(SIDE * 8 * words).enumerate() {
                let mut left = 0;
                for (lane, row) in rows.chunks_exact(8 * words).enumerate() {
                    let row = row.as_chunks::<8>().0;
                    let mut count = 0;
                    for (&bytes, &q) in row.iter().zip(query) {
                        count += u64::from((u64::from_le_bytes(bytes) ^ q).count_ones());
                    }
                    counts[lane] = count;
                    left |= u32::from(count <= bound) << lane;
                }
                if left != 0 {
                    self.take(0, start + number * SIDE, left, &counts, &mut bound, &mut best);
                }
            }
        }
    }

    /// Takes in those of some rows from `first` on that are `left`, if they are no farther than the bound.
    #[inline(always)]
    fn take(
        &self,
        number: usize,
        first: usize,
        mut left: u32,
        counts: &[u64; SIDE],
        bound: &mut u64,
        best: &mut Best,
    ) {
        let shared = &self.bounds[number];
        while left != 0 {
            let lane = left.trailing_zeros() as usize;
            left &= left - 1;
            let (row, count) = (first + lane, counts[lane]);
            let kept = self.keep.is_none_or(|keep| keep[row / 8] >> (row % 8) & 1 == 1);
            if count > *bound || !kept {
                continue;
            }
            best.offer(key_of(count as f32), self.ids.map_or(row as i64, |ids| ids[row]));
            // The key of a full heap's worst is that of a count.
            let worst = best.bound();
            if worst != u32::MAX {
                let worst = distance_of(worst) as u32;
                *bound = (*bound).min(u64::from(shared.fetch_min(worst, Ordering::Relaxed).min(worst)));
            }
        }
    }

    /// Compares some rows from `start` on with one query.
    #[inline(always)]
    fn meet<C: Counts>(
        &self,
        counter: C,
        number: usize,
        query: &[u64],
        (start, rows): (usize, usize),
        blocks: &[[u64; SIDE]],
        best: &mut Best,
    ) {
        let mut counts = [0; SIDE];
        let mut bound = u64::from(self.bounds[number].load(Ordering::Relaxed));
        for (block, words) in blocks.chunks_exact(self.words).enumerate() {
            let mut left = counter.within(words, query, bound, &mut counts);
            left &= u32::MAX >> (32 - SIDE.min(rows - block * SIDE));
            if left != 0 {
                self.take(number, start + block * SIDE, left, &counts, &mut bound, best);
            }
        }
    }
}

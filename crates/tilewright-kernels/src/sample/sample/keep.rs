//! The filters on the host: what `gpu.header.metal` does with a threadgroup, on candidates in no order.

use pulp::{Arch, Simd, WithSimd};

use super::super::noise::{COLD, COOLEST, UNITS, bits_of, key_of, part_of, power_of, units_of, value_of};
use super::super::parameters::{Row, Step};

/// Candidates that are kept.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) keys: Vec<u32>,
    pub(super) tokens: Vec<u32>,
}

impl Pool {
    /// Leaves those whose key holds, without a branch for each.
    fn retain(&mut self, holds: impl Fn(u32) -> bool) {
        let mut left = 0;
        for at in 0..self.keys.len() {
            let key = self.keys[at];
            (self.keys[left], self.tokens[left]) = (key, self.tokens[at]);
            left += usize::from(holds(key));
        }
        self.keys.truncate(left);
        self.tokens.truncate(left);
    }

    pub(super) fn push(&mut self, key: u32, token: u32) {
        self.keys.push(key);
        self.tokens.push(token);
    }
}

/// How far a token's surprise may be from the entropy.
#[derive(Clone, Copy)]
struct Typical {
    centre: f32,
    width: f32,
    scale: f32,
    limit: f32,
}

impl Typical {
    #[inline(always)]
    fn surprise(&self, d: f32) -> f32 {
        let d = if d > self.limit { d } else { self.limit };
        d.mul_add(self.scale, -self.centre).abs()
    }
}

/// What is kept, and the scale of the weights at this stage.
pub(in crate::sample) struct Kept {
    /// The least and the largest key.
    low: u32,
    high: u32,
    /// Every token from this key on is among the candidates.
    base: u32,
    typical: Option<Typical>,
    untouched: bool,
    largest: f32,
    scale: f32,
    limit: f32,
    /// Of all tokens, at this scale.
    total: u64,
}

impl Kept {
    /// All tokens of a row with this largest key and total.
    pub(super) fn all(top: u32, base: u32, total: u64) -> Self {
        let (low, high) = (1, u32::MAX);
        let largest = value_of(top);
        Self { low, high, base, typical: None, untouched: true, largest, scale: COLD, limit: COOLEST, total }
    }

    fn closed(&self) -> bool {
        self.low >= self.base
    }

    #[inline(always)]
    fn distance(&self, key: u32) -> f32 {
        value_of(key) - self.largest
    }

    #[inline(always)]
    pub(in crate::sample) fn holds(&self, key: u32) -> bool {
        let typical = |typical: Typical| typical.surprise(self.distance(key)) <= typical.width;
        (self.low..=self.high).contains(&key) && self.typical.is_none_or(typical)
    }

    /// The masses of the candidates at this stage's scale.
    fn masses(&self, pool: &Pool) -> Vec<u64> {
        let of = |key| units_of(power_of(self.distance(key), self.scale, self.limit).0);
        Arch::new().dispatch(Each { keys: &pool.keys, of })
    }

    /// The masses, and the total that a filter takes its part of, where the candidates tell it.
    fn measured(&self, pool: &Pool) -> Option<(Vec<u64>, u64)> {
        if !self.untouched && !self.closed() {
            return None;
        }
        let masses = self.masses(pool);
        let total = if self.untouched { self.total } else { masses.iter().sum() };
        Some((masses, total))
    }

    fn cut(&mut self, low: u32, pool: &mut Pool) {
        self.low = self.low.max(low);
        self.untouched = false;
        let low = self.low;
        pool.retain(|key| key >= low);
    }

    /// Cuts at what a filter's tokens reach. `None` where they are too few to tell.
    fn cut_at(&mut self, reached: Option<u32>, pool: &mut Pool) -> Option<()> {
        match reached {
            Some(last) => self.cut(last, pool),
            None if self.closed() => self.untouched = false,
            None => return None,
        }
        Some(())
    }

    /// Applies the filters to the candidates, and leaves those that they keep. `None` where the candidates are too few to tell.
    pub(super) fn filter(&mut self, pool: &mut Pool, row: &Row, warm: u64, deviation: f32) -> Option<()> {
        for step in &row.steps {
            match *step {
                Step::Temperature => (self.scale, self.limit, self.total) = (row.scale, row.limit, warm),
                Step::TopNSigma(n) => self.cut(key_of((-n).mul_add(deviation, self.largest)), pool),
                Step::MinP(distance) => self.cut(key_of(self.largest - distance), pool),
                Step::TopK(k) => self.cut_at(reach(&pool.keys, |_| 1, u64::from(k)), pool)?,
                Step::TopP(part) => {
                    let (masses, total) = self.measured(pool)?;
                    let need = part_of(total, part).max(1);
                    self.cut_at(reach(&pool.keys, |at| masses[at], need), pool)?;
                }
                Step::TypicalP(part) => {
                    if !self.closed() {
                        return None;
                    }
                    self.keep_typical(pool, part);
                }
                Step::Xtc { threshold, bits } => {
                    if bits_of(row.keys(), u32::MAX) > bits {
                        continue;
                    }
                    let (masses, total) = self.measured(pool)?;
                    let need = part_of(total, threshold);
                    let above = pool.keys.iter().zip(&masses).filter(|&(_, &mass)| mass >= need);
                    let least = above.map(|(&key, _)| key).min();
                    let others = masses.iter().any(|&mass| mass < need);
                    if !others && !self.closed() {
                        return None;
                    }
                    if let Some(least) = least {
                        self.high = least;
                        self.untouched = false;
                        pool.retain(|key| key <= least);
                    }
                }
            }
        }
        self.closed().then_some(())
    }

    fn keep_typical(&mut self, pool: &mut Pool, part: u32) {
        let masses = self.masses(pool);
        let total: u64 = masses.iter().sum();
        if total == 0 {
            return;
        }
        // Of weight times distance in octaves, in units of 2^-33.
        let of = |key| {
            let d = self.distance(key);
            let octaves = (if d > self.limit { d } else { self.limit }) * self.scale;
            (power_of(d, self.scale, self.limit).0 * -octaves * (UNITS / 128.0)) as u64
        };
        let terms: Vec<u64> = Arch::new().dispatch(Each { keys: &pool.keys, of });
        let sum: u64 = terms.iter().sum();
        let centre = -(sum as f32 / total as f32) * 128.0;
        let mut typical = Typical { centre, width: f32::INFINITY, scale: self.scale, limit: self.limit };
        // The nearest has the largest score.
        let of = |key| !typical.surprise(self.distance(key)).to_bits();
        let scores: Vec<u32> = Arch::new().dispatch(Each { keys: &pool.keys, of });
        if let Some(last) = reach(&scores, |at| masses[at], part_of(total, part).max(1)) {
            typical.width = f32::from_bits(!last);
        }
        self.typical = Some(typical);
        self.untouched = false;
        Arch::new()
            .dispatch(|| pool.retain(|key| typical.surprise(value_of(key) - self.largest) <= typical.width));
    }
}

/// What comes of each key. A loop that stands in here, as a closure given to the dispatch need not: a fused multiply-add that is not the machine's own is a call.
struct Each<'a, F> {
    keys: &'a [u32],
    of: F,
}

impl<R: Copy + Default, F: Fn(u32) -> R> WithSimd for Each<'_, F> {
    type Output = Vec<R>;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> Vec<R> {
        let mut out = vec![R::default(); self.keys.len()];
        for (out, &key) in out.iter_mut().zip(self.keys) {
            *out = (self.of)(key);
        }
        out
    }
}

/// The largest score that candidates of at least `need` > 0 together reach; `None` where all have less.
fn reach(scores: &[u32], measure: impl Fn(usize) -> u64, mut need: u64) -> Option<u32> {
    const FEW: usize = 256; // are sorted
    const BINS: usize = 2048;
    let mut items: Vec<(u32, u64)> =
        scores.iter().enumerate().map(|(at, &score)| (score, measure(at))).collect();
    while items.len() > FEW {
        let ends = items.iter().fold((u32::MAX, 0), |ends, item| (item.0.min(ends.0), item.0.max(ends.1)));
        let (low, high) = ends;
        if low == high {
            break;
        }
        // Bins of equally many scores, the best first; then only the one that reaches is of interest.
        let shift = (u32::BITS - (high - low).leading_zeros()).saturating_sub(BINS.ilog2());
        let bin_of = |score: u32| ((high - score) >> shift) as usize;
        let mut bins = [0u64; BINS];
        items.iter().for_each(|&(score, measure)| bins[bin_of(score)] += measure);
        let mut before = 0;
        let reaching = bins.iter().position(|&held| {
            let reaches = before + held >= need;
            before += if reaches { 0 } else { held };
            reaches
        })?;
        need -= before;
        items.retain(|&(score, _)| bin_of(score) == reaching);
    }
    items.sort_unstable_by_key(|&(score, _)| !score);
    let mut reached = 0;
    let last = items.iter().find(|&&(_, measure)| {
        reached += measure;
        reached >= need
    });
    last.map(|&(score, _)| score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_is_what_a_sort_finds() {
        for (n, spread) in [(1, 1), (200, 7), (5000, u32::MAX), (5000, 3), (3000, 1 << 20), (700, 1)] {
            let scores: Vec<u32> = (0..n)
                .map(|i: u32| 0x8000_0000u32.wrapping_add(i.wrapping_mul(2_654_435_761) % spread))
                .collect();
            let measures: Vec<u64> = (0..u64::from(n)).map(|i| i * i % 11).collect();
            let total: u64 = measures.iter().sum();
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by_key(|&at| !scores[at]);
            for need in [1, total / 3 + 1, total, total + 1] {
                let mut sum = 0;
                let last = order.iter().find(|&&at| {
                    sum += measures[at];
                    sum >= need
                });
                let expected = last.map(|&at| scores[at]);
                assert_eq!(reach(&scores, |at| measures[at], need), expected, "{n} of {spread}: {need}");
            }
        }
    }
}

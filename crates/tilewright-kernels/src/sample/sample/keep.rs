//! The filters on the host: what `gpu.header.metal` does with a threadgroup, on candidates in the order of their keys.

use super::super::noise::{COLD, COOLEST, UNITS, bits_of, key_of, part_of, power_of, units_of, value_of};
use super::super::parameters::{Row, Step};

/// A token with its key.
pub(super) type Candidate = (u32, u32);

/// How far a token's surprise may be from the entropy.
#[derive(Clone, Copy)]
struct Typical {
    centre: f32,
    width: f32,
    scale: f32,
    limit: f32,
}

impl Typical {
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

    fn distance(&self, key: u32) -> f32 {
        value_of(key) - self.largest
    }

    #[inline(always)]
    pub(in crate::sample) fn holds(&self, key: u32) -> bool {
        let typical = |typical: Typical| typical.surprise(self.distance(key)) <= typical.width;
        (self.low..=self.high).contains(&key) && self.typical.is_none_or(typical)
    }

    fn mass(&self, key: u32) -> u64 {
        units_of(power_of(self.distance(key), self.scale, self.limit).0)
    }

    fn kept<'a>(&'a self, candidates: &'a [Candidate]) -> impl Iterator<Item = u32> + 'a {
        candidates.iter().map(|&(key, _)| key).filter(|&key| self.holds(key))
    }

    fn together(&self, candidates: &[Candidate]) -> u64 {
        self.kept(candidates).map(|key| self.mass(key)).sum()
    }

    /// The total that a filter by mass takes its part of, where the candidates tell it.
    fn total_of(&self, candidates: &[Candidate]) -> Option<u64> {
        if self.untouched {
            return Some(self.total);
        }
        self.closed().then(|| self.together(candidates))
    }

    fn cut(&mut self, low: u32) {
        self.low = self.low.max(low);
        self.untouched = false;
    }

    /// Applies the filters to candidates in descending order of their keys. `None` where they are too few to tell.
    pub(super) fn filter(
        &mut self,
        candidates: &[Candidate],
        row: &Row,
        warm: u64,
        sigma: f32,
    ) -> Option<()> {
        for step in &row.steps {
            match *step {
                Step::Temperature => (self.scale, self.limit, self.total) = (row.scale, row.limit, warm),
                Step::TopNSigma(n) => self.cut(key_of((-n).mul_add(sigma, self.largest))),
                Step::MinP(distance) => self.cut(key_of(self.largest - distance)),
                Step::TopK(k) => {
                    let last = self.kept(candidates).nth((k as usize).saturating_sub(1));
                    match last {
                        Some(last) => self.cut(last),
                        None if self.closed() => self.untouched = false,
                        None => return None,
                    }
                }
                Step::TopP(part) => {
                    let need = part_of(self.total_of(candidates)?, part).max(1);
                    let mut reached = 0;
                    let last = self.kept(candidates).find(|&key| {
                        reached += self.mass(key);
                        reached >= need
                    });
                    match last {
                        Some(last) => self.cut(last),
                        None if self.closed() => self.untouched = false,
                        None => return None,
                    }
                }
                Step::TypicalP(part) => {
                    if !self.closed() {
                        return None;
                    }
                    self.keep_typical(candidates, part);
                }
                Step::Xtc { threshold, bits } => {
                    if bits_of(row.keys(), u32::MAX) > bits {
                        continue;
                    }
                    let need = part_of(self.total_of(candidates)?, threshold);
                    let least = self.kept(candidates).take_while(|&key| self.mass(key) >= need).last();
                    let others = self.kept(candidates).any(|key| self.mass(key) < need);
                    if !others && !self.closed() {
                        return None;
                    }
                    if let Some(least) = least {
                        self.high = least;
                        self.untouched = false;
                    }
                }
            }
        }
        self.closed().then_some(())
    }

    fn keep_typical(&mut self, candidates: &[Candidate], part: u32) {
        let total = self.together(candidates);
        // Of weight times distance in octaves, in units of 2^-33.
        let term = |key| {
            let d = self.distance(key);
            let octaves = (if d > self.limit { d } else { self.limit }) * self.scale;
            (power_of(d, self.scale, self.limit).0 * -octaves * (UNITS / 128.0)) as u64
        };
        let sum: u64 = self.kept(candidates).map(term).sum();
        let centre = -(sum as f32 / total as f32) * 128.0;
        let mut typical = Typical { centre, width: 0.0, scale: self.scale, limit: self.limit };
        let mut masses: Vec<(f32, u64)> =
            self.kept(candidates).map(|key| (typical.surprise(self.distance(key)), self.mass(key))).collect();
        masses.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let need = part_of(total, part).max(1);
        let mut reached = 0;
        let last = masses.iter().find(|&&(_, mass)| {
            reached += mass;
            reached >= need
        });
        typical.width = last.map_or(f32::INFINITY, |&(surprise, _)| surprise);
        self.typical = Some(typical);
        self.untouched = false;
    }

    /// The tokens that are kept, with their keys, at the scale of the draw.
    pub(super) fn survivors<'a>(
        &'a self,
        candidates: &'a [Candidate],
    ) -> impl Iterator<Item = Candidate> + 'a {
        candidates.iter().copied().filter(|&(key, _)| self.holds(key))
    }
}

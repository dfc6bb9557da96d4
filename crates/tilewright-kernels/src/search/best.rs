//! The best `k` of a stream of candidates, by distance and then by id.

use std::collections::BinaryHeap;

/// A word in the order of the distances: -0 is 0, and NaN comes after everything.
#[inline(always)]
pub(super) fn key_of(distance: f32) -> u32 {
    let bits = (distance + 0.0).to_bits();
    let key = bits ^ ((bits as i32 >> 31) as u32 | 1 << 31);
    if distance.is_nan() { u32::MAX } else { key }
}

/// The distance that has this key.
#[inline(always)]
pub(super) fn distance_of(key: u32) -> f32 {
    if key == u32::MAX {
        return f32::NAN;
    }
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}

/// An id and the key of its distance, in one number: two are compared without a branch. The smaller is the better one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate(u128);

impl Candidate {
    #[inline(always)]
    pub(super) fn new(key: u32, id: i64) -> Self {
        // With its sign turned, a number is in the order of those without one.
        Self(u128::from(key) << 64 | u128::from(id as u64 ^ 1 << 63))
    }

    #[inline(always)]
    pub(super) fn key(self) -> u32 {
        (self.0 >> 64) as u32
    }

    #[inline(always)]
    pub(super) fn id(self) -> i64 {
        (self.0 as u64 ^ 1 << 63) as i64
    }
}

/// The best `k` candidates so far.
pub(super) struct Best {
    k: usize,
    heap: BinaryHeap<Candidate>,
}

impl Best {
    pub(super) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    /// The key that a candidate must not exceed to be among the best.
    #[inline(always)]
    pub(super) fn bound(&self) -> u32 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() == self.k => worst.key(),
            _ => u32::MAX,
        }
    }

    /// Takes a candidate in, if it is among the best.
    pub(super) fn offer(&mut self, key: u32, id: i64) {
        let candidate = Candidate::new(key, id);
        if self.heap.len() < self.k {
            self.heap.push(candidate);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
    }

    /// Takes many in at once, out of a vector that keeps its memory.
    pub(super) fn offer_all(&mut self, candidates: &mut Vec<Candidate>) {
        candidates.extend(self.heap.drain());
        if candidates.len() > self.k {
            if self.k > 0 {
                candidates.select_nth_unstable(self.k - 1);
            }
            candidates.truncate(self.k);
        }
        self.heap.extend(candidates.drain(..));
    }

    /// Takes in what another found.
    pub(super) fn join(mut self, other: Best) -> Best {
        other.heap.into_iter().for_each(|candidate| self.offer(candidate.key(), candidate.id()));
        self
    }

    /// The best, best first.
    pub(super) fn sorted(mut self) -> Vec<Candidate> {
        let mut all = Vec::with_capacity(self.heap.len());
        self.sort_into(&mut all);
        all
    }

    /// The best of these others and of those so far, which are forgotten: best first.
    pub(super) fn sort_into(&mut self, others: &mut Vec<Candidate>) {
        others.extend(self.heap.drain());
        others.sort_unstable();
        others.truncate(self.k);
    }
}

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

/// A candidate: the key of its distance and its id. The smaller is the better one.
pub(super) type Candidate = (u32, i64);

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
            Some(&(key, _)) if self.heap.len() == self.k => key,
            _ => u32::MAX,
        }
    }

    /// Takes a candidate in, if it is among the best.
    pub(super) fn offer(&mut self, candidate: Candidate) {
        if self.heap.len() < self.k {
            self.heap.push(candidate);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
    }

    /// Takes many in at once.
    pub(super) fn offer_all(&mut self, mut candidates: Vec<Candidate>) {
        candidates.extend(std::mem::take(&mut self.heap));
        if candidates.len() > self.k {
            if self.k > 0 {
                candidates.select_nth_unstable(self.k - 1);
            }
            candidates.truncate(self.k);
        }
        self.heap = candidates.into();
    }

    /// Takes in what another found.
    pub(super) fn join(mut self, other: Best) -> Best {
        other.heap.into_iter().for_each(|candidate| self.offer(candidate));
        self
    }

    /// The best, best first.
    pub(super) fn sorted(self) -> Vec<Candidate> {
        let mut all = self.heap.into_vec();
        all.sort_unstable();
        all
    }
}

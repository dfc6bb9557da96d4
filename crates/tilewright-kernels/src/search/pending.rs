//! Rows that may be among the best of a query, by what is known of their scores before anybody computes a distance: to tell which of many are out takes comparing two
//! numbers of each, where a distance takes reading the row once more.

use super::bounds::is_above;

/// A row, and between which numbers its score is.
#[derive(Clone, Copy)]
struct Near {
    low: f32,
    high: f32,
    row: u32,
}

/// Those of one query.
#[derive(Default)]
pub(super) struct Pending {
    all: Vec<Near>,
}

impl Pending {
    /// Makes room for so many more rows.
    #[inline(always)]
    pub(super) fn reserve(&mut self, more: usize) {
        self.all.reserve(more);
    }

    /// Takes in a row whose score is between two numbers, neither of them NaN.
    #[inline(always)]
    pub(super) fn push(&mut self, low: f32, high: f32, row: u32) {
        self.all.push(Near { low, high, row });
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// What the scores of at least `k` rows do not exceed, and those of at least `part`, at most `k`; `None` where there are fewer than `k`.
    pub(super) fn reached(&mut self, k: usize, part: usize) -> Option<(f32, f32)> {
        if self.all.len() < k {
            return None;
        }
        let order = |a: &Near, b: &Near| a.high.total_cmp(&b.high);
        let (_, last, _) = self.all.select_nth_unstable_by(k - 1, order);
        let last = last.high;
        if part == k {
            return Some((last, last));
        }
        let (_, within, _) = self.all[..k].select_nth_unstable_by(part - 1, order);
        Some((last, within.high))
    }

    /// Drops the rows whose scores are certainly above a limit; none where that is NaN.
    pub(super) fn drop_above(&mut self, limit: f64) {
        self.all.retain(|near| !is_above(f64::from(near.low), limit));
    }

    /// Takes in what another found.
    pub(super) fn join(&mut self, other: Pending) {
        if self.all.is_empty() {
            self.all = other.all;
        } else {
            self.all.extend(other.all);
        }
    }

    /// Takes all rows out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = usize> + '_ {
        self.all.drain(..).map(|near| near.row as usize)
    }
}

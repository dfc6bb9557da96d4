//! Which ids a search may find.

use std::ops::{Bound, Not, RangeBounds};

use rayon::prelude::*;
use tilewright_core::Result;

use crate::segment::Part;

/// Rows that a thread looks at, at least.
const ROWS: usize = 8192;
/// Of as many rows a range has at most one whose places are marked one by one: marks lie anywhere, and a look at all ids is one stream.
const SPARSE: usize = 8;

/// Which ids may be found. Looked at once for each part of an index and search, before anything is compared. `!filter` means all other ids.
///
/// ```
/// use tilewright_core::Tensor;
/// use tilewright_search::{Filter, Index, Metric, Query};
///
/// let index = Index::new("Flat".parse()?, 1, Metric::L2)?;
/// index.add(&Tensor::from_vec((0..100).map(|x| x as f32).collect(), [100, 1])?, None)?;
/// let nearest = |filter: Filter| {
///     let query = Query { k: 2, filter: Some(filter), ..Query::default() };
///     Ok::<_, tilewright_core::Error>(index.search(&Tensor::from_vec(vec![50.2f32], [1, 1])?, &query)?.ids)
/// };
/// assert_eq!(nearest(Filter::range(10..20))?, [19, 18]);
/// assert_eq!(nearest(!Filter::range(40..=60))?, [61, 39]);
/// assert_eq!(nearest(Filter::bitmap(&[0b0000_0001, 0b1000_0000]))?, [15, 0]);
/// assert_eq!(nearest(Filter::ids(&[70, 3, 700]))?, [70, 3]);
/// assert_eq!(nearest(Filter::by(&|id| id % 7 == 0))?, [49, 56]);
/// # Ok::<(), tilewright_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Filter<'a> {
    which: Which<'a>,
    /// Whether all others are meant.
    denied: bool,
}

#[derive(Clone, Copy)]
enum Which<'a> {
    /// The first and the last.
    Range(i64, i64),
    Bitmap(&'a [u8]),
    Ids(&'a [i64]),
    By(&'a (dyn Fn(i64) -> bool + Sync)),
}

impl<'a> Filter<'a> {
    /// The ids of a range, such as `10..20`, `10..=19` or `10..`. None of one that ends before it begins.
    pub fn range(ids: impl RangeBounds<i64>) -> Self {
        let first = match ids.start_bound() {
            Bound::Included(&first) => Some(first),
            Bound::Excluded(&before) => before.checked_add(1),
            Bound::Unbounded => Some(i64::MIN),
        };
        let last = match ids.end_bound() {
            Bound::Included(&last) => Some(last),
            Bound::Excluded(&end) => end.checked_sub(1),
            Bound::Unbounded => Some(i64::MAX),
        };
        // A bound beyond the last number of all leaves nothing.
        let (first, last) = first.zip(last).unwrap_or((0, -1));
        Self::of(Which::Range(first, last))
    }

    /// The ids whose bits are set: bit `id % 8` of byte `id / 8`, as `numpy.packbits(.., bitorder="little")` and faiss's `IDSelectorBitmap` have them. Not those beyond its end.
    pub fn bitmap(bits: &'a [u8]) -> Self {
        Self::of(Which::Bitmap(bits))
    }

    /// These ids, in any order; whether the index holds them or not. Each is looked up, so that few of them cost little in an index of many.
    pub fn ids(ids: &'a [i64]) -> Self {
        Self::of(Which::Ids(ids))
    }

    /// The ids of which it says so. Asked for each vector, from any thread.
    pub fn by(allowed: &'a (dyn Fn(i64) -> bool + Sync)) -> Self {
        Self::of(Which::By(allowed))
    }

    fn of(which: Which<'a>) -> Self {
        Self { which, denied: false }
    }

    /// The bits of the rows of a part that are there and may be found; those after its last row say nothing.
    pub(crate) fn rows(&self, part: &Part) -> Result<Vec<u8>> {
        let (segment, ids) = (&part.segment, part.segment.ids.as_slice::<i64>()?);
        let mut bits = match self.which {
            Which::Range(first, last) => {
                let places = segment.between(first, last)?;
                match segment.by_id()? {
                    // Rows one after another, where there are any.
                    None => stretch(ids.len(), places),
                    Some(order) if places.len() <= ids.len() / SPARSE => {
                        marked(ids.len(), order[places].iter().map(|&row| row as usize))
                    }
                    Some(_) => each(ids, |_, id| (first..=last).contains(&id)),
                }
            }
            Which::Bitmap(map) => each(ids, |_, id| {
                let byte = usize::try_from(id).ok().and_then(|id| map.get(id / 8));
                byte.is_some_and(|byte| byte >> (id % 8) & 1 == 1)
            }),
            Which::Ids(own) => {
                let mut rows = Vec::new();
                for &id in own {
                    rows.extend(segment.find(id)?);
                }
                marked(ids.len(), rows.into_iter())
            }
            // Of a removed vector's id nobody may know anything any more.
            Which::By(allowed) => each(ids, |row, id| part.has(row) && allowed(id)),
        };
        if self.denied {
            bits.iter_mut().for_each(|byte| *byte = !*byte);
        }
        if let Some(keep) = &part.keep {
            bits.iter_mut().zip(keep.iter()).for_each(|(byte, keep)| *byte &= keep);
        }
        Ok(bits)
    }
}

impl Not for Filter<'_> {
    type Output = Self;

    /// All other ids.
    fn not(self) -> Self {
        Self { denied: !self.denied, ..self }
    }
}

/// Ids that somebody has named, for filters that outlive what said so: of a command, or of another language.
#[derive(Debug, Clone, PartialEq)]
pub enum NamedIds {
    /// From one bound to another.
    Range(Bound<i64>, Bound<i64>),
    /// As [`Filter::bitmap`] takes them.
    Bitmap(Vec<u8>),
    /// One by one.
    Ids(Vec<i64>),
}

impl NamedIds {
    /// A flag for each id from 0 on.
    pub fn flags(flags: &[bool]) -> Self {
        let byte = |flags: &[bool]| flags.iter().rev().fold(0, |byte, &flag| byte << 1 | u8::from(flag));
        NamedIds::Bitmap(flags.chunks(8).map(byte).collect())
    }

    /// The filter that lets them be found.
    pub fn filter(&self) -> Filter<'_> {
        match self {
            &NamedIds::Range(first, end) => Filter::range((first, end)),
            NamedIds::Bitmap(bits) => Filter::bitmap(bits),
            NamedIds::Ids(ids) => Filter::ids(ids),
        }
    }
}

/// Bits of rows by their ids.
fn each(ids: &[i64], allowed: impl Fn(usize, i64) -> bool + Sync) -> Vec<u8> {
    let byte = |(at, ids): (usize, &[i64])| {
        let bits = ids.iter().enumerate().map(|(i, &id)| u8::from(allowed(8 * at + i, id)) << i);
        bits.fold(0, |byte, bit| byte | bit)
    };
    ids.par_chunks(8).enumerate().with_min_len(ROWS / 8).map(byte).collect()
}

/// Bits of `n` rows, of which these are set.
fn marked(n: usize, rows: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut bits = vec![0u8; n.div_ceil(8)];
    rows.for_each(|row| bits[row / 8] |= 1 << (row % 8));
    bits
}

/// Bits of `n` rows, of which a stretch is set.
fn stretch(n: usize, rows: std::ops::Range<usize>) -> Vec<u8> {
    let mut bits = vec![0u8; n.div_ceil(8)];
    if !rows.is_empty() {
        bits[rows.start / 8..rows.end.div_ceil(8)].fill(u8::MAX);
        bits[rows.start / 8] &= u8::MAX << (rows.start % 8);
        if !rows.end.is_multiple_of(8) {
            bits[rows.end / 8] &= u8::MAX >> (8 - rows.end % 8);
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::{NamedIds, marked, stretch};

    #[test]
    fn flags_are_bits_from_the_lowest_on() {
        let flags: Vec<bool> = (0..11).map(|id| id % 3 == 0).collect();
        assert_eq!(NamedIds::flags(&flags), NamedIds::Bitmap(vec![0b0100_1001, 0b0000_0010]));
        assert_eq!(NamedIds::flags(&[]), NamedIds::Bitmap(Vec::new()));
    }

    #[test]
    fn a_stretch_has_the_bits_of_its_rows() {
        for n in [1, 7, 8, 9, 16, 19] {
            for start in 0..=n {
                for end in start..=n {
                    assert_eq!(stretch(n, start..end), marked(n, start..end), "{start}..{end} of {n}");
                }
            }
        }
    }
}

//! Native path: the distance in f64 of each row that f32 does not rule out.

use rayon::prelude::*;
use tilewright_core::{Error, Result, Tensor};

use super::{NAME, Rerank};
use crate::parallel::Each;
use crate::prefetch::prefetch;
use crate::search::best::{Best, distance_of, key_of};
use crate::search::bounds::{is_above, least_distance, rounded_to};
use crate::search::lanes::{Lanes, Task, dispatch};
use crate::search::scan::Stored;
use crate::search::vectors::{Vectors, fill, results, unfilled, with_vectors};
use crate::search::{Metric, exact};

/// Multiplications below which handing work out costs more than it gains.
const ALONE: usize = 1 << 17;

/// Rows that are on their way from memory while one is compared, which takes little.
const AHEAD: usize = 8;
/// Rows of a query that are compared in f32 before the nearest of them are in f64; what they take stays in a core's caches.
const TOGETHER: usize = 64;

pub(super) fn rerank(vectors: &Vectors, rows: &Tensor, args: &Rerank) -> Result<(Tensor, Tensor)> {
    let (rows, c, d) = (rows.as_slice::<i64>()?, rows.dims()[1], vectors.d);
    if let Some(wrong) = rows.iter().find(|&&row| row < -1 || row >= vectors.n as i64) {
        return Err(Error::range(NAME, "rows", format!("-1 or a row below {}", vectors.n), wrong));
    }
    let (b, k) = (vectors.b, args.k);
    if k == 0 || b == 0 || c == 0 {
        return results(&[], b, k);
    }
    let (queries, ids) = (vectors.host_queries()?, vectors.host_ids()?);
    let (mut distances, mut found) = unfilled(b, k);
    with_vectors!(vectors.data.dtype(), T => {
        let data = vectors.data.as_slice::<T>()?;
        let (metric, known) = (args.metric, ids.as_deref());
        let of_some = |(((queries, rows), distances), found): (((&[f32], &[i64]), &mut [f32]), &mut [i64])| {
            dispatch(Reranking { data, d, metric, k, known, queries, rows, distances, found });
        };
        let each = ALONE.div_ceil(c * d);
        if b <= each {
            of_some((((&*queries, rows), &mut distances), &mut found));
        } else {
            let given = queries.par_chunks(each * d).zip(rows.par_chunks(each * c));
            given.zip(distances.par_chunks_mut(each * k)).zip(found.par_chunks_mut(each * k)).each(&of_some);
        }
    });
    Ok((Tensor::from_vec(distances, [b, k])?, Tensor::from_vec(found, [b, k])?))
}

/// The rows of some queries.
struct Reranking<'a, T> {
    /// `[n, d]`
    data: &'a [T],
    d: usize,
    metric: Metric,
    k: usize,
    /// The rows' ids, without which they are their numbers.
    known: Option<&'a [i64]>,
    /// `[some, d]`
    queries: &'a [f32],
    /// `[some, c]`, -1 for none
    rows: &'a [i64],
    /// `[some, k]`
    distances: &'a mut [f32],
    /// `[some, k]`
    found: &'a mut [i64],
}

impl<T: Stored> Task for Reranking<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) {
        let Reranking { data, d, metric, k, known, queries, rows, distances, found } = self;
        let (mut wide, mut best, mut sorted) = (Vec::new(), Best::new(k), Vec::new());
        let row = |row: i64| usize::try_from(row).ok().map(|row| (row, &data[row * d..(row + 1) * d]));
        let c = rows.len() / (queries.len() / d);
        let outputs = distances.chunks_exact_mut(k).zip(found.chunks_exact_mut(k));
        for ((number, query), (distances, found)) in queries.chunks_exact(d).enumerate().zip(outputs) {
            let squared = exact::squared_length(query);
            let length = squared.sqrt();
            let own = number * c..(number + 1) * c;
            for start in own.clone().step_by(TOGETHER) {
                let (mut near, mut count) = ([0u64; TOGETHER], 0);
                for place in start..own.end.min(start + TOGETHER) {
                    // Rows lie anywhere in memory: the next are on their way while one is compared.
                    if let Some((_, next)) = rows.get(place + AHEAD).and_then(|&next| row(next)) {
                        prefetch(next);
                    }
                    if let Some((_, x)) = row(rows[place]) {
                        let x = T::widened(x, &mut wide);
                        let least = least_distance(lanes, metric, x, query, length) as f32;
                        near[count] = u64::from(key_of(least.next_down())) << 32 | (place - start) as u64;
                        count += 1;
                    }
                }
                // Those that seem nearest first: they are likely to leave the others behind.
                near[..count].sort_unstable();
                for &next in &near[..count] {
                    let least = distance_of((next >> 32) as u32);
                    if is_above(f64::from(least), rounded_to(best.bound())) {
                        continue;
                    }
                    if let Some((row, x)) = row(rows[start + next as u32 as usize]) {
                        let distance = exact::distance(metric, query, squared, T::widened(x, &mut wide));
                        best.offer(key_of(distance), known.map_or(row as i64, |ids| ids[row]));
                    }
                }
            }
            sorted.clear();
            best.sort_into(&mut sorted);
            fill(&sorted, distances, found);
        }
    }
}

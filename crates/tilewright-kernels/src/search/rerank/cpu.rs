//! Native path: the distance in f64 of each row that f32 does not rule out.

use rayon::prelude::*;
use tilewright_core::{Error, Result, Tensor};

use super::{NAME, Rerank};
use crate::parallel::Each;
use crate::prefetch::prefetch;
use crate::search::best::{Best, Candidate, key_of};
use crate::search::bounds::{certainly_above, rounded_to};
use crate::search::lanes::{Lanes, Task, dispatch};
use crate::search::scan::{AHEAD, Stored};
use crate::search::vectors::{Vectors, results, with_vectors};
use crate::search::{Metric, exact};

/// Multiplications below which handing work out costs more than it gains.
const ALONE: usize = 1 << 18;

pub(super) fn rerank(vectors: &Vectors, rows: &Tensor, args: &Rerank) -> Result<(Tensor, Tensor)> {
    let (rows, c, d) = (rows.as_slice::<i64>()?, rows.dims()[1], vectors.d);
    if let Some(wrong) = rows.iter().find(|&&row| row < -1 || row >= vectors.n as i64) {
        return Err(Error::range(NAME, "rows", format!("-1 or a row below {}", vectors.n), wrong));
    }
    if args.k == 0 || vectors.b == 0 || c == 0 {
        return results(&[], vectors.b, args.k);
    }
    let (queries, ids) = (vectors.host_queries()?, vectors.host_ids()?);
    let queries: &[f32] = &queries;
    let found: Vec<Vec<Candidate>> = with_vectors!(vectors.data.dtype(), T => {
        let data = vectors.data.as_slice::<T>()?;
        let (metric, k, ids) = (args.metric, args.k, ids.as_deref());
        let of_query = |(query, rows)| dispatch(Reranking { data, d, metric, k, ids, query, rows });
        let each = ALONE.div_ceil(c * d);
        if vectors.b <= each {
            queries.chunks(d).zip(rows.chunks(c)).map(of_query).collect()
        } else {
            queries.par_chunks(d).zip(rows.par_chunks(c)).with_min_len(each).each_made(&of_query).collect()
        }
    });
    results(&found, vectors.b, args.k)
}

/// The rows of one query.
struct Reranking<'a, T> {
    /// `[n, d]`
    data: &'a [T],
    d: usize,
    metric: Metric,
    k: usize,
    ids: Option<&'a [i64]>,
    query: &'a [f32],
    /// -1 for none.
    rows: &'a [i64],
}

impl<T: Stored> Task for Reranking<'_, T> {
    type Output = Vec<Candidate>;

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) -> Self::Output {
        let Reranking { data, d, metric, k, ids, query, rows } = self;
        let (squared, mut wide, mut best) = (exact::squared_length(query), Vec::new(), Best::new(k));
        let length = squared.sqrt();
        let row = |row: i64| usize::try_from(row).ok().map(|row| (row, &data[row * d..(row + 1) * d]));
        for (place, &number) in rows.iter().enumerate() {
            // Rows lie anywhere in memory: the next are on their way while one is compared.
            if let Some((_, next)) = rows.get(place + AHEAD).and_then(|&next| row(next)) {
                prefetch(next);
            }
            if let Some((row, x)) = row(number) {
                let x = T::widened(x, &mut wide);
                if certainly_above(lanes, metric, x, query, length, rounded_to(best.bound())) {
                    continue;
                }
                let distance = exact::distance(metric, query, squared, x);
                best.offer((key_of(distance), ids.map_or(row as i64, |ids| ids[row])));
            }
        }
        best.sorted()
    }
}

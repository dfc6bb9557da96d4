//! Native path: each row's distance in f64.

use rayon::prelude::*;
use tilewright_core::{Error, Result, Tensor};

use super::{NAME, Rerank};
use crate::search::best::{Best, Candidate, key_of};
use crate::search::exact;
use crate::search::scan::Stored;
use crate::search::vectors::{Vectors, results, with_vectors};

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
        let of_query = |(query, rows): (&[f32], &[i64])| {
            let (squared, mut wide) = (exact::squared_length(query), Vec::new());
            let mut best = Best::new(args.k);
            for row in rows.iter().filter(|&&row| row >= 0).map(|&row| row as usize) {
                let x = T::widened(&data[row * d..(row + 1) * d], &mut wide);
                let key = key_of(exact::distance(args.metric, query, squared, x));
                best.offer((key, ids.as_ref().map_or(row as i64, |ids| ids[row])));
            }
            best.sorted()
        };
        let each = ALONE.div_ceil(c * d);
        queries.par_chunks(d).zip(rows.par_chunks(c)).with_min_len(each).map(of_query).collect()
    });
    results(&found, vectors.b, args.k)
}

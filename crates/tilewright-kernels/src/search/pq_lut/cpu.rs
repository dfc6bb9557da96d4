//! Native path: words side by side in the lanes of a vector.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use crate::parallel::Each;
use crate::search::Metric;
use crate::search::lanes::{Lanes, Task, dispatch};
use crate::search::product::Product;

/// Table entries that are worth a thread.
const ALONE: usize = 1 << 14;

pub(super) fn pq_lut(
    queries: &Tensor,
    codebooks: &Tensor,
    product: Product,
    metric: Metric,
) -> Result<Tensor> {
    let (queries, codebooks) = (queries.as_slice::<f32>()?, codebooks.as_slice::<f32>()?);
    let Product { m, words, part } = product;
    let b = queries.len() / product.d();
    // [m, part, words]
    let mut turned = vec![0.0f32; codebooks.len()];
    for (to, from) in turned.chunks_exact_mut(words * part).zip(codebooks.chunks_exact(words * part)) {
        for (c, word) in from.chunks_exact(part).enumerate() {
            word.iter().enumerate().for_each(|(t, &w)| to[t * words + c] = w);
        }
    }
    let mut tables = vec![0.0f32; b * m * words];
    let each = ALONE.div_ceil(m * words);
    let fill = |(tables, queries): (&mut [f32], &[f32])| {
        dispatch(Fill { queries, turned: &turned, product, metric, tables });
    };
    if b <= each {
        fill((&mut tables, queries));
    } else {
        let queries = queries.par_chunks(each * product.d());
        tables.par_chunks_mut(each * m * words).zip(queries).each(&fill);
    }
    Tensor::from_vec(tables, [b, m, words])
}

struct Fill<'a> {
    queries: &'a [f32],
    turned: &'a [f32],
    product: Product,
    metric: Metric,
    tables: &'a mut [f32],
}

impl Task for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) {
        let Product { m, words, part } = self.product;
        let parts = self.queries.chunks_exact(part).zip(self.tables.chunks_exact_mut(words));
        for (number, (query, table)) in parts.enumerate() {
            let turned = &self.turned[number % m * part * words..][..part * words];
            for (first, to) in table.chunks_exact_mut(L::WIDTH).enumerate() {
                let mut sum = lanes.splat(0.0);
                for (t, &q) in query.iter().enumerate() {
                    let word = lanes.load(&turned[t * words + first * L::WIDTH..]);
                    sum = if self.metric == Metric::L2 {
                        let difference = lanes.sub(word, lanes.splat(q));
                        lanes.mul_add(difference, difference, sum)
                    } else {
                        lanes.mul_add(lanes.splat(-q), word, sum)
                    };
                }
                to.copy_from_slice(&lanes.array(sum)[..L::WIDTH]);
            }
        }
    }
}

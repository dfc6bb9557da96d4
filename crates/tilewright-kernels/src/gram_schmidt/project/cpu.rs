//! Native path: rows of Q are read once, in memory order; chunks of rows are tasks, and their sums are added in order.

use pulp::Arch;
use rayon::prelude::*;
use tilewright_core::{DType, Element, Result, Stream, Tensor, bf16, f16};

use super::super::host::{Double, Real, widen};
use super::super::{Sizes, rows_per_chain};
use crate::parallel::Each;

/// Bytes of Q below which threads cost more than they give.
const PARALLEL: usize = 1 << 20;

pub(super) fn project(q: &Tensor, v: &Tensor, sizes: &Sizes, compensated: bool) -> Result<Tensor> {
    let (q, v) = (q.to_host()?, v.to_host()?);
    match (q.dtype(), compensated) {
        (DType::F32, false) => typed::<f32, f32>(&q, &v, sizes, plain),
        (DType::F16, false) => typed::<f16, f32>(&q, &v, sizes, plain),
        (DType::Bf16, false) => typed::<bf16, f32>(&q, &v, sizes, plain),
        (DType::F64, false) => typed::<f64, f64>(&q, &v, sizes, plain),
        // Products of two f32 are exact in f64, and their sum is as good as a compensated one.
        (DType::F32, true) => typed::<f32, f64>(&q, &v, sizes, plain),
        (DType::F16, true) => typed::<f16, f64>(&q, &v, sizes, plain),
        (DType::Bf16, true) => typed::<bf16, f64>(&q, &v, sizes, plain),
        _ => typed::<f64, f64>(&q, &v, sizes, doubled),
    }
}

/// Adds up rows: `high[j] + low[j] += q[i, j] v[i]`.
type Accumulate<A> = fn(q: &[A], v: &[A], high: &mut [A], low: &mut [A]);

fn typed<T: Element, A: Real>(
    q: &Tensor,
    v: &Tensor,
    sizes: &Sizes,
    accumulate: Accumulate<A>,
) -> Result<Tensor> {
    let &Sizes { m, k, .. } = sizes;
    let (p, chunk) = (sizes.columns(), rows_per_chain(m));
    let mut c = Tensor::empty(&Stream::cpu(), q.dtype(), sizes.shape(k))?;
    if c.is_empty() {
        return Ok(c);
    }
    let (q, v, chunks) = (q.as_slice::<T>()?, v.as_slice::<T>()?, m.div_ceil(chunk));
    let chunk_sums = |task: usize| {
        let (first, column) = (task % chunks * chunk, task / chunks % p);
        let batch = task / chunks / p;
        let rows = chunk.min(m - first);
        let column: Vec<A> =
            (0..rows).map(|i| A::from_f64(v[(batch * m + first + i) * p + column].to_f64())).collect();
        let (mut high, mut low) = (vec![A::zeroed(); k], vec![A::zeroed(); k]);
        let mut scratch = Vec::new();
        // A few rows at a time, so that what is converted stays in the L1 cache.
        let step = 4 * (1024 / k).max(1);
        let q = &q[(batch * m + first) * k..][..rows * k];
        for (q, v) in q.chunks(step * k).zip(column.chunks(step)) {
            accumulate(widen(q, &mut scratch), v, &mut high, &mut low);
        }
        (high, low)
    };
    let tasks = sizes.batches() * p * chunks;
    let sums: Vec<(Vec<A>, Vec<A>)> = if size_of_val(q) < PARALLEL {
        (0..tasks).map(chunk_sums).collect()
    } else {
        (0..tasks).into_par_iter().each_made(&chunk_sums).collect()
    };
    for (index, c) in c.as_slice_mut::<T>()?.iter_mut().enumerate() {
        let (column, j, batch) = (index % p, index / p % k, index / p / k);
        let parts = &sums[(batch * p + column) * chunks..][..chunks];
        let start = Double::new(A::zeroed());
        let total =
            parts.iter().fold(start, |total, (high, low)| total.join(Double { high: high[j], low: low[j] }));
        *c = T::from_f64(total.value().to_f64());
    }
    Ok(c)
}

fn plain<A: Real>(q: &[A], v: &[A], sums: &mut [A], _low: &mut [A]) {
    let k = sums.len();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let (fours, rest) = v.as_chunks::<4>();
            let (q_fours, q_rest) = q.split_at(4 * fours.len() * k);
            for (q, v) in q_fours.chunks_exact(4 * k).zip(fours) {
                let (q0, q) = q.split_at(k);
                let (q1, q) = q.split_at(k);
                let (q2, q3) = q.split_at(k);
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += (q0[j] * v[0] + q1[j] * v[1]) + (q2[j] * v[2] + q3[j] * v[3]);
                }
            }
            for (q, &v) in q_rest.chunks_exact(k).zip(rest) {
                for (sum, &q) in sums.iter_mut().zip(q) {
                    *sum += q * v;
                }
            }
        },
    )
}

fn doubled<A: Real>(q: &[A], v: &[A], high: &mut [A], low: &mut [A]) {
    let k = high.len();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (q, &v) in q.chunks_exact(k).zip(v) {
                for ((high, low), &q) in high.iter_mut().zip(low.iter_mut()).zip(q) {
                    Double { high: *high, low: *low }.add_product(q, v).store(high, low);
                }
            }
        },
    )
}

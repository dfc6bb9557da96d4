//! Native path: one dot product a row, rows in memory order.

use rayon::prelude::*;
use tilewright_core::{DType, Element, Result, Stream, Tensor, bf16, f16};

use super::super::Sizes;
use super::super::host::{Double, Real, dot, dot_doubled, widen};
use crate::parallel::Each;

/// Bytes of Q per task: below one of them threads cost more than they give.
const TASK: usize = 1 << 19;

pub(super) fn deflate(
    q: &Tensor,
    c: &Tensor,
    v: &Tensor,
    sizes: &Sizes,
    compensated: bool,
) -> Result<Tensor> {
    let (q, c, v) = (q.to_host()?, c.to_host()?, v.to_host()?);
    match (q.dtype(), compensated) {
        (DType::F32, false) => typed::<f32, f32>(&q, &c, &v, sizes, plain),
        (DType::F16, false) => typed::<f16, f32>(&q, &c, &v, sizes, plain),
        (DType::Bf16, false) => typed::<bf16, f32>(&q, &c, &v, sizes, plain),
        (DType::F64, false) => typed::<f64, f64>(&q, &c, &v, sizes, plain),
        // Products of two f32 are exact in f64, and their sum is as good as a compensated one.
        (DType::F32, true) => typed::<f32, f64>(&q, &c, &v, sizes, plain),
        (DType::F16, true) => typed::<f16, f64>(&q, &c, &v, sizes, plain),
        (DType::Bf16, true) => typed::<bf16, f64>(&q, &c, &v, sizes, plain),
        _ => typed::<f64, f64>(&q, &c, &v, sizes, doubled),
    }
}

/// `v - sum_j q[j] c[j]`.
type Row<A> = fn(v: A, q: &[A], c: &[A]) -> A;

fn plain<A: Real>(v: A, q: &[A], c: &[A]) -> A {
    v - dot(q, c)
}

fn doubled<A: Real>(v: A, q: &[A], c: &[A]) -> A {
    let minus = |x: A| A::zeroed() - x;
    minus(dot_doubled(Double::new(minus(v)), q, c).value())
}

fn typed<T: Element, A: Real>(
    q: &Tensor,
    c: &Tensor,
    v: &Tensor,
    sizes: &Sizes,
    row: Row<A>,
) -> Result<Tensor> {
    let &Sizes { m, k, .. } = sizes;
    let p = sizes.columns();
    let mut out = Tensor::empty(&Stream::cpu(), q.dtype(), sizes.shape(m))?;
    if out.is_empty() {
        return Ok(out);
    }
    let (q, c, v) = (q.as_slice::<T>()?, c.as_slice::<T>()?, v.as_slice::<T>()?);
    // [b, p, k]: the columns of C as rows, which is how they are used.
    let columns: Vec<A> = (0..sizes.batches() * p * k)
        .map(|index| {
            let (j, l, batch) = (index % k, index / k % p, index / k / p);
            A::from_f64(c[(batch * k + j) * p + l].to_f64())
        })
        .collect();
    let rows = |first: usize, out: &mut [T]| {
        let mut scratch = Vec::new();
        for (i, out) in out.chunks_mut(p).enumerate() {
            let i = first + i;
            let q = widen(&q[i * k..][..k], &mut scratch);
            for (l, out) in out.iter_mut().enumerate() {
                let c = &columns[(i / m * p + l) * k..][..k];
                *out = T::from_f64(row(A::from_f64(v[i * p + l].to_f64()), q, c).to_f64());
            }
        }
    };
    let per_task = (TASK / (k * size_of::<T>()).max(1)).max(1);
    let out_elements = out.as_slice_mut::<T>()?;
    if size_of_val(q) <= TASK {
        rows(0, out_elements);
    } else {
        let tasks = out_elements.par_chunks_mut(per_task * p).enumerate();
        tasks.each(&|(task, out)| rows(task * per_task, out));
    }
    Ok(out)
}

//! Native path.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Tensor};

use super::Factors;
use crate::elementwise::TASK;
use crate::reduce::exp::Real;

pub(super) fn adamw(
    p: &mut Tensor,
    dp: &Tensor,
    m: &mut Tensor,
    v: &mut Tensor,
    factors: &Factors,
) -> Result<()> {
    match p.dtype() {
        DType::F64 => step(p, dp, m, v, factors, f64::sqrt),
        _ => step(p, dp, m, v, factors, f32::sqrt),
    }
}

fn step<S: Real>(
    p: &mut Tensor,
    dp: &Tensor,
    m: &mut Tensor,
    v: &mut Tensor,
    factors: &Factors,
    sqrt: impl Fn(S) -> S + Copy + Sync,
) -> Result<()> {
    let dp = dp.to_host()?;
    let moments =
        m.as_slice_mut::<S>()?.par_chunks_mut(TASK).zip(v.as_slice_mut::<S>()?.par_chunks_mut(TASK));
    let places = p.as_slice_mut::<S>()?.par_chunks_mut(TASK).zip(dp.as_slice::<S>()?.par_chunks(TASK));
    places
        .zip(moments)
        .for_each(|((p, dp), (m, v))| Arch::new().dispatch(Step { p, dp, m, v, factors, sqrt }));
    Ok(())
}

struct Step<'a, S, F> {
    p: &'a mut [S],
    dp: &'a [S],
    m: &'a mut [S],
    v: &'a mut [S],
    factors: &'a Factors,
    sqrt: F,
}

impl<S: Real, F: Fn(S) -> S> WithSimd for Step<'_, S, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let by = self.factors;
        let [scale, beta1, fresh1, beta2, fresh2] =
            [by.scale, by.beta1, by.fresh1, by.beta2, by.fresh2].map(S::from_f64);
        let [rate, correction, eps, keep] = [by.rate, by.correction, by.eps, by.keep].map(S::from_f64);
        let moments = self.m.iter_mut().zip(self.v);
        for ((p, &dp), (m, v)) in self.p.iter_mut().zip(self.dp).zip(moments) {
            let g = scale * dp;
            *m = (beta1 * *m).plus(fresh1 * g);
            *v = (beta2 * *v).plus(fresh2 * (g * g));
            let direction = *m / (self.sqrt)(*v * correction).plus(eps);
            *p = (keep * *p).minus(rate * direction);
        }
    }
}

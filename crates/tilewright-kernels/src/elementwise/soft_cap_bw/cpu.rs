//! Native path: f32 lanes by autovectorisation, tasks by rayon.

use pulp::Arch;
use tilewright_core::{DType, Element, Result, Stream, Tensor, bf16, f16};

use crate::elementwise::exponential::exp;
use crate::elementwise::formats::SmallFloat;
use crate::elementwise::in_parts;

pub(super) fn soft_cap_bw(dy: &Tensor, x: &Tensor, cap: f64) -> Result<Tensor> {
    let mut dx = Tensor::empty(&Stream::cpu(), x.dtype(), x.shape())?;
    let (dy, x) = (dy.to_host()?, x.to_host()?);
    let factor = |x: f32| factor(x, cap as f32);
    match x.dtype() {
        DType::F64 => apply::<f64>(&dy, &x, &mut dx, |dy, x| {
            let e = (-2.0 * (x / cap).abs()).exp();
            dy * (4.0 * e / ((1.0 + e) * (1.0 + e)))
        })?,
        DType::F32 => apply::<f32>(&dy, &x, &mut dx, |dy, x| dy * factor(x))?,
        DType::F16 => {
            apply::<f16>(&dy, &x, &mut dx, |dy, x| f16::round_from(dy.to_wide() * factor(x.to_wide())))?
        }
        _ => apply::<bf16>(&dy, &x, &mut dx, |dy, x| bf16::round_from(dy.to_wide() * factor(x.to_wide())))?,
    }
    Ok(dx)
}

#[inline(always)]
fn factor(x: f32, cap: f32) -> f32 {
    let e = exp(-2.0 * (x / cap).abs());
    4.0 * e / ((1.0 + e) * (1.0 + e))
}

fn apply<T: Element>(dy: &Tensor, x: &Tensor, dx: &mut Tensor, one: impl Fn(T, T) -> T + Sync) -> Result<()> {
    let (dy, x) = (dy.as_slice::<T>()?, x.as_slice::<T>()?);
    in_parts(dx.as_slice_mut::<T>()?, |start, dx| {
        Arch::new().dispatch(|| {
            for (dx, (&dy, &x)) in dx.iter_mut().zip(dy[start..].iter().zip(&x[start..])) {
                *dx = one(dy, x);
            }
        })
    });
    Ok(())
}

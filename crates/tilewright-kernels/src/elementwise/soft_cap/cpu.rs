//! Native path: f32 lanes by autovectorisation, tasks by rayon.

use pulp::Arch;
use tilewright_core::{DType, Element, Result, Stream, Tensor, bf16, f16};

use crate::elementwise::exponential::exp_minus_1;
use crate::elementwise::formats::SmallFloat;
use crate::elementwise::in_parts;

pub(super) fn soft_cap(x: &Tensor, cap: f64) -> Result<Tensor> {
    let mut out = Tensor::empty(&Stream::cpu(), x.dtype(), x.shape())?;
    let x = x.to_host()?;
    match x.dtype() {
        DType::F64 => {
            apply::<f64>(&x, &mut out, |x| if x.abs() <= cap * 1.5e-8 { x } else { cap * (x / cap).tanh() })?
        }
        DType::F32 => apply::<f32>(&x, &mut out, |x| capped(x, cap as f32))?,
        DType::F16 => apply::<f16>(&x, &mut out, |x| f16::round_from(capped(x.to_wide(), cap as f32)))?,
        _ => apply::<bf16>(&x, &mut out, |x| bf16::round_from(capped(x.to_wide(), cap as f32)))?,
    }
    Ok(out)
}

#[inline(always)]
fn capped(x: f32, cap: f32) -> f32 {
    let e = exp_minus_1(-2.0 * (x / cap).abs());
    let limited = (cap * (-e / (e + 2.0))).copysign(x);
    if x.abs() <= cap * (1.0 / 4096.0) { x } else { limited }
}

fn apply<T: Element>(x: &Tensor, out: &mut Tensor, one: impl Fn(T) -> T + Sync) -> Result<()> {
    let x = x.as_slice::<T>()?;
    in_parts(out.as_slice_mut::<T>()?, |start, out| {
        Arch::new().dispatch(|| {
            for (out, &x) in out.iter_mut().zip(&x[start..]) {
                *out = one(x);
            }
        })
    });
    Ok(())
}

//! Native path: f32 lanes by autovectorisation, tasks by rayon.

use pulp::{Arch, Simd, WithSimd};
use tilewright_core::{DType, Element, Result, Stream, Tensor, bf16, f16};

use crate::elementwise::exponential::exp_minus_1;
use crate::elementwise::in_parts;
use crate::formats::SmallFloat;

pub(super) fn soft_cap(x: &Tensor, cap: f64) -> Result<Tensor> {
    let mut out = Tensor::empty(&Stream::cpu(), x.dtype(), x.shape())?;
    let (x, wide, cap) = (x.to_host()?, cap, cap as f32);
    match x.dtype() {
        DType::F64 => {
            apply::<f64>(
                &x,
                &mut out,
                move |x| if x.abs() <= wide * 1.5e-8 { x } else { wide * (x / wide).tanh() },
            )?
        }
        DType::F32 => apply::<f32>(&x, &mut out, move |x| capped(x, cap))?,
        DType::F16 => apply::<f16>(&x, &mut out, move |x| f16::round_from(capped(x.to_wide(), cap)))?,
        _ => apply::<bf16>(&x, &mut out, move |x| bf16::round_from(capped(x.to_wide(), cap)))?,
    }
    Ok(out)
}

#[inline(always)]
fn capped(x: f32, cap: f32) -> f32 {
    let e = exp_minus_1(-2.0 * (x / cap).abs());
    let limited = (cap * (-e / (e + 2.0))).copysign(x);
    if x.abs() <= cap * (1.0 / 4096.0) { x } else { limited }
}

fn apply<T: Element>(x: &Tensor, out: &mut Tensor, one: impl Fn(T) -> T + Copy + Sync) -> Result<()> {
    let x = x.as_slice::<T>()?;
    in_parts(out.as_slice_mut::<T>()?, |start, out| {
        let x = &x[start..start + out.len()];
        Arch::new().dispatch(Each { x, out, one });
    });
    Ok(())
}

struct Each<'a, T, F> {
    x: &'a [T],
    out: &'a mut [T],
    /// By value: what it has captured is then in registers, and the loop becomes SIMD.
    one: F,
}

impl<T: Copy, F: Fn(T) -> T> WithSimd for Each<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = (self.one)(x);
        }
    }
}

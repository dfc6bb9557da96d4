//! Native path: f32 lanes by autovectorisation, tasks by rayon.

use pulp::{Arch, Simd, WithSimd};
use tilewright_core::{DType, Element, Result, Stream, Tensor, bf16, f16};

use crate::elementwise::exponential::exp;
use crate::elementwise::in_parts;
use crate::formats::SmallFloat;

pub(super) fn soft_cap_bw(dy: &Tensor, x: &Tensor, cap: f64) -> Result<Tensor> {
    let mut dx = Tensor::empty(&Stream::cpu(), x.dtype(), x.shape())?;
    let (dy, x) = (dy.to_host()?, x.to_host()?);
    let narrow = cap as f32;
    let factor = move |x: f32| factor(x, narrow);
    match x.dtype() {
        DType::F64 => apply::<f64>(&dy, &x, &mut dx, move |dy, x| {
            let e = (-2.0 * (x / cap).abs()).exp();
            dy * (4.0 * e / ((1.0 + e) * (1.0 + e)))
        })?,
        DType::F32 => apply::<f32>(&dy, &x, &mut dx, move |dy, x| dy * factor(x))?,
        DType::F16 => {
            apply::<f16>(&dy, &x, &mut dx, move |dy, x| f16::round_from(dy.to_wide() * factor(x.to_wide())))?
        }
        _ => apply::<bf16>(&dy, &x, &mut dx, move |dy, x| {
            bf16::round_from(dy.to_wide() * factor(x.to_wide()))
        })?,
    }
    Ok(dx)
}

#[inline(always)]
fn factor(x: f32, cap: f32) -> f32 {
    let e = exp(-2.0 * (x / cap).abs());
    4.0 * e / ((1.0 + e) * (1.0 + e))
}

fn apply<T: Element>(
    dy: &Tensor,
    x: &Tensor,
    dx: &mut Tensor,
    one: impl Fn(T, T) -> T + Copy + Sync,
) -> Result<()> {
    let (dy, x) = (dy.as_slice::<T>()?, x.as_slice::<T>()?);
    in_parts(dx.as_slice_mut::<T>()?, |start, dx| {
        let part = start..start + dx.len();
        Arch::new().dispatch(Each { dy: &dy[part.clone()], x: &x[part], dx, one });
    });
    Ok(())
}

struct Each<'a, T, F> {
    dy: &'a [T],
    x: &'a [T],
    dx: &'a mut [T],
    /// By value: what it has captured is then in registers, and the loop becomes SIMD.
    one: F,
}

impl<T: Copy, F: Fn(T, T) -> T> WithSimd for Each<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (dx, (&dy, &x)) in self.dx.iter_mut().zip(self.dy.iter().zip(self.x)) {
            *dx = (self.one)(dy, x);
        }
    }
}

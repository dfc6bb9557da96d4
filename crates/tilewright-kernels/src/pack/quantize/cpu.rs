//! Native path: blocks of all rows on all threads, each block twice through the L1 cache.

use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Element, F8E4M3, F8E5M2, Result, Tensor, bf16, f16};

use super::{Format, Plan};
use crate::formats::SmallFloat;
use crate::host::packed;
use crate::parallel::Each;

/// Elements of a task: below two of them threads cost more than they give.
const TASK: usize = 1 << 15;
/// Elements that are widened at a time.
const STAGE: usize = 1024;

/// Rows in host memory, one after the other.
pub(super) trait Source: Element {
    fn widen<'a>(source: &'a [Self], stage: &'a mut [f32; STAGE]) -> &'a [f32];
}

impl Source for f32 {
    #[inline(always)]
    fn widen<'a>(source: &'a [f32], _: &'a mut [f32; STAGE]) -> &'a [f32] {
        source
    }
}

macro_rules! half_source {
    ($($T:ty),*) => {$(
        impl Source for $T {
            #[inline(always)]
            fn widen<'a>(source: &'a [$T], stage: &'a mut [f32; STAGE]) -> &'a [f32] {
                let stage = &mut stage[..source.len()];
                source.convert_to_f32_slice(stage);
                stage
            }
        }
    )*};
}

half_source!(f16, bf16);

pub(super) fn quantize(x: &Tensor, plan: &Plan) -> Result<(Tensor, Tensor)> {
    match x.dtype() {
        DType::F16 => rows::<f16>(x, plan),
        DType::Bf16 => rows::<bf16>(x, plan),
        _ => rows::<f32>(x, plan),
    }
}

fn rows<T: Source>(x: &Tensor, plan: &Plan) -> Result<(Tensor, Tensor)> {
    let data: &[T] = &packed(x)?;
    let cpu = tilewright_core::Stream::cpu();
    let (dtype, _) = plan.format.stored(plan.bits);
    let mut values = Tensor::empty(&cpu, dtype, plan.values.as_slice())?;
    let mut scales = Tensor::empty(&cpu, DType::F32, plan.scales.as_slice())?;
    if plan.rows * plan.n > 0 {
        let scales = scales.as_slice_mut::<f32>()?;
        match plan.format {
            Format::Int if plan.bits == 4 => {
                all(data, values.as_slice_mut::<u8>()?, scales, plan, (plan.n.div_ceil(2), 2, 7.0), nibbles);
            }
            Format::Int => all(data, values.as_slice_mut::<i8>()?, scales, plan, (plan.n, 1, 127.0), bytes),
            Format::E4m3 => {
                all(data, values.as_slice_mut::<F8E4M3>()?, scales, plan, (plan.n, 1, 448.0), floats);
            }
            Format::E5m2 => {
                all(data, values.as_slice_mut::<F8E5M2>()?, scales, plan, (plan.n, 1, 57_344.0), floats);
            }
        }
    }
    Ok((values, scales))
}

/// Gives each task of a row to `encode`, which takes one block's elements with the factor. `width`: values of a row; `per`: elements of a value; `largest`:
/// what the largest magnitude becomes.
fn all<T: Source, V: Send>(
    data: &[T],
    values: &mut [V],
    scales: &mut [f32],
    plan: &Plan,
    (width, per, largest): (usize, usize, f32),
    encode: impl Fn(&[f32], f32, &mut [V]) + Sync + Copy,
) {
    // Tasks end where blocks do; a block of an odd length ends its row.
    let taken = (TASK / plan.block).max(1);
    let tasks: Vec<(&[T], &mut [V], &mut [f32])> = data
        .chunks(plan.n)
        .zip(values.chunks_mut(width))
        .zip(scales.chunks_mut(plan.blocks))
        .flat_map(|((x, values), scales)| {
            let blocks = x.chunks(taken * plan.block);
            blocks
                .zip(values.chunks_mut((taken * plan.block).div_ceil(per)))
                .zip(scales.chunks_mut(taken))
                .map(|((x, values), scales)| (x, values, scales))
        })
        .collect();
    let block = plan.block;
    let run = |(x, values, scales): (&[T], &mut [V], &mut [f32])| {
        Arch::new().dispatch(Blocks { x, values, scales, block, per, largest, encode });
    };
    if data.len() < 2 * TASK {
        tasks.into_iter().for_each(run);
    } else {
        let together = (TASK / (taken * plan.block).min(plan.n)).max(1);
        tasks.into_par_iter().with_min_len(together).each(&run);
    }
}

struct Blocks<'a, T, V, E> {
    x: &'a [T],
    values: &'a mut [V],
    scales: &'a mut [f32],
    block: usize,
    per: usize,
    largest: f32,
    encode: E,
}

impl<T: Source, V, E: Fn(&[f32], f32, &mut [V])> WithSimd for Blocks<'_, T, V, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut stage = [0.0; STAGE];
        let values = self.values.chunks_mut(self.block.div_ceil(self.per));
        for ((x, values), scale) in self.x.chunks(self.block).zip(values).zip(self.scales) {
            // Bits of magnitudes ascend with them, and NaN's are above infinity's.
            let mut bits = 0;
            for part in x.chunks(STAGE) {
                for x in T::widen(part, &mut stage) {
                    bits = bits.max(x.to_bits() & 0x7fff_ffff);
                }
            }
            let magnitude = f32::from_bits(bits);
            let tiny = magnitude < 7.888_609e-31; // 2^-100
            let factor = if tiny || !magnitude.is_finite() { 0.0 } else { self.largest / magnitude };
            *scale = match (tiny, magnitude.is_finite()) {
                (true, _) => 0.0,
                (_, true) => magnitude / self.largest,
                _ => f32::NAN,
            };
            for (part, values) in x.chunks(STAGE).zip(values.chunks_mut(STAGE / self.per)) {
                (self.encode)(T::widen(part, &mut stage), factor, values);
            }
        }
    }
}

/// The nearest integer, ties to even, of a number within 2^22. A factor of 0 makes NaN and infinities NaN, and those 0.
#[inline(always)]
fn rounded(x: f32, factor: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: the sum's low bits are the integer
    let product = x * factor;
    let integer = (product + SHIFT).to_bits().wrapping_sub(SHIFT.to_bits()) as i32;
    if product.is_nan() { 0 } else { integer }
}

#[inline(always)]
fn bytes(x: &[f32], factor: f32, values: &mut [i8]) {
    for (value, &x) in values.iter_mut().zip(x) {
        *value = rounded(x, factor) as i8;
    }
}

#[inline(always)]
fn floats<F: SmallFloat>(x: &[f32], factor: f32, values: &mut [F]) {
    for (value, &x) in values.iter_mut().zip(x) {
        *value = F::round_from(if factor == 0.0 { 0.0 } else { x * factor });
    }
}

#[inline(always)]
fn nibbles(x: &[f32], factor: f32, values: &mut [u8]) {
    let even = x.len() / 2;
    for (value, pair) in values[..even].iter_mut().zip(x.chunks_exact(2)) {
        *value = (rounded(pair[0], factor) & 15 | rounded(pair[1], factor) << 4) as u8;
    }
    if x.len() % 2 == 1 {
        values[even] = (rounded(x[2 * even], factor) & 15) as u8;
    }
}

//! Native path: stretches of rows on all threads.

use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Element, F8E4M3, F8E5M2, Result, Stream, Tensor, bf16, f16};

use super::{Format, Plan};
use crate::formats::SmallFloat;
use crate::pack::Quantize;
use crate::parallel::Each;

/// Elements of a task, a multiple of every block but a whole row: below two of them threads cost more than they give.
const TASK: usize = 1 << 15;
/// Elements that are rounded at a time.
const STAGE: usize = 1024;

/// An element type of the result.
trait Target: Element {
    /// Lets `compute` fill the elements as f32, then rounds. At most [`STAGE`].
    fn store(target: &mut [Self], compute: impl FnOnce(&mut [f32]));
}

impl Target for f32 {
    #[inline(always)]
    fn store(target: &mut [f32], compute: impl FnOnce(&mut [f32])) {
        compute(target)
    }
}

macro_rules! half_target {
    ($($T:ty),*) => {$(
        impl Target for $T {
            #[inline(always)]
            fn store(target: &mut [$T], compute: impl FnOnce(&mut [f32])) {
                let stage = &mut [0.0; STAGE][..target.len()];
                compute(stage);
                target.convert_from_f32_slice(stage);
            }
        }
    )*};
}

half_target!(f16, bf16);

pub(super) fn dequantize(values: &Tensor, scales: &Tensor, plan: &Plan) -> Result<Tensor> {
    match plan.dtype {
        DType::F16 => rows::<f16>(values, scales, plan),
        DType::Bf16 => rows::<bf16>(values, scales, plan),
        _ => rows::<f32>(values, scales, plan),
    }
}

fn rows<T: Target>(values: &Tensor, scales: &Tensor, plan: &Plan) -> Result<Tensor> {
    let mut out = Tensor::empty(&Stream::cpu(), plan.dtype, plan.out.as_slice())?;
    if plan.rows * plan.n == 0 {
        return Ok(out);
    }
    let scales = scales.to_vec::<f32>()?;
    let packed;
    let bytes: &[u8] = if values.is_contiguous() {
        bytes_of(values)?
    } else {
        packed = values.to_bytes()?;
        &packed
    };
    let nibbles = plan.bits == 4;
    let per = if nibbles { 2 } else { 1 };
    let tasks: Vec<Stretch<T>> = out
        .as_slice_mut::<T>()?
        .chunks_mut(plan.n)
        .zip(bytes.chunks(plan.width))
        .zip(scales.chunks(plan.blocks))
        .flat_map(|((out, bytes), scales)| {
            let stretches = out.chunks_mut(TASK).zip(bytes.chunks(TASK / per)).enumerate();
            stretches.map(move |(at, (out, bytes))| {
                let scales = &scales[at * TASK / plan.block..];
                Stretch {
                    out,
                    bytes,
                    scales,
                    block: plan.block,
                    first: at * TASK % plan.block,
                    format: plan.format,
                    nibbles,
                }
            })
        })
        .collect();
    let run = |stretch: Stretch<T>| Arch::new().dispatch(stretch);
    if plan.rows * plan.n < 2 * TASK {
        tasks.into_iter().for_each(run);
    } else {
        tasks.into_par_iter().with_min_len((TASK / plan.n.min(TASK)).max(1)).each(&run);
    }
    Ok(out)
}

/// The bytes of row-major values.
pub(crate) fn bytes_of(values: &Tensor) -> Result<&[u8]> {
    Ok(match values.dtype() {
        DType::U8 => values.as_slice()?,
        DType::F8E4M3 => bytemuck::cast_slice(values.as_slice::<F8E4M3>()?),
        DType::F8E5M2 => bytemuck::cast_slice(values.as_slice::<F8E5M2>()?),
        _ => bytemuck::cast_slice(values.as_slice::<i8>()?),
    })
}

/// The numbers of a row, whose blocks have the scales `scales`.
pub(crate) fn numbers(out: &mut [f32], bytes: &[u8], scales: &[f32], block: usize, args: &Quantize) {
    let (format, nibbles) = (args.format, args.bits == 4);
    Arch::new().dispatch(Stretch { out, bytes, scales, block, first: 0, format, nibbles });
}

/// Neighbours of a row; the first of them is element `first` of its block.
struct Stretch<'a, T> {
    out: &'a mut [T],
    bytes: &'a [u8],
    scales: &'a [f32],
    block: usize,
    first: usize,
    format: Format,
    nibbles: bool,
}

impl<T: Target> WithSimd for Stretch<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let per = if self.nibbles { 2 } else { 1 };
        // Pieces lie in one block each: a block is a power of two up to the stage's size, or the row.
        let piece = self.block.min(STAGE);
        let piece = piece.next_multiple_of(2);
        for (at, (out, bytes)) in self.out.chunks_mut(piece).zip(self.bytes.chunks(piece / per)).enumerate() {
            let scale = self.scales[(self.first + at * piece) / self.block];
            T::store(out, |out| match self.format {
                Format::Int if self.nibbles => nibbles(out, bytes, scale),
                Format::Int => each(out, bytes, |byte| f32::from(byte as i8) * scale),
                Format::E4m3 => each(out, bytes, |byte| F8E4M3::from_bits(byte).to_wide() * scale),
                Format::E5m2 => each(out, bytes, |byte| F8E5M2::from_bits(byte).to_wide() * scale),
            });
        }
    }
}

#[inline(always)]
fn each(out: &mut [f32], bytes: &[u8], widen: impl Fn(u8) -> f32) {
    for (out, &byte) in out.iter_mut().zip(bytes) {
        *out = widen(byte);
    }
}

/// The low half of a byte, with its sign.
#[inline(always)]
fn low(byte: u8) -> f32 {
    f32::from((byte << 4) as i8 >> 4)
}

#[inline(always)]
fn nibbles(out: &mut [f32], bytes: &[u8], scale: f32) {
    let even = out.len() / 2;
    for (pair, &byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = low(byte) * scale;
        pair[1] = low(byte >> 4) * scale;
    }
    if out.len() % 2 == 1 {
        out[2 * even] = low(bytes[even]) * scale;
    }
}

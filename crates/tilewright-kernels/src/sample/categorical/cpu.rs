//! Native path: rows on all threads; a row's tiles once, then two heats for each draw.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Tensor, bf16, f16};

use super::Categorical;
use crate::sample::noise::{
    COLD, COLUMNS, COOLEST, HEAT, NEVER, REFUSED, TILE, across, bits_of, exponential_of, key_of, keys_of,
    power_of, sum_of, value_of,
};
use crate::sample::sample::cpu::Logit;

/// Elements below which threads cost more than they give.
const SERIAL: usize = 1 << 15;

pub(super) fn categorical(
    x: &Tensor,
    seeds: &Tensor,
    positions: &Tensor,
    args: &Categorical,
) -> Result<Tensor> {
    match x.dtype() {
        DType::F16 => rows::<f16>(x, seeds, positions, args),
        DType::Bf16 => rows::<bf16>(x, seeds, positions, args),
        _ => rows::<f32>(x, seeds, positions, args),
    }
}

fn rows<T: Logit>(x: &Tensor, seeds: &Tensor, positions: &Tensor, args: &Categorical) -> Result<Tensor> {
    let (r, n) = (x.dims()[0], x.dims()[1]);
    let packed;
    let data: &[T] = if x.is_contiguous() {
        x.as_slice()?
    } else {
        packed = x.to_vec()?;
        &packed
    };
    let (seeds, positions) = (seeds.to_vec::<i64>()?, positions.to_vec::<i64>()?);
    let one = |row: usize| {
        let (x, probabilities) = (&data[row * n..][..n], args.probabilities);
        let Some(tiles) = Arch::new().dispatch(Scan { x, probabilities }) else {
            return vec![u32::MAX; args.draws];
        };
        let draw = |at: usize| {
            let position = (positions[row] as u64).wrapping_add(at as u64);
            draw(x, &tiles, probabilities, keys_of(seeds[row] as u64, position))
        };
        (0..args.draws).map(draw).collect()
    };
    let ids: Vec<Vec<u32>> =
        if r * n <= SERIAL { (0..r).map(one).collect() } else { (0..r).into_par_iter().map(one).collect() };
    Tensor::from_vec(ids.concat(), [r, args.draws])
}

/// A tile's largest logit relative to the row's, and the sum of its weights.
struct Tile {
    top: f32,
    sum: f32,
}

/// The tiles of a row that can win, by number; `None` where the row is refused.
struct Scan<'a, T> {
    x: &'a [T],
    probabilities: bool,
}

impl<T: Logit> WithSimd for Scan<'_, T> {
    type Output = Option<Vec<(u32, Tile)>>;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> Self::Output {
        let mut stage = [0.0; TILE];
        let mut found = Vec::with_capacity(self.x.len().div_ceil(TILE));
        for (index, source) in (0u32..).zip(self.x.chunks(TILE)) {
            let x = T::load(source, &mut stage);
            let (top, sum) =
                if self.probabilities { (0.0, weights(&x[..source.len()])) } else { softmax(x)? };
            if sum.is_nan() {
                return None;
            }
            if sum > 0.0 {
                found.push((index, Tile { top, sum }));
            }
        }
        let largest = found.iter().fold(f32::NEG_INFINITY, |a, (_, tile)| a.max(tile.top));
        found.iter_mut().for_each(|(_, tile)| tile.top -= largest);
        Some(found).filter(|found| !found.is_empty())
    }
}

/// The sum of weights, down the columns and across; NaN where one is none.
#[inline(always)]
fn weights(x: &[f32]) -> f32 {
    let mut columns = [0.0f32; COLUMNS];
    for line in x.chunks(COLUMNS) {
        for (sum, &x) in columns.iter_mut().zip(line) {
            *sum += if (0.0..f32::INFINITY).contains(&x) { x } else { f32::NAN };
        }
    }
    across(&columns)
}

/// The largest logit and the sum of weights relative to it. `None` where one cannot be.
#[inline(always)]
fn softmax(x: &[f32; TILE]) -> Option<(f32, f32)> {
    let mut top = NEVER;
    for &x in x {
        top = top.max(key_of(x));
    }
    match top {
        NEVER => Some((f32::NEG_INFINITY, 0.0)),
        REFUSED.. => None,
        _ => Some((value_of(top), sum_of(x, value_of(top), COLD, COOLEST, |_| ()))),
    }
}

fn draw<T: Logit>(x: &[T], tiles: &[(u32, Tile)], probabilities: bool, keys: u64) -> u32 {
    let mut best = (f32::INFINITY, 0);
    for (at, (index, tile)) in tiles.iter().enumerate() {
        let inverse = power_of(tile.top, COLD, COOLEST).1;
        let time = exponential_of(bits_of(keys, HEAT | index)) * inverse / tile.sum;
        best = if time < best.0 { (time, at) } else { best };
    }
    let first = tiles[best.1].0 as usize * TILE;
    let source = &x[first..x.len().min(first + TILE)];
    let mut stage = [0.0; TILE];
    let z = &T::load(source, &mut stage)[..source.len()];
    let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut best = (f32::INFINITY, u32::MAX);
    for (token, &z) in (first as u32..).zip(z) {
        if z > if probabilities { 0.0 } else { f32::NEG_INFINITY } {
            let deviate = exponential_of(bits_of(keys, token));
            let time =
                if probabilities { deviate / z } else { deviate * power_of(z - largest, COLD, COOLEST).1 };
            best = if time < best.0 { (time, token) } else { best };
        }
    }
    best.1
}

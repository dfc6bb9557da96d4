//! Native path: rows on all threads; a row's tiles once, then two heats for each draw.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Tensor, bf16, f16};

use super::Categorical;
use crate::host::packed;
use crate::machine::widest;
use crate::parallel::Each;
use crate::prefetch::prefetch;
use crate::sample::noise::{
    COLD, COLUMNS, COOLEST, Columns, HEAT, NEVER, REFUSED, TILE, across, bits_of, exponential_of, heat,
    keys_of, power_of, sum_of, tops, value_of,
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
    let data: &[T] = &packed(x)?;
    let (seeds, positions) = (seeds.to_vec::<i64>()?, positions.to_vec::<i64>()?);
    let one = |row: usize| {
        let (x, probabilities) = (&data[row * n..][..n], args.probabilities);
        let Some(tiles) = widest(Scan { x, probabilities }) else {
            return vec![u32::MAX; args.draws];
        };
        let draw = |at: usize| {
            let position = (positions[row] as u64).wrapping_add(at as u64);
            let keys = keys_of(seeds[row] as u64, position);
            Arch::new().dispatch(Draw { x, tiles: &tiles, probabilities, keys })
        };
        (0..args.draws).map(draw).collect()
    };
    let ids: Vec<Vec<u32>> = if r * n <= SERIAL {
        (0..r).map(one).collect()
    } else {
        (0..r).into_par_iter().each_made(&one).collect()
    };
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
            let (top, sum) = match self.probabilities {
                true => (0.0, weights(&x[..source.len()])),
                // The next tile comes while this one's sum is taken.
                false => softmax(x, self.x.get((index as usize + 1) * TILE..).unwrap_or_default())?,
            };
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
    let mut columns = Columns([0.0; COLUMNS]);
    for line in x.chunks(COLUMNS) {
        for (sum, &x) in columns.0.iter_mut().zip(line) {
            *sum += if (0.0..f32::INFINITY).contains(&x) { x } else { f32::NAN };
        }
    }
    across(&columns.0)
}

/// The largest logit and the sum of weights relative to it; meanwhile asks for the first of `next`. `None` where one cannot be.
#[inline(always)]
fn softmax<T>(x: &[f32; TILE], next: &[T]) -> Option<(f32, f32)> {
    let (top, _) = tops(x);
    let line = |at: usize| next.chunks(COLUMNS).nth(at).unwrap_or_default();
    match top {
        NEVER => Some((f32::NEG_INFINITY, 0.0)),
        REFUSED.. => None,
        _ => Some((value_of(top), sum_of(x, value_of(top), COLD, COOLEST, |at| prefetch(line(at))))),
    }
}

/// A draw of a row that is not refused.
struct Draw<'a, T> {
    x: &'a [T],
    tiles: &'a [(u32, Tile)],
    probabilities: bool,
    keys: u64,
}

impl<T: Logit> WithSimd for Draw<'_, T> {
    type Output = u32;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> u32 {
        let Self { x, tiles, probabilities, keys } = self;
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
        // No time is less than its deviate over the largest weight, but for roundings.
        let least = if probabilities { (0.999 / largest).min(f32::MAX) } else { 0.999 };
        heat(keys, first as u32, z.len(), least, |at, deviate| match z[at] {
            z if probabilities && z > 0.0 => deviate / z,
            z if !probabilities && z > f32::NEG_INFINITY => deviate * power_of(z - largest, COLD, COOLEST).1,
            _ => f32::INFINITY,
        })
    }
}

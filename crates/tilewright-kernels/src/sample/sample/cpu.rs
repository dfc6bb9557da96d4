//! Native path: tiles, then each row from its tiles. The tiles of few rows are spread over the threads; of many rows each thread takes whole ones. Vectors
//! are plain loops under `pulp`'s dispatch.

use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Element, Result, Tensor, bf16, f16};

use super::keep::{Kept, Pool};
use super::{Logprobs, Sample, Sampled};
use crate::host::packed;
use crate::machine::widest;
use crate::parallel::Each;
use crate::prefetch::prefetch;
use crate::sample::noise::{
    COLD, COLUMNS, COOLEST, GROUPS, HEAT, NEVER, REFUSED, TILE, UNITS, bits_of, exponential_of, heat, key_of,
    less_than_exponential, power_of, steps_of, sum_of, tops, units_of, value_of,
};
use crate::sample::parameters::{Row, WORDS};

/// Tiles of one row that a thread takes at a time.
const BLOCK: usize = 8;

/// Elements below which threads cost more than they give.
pub(in crate::sample) const SERIAL: usize = 1 << 15;

/// An element type of logits.
pub(in crate::sample) trait Logit: Element {
    fn widen(source: &[Self], target: &mut [f32]);

    /// A tile, with minus infinity beyond the end of the row.
    #[inline(always)]
    fn load<'a>(source: &'a [Self], stage: &'a mut [f32; TILE]) -> &'a [f32; TILE] {
        Self::widen(source, &mut stage[..source.len()]);
        stage[source.len()..].fill(f32::NEG_INFINITY);
        stage
    }
}

impl Logit for f32 {
    fn widen(source: &[f32], target: &mut [f32]) {
        target.copy_from_slice(source);
    }

    #[inline(always)]
    fn load<'a>(source: &'a [f32], stage: &'a mut [f32; TILE]) -> &'a [f32; TILE] {
        match source.try_into() {
            Ok(whole) => whole,
            Err(_) => {
                Self::widen(source, &mut stage[..source.len()]);
                stage[source.len()..].fill(f32::NEG_INFINITY);
                stage
            }
        }
    }
}

macro_rules! half_logit {
    ($($T:ty),*) => {$(
        impl Logit for $T {
            fn widen(source: &[$T], target: &mut [f32]) {
                source.convert_to_f32_slice(target);
            }
        }
    )*};
}

half_logit!(f16, bf16);

pub(super) fn sample(logits: &Tensor, parameters: &Tensor, args: &Sample) -> Result<Sampled> {
    match logits.dtype() {
        DType::F16 => rows::<f16>(logits, parameters, args),
        DType::Bf16 => rows::<bf16>(logits, parameters, args),
        _ => rows::<f32>(logits, parameters, args),
    }
}

fn rows<T: Logit>(logits: &Tensor, parameters: &Tensor, args: &Sample) -> Result<Sampled> {
    let (r, n) = (logits.dims()[0], logits.dims()[1]);
    let data: &[T] = &packed(logits)?;
    let words = parameters.to_vec::<u32>()?;
    let settings: Vec<Row> = words.chunks_exact(WORDS).map(|words| Row::read(words, args.step)).collect();
    let tiles = n.div_ceil(TILE);
    let logits = |row: usize| &data[row * n..][..n];
    let finish = |row: usize, tiles: &[Tile]| finish(logits(row), tiles, &settings[row], args);
    let drawn: Vec<Drawn> = if r >= 4 * rayon::current_num_threads() && r * n > SERIAL {
        let scratch = || vec![Tile::default(); tiles];
        let whole = |tiles: &mut Vec<Tile>, row: usize| {
            scan(logits(row), &settings[row], tiles);
            finish(row, tiles)
        };
        (0..r).into_par_iter().with_max_len(1).map_init(scratch, whole).collect()
    } else {
        let found = tiles_of(data, n, &settings);
        let whole = |row: usize| finish(row, &found[row * tiles..][..tiles]);
        match r * n <= SERIAL {
            true => (0..r).map(whole).collect(),
            false => (0..r).into_par_iter().each_made(&whole).collect(),
        }
    };
    let (top_ids, top_logprobs) = drawn.iter().flat_map(|row| row.top.iter().copied()).unzip();
    let top = [r, args.top_n];
    Ok(Sampled {
        ids: Tensor::from_vec(drawn.iter().map(|row| row.id).collect(), [r])?,
        logprobs: Tensor::from_vec(drawn.iter().map(|row| row.logprob).collect(), [r])?,
        top_ids: Tensor::from_vec::<u32>(top_ids, top)?,
        top_logprobs: Tensor::from_vec::<f32>(top_logprobs, top)?,
    })
}

/// The tiles of all rows of `n` logits.
pub(in crate::sample) fn tiles_of<T: Logit>(data: &[T], n: usize, settings: &[Row]) -> Vec<Tile> {
    let tiles = n.div_ceil(TILE);
    let mut found = vec![Tile::default(); settings.len() * tiles];
    let blocks = tiles.div_ceil(BLOCK);
    let work: Vec<(usize, &mut [Tile])> = found
        .chunks_mut(tiles)
        .enumerate()
        .flat_map(|(row, tiles)| tiles.chunks_mut(BLOCK).map(move |block| (row, block)))
        .collect();
    let each = |(index, (row, block)): (usize, (usize, &mut [Tile]))| {
        let first = index % blocks * BLOCK * TILE;
        let end = (first + block.len() * TILE).min(n);
        scan(&data[row * n..][first..end], &settings[row], block);
    };
    // A block is some microseconds of work.
    if work.len() <= 2 {
        work.into_iter().enumerate().for_each(each);
    } else {
        work.into_par_iter().enumerate().each(&each);
    }
    found
}

/// What a tile adds to its row.
#[derive(Clone, Copy, Default)]
pub(in crate::sample) struct Tile {
    top: u32,
    groups: [u32; GROUPS],
    /// Sums of weights relative to the tile's largest, at temperature 1 and at the row's.
    cold: f32,
    warm: f32,
    /// How many tokens, and the sums of their distances from the largest and of those squared, in steps; where a filter asks for it.
    moments: [u64; 3],
}

/// Fills neighbouring tiles of a row, of which `source` are the logits.
fn scan<T: Logit>(source: &[T], row: &Row, tiles: &mut [Tile]) {
    widest(Scan { source, row, tiles });
}

struct Scan<'a, T> {
    source: &'a [T],
    row: &'a Row,
    tiles: &'a mut [Tile],
}

impl<T: Logit> WithSimd for Scan<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let mut stage = [f32::NEG_INFINITY; TILE];
        for (index, (source, tile)) in self.source.chunks(TILE).zip(self.tiles).enumerate() {
            let z = T::load(source, &mut stage);
            (tile.top, tile.groups) = tops(z);
            if tile.top == NEVER || tile.top >= REFUSED {
                continue;
            }
            let largest = value_of(tile.top);
            // The next tile comes while this one's sum is taken.
            let next = self.source.get((index + 1) * TILE..).unwrap_or_default();
            let line = |at: usize| next.chunks(COLUMNS).nth(at).unwrap_or_default();
            tile.cold = sum_of(z, largest, COLD, COOLEST, |at| prefetch(line(at)));
            tile.warm = match self.row.warm_total {
                true => sum_of(z, largest, self.row.scale, self.row.limit, |_| ()),
                false => tile.cold,
            };
            if self.row.uses_sigma() {
                tile.moments = moments(z, largest);
            }
        }
    }
}

#[inline(always)]
fn moments(z: &[f32; TILE], largest: f32) -> [u64; 3] {
    let (mut count, mut sum, mut squares) = (0u32, 0u32, 0u64);
    for &z in z {
        let there = z > f32::NEG_INFINITY;
        let steps = if there { steps_of(largest - z) } else { 0 };
        count += u32::from(there);
        sum += steps;
        squares += u64::from(steps) * u64::from(steps);
    }
    [u64::from(count), u64::from(sum), squares]
}

/// What a row keeps.
pub(in crate::sample) struct Settled {
    /// The drawn token, where it was to be drawn.
    pub(in crate::sample) id: u32,
    pub(in crate::sample) largest: f32,
    /// The total at temperature 1.
    cold: u64,
    /// The total of what is kept, at the row's temperature.
    pub(in crate::sample) mass: u64,
    /// `None` where only `id` is kept.
    pub(in crate::sample) kept: Option<Kept>,
}

struct Drawn {
    id: u32,
    logprob: f32,
    top: Vec<(u32, f32)>,
}

/// The key of a token of a row.
fn key_at<T: Logit>(logits: &[T]) -> impl Fn(u32) -> u32 {
    |token| {
        let mut one = [0.0];
        T::widen(&logits[token as usize..][..1], &mut one);
        key_of(one[0])
    }
}

/// Applies the filters of a row, and draws. `None` for a row that is refused.
pub(in crate::sample) fn settle<T: Logit>(logits: &[T], tiles: &[Tile], row: &Row) -> Option<Settled> {
    Arch::new().dispatch(Settling { logits, tiles, row })
}

struct Settling<'a, T> {
    logits: &'a [T],
    tiles: &'a [Tile],
    row: &'a Row,
}

impl<T: Logit> WithSimd for Settling<'_, T> {
    type Output = Option<Settled>;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> Option<Settled> {
        settled(self.logits, self.tiles, self.row)
    }
}

#[inline(always)]
fn settled<T: Logit>(logits: &[T], tiles: &[Tile], row: &Row) -> Option<Settled> {
    let top = tiles.iter().map(|tile| tile.top).max().unwrap_or(NEVER);
    if top == NEVER || top >= REFUSED {
        return None;
    }
    let largest = value_of(top);
    let mass = |tile: &Tile, sum: f32, scale, limit| {
        units_of(sum * power_of(value_of(tile.top) - largest, scale, limit).0)
    };
    let (mut cold, mut warm) = (0, 0);
    for tile in tiles.iter().filter(|tile| tile.top != NEVER) {
        cold += mass(tile, tile.cold, COLD, COOLEST);
        if row.warm_total {
            warm += mass(tile, tile.warm, row.scale, row.limit);
        }
    }
    let warm = if row.warm_total { warm } else { cold };
    let key = key_at(logits);
    let n = logits.len();
    if row.greedy {
        let (pool, _) = best(tiles, n, 1, &key);
        let equal = pool.keys.iter().zip(&pool.tokens).filter(|&(&key, _)| key == top);
        let id = equal.map(|(_, &token)| token).min().expect("the largest is among the best");
        return Some(Settled { id, largest, cold, mass: warm, kept: None });
    }
    if !row.filtered() {
        let id = race(tiles, row, largest, n, &key);
        return Some(Settled { id, largest, cold, mass: warm, kept: Some(Kept::all(top, 1, cold)) });
    }
    let deviation = deviation(tiles, row, largest);
    let drawn = |(mut pool, base): (Pool, u32)| {
        let mut kept = Kept::all(top, base, cold);
        kept.filter(&mut pool, row, warm, deviation)?;
        let (id, mass) = draw(&pool, row, largest)?;
        Some(Settled { id, largest, cold, mass, kept: Some(kept) })
    };
    // All tokens tell what the best of them do not. No one is drawn only where parameters are of other making.
    let (few, base) = best(tiles, n, row.want.max(1), &key);
    match base {
        1 => drawn((few, base)),
        _ => drawn((few, base)).or_else(|| drawn((all(logits), 1))),
    }
}

fn finish<T: Logit>(logits: &[T], tiles: &[Tile], row: &Row, args: &Sample) -> Drawn {
    let Some(Settled { id, largest, cold, mass, .. }) = settle(logits, tiles, row) else {
        return Drawn { id: u32::MAX, logprob: f32::NAN, top: vec![(u32::MAX, f32::NAN); args.top_n] };
    };
    let key = key_at(logits);
    let octaves = (cold as f32 / UNITS).log2();
    let logprob = match args.logprobs {
        Logprobs::Raw => value_of(key(id)) - largest - octaves * std::f32::consts::LN_2,
        Logprobs::Processed if row.greedy => 0.0,
        Logprobs::Processed => {
            let octaves = (value_of(key(id)) - largest) * row.scale - (mass as f32 / UNITS).log2();
            octaves * std::f32::consts::LN_2
        }
    };
    let mut top: Vec<(u32, f32)> = Vec::new();
    if args.top_n > 0 {
        let (pool, _) = best(tiles, logits.len(), args.top_n, &key);
        let mut candidates: Vec<(u32, u32)> = pool.keys.into_iter().zip(pool.tokens).collect();
        candidates.sort_unstable_by_key(|&(key, token)| (!key, token));
        let logprob = |key| value_of(key) - largest - octaves * std::f32::consts::LN_2;
        top.extend(candidates.iter().take(args.top_n).map(|&(key, token)| (token, logprob(key))));
        top.resize(args.top_n, (u32::MAX, f32::NEG_INFINITY));
    }
    Drawn { id, logprob, top }
}

/// The race among all tokens, in two heats: among the tiles by their masses, then among the tokens of the tile that won.
#[inline(always)]
fn race(tiles: &[Tile], row: &Row, largest: f32, n: usize, key: &impl Fn(u32) -> u32) -> u32 {
    let keys = row.keys();
    let inverse = |key: u32, largest: f32| power_of(value_of(key) - largest, row.scale, row.limit).1;
    let mut best = (f32::INFINITY, 0);
    for (index, tile) in tiles.iter().enumerate().filter(|(_, tile)| tile.top != NEVER) {
        let bits = bits_of(keys, HEAT | index as u32);
        // No inverse is below 1 by more than its rounding, so that most have lost by their luck alone.
        if less_than_exponential(bits) * 0.999 >= best.0 * tile.warm {
            continue;
        }
        let time = exponential_of(bits) * inverse(tile.top, largest) / tile.warm;
        best = if time < best.0 { (time, index) } else { best };
    }
    let tile = best.1;
    let largest = value_of(tiles[tile].top);
    let first = tile * TILE;
    // As above.
    heat(keys, first as u32, TILE.min(n - first), 0.999, |at, deviate| match key((first + at) as u32) {
        NEVER => f32::INFINITY,
        key => deviate * inverse(key, largest),
    })
}

/// All tokens from some key on: at least `want` of them, if there are so many, and that key.
fn best(tiles: &[Tile], n: usize, want: usize, key: &impl Fn(u32) -> u32) -> (Pool, u32) {
    // The want-th largest of the groups' largest keys is at most that of all keys.
    let mut tops: Vec<u32> = tiles.iter().flat_map(|tile| tile.groups).filter(|&top| top != NEVER).collect();
    let base = match want <= tops.len() {
        true => *tops.select_nth_unstable_by(want - 1, |a, b| b.cmp(a)).1,
        false => 1,
    };
    let mut pool = Pool::default();
    for (index, tile) in tiles.iter().enumerate().filter(|(_, tile)| tile.top >= base) {
        for (group, _) in tile.groups.iter().enumerate().filter(|&(_, &top)| top >= base) {
            for line in 0..TILE / COLUMNS {
                let first = index * TILE + line * COLUMNS + 4 * group;
                let tokens = (first..n.min(first + 4)).map(|token| (key(token as u32), token as u32));
                tokens.filter(|&(key, _)| key >= base).for_each(|(key, token)| pool.push(key, token));
            }
        }
    }
    (pool, base)
}

/// All tokens that can be drawn.
#[inline(always)]
fn all<T: Logit>(logits: &[T]) -> Pool {
    let mut pool = Pool { keys: vec![0; logits.len()], tokens: vec![0; logits.len()] };
    let (mut stage, mut left) = ([0.0; TILE], 0);
    for (tile, source) in logits.chunks(TILE).enumerate() {
        T::widen(source, &mut stage[..source.len()]);
        for (token, &z) in stage[..source.len()].iter().enumerate() {
            let key = key_of(z);
            (pool.keys[left], pool.tokens[left]) = (key, (tile * TILE + token) as u32);
            left += usize::from(key != NEVER);
        }
    }
    pool.keys.truncate(left);
    pool.tokens.truncate(left);
    pool
}

/// The kept token that wins the race, and the mass of the kept.
#[inline(always)]
fn draw(kept: &Pool, row: &Row, largest: f32) -> Option<(u32, u64)> {
    let keys = row.keys();
    let power = |key: u32| power_of(value_of(key) - largest, row.scale, row.limit);
    let mass = kept.keys.iter().map(|&key| units_of(power(key).0)).sum();
    let mut best = (f32::INFINITY, u32::MAX);
    for (&key, &token) in kept.keys.iter().zip(&kept.tokens) {
        let bits = bits_of(keys, token);
        // As in the race.
        if less_than_exponential(bits) * 0.999 >= best.0 {
            continue;
        }
        let time = exponential_of(bits) * power(key).1;
        if (time, token) < best {
            best = (time, token);
        }
    }
    (best.1 != u32::MAX).then_some((best.1, mass))
}

/// The standard deviation of the logits, each at most 255 below the largest of its tile and that at most 255 below the row's, in steps; 0 where
/// no filter asks for it.
fn deviation(tiles: &[Tile], row: &Row, largest: f32) -> f32 {
    if !row.uses_sigma() {
        return 0.0;
    }
    let (mut count, mut sum, mut squares) = (0u64, 0u64, 0u64);
    for tile in tiles.iter().filter(|tile| tile.top != NEVER) {
        let offset = u64::from(steps_of(largest - value_of(tile.top)));
        let [some, steps, squared] = tile.moments;
        count += some;
        sum += steps + some * offset;
        squares = squares.wrapping_add(squared + 2 * offset * steps + some * offset * offset);
    }
    let mean = sum / count;
    // About the mean rounded down, modulo 2^64, which the result is below.
    let about =
        squares.wrapping_sub((2 * mean).wrapping_mul(sum)).wrapping_add(count.wrapping_mul(mean * mean));
    ((about / count) as f32).sqrt()
}

//! Native path: tiles of all rows on all threads, then each row from its tiles. Vectors are plain loops under `pulp`'s dispatch.

use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Element, Result, Tensor, bf16, f16};

use super::keep::{Candidate, Kept};
use super::{Logprobs, Sample, Sampled};
use crate::sample::noise::{
    COLD, COOLEST, NEVER, REFUSED, TILE, UNITS, bits_of, exponential_of, key_of, less_than_exponential,
    power_of, units_of, value_of,
};
use crate::sample::parameters::{Row, WORDS};

/// Sums are taken down so many columns of a tile, then across them.
const COLUMNS: usize = 128;
/// Groups of a tile: 4 columns each.
const GROUPS: usize = 32;
/// The columns' numbers, in memory because a checked counter would keep the loop from becoming SIMD.
const NUMBERS: [u32; COLUMNS] = {
    let mut numbers = [0; COLUMNS];
    let mut at = 0;
    while at < COLUMNS {
        numbers[at] = at as u32;
        at += 1;
    }
    numbers
};
/// Tiles that a thread takes at a time.
const TOGETHER: usize = 8;

/// An element type of logits.
trait Logit: Element {
    fn load(source: &[Self], target: &mut [f32]);
}

impl Logit for f32 {
    fn load(source: &[f32], target: &mut [f32]) {
        target.copy_from_slice(source);
    }
}

macro_rules! half_logit {
    ($($T:ty),*) => {$(
        impl Logit for $T {
            fn load(source: &[$T], target: &mut [f32]) {
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
    let packed;
    let data: &[T] = if logits.is_contiguous() {
        logits.as_slice()?
    } else {
        packed = logits.to_vec()?;
        &packed
    };
    let words = parameters.to_vec::<u32>()?;
    let settings: Vec<Row> = words.chunks_exact(WORDS).map(|words| Row::read(words, args.step)).collect();
    let tiles = n.div_ceil(TILE);
    let mut found = vec![Tile::default(); r * tiles];
    let blocks = tiles.div_ceil(TOGETHER);
    let work: Vec<(usize, &mut [Tile])> = found
        .chunks_mut(tiles)
        .enumerate()
        .flat_map(|(row, tiles)| tiles.chunks_mut(TOGETHER).map(move |block| (row, block)))
        .collect();
    let scan = |(index, (row, block)): (usize, (usize, &mut [Tile]))| {
        let first = index % blocks * TOGETHER * TILE;
        let end = (first + block.len() * TILE).min(n);
        let source = &data[row * n..][first..end];
        Arch::new().dispatch(Scan {
            source,
            first: first as u32,
            row: &settings[row],
            keys: settings[row].keys(),
            tiles: block,
        });
    };
    // A block is some microseconds of work.
    if work.len() <= 2 {
        work.into_iter().enumerate().for_each(scan);
    } else {
        work.into_par_iter().enumerate().for_each(scan);
    }
    let finish =
        |row: usize| finish(&data[row * n..][..n], &found[row * tiles..][..tiles], &settings[row], args);
    let drawn: Vec<Drawn> = if r * n <= 1 << 15 {
        (0..r).map(finish).collect()
    } else {
        (0..r).into_par_iter().map(finish).collect()
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

/// What a tile adds to its row.
#[derive(Clone, Copy, Default)]
struct Tile {
    top: u32,
    groups: [u32; GROUPS],
    /// Sums of weights relative to the tile's largest, at temperature 1 and at the row's.
    cold: f32,
    warm: f32,
    /// The least time of the race, and whose.
    time: f32,
    winner: u32,
}

/// Neighbouring tiles of a row.
struct Scan<'a, T> {
    source: &'a [T],
    first: u32,
    row: &'a Row,
    keys: u64,
    tiles: &'a mut [Tile],
}

impl<T: Logit> WithSimd for Scan<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let mut z = [f32::NEG_INFINITY; TILE];
        let mut hurdles = [0.0f32; TILE];
        for (index, (source, tile)) in self.source.chunks(TILE).zip(self.tiles).enumerate() {
            T::load(source, &mut z[..source.len()]);
            z[source.len()..].fill(f32::NEG_INFINITY);
            tops(&z, tile);
            if tile.top == NEVER || tile.top >= REFUSED {
                continue;
            }
            let largest = value_of(tile.top);
            let (scale, limit) = (self.row.scale, self.row.limit);
            let is_cold = (scale, limit) == (COLD, COOLEST);
            if self.row.greedy || self.row.filtered() {
                tile.cold = sum(&z, largest, COLD, COOLEST);
                tile.warm = if self.row.warm_total { sum(&z, largest, scale, limit) } else { tile.cold };
            } else {
                let first = self.first + (index * TILE) as u32;
                tile.warm = race(&z, &mut hurdles, first, self.keys, (largest, scale, limit), tile);
                tile.cold = if is_cold { tile.warm } else { sum(&z, largest, COLD, COOLEST) };
            }
        }
    }
}

/// The largest of each group, and of the tile. NaN is the largest.
#[inline(always)]
fn tops(z: &[f32; TILE], tile: &mut Tile) {
    let mut best = [f32::NEG_INFINITY; COLUMNS];
    let mut wrong = [false; COLUMNS];
    for line in z.chunks_exact(COLUMNS) {
        for ((best, wrong), &z) in best.iter_mut().zip(&mut wrong).zip(line) {
            *best = if z > *best { z } else { *best };
            *wrong |= z.is_nan();
        }
    }
    let columns = best.chunks_exact(4).zip(wrong.chunks_exact(4));
    for (group, (best, wrong)) in tile.groups.iter_mut().zip(columns) {
        let best = best.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        *group = if wrong.contains(&true) { u32::MAX } else { key_of(best) };
    }
    tile.top = tile.groups.iter().copied().max().unwrap_or(NEVER);
}

#[inline(always)]
fn sum(z: &[f32; TILE], largest: f32, scale: f32, limit: f32) -> f32 {
    let mut columns = [0.0f32; COLUMNS];
    for line in z.chunks_exact(COLUMNS) {
        for (sum, &z) in columns.iter_mut().zip(line) {
            *sum += power_of(z - largest, scale, limit).0;
        }
    }
    across(&columns)
}

/// The sum of columns, in the order of a SIMD group's exchanges.
#[inline(always)]
fn across(columns: &[f32; COLUMNS]) -> f32 {
    let mut groups = [0.0f32; GROUPS];
    for (group, four) in groups.iter_mut().zip(columns.chunks_exact(4)) {
        *group = (four[0] + four[1]) + (four[2] + four[3]);
    }
    for half in [16, 8, 4, 2, 1] {
        for at in 0..half {
            groups[at] += groups[at + half];
        }
    }
    groups[0]
}

/// Exponential deviate over weight, the least wins. Most tokens lose to a bound that is cheaper than their deviate. Gives the sum of weights.
#[inline(always)]
fn race(
    z: &[f32; TILE],
    hurdles: &mut [f32; TILE],
    first: u32,
    keys: u64,
    (largest, scale, limit): (f32, f32, f32),
    tile: &mut Tile,
) -> f32 {
    let mut columns = [0.0f32; COLUMNS];
    for (line, (hurdles, z)) in hurdles.chunks_exact_mut(COLUMNS).zip(z.chunks_exact(COLUMNS)).enumerate() {
        let first = first.wrapping_add((line * COLUMNS) as u32);
        for (((hurdle, &z), sum), column) in hurdles.iter_mut().zip(z).zip(&mut columns).zip(&NUMBERS) {
            let (weight, inverse) = power_of(z - largest, scale, limit);
            *sum += weight;
            let height = less_than_exponential(bits_of(keys, first.wrapping_add(*column))) * inverse;
            *hurdle = if z > f32::NEG_INFINITY { height } else { f32::INFINITY };
        }
    }
    let mut lowest = [f32::INFINITY; 32];
    for line in hurdles.chunks_exact(32) {
        for (lowest, &hurdle) in lowest.iter_mut().zip(line) {
            *lowest = if hurdle < *lowest { hurdle } else { *lowest };
        }
    }
    let time = |at: usize| {
        let inverse = power_of(z[at] - largest, scale, limit).1;
        exponential_of(bits_of(keys, first + at as u32)) * inverse
    };
    let low = lowest.into_iter().fold(f32::INFINITY, f32::min);
    let mut bound = f32::INFINITY;
    (tile.time, tile.winner) = (f32::INFINITY, u32::MAX);
    // Twice: the token with the lowest hurdle sets the bound that few others pass.
    for pass in [low, f32::INFINITY] {
        for (line, hurdles) in hurdles.chunks_exact(32).enumerate() {
            let limit = if pass < bound { pass } else { bound };
            let mut any = false;
            for &hurdle in hurdles {
                any |= hurdle <= limit;
            }
            if !any {
                continue;
            }
            for (column, &hurdle) in hurdles.iter().enumerate().filter(|&(_, &hurdle)| hurdle < f32::INFINITY)
            {
                let at = 32 * line + column;
                if hurdle <= limit {
                    let time = time(at);
                    let token = first + at as u32;
                    if (time, token) < (tile.time, tile.winner) {
                        (tile.time, tile.winner) = (time, token);
                    }
                    bound = tile.time;
                }
            }
        }
    }
    across(&columns)
}

struct Drawn {
    id: u32,
    logprob: f32,
    top: Vec<(u32, f32)>,
}

fn finish<T: Logit>(logits: &[T], tiles: &[Tile], row: &Row, args: &Sample) -> Drawn {
    let top = tiles.iter().map(|tile| tile.top).max().unwrap_or(NEVER);
    if top == NEVER || top >= REFUSED {
        return Drawn { id: u32::MAX, logprob: f32::NAN, top: vec![(u32::MAX, f32::NAN); args.top_n] };
    }
    let largest = value_of(top);
    let seen = || tiles.iter().filter(|tile| tile.top != NEVER);
    let total = |scale, limit, sum: fn(&Tile) -> f32| -> u64 {
        let weight = |tile: &Tile| power_of(value_of(tile.top) - largest, scale, limit).0;
        seen().map(|tile| units_of(sum(tile) * weight(tile))).sum()
    };
    let cold = total(COLD, COOLEST, |tile| tile.cold);
    let warm = if row.warm_total { total(row.scale, row.limit, |tile| tile.warm) } else { cold };
    let key = |token: u32| {
        let mut one = [0.0];
        T::load(&logits[token as usize..][..1], &mut one);
        key_of(one[0])
    };
    let (mut id, mut mass) = (u32::MAX, warm);
    if row.greedy {
        id = best_first(tiles, logits.len(), 1, &key).0[0].1;
    } else if !row.filtered() {
        let times = seen().map(|tile| {
            let inverse = power_of(value_of(tile.top) - largest, row.scale, row.limit).1;
            (tile.time * inverse, tile.winner)
        });
        id = times.fold((f32::INFINITY, u32::MAX), |a, b| if b < a { b } else { a }).1;
    } else {
        let sigma = deviation(logits, row, largest);
        let mut want = row.want.max(1);
        // Ever more candidates, until they tell; all tokens do.
        loop {
            let (candidates, base) = best_first(tiles, logits.len(), want, &key);
            let mut kept = Kept::all(top, base, cold);
            if kept.filter(&candidates, row, warm, sigma).is_some() {
                (id, mass) = draw(&kept, &candidates, row, largest);
                break;
            }
            if base == 1 {
                break;
            }
            want = want.saturating_mul(16);
        }
    }
    let octaves = (cold as f32 / UNITS).log2();
    let logprob = match args.logprobs {
        _ if id == u32::MAX => f32::NAN,
        Logprobs::Raw => value_of(key(id)) - largest - octaves * std::f32::consts::LN_2,
        Logprobs::Processed if row.greedy => 0.0,
        Logprobs::Processed => {
            let octaves = (value_of(key(id)) - largest) * row.scale - (mass as f32 / UNITS).log2();
            octaves * std::f32::consts::LN_2
        }
    };
    let mut top: Vec<(u32, f32)> = Vec::new();
    if args.top_n > 0 {
        let (candidates, _) = best_first(tiles, logits.len(), args.top_n, &key);
        let logprob = |key| value_of(key) - largest - octaves * std::f32::consts::LN_2;
        top.extend(candidates.iter().take(args.top_n).map(|&(key, token)| (token, logprob(key))));
        top.resize(args.top_n, (u32::MAX, f32::NEG_INFINITY));
    }
    Drawn { id, logprob, top }
}

/// All tokens from some key on, by descending key and ascending token: at least `want` of them, if there are so many, and that key.
fn best_first(tiles: &[Tile], n: usize, want: usize, key: &impl Fn(u32) -> u32) -> (Vec<Candidate>, u32) {
    // The want-th largest of the groups' largest keys is at most that of all keys.
    let mut tops: Vec<u32> = tiles.iter().flat_map(|tile| tile.groups).filter(|&top| top != NEVER).collect();
    let base = match want <= tops.len() {
        true => *tops.select_nth_unstable_by(want - 1, |a, b| b.cmp(a)).1,
        false => 1,
    };
    let mut candidates = Vec::new();
    for (index, tile) in tiles.iter().enumerate().filter(|(_, tile)| tile.top >= base) {
        for (group, _) in tile.groups.iter().enumerate().filter(|&(_, &top)| top >= base) {
            for line in 0..TILE / COLUMNS {
                let first = index * TILE + line * COLUMNS + 4 * group;
                let tokens = (first..n.min(first + 4)).map(|token| (key(token as u32), token as u32));
                candidates.extend(tokens.filter(|&(key, _)| key >= base));
            }
        }
    }
    candidates.sort_unstable_by_key(|&(key, token)| (!key, token));
    (candidates, base)
}

/// The kept token that wins the race, and the mass of the kept.
fn draw(kept: &Kept, candidates: &[Candidate], row: &Row, largest: f32) -> (u32, u64) {
    let keys = row.keys();
    let mut best = (f32::INFINITY, u32::MAX);
    let mut mass = 0;
    for (key, token) in kept.survivors(candidates) {
        let (weight, inverse) = power_of(value_of(key) - largest, row.scale, row.limit);
        mass += units_of(weight);
        let time = exponential_of(bits_of(keys, token)) * inverse;
        if (time, token) < best {
            best = (time, token);
        }
    }
    (best.1, mass)
}

/// The standard deviation of the logits, each at most 255 below the largest, in units of 2^-12; 0 where no filter asks for it.
fn deviation<T: Logit>(logits: &[T], row: &Row, largest: f32) -> f32 {
    if !row.uses_sigma() {
        return 0.0;
    }
    let (mut count, mut sum, mut squares) = (0u64, 0u64, 0u64);
    let mut z = [0.0; TILE];
    for source in logits.chunks(TILE) {
        T::load(source, &mut z[..source.len()]);
        for &z in z[..source.len()].iter().filter(|&&z| z > f32::NEG_INFINITY) {
            let d = largest - z;
            let q = ((if d < 255.0 { d } else { 255.0 }) * 4096.0) as u64;
            count += 1;
            sum += q;
            squares += q * q;
        }
    }
    let mean = sum / count;
    // About the mean rounded down, modulo 2^64, which the result is below.
    let about =
        squares.wrapping_sub((2 * mean).wrapping_mul(sum)).wrapping_add(count.wrapping_mul(mean * mean));
    ((about / count) as f32).sqrt()
}

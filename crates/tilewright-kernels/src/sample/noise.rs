//! The arithmetic that decides a draw, as `noise.header.metal` has it: f32 with each rounding in its place, and integers.

use std::f32::consts::{LN_2, LOG2_E};

/// Tokens whose sums are taken in one order.
pub(super) const TILE: usize = 1024;
/// Sums are taken down so many columns of a tile, then across them.
pub(super) const COLUMNS: usize = 128;
/// A number of each column, where no vector of them crosses a line of the cache: each is read and written for every line of a tile.
#[repr(C, align(64))]
pub(super) struct Columns(pub(super) [f32; COLUMNS]);
/// Groups of a tile: 4 columns each.
pub(super) const GROUPS: usize = 32;
/// Marks the number of a tile where the hash takes that of a token, which is less.
pub(super) const HEAT: u32 = 1 << 31;
/// Weights relative to the likeliest token's are counted in units of 2^-40.
pub(super) const UNITS: f32 = 1_099_511_627_776.0;

/// The scale of weights at temperature 1, and the distance at which they end there.
pub(super) const COLD: f32 = LOG2_E;
pub(super) const COOLEST: f32 = -69.0;

/// The key of minus infinity, which is no candidate.
pub(super) const NEVER: u32 = 0;
/// The least key of a row that is refused: infinity's, which NaN's is above.
pub(super) const REFUSED: u32 = 0xff80_0000;

/// Keys in the order of the values.
#[inline(always)]
pub(super) fn key_of(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    if x.is_nan() {
        u32::MAX
    } else if x == f32::NEG_INFINITY {
        NEVER
    } else {
        bits ^ ((bits as i32 >> 31) as u32 | 1 << 31)
    }
}

/// The value of a key of a finite number.
#[inline(always)]
pub(super) fn value_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & 0x7fff_ffff } else { !key })
}

/// 2^(d * scale) and its inverse, where `limit <= d <= 0`; at the limit below it. Within 2 unit roundoffs of the power of the rounded
/// arguments: even and odd part of a polynomial of degree 6 whose relative error is 1.1e-8.
#[inline(always)]
pub(super) fn power_of(d: f32, scale: f32, limit: f32) -> (f32, f32) {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer, which the low bits then hold
    let d = if d > limit { d } else { limit };
    let shifted = d.mul_add(scale, SHIFT);
    let f = d.mul_add(scale, -(shifted - SHIFT));
    let square = f * f;
    let even = square.mul_add(0.000_154_526_37, 0.009_618_084);
    let even = square.mul_add(square.mul_add(even, 0.240_226_5), 1.0);
    let odd = square.mul_add(square.mul_add(0.001_339_077_6, 0.055_503_573), LN_2);
    let exponent = shifted.to_bits() << 23;
    let weight = f32::from_bits(f.mul_add(odd, even).to_bits().wrapping_add(exponent));
    let inverse = f32::from_bits((-f).mul_add(odd, even).to_bits().wrapping_sub(exponent));
    (weight, inverse)
}

/// The largest key of a tile, and of each of its groups; NaN's is the largest.
#[inline(always)]
pub(super) fn tops(z: &[f32; TILE]) -> (u32, [u32; GROUPS]) {
    let mut best = Columns([f32::NEG_INFINITY; COLUMNS]);
    for line in z.chunks_exact(COLUMNS) {
        for (best, &z) in best.0.iter_mut().zip(line) {
            *best = if z > *best { z } else { *best };
        }
    }
    // A magnitude whose bits are above infinity's is NaN's.
    let mut widest = 0u32;
    for &z in z {
        widest = (z.to_bits() & 0x7fff_ffff).max(widest);
    }
    let mut groups = [NEVER; GROUPS];
    for (group, best) in groups.iter_mut().zip(best.0.chunks_exact(4)) {
        *group = key_of(best.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a }));
    }
    let wrong = widest > f32::INFINITY.to_bits();
    (if wrong { u32::MAX } else { groups.iter().copied().max().unwrap_or(NEVER) }, groups)
}

/// The sum of a tile's weights relative to its `largest`, in the order of the bodies. `meanwhile` is called before each line of columns.
#[inline(always)]
pub(super) fn sum_of(
    z: &[f32; TILE],
    largest: f32,
    scale: f32,
    limit: f32,
    meanwhile: impl Fn(usize),
) -> f32 {
    let mut columns = Columns([0.0; COLUMNS]);
    for (at, line) in z.chunks_exact(COLUMNS).enumerate() {
        meanwhile(at);
        for (sum, &z) in columns.0.iter_mut().zip(line) {
            *sum += power_of(z - largest, scale, limit).0;
        }
    }
    across(&columns.0)
}

/// The sum of columns, in the order of a SIMD group's exchanges.
#[inline(always)]
pub(super) fn across(columns: &[f32; COLUMNS]) -> f32 {
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

/// A weight, or a sum of weights, in units.
#[inline(always)]
pub(super) fn units_of(weight: f32) -> u64 {
    (weight * UNITS) as u64
}

/// `total * fraction / 2^32`, for totals below 2^63.
pub(super) fn part_of(total: u64, fraction: u32) -> u64 {
    (total >> 32) * u64::from(fraction) + (((total & 0xffff_ffff) * u64::from(fraction)) >> 32)
}

/// A distance in steps of 2^-12, of which no more than 255 counts.
#[inline(always)]
pub(super) fn steps_of(d: f32) -> u32 {
    ((if d < 255.0 { d } else { 255.0 }) * 4096.0) as u32
}

fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The two words of a row's hash.
pub(super) fn keys_of(seed: u64, position: u64) -> u64 {
    let seed = mixed(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    mixed(seed ^ position.wrapping_add(0xd1b5_4a32_d192_ed03))
}

/// The random bits of a token: a permutation of the tokens, so that no two of a row are equal.
#[inline(always)]
pub(super) fn bits_of(keys: u64, token: u32) -> u32 {
    let mut x = token ^ keys as u32;
    x ^= x >> 17;
    x = x.wrapping_mul(0xed5a_d4bb);
    x ^= (x >> 11) ^ (keys >> 32) as u32;
    x = x.wrapping_mul(0xac4c_1b51);
    x ^= x >> 15;
    x = x.wrapping_mul(0x3184_8bab);
    x ^ (x >> 14)
}

const GRAIN: f32 = 1.0 / 4_294_967_296.0;

/// A lower bound of [`exponential_of`], by more than its rounding.
#[inline(always)]
pub(super) fn less_than_exponential(bits: u32) -> f32 {
    bits as f32 * GRAIN
}

/// `-log2(1 - u)`, `u = (bits + 1/2) / 2^32`: an exponential deviate, within 3 unit roundoffs.
#[inline(always)]
pub(super) fn exponential_of(bits: u32) -> f32 {
    if bits < 1 << 30 {
        let u = (bits as f32).mul_add(GRAIN, GRAIN / 2.0);
        let p = [0.133_553_07, 0.307_740_84, 0.358_984_92, 0.480_965_44, 0.721_346_7, LOG2_E];
        return u * p.into_iter().fold(0.476_263_07f32, |p, next| u.mul_add(p, next));
    }
    let v = (!bits as f32).mul_add(GRAIN, GRAIN / 2.0);
    // v = m * 2^e with m in [sqrt(1/2), sqrt(2))
    let e = (v.to_bits() as i32 - 0x3f35_04f3) >> 23;
    let r = f32::from_bits((v.to_bits() as i32 - e * 8_388_608) as u32) - 1.0;
    let p = [
        -0.169_063_31,
        0.172_056_87,
        -0.178_908_72,
        0.205_043_5,
        -0.240_467_2,
        0.288_576_2,
        -0.360_674_14,
        0.480_897_9,
        -0.721_347_5,
        LOG2_E,
    ];
    let p = p.into_iter().fold(0.097_033_77f32, |p, next| r.mul_add(p, next));
    (-r).mul_add(p, -(e as f32))
}

/// The last heat of a race, among the first `count` tokens of the tile that begins with token `first`: the one of the least time, the first of those; `u32::MAX`
/// where no time is finite. `time` makes a token's, which it gets by its place in the tile, of its deviate: at least `least` times that.
#[inline(always)]
pub(super) fn heat(keys: u64, first: u32, count: usize, least: f32, time: impl Fn(usize, f32) -> f32) -> u32 {
    /// Tokens that are looked at together.
    const TOGETHER: usize = 32;
    let mut luck = [0; TILE];
    for (at, bits) in luck.iter_mut().enumerate() {
        *bits = bits_of(keys, first + at as u32);
    }
    let mut best = (f32::INFINITY, u32::MAX);
    for (part, luck) in luck[..count].chunks(TOGETHER).enumerate() {
        // Most have lost by their luck alone.
        let soon = |bits: u32, best: f32| less_than_exponential(bits) * least < best;
        if !luck.iter().fold(false, |any, &bits| any | soon(bits, best.0)) {
            continue;
        }
        for (at, &bits) in luck.iter().enumerate().map(|(at, bits)| (part * TOGETHER + at, bits)) {
            if soon(bits, best.0) {
                let time = time(at, exponential_of(bits));
                best = if time < best.0 { (time, first + at as u32) } else { best };
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_and_deviates_are_accurate() {
        let unit = f64::from(f32::EPSILON) / 2.0;
        let mut worst = 0.0f64;
        for step in 0..200_000 {
            let d = -(step as f32) * 0.0003;
            let (weight, inverse) = power_of(d, 1.0, -100.0);
            let truth = f64::from(d).exp2();
            worst = worst.max((f64::from(weight) / truth - 1.0).abs());
            worst = worst.max((f64::from(inverse) * truth - 1.0).abs());
        }
        assert!(worst < 3.0 * unit && worst > 0.5 * unit, "{}", worst / unit);
        let mut worst = 0.0f64;
        for step in 0..500_000u32 {
            for bits in [step, step.wrapping_mul(8599), (1 << 30) - 250_000 + step, u32::MAX - step] {
                let truth = -(1.0 - (f64::from(bits) + 0.5) / 4_294_967_296.0).log2();
                let deviate = exponential_of(bits);
                worst = worst.max((f64::from(deviate) / truth - 1.0).abs());
                assert!(less_than_exponential(bits) < deviate);
            }
        }
        assert!(worst < 4.0 * unit && worst > 0.5 * unit, "{}", worst / unit);
    }

    #[test]
    fn keys_are_ordered_and_give_the_values_back() {
        let values =
            [f32::NEG_INFINITY, f32::MIN, -1.0, -1e-40, 0.0, 1e-40, 1.0, f32::MAX, f32::INFINITY, f32::NAN];
        assert!(values.windows(2).all(|pair| key_of(pair[0]) < key_of(pair[1])));
        assert!(values[1..8].iter().all(|&value| value_of(key_of(value)) == value));
        assert_eq!(key_of(-0.0), key_of(0.0));
        assert_eq!(key_of(f32::INFINITY), REFUSED);
    }

    #[test]
    fn parts_of_totals_are_exact() {
        for (total, fraction) in
            [(1u64 << 60, 1 << 31), (987_654_321_987_654_321, 3_000_000_001), (5, u32::MAX)]
        {
            let truth = (u128::from(total) * u128::from(fraction)) >> 32;
            assert_eq!(u128::from(part_of(total, fraction)), truth);
        }
    }
}

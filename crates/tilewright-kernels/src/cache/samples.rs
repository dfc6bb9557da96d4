//! What the gathers of the family are tried on.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, Result, Tensor, Tier};

/// A table of distinct blocks in any order, of one more than it names, and the lengths: whole, none, and between; all of them whole in a bench.
pub(super) fn sequences(random: &mut ChaCha8Rng, case: &Case) -> Result<[Tensor; 2]> {
    let [b, s, block] = ["b", "s", "block"].map(|name| case.dim(name));
    let entries = s.div_ceil(block);
    let mut numbers: Vec<i32> = (0..(b * entries + 1) as i32).collect();
    numbers.shuffle(random);
    numbers.truncate(b * entries);
    let bench = case.tier == Tier::Bench;
    let lengths: Vec<i32> = (0..b)
        .map(|row| match row {
            0 => s as i32,
            _ if bench => s as i32,
            1 => 0,
            _ => random.random_range(0..=s as i32),
        })
        .collect();
    Ok([Tensor::from_vec(numbers, [b, entries])?, Tensor::from_vec(lengths, [b])?])
}

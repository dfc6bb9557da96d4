//! Native path: rows on all threads.

use rayon::prelude::*;
use tilewright_core::{Error, Result, Tensor};

use super::{Accepted, NAME, Plan, STREAM};
use crate::parallel::Each;
use crate::sample::noise::{bits_of, exponential_of, keys_of, less_than_exponential};

/// Elements below which threads cost more than they give.
const SERIAL: usize = 1 << 15;

pub(super) fn speculative_accept(
    draft: &Tensor,
    draft_probs: &Tensor,
    target_probs: &Tensor,
    [seeds, positions]: [&Tensor; 2],
    plan: &Plan,
) -> Result<Accepted> {
    let &Plan { b, k, v } = plan;
    let (draft, q, p) = (draft.to_vec::<i32>()?, draft_probs.to_host()?, target_probs.to_host()?);
    if let Some(token) = draft.iter().find(|&&token| token >= 0 && token as usize >= v) {
        return Err(Error::range(NAME, "draft", format!("below {v}, the tokens there are"), token));
    }
    let (q, p) = (q.as_slice::<f32>()?, p.as_slice::<f32>()?);
    let (seeds, positions) = (seeds.to_vec::<i64>()?, positions.to_vec::<i64>()?);
    let one = |row: usize| {
        let draft = &draft[row * k..][..k];
        let (q, p) = (&q[row * k * v..][..k * v], &p[row * (k + 1) * v..][..(k + 1) * v]);
        accept(draft, q, p, v, seeds[row] as u64, positions[row] as u64)
    };
    let rows: Vec<(Vec<i32>, i32)> = if b * v <= SERIAL {
        (0..b).map(one).collect()
    } else {
        (0..b).into_par_iter().each_made(&one).collect()
    };
    let accepted = rows.iter().map(|row| row.1).collect();
    Ok(Accepted {
        tokens: Tensor::from_vec::<i32>(rows.into_iter().flat_map(|row| row.0).collect(), [b, k + 1])?,
        accepted: Tensor::from_vec::<i32>(accepted, [b])?,
    })
}

fn accept(draft: &[i32], q: &[f32], p: &[f32], v: usize, seed: u64, position: u64) -> (Vec<i32>, i32) {
    let keys = |i: usize| keys_of(seed ^ STREAM, position.wrapping_add(i as u64));
    let mut tokens = Vec::with_capacity(draft.len() + 1);
    for (i, &token) in draft.iter().enumerate().take_while(|&(_, &token)| token >= 0) {
        let (q, p) = (q[i * v + token as usize], p[i * v + token as usize]);
        // 24 bits, so that it is exact and below 1.
        let u = (bits_of(keys(i), u32::MAX) >> 8) as f32 * (1.0 / 16_777_216.0);
        if !(p >= q || u * q < p) {
            break;
        }
        tokens.push(token);
    }
    let i = tokens.len();
    let target = &p[i * v..][..v];
    let mut drawn = u32::MAX;
    if draft.get(i).is_some_and(|&token| token >= 0) {
        let q = &q[i * v..][..v];
        drawn = race(target.iter().zip(q).map(|(p, q)| p - q), keys(i));
    }
    if drawn == u32::MAX {
        drawn = race(target.iter().copied(), keys(i));
    }
    tokens.push(drawn as i32);
    tokens.resize(draft.len() + 1, -1);
    (tokens, i as i32)
}

/// The token whose deviate over weight is the least; 2^32 - 1 where none has a weight.
fn race(weights: impl Iterator<Item = f32>, keys: u64) -> u32 {
    let mut best = (f32::INFINITY, u32::MAX);
    for (token, weight) in (0..).zip(weights) {
        if !(weight > 0.0 && weight < f32::INFINITY) {
            continue;
        }
        let bits = bits_of(keys, token);
        // Most lose to a bound that is cheaper than their deviate.
        if less_than_exponential(bits) / weight <= best.0 {
            let time = exponential_of(bits) / weight;
            if (time, token) < best {
                best = (time, token);
            }
        }
    }
    best.1
}

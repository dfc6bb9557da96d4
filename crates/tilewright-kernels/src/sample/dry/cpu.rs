//! Native path: rows on all threads; lengths of repetitions by the Z algorithm, in linear time.

use std::collections::HashMap;

use rayon::prelude::*;
use tilewright_core::{Error, Result, Tensor};

use super::NAME;
use crate::parallel::Each;

/// Entries of all histories below which threads cost more than they give.
const SERIAL: usize = 1 << 13;

pub(super) fn dry(logits: &mut Tensor, history: &Tensor, settings: &Tensor, breakers: &Tensor) -> Result<()> {
    let (n, entries, width) = (logits.dims()[1], history.dims()[1], breakers.dims()[1]);
    let (history, settings) = (history.to_vec::<i32>()?, settings.to_vec::<f32>()?);
    let breakers = breakers.to_vec::<i32>()?;
    let breakers: Vec<&[i32]> = breakers.chunks_exact(width).map(filled).filter(|b| !b.is_empty()).collect();
    if let Some(token) = history.iter().find(|&&token| token >= 0 && token as usize >= n) {
        return Err(Error::range(NAME, "history", format!("below {n}, the tokens there are"), token));
    }
    if let Some(bad) = settings.iter().find(|&&setting| !(setting >= 0.0 && setting.is_finite())) {
        return Err(Error::range(NAME, "settings", "finite and at least 0", bad));
    }
    if n * entries == 0 {
        return Ok(());
    }
    let one = |(row, logits): (usize, &mut [f32])| {
        let [multiplier, base, allowed, window] = [0, 1, 2, 3].map(|at| settings[4 * row + at]);
        if multiplier > 0.0 && base >= 1.0 {
            let context = context(&history[row * entries..][..entries], window as usize);
            penalise(logits, context, (multiplier, base, allowed as usize), &breakers);
        }
    };
    let rows = logits.as_slice_mut::<f32>()?;
    if history.len() <= SERIAL {
        rows.chunks_mut(n).enumerate().for_each(one);
    } else {
        rows.par_chunks_mut(n).enumerate().each(&one);
    }
    Ok(())
}

/// A sequence without what fills it up.
fn filled(breaker: &[i32]) -> &[i32] {
    &breaker[..breaker.iter().position(|&token| token < 0).unwrap_or(breaker.len())]
}

/// The tokens that count.
fn context(history: &[i32], window: usize) -> &[i32] {
    let end = history.iter().rposition(|&token| token >= 0).map_or(0, |at| at + 1);
    let start = history[..end].iter().rposition(|&token| token < 0).map_or(0, |at| at + 1);
    let start = if window > 0 { start.max(end.saturating_sub(window)) } else { start };
    &history[start..end]
}

fn penalise(
    logits: &mut [f32],
    context: &[i32],
    (multiplier, base, allowed): (f32, f32, usize),
    breakers: &[&[i32]],
) {
    let count = context.len();
    let back = |i: usize| context[count - 1 - i];
    let tail = |i: usize| {
        let starts = |breaker: &&&[i32]| {
            breaker.len() <= i + 1 && breaker.iter().enumerate().all(|(at, &token)| back(i - at) == token)
        };
        breakers.iter().filter(starts).map(|breaker| breaker.len() - 1).max()
    };
    let limit = (0..count).find_map(|i| tail(i).map(|tail| i - tail)).unwrap_or(count);
    if count <= allowed || limit < allowed {
        return;
    }
    let power = |exponent: usize| {
        let (mut power, mut reached) = (1.0f32, 0);
        while base > 1.0 && reached < exponent && power * base <= f32::MAX {
            power *= base;
            reached += 1;
        }
        power
    };
    let mut longest: HashMap<i32, usize> = HashMap::new();
    for (k, length) in lengths(count, back).into_iter().enumerate().skip(1) {
        let length = length.min(limit);
        if length >= allowed {
            let longest = longest.entry(back(k - 1)).or_default();
            *longest = length.max(*longest);
        }
    }
    for (token, length) in longest {
        if !breakers.iter().any(|breaker| *breaker == [token]) {
            let z = &mut logits[token as usize];
            *z = (-multiplier).mul_add(power(length - allowed), *z);
        }
    }
}

/// For each k how many elements from `at(k)` on are those from `at(0)` on.
fn lengths(count: usize, at: impl Fn(usize) -> i32) -> Vec<usize> {
    let mut lengths = vec![0; count];
    // The stretch that ends furthest and is known to equal the start.
    let (mut left, mut right) = (0, 0);
    for k in 1..count {
        let mut length = if k < right { lengths[k - left].min(right - k) } else { 0 };
        while k + length < count && at(length) == at(k + length) {
            length += 1;
        }
        lengths[k] = length;
        if k + length > right {
            (left, right) = (k, k + length);
        }
    }
    lengths
}

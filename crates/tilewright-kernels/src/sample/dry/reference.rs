//! The truth: every repetition is looked for by itself; powers in f64.

/// Changes a row's logits and gives the longest exponent. `settings`: multiplier, base, allowed length, window.
pub(super) fn row(z: &mut [(f64, f64)], history: &[i32], settings: [f64; 4], breakers: &[Vec<i32>]) -> usize {
    let [multiplier, base, allowed, window] = settings;
    let allowed = allowed as usize;
    if multiplier == 0.0 || base < 1.0 {
        return 0;
    }
    let mut context: Vec<i32> = history.to_vec();
    while context.last().is_some_and(|&token| token < 0) {
        context.pop();
    }
    let mut context: Vec<i32> = context.into_iter().rev().take_while(|&token| token >= 0).collect();
    if window > 0.0 {
        context.truncate(window as usize);
    }
    context.reverse();
    let mut limit = context.len();
    for i in 0..context.len() {
        let place = context.len() - 1 - i;
        let here = breakers.iter().filter(|breaker| context[place..].starts_with(breaker));
        if let Some(longest) = here.map(|breaker| breaker.len()).max() {
            limit = i + 1 - longest;
            break;
        }
    }
    if context.len() <= allowed || limit < allowed {
        return 0;
    }
    let mut most = 0;
    let mut tokens = context.clone();
    tokens.sort_unstable();
    tokens.dedup();
    for token in tokens {
        if breakers.contains(&vec![token]) {
            continue;
        }
        let mut longest = None;
        for place in (1..context.len()).filter(|&place| context[place] == token) {
            let common = |&n: &usize| n <= place && context[..place].ends_with(&context[context.len() - n..]);
            longest = longest.max((0..=limit).filter(common).max());
        }
        if let Some(exponent) = longest.and_then(|longest: usize| longest.checked_sub(allowed)) {
            let finite = |&e: &usize| base.powi(e as i32) <= f64::from(f32::MAX);
            let exponent = (0..=exponent).rev().find(finite).unwrap_or(0);
            let penalty = multiplier * base.powi(exponent as i32);
            let (value, magnitude) = z[token as usize];
            z[token as usize] = (value - penalty, magnitude + penalty);
            most = most.max(exponent);
        }
    }
    most
}

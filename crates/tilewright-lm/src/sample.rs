//! From logits to a token.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Error, Result};

/// A way to choose the next token of one text.
pub trait Sampler {
    /// The token, given a logit for each.
    fn choose(&mut self, logits: &[f32]) -> u32;
}

/// The token with the largest logit, the first of several.
#[derive(Debug, Clone, Copy)]
pub struct Greedy;

impl Sampler for Greedy {
    fn choose(&mut self, logits: &[f32]) -> u32 {
        let mut best = 0;
        for (token, logit) in logits.iter().enumerate() {
            if logit.total_cmp(&logits[best]).is_gt() {
                best = token;
            }
        }
        best as u32
    }
}

/// A draw: logits over the temperature, of which the `top_k` largest stay, and of these the fewest whose probabilities add up to `top_p`.
#[derive(Debug, Clone)]
pub struct Sampling {
    temperature: f64,
    top_k: usize,
    top_p: f64,
    random: ChaCha8Rng,
}

impl Sampling {
    /// `text` tells the texts of a batch apart: each has draws of its own, whatever the others are.
    ///
    /// `top_k` 0 and `top_p` 1 leave nothing out.
    ///
    /// # Errors
    /// A temperature that is not positive and finite (0 would be [`Greedy`]); `top_p` not in (0, 1].
    pub fn new(temperature: f64, top_k: usize, top_p: f64, seed: u64, text: u64) -> Result<Self> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::range("sampling", "temperature", "a finite number > 0", temperature));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(Error::range("sampling", "top_p", "a number > 0 and <= 1", top_p));
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(text);
        Ok(Sampling { temperature, top_k, top_p, random })
    }
}

impl Sampler for Sampling {
    fn choose(&mut self, logits: &[f32]) -> u32 {
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        // Ties go to the lower token, so that what stays does not depend on the sort.
        order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
        if self.top_k > 0 {
            order.truncate(self.top_k);
        }
        let largest = f64::from(logits[order[0] as usize]);
        let weight = |&token: &u32| ((f64::from(logits[token as usize]) - largest) / self.temperature).exp();
        let mut weights: Vec<f64> = order.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        let mut kept = 0.0;
        let enough = weights.iter().position(|weight| {
            kept += weight;
            kept >= self.top_p * total
        });
        weights.truncate(enough.map_or(weights.len(), |last| last + 1));
        let total: f64 = weights.iter().sum();
        let mut left = self.random.random::<f64>() * total;
        for (weight, &token) in weights.iter().zip(&order) {
            left -= weight;
            if left < 0.0 {
                return token;
            }
        }
        order[weights.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sampler: &mut Sampling, logits: &[f32], draws: usize) -> Vec<usize> {
        let mut counts = vec![0; logits.len()];
        (0..draws).for_each(|_| counts[sampler.choose(logits) as usize] += 1);
        counts
    }

    #[test]
    fn greedy_takes_the_first_largest() {
        assert_eq!(Greedy.choose(&[1.0, 3.0, 3.0, 2.0]), 1);
    }

    /// Pearson's statistic over 20,000 draws from five tokens; with 4 degrees of freedom 18.47 is passed once in 1000.
    #[test]
    fn draws_have_the_probabilities_of_the_softmax() {
        let logits = [0.0f32, 1.0, -1.0, 2.0, 0.5];
        let weights: Vec<f64> = logits.iter().map(|&x| (f64::from(x) / 0.8).exp()).collect();
        let (draws, total) = (20_000, weights.iter().sum::<f64>());
        let counts = counts(&mut Sampling::new(0.8, 0, 1.0, 7, 0).unwrap(), &logits, draws);
        let statistic: f64 = counts
            .iter()
            .zip(&weights)
            .map(|(&count, weight)| {
                let expected = draws as f64 * weight / total;
                (count as f64 - expected).powi(2) / expected
            })
            .sum();
        assert!(statistic < 18.47, "{statistic}");
    }

    #[test]
    fn top_k_and_top_p_leave_out_the_rest() {
        let logits = [0.0f32, 1.0, -1.0, 2.0, 0.5];
        let by_k = counts(&mut Sampling::new(5.0, 2, 1.0, 1, 0).unwrap(), &logits, 2000);
        assert!(by_k[3] > 0 && by_k[1] > 0 && by_k[0] + by_k[2] + by_k[4] == 0, "{by_k:?}");
        // Probabilities 0.55, 0.20, 0.12, ..: two are needed for 0.6.
        let by_p = counts(&mut Sampling::new(1.0, 0, 0.6, 1, 0).unwrap(), &logits, 2000);
        assert!(by_p[3] > 0 && by_p[1] > 0 && by_p[0] + by_p[2] + by_p[4] == 0, "{by_p:?}");
    }

    #[test]
    fn draws_follow_seed_and_text_alone() {
        let logits = [0.0f32; 50];
        let draw = |seed, text| {
            let mut sampler = Sampling::new(1.0, 0, 1.0, seed, text).unwrap();
            (0..20).map(|_| sampler.choose(&logits)).collect::<Vec<_>>()
        };
        assert_eq!(draw(3, 1), draw(3, 1));
        assert_ne!(draw(3, 1), draw(3, 2));
        assert_ne!(draw(3, 1), draw(4, 1));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (temperature, top_p, part) in [
            (0.0, 1.0, "temperature is 0"),
            (f64::NAN, 1.0, "temperature is NaN"),
            (1.0, 0.0, "top_p is 0"),
            (1.0, 1.5, "top_p is 1.5"),
        ] {
            let error = Sampling::new(temperature, 0, top_p, 0, 0).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}

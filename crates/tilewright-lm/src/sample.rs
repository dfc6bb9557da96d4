//! From logits to tokens, where the logits lie.

use tilewright_core::{Error, Result, Stream, Tensor};
use tilewright_kernels::sample::{
    self as kernels, Parameters, Sample, Text, TextSampler, TextSampling, draw,
};

/// A text as a sampler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// The tokens that were given.
    pub prompt: &'a [u32],
    /// Those that were chosen so far.
    pub tokens: &'a [u32],
}

/// A way to choose the next token of each text.
pub trait Sampler {
    /// The token of each text, of its row of `logits [b, vocab]`, f32, f16 or bf16 on `stream`'s device; `written` has what was written of each before.
    /// What is not a token says that there is none to choose.
    ///
    /// # Errors
    /// Those of the kernels.
    fn choose(&mut self, stream: &Stream, logits: &Tensor, written: &[Written<'_>]) -> Result<Vec<u32>>;
}

/// The token with the largest logit, the first of several.
#[derive(Debug, Clone, Copy)]
pub struct Greedy;

impl Sampler for Greedy {
    fn choose(&mut self, stream: &Stream, logits: &Tensor, written: &[Written<'_>]) -> Result<Vec<u32>> {
        Sampling::of(kernels::Sampling { temperature: 0.0, ..Default::default() })
            .choose(stream, logits, written)
    }
}

/// A draw by [`draw`], with all that it can filter, ban and penalise by: nothing but the tokens leaves the device.
///
/// What a text gets follows from the seed, its number, and what was written of it before, on every device: neither from the other texts nor from how many there are.
#[derive(Debug, Clone)]
pub struct Sampling {
    how: TextSampling,
    /// The number of the first text.
    first: u64,
    /// Whether logits alone decide.
    plain: bool,
    /// Where they do: for how far each text is ahead of the first one, the parameters of all, in which the first is at position 0.
    made: Option<(Vec<u64>, Parameters)>,
    /// Where they do not: each text's settings.
    samplers: Vec<TextSampler>,
}

impl Sampling {
    /// Logits over the temperature, of which the `top_k` largest stay, and of these the fewest whose probabilities add up to `top_p`.
    ///
    /// Temperature 0 is [`Greedy`]; `top_k` 0 and `top_p` 1 leave nothing out.
    ///
    /// # Errors
    /// A temperature that is negative or not finite; `top_p` not in (0, 1]; a `top_k` of 2^32 or more.
    pub fn new(temperature: f64, top_k: usize, top_p: f64, seed: u64) -> Result<Self> {
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(Error::range("sampling", "temperature", "a finite number >= 0", temperature));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(Error::range("sampling", "top_p", "a number > 0 and <= 1", top_p));
        }
        let (temperature, top_p) = (temperature as f32, top_p as f32);
        let top_k = top_k.try_into().map_err(|_| Error::range("sampling", "top_k", "below 2^32", top_k))?;
        Ok(Self::of(kernels::Sampling { temperature, top_k, top_p, seed, ..Default::default() }))
    }

    /// With any of the kernel's filters. Its position is that of a text's first token.
    pub fn of(how: kernels::Sampling) -> Self {
        let how = TextSampling { sampling: how, ..TextSampling::default() };
        Self { how, first: 0, plain: true, made: None, samplers: Vec::new() }
    }

    /// With penalties, biases and all else that a text can ask for; `logprobs` counts for nothing.
    ///
    /// # Errors
    /// Those of [`TextSampling::check`]. A token that the vocabulary lacks fails the first draw.
    pub fn with(how: TextSampling) -> Result<Self> {
        how.check()?;
        let (how, own) = (TextSampling { logprobs: 0, ..how }, Self::of(how.sampling));
        Ok(Self { plain: how == own.how, how, ..own })
    }

    /// What each text asks for; its seed is that of all.
    pub fn how(&self) -> &TextSampling {
        &self.how
    }

    /// The same for texts of which the first has this number: a text alone gets what it would get as that one of many.
    pub fn from_text(self, first: u64) -> Self {
        Self { first, made: None, samplers: Vec::new(), ..self }
    }

    /// What the text of this place among those of a call asks for, so far ahead.
    fn row(&self, place: u64, ahead: u64) -> kernels::Sampling {
        let how = self.how.sampling;
        kernels::Sampling {
            // The hash of a row mixes its seed first.
            seed: how.seed.wrapping_add(self.first.wrapping_add(place) << 32),
            position: how.position.wrapping_add(ahead),
            ..how
        }
    }
}

impl Sampler for Sampling {
    fn choose(&mut self, stream: &Stream, logits: &Tensor, written: &[Written<'_>]) -> Result<Vec<u32>> {
        if !self.plain {
            let vocabulary = logits.dims().last().copied().unwrap_or(0);
            for place in self.samplers.len()..written.len() {
                let sampling = self.row(place as u64, 0);
                let how = TextSampling { sampling, ..self.how.clone() };
                self.samplers.push(TextSampler::new(how, vocabulary)?);
            }
            let texts = self.samplers.iter().zip(written);
            let texts =
                texts.map(|(sampler, text)| Text { sampler, prompt: text.prompt, output: text.tokens });
            let drawn = draw(stream, logits, &texts.collect::<Vec<_>>())?;
            return Ok(drawn.into_iter().map(|drawn| drawn.id).collect());
        }
        let lengths: Vec<u64> = written.iter().map(|text| text.tokens.len() as u64).collect();
        let step = lengths.first().copied().unwrap_or(0);
        let ahead: Vec<u64> = lengths.iter().map(|length| length.wrapping_sub(step)).collect();
        let parameters = match self.made.take() {
            Some((made_for, parameters)) if made_for == ahead => parameters,
            _ => {
                let rows = (0..).zip(&ahead).map(|(place, &ahead)| self.row(place, ahead));
                Parameters::new(&rows.collect::<Vec<_>>())?.to(stream)?
            }
        };
        let drawn = kernels::sample(stream, logits, &parameters, &Sample { step, ..Sample::default() })?;
        self.made = Some((ahead, parameters));
        drawn.ids.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of texts that have so many tokens.
    fn drawn(sampler: &mut impl Sampler, rows: usize, logits: &[f32], written: &[usize]) -> Vec<u32> {
        let logits = Tensor::from_vec(logits.repeat(rows), [rows, logits.len()]).unwrap();
        let all = vec![0; written.iter().copied().max().unwrap_or(0)];
        let written: Vec<_> = written.iter().map(|&n| Written { prompt: &[], tokens: &all[..n] }).collect();
        sampler.choose(&Stream::cpu(), &logits, &written).unwrap()
    }

    #[test]
    fn greedy_takes_the_first_largest() {
        assert_eq!(drawn(&mut Greedy, 1, &[1.0, 3.0, 3.0, 2.0], &[0]), [1]);
        let mut cold = Sampling::new(0.0, 0, 1.0, 3).unwrap();
        assert_eq!(drawn(&mut cold, 2, &[1.0, 3.0, 3.0, 2.0], &[0, 5]), [1, 1]);
    }

    #[test]
    fn where_there_is_no_token_none_is_given() {
        assert_eq!(drawn(&mut Greedy, 1, &[1.0, f32::NAN, 3.0], &[0]), [u32::MAX]);
    }

    /// Pearson's statistic over 20,000 draws from five tokens; with 4 degrees of freedom 18.47 is passed once in 1000.
    #[test]
    fn draws_have_the_probabilities_of_the_softmax() {
        let logits = [0.0f32, 1.0, -1.0, 2.0, 0.5];
        let weights: Vec<f64> = logits.iter().map(|&x| (f64::from(x) / 0.8).exp()).collect();
        let (texts, total) = (100, weights.iter().sum::<f64>());
        let mut sampler = Sampling::new(0.8, 0, 1.0, 7).unwrap();
        let mut counts = [0u32; 5];
        for written in 0..200 {
            for token in drawn(&mut sampler, texts, &logits, &vec![written; texts]) {
                counts[token as usize] += 1;
            }
        }
        let statistic: f64 = counts
            .iter()
            .zip(&weights)
            .map(|(&count, weight)| {
                let expected = 20_000.0 * weight / total;
                (f64::from(count) - expected).powi(2) / expected
            })
            .sum();
        assert!(statistic < 18.47, "{statistic}");
    }

    #[test]
    fn top_k_and_top_p_leave_out_the_rest() {
        let logits = [0.0f32, 1.0, -1.0, 2.0, 0.5];
        let kept = |mut sampler: Sampling| {
            let mut tokens = drawn(&mut sampler, 500, &logits, &[0; 500]);
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        };
        assert_eq!(kept(Sampling::new(5.0, 2, 1.0, 1).unwrap()), [1, 3]);
        // Probabilities 0.55, 0.20, 0.12, ..: two are needed for 0.6.
        assert_eq!(kept(Sampling::new(1.0, 0, 0.6, 1).unwrap()), [1, 3]);
    }

    #[test]
    fn draws_follow_seed_text_and_place_alone() {
        let logits = [0.0f32; 50];
        let new = |seed| Sampling::new(1.0, 0, 1.0, seed).unwrap();
        let alone = |seed, text, written| drawn(&mut new(seed).from_text(text), 1, &logits, &[written])[0];
        // One text began later than the others, and stays behind.
        let mut together = new(3);
        for step in 4..20 {
            let written = [step, step - 4, step];
            let expected = (0..).zip(written).map(|(text, written)| alone(3, text, written));
            let expected: Vec<u32> = expected.collect();
            assert_eq!(drawn(&mut together, 3, &logits, &written), expected);
        }
        let row = |seed, text| (0..20).map(|written| alone(seed, text, written)).collect::<Vec<_>>();
        assert_ne!(row(3, 1), row(3, 2));
        assert_ne!(row(3, 1), row(4, 1));
    }

    #[test]
    fn penalties_see_what_was_written_of_each_text() {
        let logits = Tensor::from_vec([4.0f32, 3.0, 2.0, 1.0].repeat(3), [3, 4]).unwrap();
        let mut sampler = Sampling::with(TextSampling {
            sampling: kernels::Sampling { temperature: 0.0, ..Default::default() },
            repetition_penalty: kernels::Penalty { value: 8.0, prompt: true, window: 0 },
            ..TextSampling::default()
        })
        .unwrap();
        let written = [(&[][..], &[][..]), (&[0], &[]), (&[1], &[0])];
        let written = written.map(|(prompt, tokens)| Written { prompt, tokens });
        for _ in 0..2 {
            assert_eq!(sampler.choose(&Stream::cpu(), &logits, &written).unwrap(), [0, 1, 2]);
        }
        let wrong = TextSampling { stop_token_ids: vec![4], ..TextSampling::default() };
        let error = Sampling::with(wrong).unwrap().choose(&Stream::cpu(), &logits, &written).unwrap_err();
        assert!(error.to_string().contains("stop_token_ids is 4"), "{error}");
        let mut cold = TextSampling::default();
        cold.presence_penalty.value = f32::NAN;
        let error = Sampling::with(cold).unwrap_err().to_string();
        assert!(error.contains("presence_penalty is NaN"), "{error}");
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (temperature, top_p, part) in [
            (-0.5, 1.0, "temperature is -0.5"),
            (f64::NAN, 1.0, "temperature is NaN"),
            (1.0, 0.0, "top_p is 0"),
            (1.0, 1.5, "top_p is 1.5"),
        ] {
            let error = Sampling::new(temperature, 0, top_p, 0).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}

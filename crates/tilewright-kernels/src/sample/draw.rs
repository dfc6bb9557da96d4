//! One call from logits to tokens: biases, masks, penalties and the draw of many texts, each by its own settings and history.

use tilewright_core::{Element, Error, Kind, Result, Stream, Tensor};

use super::{Parameters, Penalize, Sample, Sampling, dry, penalize, sample};
use crate::reduce::cross_entropy;

const NAME: &str = "draw";

/// A penalty, and the tokens that it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty {
    /// How hard: a factor for repetition, of which 1 is off; a difference for frequency and presence, of which 0 is off.
    pub value: f32,
    /// Whether the prompt's tokens count beside those that were drawn.
    pub prompt: bool,
    /// How many of the last tokens count; 0 is all.
    pub window: usize,
}

/// The penalty on tokens that would go on with a repetition: [`dry()`].
#[derive(Debug, Clone, PartialEq)]
pub struct Dry {
    /// The penalty is `multiplier * base ^ (length of the repetition - allowed_length)`. 0 is off. Default 0.
    pub multiplier: f32,
    /// Default 1.75.
    pub base: f32,
    /// Repetitions that are shorter cost nothing. At most 2^24. Default 2.
    pub allowed_length: u32,
    /// How many of the last tokens are looked at, of prompt and text. Default all.
    pub window: usize,
    /// Sequences of tokens that no repetition reaches across.
    pub breakers: Vec<Vec<u32>>,
}

impl Default for Dry {
    fn default() -> Self {
        Dry { multiplier: 0.0, base: 1.75, allowed_length: 2, window: usize::MAX, breakers: Vec::new() }
    }
}

/// What a text asks of its draws, by vLLM's names where it has them. The default is a draw from the softmax of its logits.
#[derive(Debug, Clone, PartialEq)]
pub struct TextSampling {
    /// Temperature, filters, their order, and the seed; the position is that of the text's first token.
    pub sampling: Sampling,
    /// Divides positive logits, and multiplies negative ones, of tokens that came. Default 1, of prompt and text.
    pub repetition_penalty: Penalty,
    /// Is subtracted for each time that a token came. Default 0, of the text.
    pub frequency_penalty: Penalty,
    /// Is subtracted from the logits of tokens that came. Default 0, of the text.
    pub presence_penalty: Penalty,
    /// After the other penalties, as llama.cpp has it. Default off.
    pub dry: Dry,
    /// Is added to the logits of tokens, before penalties, as vLLM has it. Minus infinity bans one. The last of several for one token counts.
    pub logit_bias: Vec<(u32, f32)>,
    /// The only tokens that may be drawn. Default all.
    pub allowed_token_ids: Option<Vec<u32>>,
    /// Tokens that end the text: none of them is drawn before there are `min_tokens`.
    pub stop_token_ids: Vec<u32>,
    /// Default 0.
    pub min_tokens: usize,
    /// How many of the likeliest tokens to report. Default 0.
    pub logprobs: usize,
}

impl Default for TextSampling {
    fn default() -> Self {
        let off = |value, prompt| Penalty { value, prompt, window: 0 };
        TextSampling {
            sampling: Sampling::default(),
            repetition_penalty: off(1.0, true),
            frequency_penalty: off(0.0, false),
            presence_penalty: off(0.0, false),
            dry: Dry::default(),
            logit_bias: Vec::new(),
            allowed_token_ids: None,
            stop_token_ids: Vec::new(),
            min_tokens: 0,
            logprobs: 0,
        }
    }
}

impl TextSampling {
    /// Fails on what no vocabulary makes right: numbers out of their range, a sequence of `breakers` without tokens, nothing in `allowed_token_ids`; by their names.
    pub fn check(&self) -> Result<()> {
        Parameters::new(&[self.sampling]).map_err(|error| error.within(NAME))?;
        let repetition = self.repetition_penalty.value;
        if !(repetition > 0.0 && repetition.is_finite()) {
            return Err(Error::range(NAME, "repetition_penalty", "a finite number > 0", repetition));
        }
        let penalties =
            [("frequency_penalty", self.frequency_penalty), ("presence_penalty", self.presence_penalty)];
        if let Some((name, penalty)) = penalties.into_iter().find(|(_, penalty)| !penalty.value.is_finite()) {
            return Err(Error::range(NAME, name, "a finite number", penalty.value));
        }
        for (name, value) in [("dry_multiplier", self.dry.multiplier), ("dry_base", self.dry.base)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::range(NAME, name, "a finite number >= 0", value));
            }
        }
        // It goes to the kernel as an f32.
        if self.dry.allowed_length > 1 << 24 {
            return Err(Error::range(NAME, "dry_allowed_length", "at most 2^24", self.dry.allowed_length));
        }
        if self.dry.breakers.iter().any(Vec::is_empty) {
            let expected = "sequences of at least one token";
            return Err(Error::range(NAME, "dry_sequence_breakers", expected, "an empty one"));
        }
        if let Some((_, bias)) =
            self.logit_bias.iter().find(|(_, bias)| bias.is_nan() || *bias == f32::INFINITY)
        {
            return Err(Error::range(NAME, "logit_bias", "numbers below infinity", bias));
        }
        if self.allowed_token_ids.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::range(NAME, "allowed_token_ids", "at least one token", "empty"));
        }
        Ok(())
    }
}

/// [`TextSampling`] that has been checked against a vocabulary, for any number of draws.
#[derive(Debug, Clone, PartialEq)]
pub struct TextSampler {
    how: TextSampling,
    vocabulary: usize,
    /// Bits of the tokens that are allowed.
    mask: Option<Vec<u32>>,
}

impl TextSampler {
    /// Checks what a text asks for.
    ///
    /// # Errors
    /// Those of [`TextSampling::check`]; a token that the vocabulary lacks, more `logprobs` than it has tokens; a vocabulary of no tokens, or of 2^31 or more.
    pub fn new(mut how: TextSampling, vocabulary: usize) -> Result<Self> {
        if vocabulary == 0 || vocabulary > i32::MAX as usize {
            return Err(Error::range(NAME, "vocabulary", "1 to 2^31 - 1", vocabulary));
        }
        how.check()?;
        if how.logprobs > vocabulary {
            let expected = format!("at most {vocabulary}, the tokens there are");
            return Err(Error::range(NAME, "logprobs", expected, how.logprobs));
        }
        let biased: Vec<u32> = how.logit_bias.iter().map(|&(token, _)| token).collect();
        known("logit_bias", &biased, vocabulary)?;
        known("stop_token_ids", &how.stop_token_ids, vocabulary)?;
        known("allowed_token_ids", how.allowed_token_ids.as_deref().unwrap_or_default(), vocabulary)?;
        how.dry.breakers.iter().try_for_each(|tokens| known("dry_sequence_breakers", tokens, vocabulary))?;
        // The last of several comes first, and stays.
        how.logit_bias.reverse();
        how.logit_bias.sort_by_key(|&(token, _)| token);
        how.logit_bias.dedup_by_key(|&mut (token, _)| token);
        let mask = how.allowed_token_ids.as_ref().map(|allowed| {
            let mut bits = vec![0u32; vocabulary.div_ceil(32)];
            allowed.iter().for_each(|&token| bits[token as usize / 32] |= 1 << (token % 32));
            bits
        });
        Ok(TextSampler { how, vocabulary, mask })
    }

    /// What was asked for.
    pub fn how(&self) -> &TextSampling {
        &self.how
    }

    /// Fails on a token that the vocabulary lacks, as [`draw`] does.
    pub fn check_tokens(&self, argument: &'static str, tokens: &[u32]) -> Result<()> {
        known(argument, tokens, self.vocabulary)
    }

    /// Whether a text ends with the last of these tokens, which were drawn for it: one of `stop_token_ids`, after the least number of tokens.
    pub fn ends(&self, output: &[u32]) -> bool {
        let stops = output.last().is_some_and(|last| self.how.stop_token_ids.contains(last));
        stops && output.len() > self.how.min_tokens
    }
}

fn known(argument: &'static str, tokens: &[u32], vocabulary: usize) -> Result<()> {
    match tokens.iter().find(|&&token| token as usize >= vocabulary) {
        Some(token) => Err(Error::range(NAME, argument, format!("tokens below {vocabulary}"), token)),
        None => Ok(()),
    }
}

/// A text that is being written.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// What it asks for.
    pub sampler: &'a TextSampler,
    /// The tokens before those that are drawn.
    pub prompt: &'a [u32],
    /// The tokens that were drawn so far.
    pub output: &'a [u32],
}

impl Text<'_> {
    /// The last tokens that count.
    fn history(&self, prompt: bool, window: usize) -> Vec<i32> {
        let before = if prompt { self.prompt } else { &[] };
        let skip = (before.len() + self.output.len()).saturating_sub(window);
        before.iter().chain(self.output).skip(skip).map(|&token| token as i32).collect()
    }

    fn counted(&self, penalty: Penalty) -> Vec<i32> {
        self.history(penalty.prompt, if penalty.window == 0 { usize::MAX } else { penalty.window })
    }

    /// The biases now: the tokens that end a text have minus infinity for as long as it is too short.
    fn biases(&self) -> Vec<(i32, f32)> {
        let TextSampling { logit_bias, stop_token_ids: stop, min_tokens, .. } = &self.sampler.how;
        let short: &[u32] = if self.output.len() < *min_tokens { stop } else { &[] };
        let mut now: Vec<(i32, f32)> = logit_bias
            .iter()
            .filter(|(token, _)| !short.contains(token))
            .map(|&(token, bias)| (token as i32, bias))
            .collect();
        let mut banned: Vec<i32> = short.iter().map(|&token| token as i32).collect();
        banned.sort_unstable();
        banned.dedup();
        now.extend(banned.into_iter().map(|token| (token, f32::NEG_INFINITY)));
        now
    }
}

/// What a text gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The token.
    pub id: u32,
    /// Its log-probability by the logits as given: before penalties, temperature and filters.
    pub logprob: f32,
    /// The likeliest tokens by the logits as given, and their log-probabilities, as many as the text asks for.
    pub top: Vec<(u32, f32)>,
}

/// Draws the next token of each text from its row of `logits`, `[texts, v]` of f32, f16 or bf16: [`penalize()`] where a text asks for it, biases and masks first, then repetition, then
/// frequency and presence; [`dry()`]; [`sample()`]. Nothing as wide as the vocabulary leaves the device, but for the masks that go there.
///
/// A text's token depends on its logits, settings and history alone: not on the other texts, on how many there are, on the device, or on the number of threads.
///
/// ```
/// use tilewright_core::{Stream, Tensor};
/// use tilewright_kernels::sample::{Penalty, Sampling, Text, TextSampler, TextSampling, draw};
///
/// let how = TextSampling {
///     sampling: Sampling { temperature: 0.0, ..Sampling::default() },
///     repetition_penalty: Penalty { value: 4.0, prompt: true, window: 0 },
///     logit_bias: vec![(0, f32::NEG_INFINITY)],
///     logprobs: 1,
///     ..TextSampling::default()
/// };
/// let sampler = TextSampler::new(how, 4)?;
/// let logits = Tensor::from_vec(vec![9.0f32, 3.0, 2.0, 1.0], [1, 4])?;
/// // 0 is banned; 1 came before, and 3 / 4 is less than 2.
/// let drawn = draw(&Stream::cpu(), &logits, &[Text { sampler: &sampler, prompt: &[1], output: &[] }])?;
/// assert_eq!((drawn[0].id, drawn[0].top[0].0), (2, 0));
/// # Ok::<(), tilewright_core::Error>(())
/// ```
///
/// # Errors
/// Logits of another shape or dtype, or on another device than the stream; a token of a text that the vocabulary lacks; [`Kind::Numerical`] where a row's logits are NaN, infinite, or leave nothing to draw.
pub fn draw(stream: &Stream, logits: &Tensor, texts: &[Text]) -> Result<Vec<Drawn>> {
    let &[rows, v] = logits.dims() else {
        return Err(Error::shape(NAME, "logits", format!("[{}, v]", texts.len()), logits.shape()));
    };
    if rows != texts.len() {
        return Err(Error::shape(NAME, "logits", format!("[{}, v]", texts.len()), logits.shape()));
    }
    for text in texts {
        if text.sampler.vocabulary != v {
            let expected = format!("[{rows}, {}]", text.sampler.vocabulary);
            return Err(Error::shape(NAME, "logits", expected, logits.shape()));
        }
        known("prompt", text.prompt, v)?;
        known("output", text.output, v)?;
    }
    if rows == 0 {
        return Ok(Vec::new());
    }
    let changed = changed(stream, logits, texts)?;
    let sampling: Vec<Sampling> = texts
        .iter()
        .map(|text| {
            let own = text.sampler.how.sampling;
            Sampling { position: own.position.wrapping_add(text.output.len() as u64), ..own }
        })
        .collect();
    let top_n = texts.iter().map(|text| text.sampler.how.logprobs).max().unwrap_or(0);
    let parameters = Parameters::new(&sampling)?.to(stream)?;
    let args = Sample { top_n: if changed.is_none() { top_n } else { 0 }, ..Sample::default() };
    let mut drawn = sample(stream, changed.as_ref().unwrap_or(logits), &parameters, &args)?;
    let ids = drawn.ids.to_vec::<u32>()?;
    if let Some(index) = ids.iter().position(|&id| id == u32::MAX) {
        let what = "logits of a row that are NaN, infinite, or leave nothing to draw".into();
        return Err(Error::new(NAME, Kind::Numerical { what, index }));
    }
    let mut logprobs = drawn.logprobs.to_vec::<f32>()?;
    if changed.is_some() {
        // Those of the model, as vLLM gives them, not of what penalties made of it.
        let target = Tensor::from_vec(ids.iter().map(|&id| i64::from(id)).collect(), [rows])?.to(stream)?;
        logprobs = cross_entropy(stream, logits, &target)?.to_vec::<f32>()?;
        logprobs.iter_mut().for_each(|loss| *loss = -*loss);
        if top_n > 0 {
            drawn = sample(stream, logits, &parameters, &Sample { top_n, ..Sample::default() })?;
        }
    }
    let (top_ids, top_logprobs) = (drawn.top_ids.to_vec::<u32>()?, drawn.top_logprobs.to_vec::<f32>()?);
    let given = |(row, text): (usize, &Text)| {
        let range = row * top_n..row * top_n + text.sampler.how.logprobs;
        let top = top_ids[range.clone()].iter().copied().zip(top_logprobs[range].iter().copied());
        Drawn { id: ids[row], logprob: logprobs[row], top: top.collect() }
    };
    Ok(texts.iter().enumerate().map(given).collect())
}

/// Rows of different lengths as a tensor, filled up.
fn table<T: Element>(stream: &Stream, rows: &[impl AsRef<[T]>], fill: T) -> Result<Tensor> {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0).max(1);
    let mut all = Vec::with_capacity(rows.len() * columns);
    for row in rows.iter().map(AsRef::as_ref) {
        all.extend_from_slice(row);
        all.resize(all.len() + columns - row.len(), fill);
    }
    Tensor::from_vec(all, [rows.len(), columns])?.to(stream)
}

/// The logits as all texts' biases, masks and penalties change them; `None` where no text asks for any.
fn changed(stream: &Stream, logits: &Tensor, texts: &[Text]) -> Result<Option<Tensor>> {
    let n = texts.len();
    let mut now: Option<Tensor> = None;
    let mut pass =
        |penalties: Vec<f32>, history: &[Vec<i32>], biases: &[Vec<(i32, f32)>], mask: Option<Tensor>| {
            let tokens: Vec<Vec<i32>> =
                biases.iter().map(|row| row.iter().map(|pair| pair.0).collect()).collect();
            let values: Vec<Vec<f32>> =
                biases.iter().map(|row| row.iter().map(|pair| pair.1).collect()).collect();
            let out = penalize(
                stream,
                now.as_ref().unwrap_or(logits),
                &Tensor::from_vec(penalties, [n, 3])?.to(stream)?,
                &table(stream, history, -1)?,
                &table(stream, &tokens, -1)?,
                &table(stream, &values, 0.0)?,
                mask.as_ref(),
                &Penalize::default(),
            )?;
            now = Some(out);
            Result::Ok(())
        };
    let (none, nothing) = (vec![Vec::new(); n], vec![Vec::new(); n]);
    let biases: Vec<_> = texts.iter().map(Text::biases).collect();
    let repetition = |text: &Text| text.sampler.how.repetition_penalty;
    let frequency = |text: &Text| text.sampler.how.frequency_penalty;
    let presence = |text: &Text| text.sampler.how.presence_penalty;
    let repeated = texts.iter().any(|text| repetition(text).value != 1.0);
    let counted = texts.iter().any(|text| frequency(text).value != 0.0 || presence(text).value != 0.0);
    let goes_on = texts.iter().any(|text| text.sampler.how.dry.multiplier > 0.0);
    let masked = texts.iter().any(|text| text.sampler.mask.is_some());
    // What goes on with a repetition is changed in place, in what an earlier pass made.
    let first = goes_on && !repeated && !counted;
    if masked || first || biases.iter().any(|biases| !biases.is_empty()) {
        let mask = masked.then(|| {
            let rows = texts.iter().map(|text| text.sampler.mask.as_deref().unwrap_or_default());
            table(stream, &rows.collect::<Vec<_>>(), u32::MAX)
        });
        pass([1.0, 0.0, 0.0].repeat(n), &none, &biases, mask.transpose()?)?;
    }
    if repeated {
        // Only whether a token came counts: each once.
        let seen = |text: &Text| {
            if repetition(text).value == 1.0 {
                return Vec::new();
            }
            let mut tokens = text.counted(repetition(text));
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        };
        let history: Vec<_> = texts.iter().map(seen).collect();
        let penalties = texts.iter().flat_map(|text| [repetition(text).value, 0.0, 0.0]);
        pass(penalties.collect(), &history, &nothing, None)?;
    }
    let same = |text: &Text| {
        let (one, other) = (frequency(text), presence(text));
        (one.prompt, one.window) == (other.prompt, other.window) || one.value == 0.0 || other.value == 0.0
    };
    if counted {
        if texts.iter().all(same) {
            let of = |text: &Text| match (frequency(text).value != 0.0, presence(text).value != 0.0) {
                (true, _) => text.counted(frequency(text)),
                (false, true) => text.counted(presence(text)),
                (false, false) => Vec::new(),
            };
            let history: Vec<_> = texts.iter().map(of).collect();
            let penalties = texts.iter().flat_map(|text| [1.0, frequency(text).value, presence(text).value]);
            pass(penalties.collect(), &history, &nothing, None)?;
        } else {
            let history: Vec<_> = texts.iter().map(|text| text.counted(frequency(text))).collect();
            let penalties = texts.iter().flat_map(|text| [1.0, frequency(text).value, 0.0]);
            pass(penalties.collect(), &history, &nothing, None)?;
            let history: Vec<_> = texts.iter().map(|text| text.counted(presence(text))).collect();
            let penalties = texts.iter().flat_map(|text| [1.0, 0.0, presence(text).value]);
            pass(penalties.collect(), &history, &nothing, None)?;
        }
    }
    if let Some(out) = now.as_mut().filter(|_| goes_on) {
        repetitions(stream, out, texts)?;
    }
    Ok(now)
}

/// Penalises what would go on with a repetition, after all else. A call for each set of breakers, which its texts share.
fn repetitions(stream: &Stream, logits: &mut Tensor, texts: &[Text]) -> Result<()> {
    let mut done: Vec<&[Vec<u32>]> = Vec::new();
    for text in texts {
        let own = &text.sampler.how.dry;
        if own.multiplier == 0.0 || done.contains(&&own.breakers[..]) {
            continue;
        }
        done.push(&own.breakers);
        let among = |text: &Text| {
            let other = &text.sampler.how.dry;
            other.multiplier > 0.0 && other.breakers == own.breakers
        };
        let history = texts.iter().map(|text| {
            if among(text) { text.history(true, text.sampler.how.dry.window) } else { Vec::new() }
        });
        let settings = texts.iter().flat_map(|text| {
            let dry = &text.sampler.how.dry;
            [if among(text) { dry.multiplier } else { 0.0 }, dry.base, dry.allowed_length as f32, 0.0]
        });
        let settings = Tensor::from_vec(settings.collect(), [texts.len(), 4])?.to(stream)?;
        let history = table(stream, &history.collect::<Vec<_>>(), -1)?;
        let breakers: Vec<Vec<i32>> =
            own.breakers.iter().map(|tokens| tokens.iter().map(|&token| token as i32).collect()).collect();
        dry(stream, logits, &history, &settings, &table(stream, &breakers, -1)?)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;

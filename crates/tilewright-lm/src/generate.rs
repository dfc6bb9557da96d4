//! Generation: prompts are read in chunks, then each text is written on token by token. The state stays on the device.

use tilewright_core::{DType, Error, Kind, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{CopyTo, copy};

use crate::{Config, Decoder, Model, Next, Sampler, State, Written};

const NAME: &str = "generate";

/// How texts are written on.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// New tokens for each text at most. Default 256.
    pub tokens: usize,
    /// Tokens of a prompt that are read at a time at most: it bounds the memory. Default 4096.
    pub prefill: usize,
}

impl Default for Generation {
    fn default() -> Self {
        Generation { tokens: 256, prefill: 4096 }
    }
}

/// Writes each prompt on, and gives what was written.
///
/// `sampler` chooses the tokens, on the model's device; `stream(text, token)` sees each at once, and ends its text by `false`. A token that the config
/// says ends a text ends it, and is kept.
///
/// Prompts may have different lengths: all are read together as far as the shortest goes, in chunks, then step by step, each text taking its
/// own prompt's next token as long as there is one. What a text becomes does not depend on the others but by rounding.
///
/// # Errors
/// No prompt, or one without tokens; a token that the vocabulary lacks; logits of which none can be chosen, as those with NaN; those of the sampler.
pub fn generate(
    model: &Model,
    prompts: &[Vec<u32>],
    options: &Generation,
    sampler: &mut dyn Sampler,
    stream: impl FnMut(usize, u32) -> bool,
) -> Result<Vec<Vec<u32>>> {
    let (mut state, mut decoder): (Option<State>, Option<Decoder<'_>>) = (None, None);
    let shortest = prompts.iter().map(Vec::len).min().unwrap_or(0);
    let mut read = 0;
    let next = |rows: &[&[u32]]| {
        // The prompts in pieces; then single tokens, by steps that are recorded once and replayed.
        if read < shortest {
            let (logits, after) = model.next(&model.tokens(rows)?, state.as_ref())?;
            (state, read) = (Some(after), read + rows[0].len());
            return Ok(logits);
        }
        let tokens: Vec<u32> = rows.iter().map(|row| row[0]).collect();
        if let Some(state) = state.take() {
            decoder = Some(Decoder::new(model, state, &tokens, Next::Given)?);
        }
        Ok(decoder.as_mut().expect("made in the first round").step(&tokens)?.clone())
    };
    generate_by(model.config(), prompts, options, (model.stream(), sampler), stream, next)
}

/// The same with a model that is anywhere: `next` takes the next tokens of each text, as many of each, and gives the logits after them,
/// `[b, vocab]`, on the device of the stream that the sampler chooses on. It is called with what follows, and keeps the state itself.
///
/// # Errors
/// As [`generate`]; those of `next`; logits of another shape.
pub fn generate_by(
    config: &Config,
    prompts: &[Vec<u32>],
    options: &Generation,
    (device, sampler): (&Stream, &mut dyn Sampler),
    mut stream: impl FnMut(usize, u32) -> bool,
    mut next: impl FnMut(&[&[u32]]) -> Result<Tensor>,
) -> Result<Vec<Vec<u32>>> {
    let Some(shortest) = prompts.iter().map(Vec::len).min().filter(|&shortest| shortest > 0) else {
        return Err(Error::range(NAME, "prompts", "at least one, each of at least 1 token", "fewer"));
    };
    if options.prefill == 0 {
        return Err(Error::range(NAME, "prefill", "at least 1", 0));
    }
    let mut written = vec![Vec::new(); prompts.len()];
    let mut open = vec![options.tokens > 0; prompts.len()];
    if options.tokens == 0 {
        return Ok(written);
    }
    let vocabulary = config.vocab_size;
    let (mut read, mut logits) = (0, None);
    while read < shortest {
        let end = shortest.min(read + options.prefill);
        let rows: Vec<&[u32]> = prompts.iter().map(|prompt| &prompt[read..end]).collect();
        (logits, read) = (Some(next(&rows)?), end);
    }
    loop {
        let logits_of_all = logits.take().expect("a prompt has tokens");
        if logits_of_all.dims() != [prompts.len(), vocabulary] {
            let expected = format!("[{}, {vocabulary}]", prompts.len());
            return Err(Error::shape(NAME, "logits", expected, logits_of_all.shape()));
        }
        // None of a text whose prompt is still read counts.
        let before = prompts.iter().zip(&written).map(|(prompt, tokens)| Written { prompt, tokens });
        let before: Vec<Written<'_>> = before.collect();
        let logits_of_all = match logits_of_all.dtype() {
            DType::F64 => copy(device, &logits_of_all, &CopyTo { dtype: Some(DType::F32) })?,
            _ => logits_of_all,
        };
        let chosen = sampler.choose(device, &logits_of_all, &before)?;
        let mut tokens = Vec::with_capacity(prompts.len());
        for (text, token) in chosen.into_iter().enumerate() {
            if let Some(&token) = prompts[text].get(read) {
                tokens.push([token]);
                continue;
            }
            if !open[text] {
                // Its row is computed with the others, and counts for nothing.
                tokens.push([0]);
                continue;
            }
            if token as usize >= vocabulary {
                let what = "logits of a text with NaN or infinity, or none to choose".into();
                return Err(Error::new(NAME, Kind::Numerical { what, index: text }));
            }
            written[text].push(token);
            open[text] = stream(text, token) && !config.ends(token) && written[text].len() < options.tokens;
            tokens.push([token]);
        }
        if !open.contains(&true) {
            return Ok(written);
        }
        let rows: Vec<&[u32]> = tokens.iter().map(|token| &token[..]).collect();
        (logits, read) = (Some(next(&rows)?), read + 1);
    }
}

/// Reads texts of one length, at most `piece` tokens at a time: the logits after the last token, `[b, vocab]`, and the state.
///
/// # Errors
/// Texts of different lengths or none; `piece` 0; a token that the vocabulary lacks.
pub fn read(model: &Model, texts: &[&[u32]], piece: usize) -> Result<(Tensor, State)> {
    let length = texts.first().map_or(0, |text| text.len());
    if length == 0 || piece == 0 || texts.iter().any(|text| text.len() != length) {
        return Err(Error::range(
            NAME,
            "texts",
            "of one length, at least 1, in pieces of at least 1",
            "others",
        ));
    }
    let piece_of = |from: usize| {
        let rows: Vec<&[u32]> = texts.iter().map(|text| &text[from..length.min(from + piece)]).collect();
        model.tokens(&rows)
    };
    let (mut logits, mut state) = model.next(&piece_of(0)?, None)?;
    for from in (piece..length).step_by(piece) {
        (logits, state) = model.next(&piece_of(from)?, Some(&state))?;
    }
    Ok((logits, state))
}

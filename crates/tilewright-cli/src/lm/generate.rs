//! `tilewright lm generate`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tilewright_core::{DType, Device, Error, Kind};
use tilewright_lm::{Config, Generation, Model, Sampling, Tokenizer, bytes, generate as written};
use tilewright_wire::service::Nodes;

use super::Where;
use crate::Console;
use crate::serve::Reach;
use crate::stop::Stop;

/// Let a model write on.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder with config.json and the weights.
    #[arg(long, required_unless_present = "nodes")]
    model: Option<PathBuf>,
    /// Where to run, such as cpu or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// What to compute in: f32, bf16, f16, f64 [default: the files' own].
    #[arg(long)]
    dtype: Option<DType>,
    /// Nodes that hold the model together (see `tilewright serve`), instead of a model here.
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',', conflicts_with_all = ["model", "dtype"])]
    nodes: Vec<String>,
    #[command(flatten)]
    reach: Reach,
    /// What reads and writes texts [default: tokenizer.json in the model's folder; bytes, where the model is of bytes].
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// What it writes on, by the tokenizer, or byte by byte. May be given several times: the texts are written side by side.
    #[arg(long, conflicts_with = "prompt_ids", required_unless_present = "prompt_ids")]
    prompt: Vec<String>,
    /// The same as numbers of tokens, such as 5,17,3, for a model of any vocabulary.
    #[arg(long, value_name = "ID,ID,..")]
    prompt_ids: Vec<String>,
    /// New tokens at most.
    #[arg(long, default_value_t = 256)]
    tokens: usize,
    /// Logits are divided by it; 0 takes the likeliest token each time.
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Only so many of the likeliest tokens are drawn from; 0 leaves none out.
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Only the fewest tokens of this much probability are drawn from.
    #[arg(long, default_value_t = 1.0)]
    top_p: f64,
    /// Only tokens with at least this part of the likeliest one's probability are drawn.
    #[arg(long, default_value_t = 0.0)]
    min_p: f32,
    /// Divides positive logits, and multiplies negative ones, of tokens that came, in prompt and text; 1 is off.
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Subtracted for each time that a token was written.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    frequency_penalty: f32,
    /// Subtracted where a token was written.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    presence_penalty: f32,
    /// Of the penalty (DRY) on what would go on with a repetition of at least 2 tokens, 1.75 times it for each more; 0 is off.
    #[arg(long, default_value_t = 0.0)]
    dry_multiplier: f32,
    /// The same seed draws the same text.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Options {
    fn sampler(&self) -> Result<Sampling, Error> {
        let sampling = Sampling::new(self.temperature, self.top_k, self.top_p, self.seed)?;
        let mut how = sampling.how().clone();
        how.sampling.min_p = self.min_p;
        how.repetition_penalty.value = self.repetition_penalty;
        how.frequency_penalty.value = self.frequency_penalty;
        how.presence_penalty.value = self.presence_penalty;
        how.dry.multiplier = self.dry_multiplier;
        Sampling::with(how)
    }
}

#[derive(Serialize)]
struct Document {
    device: String,
    dtype: &'static str,
    texts: Vec<Text>,
    seconds: f64,
    tokens_per_second: f64,
}

#[derive(Serialize)]
struct Text {
    tokens: Vec<u32>,
    /// Of a model with a tokenizer, or of bytes.
    text: Option<String>,
}

/// What writes.
enum Source {
    Here(Box<Model>),
    Nodes(Box<Nodes>),
}

pub(crate) fn generate(options: &Options, console: &mut Console) -> Result<(), Stop> {
    // Before a large model is read: a wrong argument must not cost minutes.
    let mut sampler = options.sampler()?;
    let ids = options.prompt_ids.iter().map(|ids| ids_of(ids)).collect::<Result<Vec<_>, _>>()?;
    let source = match &options.model {
        Some(model) => {
            let place = Where { model: model.clone(), device: options.device, dtype: options.dtype };
            Source::Here(Box::new(place.load()?.1))
        }
        None => {
            Source::Nodes(Box::new(Nodes::connect(&options.nodes, &options.reach.dial()?).map_err(lost)?))
        }
    };
    let (config, device, dtype) = match &source {
        Source::Here(model) => (model.config(), model.stream().device().to_string(), model.dtype().name()),
        Source::Nodes(nodes) => (nodes.config(), options.nodes.join(", "), nodes.dtype().name()),
    };
    let tokenizer = match tokenizer(options, config) {
        // Numbers alone need none, but one that was given.
        Err(_) if !ids.is_empty() && options.tokenizer.is_none() => None,
        found => Some(found?),
    };
    let prompts = match &tokenizer {
        Some(tokenizer) if ids.is_empty() => {
            options.prompt.iter().map(|prompt| tokenizer.encode(prompt)).collect::<Result<_, _>>()?
        }
        _ => ids,
    };
    let alone = prompts.len() == 1 && !console.json;
    if let (true, Some(tokenizer)) = (alone, &tokenizer) {
        match options.prompt.first() {
            Some(prompt) => write!(console.out, "{prompt}")?,
            None => write!(console.out, "{}", tokenizer.decode(&prompts[0])?)?,
        }
    }
    let start = Instant::now();
    let mut unwritten: Option<Stop> = None;
    let mut streamed = tokenizer.as_ref().map(Tokenizer::streamed);
    let limits = Generation { tokens: options.tokens, ..Generation::default() };
    let show = |_: usize, token: u32| {
        if !alone {
            return true;
        }
        let piece = match &mut streamed {
            Some(streamed) => streamed.push(token).map_err(Stop::from),
            None => Ok(format!("{token} ")),
        };
        let shown = piece.and_then(|piece| {
            write!(console.out, "{piece}")?;
            Ok(console.out.flush()?)
        });
        unwritten = shown.err();
        unwritten.is_none()
    };
    let texts = match &source {
        Source::Here(model) => written(model, &prompts, &limits, &mut sampler, show)?,
        Source::Nodes(nodes) => nodes.generate(&prompts, &limits, &mut sampler, show).map_err(lost)?,
    };
    if let Some(why) = unwritten {
        return Err(why);
    }
    if let (true, Some(streamed)) = (alone, streamed) {
        write!(console.out, "{}", streamed.finish()?)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let count: usize = texts.iter().map(Vec::len).sum();
    let text = |tokens: Vec<u32>| {
        let text = tokenizer.as_ref().map(|tokenizer| tokenizer.decode(&tokens)).transpose()?;
        Ok::<_, Stop>(Text { tokens, text })
    };
    let document = Document {
        device,
        dtype,
        texts: texts.into_iter().map(text).collect::<Result<_, _>>()?,
        seconds,
        tokens_per_second: count as f64 / seconds,
    };
    if console.json {
        return console.json(&document);
    }
    if alone {
        writeln!(console.out)?;
    } else {
        for (place, Text { tokens, text }) in document.texts.iter().enumerate() {
            let shown = text.clone().unwrap_or_else(|| format!("{tokens:?}"));
            writeln!(console.out, "{}. {shown}\n", place + 1)?;
        }
    }
    eprintln!(
        "{count} tokens in {seconds:.2} s on {}: {:.1} tokens/s",
        document.device, document.tokens_per_second
    );
    Ok(())
}

/// The tokenizer that was given, or that of the model's folder; of a model that nodes hold, by its bytes.
fn tokenizer(options: &Options, config: &Config) -> Result<Tokenizer, Stop> {
    let found = match (&options.tokenizer, &options.model) {
        (Some(path), _) => return Ok(Tokenizer::read(path)?),
        (None, Some(folder)) => Tokenizer::beside(folder, config),
        (None, None) if config.vocab_size == bytes::VOCABULARY => Ok(Tokenizer::Bytes),
        (None, None) => {
            let why =
                format!("{} tokens are not bytes (256), and there is no --tokenizer", config.vocab_size);
            return Err(Stop::Usage(format!("--prompt: {why}; or give --prompt-ids")));
        }
    };
    found.map_err(|why| {
        Stop::Usage(format!("--prompt: {why}; give --prompt-ids, or a model with its tokenizer"))
    })
}

/// A node that cannot be reached, or is lost, is no fault of the request.
fn lost(why: Error) -> Stop {
    match why.kind() {
        Kind::File { .. } => Stop::Failed(why.to_string()),
        _ => why.into(),
    }
}

fn ids_of(text: &str) -> Result<Vec<u32>, Stop> {
    let ids = text.split(',').map(|id| id.trim().parse::<u32>()).collect::<Result<Vec<_>, _>>();
    ids.map_err(|why| {
        Stop::Usage(format!("--prompt-ids {text:?}: {why}; expected numbers with commas between"))
    })
}

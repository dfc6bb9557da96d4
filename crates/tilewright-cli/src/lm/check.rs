//! `tilewright lm check`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tilewright_core::{DType, Device, Stream, read_safetensors};
use tilewright_lm::{Generation, Greedy, Model, generate};

use crate::stop::Stop;
use crate::{Console, select};

/// Judge what a device makes of a model by the CPU in f64: logits of two prompts, and the likeliest text after each.
///
/// Where the folder has an expected.safetensors (prompts, logits, greedy), as that of the fixture from Hugging Face's transformers, its numbers judge too.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder with config.json and the weights.
    #[arg(long)]
    model: PathBuf,
    /// What is judged, such as cuda:0 or emulated.
    #[arg(long)]
    device: Device,
    /// What it computes in: f32, bf16, f16.
    #[arg(long, default_value = "f32")]
    dtype: DType,
    /// Tokens of a prompt, where the folder has none.
    #[arg(long, default_value_t = 70)]
    prompt: usize,
    /// Tokens that each text is written on by, where the folder has none.
    #[arg(long, default_value_t = 12)]
    tokens: usize,
}

/// Roundings that a block's output passes through, each relative to the stream that it is added to.
const ROUNDINGS: f64 = 48.0;

#[derive(Serialize)]
struct Document {
    device: String,
    dtype: &'static str,
    tokens: usize,
    /// The norm of what is wrong by that of what is right, beside the CPU and beside the folder's own.
    logits: f64,
    expected: Option<f64>,
    limit: f64,
    /// Whether the texts are the CPU's. Not asked of 16 bits, where near tokens change places.
    texts: Option<bool>,
}

pub(crate) fn check(options: &Options, console: &mut Console) -> Result<(), Stop> {
    let stream = select::stream(options.device)?;
    let judge = Model::load(&options.model, &Stream::cpu(), Some(DType::F64))?;
    let judged = Model::load(&options.model, &stream, Some(options.dtype))?;
    let beside = options.model.join("expected.safetensors");
    let expected = beside.exists().then(|| read_safetensors(&beside)).transpose()?;
    let rows = |name: &str| -> Result<Option<Vec<Vec<u32>>>, Stop> {
        let Some(tensor) = expected.as_ref().and_then(|all| all.get(name)) else { return Ok(None) };
        let width = tensor.dims().last().copied().unwrap_or(1).max(1);
        let all = tensor.to_vec::<i64>()?;
        Ok(Some(all.chunks(width).map(|row| row.iter().map(|&token| token as u32).collect()).collect()))
    };
    let vocabulary = judge.config().vocab_size;
    let made = |row: usize| {
        (0..options.prompt.max(1)).map(move |t| ((t * t + 7 * t * row + row) % vocabulary) as u32)
    };
    let prompts = rows("prompts")?.unwrap_or_else(|| (1..3).map(|row| made(row).collect()).collect());

    let logits = |model: &Model| -> Result<Vec<f64>, Stop> {
        Ok(model.logits(&model.tokens(&prompts)?, None)?.0.to_f64_vec()?)
    };
    let (found, right) = (logits(&judged)?, logits(&judge)?);
    let written = |model: &Model, tokens: usize| {
        let options = Generation { tokens, ..Generation::default() };
        generate(model, &prompts, &options, &mut Greedy, |_, _| true)
    };
    let greedy = rows("greedy")?;
    let tokens = greedy.as_ref().map_or(options.tokens, |rows| rows.first().map_or(0, Vec::len));
    let exact = matches!(options.dtype, DType::F32 | DType::F64);
    let texts = match exact {
        true => {
            let found = written(&judged, tokens)?;
            Some(found == written(&judge, tokens)? && greedy.is_none_or(|greedy| greedy == found))
        }
        false => None,
    };
    let beside = expected.as_ref().and_then(|all| all.get("logits"));
    let document = Document {
        device: stream.device().to_string(),
        dtype: options.dtype.name(),
        tokens: prompts.iter().map(Vec::len).sum(),
        logits: distance(&found, &right),
        expected: beside.map(|theirs| Ok::<_, Stop>(distance(&found, &theirs.to_f64_vec()?))).transpose()?,
        limit: ROUNDINGS
            * judge.config().num_hidden_layers as f64
            * options.dtype.unit_roundoff().max(DType::F32.unit_roundoff()),
        texts,
    };
    // A NaN is not within any limit.
    let within = |error: f64| error <= document.limit;
    let right =
        within(document.logits) && document.expected.is_none_or(within) && document.texts != Some(false);
    if console.json {
        console.json(&document)?;
    } else {
        let Document { device, dtype, tokens, logits, expected, limit, texts } = &document;
        let expected =
            expected.map_or(String::new(), |error| format!(", {error:.1e} from those beside the model"));
        let texts =
            texts.map_or("", |same| if same { "; the texts are the same" } else { "; the texts differ" });
        writeln!(
            console.out,
            "{tokens} tokens on {device} in {dtype}: logits {logits:.1e} from the CPU's in f64{expected}, limit {limit:.1e}{texts}"
        )?;
    }
    if right { Ok(()) } else { Err(Stop::Failed(format!("the model is another on {}", document.device))) }
}

/// The norm of the difference by that of `right`.
fn distance(found: &[f64], right: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    if found.len() != right.len() {
        return f64::INFINITY;
    }
    norm(&mut found.iter().zip(right).map(|(a, b)| a - b)) / norm(&mut right.iter().copied())
}

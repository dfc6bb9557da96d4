//! `tilewright lm bench`.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tilewright_check::{Summary, Timing, write_record};
use tilewright_core::{DType, Device};
use tilewright_lm::{Config, Decoder, Model, Next, State, read};

use crate::stop::Stop;
use crate::{Console, records, select, table};

/// Measure how fast a model of some shape reads and writes.
///
/// Its matrices repeat one small random block, which the device itself writes, so that billions of weights take no time to make; they are read like any others. Prompts are
/// read in pieces; then every text is written on with the likeliest tokens, chosen on the device, each step a replay of a capture.
#[derive(Args)]
pub(crate) struct Options {
    /// A shape by name.
    #[arg(long, value_enum, required_unless_present = "config")]
    shape: Option<Shape>,
    /// Or that of a config.json.
    #[arg(long, conflicts_with = "shape")]
    config: Option<PathBuf>,
    /// Where to run, such as cpu or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// What to compute in: bf16, f16, f32, f64.
    #[arg(long, default_value = "bf16")]
    dtype: DType,
    /// Texts side by side.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Tokens of a prompt; may be given several times, for a row each.
    #[arg(long, default_value = "2048")]
    prompt: Vec<usize>,
    /// Tokens of a prompt that are read at a time at most.
    #[arg(long, default_value_t = 4096)]
    prefill: usize,
    /// Tokens that each text is written on by.
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// Times that each is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Add the results to the records, in FOLDER/<host>/<date>_<commit>.csv.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true, default_missing_value = "bench/record")]
    record: Option<PathBuf>,
    /// The machine's name in the records [default: made of its processor].
    #[arg(long)]
    host: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// xLSTM-7B: 32 blocks, 4096 wide, 8 heads, 50304 tokens.
    #[value(name = "7b")]
    SevenB,
    /// 12 blocks, 1024 wide, 4 heads, 50304 tokens.
    Small,
}

impl Shape {
    fn config(self) -> Config {
        match self {
            Shape::SevenB => Config::default(),
            Shape::Small => {
                Config { hidden_size: 1024, num_hidden_layers: 12, num_heads: 4, ..Config::default() }
            }
        }
    }
}

#[derive(Serialize)]
struct Document {
    device: String,
    dtype: &'static str,
    parameters: usize,
    weight_bytes: usize,
    /// Until the weights lay on the device.
    weights_seconds: f64,
    batch: usize,
    tokens: usize,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    prompt: usize,
    prefill_seconds: f64,
    prefill_tokens_per_second: f64,
    /// Of one step of all texts.
    step_milliseconds: f64,
    decode_tokens_per_second: f64,
    /// Bytes of weights over the time of a step: what a step reads at least, once.
    weight_gigabytes_per_second: f64,
    /// Of all texts, after the last token.
    state_bytes: usize,
    captured: bool,
}

pub(crate) fn bench(options: &Options, console: &mut Console) -> Result<(), Stop> {
    let sizes = [options.batch, options.prefill, options.tokens, options.repeats];
    if sizes.contains(&0) || options.prompt.contains(&0) {
        return Err(Stop::Usage(
            "--batch, --prompt, --prefill, --tokens and --repeats: at least 1 each".into(),
        ));
    }
    let config = match (&options.config, options.shape) {
        (Some(path), _) => Config::read(path)?,
        (None, shape) => shape.unwrap_or(Shape::SevenB).config(),
    };
    let stream = select::stream(options.device)?;
    let start = Instant::now();
    let model = Model::for_speed(config, &stream, options.dtype, 1)?;
    stream.synchronize()?;
    let weights_seconds = start.elapsed().as_secs_f64();
    let weight_bytes: usize = model.weights().all().iter().map(|(_, tensor)| tensor.bytes()).sum();
    // The table of embeddings is not read, but for a row a text.
    let read_bytes = weight_bytes - model.weights().embeddings.bytes();
    let mut rows = Vec::with_capacity(options.prompt.len());
    for &prompt in &options.prompt {
        let measured = measured(options, &model, prompt, read_bytes)?;
        if let Some(folder) = &options.record {
            let recorded = recorded(options, &model, &measured)?;
            eprintln!("recorded in {}", write_record(folder, &recorded)?.display());
        }
        rows.push(measured.row);
    }
    let document = Document {
        device: options.device.to_string(),
        dtype: model.dtype().name(),
        parameters: model.parameters(),
        weight_bytes,
        weights_seconds,
        batch: options.batch,
        tokens: options.tokens,
        rows,
    };
    if console.json {
        return console.json(&document);
    }
    let cells = |row: &Row| {
        [
            row.prompt.to_string(),
            format!("{:.3} s", row.prefill_seconds),
            format!("{:.0}", row.prefill_tokens_per_second),
            format!("{:.3} ms", row.step_milliseconds),
            format!("{:.1}", row.decode_tokens_per_second),
            format!("{:.0} GB/s", row.weight_gigabytes_per_second),
            row.state_bytes.to_string(),
            if row.captured { "replayed" } else { "as it is" }.to_owned(),
        ]
    };
    let cells: Vec<[String; 8]> = document.rows.iter().map(cells).collect();
    let head =
        ["prompt", "prefill", "tokens/s", "step", "tokens/s", "weights read", "state bytes", "a step is"];
    table::write(&mut *console.out, head, &cells)?;
    Ok(writeln!(
        console.out,
        "{} weights of {}, {} bytes, made in {weights_seconds:.2} s on {}; {} texts, {} tokens each",
        document.parameters,
        document.dtype,
        document.weight_bytes,
        document.device,
        document.batch,
        document.tokens
    )?)
}

struct Measured {
    row: Row,
    /// Seconds of the whole prompt, and of all tokens of all texts, each time.
    prefill: Vec<f64>,
    decode: Vec<f64>,
    read_bytes: usize,
}

/// The whole prompt, and a step of all texts, as they stand in records.
fn recorded(
    options: &Options,
    model: &Model,
    measured: &Measured,
) -> Result<Vec<tilewright_check::Row>, Stop> {
    let blank = records::blank(&records::origin(options.host.as_ref()), options.device)?;
    let shape = options.shape.map_or_else(
        || format!("w{}_blocks{}", model.config().hidden_size, model.config().num_hidden_layers),
        |shape| shape.to_possible_value().expect("none is hidden").get_name().to_owned(),
    );
    let (batch, prompt, dtype) = (options.batch, measured.row.prompt, model.dtype().name());
    let row = |what: &str, seconds: &[f64], calls: usize, flops: f64, bytes: usize| {
        let mut row = blank.clone();
        row.kernel = "lm".to_owned();
        row.case = format!("{shape}_b{batch}_prompt{prompt}_{what}");
        (row.dtype, row.variant) = (dtype.to_owned(), "lm bench".to_owned());
        (row.flops, row.bytes) = (flops, bytes as f64);
        let each: Vec<f64> = seconds.iter().map(|seconds| 1e3 * seconds / calls as f64).collect();
        row.fill(&Timing { samples: each.len(), calls, wall: Summary::of(&each), device: None });
        row
    };
    // Each weight is multiplied and added once a token.
    let tokens = (batch * prompt) as f64;
    let products = 2.0 * model.parameters() as f64 * tokens;
    Ok(vec![
        row(&format!("by{}", options.prefill), &measured.prefill, 1, products, 0),
        row("step", &measured.decode, options.tokens, 0.0, measured.read_bytes),
    ])
}

fn measured(options: &Options, model: &Model, prompt: usize, read_bytes: usize) -> Result<Measured, Stop> {
    let vocabulary = model.config().vocab_size;
    // Steps of a prime over the vocabulary: neighbours are no neighbours.
    let text = |place: usize| (0..prompt).map(move |at| ((place * 31 + at * 7919) % vocabulary) as u32);
    let texts: Vec<Vec<u32>> = (0..options.batch).map(|place| text(place).collect()).collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let prefill = || -> Result<(f64, State), Stop> {
        let start = Instant::now();
        let (_, state) = read(model, &texts, options.prefill)?;
        model.stream().synchronize()?;
        Ok((start.elapsed().as_secs_f64(), state))
    };
    // The first one compiles.
    let (_, mut state) = prefill()?;
    let mut reading = Vec::with_capacity(options.repeats);
    for _ in 0..options.repeats {
        let (time, after) = prefill()?;
        reading.push(time);
        state = after;
    }
    let prefill_seconds = Summary::of(&reading).median;
    let mut decoder = Decoder::new(model, state, &vec![1; options.batch], Next::Greedy)?;
    // Compiled, both captures made and replayed once.
    decoder.run(5)?;
    let mut writing = Vec::with_capacity(options.repeats);
    for _ in 0..options.repeats {
        let start = Instant::now();
        decoder.run(options.tokens)?;
        writing.push(start.elapsed().as_secs_f64());
    }
    let step = Summary::of(&writing).median / options.tokens as f64;
    let row = Row {
        prompt,
        prefill_seconds,
        prefill_tokens_per_second: (options.batch * prompt) as f64 / prefill_seconds,
        step_milliseconds: 1e3 * step,
        decode_tokens_per_second: options.batch as f64 / step,
        weight_gigabytes_per_second: read_bytes as f64 / step / 1e9,
        state_bytes: decoder.state().tensors().values().map(tilewright_core::Tensor::bytes).sum(),
        captured: decoder.is_captured(),
    };
    Ok(Measured { row, prefill: reading, decode: writing, read_bytes })
}

//! `tilewright lm train`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tilewright_core::{DType, Device};
use tilewright_lm::train::{Optimizer, Options as Training, Precision, Schedule, Trainer, loss_curve};
use tilewright_lm::{Config, Evaluation, Model, bytes, evaluate};

use crate::stop::Stop;
use crate::{Console, select, tour};

/// The file from which training goes on.
const CHECKPOINT: &str = "training.safetensors";
/// The part of the text that is kept back, to measure the model on.
const HELD_OUT: usize = 20;

/// Train a model of bytes on text.
///
/// The folder OUT gets the model (config.json, model.safetensors), training.safetensors from which --resume goes on after a kill at any
/// moment, loss.csv and loss.svg. The last twentieth of the text is kept back and measured.
#[derive(Args)]
pub(crate) struct Options {
    /// A text file, or a folder of them.
    #[arg(long)]
    text: PathBuf,
    /// The folder that the model goes to.
    #[arg(long)]
    out: PathBuf,
    /// Go on from the checkpoint in OUT; of the other options only --steps, --save-every and --device count then.
    #[arg(long)]
    resume: bool,
    /// Where to train, such as cpu or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Steps in all [default: 1000, or those of the checkpoint].
    #[arg(long)]
    steps: Option<u64>,
    /// Steps from checkpoint to checkpoint.
    #[arg(long, default_value_t = 200)]
    save_every: u64,
    /// Width of the model.
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Its blocks.
    #[arg(long, default_value_t = 2)]
    blocks: usize,
    /// The heads of each.
    #[arg(long, default_value_t = 4)]
    heads: usize,
    /// How many blocks have an mLSTM and how many an sLSTM, such as 7:1, over and over.
    #[arg(long, default_value = "1:0", value_name = "A:B", value_parser = ratio)]
    ratio: [usize; 2],
    /// Windows of text whose gradient is computed at once.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Such gradients that make one step.
    #[arg(long, default_value_t = 1)]
    accumulate: usize,
    /// Bytes that a window foresees.
    #[arg(long, default_value_t = 128)]
    context: usize,
    /// The highest rate of learning.
    #[arg(long, default_value_t = 3e-3)]
    rate: f64,
    /// Steps over which it rises; then it falls as a cosine to a tenth.
    #[arg(long, default_value_t = 20)]
    warmup: u64,
    /// What moves the weights: adamw, or muon for the matrices of the blocks and adamw for the rest.
    #[arg(long, default_value_t)]
    optimizer: Optimizer,
    /// What gradients are computed in: full (f32, as the weights), or bf16 beside weights of f32.
    #[arg(long, default_value_t)]
    precision: Precision,
    /// What is taken off the matrices, times the rate.
    #[arg(long, default_value_t = 0.1)]
    decay: f64,
    /// The largest norm of a gradient.
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Decides the first weights, and which windows are seen.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Serialize)]
struct Document {
    out: PathBuf,
    device: String,
    parameters: usize,
    /// Of the text, in bytes: learned from, and kept back.
    learned: usize,
    held_out: usize,
    steps: u64,
    first_loss: Option<f64>,
    last_loss: Option<f64>,
    /// Of what was kept back; absent where that is too short.
    evaluation_loss: Option<f64>,
    perplexity: Option<f64>,
    tokens_per_second: f64,
    seconds: f64,
}

pub(crate) fn train(options: &Options, console: &mut Console) -> Result<(), Stop> {
    if options.save_every == 0 {
        return Err(Stop::Usage("--save-every 0: expected at least 1".into()));
    }
    let stream = select::stream(options.device)?;
    let text = bytes::encode(tour::joined("--text", &options.text)?);
    let (learned, held_out) = text.split_at(text.len() - text.len() / HELD_OUT);
    let checkpoint = options.out.join(CHECKPOINT);
    let mut trainer = if options.resume {
        let mut trainer = Trainer::resume(&checkpoint, &stream, learned.to_vec())?;
        if let Some(steps) = options.steps {
            trainer.set_steps(steps);
        }
        trainer
    } else {
        if checkpoint.exists() {
            let why = "is there already: --resume goes on from it, another --out begins anew";
            return Err(Stop::Usage(format!("--out: {} {why}", checkpoint.display())));
        }
        begin(options, &stream, learned)?
    };
    std::fs::create_dir_all(&options.out)
        .map_err(|why| Stop::Usage(format!("--out {}: {why}", options.out.display())))?;

    let (start, first) = (Instant::now(), trainer.steps_done());
    let bar = ProgressBar::new(trainer.options().steps);
    bar.set_style(
        ProgressStyle::with_template(
            "{msg} {bar:30} {pos}/{len} steps, {elapsed} of about {duration}, {eta} left",
        )
        .expect("a fixed template"),
    );
    bar.set_position(first);
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut tokens = 0;
    while !trainer.is_done() {
        let step = trainer.step()?;
        tokens += step.tokens;
        let rate = tokens as f64 / start.elapsed().as_secs_f64();
        bar.set_message(format!("loss {:.3}, {rate:.0} tokens/s", step.loss));
        bar.inc(1);
        if step.step.is_multiple_of(options.save_every) || trainer.is_done() {
            save(&trainer, &options.out)?;
        }
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    let context = trainer.options().context;
    let measured: Option<Evaluation> = match held_out.len() {
        0 | 1 => None,
        _ => Some(evaluate(trainer.model(), held_out, context, trainer.options().batch)?),
    };
    let document = Document {
        out: options.out.clone(),
        device: options.device.to_string(),
        parameters: trainer.model().parameters(),
        learned: learned.len(),
        held_out: held_out.len(),
        steps: trainer.steps_done(),
        first_loss: trainer.losses().first().copied(),
        last_loss: trainer.losses().last().copied(),
        evaluation_loss: measured.map(|measured| measured.loss),
        perplexity: measured.map(|measured| measured.perplexity()),
        tokens_per_second: tokens as f64 / seconds,
        seconds,
    };
    if console.json {
        return console.json(&document);
    }
    let out = &mut *console.out;
    let loss = |loss: Option<f64>| loss.map_or_else(|| "none".to_owned(), |loss| format!("{loss:.3}"));
    writeln!(
        out,
        "{} weights, {} steps on {} bytes: loss {} to {}; {:.0} tokens/s on {}, {seconds:.1} s",
        document.parameters,
        document.steps,
        document.learned,
        loss(document.first_loss),
        loss(document.last_loss),
        document.tokens_per_second,
        document.device
    )?;
    if let Some(measured) = measured {
        writeln!(
            out,
            "kept back, {} bytes: loss {:.3}, perplexity {:.2}, {:.3} bits a byte",
            document.held_out,
            measured.loss,
            measured.perplexity(),
            measured.bits_per_token()
        )?;
    }
    Ok(writeln!(out, "written to {}", document.out.display())?)
}

fn begin(options: &Options, stream: &tilewright_core::Stream, text: &[u32]) -> Result<Trainer, Stop> {
    let config = Config {
        hidden_size: options.width,
        num_hidden_layers: options.blocks,
        num_heads: options.heads,
        ..Config::bytes()
    };
    let config = config.with_ratio(options.ratio[0], options.ratio[1]);
    let model = Model::random(config, stream, DType::F32, options.seed)?;
    let training = Training {
        steps: options.steps.unwrap_or(Training::default().steps),
        batch: options.batch,
        accumulate: options.accumulate,
        context: options.context,
        schedule: Schedule { peak: options.rate, warmup: options.warmup, ..Schedule::default() },
        clip: options.clip,
        weight_decay: options.decay,
        seed: options.seed,
        optimizer: options.optimizer,
        precision: options.precision,
        ..Training::default()
    };
    Ok(Trainer::new(model, text.to_vec(), training)?)
}

fn ratio(text: &str) -> Result<[usize; 2], String> {
    let parts = text.split_once(':').map(|(mlstm, slstm)| [mlstm.parse(), slstm.parse()]);
    match parts {
        Some([Ok(mlstm), Ok(slstm)]) if (1..1 << 20).contains(&usize::max(mlstm, slstm)) => {
            Ok([mlstm, slstm])
        }
        _ => Err("expected two numbers, such as 7:1, not both 0".to_owned()),
    }
}

/// The checkpoint first: what is beside it can be made from it.
fn save(trainer: &Trainer, folder: &Path) -> Result<(), Stop> {
    trainer.save(folder.join(CHECKPOINT))?;
    trainer.model().save(folder)?;
    let mut table = "step,loss\n".to_owned();
    for (index, loss) in trainer.losses().iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{},{loss}", index + 1);
    }
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|why| Stop::Failed(format!("{}: {why}", path.display())))
    };
    write("loss.csv", table)?;
    loss_curve(trainer.losses()).map_or(Ok(()), |svg| write("loss.svg", svg))
}

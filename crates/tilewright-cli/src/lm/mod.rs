//! `tilewright lm`: the xLSTM language model.

mod bench;
mod check;
mod evaluate;
mod generate;
mod info;
mod train;

use std::path::Path;

use clap::{Args, Subcommand};
use tilewright_core::{DType, Device, Stream};
use tilewright_lm::{Model, Tokenizer};

use crate::stop::Stop;
use crate::{Console, select};

/// Train an xLSTM on text, let it write, measure it; models are Hugging Face's `xLSTMForCausalLM` on disk.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Train(train::Options),
    Generate(generate::Options),
    Eval(evaluate::Options),
    Info(info::Options),
    Bench(bench::Options),
    Check(check::Options),
}

pub(crate) fn lm(options: &Options, console: &mut Console) -> Result<(), Stop> {
    match &options.action {
        Action::Train(options) => train::train(options, console),
        Action::Generate(options) => generate::generate(options, console),
        Action::Eval(options) => evaluate::evaluate(options, console),
        Action::Info(options) => info::info(options, console),
        Action::Bench(options) => bench::bench(options, console),
        Action::Check(options) => check::check(options, console),
    }
}

/// A model on disk, and where to run it.
#[derive(Args)]
struct Where {
    /// The folder with config.json and the weights.
    #[arg(long)]
    model: std::path::PathBuf,
    /// Where to run, such as cpu or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// What to compute in: f32, bf16, f16, f64 [default: the files' own].
    #[arg(long)]
    dtype: Option<DType>,
}

impl Where {
    fn load(&self) -> Result<(Stream, Model), Stop> {
        let stream = select::stream(self.device)?;
        let model = Model::load(&self.model, &stream, self.dtype)?;
        Ok((stream, model))
    }
}

/// A text file, or all text files of a folder, as tokens of the model of a folder.
fn tokens(model: &Model, folder: &Path, path: &Path) -> Result<Vec<u32>, Stop> {
    let tokenizer =
        Tokenizer::beside(folder, model.config()).map_err(|why| Stop::Usage(format!("--text: {why}")))?;
    Ok(tokenizer.encode(&crate::tour::joined("--text", path)?)?)
}

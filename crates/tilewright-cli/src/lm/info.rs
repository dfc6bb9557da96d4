//! `tilewright lm info`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tilewright_core::Stream;
use tilewright_lm::{Config, Model};

use crate::stop::Stop;
use crate::{Console, table};

/// Show what a model is: its config, its tensors, the size of its memory.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder with config.json and the weights.
    #[arg(long)]
    model: PathBuf,
}

#[derive(Serialize)]
struct Document {
    config: Config,
    parameters: usize,
    weight_bytes: usize,
    /// What the state of one text takes, however long it is.
    state_bytes: usize,
    tensors: Vec<Tensor>,
}

#[derive(Serialize)]
struct Tensor {
    name: String,
    dtype: &'static str,
    shape: Vec<usize>,
}

pub(crate) fn info(options: &Options, console: &mut Console) -> Result<(), Stop> {
    let model = Model::load(&options.model, &Stream::cpu(), None)?;
    let config = model.config().clone();
    let weights = model.weights().all();
    let (nh, dqk, dv) =
        (config.num_heads, config.qk_dim() / config.num_heads, config.v_dim() / config.num_heads);
    let document = Document {
        parameters: model.parameters(),
        weight_bytes: weights.iter().map(|(_, tensor)| tensor.bytes()).sum(),
        state_bytes: model.state_bytes(),
        tensors: weights
            .iter()
            .map(|(name, tensor)| Tensor {
                name: name.clone(),
                dtype: tensor.dtype().name(),
                shape: tensor.dims().to_vec(),
            })
            .collect(),
        config,
    };
    if console.json {
        return console.json(&document);
    }
    let rows: Vec<[String; 3]> = document
        .tensors
        .iter()
        .map(|tensor| [tensor.name.clone(), tensor.dtype.to_owned(), format!("{:?}", tensor.shape)])
        .collect();
    table::write(&mut *console.out, ["tensor", "dtype", "shape"], &rows)?;
    let config = &document.config;
    writeln!(
        console.out,
        "{} tokens, {} blocks of width {}, {nh} heads of {dqk} keys and {dv} values, a network of {}",
        config.vocab_size,
        config.num_hidden_layers,
        config.hidden_size,
        config.ffn_dim()
    )?;
    if !config.slstm_at.is_empty() {
        writeln!(console.out, "an sLSTM in the place of an mLSTM in the blocks {:?}", config.slstm_at)?;
    }
    Ok(writeln!(
        console.out,
        "{} weights, {} bytes; the state of a text takes {} bytes, however long it is",
        document.parameters, document.weight_bytes, document.state_bytes
    )?)
}

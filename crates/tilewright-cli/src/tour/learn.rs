//! The second job: a small language model of bytes learns the text for some seconds, and writes.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tilewright_core::{DType, Device, Stream};
use tilewright_lm::train::{Options, Schedule, Trainer};
use tilewright_lm::{Config, Generation, Model, Sampling, bytes, generate};

use super::read;
use crate::progress;
use crate::stop::Stop;

/// Steps that tell how many the time allows; in the first of them a GPU's kernels are compiled.
const TRIAL: u64 = 3;
/// Bytes that are written.
const WRITTEN: usize = 240;

/// What the model came to.
#[derive(Serialize)]
pub(super) struct Learned {
    pub(super) parameters: usize,
    pub(super) steps: u64,
    pub(super) seconds: f64,
    pub(super) learned_per_second: f64,
    pub(super) first_loss: f64,
    /// The mean of the last tenth of the steps.
    pub(super) last_loss: f64,
    pub(super) prompt: String,
    pub(super) written: String,
    pub(super) written_per_second: f64,
}

pub(super) fn learn(
    stream: &Stream,
    path: &Path,
    seconds: f64,
    notes: &mut Vec<String>,
) -> Result<Option<Learned>, Stop> {
    if seconds == 0.0 {
        return Ok(None);
    }
    if stream.device() == Device::Emulated {
        notes.push(
            "the language model is left out on the emulator, which would need minutes for a step".to_owned(),
        );
        return Ok(None);
    }
    let text = bytes::encode(read::joined("PATH", path)?);
    let options = Options {
        batch: 4,
        context: 64,
        schedule: Schedule { peak: 1e-2, ..Schedule::default() },
        ..Options::default()
    };
    if text.len() <= options.context {
        notes.push(format!("the language model is left out: {} bytes of text are too few", text.len()));
        return Ok(None);
    }
    let config = Config { hidden_size: 64, num_heads: 2, ..Config::bytes() };
    let mut trainer = Trainer::new(Model::random(config, stream, DType::F32, 1)?, text, options)?;
    let start = Instant::now();
    let mut last = start;
    for _ in 0..TRIAL {
        last = Instant::now();
        trainer.step()?;
    }
    let (one, left) = (last.elapsed().as_secs_f64(), seconds - start.elapsed().as_secs_f64());
    let steps = TRIAL + (left.max(0.0) / one) as u64;
    trainer.set_steps(steps);
    let bar = progress::bar(steps as usize, "learning");
    // The time decides; the number of steps was a guess, after which the rate of learning falls.
    while !trainer.is_done() && start.elapsed().as_secs_f64() < seconds {
        trainer.step()?;
        bar.set_position(trainer.steps_done());
    }
    bar.finish_and_clear();
    let learned = start.elapsed().as_secs_f64();
    let (losses, parameters) = (trainer.losses().to_vec(), trainer.model().parameters());
    let end = &losses[losses.len() - losses.len().div_ceil(10)..];
    let bytes_seen = (trainer.steps_done() as usize * options.batch * options.context) as f64;

    let (prompt, start) = ("The ", Instant::now());
    let written = generate(
        trainer.model(),
        &[bytes::encode(prompt)],
        &Generation { tokens: WRITTEN, ..Generation::default() },
        &mut Sampling::new(0.6, 0, 0.95, 1)?,
        |_, _| true,
    )?;
    Ok(Some(Learned {
        parameters,
        steps: trainer.steps_done(),
        seconds: learned,
        learned_per_second: bytes_seen / learned,
        first_loss: losses[0],
        last_loss: end.iter().sum::<f64>() / end.len() as f64,
        prompt: prompt.to_owned(),
        written: bytes::decode(&written[0])?,
        written_per_second: WRITTEN as f64 / start.elapsed().as_secs_f64(),
    }))
}

//! Training: batches from a text, the gradient, a step of AdamW or Muon; and checkpoints from which it goes on as if it had never stopped.

mod checkpoint;
mod curve;
mod optimizer;
mod precision;
mod schedule;

pub use curve::loss_curve;
pub use optimizer::Optimizer;
pub use precision::Precision;
pub use schedule::Schedule;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tilewright_core::{DType, Error, Kind, Result, Tensor};
use tilewright_kernels::elementwise::{Axpy, axpy};
use tilewright_kernels::gemm::{Matmul, matmul};

use crate::{Model, Weights};

const NAME: &str = "train";

/// How a model is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Steps in all. Default 1000.
    pub steps: u64,
    /// Windows of text whose gradient is computed at once. Default 8.
    pub batch: usize,
    /// Such gradients that make one step. Default 1.
    pub accumulate: usize,
    /// Tokens that a window foresees. Default 128.
    pub context: usize,
    /// The rate of learning over the steps.
    pub schedule: Schedule,
    /// The largest norm that a gradient may have; a longer one is shortened. Default 1.
    pub clip: f64,
    /// What is taken off the matrices at each step, times the rate; norms and biases are left alone. Default 0.1.
    pub weight_decay: f64,
    /// How much of the mean gradient is kept from step to step. Default 0.9.
    pub beta1: f64,
    /// How much of the mean square is kept. Default 0.95.
    pub beta2: f64,
    /// Decides which windows are seen. Default 1.
    pub seed: u64,
    /// What moves the weights. Default AdamW.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// What gradients are computed in. Default that of the weights.
    #[serde(default)]
    pub precision: Precision,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            steps: 1000,
            batch: 8,
            accumulate: 1,
            context: 128,
            schedule: Schedule::default(),
            clip: 1.0,
            weight_decay: 0.1,
            beta1: 0.9,
            beta2: 0.95,
            seed: 1,
            optimizer: Optimizer::default(),
            precision: Precision::default(),
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Its number, from 1.
    pub step: u64,
    /// The mean cross-entropy of a token before it, in nats.
    pub loss: f64,
    /// The norm of the gradient before it was shortened.
    pub norm: f64,
    /// The rate of learning.
    pub rate: f64,
    /// Tokens that were foreseen.
    pub tokens: usize,
}

/// A model in training.
#[derive(Debug)]
pub struct Trainer {
    model: Model,
    /// The weights that are moved, where the model computes with shorter ones.
    master: Option<Weights<Tensor>>,
    text: Vec<u32>,
    options: Options,
    step: u64,
    /// Running means of the gradients.
    first: Weights<Tensor>,
    /// Running means of their squares.
    second: Weights<Tensor>,
    losses: Vec<f64>,
}

impl Trainer {
    /// Begins to train a model on a text.
    ///
    /// # Errors
    /// A model of 16-bit weights; a text shorter than a window, or with a token that the vocabulary lacks; options out of their ranges.
    pub fn new(model: Model, text: Vec<u32>, options: Options) -> Result<Self> {
        let zeros = || {
            model.weights.map(model.config(), |tensor| {
                Tensor::zeros(tensor.dtype(), tensor.shape())?.to(model.stream())
            })
        };
        let (first, second) = (zeros()?, zeros()?);
        Self::assembled(model, text, options, 0, [first, second], Vec::new())
    }

    /// From weights as a checkpoint holds them.
    fn assembled(
        model: Model,
        text: Vec<u32>,
        options: Options,
        step: u64,
        [first, second]: [Weights<Tensor>; 2],
        losses: Vec<f64>,
    ) -> Result<Self> {
        if ![DType::F32, DType::F64].contains(&model.dtype()) {
            return Err(Error::dtype(NAME, "weights", "f32 (f64 on the CPU)", model.dtype()));
        }
        let (model, master) = options.precision.shortened(model)?;
        let trainer = Trainer { model, master, text, options, step, first, second, losses };
        trainer.check()?;
        Ok(trainer)
    }

    fn check(&self) -> Result<()> {
        let options = &self.options;
        for (name, size) in
            [("batch", options.batch), ("accumulate", options.accumulate), ("context", options.context)]
        {
            if size == 0 {
                return Err(Error::range(NAME, name, "at least 1", 0));
            }
        }
        if !(options.clip > 0.0 && options.clip.is_finite()) {
            return Err(Error::range(NAME, "clip", "a finite number > 0", options.clip));
        }
        options.schedule.check()?;
        if self.text.len() <= options.context {
            let expected = format!("more than the context of {}", options.context);
            return Err(Error::range(NAME, "tokens of the text", expected, self.text.len()));
        }
        let vocabulary = self.model.config().vocab_size;
        match self.text.iter().find(|&&token| token as usize >= vocabulary) {
            Some(token) => Err(Error::range(NAME, "token", format!("0..{vocabulary}"), token)),
            None => Ok(()),
        }
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, when training is over.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// How it is trained.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Lets training end at another step; the rates of the steps to come change with it.
    pub fn set_steps(&mut self, steps: u64) {
        self.options.steps = steps;
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.options.steps
    }

    /// The loss before each step that was done.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// One step.
    ///
    /// # Errors
    /// A gradient that is not finite: the weights are then as they were before the step.
    pub fn step(&mut self) -> Result<Step> {
        let options = self.options;
        let (mut loss, mut sum) = (0.0, None);
        for part in 0..options.accumulate {
            let (inputs, targets) = self.batch(part)?;
            let (part_loss, by) = self.model.gradients(&inputs, &targets)?;
            let by = options.precision.lengthened(&self.model, by)?;
            loss += part_loss / options.accumulate as f64;
            sum = Some(match sum {
                None => by,
                Some(sum) => self.added(&by, &sum)?,
            });
        }
        let by = sum.expect("at least one part");
        let mean = 1.0 / options.accumulate as f64;
        let norm = self.norm(&by)? * mean;
        if !(norm.is_finite() && loss.is_finite()) {
            let what = format!("a gradient of norm {norm} and a loss of {loss}, in step");
            return Err(Error::new(NAME, Kind::Numerical { what, index: self.step as usize + 1 }));
        }
        let clipped = if norm > options.clip { options.clip / norm } else { 1.0 };
        let rate = options.schedule.rate(self.step + 1, options.steps);
        self.update(&by, rate, mean * clipped)?;
        self.step += 1;
        self.losses.push(loss);
        let tokens = options.batch * options.accumulate * options.context;
        Ok(Step { step: self.step, loss, norm, rate, tokens })
    }

    /// The windows of a part of the coming step: which they are follows from the seed and the step alone.
    fn batch(&self, part: usize) -> Result<(Tensor, Tensor)> {
        let options = &self.options;
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        random.set_stream(self.step * options.accumulate as u64 + part as u64);
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..options.batch {
            let start = random.random_range(0..self.text.len() - options.context);
            let window = &self.text[start..=start + options.context];
            inputs.push(&window[..options.context]);
            targets.push(window[1..].iter().map(|&token| i64::from(token)).collect::<Vec<_>>());
        }
        Ok((self.model.tokens(&inputs)?, self.model.targets(&targets)?))
    }

    fn added(&self, a: &Weights<Tensor>, b: &Weights<Tensor>) -> Result<Weights<Tensor>> {
        let mut other = b.all().into_iter();
        a.map(self.model.config(), |a| {
            let (_, b) = other.next().expect("as many weights");
            axpy(self.model.stream(), a, b, &Axpy::default())
        })
    }

    /// The norm of all gradients together: a chain of products on the device, of which one number comes back.
    fn norm(&self, by: &Weights<Tensor>) -> Result<f64> {
        let mut sum: Option<Tensor> = None;
        for (_, by) in by.all() {
            let (row, column) = (by.reshape([1, by.elements()])?, by.reshape([by.elements(), 1])?);
            let beta = if sum.is_some() { 1.0 } else { 0.0 };
            let args = Matmul { beta, ..Matmul::default() };
            sum = Some(matmul(self.model.stream(), &row, &column, sum.as_ref(), &args)?);
        }
        Ok(sum.expect("a model has weights").to_f64_vec()?[0].sqrt())
    }
}

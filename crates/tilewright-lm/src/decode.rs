//! Writing on, token by token, in memory that stays where it is: on a GPU the whole step is captured once and then replayed.

use tilewright_core::{DType, Device, Error, Result, Tensor};
use tilewright_gpu::Capture;
use tilewright_kernels::elementwise::{CopyTo, copy, copy_into};
use tilewright_kernels::reduce::{Argmax, argmax};

use crate::model::Spare;
use crate::{Model, State};

const NAME: &str = "decode";

/// Where the next token of each text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// From the host, which sees the logits.
    Given,
    /// The likeliest one, chosen on the device: nothing leaves it from step to step.
    Greedy,
}

/// A batch of texts that are written on.
///
/// The state lies in place and is overwritten by each step. On the CPU a step is computed as it is; on a GPU the first one too, so that all programs
/// are compiled. The second and the third are captured, whose replays take turns, as two places of what a step reads whole while it writes do; a replay costs the
/// host one call.
#[derive(Debug)]
pub struct Decoder<'m> {
    model: &'m Model,
    next: Next,
    /// `[b, 1]`: what the coming step reads.
    tokens: Tensor,
    state: State,
    /// Where the coming step leaves each block's n and m.
    spare: Vec<Spare>,
    /// `[b, vocab]`, of the last step.
    logits: Option<Tensor>,
    steps: usize,
    /// Of the even steps, and of the odd ones.
    captures: [Option<Recorded>; 2],
}

/// A capture, and the logits that its replays write.
struct Recorded {
    capture: Capture,
    logits: Tensor,
}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorded")
    }
}

impl<'m> Decoder<'m> {
    /// From what a batch of texts left, and the token that each begins with.
    ///
    /// # Errors
    /// Tokens that are not one for each text, or that the vocabulary lacks; a state of other blocks than the model's.
    pub fn new(model: &'m Model, state: State, tokens: &[u32], next: Next) -> Result<Self> {
        if state.batch() != tokens.len() {
            return Err(Error::range(
                NAME,
                "tokens",
                format!("one for each of {} texts", state.batch()),
                tokens.len(),
            ));
        }
        let rows: Vec<[u32; 1]> = tokens.iter().map(|&token| [token]).collect();
        let tokens = model.tokens(&rows)?;
        // In memory of their own: both are written in place.
        let tokens = copy(model.stream(), &tokens, &CopyTo::default())?;
        let state = state.owned(model.stream())?;
        let spare = state.layers.iter().map(|layer| layer.spare(model.stream())).collect::<Result<_>>()?;
        Ok(Decoder { model, next, tokens, state, spare, logits: None, steps: 0, captures: [None, None] })
    }

    /// One step with these tokens, `[b]`; the logits after them, `[b, vocab]`, are overwritten by the next step.
    ///
    /// # Errors
    /// A decoder that chooses tokens itself; tokens that do not fit; an error of the device.
    pub fn step(&mut self, tokens: &[u32]) -> Result<&Tensor> {
        if self.next == Next::Greedy {
            return Err(Error::range(NAME, "tokens", "none: they are chosen on the device", tokens.len()));
        }
        let rows: Vec<[u32; 1]> = tokens.iter().map(|&token| [token]).collect();
        let tokens = self.model.tokens(&rows)?;
        copy_into(self.model.stream(), &tokens, &mut self.tokens)?;
        self.advance()
    }

    /// So many steps of likeliest tokens; gives the last token of each text. Only that comes back from the device.
    ///
    /// # Errors
    /// A decoder that is given its tokens; an error of the device.
    pub fn run(&mut self, steps: usize) -> Result<Vec<u32>> {
        if self.next == Next::Given {
            return Err(Error::range(NAME, "tokens", "those of the host, by step", "none"));
        }
        for _ in 0..steps {
            self.advance()?;
        }
        Ok(self.tokens.to_vec::<i64>()?.into_iter().map(|token| token as u32).collect())
    }

    /// What the texts have left.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether steps are replayed by now.
    pub fn is_captured(&self) -> bool {
        self.captures.iter().any(Option::is_some)
    }

    fn advance(&mut self) -> Result<&Tensor> {
        let stream = self.model.stream().clone();
        self.steps += 1;
        // The first step compiles what a capture may not; on the CPU there is nothing to capture.
        if self.steps == 1 || stream.device() == Device::Cpu {
            let logits = self.compute()?;
            self.turn();
            return Ok(self.logits.insert(logits));
        }
        let turn = self.steps % 2;
        if self.captures[turn].is_none() {
            let (capture, logits) = Capture::record(&stream, || self.compute())?;
            self.captures[turn] = Some(Recorded { capture, logits });
        }
        self.captures[turn].as_ref().expect("made above").capture.replay(&stream)?;
        self.turn();
        Ok(&self.captures[turn].as_ref().expect("made above").logits)
    }

    /// What the step has left becomes the state.
    fn turn(&mut self) {
        self.state.layers.iter_mut().zip(&mut self.spare).for_each(|(layer, spare)| layer.turn(spare));
    }

    /// The step itself: nothing in it waits for the device, and whatever it leaves lies where it lay.
    fn compute(&mut self) -> Result<Tensor> {
        let logits = self.model.next_in_place(&self.tokens, &mut self.state, &mut self.spare)?;
        if self.next == Next::Greedy {
            let best =
                argmax(self.model.stream(), &logits, &Argmax { index: DType::I64, ..Argmax::default() })?;
            copy_into(self.model.stream(), &best.unsqueeze(1)?, &mut self.tokens)?;
        }
        Ok(logits)
    }
}

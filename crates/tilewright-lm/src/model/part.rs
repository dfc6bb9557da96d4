//! A part of a model: some of its blocks, for models that several processes hold together.

use std::ops::Range;
use std::path::Path;

use tilewright_core::{DType, Error, Result, Stream, Tensor};

use super::{Model, State};
use crate::Config;
use crate::weights::{self, Weights};

const NAME: &str = "part";

/// Blocks `range` of a model, with the embedding where the first is among them, and the head where the last is.
///
/// Parts that follow one another, each in its process, compute what the model computes, to the bit: the same kernels run over the same shapes.
#[derive(Debug)]
pub struct Part {
    /// With the part's blocks alone; embedding and head are empty where the part has none.
    model: Model,
    range: Range<usize>,
    whole: Config,
}

impl Part {
    /// Loads blocks `range` of the model of a folder; see [`Model::load`].
    ///
    /// # Errors
    /// As [`Model::load`]; a range that is empty or leaves the model.
    pub fn load(
        folder: impl AsRef<Path>,
        stream: &Stream,
        dtype: Option<DType>,
        range: Range<usize>,
    ) -> Result<Self> {
        let folder = folder.as_ref();
        let config = Config::read(folder.join("config.json"))?;
        check(&config, &range)?;
        let weights = weights::load(&config, folder)?;
        Self::of(&config, stream, &weights, dtype, range)
    }

    /// Blocks `range` of weights from any device; see [`Model::from_weights`].
    ///
    /// # Errors
    /// As [`Model::from_weights`]; a range that is empty or leaves the model.
    pub fn of(
        config: &Config,
        stream: &Stream,
        weights: &Weights<Tensor>,
        dtype: Option<DType>,
        range: Range<usize>,
    ) -> Result<Self> {
        config.check()?;
        check(config, &range)?;
        let (first, last) = (range.start == 0, range.end == config.num_hidden_layers);
        let nothing = Tensor::zeros(weights.embeddings.dtype(), [0, config.hidden_size])?;
        let kept = |keep: bool, tensor: &Tensor| if keep { tensor.clone() } else { nothing.clone() };
        let part = Weights {
            // Where they are the head too, the last blocks need them as the first do.
            embeddings: kept(first || (last && weights.head.is_none()), &weights.embeddings),
            blocks: weights.blocks[range.clone()].to_vec(),
            out_norm: kept(last, &weights.out_norm),
            head: weights.head.as_ref().map(|head| kept(last, head)),
        };
        let slstm_at = config.slstm_at.iter().filter(|block| range.contains(block));
        let slstm_at = slstm_at.map(|block| block - range.start).collect();
        let own = Config { num_hidden_layers: range.len(), num_blocks: None, slstm_at, ..config.clone() };
        let model = Model::from_weights(own, stream, &part, dtype)?;
        Ok(Part { model, range, whole: config.clone() })
    }

    /// The shape of the whole model.
    pub fn config(&self) -> &Config {
        &self.whole
    }

    /// The blocks that are here.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Where they lie.
    pub fn stream(&self) -> &Stream {
        self.model.stream()
    }

    /// What they are computed in.
    pub fn dtype(&self) -> DType {
        self.model.weights.blocks[0].all()[0].1.dtype()
    }

    /// Whether token 0 begins here.
    pub fn is_first(&self) -> bool {
        self.range.start == 0
    }

    /// Whether logits come out here.
    pub fn is_last(&self) -> bool {
        self.range.end == self.whole.num_hidden_layers
    }

    /// What the part makes of `x`, and the state after it.
    ///
    /// `x` is tokens, i64 `[b, s]`, for the first part, and what the part before made, `[b, s, d]`, for others. The last part makes the
    /// logits after the last token, `[b, vocab]`, and others the residual stream, `[b, s, d]`. `x` may lie anywhere; it is checked, whoever
    /// it is from.
    ///
    /// # Errors
    /// `x` of another shape or dtype, or without tokens; a token that the vocabulary lacks; a state of another batch.
    pub fn run(&self, x: &Tensor, state: Option<&State>) -> Result<(Tensor, State)> {
        let model = &self.model;
        let mut x = if self.is_first() {
            if x.dtype() != DType::I64 {
                return Err(Error::dtype(NAME, "x", "i64: these are tokens", x.dtype()));
            }
            let vocabulary = self.whole.vocab_size;
            if let Some(token) =
                x.to_vec::<i64>()?.iter().find(|&&token| !(0..vocabulary as i64).contains(&token))
            {
                return Err(Error::range(NAME, "token", format!("0..{vocabulary}"), token));
            }
            model.embedded(&x.to(model.stream())?, state)?
        } else {
            let d = self.whole.hidden_size;
            if x.dtype() != self.dtype() {
                return Err(Error::dtype(NAME, "x", self.dtype(), x.dtype()));
            }
            match *x.dims() {
                [b, s, width] if b > 0 && s > 0 && width == d => {
                    if state.is_some_and(|state| state.batch() != b) {
                        return Err(Error::shape(NAME, "x", "as many texts as the state has", x.shape()));
                    }
                }
                _ => return Err(Error::shape(NAME, "x", format!("[b, s, {d}] with b and s > 0"), x.shape())),
            }
            x.to(model.stream())?
        };
        let mut layers = Vec::with_capacity(self.range.len());
        for (index, weights) in model.weights.blocks.iter().enumerate() {
            let (saved, after) = model.block(weights, x, state.map(|state| &state.layers[index]))?;
            x = saved.out;
            layers.push(after);
        }
        let state = State { layers };
        if !self.is_last() {
            return Ok((x, state));
        }
        let &[b, s, _] = x.dims() else { unreachable!("as embedded") };
        let logits = model.head(&x.slice(1, s - 1..s)?)?.1;
        Ok((logits.reshape([b, self.whole.vocab_size])?, state))
    }
}

fn check(config: &Config, range: &Range<usize>) -> Result<()> {
    let blocks = config.num_hidden_layers;
    if range.start < range.end && range.end <= blocks {
        return Ok(());
    }
    Err(Error::range(NAME, "range", format!("at least one of the blocks 0..{blocks}"), format!("{range:?}")))
}

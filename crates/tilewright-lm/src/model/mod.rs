//! The model: weights on a device, and what is computed with them.

mod backward;
mod block;
mod fused;
mod joined;
mod linear;
mod network;
mod part;
mod slstm;
mod speed;

use std::collections::BTreeMap;
use std::path::Path;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{CopyTo, SoftCap, copy, soft_cap};
use tilewright_kernels::gather::embedding;
use tilewright_kernels::mlstm::MlstmState;
use tilewright_kernels::norm::{Norm, rms_norm};
use tilewright_kernels::slstm::SlstmState;

use crate::weights::{self, Weights};
use crate::{Config, bytes};
use block::Layer;
pub(crate) use fused::Spare;
use linear::linear;
pub use part::Part;
use slstm::SlstmLayer;

const NAME: &str = "model";
/// What a file of weights holds at most, as Hugging Face's do.
const SHARD: usize = 5_000_000_000;

/// An xLSTM on a device.
#[derive(Debug)]
pub struct Model {
    config: Config,
    stream: Stream,
    pub(crate) weights: Weights<Tensor>,
}

/// What a batch of texts leaves to its continuation: the state of each block's mLSTM or sLSTM. Of the same size however long the texts are.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) layers: Vec<Layer>,
}

impl Model {
    /// A model that has learned nothing.
    ///
    /// # Errors
    /// A config that [`Config::check`] refuses; a dtype that is no float of 16 to 64 bits, or that the device lacks.
    pub fn random(config: Config, stream: &Stream, dtype: DType, seed: u64) -> Result<Self> {
        config.check()?;
        let weights = weights::random(&config, dtype, seed)?;
        Self::from_weights(config, stream, &weights, Some(dtype))
    }

    /// The model of a folder: `config.json` beside `model.safetensors`, or beside an index of several files.
    ///
    /// `dtype` is what it is computed in; `None` keeps that of the files.
    ///
    /// # Errors
    /// Files that are missing, damaged or not what the config says; a dtype that the device lacks.
    pub fn load(folder: impl AsRef<Path>, stream: &Stream, dtype: Option<DType>) -> Result<Self> {
        let folder = folder.as_ref();
        let config = Config::read(folder.join("config.json"))?;
        let weights = weights::load(&config, folder)?;
        Self::from_weights(config, stream, &weights, dtype)
    }

    /// A model of weights from any device, moved to that of the stream.
    ///
    /// # Errors
    /// Weights of different dtypes, where `dtype` does not make them alike; a dtype that the device lacks.
    pub fn from_weights(
        config: Config,
        stream: &Stream,
        weights: &Weights<Tensor>,
        dtype: Option<DType>,
    ) -> Result<Self> {
        config.check()?;
        let dtype = dtype.unwrap_or(weights.embeddings.dtype());
        Self::check_dtype(stream, dtype)?;
        let weights = weights.map(&config, |tensor| {
            // In memory of its own: weights are trained in place.
            copy(&Stream::cpu(), &tensor.to_host()?, &CopyTo { dtype: Some(dtype) })?.to(stream)
        })?;
        let config = Config { weight_mode: "single".to_owned(), ..config };
        Ok(Model { config, stream: stream.clone(), weights })
    }

    fn check_dtype(stream: &Stream, dtype: DType) -> Result<()> {
        let known = [DType::F64, DType::F32, DType::F16, DType::Bf16];
        if !known.contains(&dtype) {
            return Err(Error::dtype(NAME, "dtype", "f64, f32, f16, bf16", dtype));
        }
        if dtype == DType::F64 && stream.device() != Device::Cpu {
            return Err(Error::unsupported(NAME, stream.device(), "a model of f64 runs on the CPU"));
        }
        Ok(())
    }

    /// Writes `config.json` and the weights into a folder, which is made if need be. A reader finds the old model or the new one.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|why| Error::file(NAME, folder, why))?;
        weights::save(&self.weights, folder, SHARD)?;
        self.config.write(folder.join("config.json"))
    }

    /// The same, with no file above `largest` bytes, unless one tensor alone is.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn save_sharded(&self, folder: impl AsRef<Path>, largest: usize) -> Result<()> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|why| Error::file(NAME, folder, why))?;
        weights::save(&self.weights, folder, largest)?;
        self.config.write(folder.join("config.json"))
    }

    /// The same model in memory of its own: a trainer moves weights where they lie.
    ///
    /// # Errors
    /// An error of the device.
    pub fn duplicate(&self) -> Result<Self> {
        Self::from_weights(self.config.clone(), &self.stream, &self.weights, None)
    }

    /// Its shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it lies.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What it is computed in.
    pub fn dtype(&self) -> DType {
        self.weights.embeddings.dtype()
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights<Tensor> {
        &self.weights
    }

    /// The number of its weights.
    pub fn parameters(&self) -> usize {
        self.weights.all().iter().map(|(_, tensor)| tensor.elements()).sum()
    }

    /// Bytes of the state of one text, however long it is.
    pub fn state_bytes(&self) -> usize {
        let config = &self.config;
        let sums = if self.dtype() == DType::F64 { 8 } else { 4 };
        let (nh, d, slstms) = (config.num_heads, config.hidden_size, config.slstm_at.len());
        let (dqk, dv) = (config.qk_dim() / nh, config.v_dim() / nh);
        let mlstm = sums * nh * (dqk * dv + dqk + 1);
        let slstm = sums * 4 * d + self.dtype().size() * (config.conv1d_kernel_size - 1) * d;
        (config.num_hidden_layers - slstms) * mlstm + slstms * slstm
    }

    /// Whether its tokens are bytes.
    pub fn is_of_bytes(&self) -> bool {
        self.config.vocab_size == bytes::VOCABULARY
    }

    /// Tokens as a tensor `[b, s]` on the device, each checked.
    ///
    /// # Errors
    /// Rows of different lengths or none; a token that the vocabulary lacks.
    pub fn tokens(&self, rows: &[impl AsRef<[u32]>]) -> Result<Tensor> {
        let length = rows.first().map_or(0, |row| row.as_ref().len());
        let mut ids = Vec::with_capacity(rows.len() * length);
        for row in rows {
            let row = row.as_ref();
            if row.len() != length || length == 0 {
                return Err(Error::range(NAME, "length of a row of tokens", length.max(1), row.len()));
            }
            for &token in row {
                if token as usize >= self.config.vocab_size {
                    return Err(Error::range(NAME, "token", format!("0..{}", self.config.vocab_size), token));
                }
                ids.push(i64::from(token));
            }
        }
        Tensor::from_vec(ids, [rows.len(), length])?.to(&self.stream)
    }

    /// The logits after every token, `[b, s, vocab]`, f32 (f64 of a model of f64), and the state after the last.
    ///
    /// `tokens`, `[b, s]`, are made by [`Model::tokens`]; `state` is what the same texts left before, `None` where they begin.
    ///
    /// # Errors
    /// Tokens of another shape, dtype or device; a state of another batch.
    pub fn logits(&self, tokens: &Tensor, state: Option<&State>) -> Result<(Tensor, State)> {
        let (x, state) = self.stream_of(tokens, state)?;
        Ok((self.head(&x)?.1, state))
    }

    /// The logits after the last token alone, `[b, vocab]`, and the state.
    ///
    /// # Errors
    /// As [`Model::logits`].
    pub fn next(&self, tokens: &Tensor, state: Option<&State>) -> Result<(Tensor, State)> {
        let (x, state) = self.stream_of(tokens, state)?;
        let &[b, s, _] = x.dims() else { unreachable!("as embedded") };
        let last = self.head(&x.slice(1, s - 1..s)?)?.1;
        Ok((last.reshape([b, self.config.vocab_size])?, state))
    }

    /// The logits after one token of each text, `[b, 1]`, as `[b, vocab]`. The state becomes that after it, in the memory that it has; but n and m go to `spare`,
    /// with which they change places once this is done.
    pub(crate) fn next_in_place(
        &self,
        tokens: &Tensor,
        state: &mut State,
        spare: &mut [Spare],
    ) -> Result<Tensor> {
        let mut x = self.embedded(tokens, Some(state))?;
        for ((weights, layer), spare) in self.weights.blocks.iter().zip(&mut state.layers).zip(spare) {
            x = self.block_in_place(weights, x, layer, spare)?;
        }
        let logits = if self.is_fused(&x)? { self.head_fused(&x)? } else { self.head(&x)?.1 };
        logits.reshape([tokens.dims()[0], self.config.vocab_size])
    }

    /// The residual stream after the last block, `[b, s, d]`.
    fn stream_of(&self, tokens: &Tensor, state: Option<&State>) -> Result<(Tensor, State)> {
        let mut x = self.embedded(tokens, state)?;
        let mut layers = Vec::with_capacity(self.weights.blocks.len());
        for (index, weights) in self.weights.blocks.iter().enumerate() {
            let (saved, after) = self.block(weights, x, state.map(|state| &state.layers[index]))?;
            x = saved.out;
            layers.push(after);
        }
        Ok((x, State { layers }))
    }

    fn embedded(&self, tokens: &Tensor, state: Option<&State>) -> Result<Tensor> {
        let &[b, s] = tokens.dims() else {
            return Err(Error::shape(NAME, "tokens", "[b, s]", tokens.shape()));
        };
        if b == 0 || s == 0 {
            return Err(Error::shape(
                NAME,
                "tokens",
                "at least one text of at least one token",
                tokens.shape(),
            ));
        }
        if let Some(state) = state {
            let batch = state.batch();
            if state.layers.len() != self.weights.blocks.len() || batch != b {
                let (blocks, layers) = (self.weights.blocks.len(), state.layers.len());
                let expected = format!("that of {b} texts and {blocks} blocks");
                return Err(Error::range(NAME, "state", expected, format!("of {batch} and {layers}")));
            }
        }
        embedding(&self.stream, &self.weights.embeddings, tokens)
    }

    /// The normed stream, the capped logits, and the logits before the cap.
    fn head(&self, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let normed = rms_norm(&self.stream, x, &self.weights.out_norm, &self.norm())?;
        let dtype = if self.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let logits = linear(&self.stream, &normed, self.weights.head(), None, Some(dtype))?;
        let capped = soft_cap(&self.stream, &logits, &self.cap())?;
        Ok((normed, capped, logits))
    }

    fn norm(&self) -> Norm {
        Norm { eps: self.config.norm_eps }
    }

    fn cap(&self) -> SoftCap {
        SoftCap { cap: self.config.output_logit_soft_cap }
    }
}

impl State {
    /// The number of texts.
    pub fn batch(&self) -> usize {
        self.layers.first().map_or(0, |layer| match layer {
            Layer::Mlstm(state) => state.m.dims()[0],
            Layer::Slstm(state) => state.cell.m.dims()[0],
        })
    }

    /// The same in memory that no other tensor shares.
    pub(crate) fn owned(&self, stream: &Stream) -> Result<Self> {
        let layers = self.layers.iter().map(|layer| layer.owned(stream)).collect::<Result<_>>()?;
        Ok(State { layers })
    }

    /// The state as named tensors, to be saved: `layers.0.c`, `.n`, `.m`, and of an sLSTM `.h` and `.conv` too.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut all = BTreeMap::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let parts = match layer {
                Layer::Mlstm(state) => vec![("c", &state.c), ("n", &state.n), ("m", &state.m)],
                Layer::Slstm(layer) => {
                    let SlstmLayer { cell: SlstmState { c, n, h, m }, conv } = &**layer;
                    vec![("c", c), ("n", n), ("h", h), ("m", m), ("conv", conv)]
                }
            };
            all.extend(
                parts.into_iter().map(|(name, tensor)| (format!("layers.{index}.{name}"), tensor.clone())),
            );
        }
        all
    }

    /// A state that was saved, on the stream's device. Its shapes are checked where it is used.
    ///
    /// # Errors
    /// A tensor that is missing, or of an unknown name.
    pub fn from_tensors(stream: &Stream, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let one = |index: usize, name: &str| {
            let name = format!("layers.{index}.{name}");
            let found = tensors.get(&name);
            found.ok_or_else(|| Error::range("state", name, "a tensor of this name", "nothing"))?.to(stream)
        };
        let (mut layers, mut taken) = (Vec::new(), 0);
        while taken < tensors.len() {
            let index = layers.len();
            let (c, n, m) = (one(index, "c")?, one(index, "n")?, one(index, "m")?);
            if tensors.contains_key(&format!("layers.{index}.conv")) {
                let cell = SlstmState { c, n, h: one(index, "h")?, m };
                layers.push(Layer::Slstm(Box::new(SlstmLayer { cell, conv: one(index, "conv")? })));
                taken += 5;
            } else {
                layers.push(Layer::Mlstm(Box::new(MlstmState { c, n, m })));
                taken += 3;
            }
        }
        Ok(State { layers })
    }
}

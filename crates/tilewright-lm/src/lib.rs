//! The xLSTM language model: blocks of an mLSTM and a SwiGLU network, as in xLSTM-7B, or of an sLSTM in some of them, as in xLSTM\[a:b\].
//!
//! Config and weights have the names of Hugging Face's `xLSTMForCausalLM`. All arithmetic on tensors is that of `tilewright-kernels`, on the
//! device of the [`Stream`](tilewright_core::Stream) that a [`Model`] is made with.
//!
//! - load, save, logits, loss and gradients: [`Config`], [`Model`];
//! - prompts read in chunks, then written on token by token, the state on the device: [`generate()`]; on a GPU each step is a replay: [`Decoder`];
//! - AdamW, clipping, warm-up and cosine, accumulation, checkpoints that resume to the bit: [`train::Trainer`];
//! - perplexity: [`evaluate()`];
//! - text by `tokenizer.json`, or by bytes: [`Tokenizer`].
//!
//! ```
//! use tilewright_core::{DType, Stream};
//! use tilewright_lm::{Config, Generation, Greedy, Model, bytes, generate};
//!
//! let config = Config { hidden_size: 64, num_hidden_layers: 1, num_heads: 2, ..Config::bytes() };
//! let model = Model::random(config, &Stream::cpu(), DType::F32, 1)?;
//! let options = Generation { tokens: 5, ..Generation::default() };
//! let written = generate(&model, &[bytes::encode("To be")], &options, &mut Greedy, |_, _| true)?;
//! assert_eq!(written[0].len(), 5);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub mod bytes;
pub mod train;

mod config;
mod decode;
mod evaluate;
mod generate;
mod model;
mod sample;
mod tokenizer;
mod weights;

pub use config::{Config, TokenIds};
pub use decode::{Decoder, Next};
pub use evaluate::{Evaluation, evaluate};
pub use generate::{Generation, generate, generate_by, read};
pub use model::{Model, Part, State};
pub use sample::{Greedy, Sampler, Sampling, Written};
pub use tokenizer::{Streamed, Tokenizer};
pub use weights::{Block, BlockWeights, SlstmWeights, Weights};

//! Models that say nothing, made for measuring how fast others of their shape would be.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{CopyTo, copy};

use super::Model;
use crate::Config;
use crate::weights::{Weights, start};

/// Rows of the random block that the matrices repeat.
const ROWS: usize = 64;

impl Model {
    /// A model whose matrices repeat one small random block, written by the device itself: the weights of a shape of billions take neither the
    /// host's memory nor minutes of drawing and copying. It computes as any other, and has nothing to say.
    ///
    /// # Errors
    /// A config that [`Config::check`] refuses; a dtype that is no float of 16 to 64 bits, or that the device lacks; more than the device has room for.
    pub fn for_speed(config: Config, stream: &Stream, dtype: DType, seed: u64) -> Result<Self> {
        config.check()?;
        Self::check_dtype(stream, dtype)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let widest = config.hidden_size.max(config.ffn_dim()).max(config.v_dim());
        let embeddings = start(&config, "backbone.embeddings.weight", &[ROWS, widest], &mut random);
        let block = Tensor::from_f64(&embeddings, dtype, [ROWS, widest])?.to(stream)?;
        let weights = Weights::from_shapes(&config, |name, shape| match shape[..] {
            [rows, columns] if rows.is_multiple_of(ROWS) && columns <= widest => {
                let repeated = block.slice(1, 0..columns)?.unsqueeze(0)?;
                let repeated = repeated.broadcast_to([rows / ROWS, ROWS, columns])?;
                copy(stream, &repeated, &CopyTo::default())?.reshape([rows, columns])
            }
            _ => Tensor::from_f64(&start(&config, &name, &shape, &mut random), dtype, shape)?.to(stream),
        })?;
        let config = Config { weight_mode: "single".to_owned(), ..config };
        Ok(Model { config, stream: stream.clone(), weights })
    }
}

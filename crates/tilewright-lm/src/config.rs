//! The config: the fields of Hugging Face's `xLSTMConfig`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tilewright_core::{Device, Error, Result};
use tilewright_kernels::mlstm::Mlstm;

use crate::bytes;

/// Of the papers.
const USUAL_WIDTH: usize = 4;

fn is_usual_width(width: &usize) -> bool {
    *width == USUAL_WIDTH
}

/// One token id or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TokenIds {
    /// One.
    One(u32),
    /// Several.
    Many(Vec<u32>),
}

/// The shape of a model, as `config.json` has it. Fields that it lacks have Hugging Face's defaults, which are those of xLSTM-7B.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `["xLSTMForCausalLM"]`.
    pub architectures: Vec<String>,
    /// `xlstm`.
    pub model_type: String,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// The same under its other name; where both are given they must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_dim: Option<usize>,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// The same under its other name; where both are given they must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_blocks: Option<usize>,
    /// Heads of each mLSTM.
    pub num_heads: usize,
    /// Biases beside those of the gates. Only `false` is supported.
    pub use_bias: bool,
    /// Whether the embedding is also the head. Only `false` is supported.
    pub tie_word_embeddings: bool,
    /// Whether a norm precedes the head. Only `true` is supported.
    pub add_out_norm: bool,
    /// eps of all norms.
    pub norm_eps: f64,
    /// Width of all queries, and of all keys, over that of the stream.
    pub qk_dim_factor: f64,
    /// Width of all values over that of the stream.
    pub v_dim_factor: f64,
    /// Tokens of a chunk in training and in reading prompts; it changes results by rounding only.
    pub chunk_size: usize,
    /// eps of the mLSTM's denominator.
    pub eps: f64,
    /// Width of the SwiGLU network over that of the stream, before rounding.
    pub ffn_proj_factor: f64,
    /// What that width is rounded up to a multiple of.
    pub ffn_round_up_to_multiple_of: usize,
    /// Cap of the gates' pre-activations.
    pub gate_soft_cap: f64,
    /// Cap of the logits.
    pub output_logit_soft_cap: f64,
    /// The blocks, from 0, that have an sLSTM in the place of an mLSTM: with them a model is an `xLSTM[a:b]` and no longer Hugging Face's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slstm_at: Vec<usize>,
    /// Tokens that the filter before an sLSTM's gates sees.
    #[serde(skip_serializing_if = "is_usual_width")]
    pub conv1d_kernel_size: usize,
    /// How files hold the projections: `single`, one tensor each, or `fused`. Files are written as `single`.
    pub weight_mode: String,
    /// Token that fills up batches.
    pub pad_token_id: Option<u32>,
    /// Token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_id: Option<TokenIds>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            architectures: vec!["xLSTMForCausalLM".to_owned()],
            model_type: "xlstm".to_owned(),
            vocab_size: 50_304,
            hidden_size: 4096,
            embedding_dim: None,
            num_hidden_layers: 32,
            num_blocks: None,
            num_heads: 8,
            use_bias: false,
            tie_word_embeddings: false,
            add_out_norm: true,
            norm_eps: 1e-6,
            qk_dim_factor: 0.5,
            v_dim_factor: 1.0,
            chunk_size: 64,
            eps: 1e-6,
            ffn_proj_factor: 2.667,
            ffn_round_up_to_multiple_of: 64,
            gate_soft_cap: 15.0,
            output_logit_soft_cap: 30.0,
            slstm_at: Vec::new(),
            conv1d_kernel_size: USUAL_WIDTH,
            weight_mode: "single".to_owned(),
            pad_token_id: Some(1),
            bos_token_id: Some(0),
            eos_token_id: Some(TokenIds::One(2)),
        }
    }
}

impl Config {
    /// A model of bytes, of a size that a CPU trains: 2 blocks, 128 wide.
    pub fn bytes() -> Self {
        Config {
            vocab_size: bytes::VOCABULARY,
            hidden_size: 128,
            num_hidden_layers: 2,
            num_heads: 4,
            pad_token_id: None,
            bos_token_id: None,
            eos_token_id: None,
            ..Config::default()
        }
    }

    /// With the blocks of an xLSTM\[a:b\]: of each `mlstm + slstm` blocks, the last `slstm` have an sLSTM.
    pub fn with_ratio(self, mlstm: usize, slstm: usize) -> Self {
        let period = (mlstm + slstm).max(1);
        let slstm_at = (0..self.num_hidden_layers).filter(|block| block % period >= mlstm).collect();
        Config { slstm_at, ..self }
    }

    /// Reads a `config.json`, and checks it.
    ///
    /// # Errors
    /// A file that is missing or no such JSON; what [`Config::check`] refuses.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|why| Error::file("config", path, why))?;
        let config: Config = serde_json::from_slice(&text).map_err(|why| Error::file("config", path, why))?;
        config.check()?;
        Ok(config)
    }

    /// Writes a `config.json`: to a temporary name first, then renamed.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = serde_json::to_vec_pretty(self).map_err(|why| Error::file("config", path, why))?;
        let temporary = path.with_extension(format!("{}.part", std::process::id()));
        let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
        written.map_err(|why| Error::file("config", path, why))
    }

    /// Refuses what is no xLSTM, what cannot be divided into heads, and what is not supported.
    ///
    /// # Errors
    /// Each names the field.
    pub fn check(&self) -> Result<()> {
        let range =
            |field: &'static str, expected: &str, got: String| Error::range("config", field, expected, got);
        if self.model_type != "xlstm" {
            return Err(range("model_type", "xlstm", self.model_type.clone()));
        }
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_heads", self.num_heads),
            ("chunk_size", self.chunk_size),
            ("ffn_round_up_to_multiple_of", self.ffn_round_up_to_multiple_of),
        ];
        for (field, size) in sizes {
            if size == 0 || size > 1 << 30 {
                return Err(range(field, "1 to 2^30", size.to_string()));
            }
        }
        let twins = [
            ("embedding_dim", self.embedding_dim, self.hidden_size),
            ("num_blocks", self.num_blocks, self.num_hidden_layers),
        ];
        for (field, other, own) in twins {
            if other.is_some_and(|other| other != own) {
                return Err(range(field, &own.to_string(), other.unwrap_or_default().to_string()));
            }
        }
        for (field, factor) in [
            ("qk_dim_factor", self.qk_dim_factor),
            ("v_dim_factor", self.v_dim_factor),
            ("ffn_proj_factor", self.ffn_proj_factor),
            ("gate_soft_cap", self.gate_soft_cap),
            ("output_logit_soft_cap", self.output_logit_soft_cap),
        ] {
            if !(factor > 0.0 && factor < 1e6) {
                return Err(range(field, "a number > 0 and < 1e6", factor.to_string()));
            }
        }
        for (field, width) in [("qk_dim_factor", self.qk_dim()), ("v_dim_factor", self.v_dim())] {
            if width == 0 || !width.is_multiple_of(self.num_heads) {
                let expected = format!("a width that {} heads share evenly", self.num_heads);
                return Err(range(field, &expected, format!("{width} of {}", self.hidden_size)));
            }
        }
        if let Some(beyond) = self.slstm_at.iter().find(|&&block| block >= self.num_hidden_layers) {
            return Err(range(
                "slstm_at",
                &format!("blocks below {}", self.num_hidden_layers),
                beyond.to_string(),
            ));
        }
        if !self.slstm_at.is_empty() && !self.hidden_size.is_multiple_of(self.num_heads) {
            let expected = format!("a width that {} heads share evenly", self.num_heads);
            return Err(range("hidden_size", &expected, self.hidden_size.to_string()));
        }
        if !(1..=8).contains(&self.conv1d_kernel_size) {
            return Err(range("conv1d_kernel_size", "1 to 8", self.conv1d_kernel_size.to_string()));
        }
        if !["single", "fused"].contains(&self.weight_mode.as_str()) {
            return Err(range("weight_mode", "single or fused", self.weight_mode.clone()));
        }
        let unsupported = |why| Err(Error::unsupported("config", Device::Cpu, why));
        match (self.use_bias, self.add_out_norm) {
            (true, _) => unsupported("use_bias: only the gates have biases here"),
            (_, false) => unsupported("add_out_norm = false: the head follows a norm here"),
            _ => Ok(()),
        }
    }

    /// Width of all queries, and of all keys.
    pub fn qk_dim(&self) -> usize {
        (self.hidden_size as f64 * self.qk_dim_factor) as usize
    }

    /// Width of all values.
    pub fn v_dim(&self) -> usize {
        (self.hidden_size as f64 * self.v_dim_factor) as usize
    }

    /// Width of the SwiGLU network.
    pub fn ffn_dim(&self) -> usize {
        let multiple = self.ffn_round_up_to_multiple_of as f64;
        let width = self.hidden_size as f64 * self.ffn_proj_factor;
        (((width + multiple - 1.0) / multiple).floor() * multiple) as usize
    }

    /// What each mLSTM computes.
    pub(crate) fn cell(&self) -> Mlstm {
        Mlstm { eps: self.eps, gate_cap: Some(self.gate_soft_cap), ..Mlstm::default() }
    }

    /// Whether a token ends a text.
    pub fn ends(&self, token: u32) -> bool {
        match &self.eos_token_id {
            None => false,
            Some(TokenIds::One(id)) => *id == token,
            Some(TokenIds::Many(ids)) => ids.contains(&token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_7b() {
        let config = Config::default();
        config.check().unwrap();
        assert_eq!((config.qk_dim() / 8, config.v_dim() / 8, config.ffn_dim()), (256, 512, 10_944));
        assert!(config.ends(2) && !config.ends(3));
    }

    #[test]
    fn wrong_fields_are_named() {
        let error = |config: Config| config.check().unwrap_err().to_string();
        let usual = Config::default;
        for (error, part) in [
            (error(Config { model_type: "llama".into(), ..usual() }), "model_type is llama, expected xlstm"),
            (error(Config { num_heads: 0, ..usual() }), "num_heads is 0"),
            (error(Config { num_heads: 7, ..usual() }), "qk_dim_factor is 2048 of 4096"),
            (error(Config { embedding_dim: Some(5), ..usual() }), "embedding_dim is 5, expected 4096"),
            (error(Config { gate_soft_cap: f64::NAN, ..usual() }), "gate_soft_cap is NaN"),
            (error(Config { slstm_at: vec![1, 32], ..usual() }), "slstm_at is 32, expected blocks below 32"),
            (error(Config { conv1d_kernel_size: 9, ..usual() }), "conv1d_kernel_size is 9"),
            (error(Config { weight_mode: "torn".into(), ..usual() }), "weight_mode is torn"),
            (error(Config { use_bias: true, ..usual() }), "unsupported on cpu: use_bias"),
            (error(Config { add_out_norm: false, ..usual() }), "add_out_norm = false"),
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_ratio_places_the_slstm_blocks() {
        let at = |mlstm, slstm| {
            Config { num_hidden_layers: 8, ..Config::bytes() }.with_ratio(mlstm, slstm).slstm_at
        };
        assert_eq!((at(7, 1), at(1, 1), at(1, 0)), (vec![7], vec![1, 3, 5, 7], vec![]));
        assert_eq!(at(0, 1), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn files_round_trip_and_hostile_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let config = Config { eos_token_id: Some(TokenIds::Many(vec![2, 7])), ..Config::bytes() };
        config.write(&path).unwrap();
        assert_eq!(Config::read(&path).unwrap(), config);
        std::fs::write(&path, "{\"hidden_size\": -4}").unwrap();
        assert!(Config::read(&path).unwrap_err().to_string().contains("config.json"));
        std::fs::write(&path, "{\"hidden_size\": 100000000000}").unwrap();
        assert!(Config::read(&path).unwrap_err().to_string().contains("hidden_size is 100000000000"));
    }
}

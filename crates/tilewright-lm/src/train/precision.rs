//! What gradients are computed in, beside weights of f32.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tilewright_core::{DType, Error, Result, Tensor};
use tilewright_kernels::elementwise::{CopyTo, copy};

use super::NAME;
use crate::{Model, Weights};

/// What a model in training is computed in. The weights that are moved, and what the optimizer keeps of gradients, are f32 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The dtype of the weights.
    #[default]
    Full,
    /// bf16, which has the range of f32, so that losses need no factor. The weights are rounded to it after each step.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Full => "full",
            Precision::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = [Precision::Full, Precision::Bf16].into_iter().find(|known| known.to_string() == text);
        found.ok_or_else(|| Error::range(NAME, "precision", "full or bf16", text))
    }
}

impl Precision {
    /// The model that gradients are computed with, and the weights that are moved where these are others.
    pub(super) fn shortened(self, model: Model) -> Result<(Model, Option<Weights<Tensor>>)> {
        match self {
            Precision::Full => Ok((model, None)),
            Precision::Bf16 => {
                if model.dtype() != DType::F32 {
                    return Err(Error::dtype(NAME, "weights beside bf16", DType::F32, model.dtype()));
                }
                let (config, stream) = (model.config().clone(), model.stream().clone());
                let short = Model::from_weights(config, &stream, &model.weights, Some(DType::Bf16))?;
                Ok((short, Some(model.weights)))
            }
        }
    }

    /// A gradient as the optimizer takes it.
    pub(super) fn lengthened(self, model: &Model, by: Weights<Tensor>) -> Result<Weights<Tensor>> {
        match self {
            Precision::Full => Ok(by),
            Precision::Bf16 => {
                let args = CopyTo { dtype: Some(DType::F32) };
                by.map(model.config(), |by| copy(model.stream(), by, &args))
            }
        }
    }
}

//! How a gradient becomes a step: AdamW, or Muon for the matrices of the blocks and AdamW for the rest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tilewright_core::{Error, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{AdamW, Axpy, adamw, axpy, copy_into};
use tilewright_kernels::linalg::{Orthogonalize, orthogonalize};

use super::{NAME, Trainer};
use crate::Weights;

/// What moves the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// AdamW for all.
    #[default]
    AdamW,
    /// Muon for the matrices of the blocks: the momentum, made nearly orthogonal. AdamW for embeddings, head, gates of one number a head, filters and vectors.
    Muon,
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Optimizer::AdamW => "adamw",
            Optimizer::Muon => "muon",
        })
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = [Optimizer::AdamW, Optimizer::Muon].into_iter().find(|known| known.to_string() == text);
        found.ok_or_else(|| Error::range(NAME, "optimizer", "adamw or muon", text))
    }
}

/// How much of the momentum Muon keeps.
const MOMENTUM: f64 = 0.95;
/// Steps of an orthogonal matrix have elements of size `max(m, n)^-1/2`; times this and that root they are as large as AdamW's usually are,
/// so that one rate serves both (Liu et al., "Muon is scalable for LLM training", arXiv 2502.16982, section 2.2).
const SIZE: f64 = 0.2;

/// Whether Muon moves it: a matrix, or a stack of them, that leads from units to units.
fn is_matrix(name: &str, weight: &Tensor) -> bool {
    let few_or_filter = ["igate_preact", "fgate_preact", "conv"].iter().any(|part| name.contains(part));
    name.starts_with("backbone.blocks.") && name.ends_with(".weight") && weight.rank() > 1 && !few_or_filter
}

/// Norms and biases are not shortened.
fn decays(name: &str, weight: &Tensor) -> bool {
    name.ends_with(".weight") && weight.rank() > 1
}

impl Trainer {
    /// Moves all weights against `by`, a gradient that `scale` averages and clips.
    pub(super) fn update(&mut self, by: &Weights<Tensor>, rate: f64, scale: f64) -> Result<()> {
        let options = self.options;
        let args = AdamW {
            lr: rate,
            beta1: options.beta1,
            beta2: options.beta2,
            step: self.step + 1,
            scale,
            ..AdamW::default()
        };
        let stream = self.model.stream().clone();
        let weights = self.master.as_mut().unwrap_or(&mut self.model.weights);
        let moments = self.first.all_mut().into_iter().zip(self.second.all_mut());
        for ((weight, (name, by)), (first, second)) in
            weights.all_mut().into_iter().zip(by.all()).zip(moments)
        {
            let weight_decay = if decays(&name, weight) { options.weight_decay } else { 0.0 };
            if options.optimizer == Optimizer::Muon && is_matrix(&name, weight) {
                muon(&stream, weight, by, first, second, &AdamW { weight_decay, ..args })?;
            } else {
                adamw(&stream, weight, by, first, second, &AdamW { weight_decay, ..args })?;
            }
        }
        if let Some(master) = &self.master {
            for (weight, (_, master)) in self.model.weights.all_mut().into_iter().zip(master.all()) {
                copy_into(&stream, master, weight)?;
            }
        }
        Ok(())
    }
}

/// One step of Muon with Nesterov's momentum: `M' = mu M + G`, then `W' = (1 - lr decay) W - lr size orth(mu M' + G)`. `zeros` is what AdamW would keep its squares in.
fn muon(
    stream: &Stream,
    weight: &mut Tensor,
    by: &Tensor,
    momentum: &mut Tensor,
    zeros: &Tensor,
    args: &AdamW,
) -> Result<()> {
    let add = |alpha: f64, x: &Tensor, y: &Tensor| axpy(stream, x, y, &Axpy { alpha });
    let gradient = add(args.scale, by, zeros)?;
    *momentum = add(MOMENTUM, momentum, &gradient)?;
    let ahead = add(MOMENTUM, momentum, &gradient)?;
    let step = orthogonalize(stream, &ahead, &Orthogonalize::default())?;
    let dims = weight.dims();
    let size = SIZE * (dims[dims.len() - 1].max(dims[dims.len() - 2]) as f64).sqrt();
    let kept = add(1.0 - args.lr * args.weight_decay, weight, zeros)?;
    *weight = add(-args.lr * size, &step, &kept)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tilewright_core::{DType, Stream, Tensor};
    use tilewright_kernels::elementwise::AdamW;

    use super::{Optimizer, is_matrix, muon};

    #[test]
    fn names_round_trip() {
        assert_eq!("muon".parse::<Optimizer>().unwrap(), Optimizer::Muon);
        assert_eq!(Optimizer::AdamW.to_string(), "adamw");
        assert!("sgd".parse::<Optimizer>().unwrap_err().to_string().contains("optimizer is sgd"));
    }

    #[test]
    fn only_matrices_between_units_are_made_orthogonal() {
        let matrix = Tensor::zeros(DType::F32, [3, 4]).unwrap();
        let stack = Tensor::zeros(DType::F32, [2, 4, 3, 3]).unwrap();
        let vector = Tensor::zeros(DType::F32, [4]).unwrap();
        assert!(is_matrix("backbone.blocks.0.mlstm_layer.q.weight", &matrix));
        assert!(is_matrix("backbone.blocks.0.mlstm_layer.ogate_preact.weight", &matrix));
        assert!(is_matrix("backbone.blocks.1.slstm_layer.recurrent.weight", &stack));
        assert!(!is_matrix("backbone.blocks.1.slstm_layer.bias", &stack));
        assert!(!is_matrix("backbone.blocks.1.slstm_layer.conv.weight", &matrix));
        assert!(!is_matrix("backbone.blocks.0.mlstm_layer.igate_preact.weight", &matrix));
        assert!(!is_matrix("backbone.embeddings.weight", &matrix) && !is_matrix("lm_head.weight", &matrix));
        assert!(!is_matrix("backbone.blocks.0.norm_ffn.weight", &vector));
    }

    /// Of a diagonal gradient the orthogonal factor is the sign: each step is as long as the rate says, whatever the gradient's size.
    #[test]
    fn a_step_has_the_size_of_the_rate_and_not_of_the_gradient() {
        let values = |tensor: &Tensor| tensor.to_f64_vec().unwrap();
        for size in [1e-3, 1e3] {
            let mut weight = Tensor::from_vec(vec![1.0f64, 0.0, 0.0, 1.0], [2, 2]).unwrap();
            let by = Tensor::from_vec(vec![size, 0.0, 0.0, -size], [2, 2]).unwrap();
            let zeros = Tensor::zeros(DType::F64, [2, 2]).unwrap();
            let mut momentum = zeros.clone();
            let args = AdamW { lr: 0.1, weight_decay: 0.5, scale: 0.25, ..AdamW::default() };
            muon(&Stream::cpu(), &mut weight, &by, &mut momentum, &zeros, &args).unwrap();
            let w = values(&weight);
            // 0.95 of it is left by the decay; the step is 0.1 * 0.2 * 2^1/2 times what five steps make of 1: 0.68 to 1.14.
            let (down, up) = ((0.95 - w[0]) / 0.0282843, (w[3] - 0.95) / 0.0282843);
            assert!((0.68..1.15).contains(&down) && (up - down).abs() < 1e-4, "{w:?}");
            assert!(w[1] == 0.0 && w[2] == 0.0);
            assert!((values(&momentum)[0] / size - 0.25).abs() < 1e-12);
        }
    }
}

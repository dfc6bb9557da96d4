//! A block over one token of one text: each step from one state to the next is one launch, and so each weight is waited for once and nothing else is.

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{CopyTo, copy};
use tilewright_kernels::gemm::gemv_fused::fits;
use tilewright_kernels::gemm::{After, Before, FusedMaps, gemv_fused};
use tilewright_kernels::mlstm::{MlstmInputs, MlstmState, mlstm_step_into};

use super::Model;
use super::block::Layer;
use crate::BlockWeights;

/// The other place of an mLSTM's n and m, which take turns. An sLSTM has none.
pub(crate) type Spare = Option<(Tensor, Tensor)>;

impl Layer {
    /// A second place for n and m.
    pub(crate) fn spare(&self, stream: &Stream) -> Result<Spare> {
        let own = |tensor: &Tensor| copy(stream, tensor, &CopyTo::default());
        Ok(match self {
            Layer::Mlstm(state) => Some((own(&state.n)?, own(&state.m)?)),
            Layer::Slstm(_) => None,
        })
    }

    /// n and m change places with the spare ones.
    pub(crate) fn turn(&mut self, spare: &mut Spare) {
        if let (Layer::Mlstm(state), Some((n, m))) = (self, spare) {
            std::mem::swap(&mut state.n, n);
            std::mem::swap(&mut state.m, m);
        }
    }
}

impl Model {
    /// Whether x, `[b, s, d]`, is one token of one text, and of a width that the fused maps take on this device.
    pub(super) fn is_fused(&self, x: &Tensor) -> Result<bool> {
        let widest = self.config.hidden_size.max(self.config.v_dim());
        Ok(x.elements() == self.config.hidden_size && fits(self.stream.device(), widest, self.dtype())?)
    }

    /// The block over x, `[1, 1, d]`: five launches on a GPU.
    pub(super) fn block_fused(
        &self,
        w: &BlockWeights<Tensor>,
        x: &Tensor,
        state: &mut MlstmState,
        next: [&mut Tensor; 2],
    ) -> Result<Tensor> {
        let (stream, config, nh) = (&self.stream, &self.config, self.config.num_heads);
        let (d, qk, v, eps) = (config.hidden_size, config.qk_dim(), config.v_dim(), config.norm_eps);
        let x = x.reshape([d])?;
        let inward = gemv_fused(
            stream,
            &FusedMaps {
                before: Before::RmsNorm { weight: &w.norm_mlstm, eps },
                gates: &[(&w.i, &w.i_bias), (&w.f, &w.f_bias)],
                ..FusedMaps::of(&x, &[&w.q, &w.k, &w.v, &w.o])
            },
        )?;
        let part = |from: usize, width: usize| inward.out.slice(0, from..from + width);
        let heads = |part: Tensor| part.reshape([1, nh, part.elements() / nh]);
        let (q, k) = (heads(part(0, qk)?)?, heads(part(qk, qk)?)?);
        let (value, o) = (heads(part(2 * qk, v)?)?, part(2 * qk + v, v)?);
        let gate = |at: usize| inward.gates.slice(0, at * nh..(at + 1) * nh)?.reshape([1, nh]);
        let (i, f) = (gate(0)?, gate(1)?);
        let token = MlstmInputs { q: &q, k: &k, v: &value, i: &i, f: &f, o: None };
        let h = mlstm_step_into(stream, &token, state, next, &config.cell())?.reshape([v])?;
        let weight = w.norm_heads.reshape([nh, v / nh])?;
        let middle = gemv_fused(
            stream,
            &FusedMaps {
                before: Before::GatedHeads { weight: &weight, gate: &o, eps },
                after: After::Plus(&x),
                ..FusedMaps::of(&h, &[&w.out])
            },
        )?;
        let activated = gemv_fused(
            stream,
            &FusedMaps {
                before: Before::RmsNorm { weight: &w.norm_ffn, eps },
                after: After::Glu,
                ..FusedMaps::of(&middle.out, &[&w.up_gate, &w.up])
            },
        )?;
        let out = gemv_fused(
            stream,
            &FusedMaps { after: After::Plus(&middle.out), ..FusedMaps::of(&activated.out, &[&w.down]) },
        )?;
        out.out.reshape([1, 1, d])
    }

    /// The capped logits after x, `[1, 1, d]`.
    pub(super) fn head_fused(&self, x: &Tensor) -> Result<Tensor> {
        let dtype = if self.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let (weights, config) = (&self.weights, &self.config);
        let made = gemv_fused(
            &self.stream,
            &FusedMaps {
                before: Before::RmsNorm { weight: &weights.out_norm, eps: config.norm_eps },
                after: After::Cap(config.output_logit_soft_cap),
                out_dtype: Some(dtype),
                ..FusedMaps::of(&x.reshape([config.hidden_size])?, &[weights.head()])
            },
        )?;
        Ok(made.out)
    }
}

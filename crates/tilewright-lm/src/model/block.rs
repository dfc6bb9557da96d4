//! A block, forward: `x + mLSTM(norm x)`, then `x + network(norm x)`.

use tilewright_core::{DType, Result, Tensor};
use tilewright_kernels::elementwise::{Activation, CopyTo, Glu, copy, glu};
use tilewright_kernels::mlstm::{MlstmChunkwise, MlstmInputs, MlstmState, mlstm_chunkwise, mlstm_sequence};
use tilewright_kernels::norm::{multi_head_layer_norm, rms_norm};

use super::Model;
use super::linear::{flat, linear};
use crate::BlockWeights;

/// The activation of the output gate.
pub(super) const GATE: Glu = Glu { activation: Activation::Sigmoid };

/// What a block made on its way, for the way back.
pub(super) struct Saved {
    /// `[b, s, d]`.
    pub(super) x: Tensor,
    /// x, normed.
    pub(super) normed: Tensor,
    /// `[b, nh, s, dqk]`, views.
    pub(super) q: Tensor,
    pub(super) k: Tensor,
    /// `[b, nh, s, dv]`, a view.
    pub(super) v: Tensor,
    /// `[b, nh, s]`, views.
    pub(super) i: Tensor,
    pub(super) f: Tensor,
    /// `[b, s, v]`.
    pub(super) o: Tensor,
    /// `[b, s, nh, dv]`, a view.
    pub(super) h: Tensor,
    /// h, each head normed, `[b, s, v]`.
    pub(super) h_normed: Tensor,
    /// The same through the output gate.
    pub(super) gated: Tensor,
    /// The stream after the mLSTM.
    pub(super) middle: Tensor,
    pub(super) middle_normed: Tensor,
    /// `[b, s, ffn]`.
    pub(super) up_gate: Tensor,
    pub(super) up: Tensor,
    pub(super) activated: Tensor,
    /// The stream after the network.
    pub(super) out: Tensor,
}

impl Model {
    /// One block over x, `[b, s, d]`, from the state that the texts left before.
    pub(super) fn block(
        &self,
        w: &BlockWeights<Tensor>,
        x: Tensor,
        state: Option<&MlstmState>,
    ) -> Result<(Saved, MlstmState)> {
        let (stream, nh) = (&self.stream, self.config.num_heads);
        let &[b, s, _] = x.dims() else { unreachable!("as embedded") };
        let normed = rms_norm(stream, &x, &w.norm_mlstm, &self.norm())?;
        let project = |w: &Tensor| linear(stream, &normed, w, None, None);
        // [b, s, nh n] to [b, nh, s, n]
        let heads = |y: Tensor| y.reshape([b, s, nh, y.elements() / (b * s * nh)])?.permute(&[0, 2, 1, 3]);
        let gate = |w: &Tensor, bias: &Tensor| {
            let dtype = if self.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
            let bias = if bias.dtype() == dtype {
                bias.clone()
            } else {
                copy(stream, bias, &CopyTo { dtype: Some(dtype) })?
            };
            linear(stream, &normed, w, Some(&bias), Some(dtype))?.permute(&[0, 2, 1])
        };
        let (q, k, v, o) =
            (heads(project(&w.q)?)?, heads(project(&w.k)?)?, heads(project(&w.v)?)?, project(&w.o)?);
        let (i, f) = (gate(&w.i, &w.i_bias)?, gate(&w.f, &w.f_bias)?);
        let inputs = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
        let (h, after) = match s {
            1 => mlstm_sequence(stream, &inputs, state, &self.config.cell())?,
            _ => mlstm_chunkwise(stream, &inputs, state, &self.chunkwise())?,
        };
        let h = h.permute(&[0, 2, 1, 3])?;
        let weight = w.norm_heads.reshape([nh, self.config.v_dim() / nh])?;
        let h_normed = multi_head_layer_norm(stream, &h, &weight, &self.norm())?.reshape(o.shape())?;
        let gated = glu(stream, &o, &h_normed, &GATE)?;
        let middle = linear(stream, &gated, &w.out, Some(&x), None)?;

        let middle_normed = rms_norm(stream, &middle, &w.norm_ffn, &self.norm())?;
        let up_gate = linear(stream, &middle_normed, &w.up_gate, None, None)?;
        let up = linear(stream, &middle_normed, &w.up, None, None)?;
        let activated = glu(stream, &up_gate, &up, &Glu::default())?;
        let out = linear(stream, &activated, &w.down, Some(&middle), None)?;
        let saved = Saved {
            x: flat(stream, &x)?,
            normed,
            q,
            k,
            v,
            i,
            f,
            o,
            h,
            h_normed,
            gated,
            middle,
            middle_normed,
            up_gate,
            up,
            activated,
            out,
        };
        Ok((saved, after))
    }

    pub(super) fn chunkwise(&self) -> MlstmChunkwise {
        // The GPU bodies choose their own chunk, and the CPU has a better one than a config written for GPUs.
        MlstmChunkwise { cell: self.config.cell(), chunk: None }
    }
}

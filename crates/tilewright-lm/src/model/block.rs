//! A block, forward: `x + mLSTM(norm x)`, or the sLSTM in its place, then the network.

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{CopyTo, copy};
use tilewright_kernels::gemm::{Matmul, matmul};
use tilewright_kernels::mlstm::{
    MlstmChunkwise, MlstmInputs, MlstmState, mlstm_chunkwise, mlstm_sequence, mlstm_step_into,
};
use tilewright_kernels::norm::{multi_head_layer_norm_gated, rms_norm};

use super::fused::Spare;
use super::linear::{flat, linear};
use super::network::{Network, NetworkSaved};
use super::slstm::{SlstmLayer, SlstmSaved};
use super::{Model, NAME};
use crate::{Block, BlockWeights};

/// What a block leaves to the tokens that follow.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    Mlstm(Box<MlstmState>),
    Slstm(Box<SlstmLayer>),
}

impl Layer {
    /// The same in memory that no other tensor shares, row-major.
    pub(crate) fn owned(&self, stream: &Stream) -> Result<Self> {
        let own = |tensor: &Tensor| copy(stream, tensor, &CopyTo::default());
        Ok(match self {
            Layer::Mlstm(state) => {
                let MlstmState { c, n, m } = &**state;
                Layer::Mlstm(Box::new(MlstmState { c: own(c)?, n: own(n)?, m: own(m)? }))
            }
            Layer::Slstm(layer) => Layer::Slstm(Box::new(layer.owned(stream)?)),
        })
    }
}

/// A state whose blocks are not of the model's kinds.
fn other_kind() -> Error {
    Error::range(NAME, "state", "one whose blocks are of the model's kinds", "another")
}

/// What a block made on its way, for the way back.
pub(super) struct Saved {
    pub(super) mixer: Mixer,
    pub(super) network: NetworkSaved,
    /// The stream after the network.
    pub(super) out: Tensor,
}

/// What the part of a block that sees other tokens made.
pub(super) enum Mixer {
    Mlstm(Box<MlstmSaved>),
    Slstm(Box<SlstmSaved>),
}

/// What an mLSTM made.
pub(super) struct MlstmSaved {
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
    /// h, each head normed, through the output gate, `[b, s, v]`.
    pub(super) gated: Tensor,
}

/// The weights of a block's network.
pub(super) fn network_of(w: &Block<Tensor>) -> Network<&Tensor> {
    match w {
        Block::Mlstm(w) => Network { norm: &w.norm_ffn, up_gate: &w.up_gate, up: &w.up, down: &w.down },
        Block::Slstm(w) => Network { norm: &w.norm_ffn, up_gate: &w.up_gate, up: &w.up, down: &w.down },
    }
}

impl Model {
    /// One block over x, `[b, s, d]`, from the state that the texts left before.
    pub(super) fn block(
        &self,
        w: &Block<Tensor>,
        x: Tensor,
        state: Option<&Layer>,
    ) -> Result<(Saved, Layer)> {
        let (middle, mixer, after) = match w {
            Block::Mlstm(w) => {
                let state = match state {
                    None => None,
                    Some(Layer::Mlstm(state)) => Some(&**state),
                    Some(_) => return Err(other_kind()),
                };
                let mut after = None;
                let (middle, saved) = self.mlstm(w, x, |inputs| {
                    let (h, last) = match inputs.q.dims()[2] {
                        1 => mlstm_sequence(&self.stream, inputs, state, &self.config.cell())?,
                        _ => mlstm_chunkwise(&self.stream, inputs, state, &self.chunkwise())?,
                    };
                    after = Some(last);
                    Ok(h)
                })?;
                let after = after.expect("the cell has run");
                (middle, Mixer::Mlstm(Box::new(saved)), Layer::Mlstm(Box::new(after)))
            }
            Block::Slstm(w) => {
                let state = match state {
                    None => None,
                    Some(Layer::Slstm(state)) => Some(&**state),
                    Some(_) => return Err(other_kind()),
                };
                let (middle, saved, after) = self.slstm(w, x, state)?;
                (middle, Mixer::Slstm(Box::new(saved)), Layer::Slstm(Box::new(after)))
            }
        };
        let (out, network) = self.network(&network_of(w), middle)?;
        Ok((Saved { mixer, network, out }, after))
    }

    /// One block over one token of each text, x `[b, 1, d]`. The state becomes that after it, in the memory that it has; but n and m go to `spare`, with which
    /// they change places once the step is done.
    pub(super) fn block_in_place(
        &self,
        w: &Block<Tensor>,
        x: Tensor,
        layer: &mut Layer,
        spare: &mut Spare,
    ) -> Result<Tensor> {
        let stream = &self.stream;
        let middle = match (w, layer, spare) {
            (Block::Mlstm(w), Layer::Mlstm(state), Some((n, m))) => {
                if self.is_fused(&x)? {
                    return self.block_fused(w, &x, state, [n, m]);
                }
                let step = |inputs: &MlstmInputs<'_>| {
                    let at = |tensor: &Tensor| tensor.select(2, 0);
                    let (q, k, v) = (at(inputs.q)?, at(inputs.k)?, at(inputs.v)?);
                    let (i, f) = (at(inputs.i)?, at(inputs.f)?);
                    let token = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
                    mlstm_step_into(stream, &token, state, [n, m], &self.config.cell())?.unsqueeze(2)
                };
                self.mlstm(w, x, step)?.0
            }
            (Block::Slstm(w), Layer::Slstm(state), _) => {
                let (middle, _, after) = self.slstm(w, x, Some(state))?;
                state.overwrite(stream, &after)?;
                middle
            }
            _ => return Err(other_kind()),
        };
        Ok(self.network(&network_of(w), middle)?.0)
    }

    /// The stream after the mLSTM, whose h `cell` computes.
    fn mlstm(
        &self,
        w: &BlockWeights<Tensor>,
        x: Tensor,
        cell: impl FnOnce(&MlstmInputs<'_>) -> Result<Tensor>,
    ) -> Result<(Tensor, MlstmSaved)> {
        let (stream, nh) = (&self.stream, self.config.num_heads);
        let &[b, s, _] = x.dims() else { unreachable!("as embedded") };
        let normed = rms_norm(stream, &x, &w.norm_mlstm, &self.norm())?;
        let project = |w: &Tensor| linear(stream, &normed, w, None, None);
        // [b, s, nh n] to [b, nh, s, n]
        let heads = |y: Tensor| y.reshape([b, s, nh, y.elements() / (b * s * nh)])?.permute(&[0, 2, 1, 3]);
        let gate = |w: &Tensor, bias: &Tensor| {
            let dtype = if self.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
            let wide = CopyTo { dtype: Some(dtype) };
            if b > 1 || s == 1 {
                let bias = if bias.dtype() == dtype { bias.clone() } else { copy(stream, bias, &wide)? };
                return linear(stream, &normed, w, Some(&bias), Some(dtype))?.permute(&[0, 2, 1]);
            }
            // The gates of one text's tokens, head by head as the cell reads them.
            let bias = copy(stream, &bias.unsqueeze(1)?.broadcast_to([1, nh, s])?, &wide)?;
            let args = Matmul { transpose_b: true, beta: 1.0, out_dtype: wide.dtype, ..Matmul::default() };
            matmul(stream, w, &normed, Some(&bias), &args)
        };
        let (q, k, v, o) =
            (heads(project(&w.q)?)?, heads(project(&w.k)?)?, heads(project(&w.v)?)?, project(&w.o)?);
        let (i, f) = (gate(&w.i, &w.i_bias)?, gate(&w.f, &w.f_bias)?);
        let inputs = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
        let h = cell(&inputs)?;
        let h = h.permute(&[0, 2, 1, 3])?;
        let weight = w.norm_heads.reshape([nh, self.config.v_dim() / nh])?;
        let gate = o.reshape(h.shape())?;
        let gated =
            multi_head_layer_norm_gated(stream, &h, &weight, &gate, &self.norm())?.reshape(o.shape())?;
        let middle = linear(stream, &gated, &w.out, Some(&x), None)?;
        let saved = MlstmSaved { x: flat(stream, &x)?, normed, q, k, v, i, f, o, h, gated };
        Ok((middle, saved))
    }

    pub(super) fn chunkwise(&self) -> MlstmChunkwise {
        // The GPU bodies choose their own chunk and tiles, and the CPU has a better chunk than a config written for GPUs.
        MlstmChunkwise { cell: self.config.cell(), ..MlstmChunkwise::default() }
    }
}

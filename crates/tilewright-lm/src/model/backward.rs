//! The way back: the mean loss of a batch, and its gradient by every weight.

use tilewright_core::{DType, Error, Result, Tensor};
use tilewright_kernels::elementwise::{Axpy, CopyTo, axpy, copy, soft_cap_bw};
use tilewright_kernels::gather::embedding_bw;
use tilewright_kernels::mlstm::{
    MlstmChunkwise, MlstmChunkwiseBw, MlstmInputs, MlstmLoss, mlstm_chunkwise_bw,
};
use tilewright_kernels::norm::{multi_head_layer_norm_gated_bw, rms_norm_bw};
use tilewright_kernels::reduce::{Sum, cross_entropy, cross_entropy_bw, sum};

use super::block::{Mixer, MlstmSaved, Saved, network_of};
use super::linear::{linear_bw_w, linear_bw_x, rows};
use super::network::Network;
use super::{Model, NAME};
use crate::{Block, BlockWeights, Weights};

impl Model {
    /// The cross-entropy of `targets`, `[b, s]`, after `tokens`, `[b, s]`: its sum over all targets, and their number. A target below 0 is left out.
    ///
    /// # Errors
    /// Tokens or targets of other shapes, dtypes or devices.
    pub fn loss(&self, tokens: &Tensor, targets: &Tensor) -> Result<(f64, usize)> {
        let (x, _) = self.stream_of(tokens, None)?;
        let losses = cross_entropy(&self.stream, &self.head(&x)?.1, targets)?;
        Ok((self.total(&losses)?, targets.to_vec::<i64>()?.iter().filter(|&&target| target >= 0).count()))
    }

    /// The mean cross-entropy of `targets` after `tokens`, and its gradient by every weight.
    ///
    /// # Errors
    /// A model of f16; tokens or targets of other shapes, dtypes or devices; no target that is not left out.
    pub fn gradients(&self, tokens: &Tensor, targets: &Tensor) -> Result<(f64, Weights<Tensor>)> {
        let (stream, w) = (&self.stream, &self.weights);
        if self.dtype() == DType::F16 {
            let why = "gradients leave the range of f16 without a factor of the loss; bf16 and f32 need none";
            return Err(Error::unsupported(NAME, stream.device(), why));
        }
        let counted = targets.to_vec::<i64>()?.iter().filter(|&&target| target >= 0).count();
        if counted == 0 {
            return Err(Error::range(NAME, "targets", "at least one that counts", 0));
        }
        let mut x = self.embedded(tokens, None)?;
        let mut blocks = Vec::with_capacity(w.blocks.len());
        for weights in &w.blocks {
            let (saved, _) = self.block(weights, x, None)?;
            x = saved.out.clone();
            blocks.push(saved);
        }
        let (normed, capped, logits) = self.head(&x)?;
        let losses = cross_entropy(stream, &capped, targets)?;

        let share = vec![1.0 / counted as f64; targets.elements()];
        let share = Tensor::from_f64(&share, losses.dtype(), targets.shape())?.to(stream)?;
        let dcapped = cross_entropy_bw(stream, &share, &capped, targets)?;
        let dlogits = self.own(&soft_cap_bw(stream, &dcapped, &logits, &self.cap())?)?;
        let by_head = linear_bw_w(stream, &dlogits, &normed)?;
        let dnormed = linear_bw_x(stream, &dlogits, w.head(), None)?;
        let last = rms_norm_bw(stream, &dnormed, &x, &w.out_norm, &self.norm())?;
        let mut dx = last.x;
        let mut by_blocks = Vec::with_capacity(blocks.len());
        for (weights, saved) in w.blocks.iter().zip(blocks).rev() {
            let (before, by) = self.block_bw(weights, saved, dx)?;
            dx = before;
            by_blocks.push(by);
        }
        by_blocks.reverse();
        let by_embedding = embedding_bw(stream, &dx, tokens, self.config.vocab_size)?;
        let (embeddings, head) = match w.head {
            Some(_) => (by_embedding, Some(by_head)),
            // Used twice, they have the gradients of both uses.
            None => (axpy(stream, &by_head, &by_embedding, &Axpy::default())?, None),
        };
        // The last thing that is asked of the device, so that it is never waited for before.
        let loss = self.total(&losses)? / counted as f64;
        Ok((loss, Weights { embeddings, blocks: by_blocks, out_norm: last.weight, head }))
    }

    /// In the model's own dtype, which logits and gates need not have.
    fn own(&self, x: &Tensor) -> Result<Tensor> {
        if x.dtype() == self.dtype() {
            return Ok(x.clone());
        }
        copy(&self.stream, x, &CopyTo { dtype: Some(self.dtype()) })
    }

    /// The sum of all elements, on the host.
    fn total(&self, losses: &Tensor) -> Result<f64> {
        let rows = losses.reshape([losses.elements()])?;
        Ok(sum(&self.stream, &rows, &Sum::default())?.to_f64_vec()?[0])
    }

    /// From the gradient by what a block made to that by what it took, and by its weights.
    fn block_bw(&self, w: &Block<Tensor>, saved: Saved, dout: Tensor) -> Result<(Tensor, Block<Tensor>)> {
        let (dmiddle, network) = self.network_bw(&network_of(w), &saved.network, &dout)?;
        match (w, saved.mixer) {
            (Block::Mlstm(w), Mixer::Mlstm(saved)) => {
                let (dx, by) = self.mlstm_bw(w, &saved, &dmiddle, network)?;
                Ok((dx, Block::Mlstm(by)))
            }
            (Block::Slstm(w), Mixer::Slstm(saved)) => {
                let (dx, by) = self.slstm_bw(w, &saved, &dmiddle, network)?;
                Ok((dx, Block::Slstm(by)))
            }
            _ => unreachable!("a block saves what is of its own kind"),
        }
    }

    /// The gradient by the stream before the mLSTM, and by its weights; those of the network are given.
    fn mlstm_bw(
        &self,
        w: &BlockWeights<Tensor>,
        saved: &MlstmSaved,
        dmiddle: &Tensor,
        network: Network<Tensor>,
    ) -> Result<(Tensor, BlockWeights<Tensor>)> {
        let (stream, norm) = (&self.stream, self.norm());
        let &[b, s, _] = saved.x.dims() else { unreachable!("as embedded") };
        let dgated = linear_bw_x(stream, dmiddle, &w.out, None)?;
        let out = linear_bw_w(stream, dmiddle, &saved.gated)?;
        let nh = self.config.num_heads;
        let weight = w.norm_heads.reshape([nh, self.config.v_dim() / nh])?;
        // [b, s, nh n] as [b, s, nh, n]
        let by_heads = |x: &Tensor| x.reshape(saved.h.shape());
        let (dgated, gate) = (by_heads(&dgated)?, by_heads(&saved.o)?);
        let heads = multi_head_layer_norm_gated_bw(stream, &dgated, &saved.h, &weight, &gate, &norm)?;
        let do_ = heads.gate.expect("there is a gate").reshape(saved.o.shape())?;
        let inputs = MlstmInputs { q: &saved.q, k: &saved.k, v: &saved.v, i: &saved.i, f: &saved.f, o: None };
        let dh = heads.x.permute(&[0, 2, 1, 3])?;
        let MlstmChunkwise { cell, chunk, tile } = self.chunkwise();
        let args = MlstmChunkwiseBw { cell, chunk, tile, ..MlstmChunkwiseBw::default() };
        let loss = MlstmLoss { h: &dh, c: None, n: None };
        let cell = mlstm_chunkwise_bw(stream, &inputs, None, &loss, &args)?;

        // [b, nh, s, n] to [b, s, nh n], and [b, nh, s] to [b, s, nh]
        let merged = |by: &Tensor| {
            let order: &[usize] = if by.rank() == 4 { &[0, 2, 1, 3] } else { &[0, 2, 1] };
            let by = copy(stream, &by.permute(order)?, &CopyTo::default())?;
            by.reshape([b, s, by.elements() / (b * s)])
        };
        let (dq, dk, dv) = (merged(&cell.q)?, merged(&cell.k)?, merged(&cell.v)?);
        let (di, df) = (self.own(&merged(&cell.i)?)?, self.own(&merged(&cell.f)?)?);
        let projections = [(&dq, &w.q), (&dk, &w.k), (&dv, &w.v), (&do_, &w.o), (&di, &w.i), (&df, &w.f)];
        let mut dnormed = None;
        for (by, weight) in projections {
            dnormed = Some(linear_bw_x(stream, by, weight, dnormed.as_ref())?);
        }
        let dnormed = dnormed.expect("there are projections");
        let of = |by: &Tensor| linear_bw_w(stream, by, &saved.normed);
        let bias = |by: &Tensor| sum(stream, &rows(stream, by)?, &Sum { axis: 0, ..Sum::default() });
        let first = rms_norm_bw(stream, &dnormed, &saved.x, &w.norm_mlstm, &norm)?;
        let dx = axpy(stream, dmiddle, &first.x, &Axpy::default())?;
        let by = BlockWeights {
            norm_mlstm: first.weight,
            q: of(&dq)?,
            k: of(&dk)?,
            v: of(&dv)?,
            o: of(&do_)?,
            i: of(&di)?,
            i_bias: bias(&di)?,
            f: of(&df)?,
            f_bias: bias(&df)?,
            norm_heads: heads.weight.reshape([self.config.v_dim()])?,
            out,
            norm_ffn: network.norm,
            up_gate: network.up_gate,
            up: network.up,
            down: network.down,
        };
        Ok((dx, by))
    }

    /// Targets as a tensor `[b, s]` on the device; -1 is left out.
    ///
    /// # Errors
    /// Rows of different lengths or none; a target that the vocabulary lacks.
    pub fn targets(&self, rows: &[impl AsRef<[i64]>]) -> Result<Tensor> {
        let length = rows.first().map_or(0, |row| row.as_ref().len());
        let all: Vec<i64> = rows.iter().flat_map(|row| row.as_ref().iter().copied()).collect();
        if length == 0 || rows.iter().any(|row| row.as_ref().len() != length) {
            return Err(Error::range(NAME, "rows of targets", "of one length, at least 1", "others"));
        }
        if let Some(beyond) = all.iter().find(|&&target| target >= self.config.vocab_size as i64) {
            return Err(Error::range(NAME, "target", format!("below {}", self.config.vocab_size), beyond));
        }
        Tensor::from_vec(all, [rows.len(), length])?.to(&self.stream)
    }
}

//! The sLSTM of a block, forward and backward: `x + norm(sLSTM(gates of norm x))`. The input and the forget gate see the stream through a short filter over time and
//! silu; all gates are head by head, and see the head's own outputs before.

use tilewright_core::{Result, Stream, Tensor};
use tilewright_kernels::conv::{CausalConvInputs, causal_conv, causal_conv_bw};
use tilewright_kernels::elementwise::{Activation, Axpy, CopyTo, Glu, axpy, copy, copy_into, glu, glu_bw};
use tilewright_kernels::gemm::{Matmul, matmul};
use tilewright_kernels::norm::{multi_head_layer_norm, multi_head_layer_norm_bw, rms_norm, rms_norm_bw};
use tilewright_kernels::reduce::{Sum, sum};
use tilewright_kernels::slstm::{Slstm, SlstmLoss, SlstmState, slstm_sequence, slstm_sequence_bw};

use super::Model;
use super::joined::joined;
use super::linear::flat;
use super::network::Network;
use crate::SlstmWeights;

/// What makes of a value and itself its silu.
const GATE: Glu = Glu { activation: Activation::Sigmoid };

/// What an sLSTM leaves to the tokens that follow.
#[derive(Debug, Clone)]
pub(crate) struct SlstmLayer {
    pub(crate) cell: SlstmState,
    /// The last tokens that the filter saw, `[b, w - 1, d]`.
    pub(crate) conv: Tensor,
}

impl SlstmLayer {
    /// The same in memory that no other tensor shares, row-major.
    pub(super) fn owned(&self, stream: &Stream) -> Result<Self> {
        let own = |tensor: &Tensor| copy(stream, tensor, &CopyTo::default());
        let SlstmState { c, n, h, m } = &self.cell;
        Ok(SlstmLayer {
            cell: SlstmState { c: own(c)?, n: own(n)?, h: own(h)?, m: own(m)? },
            conv: own(&self.conv)?,
        })
    }

    /// Becomes another, in the memory that it has.
    pub(super) fn overwrite(&mut self, stream: &Stream, by: &Self) -> Result<()> {
        let (own, by_cell) = (&mut self.cell, &by.cell);
        copy_into(stream, &by_cell.c, &mut own.c)?;
        copy_into(stream, &by_cell.n, &mut own.n)?;
        copy_into(stream, &by_cell.h, &mut own.h)?;
        copy_into(stream, &by_cell.m, &mut own.m)?;
        copy_into(stream, &by.conv, &mut self.conv)
    }
}

/// What it made on its way, for the way back.
pub(super) struct SlstmSaved {
    x: Tensor,
    /// x, normed, `[b, s, d]`.
    normed: Tensor,
    /// The same through the filter, and through silu.
    filtered: Tensor,
    conved: Tensor,
    /// Pre-activations, `[b, nh, s, 4, d / nh]`, a view.
    pre: Tensor,
    /// `[b, s, nh, d / nh]`, a view.
    h: Tensor,
}

impl Model {
    /// The stream after the sLSTM, from the state that the texts left before.
    pub(super) fn slstm(
        &self,
        w: &SlstmWeights<Tensor>,
        x: Tensor,
        state: Option<&SlstmLayer>,
    ) -> Result<(Tensor, SlstmSaved, SlstmLayer)> {
        let (stream, nh) = (&self.stream, self.config.num_heads);
        let &[b, s, d] = x.dims() else { unreachable!("as embedded") };
        let normed = rms_norm(stream, &x, &w.norm_slstm, &self.norm())?;
        let filtered = causal_conv(stream, &self.filter(w, &normed, state.map(|state| &state.conv)))?;
        // silu(a) is a let through by sigma(a).
        let conved = glu(stream, &filtered, &filtered, &GATE)?;
        let gate = |from: &Tensor, weight: &Tensor, which: usize| {
            let bias = w.bias.select(0, which)?.unsqueeze(1)?.broadcast_to([nh, b * s, d / nh])?;
            let args = Matmul { transpose_b: true, beta: 1.0, ..Matmul::default() };
            matmul(stream, &by_heads(from, nh)?, weight, Some(&bias), &args)?.reshape([1, nh, b * s, d / nh])
        };
        let (z, i) = (gate(&normed, &w.z, 0)?, gate(&conved, &w.i, 1)?);
        let (f, o) = (gate(&conved, &w.f, 2)?, gate(&normed, &w.o, 3)?);
        let pre = joined(stream, &[&z, &i, &f, &o])?;
        // [4, nh, b, s, n] to [b, nh, s, 4, n]
        let pre = pre.reshape([4, nh, b, s, d / nh])?.permute(&[2, 1, 3, 0, 4])?;
        let cell = state.map(|state| &state.cell);
        let (h, cell) = slstm_sequence(stream, &pre, &w.recurrent, cell, &Slstm::default())?;
        let h = h.permute(&[0, 2, 1, 3])?;
        let weight = w.norm_heads.reshape([nh, d / nh])?;
        let out = multi_head_layer_norm(stream, &h, &weight, &self.norm())?.reshape([b, s, d])?;
        let middle = axpy(stream, &flat(stream, &x)?, &out, &Axpy::default())?;
        let conv = self.seen(&normed, state.map(|state| &state.conv))?;
        let saved = SlstmSaved { x: flat(stream, &x)?, normed, filtered, conved, pre, h };
        Ok((middle, saved, SlstmLayer { cell, conv }))
    }

    fn filter<'a>(
        &self,
        w: &'a SlstmWeights<Tensor>,
        normed: &'a Tensor,
        state: Option<&'a Tensor>,
    ) -> CausalConvInputs<'a> {
        CausalConvInputs { x: normed, weight: &w.conv, bias: Some(&w.conv_bias), state }
    }

    /// The last w - 1 tokens, of the state where the text itself is shorter, and zeros where there is none. Token by token in memory, so that they are moved in one piece.
    fn seen(&self, normed: &Tensor, state: Option<&Tensor>) -> Result<Tensor> {
        let (stream, width) = (&self.stream, self.config.conv1d_kernel_size - 1);
        let &[b, s, d] = normed.dims() else { unreachable!("as embedded") };
        let tokens = |tensor: &Tensor, from: usize, to: usize| tensor.slice(1, from..to)?.permute(&[1, 0, 2]);
        let seen = if s >= width {
            joined(stream, &[&tokens(normed, s - width, s)?])?
        } else {
            let before = match state {
                Some(state) => tokens(state, s, width)?,
                None => Tensor::zeros(normed.dtype(), [width - s, b, d])?.to(stream)?,
            };
            joined(stream, &[&before, &tokens(normed, 0, s)?])?
        };
        seen.permute(&[1, 0, 2])
    }

    /// The gradient by the stream before the sLSTM, and by its weights; those of the network are given.
    pub(super) fn slstm_bw(
        &self,
        w: &SlstmWeights<Tensor>,
        saved: &SlstmSaved,
        dmiddle: &Tensor,
        network: Network<Tensor>,
    ) -> Result<(Tensor, SlstmWeights<Tensor>)> {
        let (stream, norm, nh) = (&self.stream, self.norm(), self.config.num_heads);
        let &[b, s, d] = saved.x.dims() else { unreachable!("as embedded") };
        let weight = w.norm_heads.reshape([nh, d / nh])?;
        let dout = flat(stream, dmiddle)?.reshape([b, s, nh, d / nh])?;
        let heads = multi_head_layer_norm_bw(stream, &dout, &saved.h, &weight, &norm)?;
        let dh = heads.x.permute(&[0, 2, 1, 3])?;
        let loss = SlstmLoss { h: &dh, last: None };
        let cell = slstm_sequence_bw(stream, &saved.pre, &w.recurrent, None, &loss, &Slstm::default())?;

        // [b, nh, s, 4, n] to [4, nh, b s, n]
        let dpre = copy(stream, &cell.x.permute(&[3, 1, 0, 2, 4])?, &CopyTo::default())?;
        let dpre = dpre.reshape([4, nh, b * s, d / nh])?;
        let of = |which: usize| dpre.select(0, which);
        let by_weight = |which: usize, from: &Tensor| {
            let args = Matmul { transpose_a: true, ..Matmul::default() };
            matmul(stream, &of(which)?, &by_heads(from, nh)?, None, &args)
        };
        // Two gates that see the same, back to it: [nh, b s, n] to [b, s, d].
        let back = |[one, other]: [usize; 2], weights: [&Tensor; 2]| {
            let first = matmul(stream, &of(one)?, weights[0], None, &Matmul::default())?;
            let args = Matmul { beta: 1.0, ..Matmul::default() };
            let both = matmul(stream, &of(other)?, weights[1], Some(&first), &args)?;
            copy(stream, &both.permute(&[1, 0, 2])?, &CopyTo::default())?.reshape([b, s, d])
        };
        let (dnormed, dconved) = (back([0, 3], [&w.z, &w.o])?, back([1, 2], [&w.i, &w.f])?);
        let (by_gate, by_value) = glu_bw(stream, &dconved, &saved.filtered, &saved.filtered, &GATE)?;
        let dfiltered = axpy(stream, &by_gate, &by_value, &Axpy::default())?;
        let conv = causal_conv_bw(stream, &dfiltered, &self.filter(w, &saved.normed, None))?;
        let dnormed = axpy(stream, &dnormed, &conv.x, &Axpy::default())?;
        let first = rms_norm_bw(stream, &dnormed, &saved.x, &w.norm_slstm, &norm)?;
        let dx = axpy(stream, dmiddle, &first.x, &Axpy::default())?;
        let by = SlstmWeights {
            norm_slstm: first.weight,
            conv: conv.weight,
            conv_bias: conv.bias,
            z: by_weight(0, &saved.normed)?,
            i: by_weight(1, &saved.conved)?,
            f: by_weight(2, &saved.conved)?,
            o: by_weight(3, &saved.normed)?,
            bias: sum(stream, &dpre, &Sum { axis: 2, ..Sum::default() })?,
            recurrent: cell.r,
            norm_heads: heads.weight.reshape([d])?,
            norm_ffn: network.norm,
            up_gate: network.up_gate,
            up: network.up,
            down: network.down,
        };
        Ok((dx, by))
    }
}

/// `[b, s, nh n]` as `[nh, b s, n]`.
fn by_heads(x: &Tensor, nh: usize) -> Result<Tensor> {
    let &[b, s, d] = x.dims() else { unreachable!("as embedded") };
    x.reshape([b * s, nh, d / nh])?.permute(&[1, 0, 2])
}

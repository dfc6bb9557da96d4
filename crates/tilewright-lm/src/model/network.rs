//! The SwiGLU network of a block, forward and backward: `x + down(silu(gate(norm x)) up(norm x))`.

use tilewright_core::{Result, Tensor};
use tilewright_kernels::elementwise::{Axpy, Glu, axpy, glu, glu_bw};
use tilewright_kernels::norm::{rms_norm, rms_norm_bw};

use super::Model;
use super::linear::{linear, linear_bw_w, linear_bw_x};

/// A network's weights, or their gradients.
pub(super) struct Network<T> {
    pub(super) norm: T,
    pub(super) up_gate: T,
    pub(super) up: T,
    pub(super) down: T,
}

/// What a network made on its way, for the way back.
pub(super) struct NetworkSaved {
    /// The stream before it.
    middle: Tensor,
    normed: Tensor,
    /// `[b, s, ffn]`.
    up_gate: Tensor,
    up: Tensor,
    activated: Tensor,
}

impl Model {
    /// The stream after the network.
    pub(super) fn network(&self, w: &Network<&Tensor>, middle: Tensor) -> Result<(Tensor, NetworkSaved)> {
        let stream = &self.stream;
        let normed = rms_norm(stream, &middle, w.norm, &self.norm())?;
        let up_gate = linear(stream, &normed, w.up_gate, None, None)?;
        let up = linear(stream, &normed, w.up, None, None)?;
        let activated = glu(stream, &up_gate, &up, &Glu::default())?;
        let out = linear(stream, &activated, w.down, Some(&middle), None)?;
        Ok((out, NetworkSaved { middle, normed, up_gate, up, activated }))
    }

    /// The gradient by the stream before the network, and by its weights.
    pub(super) fn network_bw(
        &self,
        w: &Network<&Tensor>,
        saved: &NetworkSaved,
        dout: &Tensor,
    ) -> Result<(Tensor, Network<Tensor>)> {
        let stream = &self.stream;
        let dactivated = linear_bw_x(stream, dout, w.down, None)?;
        let down = linear_bw_w(stream, dout, &saved.activated)?;
        let (dup_gate, dup) = glu_bw(stream, &dactivated, &saved.up_gate, &saved.up, &Glu::default())?;
        let up_gate = linear_bw_w(stream, &dup_gate, &saved.normed)?;
        let up = linear_bw_w(stream, &dup, &saved.normed)?;
        let dnormed = linear_bw_x(stream, &dup_gate, w.up_gate, None)?;
        let dnormed = linear_bw_x(stream, &dup, w.up, Some(&dnormed))?;
        let by = rms_norm_bw(stream, &dnormed, &saved.middle, w.norm, &self.norm())?;
        let dmiddle = axpy(stream, dout, &by.x, &Axpy::default())?;
        Ok((dmiddle, Network { norm: by.weight, up_gate, up, down }))
    }
}

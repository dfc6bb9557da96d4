//! The gradients of rows, by queries, keys or values, from the states between stretches and the gradients by them.

use tilewright_core::{DType, Result, Stream, Tensor};

use super::boundaries::{Read, entering, of_stacked, read, stacked};
use super::cell::Sizes;
use super::mlstm_chunkwise::gpu::Pass;
use super::parts::Part;
use super::stretches::gradient;
use super::{MlstmBackward, MlstmInputs, MlstmPartsBw, MlstmStateGradients, MlstmStates};

/// The rows of a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Query,
    Key,
    Value,
}

impl By {
    /// The extents of the gradient.
    pub(super) fn dims(self, sizes: &Sizes) -> [usize; 4] {
        if self == By::Value { sizes.values() } else { sizes.keys() }
    }
}

/// What a gradient of rows is made of.
#[derive(Clone, Copy)]
pub(super) struct RowGradient<'a> {
    pub(super) by: By,
    pub(super) x: &'a MlstmInputs<'a>,
    pub(super) states: &'a MlstmStates,
    /// By the states; `None` with queries, which nothing behind their stretch reaches.
    pub(super) gradients: Option<&'a MlstmStateGradients>,
    /// By h, before output gates.
    pub(super) dh: &'a Tensor,
    pub(super) args: &'a MlstmPartsBw,
}

impl RowGradient<'_> {
    /// The gradient, once everything fits together.
    pub(super) fn run(
        &self,
        operation: &'static str,
        stream: &Stream,
        variant: Option<&str>,
    ) -> Result<Tensor> {
        let data = self.x.q.dtype();
        let part = Part::new(operation, stream, variant, self.x, &self.args.parts, false)?;
        part.check_states(self.states)?;
        self.gradients.map_or(Ok(()), |gradients| part.check_gradients(gradients))?;
        part.check_loss(self.dh, data)?;
        if part.on_host() {
            return gradient(&part, self);
        }
        self.on_device(&part, if self.args.wide { part.sums } else { data })
    }

    /// Reads by the passes of a GPU, as h reads values. dq reads keys: with the divided gradients beside dz as queries, values beside 1 as keys, and states by columns.
    /// dk reads queries from the last token back: with values beside 1 as queries, the divided gradients beside dz as keys, and the gradients of states by columns.
    /// dv reads the divided gradients, from the last token back too: with keys as queries, queries as keys, and the gradients of states.
    fn on_device(&self, part: &Part<'_>, dtype: DType) -> Result<Tensor> {
        let RowGradient { by, x, states, dh, args, .. } = *self;
        if by != By::Value && part.sizes.dqk == 0 {
            return Tensor::empty(part.stream, dtype, part.sizes.keys());
        }
        // The denominators' own gradients do not reach the values.
        let exact = by != By::Value && args.mode == MlstmBackward::Exact;
        let Read { weights, g, g_1, v_1 } = read(part, x, states, dh, exact)?;
        let (of, range) = match self.gradients {
            Some(gradients) => ([&gradients.c, &gradients.n], 1..part.boundaries()),
            None => ([&states.c, &states.n], 0..part.stretches()),
        };
        let (q, k, v) = match by {
            By::Query => (&g_1, &v_1, x.k),
            By::Key => (&v_1, &g_1, x.q),
            By::Value => (x.k, x.q, &g),
        };
        let pass = Pass { q, k, v, first: Some(of[0]), n_first: None, reverse: by != By::Query };
        let states = match by {
            By::Value => entering(of, range)?,
            _ => of_stacked(stacked(part, of, range)?),
        };
        part.call().sums(&weights, &pass, &states, dtype)
    }
}

//! What the parts of the chunkwise form take and give, and the checks of it.

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::cell::{Sizes, StoredC, accumulator, check, check_one, variants};
use super::mlstm_chunkwise::gpu::{Call, SIMDGROUP, has_matrices};
use super::registry::LONGEST_CHUNK;
use super::{Mlstm, MlstmBackward, MlstmInputs};
use crate::arguments::choose;

/// What the parts of the chunkwise form compute, and which states stand between them.
///
/// A stretch is `chunk * every` tokens; the last one is as long as what is left. States, and their gradients, are those at its two ends: `ceil(s / (chunk every)) + 1`
/// of a sequence, the last being the state after the last token. What reads them takes a stretch at once, so that the states within it are neither kept nor made again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MlstmParts {
    /// The cell.
    pub cell: Mlstm,
    /// Tokens per chunk, at least 1. Default 64.
    pub chunk: usize,
    /// States are kept at every so many chunks, at least 1. Default 1.
    pub every: usize,
}

impl Default for MlstmParts {
    fn default() -> Self {
        MlstmParts { cell: Mlstm::default(), chunk: LONGEST_CHUNK, every: 1 }
    }
}

impl MlstmParts {
    /// How many states there are of a sequence of `s` tokens; of one without tokens it is the first state, which is the last one too.
    pub fn boundaries(&self, s: usize) -> usize {
        boundaries(s, self.chunk.saturating_mul(self.every).max(1))
    }

    /// The tokens of a stretch.
    pub(super) fn stretch(&self, operation: &'static str) -> Result<usize> {
        for (argument, value) in [("chunk", self.chunk), ("every", self.every)] {
            if value == 0 {
                return Err(Error::range(operation, argument, "at least 1", 0));
            }
        }
        Ok(self.chunk.saturating_mul(self.every))
    }
}

/// The states of a sequence.
pub(super) fn boundaries(s: usize, stretch: usize) -> usize {
    s.div_ceil(stretch) + 1
}

/// Arguments of the parts of the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MlstmPartsBw {
    /// What the forward parts computed, and which states they kept.
    pub parts: MlstmParts,
    /// What is held constant. Default nothing.
    pub mode: MlstmBackward,
    /// Whether dq, dk and dv leave as sums, f32 (f64 beside f64), whatever the data. Default false: in the dtype of the data.
    pub wide: bool,
}

/// The states at the ends of all stretches, C and n relative to `exp(m)`.
#[derive(Debug, Clone)]
pub struct MlstmStates {
    /// `[b, nh, e, dqk, dv]`, f32 (f64 beside f64).
    pub c: Tensor,
    /// `[b, nh, e, dqk]`
    pub n: Tensor,
    /// `[b, nh, e]`
    pub m: Tensor,
}

/// The gradients of a loss by the states at the ends of all stretches, as they are stored.
#[derive(Debug, Clone)]
pub struct MlstmStateGradients {
    /// By C, `[b, nh, e, dqk, dv]`, f32 (f64 beside f64).
    pub c: Tensor,
    /// By n, `[b, nh, e, dqk]`.
    pub n: Tensor,
}

/// One call of a part.
pub(super) struct Part<'a> {
    pub(super) operation: &'static str,
    pub(super) stream: &'a Stream,
    pub(super) sizes: Sizes,
    pub(super) cell: &'a Mlstm,
    /// The tokens of a stretch.
    pub(super) stretch: usize,
    /// Whether products are made by matrices of SIMD groups.
    matrices: bool,
    /// The type of gates, states and sums.
    pub(super) sums: DType,
}

impl<'a> Part<'a> {
    /// A call whose inputs are all there. An output gate is refused where `gated` is false.
    pub(super) fn new(
        operation: &'static str,
        stream: &'a Stream,
        variant: Option<&str>,
        x: &MlstmInputs<'_>,
        parts: &'a MlstmParts,
        gated: bool,
    ) -> Result<Self> {
        let sizes = check(operation, stream, x, None, StoredC::Sums, &parts.cell)?;
        if x.o.is_some() && !gated {
            let why = "left out: the loss is one of h before its output gate";
            return Err(Error::range(operation, "o", why, "given"));
        }
        Part::of(operation, stream, variant, (sizes, x.q.dtype()), parts, true)
    }

    /// A call whose inputs, of this dtype, have been checked; `products`: whether it has any.
    pub(super) fn of(
        operation: &'static str,
        stream: &'a Stream,
        variant: Option<&str>,
        (sizes, dtype): (Sizes, DType),
        parts: &'a MlstmParts,
        products: bool,
    ) -> Result<Self> {
        let stretch = parts.stretch(operation)?;
        let known = support(operation, stream.device(), dtype, products)?;
        let matrices = choose(operation, variant, &known)? == SIMDGROUP;
        let sums = accumulator(dtype);
        Ok(Part { operation, stream, sizes, cell: &parts.cell, stretch, matrices, sums })
    }

    pub(super) fn on_host(&self) -> bool {
        self.stream.device() == Device::Cpu
    }

    /// The passes of a GPU, in stretches.
    pub(super) fn call(&self) -> Call<'_> {
        let Part { operation, stream, ref sizes, cell, stretch, matrices, .. } = *self;
        Call { operation, stream, sizes, cell, chunk: stretch, tile: None, matrices }
    }

    pub(super) fn stretches(&self) -> usize {
        self.sizes.s.div_ceil(self.stretch)
    }

    pub(super) fn boundaries(&self) -> usize {
        boundaries(self.sizes.s, self.stretch)
    }

    /// `[b, nh, e, dqk, dv]`
    pub(super) fn c(&self) -> [usize; 5] {
        let [b, nh, dqk, dv] = self.sizes.c();
        [b, nh, self.boundaries(), dqk, dv]
    }

    /// `[b, nh, e, dqk]`
    pub(super) fn n(&self) -> [usize; 4] {
        let [b, nh, dqk] = self.sizes.n();
        [b, nh, self.boundaries(), dqk]
    }

    /// `[b, nh, e]`
    pub(super) fn m(&self) -> [usize; 3] {
        let [b, nh] = self.sizes.m();
        [b, nh, self.boundaries()]
    }

    /// Refuses C or n, or a gradient by them, with other extents than the stretches ask for.
    pub(super) fn check_pair(&self, [of_c, of_n]: [&'static str; 2], [c, n]: [&Tensor; 2]) -> Result<()> {
        check_one(self.operation, of_c, self.stream, c, &self.c(), self.sums)?;
        check_one(self.operation, of_n, self.stream, n, &self.n(), self.sums)
    }

    pub(super) fn check_states(&self, states: &MlstmStates) -> Result<()> {
        self.check_pair(["c_states", "n_states"], [&states.c, &states.n])?;
        check_one(self.operation, "m_states", self.stream, &states.m, &self.m(), self.sums)
    }

    pub(super) fn check_gradients(&self, gradients: &MlstmStateGradients) -> Result<()> {
        self.check_pair(["dc_states", "dn_states"], [&gradients.c, &gradients.n])
    }

    /// Refuses what is no gradient by h.
    pub(super) fn check_loss(&self, dh: &Tensor, data: DType) -> Result<()> {
        check_one(self.operation, "dh", self.stream, dh, &self.sizes.values(), data)
    }
}

/// The variants for data of this dtype, the default first, or why there is none.
pub(super) fn support(
    operation: &'static str,
    device: Device,
    dtype: DType,
    products: bool,
) -> Result<Vec<&'static str>> {
    let mut known = variants(operation, device, dtype)?;
    if products && has_matrices(device) {
        known.push(SIMDGROUP);
    }
    Ok(known)
}

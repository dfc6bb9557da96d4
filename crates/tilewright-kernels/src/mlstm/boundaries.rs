//! States on a GPU: as its passes leave and take them, and as the parts give and take them, those at the ends of all stretches in one tensor.

use std::ops::Range;
use std::sync::LazyLock;

use tilewright_core::{DType, Result, Tensor};
use tilewright_gpu::{Grid, Program};

use super::mlstm_chunkwise::gpu::{Call, Pass, States, Weights, program};
use super::mlstm_chunkwise_bw::gpu::rows;
use super::mlstm_sequence::gpu::give_cell;
use super::parts::Part;
use super::{MlstmInputs, MlstmLoss, MlstmState, MlstmStateGradients, MlstmStates};

/// Threads of a group, which has one state.
const THREADS: usize = 256;

static BOUNDARIES: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["c_states", "n_states", "c_last", "n_last", "m", "m_first", "m_last"];
    let (sizes, outputs) = (["s", "dqk", "dv", "chunk", "chunks"], ["c_out", "n_out", "m_out"]);
    let body = include_str!("boundaries.metal");
    program("mlstm_boundaries", body, &[], &inputs, &sizes, &["resume"], &outputs)
});

static STACKED: LazyLock<Program> = LazyLock::new(|| {
    let body = include_str!("stacked.metal");
    program("mlstm_stacked", body, &[], &["c", "n"], &["dqk", "dv"], &[], &["out"])
});

static UNSTACKED: LazyLock<Program> = LazyLock::new(|| {
    let (inputs, sizes) = (["states", "last"], ["dqk", "dv", "chunks"]);
    let body = include_str!("unstacked.metal");
    program("mlstm_unstacked", body, &[], &inputs, &sizes, &[], &["c_out", "n_out"])
});

/// The states of a pass over the tokens, from m `[b, nh]`, or from 0.
pub(super) fn joined(
    part: &Part<'_>,
    weights: &Weights,
    m_first: Option<&Tensor>,
    states: &States,
) -> Result<MlstmStates> {
    let (call, sizes) = (part.call(), part.sizes);
    let launch = BOUNDARIES
        .launch(part.stream)
        .input("c_states", &states.entering[0])
        .input("n_states", &states.entering[1])
        .input("c_last", &states.last[0])
        .input("n_last", &states.last[1])
        .input("m", &weights.m)
        // Where there is none, an f32 tensor in its place, unread.
        .input("m_first", m_first.unwrap_or(&weights.m_last))
        .input("m_last", &weights.m_last)
        .scalar("s", call.extent(sizes.s)?)
        .scalar("dqk", call.extent(sizes.dqk)?)
        .scalar("dv", call.extent(sizes.dv)?)
        .scalar("chunk", call.extent(call.chunk())?)
        .scalar("chunks", call.extent(call.chunks())?)
        .scalar("resume", m_first.is_some());
    let outputs = give_cell(launch, part.cell, sizes.dqk)
        .output("c_out", DType::F32, part.c())
        .output("n_out", DType::F32, part.n())
        .output("m_out", DType::F32, part.m())
        .grid(Grid::groups([sizes.heads() * part.boundaries(), 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [c, n, m] = outputs.try_into().expect("three outputs are declared");
    Ok(MlstmStates { c, n, m })
}

/// `[b nh, boundaries, dv + 1, dqk]` of some boundaries: C by columns, and n as one row more; or their gradients.
pub(super) fn stacked(part: &Part<'_>, [c, n]: [&Tensor; 2], range: Range<usize>) -> Result<Tensor> {
    let (call, [b, nh, dqk, dv]) = (part.call(), part.sizes.c());
    let [c, n] = [c.slice(2, range.clone())?, n.slice(2, range.clone())?];
    let launch = STACKED
        .launch(part.stream)
        .input("c", &c)
        .input("n", &n)
        .scalar("dqk", call.extent(dqk)?)
        .scalar("dv", call.extent(dv)?);
    give_cell(launch, part.cell, dqk)
        .output("out", DType::F32, [b * nh, range.len(), dv + 1, dqk])
        .grid(Grid::groups([b * nh * range.len(), 1, 1]), [THREADS, 1, 1])
        .run_one()
}

/// The gradients of a pass from the last token back, whose states are [`stacked`].
pub(super) fn unstacked(part: &Part<'_>, gradients: &States) -> Result<MlstmStateGradients> {
    let (call, sizes) = (part.call(), part.sizes);
    let launch = UNSTACKED
        .launch(part.stream)
        .input("states", &gradients.entering[0])
        .input("last", &gradients.last[0])
        .scalar("dqk", call.extent(sizes.dqk)?)
        .scalar("dv", call.extent(sizes.dv)?)
        .scalar("chunks", call.extent(call.chunks())?);
    let outputs = give_cell(launch, part.cell, sizes.dqk)
        .output("c_out", DType::F32, part.c())
        .output("n_out", DType::F32, part.n())
        .grid(Grid::groups([sizes.heads() * part.boundaries(), 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [c, n] = outputs.try_into().expect("two outputs are declared");
    Ok(MlstmStateGradients { c, n })
}

/// What a pass in stretches reads of C and n, or of their gradients: those at these boundaries, of which there is one a stretch.
pub(super) fn entering([c, n]: [&Tensor; 2], range: Range<usize>) -> Result<States> {
    let of = |tensor: &Tensor| tensor.slice(2, range.clone());
    // No pass that reads takes the last one.
    Ok(States { entering: [of(c)?, of(n)?], last: [c.clone(), n.clone()] })
}

/// [`stacked`] states as a pass reads them; the sums of its keys, which it makes nothing of, are any numbers.
pub(super) fn of_stacked(stacked: Tensor) -> States {
    let other = || stacked.clone();
    States { entering: [other(), other()], last: [other(), other()] }
}

/// The weights of all tokens, from the first of the states on.
pub(super) fn weights(call: &Call<'_>, x: &MlstmInputs<'_>, states: &MlstmStates) -> Result<Weights> {
    let first = |of: &Tensor| of.select(2, 0);
    let state = MlstmState { c: first(&states.c)?, n: first(&states.n)?, m: first(&states.m)? };
    call.gates(x, Some(&state))
}

/// What the gradients of rows have in common.
pub(super) struct Read {
    pub(super) weights: Weights,
    /// `[b, nh, s, dv]`: dh, divided.
    pub(super) g: Tensor,
    /// `[b, nh, s, dv + 1]`: the same beside dz.
    pub(super) g_1: Tensor,
    /// `[b, nh, s, dv + 1]`: v beside 1.
    pub(super) v_1: Tensor,
}

/// Reads the states again.
pub(super) fn read(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
    dh: &Tensor,
    exact: bool,
) -> Result<Read> {
    let call = part.call();
    let weights = weights(&call, x, states)?;
    let of_states = [&states.c, &states.n];
    let pass = Pass { q: x.q, k: x.k, v: x.v, first: Some(&states.c), n_first: None, reverse: false };
    let entering = entering(of_states, 0..part.stretches())?;
    let [h, z] = call.read(&weights, &pass, Some(&entering), None, DType::F32)?;
    let loss = MlstmLoss { h: dh, c: None, n: None };
    let ([g, g_1, v_1], _) = rows(&call, x, &loss, [&h, &z, &weights.m], exact)?;
    Ok(Read { weights, g, g_1, v_1 })
}

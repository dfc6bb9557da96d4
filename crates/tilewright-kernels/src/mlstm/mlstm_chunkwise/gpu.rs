//! GPU path: three launches. One scan for all weights; one pass over the chunks for the states between them; then all chunks at once for h.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use crate::mlstm::cell::Sizes;
use crate::mlstm::mlstm_sequence::gpu::{HEADER, give_cell, with_cell};
use crate::mlstm::{Mlstm, MlstmInputs, MlstmState};

const TWOFOLD: &str = include_str!("twofold.header.metal");

/// Tokens, rows of C and columns of C and h that a group of 256 threads has, 4 x 4 elements a thread.
const TILE: usize = 64;
const THREADS: usize = 256;
/// Tokens that the scan takes at a time.
const SCAN: usize = 512;

fn program(
    name: &'static str,
    body: &'static str,
    templates: &[&'static str],
    inputs: &[&'static str],
    sizes: &[&'static str],
    outputs: &[&'static str],
) -> Program {
    let mut definition = Definition::new(name, body).header([HEADER, TWOFOLD].concat());
    definition = templates.iter().copied().fold(definition, Definition::template);
    definition = inputs.iter().copied().fold(definition, Definition::input);
    definition = sizes.iter().fold(definition, |all, &name| all.scalar(name, DType::U32));
    definition = with_cell(definition).scalar("resume", DType::Bool).scalar("gated", DType::Bool);
    Program::new(outputs.iter().copied().fold(definition, Definition::output))
        .expect("the definition is valid")
}

static GATES: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["i", "f", "m_first"];
    program("mlstm_gates", include_str!("gates.metal"), &[], &inputs, &["s"], &["c", "mu", "m"])
});

static STATES: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["k", "v", "c", "mu", "m", "c_first", "n_first", "m_first"];
    let sizes = ["s", "dqk", "dv", "chunk", "chunks", "tiles_k", "tiles_v"];
    let outputs = ["c_states", "n_states", "c_last", "n_last", "m_last"];
    program("mlstm_states", include_str!("states.metal"), &["T"], &inputs, &sizes, &outputs)
});

static OUTPUTS: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["q", "k", "v", "o", "c", "mu", "m", "c_states", "n_states"];
    let sizes = ["s", "dqk", "dv", "chunk", "chunks", "blocks", "tiles_v"];
    program("mlstm_outputs", include_str!("outputs.metal"), &["T"], &inputs, &sizes, &["h"])
});

/// The weights of all sequences, as `mod.rs` writes them.
struct Weights {
    /// `[b nh, s, 2]`, twofold.
    c: Tensor,
    /// `[b nh, s + 1, 2]`, twofold; the first is m_0.
    mu: Tensor,
    /// `[b nh, s]`
    m: Tensor,
}

/// One call: what all launches need.
pub(in crate::mlstm) struct Call<'a> {
    pub(in crate::mlstm) operation: &'static str,
    pub(in crate::mlstm) stream: &'a Stream,
    pub(in crate::mlstm) sizes: &'a Sizes,
    pub(in crate::mlstm) x: &'a MlstmInputs<'a>,
    pub(in crate::mlstm) state: Option<&'a MlstmState>,
    pub(in crate::mlstm) cell: &'a Mlstm,
    /// Tokens per chunk, at least 1.
    pub(in crate::mlstm) chunk: usize,
}

pub(super) fn mlstm_chunkwise(
    stream: &Stream,
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
    chunk: usize,
) -> Result<(Tensor, MlstmState)> {
    let call = Call { operation: super::NAME, stream, sizes, x, state, cell, chunk };
    let weights = call.gates()?;
    let (states, last) = call.states(&weights)?;
    Ok((call.outputs(&weights, Some(&states))?, last))
}

/// h alone, of one chunk that is the whole sequence and follows nothing.
pub(in crate::mlstm) fn mlstm_parallel(call: &Call<'_>) -> Result<Tensor> {
    call.outputs(&call.gates()?, None)
}

impl Call<'_> {
    /// An extent as the bodies take it.
    fn extent(&self, value: usize) -> Result<u32> {
        let error = || Error::unsupported(self.operation, self.stream.device(), "an extent of 2^32 or more");
        u32::try_from(value).map_err(|_| error())
    }

    fn chunk(&self) -> usize {
        self.chunk.min(self.sizes.s).max(1)
    }

    fn chunks(&self) -> usize {
        self.sizes.s.div_ceil(self.chunk())
    }

    /// A part of the initial state; where there is none, an f32 tensor in its place, unread.
    fn first(&self, of: fn(&MlstmState) -> &Tensor) -> &Tensor {
        self.state.map_or(self.x.i, of)
    }

    fn gates(&self) -> Result<Weights> {
        let (heads, s) = (self.sizes.heads(), self.sizes.s);
        let launch = GATES
            .launch(self.stream)
            .input("i", self.x.i)
            .input("f", self.x.f)
            .input("m_first", self.first(|state| &state.m))
            .scalar("s", self.extent(s)?)
            .scalar("resume", self.state.is_some())
            .scalar("gated", false);
        let outputs = give_cell(launch, self.cell, self.sizes.dqk)
            .output("c", DType::F32, [heads, s, 2])
            .output("mu", DType::F32, [heads, s + 1, 2])
            .output("m", DType::F32, [heads, s])
            .grid(Grid::groups([heads, 1, 1]), [s.next_multiple_of(32).clamp(32, SCAN), 1, 1])
            .run()?;
        let [c, mu, m] = outputs.try_into().expect("three outputs are declared");
        Ok(Weights { c, mu, m })
    }

    /// C and n before each chunk, `[b nh, chunks, dqk, dv]` and `[b nh, chunks, dqk]`, and the state after the last.
    fn states(&self, weights: &Weights) -> Result<([Tensor; 2], MlstmState)> {
        let Sizes { s, dqk, dv, .. } = *self.sizes;
        let (heads, chunks) = (self.sizes.heads(), self.chunks());
        let (tiles_k, tiles_v) = (dqk.div_ceil(TILE).max(1), dv.div_ceil(TILE).max(1));
        let launch = STATES
            .launch(self.stream)
            .template("T", self.x.q.dtype())
            .input("k", self.x.k)
            .input("v", self.x.v)
            .input("c", &weights.c)
            .input("mu", &weights.mu)
            .input("m", &weights.m)
            .input("c_first", self.first(|state| &state.c))
            .input("n_first", self.first(|state| &state.n))
            .input("m_first", self.first(|state| &state.m))
            .scalar("s", self.extent(s)?)
            .scalar("dqk", self.extent(dqk)?)
            .scalar("dv", self.extent(dv)?)
            .scalar("chunk", self.extent(self.chunk())?)
            .scalar("chunks", self.extent(chunks)?)
            .scalar("tiles_k", self.extent(tiles_k)?)
            .scalar("tiles_v", self.extent(tiles_v)?)
            .scalar("resume", self.state.is_some())
            .scalar("gated", false);
        let outputs = give_cell(launch, self.cell, dqk)
            .output("c_states", DType::F32, [heads, chunks, dqk, dv])
            .output("n_states", DType::F32, [heads, chunks, dqk])
            .output("c_last", DType::F32, self.sizes.c())
            .output("n_last", DType::F32, self.sizes.n())
            .output("m_last", DType::F32, self.sizes.m())
            .grid(Grid::groups([heads * tiles_k * tiles_v, 1, 1]), [THREADS, 1, 1])
            .run()?;
        let [c_states, n_states, c, n, m] = outputs.try_into().expect("five outputs are declared");
        Ok(([c_states, n_states], MlstmState { c, n, m }))
    }

    /// h; without states, nothing precedes the one chunk.
    fn outputs(&self, weights: &Weights, states: Option<&[Tensor; 2]>) -> Result<Tensor> {
        let Sizes { s, dqk, dv, .. } = *self.sizes;
        let (heads, chunks) = (self.sizes.heads(), self.chunks());
        let (blocks, tiles_v) = (self.chunk().div_ceil(TILE), dv.div_ceil(TILE));
        let launch = OUTPUTS
            .launch(self.stream)
            .template("T", self.x.q.dtype())
            .input("q", self.x.q)
            .input("k", self.x.k)
            .input("v", self.x.v)
            .input("o", self.x.o.unwrap_or(self.x.v))
            .input("c", &weights.c)
            .input("mu", &weights.mu)
            .input("m", &weights.m)
            .input("c_states", states.map_or(&weights.m, |states| &states[0]))
            .input("n_states", states.map_or(&weights.m, |states| &states[1]))
            .scalar("s", self.extent(s)?)
            .scalar("dqk", self.extent(dqk)?)
            .scalar("dv", self.extent(dv)?)
            .scalar("chunk", self.extent(self.chunk())?)
            .scalar("chunks", self.extent(chunks)?)
            .scalar("blocks", self.extent(blocks)?)
            .scalar("tiles_v", self.extent(tiles_v)?)
            .scalar("resume", states.is_some() && self.state.is_some())
            .scalar("gated", self.x.o.is_some());
        give_cell(launch, self.cell, dqk)
            .output("h", self.x.q.dtype(), self.sizes.values())
            .grid(Grid::groups([heads * chunks * blocks * tiles_v, 1, 1]), [THREADS, 1, 1])
            .run_one()
    }
}

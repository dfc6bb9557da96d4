//! GPU path: three launches. One scan for all weights; one pass over the chunks for the states between them; then all chunks at once for h.
//!
//! The passes take any queries, keys and values, and either direction of time: the backward is made of them too.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Shape, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program};

use super::{LARGEST_TILE, suited_tile};
use crate::mlstm::cell::Sizes;
use crate::mlstm::mlstm_sequence::gpu::{HEADER, give_cell, with_cell};
use crate::mlstm::{Mlstm, MlstmInputs, MlstmState};

/// Numbers as sums of two floats.
pub(in crate::mlstm) const TWOFOLD: &str = include_str!("twofold.header.metal");

/// The variant that computes by matrices of a SIMD group.
pub(in crate::mlstm) const SIMDGROUP: &str = "simdgroup";

/// Whether a device has it: where SIMD groups have matrices of their own, or that is emulated.
pub(in crate::mlstm) fn has_matrices(device: Device) -> bool {
    matches!(device, Device::Metal(_) | Device::Emulated)
}

/// Four SIMD groups with 16 rows each of the largest tile.
const MATRIX_THREADS: usize = 128;
/// Tokens that a thread of the scan takes at a time, and threads of it at most: of 1 x 1,024 to 32 x 256 the fastest on an H200, 29 us for 128 sequences of
/// 8,192 tokens, where 8 x 512 takes 48.
const RUN: usize = 2;
const SCAN: usize = 1024;
/// Sequences that keep a device busy with a group each. Where there are fewer, long ones are scanned in spans, at most so many.
const BUSY: usize = 64;
const SPANS: usize = 16;

/// A program of this family: a body under the family's headers, with the scalars of a cell.
pub(in crate::mlstm) fn program(
    name: &'static str,
    body: &'static str,
    templates: &[&'static str],
    inputs: &[&'static str],
    sizes: &[&'static str],
    flags: &[&'static str],
    outputs: &[&'static str],
) -> Program {
    let mut definition = Definition::new(name, body).header([HEADER, TWOFOLD].concat());
    definition = templates.iter().copied().fold(definition, Definition::template);
    definition = inputs.iter().copied().fold(definition, Definition::input);
    definition = sizes.iter().fold(definition, |all, &name| all.scalar(name, DType::U32));
    definition = flags.iter().fold(definition, |all, &name| all.scalar(name, DType::Bool));
    definition = outputs.iter().copied().fold(with_cell(definition), Definition::output);
    Program::new(definition).expect("the definition is valid")
}

static GATES: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["i", "f", "m_first", "totals"];
    let outputs = ["c", "mu", "m", "m_last", "totals_out"];
    let (body, sizes) = (include_str!("gates.metal"), ["s", "span", "spans"]);
    program("mlstm_gates", body, &["TOTALS"], &inputs, &sizes, &["resume"], &outputs)
});

static STATES: LazyLock<[Program; 2]> = LazyLock::new(|| {
    let inputs = ["k", "v", "c", "mu", "c_first", "n_first"];
    let sizes = ["s", "dk", "dv", "chunk", "chunks", "tiles_k", "tiles_v"];
    let outputs = ["c_states", "n_states", "c_last", "n_last"];
    let flags = ["resume", "resume_n", "reverse"];
    let bodies = [
        ("mlstm_states", include_str!("states.metal"), &["TK", "TV", "TILE"][..]),
        ("mlstm_states_simdgroup", include_str!("states.simdgroup.metal"), &["TK", "TV"][..]),
    ];
    bodies.map(|(name, body, templates)| program(name, body, templates, &inputs, &sizes, &flags, &outputs))
});

static OUTPUTS: LazyLock<[Program; 2]> = LazyLock::new(|| {
    let inputs = ["q", "k", "v", "o", "c", "mu", "m", "c_states", "n_states"];
    let sizes = ["s", "dk", "dv", "chunk", "chunks", "blocks", "tiles_v"];
    let flags = ["resume", "reverse", "read", "gated"];
    let (templates, outputs) = (["TQ", "TK", "TV", "TO", "TILE"], ["h", "z_out"]);
    let bodies = [
        ("mlstm_outputs", include_str!("outputs.metal"), &templates[..]),
        ("mlstm_outputs_simdgroup", include_str!("outputs.simdgroup.metal"), &templates[..4]),
    ];
    bodies.map(|(name, body, templates)| program(name, body, templates, &inputs, &sizes, &flags, &outputs))
});

/// The weights of all sequences, as `mod.rs` writes them.
pub(in crate::mlstm) struct Weights {
    /// `[b nh, s, 2]`, twofold.
    pub(in crate::mlstm) c: Tensor,
    /// `[b nh, s + 1, 2]`, twofold; the first is m_0.
    pub(in crate::mlstm) mu: Tensor,
    /// `[b nh, s]`
    pub(in crate::mlstm) m: Tensor,
    /// `[b, nh]`
    pub(in crate::mlstm) m_last: Tensor,
}

/// States as they enter each chunk, and as the last one leaves its chunk.
pub(in crate::mlstm) struct States {
    /// `[b nh, chunks, dk, dv]` and `[b nh, chunks, dk]`
    pub(in crate::mlstm) entering: [Tensor; 2],
    /// `[b, nh, dk, dv]` and `[b, nh, dk]`
    pub(in crate::mlstm) last: [Tensor; 2],
}

/// One call: what all its launches share.
pub(in crate::mlstm) struct Call<'a> {
    pub(in crate::mlstm) operation: &'static str,
    pub(in crate::mlstm) stream: &'a Stream,
    pub(in crate::mlstm) sizes: &'a Sizes,
    pub(in crate::mlstm) cell: &'a Mlstm,
    /// Tokens per chunk, at least 1.
    pub(in crate::mlstm) chunk: usize,
    /// The side of a group's tiles of tokens, of rows and columns of C and of columns of h; `None`: what suits each launch.
    pub(in crate::mlstm) tile: Option<usize>,
    /// Whether products are made by matrices of SIMD groups, whose tiles are the largest.
    pub(in crate::mlstm) matrices: bool,
}

/// What a pass reads: `q, k [b, nh, s, dk]` and `v [b, nh, s, dv]`.
#[derive(Clone, Copy)]
pub(in crate::mlstm) struct Pass<'a> {
    pub(in crate::mlstm) q: &'a Tensor,
    pub(in crate::mlstm) k: &'a Tensor,
    pub(in crate::mlstm) v: &'a Tensor,
    /// The state `[b, nh, dk, dv]` that enters the first chunk, if there is one.
    pub(in crate::mlstm) first: Option<&'a Tensor>,
    /// The sum of keys `[b, nh, dk]` that does, if there is one; only z comes from it.
    pub(in crate::mlstm) n_first: Option<&'a Tensor>,
    /// From the last token to the first.
    pub(in crate::mlstm) reverse: bool,
}

pub(super) fn mlstm_chunkwise(
    call: &Call<'_>,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
) -> Result<(Tensor, MlstmState)> {
    let weights = call.gates(x, state)?;
    let (first, n_first) = (state.map(|state| &state.c), state.map(|state| &state.n));
    let pass = Pass { q: x.q, k: x.k, v: x.v, first, n_first, reverse: false };
    let states = call.states(&weights, &pass)?;
    let [h, _] = call.read(&weights, &pass, Some(&states), x.o, x.q.dtype())?;
    let [c, n] = states.last;
    Ok((h, MlstmState { c, n, m: weights.m_last }))
}

/// h alone, of one chunk that is the whole sequence and follows nothing.
pub(in crate::mlstm) fn mlstm_parallel(call: &Call<'_>, x: &MlstmInputs<'_>) -> Result<Tensor> {
    let pass = Pass { q: x.q, k: x.k, v: x.v, first: None, n_first: None, reverse: false };
    let [h, _] = call.read(&call.gates(x, None)?, &pass, None, x.o, x.q.dtype())?;
    Ok(h)
}

impl Call<'_> {
    /// An extent as the bodies take it.
    pub(in crate::mlstm) fn extent(&self, value: usize) -> Result<u32> {
        let error = || Error::unsupported(self.operation, self.stream.device(), "an extent of 2^32 or more");
        u32::try_from(value).map_err(|_| error())
    }

    /// Tokens per chunk.
    pub(in crate::mlstm) fn chunk(&self) -> usize {
        self.chunk.min(self.sizes.s).max(1)
    }

    /// The side of the tiles that [rows, columns] of each of these many matrices are cut into.
    fn tile(&self, extents: [usize; 2], matrices: usize) -> Result<usize> {
        match self.tile {
            _ if self.matrices => Ok(LARGEST_TILE),
            Some(tile) => Ok(tile),
            None => suited_tile(self.stream.device(), extents, matrices),
        }
    }

    /// The threads of a group that has a tile, 4 x 4 elements of it each.
    fn threads(&self, tile: usize) -> [usize; 3] {
        [if self.matrices { MATRIX_THREADS } else { (tile / 4).pow(2) }, 1, 1]
    }

    pub(in crate::mlstm) fn chunks(&self) -> usize {
        self.sizes.s.div_ceil(self.chunk())
    }

    /// Begins a launch with the tile, the sizes of the pass and the cell's scalars.
    fn launch<'l>(
        &'l self,
        programs: &'l [Program; 2],
        weights: &'l Weights,
        pass: &'l Pass<'_>,
        tile: usize,
    ) -> Result<Launch<'l>> {
        let launch = programs[usize::from(self.matrices)].launch(self.stream);
        let launch = if self.matrices { launch } else { launch.template("TILE", tile) };
        let launch = launch
            .input("c", &weights.c)
            .input("mu", &weights.mu)
            .scalar("s", self.extent(self.sizes.s)?)
            .scalar("dk", self.extent(pass.k.dims()[3])?)
            .scalar("dv", self.extent(pass.v.dims()[3])?)
            .scalar("chunk", self.extent(self.chunk())?)
            .scalar("chunks", self.extent(self.chunks())?)
            .scalar("resume", pass.first.is_some())
            .scalar("reverse", pass.reverse);
        Ok(give_cell(launch, self.cell, self.sizes.dqk))
    }

    pub(in crate::mlstm) fn gates(&self, x: &MlstmInputs<'_>, state: Option<&MlstmState>) -> Result<Weights> {
        let (heads, s) = (self.sizes.heads(), self.sizes.s);
        let spans = if heads < BUSY { s.div_ceil(SCAN * RUN).clamp(1, SPANS) } else { 1 };
        let span = s.div_ceil(spans).max(1).next_multiple_of(SCAN * RUN);
        let spans = s.div_ceil(span).max(1);
        let scan = |totals: Option<&Tensor>| {
            let whole = totals.is_some() || spans == 1;
            let launch = GATES
                .launch(self.stream)
                .template("TOTALS", !whole)
                .input("i", x.i)
                .input("f", x.f)
                // Where there is no state, or nothing to go on from, an f32 tensor in its place, unread.
                .input("m_first", state.map_or(x.i, |state| &state.m))
                .input("totals", totals.unwrap_or(x.i))
                .scalar("s", self.extent(s)?)
                .scalar("span", self.extent(span)?)
                .scalar("spans", self.extent(spans)?)
                .scalar("resume", state.is_some());
            let of_all = |extents: [usize; 3]| if whole { extents } else { [0; 3] };
            give_cell(launch, self.cell, self.sizes.dqk)
                .output("c", DType::F32, of_all([heads, s, 2]))
                .output("mu", DType::F32, of_all([heads, s + 1, 2]))
                .output("m", DType::F32, if whole { [heads, s] } else { [0; 2] })
                .output("m_last", DType::F32, if whole { self.sizes.m() } else { [0; 2] })
                .output("totals_out", DType::F32, if whole { [0; 3] } else { [heads, spans, 4] })
                .grid(
                    Grid::groups([heads * spans, 1, 1]),
                    [s.div_ceil(RUN).next_multiple_of(32).clamp(32, SCAN), 1, 1],
                )
                .run()
        };
        let mut outputs = scan(None)?;
        if spans > 1 {
            outputs = scan(outputs.last())?;
        }
        let [c, mu, m, m_last, _] = outputs.try_into().expect("five outputs are declared");
        Ok(Weights { c, mu, m, m_last })
    }

    pub(in crate::mlstm) fn states(&self, weights: &Weights, pass: &Pass<'_>) -> Result<States> {
        let (b, nh, chunks) = (self.sizes.b, self.sizes.nh, self.chunks());
        let (dk, dv) = (pass.k.dims()[3], pass.v.dims()[3]);
        let tile = self.tile([dk, dv], b * nh)?;
        let (tiles_k, tiles_v) = (dk.div_ceil(tile).max(1), dv.div_ceil(tile).max(1));
        let outputs = self
            .launch(&STATES, weights, pass, tile)?
            .template("TK", pass.k.dtype())
            .template("TV", pass.v.dtype())
            .input("k", pass.k)
            .input("v", pass.v)
            // Where there is none, an f32 tensor in its place, unread.
            .input("c_first", pass.first.unwrap_or(&weights.m))
            .input("n_first", pass.n_first.unwrap_or(&weights.m))
            .scalar("resume_n", pass.n_first.is_some())
            .scalar("tiles_k", self.extent(tiles_k)?)
            .scalar("tiles_v", self.extent(tiles_v)?)
            .output("c_states", DType::F32, [b * nh, chunks, dk, dv])
            .output("n_states", DType::F32, [b * nh, chunks, dk])
            .output("c_last", DType::F32, [b, nh, dk, dv])
            .output("n_last", DType::F32, [b, nh, dk])
            .grid(Grid::groups([b * nh * tiles_k * tiles_v, 1, 1]), self.threads(tile))
            .run()?;
        let [c_states, n_states, c, n] = outputs.try_into().expect("four outputs are declared");
        Ok(States { entering: [c_states, n_states], last: [c, n] })
    }

    /// h and, in f32, what its denominators come from, z `[b nh, s]`. Without states, nothing precedes the one chunk.
    pub(in crate::mlstm) fn read(
        &self,
        weights: &Weights,
        pass: &Pass<'_>,
        states: Option<&States>,
        o: Option<&Tensor>,
        dtype: DType,
    ) -> Result<[Tensor; 2]> {
        self.outputs(weights, pass, states, o, dtype, true)
    }

    /// What the queries of a pass read, undivided, in this dtype.
    pub(in crate::mlstm) fn sums(
        &self,
        weights: &Weights,
        pass: &Pass<'_>,
        states: &States,
        dtype: DType,
    ) -> Result<Tensor> {
        let [sums, _] = self.outputs(weights, pass, Some(states), None, dtype, false)?;
        Ok(sums)
    }

    fn outputs(
        &self,
        weights: &Weights,
        pass: &Pass<'_>,
        states: Option<&States>,
        o: Option<&Tensor>,
        dtype: DType,
        read: bool,
    ) -> Result<[Tensor; 2]> {
        let (heads, dv) = (self.sizes.heads(), pass.v.dims()[3]);
        let tile = self.tile([self.chunk(), dv], heads * self.chunks())?;
        // Values without columns still have their z.
        let (blocks, tiles_v) = (self.chunk().div_ceil(tile), dv.div_ceil(tile).max(1));
        let [c_states, n_states] = states.map_or([&weights.m; 2], |states| states.entering.each_ref());
        let shape = Shape::new(&[self.sizes.b, self.sizes.nh, self.sizes.s, dv])?;
        let outputs = self
            .launch(&OUTPUTS, weights, pass, tile)?
            .template("TQ", pass.q.dtype())
            .template("TK", pass.k.dtype())
            .template("TV", pass.v.dtype())
            .template("TO", dtype)
            .input("q", pass.q)
            .input("k", pass.k)
            .input("v", pass.v)
            // Where there is none, something of a known dtype in its place, unread.
            .input("o", o.unwrap_or(pass.v))
            .input("m", &weights.m)
            .input("c_states", c_states)
            .input("n_states", n_states)
            .scalar("blocks", self.extent(blocks)?)
            .scalar("tiles_v", self.extent(tiles_v)?)
            .scalar("read", read)
            .scalar("gated", o.is_some())
            .output("h", dtype, &shape)
            .output("z_out", DType::F32, [heads, self.sizes.s])
            .grid(Grid::groups([heads * self.chunks() * blocks * tiles_v, 1, 1]), self.threads(tile))
            .run()?;
        Ok(outputs.try_into().expect("two outputs are declared"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn either_tile_compiles_by_nvrtc() {
        use DType::{Bf16, F16, F32};

        use crate::nvrtc::compiles;
        for tile in super::super::TILES {
            let dtypes = [&[Bf16, F32][..], &[F32; 8]].concat();
            compiles(&STATES[0], &[Bf16.into(), F32.into(), tile.into()], &dtypes);
            let dtypes = [&[F16; 4][..], &[F32; 5], &[F16, F32]].concat();
            compiles(&OUTPUTS[0], &[F16.into(), F16.into(), F16.into(), F16.into(), tile.into()], &dtypes);
        }
    }
}

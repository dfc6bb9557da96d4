//! The variant for CUDA: bf16 data on the matrix units. After the scan of the gates one launch, whose groups walk along the sequences with C on the chip.
//!
//! Where sequences are too few for the device each is cut into segments: one launch makes the state that each segment adds, one joins them, and the
//! last walks all segments at once.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::gpu::{Call, Weights, program};
use crate::mlstm::cell::Sizes;
use crate::mlstm::mlstm_sequence::gpu::{HEADER, give_cell, with_cell};
use crate::mlstm::{MlstmInputs, MlstmState};

/// Named after the instruction of the matrix units.
pub(in crate::mlstm) const VARIANT: &str = "mma";

/// What the bodies for the matrix units are made of.
pub(in crate::mlstm) const MATRIX_UNITS: &str =
    concat!(include_str!("../matrix_units.header.cu"), include_str!("../chunks.header.cu"));

/// Of matrix_units.header.cu.
const TOKENS: usize = 64;
const THREADS: usize = 256;
/// A group's memory begins on a multiple of this, which dynamic memory need not.
pub(in crate::mlstm) const ALIGNED: usize = 1024;
/// Tokens below which a segment is not worth a pass of its own.
const SHORTEST_SEGMENT: usize = 256;

/// Whether all heads of a token follow one another, of q, k, v (and h) and o.
const BY_TOKEN: [&str; 4] = ["q_by_token", "k_by_token", "v_by_token", "o_by_token"];

static WALK: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("mlstm_walk", include_str!("gpu.cuda.cu"))
        .header([HEADER, MATRIX_UNITS, include_str!("gpu.cuda.header.cu")].concat())
        .cuda_only()
        .threadgroup_memory("memory", DType::U8);
    let definition =
        ["DK", "MT", "READ", "GATED"].into_iter().fold(definition, |all, name| all.template(name));
    let inputs = ["q", "k", "v", "o", "c", "mu", "m", "c_first", "n_first"];
    let definition = inputs.into_iter().fold(definition, |all, name| all.input(name));
    let sizes = ["s", "heads", "dk", "dv", "slices", "segments", "span"];
    let definition = sizes.into_iter().fold(definition, |all, name| all.scalar(name, DType::U32));
    let definition = BY_TOKEN.into_iter().fold(definition, |all, name| all.scalar(name, DType::Bool));
    let definition = with_cell(definition.scalar("resume", DType::Bool));
    let definition = ["h", "c_last", "n_last"].into_iter().fold(definition, |all, name| all.output(name));
    Program::new(definition).expect("the definition is valid")
});

static JOINS: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["c_added", "n_added", "mu", "c_first", "n_first"];
    let sizes = ["s", "segments", "span", "width", "keys"];
    let outputs = ["c_entering", "n_entering"];
    let (body, flags) = (include_str!("joins.metal"), ["resume", "resume_n", "reverse"]);
    program("mlstm_joins", body, &[], &inputs, &sizes, &flags, &outputs)
});

/// The tiles of one group.
#[derive(Clone, Copy)]
struct Tiling {
    /// Keys, padded.
    dk: usize,
    /// Tiles of 16 values a warp.
    mt: usize,
}

impl Tiling {
    /// None: more keys than registers hold C for.
    fn of(sizes: &Sizes) -> Option<Self> {
        let dk = [64, 128, 256].into_iter().find(|&dk| sizes.dqk <= dk)?;
        Some(Tiling { dk, mt: if dk == 128 && sizes.dv > 128 { 2 } else { 1 } })
    }

    fn values(&self) -> usize {
        128 * self.mt
    }

    /// `Layout::BYTES`: two stages of q, k, v and the gates, scores, sums of keys, and four numbers a token.
    fn bytes(&self) -> usize {
        let stage = TOKENS * (4 * self.dk + 2 * self.values()) + 2048;
        ALIGNED + 2 * stage + TOKENS * TOKENS * 2 + self.dk * 4 + TOKENS * 5 * 4
    }
}

/// Whether the variant runs this.
pub(super) fn takes(device: Device, sizes: &Sizes, dtype: DType) -> bool {
    let Device::Cuda(_) = device else { return false };
    // Rows are read 16 bytes at a time.
    let whole = |extent: usize| extent > 0 && extent.is_multiple_of(8);
    let fits =
        |tiling: Tiling| caps(device).is_ok_and(|caps| tiling.bytes() + 1024 <= caps.threadgroup_memory);
    dtype == DType::Bf16
        && whole(sizes.dqk)
        && whole(sizes.dv)
        && sizes.heads() * sizes.s > 0
        && Tiling::of(sizes).is_some_and(fits)
}

/// How sequences are cut.
#[derive(Clone, Copy)]
pub(in crate::mlstm) struct Segments {
    pub(in crate::mlstm) count: usize,
    /// Tokens a segment.
    pub(in crate::mlstm) span: usize,
}

impl Segments {
    /// As many as a device has room for, of a whole number of units and at least `shortest` tokens.
    pub(in crate::mlstm) fn of(call: &Call<'_>, groups: usize, shortest: usize, unit: usize) -> Result<Self> {
        let s = call.sizes.s;
        let wanted = caps(call.stream.device())?.multiprocessors.unwrap_or(1) / groups;
        let span = s.div_ceil(wanted.min(s / shortest).max(1)).next_multiple_of(unit);
        Ok(Segments { count: s.div_ceil(span), span })
    }

    /// C and n as they enter each segment, `[b nh, count, ..]`, of what each adds and of what enters the first; in reverse their gradients, from the last on.
    pub(in crate::mlstm) fn join(
        self,
        call: &Call<'_>,
        weights: &Weights,
        [c_added, n_added]: [&Tensor; 2],
        [c, n]: [Option<&Tensor>; 2],
        reverse: bool,
    ) -> Result<[Tensor; 2]> {
        let (&Sizes { dqk, dv, s, .. }, heads) = (call.sizes, call.sizes.heads());
        let launch = JOINS
            .launch(call.stream)
            .input("c_added", c_added)
            .input("n_added", n_added)
            .input("mu", &weights.mu)
            // Where there is none, an f32 tensor in its place, unread.
            .input("c_first", c.unwrap_or(&weights.m))
            .input("n_first", n.unwrap_or(&weights.m))
            .scalar("s", call.extent(s)?)
            .scalar("segments", call.extent(self.count)?)
            .scalar("span", call.extent(self.span)?)
            .scalar("width", call.extent(dqk * dv)?)
            .scalar("keys", call.extent(dqk)?)
            .scalar("resume", c.is_some())
            .scalar("resume_n", n.is_some())
            .scalar("reverse", reverse);
        let outputs = give_cell(launch, call.cell, dqk)
            .output("c_entering", DType::F32, [heads, self.count, dqk, dv])
            .output("n_entering", DType::F32, [heads, self.count, dqk])
            .grid(Grid::threads([dqk * dv + dqk, heads, 1]), [256, 1, 1])
            .run()?;
        Ok(outputs.try_into().expect("two outputs are declared"))
    }
}

/// A launch's place in the sequences.
struct Walk<'a> {
    call: &'a Call<'a>,
    x: &'a MlstmInputs<'a>,
    weights: &'a Weights,
    tiling: Tiling,
    segments: Segments,
}

pub(super) fn mlstm_chunkwise(
    call: &Call<'_>,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
) -> Result<(Tensor, MlstmState)> {
    if let Some(argument) = misaligned(x, state) {
        let why = "begins at an address that is no multiple of 16 bytes, which the variant needs";
        return Err(Error::layout(call.operation, argument, why));
    }
    let sizes = call.sizes;
    let tiling = Tiling::of(sizes).expect("the variant takes this");
    let weights = call.gates(x, state)?;
    let groups = sizes.heads() * sizes.dv.div_ceil(tiling.values());
    let segments = Segments::of(call, groups, SHORTEST_SEGMENT, TOKENS)?;
    let walk = Walk { call, x, weights: &weights, tiling, segments };
    let first = state.map(|state| [&state.c, &state.n]);
    let entering = match segments.count {
        1 => first.map(|first| first.map(Tensor::clone)),
        _ => {
            let [_, c, n] = walk.run(false, None)?;
            let first = first.map_or([None; 2], |first| first.map(Some));
            Some(segments.join(call, &weights, [&c, &n], first, false)?)
        }
    };
    let [h, c, n] = walk.run(true, entering.as_ref())?;
    Ok((h, MlstmState { c, n, m: weights.m_last }))
}

/// A view that begins between the units that are read.
pub(super) fn misaligned(x: &MlstmInputs<'_>, state: Option<&MlstmState>) -> Option<&'static str> {
    let rows = [("q", Some(x.q)), ("k", Some(x.k)), ("v", Some(x.v)), ("o", x.o)];
    let by_token = rows.iter().find(|(_, tensor)| {
        let lies = tensor.and_then(by_token);
        unaligned(&[("", lies.as_ref())]).is_some()
    });
    by_token
        .map(|(argument, _)| *argument)
        .or_else(|| unaligned(&[rows[0], rows[1], rows[2], rows[3], ("c", state.map(|state| &state.c))]))
}

/// `[b, nh, s, n]` as it lies, `[b, s, nh, n]`, where all heads of a token follow one another.
fn by_token(x: &Tensor) -> Option<Tensor> {
    let lies = x.permute(&[0, 2, 1, 3]).ok()?;
    (!x.is_contiguous() && lies.is_contiguous()).then_some(lies)
}

/// The first of these that begins between units of 16 bytes. What does not lie by rows is copied, and memory starts on a multiple of 32 bytes.
pub(in crate::mlstm) fn unaligned(tensors: &[(&'static str, Option<&Tensor>)]) -> Option<&'static str> {
    let begins = |tensor: &Tensor| tensor.layout().offset() * tensor.dtype().size();
    let between = |tensor: &Tensor| tensor.is_contiguous() && !begins(tensor).is_multiple_of(16);
    tensors.iter().find(|(_, tensor)| tensor.is_some_and(between)).map(|(argument, _)| *argument)
}

impl Walk<'_> {
    /// h and the last state; or, of each segment by itself, the state that it adds.
    fn run(&self, read: bool, entering: Option<&[Tensor; 2]>) -> Result<[Tensor; 3]> {
        let Walk { call, x, weights, tiling, segments: Segments { count: segments, span } } = self;
        let &Sizes { b, nh, s, dqk, dv } = call.sizes;
        let slices = dv.div_ceil(tiling.values());
        // Where there is no o, something of its dtype in its place, unread.
        let given = [x.q, x.k, x.v, x.o.unwrap_or(x.v)];
        let lying = given.map(by_token);
        let [q, k, v, o]: [&Tensor; 4] = std::array::from_fn(|at| lying[at].as_ref().unwrap_or(given[at]));
        let launch = WALK
            .launch(call.stream)
            .template("DK", tiling.dk)
            .template("MT", tiling.mt)
            .template("READ", read)
            .template("GATED", read && x.o.is_some())
            .input("q", q)
            .input("k", k)
            .input("v", v)
            .input("o", o)
            .input("c", &weights.c)
            .input("mu", &weights.mu)
            .input("m", &weights.m)
            .input("c_first", entering.map_or(&weights.m, |[c, _]| c))
            .input("n_first", entering.map_or(&weights.m, |[_, n]| n))
            .scalar("s", call.extent(s)?)
            .scalar("heads", call.extent(nh)?)
            .scalar("dk", call.extent(dqk)?)
            .scalar("dv", call.extent(dv)?)
            .scalar("slices", call.extent(slices)?)
            .scalar("segments", call.extent(*segments)?)
            .scalar("span", call.extent(*span)?)
            .scalar("resume", entering.is_some());
        let launch = BY_TOKEN
            .into_iter()
            .zip(&lying)
            .fold(launch, |all, (name, lying)| all.scalar(name, lying.is_some()));
        let launch = give_cell(launch, call.cell, dqk).threadgroup_bytes(tiling.bytes());
        let launch = if read {
            let h = if lying[2].is_some() { [b, s, nh, dv] } else { [b, nh, s, dv] };
            launch.output("h", DType::Bf16, h).output("c_last", DType::F32, [b, nh, dqk, dv]).output(
                "n_last",
                DType::F32,
                [b, nh, dqk],
            )
        } else {
            launch
                .output("h", DType::Bf16, [0])
                .output("c_last", DType::F32, [b * nh, *segments, dqk, dv])
                .output("n_last", DType::F32, [b * nh, *segments, dqk])
        };
        let groups = Grid::groups([b * nh * segments * slices, 1, 1]);
        let outputs = launch.grid(groups, [THREADS, 1, 1]).run()?;
        let [h, c, n] = outputs.try_into().expect("three outputs are declared");
        let h = if read && lying[2].is_some() { h.permute(&[0, 2, 1, 3])? } else { h };
        Ok([h, c, n])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed. No other test of a machine without a GPU reads this source.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_specialisation_compiles() {
        use DType::{Bf16, F32};
        let dtypes = [Bf16, Bf16, Bf16, Bf16, F32, F32, F32, F32, F32, Bf16, F32, F32];
        for (dk, mt) in [(64, 1), (128, 1), (128, 2), (256, 1)] {
            for (chip, read, gated) in [
                ("sm_90a", false, false),
                ("sm_90a", true, false),
                ("sm_90a", true, true),
                ("sm_80", true, true),
            ] {
                let templates = [dk.into(), mt.into(), read.into(), gated.into()];
                match WALK.compile_for(chip, &templates, &dtypes) {
                    Err(error) if error.is_unsupported() => return eprintln!("not compiled: {error}"),
                    compiled => compiled.unwrap(),
                }
            }
        }
    }

    #[test]
    fn the_memory_of_a_group_is_that_of_the_body() {
        let text = [MATRIX_UNITS, include_str!("gpu.cuda.header.cu")].concat();
        // Two numbers that both sides write down.
        for shared in [format!("TOKENS = {TOKENS}, THREADS = {THREADS};"), "TOKENS * 4 + 752;".to_owned()] {
            assert!(text.contains(&shared), "{shared}");
        }
        let sizes = |dqk, dv| Sizes { b: 1, nh: 1, s: 1, dqk, dv };
        assert_eq!(Tiling::of(&sizes(128, 256)).unwrap().bytes(), 146_176);
        assert_eq!(Tiling::of(&sizes(256, 512)).unwrap().bytes(), 179_456);
        assert!(Tiling::of(&sizes(264, 8)).is_none());
        assert!(!takes(Device::Emulated, &sizes(64, 64), DType::Bf16));
    }
}

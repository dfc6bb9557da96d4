//! The variant for CUDA: bf16 data on the matrix units. After the scan of the gates three walks along the sequences, each with its state on the chip.
//!
//! The walk by query keeps C, rounded, at the end of each interval of 256 tokens, from which the walk by key tells what flows over that end. Sequences are not
//! cut into segments, as the forward form cuts them where they are few: the n that would enter a segment, of rounded keys, is too coarse for what is divided by it.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program, caps};

use super::{MlstmGradients, MlstmLoss};
use crate::mlstm::cell::Sizes;
use crate::mlstm::mlstm_chunkwise::cuda::{MATRIX_UNITS, unaligned};
use crate::mlstm::mlstm_chunkwise::gpu::{Call, Weights, program};
use crate::mlstm::mlstm_sequence::gpu::{HEADER, give_cell, with_cell};
use crate::mlstm::{MlstmInputs, MlstmState};

/// Of gpu.cuda.header.cu.
const KEYS: usize = 128;
const INTERVAL: usize = 256;
/// Of matrix_units.header.cu.
const TOKENS: usize = 64;
const THREADS: usize = 256;

fn walk(
    name: &'static str,
    body: &'static str,
    templates: &[&'static str],
    inputs: &[&'static str],
    flags: &[&'static str],
    outputs: &[&'static str],
) -> Program {
    let definition = Definition::new(name, body)
        .header([HEADER, MATRIX_UNITS, include_str!("gpu.cuda.header.cu")].concat())
        .cuda_only()
        .threadgroup_memory("memory", DType::U8);
    let definition = templates.iter().copied().fold(definition, Definition::template);
    let definition = inputs.iter().copied().fold(definition, Definition::input);
    let sizes = ["s", "dk", "dv", "intervals"];
    let definition = sizes.into_iter().fold(definition, |all, name| all.scalar(name, DType::U32));
    let definition = flags.iter().fold(definition, |all, &name| all.scalar(name, DType::Bool));
    let definition = outputs.iter().copied().fold(with_cell(definition), Definition::output);
    Program::new(definition).expect("the definition is valid")
}

static BY_QUERY: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["q", "k", "v", "dh", "c", "mu", "m", "c_first", "n_first"];
    let outputs = ["dq", "readings_out", "by_query", "kept", "n_kept"];
    let body = include_str!("by_query.cu");
    walk("mlstm_by_query", body, &["VALUES"], &inputs, &["resume", "exact"], &outputs)
});

static BY_KEY: LazyLock<Program> = LazyLock::new(|| {
    let inputs = [
        "q", "k", "v", "dh", "c", "mu", "readings", "kept", "n_kept", "dc_last", "dn_last", "c_first",
        "n_first",
    ];
    let outputs = ["dk_out", "by_key", "over_end", "over_start", "dc_first", "dn_first"];
    let (body, flags) = (include_str!("by_key.cu"), ["resume", "resume_n", "begun"]);
    walk("mlstm_by_key", body, &["VALUES"], &inputs, &flags, &outputs)
});

static BY_VALUE: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["q", "k", "dh", "c", "mu", "readings", "dc_last"];
    walk("mlstm_by_value", include_str!("by_value.cu"), &["VALUES"], &inputs, &["resume"], &["dv_out"])
});

static INTERVALS: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["by_query", "by_key", "over_end", "over_start", "i", "f"];
    let outputs = ["di", "df", "dm"];
    let body = include_str!("intervals.metal");
    program("mlstm_intervals_bw", body, &[], &inputs, &["s", "intervals"], &[], &outputs)
});

/// Values, padded to whole tiles of the warps. None: more of them, or of keys, than registers hold C for.
fn values(sizes: &Sizes) -> Option<usize> {
    [128, 256].into_iter().find(|&values| sizes.dv <= values && sizes.dqk <= KEYS)
}

/// `Layout::BYTES`: two stages of q, k, dh, v and the gates; scores, and what warps tell each other.
fn bytes(values: usize, with_v: bool) -> usize {
    let stage = TOKENS * (4 * KEYS + 2 * values * (1 + usize::from(with_v))) + 1664;
    2 * stage + TOKENS * (2 * TOKENS + 8 * 8 + 2 * 8 + 8 + 4 + 4)
}

/// Whether the variant runs this.
pub(super) fn takes(device: Device, sizes: &Sizes, dtype: DType) -> bool {
    let Device::Cuda(_) = device else { return false };
    // Rows are read 16 bytes at a time.
    let whole = |extent: usize| extent > 0 && extent.is_multiple_of(8);
    let fits = |values| caps(device).is_ok_and(|caps| bytes(values, true) + 1024 <= caps.threadgroup_memory);
    dtype == DType::Bf16
        && whole(sizes.dqk)
        && whole(sizes.dv)
        && sizes.heads() * sizes.s > 0
        && values(sizes).is_some_and(fits)
}

/// The argument that begins between the units that are read.
pub(super) fn misaligned(
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    loss: &MlstmLoss<'_>,
) -> Option<&'static str> {
    let (c, dh) = (state.map(|state| &state.c), Some(loss.h));
    unaligned(&[("q", Some(x.q)), ("k", Some(x.k)), ("v", Some(x.v)), ("dh", dh), ("c", c), ("dc", loss.c)])
}

pub(super) fn mlstm_chunkwise_bw(
    call: &Call<'_>,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    loss: &MlstmLoss<'_>,
    exact: bool,
) -> Result<MlstmGradients> {
    let sizes = call.sizes;
    let weights = call.gates(x, state)?;
    let values = values(sizes).expect("the variant takes this");
    let backward = Backward { call, x, weights: &weights, dh: loss.h, values };
    let read = backward.by_query(state, exact)?;
    let keys = backward.by_key(&read, [loss.c, loss.n], state)?;
    let dv = backward.by_value(&read, loss.c)?;
    let [di, df, dm] = backward.intervals(&read, &keys)?;
    let state = MlstmState { c: keys.dc, n: keys.dn, m: dm };
    Ok(MlstmGradients { q: read.dq, k: keys.dk, v: dv, i: di, f: df, state })
}

/// One call: what its walks share.
struct Backward<'a> {
    call: &'a Call<'a>,
    x: &'a MlstmInputs<'a>,
    weights: &'a Weights,
    dh: &'a Tensor,
    values: usize,
}

/// What the walk by query leaves.
struct Read {
    dq: Tensor,
    /// r and dz of each token, `[b nh, s, 2]`.
    readings: Tensor,
    /// `q . dq`, `[b nh, s]`
    by_query: Tensor,
    /// C and n at the end of each interval, as the registers have them.
    kept: [Tensor; 2],
}

/// What the walk by key does.
struct Keys {
    dk: Tensor,
    /// `k . dk`, `[b nh, s]`
    by_key: Tensor,
    /// What flows over the end of each interval, and into the first token, in parts of 8 warps: `[b nh, intervals, 8]` and `[b nh, 8]`.
    flows: [Tensor; 2],
    dc: Tensor,
    dn: Tensor,
}

impl Backward<'_> {
    fn intervals_of(&self) -> usize {
        self.call.sizes.s.div_ceil(INTERVAL)
    }

    /// Begins a launch with what all walks read.
    fn launch<'l>(&'l self, program: &'l Program, with_v: bool) -> Result<Launch<'l>> {
        let Backward { call, x, weights, values, .. } = self;
        let sizes = call.sizes;
        let launch = program
            .launch(call.stream)
            .template("VALUES", *values)
            .input("q", x.q)
            .input("k", x.k)
            .input("dh", self.dh)
            .input("c", &weights.c)
            .input("mu", &weights.mu)
            .scalar("s", call.extent(sizes.s)?)
            .scalar("dk", call.extent(sizes.dqk)?)
            .scalar("dv", call.extent(sizes.dv)?)
            .scalar("intervals", call.extent(self.intervals_of())?);
        let launch = if with_v { launch.input("v", x.v) } else { launch };
        Ok(give_cell(launch, call.cell, sizes.dqk)
            .threadgroup_bytes(bytes(*values, with_v))
            .grid(Grid::groups([sizes.heads(), 1, 1]), [THREADS, 1, 1]))
    }

    fn by_query(&self, first: Option<&MlstmState>, exact: bool) -> Result<Read> {
        let (sizes, m) = (self.call.sizes, &self.weights.m);
        let (heads, intervals) = (sizes.heads(), self.intervals_of());
        let outputs = self
            .launch(&BY_QUERY, true)?
            .input("m", m)
            // Where there is none, an f32 tensor in its place, unread.
            .input("c_first", first.map_or(m, |first| &first.c))
            .input("n_first", first.map_or(m, |first| &first.n))
            .scalar("resume", first.is_some())
            .scalar("exact", exact)
            .output("dq", DType::Bf16, sizes.keys())
            .output("readings_out", DType::F32, [heads, sizes.s, 2])
            .output("by_query", DType::F32, [heads, sizes.s])
            .output("kept", DType::U32, [heads, intervals, self.values * KEYS / 2])
            .output("n_kept", DType::F32, [heads, intervals, KEYS])
            .run()?;
        let [dq, readings, by_query, kept, n_kept] = outputs.try_into().expect("five outputs are declared");
        Ok(Read { dq, readings, by_query, kept: [kept, n_kept] })
    }

    fn by_key(
        &self,
        by_query: &Read,
        [dc, dn]: [Option<&Tensor>; 2],
        first: Option<&MlstmState>,
    ) -> Result<Keys> {
        let (sizes, m) = (self.call.sizes, &self.weights.m);
        let (heads, intervals) = (sizes.heads(), self.intervals_of());
        let outputs = self
            .launch(&BY_KEY, true)?
            .input("readings", &by_query.readings)
            .input("kept", &by_query.kept[0])
            .input("n_kept", &by_query.kept[1])
            .input("dc_last", dc.unwrap_or(m))
            .input("dn_last", dn.unwrap_or(m))
            .input("c_first", first.map_or(m, |first| &first.c))
            .input("n_first", first.map_or(m, |first| &first.n))
            .scalar("resume", dc.is_some())
            .scalar("resume_n", dn.is_some())
            .scalar("begun", first.is_some())
            .output("dk_out", DType::Bf16, sizes.keys())
            .output("by_key", DType::F32, [heads, sizes.s])
            .output("over_end", DType::F32, [heads, intervals, 8])
            .output("over_start", DType::F32, [heads, 8])
            .output("dc_first", DType::F32, [sizes.b, sizes.nh, sizes.dqk, sizes.dv])
            .output("dn_first", DType::F32, [sizes.b, sizes.nh, sizes.dqk])
            .run()?;
        let [dk, by_key, over_end, over_start, dc, dn] =
            outputs.try_into().expect("six outputs are declared");
        Ok(Keys { dk, by_key, flows: [over_end, over_start], dc, dn })
    }

    fn by_value(&self, by_query: &Read, dc: Option<&Tensor>) -> Result<Tensor> {
        self.launch(&BY_VALUE, false)?
            .input("readings", &by_query.readings)
            .input("dc_last", dc.unwrap_or(&self.weights.m))
            .scalar("resume", dc.is_some())
            .output("dv_out", DType::Bf16, self.call.sizes.values())
            .run_one()
    }

    /// di, df and dm.
    fn intervals(&self, by_query: &Read, keys: &Keys) -> Result<[Tensor; 3]> {
        let (call, intervals) = (self.call, self.intervals_of());
        let sizes = call.sizes;
        let launch = INTERVALS
            .launch(call.stream)
            .input("by_query", &by_query.by_query)
            .input("by_key", &keys.by_key)
            .input("over_end", &keys.flows[0])
            .input("over_start", &keys.flows[1])
            .input("i", self.x.i)
            .input("f", self.x.f)
            .scalar("s", call.extent(sizes.s)?)
            .scalar("intervals", call.extent(intervals)?);
        let outputs = give_cell(launch, call.cell, sizes.dqk)
            .output("di", DType::F32, sizes.gates())
            .output("df", DType::F32, sizes.gates())
            .output("dm", DType::F32, sizes.m())
            .grid(Grid::groups([sizes.heads() * intervals, 1, 1]), [INTERVAL, 1, 1])
            .run()?;
        Ok(outputs.try_into().expect("three outputs are declared"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed. No other test of a machine without a GPU reads these sources.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_specialisation_compiles() {
        use DType::{Bf16, F32, U32};
        let data = [Bf16; 4];
        let by_query = [&data[..], &[F32; 5], &[Bf16, F32, F32, U32, F32]].concat();
        let by_key = [&data[..], &[F32; 3], &[U32, F32, F32, F32, F32, F32, Bf16], &[F32; 5]].concat();
        let by_value = [&data[..3], &[F32; 4], &[Bf16]].concat();
        for values in [128, 256] {
            let compiled = BY_QUERY
                .compile_for("sm_90", &[values.into()], &by_query)
                .and_then(|()| BY_KEY.compile_for("sm_90", &[values.into()], &by_key))
                .and_then(|()| BY_VALUE.compile_for("sm_90", &[values.into()], &by_value));
            match compiled {
                Err(error) if error.is_unsupported() => return eprintln!("not compiled: {error}"),
                compiled => compiled.unwrap(),
            }
        }
        INTERVALS.compile_for("sm_90", &[], &[F32; 9]).unwrap();
    }

    #[test]
    fn the_memory_of_a_group_is_that_of_the_body() {
        let text = include_str!("gpu.cuda.header.cu");
        // Numbers that both sides write down.
        for shared in [format!("KEYS = {KEYS}, INTERVAL = {INTERVAL};"), "TOKENS * 8 + 112;".to_owned()] {
            assert!(text.contains(&shared), "{shared}");
        }
        let sizes = |dqk, dv| Sizes { b: 1, nh: 1, s: 1, dqk, dv };
        assert_eq!(bytes(values(&sizes(128, 256)).unwrap(), true), 214_272);
        assert!(values(&sizes(136, 8)).is_none() && values(&sizes(8, 264)).is_none());
        assert!(!takes(Device::Emulated, &sizes(64, 64), DType::Bf16));
    }
}

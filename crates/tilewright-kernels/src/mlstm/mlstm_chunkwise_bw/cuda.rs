//! The variant for CUDA: bf16 data on the matrix units. After the scan of the gates three walks along the sequences, each with its state on the chip.
//!
//! The walk by query keeps C, rounded, at the end of each interval of 256 tokens, from which the walk by key tells what flows over that end. Where sequences are
//! too few for the device each is cut into segments: walks that read nothing make the states that segments add, and their gradients, before those that do.
//!
//! No walk has h. That by query makes C dh in the place of q C: dq needs it, and dh . h is what it comes to beside q. For do it would need q C as well, of which each
//! warp, whose rows of C are keys, has a part of every element: 64 x 256 of them, where C leaves half of the registers and the stages none of the shared memory that
//! eight warps' parts are added up in. Beside an output gate the forward form gives h, therefore, and one pass over dy, h and o what goes on from there.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program, caps};

use super::{MlstmGradients, MlstmLoss};
use crate::mlstm::cell::Sizes;
use crate::mlstm::mlstm_chunkwise::cuda::{ALIGNED, MATRIX_UNITS, Segments, unaligned};
use crate::mlstm::mlstm_chunkwise::gpu::{Call, Weights, program};
use crate::mlstm::mlstm_sequence::gpu::{HEADER, give_cell, with_cell};
use crate::mlstm::{MlstmChunkwise, MlstmInputs, MlstmState, mlstm_chunkwise};

/// Of gpu.cuda.header.cu.
const KEYS: usize = 128;
const INTERVAL: usize = 256;
/// Tokens below which a segment is not worth walks of its own.
const SHORTEST_SEGMENT: usize = 512;
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
    let sizes = ["s", "dk", "dv", "intervals", "segments", "span"];
    let definition = sizes.into_iter().fold(definition, |all, name| all.scalar(name, DType::U32));
    let definition = flags.iter().fold(definition, |all, &name| all.scalar(name, DType::Bool));
    let definition = outputs.iter().copied().fold(with_cell(definition), Definition::output);
    Program::new(definition).expect("the definition is valid")
}

static BY_QUERY: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["q", "k", "v", "dh", "c", "mu", "m", "c_first", "n_first"];
    let outputs = ["dq", "made", "by_query", "kept", "n_kept", "c_added", "n_added"];
    let body = include_str!("by_query.cu");
    walk("mlstm_by_query", body, &["VALUES", "READ"], &inputs, &["resume", "exact"], &outputs)
});

static BY_KEY: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["q", "k", "v", "dh", "made", "kept", "n_kept", "dc_last", "dn_last", "c_first", "n_first"];
    let outputs = ["dk_out", "by_key", "over_end", "over_start", "dc_first", "dn_first"];
    let (body, flags) = (include_str!("by_key.cu"), ["resume", "resume_n", "begun"]);
    walk("mlstm_by_key", body, &["VALUES", "READ"], &inputs, &flags, &outputs)
});

static BY_VALUE: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["q", "k", "dh", "made", "dc_last"];
    walk("mlstm_by_value", include_str!("by_value.cu"), &["VALUES"], &inputs, &["resume"], &["dv_out"])
});

static INTERVALS: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["by_query", "by_key", "over_end", "over_start", "i", "f"];
    let outputs = ["di", "df", "dm"];
    let body = include_str!("intervals.metal");
    program("mlstm_intervals_bw", body, &[], &inputs, &["s", "intervals"], &[], &outputs)
});

/// What an output gate does of itself, given h.
static GATED: LazyLock<Program> = LazyLock::new(|| {
    let (inputs, outputs) = (["dy", "o", "h"], ["dh", "do_out"]);
    program("mlstm_gated_bw", include_str!("gated.metal"), &["T"], &inputs, &["width"], &[], &outputs)
});

/// Values, padded to whole tiles of the warps. None: more of them, or of keys, than registers hold C for.
fn values(sizes: &Sizes) -> Option<usize> {
    [128, 256].into_iter().find(|&values| sizes.dv <= values && sizes.dqk <= KEYS)
}

/// What the walk by query makes of a chunk for the others: `MADE` of gpu.cuda.header.cu.
const MADE: usize = 2 * (TOKENS * TOKENS * 2) + 4 * TOKENS * 4;
/// `ForwardLayout::BYTES`: two stages of q, k, dh, v and the gates, what is made of a chunk, and what warps tell each other.
fn forward_bytes(values: usize) -> usize {
    let stage = TOKENS * (4 * KEYS + 4 * values) + 2048;
    ALIGNED + 2 * stage + MADE + TOKENS * (8 * 8 + 2 * 8 + 4)
}

/// `ReverseLayout::BYTES`: two stages of q, k, dh and v, A or S r, and weights; parts of `k . dk`.
fn reverse_bytes(values: usize, with_v: bool) -> usize {
    let with_v = usize::from(with_v);
    let stage = TOKENS * (4 * KEYS + 2 * values * (1 + with_v)) + TOKENS * TOKENS * 2 + 1024;
    ALIGNED + 2 * stage + with_v * 2 * 8 * TOKENS * 4
}

/// Whether the variant runs this.
pub(super) fn takes(device: Device, sizes: &Sizes, dtype: DType) -> bool {
    let Device::Cuda(_) = device else { return false };
    // Rows are read 16 bytes at a time.
    let whole = |extent: usize| extent > 0 && extent.is_multiple_of(8);
    let fits =
        |values| caps(device).is_ok_and(|caps| forward_bytes(values) + 1024 <= caps.threadgroup_memory);
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
    // Beside an output gate dh is made anew.
    let (c, dh) = (state.map(|state| &state.c), x.o.is_none().then_some(loss.h));
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
    let gated = x.o.map(|o| gated(call, x, state, loss.h, o)).transpose()?;
    let (dh, by_o) = gated.map_or((None, None), |[dh, by_o]| (Some(dh), Some(by_o)));
    let weights = call.gates(x, state)?;
    let values = values(sizes).expect("the variant takes this");
    let segments = Segments::of(call, sizes.heads(), SHORTEST_SEGMENT, INTERVAL)?;
    let backward =
        Backward { call, x, weights: &weights, dh: dh.as_ref().unwrap_or(loss.h), values, segments };
    let cut = segments.count > 1;
    let first = state.map_or([None; 2], |state| [Some(&state.c), Some(&state.n)]);
    let entering = match cut {
        true => {
            let added = backward.by_query(false, [None; 2], exact)?.added;
            Some(segments.join(call, &weights, added.each_ref(), first, false)?)
        }
        false => None,
    };
    let read =
        backward.by_query(true, entering.as_ref().map_or(first, |both| both.each_ref().map(Some)), exact)?;
    let last = [loss.c, loss.n];
    let entering = match cut {
        true => {
            let added = backward.by_key(false, &read, [None; 2], first)?;
            Some(segments.join(call, &weights, [&added.dc, &added.dn], last, true)?)
        }
        false => None,
    };
    let last = entering.as_ref().map_or(last, |both| both.each_ref().map(Some));
    let keys = backward.by_key(true, &read, last, first)?;
    let dv = backward.by_value(&read, last[0])?;
    let [di, df, dm] = backward.intervals(&read, &keys)?;
    let state = MlstmState { c: keys.dc, n: keys.dn, m: dm };
    Ok(MlstmGradients { q: read.dq, k: keys.dk, v: dv, i: di, f: df, o: by_o, state })
}

/// The gradients by h and by o of `sigma(o) h`, given that by the product: h is made once more, by the forward form.
fn gated(
    call: &Call<'_>,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    dy: &Tensor,
    o: &Tensor,
) -> Result<[Tensor; 2]> {
    let args = MlstmChunkwise { cell: *call.cell, ..MlstmChunkwise::default() };
    let (h, _) = mlstm_chunkwise(call.stream, &MlstmInputs { o: None, ..*x }, state, &args)
        .map_err(|error| error.within(call.operation))?;
    let dims = call.sizes.values();
    // A row of threads for the values of all tokens of a sequence.
    let width = call.sizes.s * call.sizes.dv;
    let launch = GATED
        .launch(call.stream)
        .template("T", dy.dtype())
        .input("dy", dy)
        .input("o", o)
        .input("h", &h)
        .scalar("width", call.extent(width)?);
    let outputs = give_cell(launch, call.cell, call.sizes.dqk)
        .output("dh", dy.dtype(), dims)
        .output("do_out", dy.dtype(), dims)
        .grid(Grid::threads([width, call.sizes.heads(), 1]), [THREADS, 1, 1])
        .run()?;
    Ok(outputs.try_into().expect("two outputs are declared"))
}

/// One call: what its walks share.
struct Backward<'a> {
    call: &'a Call<'a>,
    x: &'a MlstmInputs<'a>,
    weights: &'a Weights,
    dh: &'a Tensor,
    values: usize,
    segments: Segments,
}

/// What the walk by query leaves.
struct Read {
    dq: Tensor,
    /// A, S r and the weights of each chunk, `[b nh, chunks, MADE / 4]`.
    made: Tensor,
    /// `q . dq`, `[b nh, s]`
    by_query: Tensor,
    /// C and n at the end of each interval, as the registers have them.
    kept: [Tensor; 2],
    /// Of a walk that reads nothing: C and n that each segment adds.
    added: [Tensor; 2],
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
    fn launch<'l>(&'l self, program: &'l Program, bytes: usize) -> Result<Launch<'l>> {
        let Backward { call, x, values, segments, .. } = self;
        let sizes = call.sizes;
        let launch = program
            .launch(call.stream)
            .template("VALUES", *values)
            .input("q", x.q)
            .input("k", x.k)
            .input("dh", self.dh)
            .scalar("s", call.extent(sizes.s)?)
            .scalar("dk", call.extent(sizes.dqk)?)
            .scalar("dv", call.extent(sizes.dv)?)
            .scalar("intervals", call.extent(self.intervals_of())?)
            .scalar("segments", call.extent(segments.count)?)
            .scalar("span", call.extent(segments.span)?);
        Ok(give_cell(launch, call.cell, sizes.dqk)
            .threadgroup_bytes(bytes)
            .grid(Grid::groups([sizes.heads() * segments.count, 1, 1]), [THREADS, 1, 1]))
    }

    /// From the states that enter the segments. Without `reads` what each adds to them, and nothing else.
    fn by_query(&self, reads: bool, [c, n]: [Option<&Tensor>; 2], exact: bool) -> Result<Read> {
        let (sizes, m, Segments { count, .. }) = (self.call.sizes, &self.weights.m, self.segments);
        let (heads, intervals) = (sizes.heads(), self.intervals_of());
        let of_reads = |extent: usize| if reads { extent } else { 0 };
        let of_states = |extent: usize| if reads { 0 } else { extent };
        let outputs = self
            .launch(&BY_QUERY, forward_bytes(self.values))?
            .template("READ", reads)
            .input("v", self.x.v)
            .input("c", &self.weights.c)
            .input("mu", &self.weights.mu)
            .input("m", m)
            // Where there is none, an f32 tensor in its place, unread.
            .input("c_first", c.unwrap_or(m))
            .input("n_first", n.unwrap_or(m))
            .scalar("resume", c.is_some())
            .scalar("exact", exact)
            .output("dq", DType::Bf16, [sizes.b, sizes.nh, of_reads(sizes.s), sizes.dqk])
            .output("made", DType::U32, [heads, of_reads(sizes.s.div_ceil(TOKENS)), MADE / 4])
            .output("by_query", DType::F32, [heads, of_reads(sizes.s)])
            .output("kept", DType::U32, [heads, of_reads(intervals), self.values * KEYS / 2])
            .output("n_kept", DType::F32, [heads, of_reads(intervals), KEYS])
            .output("c_added", DType::F32, [heads, of_states(count), sizes.dqk, sizes.dv])
            .output("n_added", DType::F32, [heads, of_states(count), sizes.dqk])
            .run()?;
        let [dq, made, by_query, kept, n_kept, c_added, n_added] =
            outputs.try_into().expect("seven outputs are declared");
        Ok(Read { dq, made, by_query, kept: [kept, n_kept], added: [c_added, n_added] })
    }

    /// From the gradients that enter the segments at their ends. Without `reads` what each adds to them, in the places of dc and dn, and nothing else.
    fn by_key(
        &self,
        reads: bool,
        by_query: &Read,
        [dc, dn]: [Option<&Tensor>; 2],
        [c_first, n_first]: [Option<&Tensor>; 2],
    ) -> Result<Keys> {
        let (sizes, m) = (self.call.sizes, &self.weights.m);
        let (heads, intervals) = (sizes.heads(), self.intervals_of());
        let of_reads = |extent: usize| if reads { extent } else { 0 };
        let (c_dims, n_dims) = match reads {
            true => (sizes.c().to_vec(), sizes.n().to_vec()),
            false => {
                let count = self.segments.count;
                (vec![heads, count, sizes.dqk, sizes.dv], vec![heads, count, sizes.dqk])
            }
        };
        let outputs = self
            .launch(&BY_KEY, reverse_bytes(self.values, true))?
            .template("READ", reads)
            .input("v", self.x.v)
            .input("made", &by_query.made)
            .input("kept", &by_query.kept[0])
            .input("n_kept", &by_query.kept[1])
            .input("dc_last", dc.unwrap_or(m))
            .input("dn_last", dn.unwrap_or(m))
            .input("c_first", c_first.unwrap_or(m))
            .input("n_first", n_first.unwrap_or(m))
            .scalar("resume", dc.is_some())
            .scalar("resume_n", dn.is_some())
            .scalar("begun", c_first.is_some())
            .output("dk_out", DType::Bf16, [sizes.b, sizes.nh, of_reads(sizes.s), sizes.dqk])
            .output("by_key", DType::F32, [heads, of_reads(sizes.s)])
            .output("over_end", DType::F32, [heads, of_reads(intervals), 8])
            .output("over_start", DType::F32, [heads, of_reads(8)])
            .output("dc_first", DType::F32, c_dims)
            .output("dn_first", DType::F32, n_dims)
            .run()?;
        let [dk, by_key, over_end, over_start, dc, dn] =
            outputs.try_into().expect("six outputs are declared");
        Ok(Keys { dk, by_key, flows: [over_end, over_start], dc, dn })
    }

    fn by_value(&self, by_query: &Read, dc: Option<&Tensor>) -> Result<Tensor> {
        self.launch(&BY_VALUE, reverse_bytes(self.values, false))?
            .input("made", &by_query.made)
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
        let by_query = [&data[..], &[F32; 5], &[Bf16, U32, F32, U32, F32, F32, F32]].concat();
        let by_key = [&data[..], &[U32, U32], &[F32; 5], &[Bf16], &[F32; 5]].concat();
        let by_value = [&data[..3], &[U32, F32, Bf16]].concat();
        // With the instructions of Hopper's warp groups, and with those that other chips have.
        for (values, chip) in [(128, "sm_90a"), (256, "sm_90a"), (128, "sm_100"), (256, "sm_80")] {
            let compiled = [true, false].into_iter().try_for_each(|reads| {
                let templates = [values.into(), reads.into()];
                BY_QUERY.compile_for(chip, &templates, &by_query)?;
                BY_KEY.compile_for(chip, &templates, &by_key)
            });
            let compiled = compiled.and_then(|()| BY_VALUE.compile_for(chip, &[values.into()], &by_value));
            match compiled {
                Err(error) if error.is_unsupported() => return eprintln!("not compiled: {error}"),
                compiled => compiled.unwrap(),
            }
        }
        INTERVALS.compile_for("sm_90", &[], &[F32; 9]).unwrap();
        GATED.compile_for("sm_90", &[Bf16.into()], &[Bf16; 5]).unwrap();
    }

    #[test]
    fn the_memory_of_a_group_is_that_of_the_body() {
        let text = include_str!("gpu.cuda.header.cu");
        // Numbers that both sides write down.
        let shared = format!("KEYS = {KEYS}, INTERVAL = {INTERVAL};");
        assert!(text.contains(&shared) && text.contains("STAGE = M + TOKENS * 4 + 752;"), "{shared}");
        let sizes = |dqk, dv| Sizes { b: 1, nh: 1, s: 1, dqk, dv };
        let values_of = values(&sizes(128, 256)).unwrap();
        assert_eq!(forward_bytes(values_of), 224_512);
        assert_eq!([true, false].map(|with_v| reverse_bytes(values_of, with_v)), [220_160, 150_528]);
        assert!(values(&sizes(136, 8)).is_none() && values(&sizes(8, 264)).is_none());
        assert!(!takes(Device::Emulated, &sizes(64, 64), DType::Bf16));
    }
}

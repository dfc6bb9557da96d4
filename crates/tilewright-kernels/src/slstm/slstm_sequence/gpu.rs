//! GPU path: one launch; a group of threads for each sequence of each head, from its first token to its last.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program, caps};

use crate::slstm::cell::Sizes;
use crate::slstm::{ForgetGate, Slstm, SlstmState};

/// What every body of the family begins with.
pub(in crate::slstm) const HEADER: &str = include_str!("../units.header.metal");

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition("slstm_sequence", "#define KEPT(statement)\n").output("out");
    Program::new(definition.output("c").output("n").output("h").output("m")).expect("the definition is valid")
});

/// The same, which keeps what every token made, for the way back.
static KEEPING: LazyLock<Program> = LazyLock::new(|| {
    let kept = ["pre_kept", "c_kept", "n_kept", "h_kept", "m_kept"];
    let definition = definition("slstm_sequence_kept", "#define KEPT(statement) statement\n").output("out");
    let definition = definition.output("c").output("n").output("h").output("m");
    Program::new(kept.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
});

fn definition(name: &'static str, kept: &str) -> Definition {
    let definition = Definition::new(name, include_str!("gpu.metal")).header([HEADER, kept].concat());
    let definition = definition.template("T").template("NEAR");
    let inputs = ["x", "r", "c_first", "n_first", "h_first", "m_first"];
    let definition = inputs.into_iter().fold(definition, Definition::input);
    let numbers = ["batch", "heads", "s", "d", "by_seen", "by_column"];
    let definition = numbers.into_iter().fold(definition, |all, number| all.scalar(number, DType::U32));
    let definition = definition.scalar("resume", DType::Bool).scalar("exponential", DType::Bool);
    definition.threadgroup_memory("scratch", DType::F32)
}

/// How a group of threads is made, and whether it keeps its head's weights near.
pub(in crate::slstm) struct Group {
    pub(in crate::slstm) threads: usize,
    pub(in crate::slstm) near: bool,
    pub(in crate::slstm) bytes: usize,
}

impl Group {
    /// A thread for each column of the recurrent product as far as they go, and `floats` of threadgroup memory beside the weights.
    pub(in crate::slstm) fn new(stream: &Stream, d: usize, dtype: DType, floats: usize) -> Result<Self> {
        // 32 KiB are what every device has. Weights that a token alone passes over are read once, wherever they lie.
        let room = caps(stream.device())?.threadgroup_memory.min(LARGEST);
        let (own, weights) = (4 * floats, 4 * d * d * dtype.size());
        let near = own + weights <= room;
        let threads = (4 * d).next_multiple_of(32).clamp(32, 1024);
        Ok(Group { threads, near, bytes: if near { own + weights } else { own } })
    }
}

/// Of a group's threadgroup memory: with more, fewer groups than two run side by side on the chips that have more than 32 KiB.
const LARGEST: usize = 100 << 10;

/// What a forward pass keeps for the way back: of each token, `[nh, b, s, 4, d]` and `[nh, b, s, d]`.
pub(in crate::slstm) struct Kept {
    pub(in crate::slstm) pre: Tensor,
    pub(in crate::slstm) c: Tensor,
    pub(in crate::slstm) n: Tensor,
    /// h before the token, as its gates saw it.
    pub(in crate::slstm) h_seen: Tensor,
    pub(in crate::slstm) m: Tensor,
}

pub(super) fn slstm_sequence(
    stream: &Stream,
    sizes: &Sizes,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    cell: &Slstm,
) -> Result<(Tensor, SlstmState)> {
    let turned = r.permute(&[0, 3, 1, 2])?;
    let launch = launch(&PROGRAM, stream, sizes, x, [r, &turned], state, cell)?;
    let [out, c, n, h, m] = launch.run()?.try_into().expect("five outputs are declared");
    Ok((out, SlstmState { c, n, h, m }))
}

/// The forward pass again, for what it made on its way.
pub(in crate::slstm) fn kept(
    stream: &Stream,
    sizes: &Sizes,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    cell: &Slstm,
) -> Result<Kept> {
    let Sizes { b, nh, s, d } = *sizes;
    let turned = r.permute(&[0, 3, 1, 2])?;
    let launch = launch(&KEEPING, stream, sizes, x, [r, &turned], state, cell)?;
    let launch = launch.output("pre_kept", DType::F32, [nh, b, s, 4, d]);
    let each = ["c_kept", "n_kept", "h_kept", "m_kept"];
    let launch = each.into_iter().fold(launch, |all, name| all.output(name, DType::F32, [nh, b, s, d]));
    let made: [Tensor; 10] = launch.run()?.try_into().expect("ten outputs are declared");
    let [_, _, _, _, _, pre, c, n, h_seen, m] = made;
    Ok(Kept { pre, c, n, h_seen, m })
}

/// `r` as it is and by the unit that is seen: the runtime makes the second row-major, so that neighbouring threads read neighbouring weights.
fn launch<'l>(
    program: &'l Program,
    stream: &'l Stream,
    sizes: &Sizes,
    x: &'l Tensor,
    [r, turned]: [&'l Tensor; 2],
    state: Option<&'l SlstmState>,
    cell: &Slstm,
) -> Result<Launch<'l>> {
    let Sizes { b, nh, s, d } = *sizes;
    let group = Group::new(stream, d, x.dtype(), 5 * d)?;
    // For one token, turning the weights would cost more than reading them as they lie.
    let (r, by_seen, by_column) = if s == 1 { (r, 1, d) } else { (turned, 4 * d, 1) };
    // Where there is no state, something stands in its place, unread.
    let [c, n, h, m] = state.map_or([x; 4], SlstmState::parts);
    let launch = program
        .launch(stream)
        .template("T", x.dtype())
        .template("NEAR", group.near && s > 1)
        .input("x", x)
        .input("r", r)
        .input("c_first", c)
        .input("n_first", n)
        .input("h_first", h)
        .input("m_first", m)
        .scalar("batch", b as u32)
        .scalar("heads", nh as u32)
        .scalar("s", s as u32)
        .scalar("d", d as u32)
        .scalar("by_seen", by_seen as u32)
        .scalar("by_column", by_column as u32)
        .scalar("resume", state.is_some())
        .scalar("exponential", cell.forget_gate == ForgetGate::Exponential)
        .output("out", x.dtype(), sizes.h());
    let launch = ["c", "n", "h", "m"]
        .into_iter()
        .fold(launch, |all, name| all.output(name, DType::F32, sizes.state()));
    let bytes = if group.near && s > 1 { group.bytes } else { 4 * 5 * d };
    let grid = Grid::groups([b * nh, 1, 1]);
    Ok(launch.threadgroup_bytes(bytes.max(4)).grid(grid, [group.threads, 1, 1]))
}

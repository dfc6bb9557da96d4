//! GPU path: forward again, keeping what each token made; one launch backward, a group of threads for each sequence of each head; a product for the weights.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{SlstmGradients, SlstmLoss, by_weights};
use crate::slstm::cell::Sizes;
use crate::slstm::slstm_sequence::gpu::{Group, HEADER, kept};
use crate::slstm::{ForgetGate, Slstm, SlstmState};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("slstm_sequence_bw", include_str!("gpu.metal")).header(HEADER);
    let definition = definition.template("T").template("NEAR");
    let inputs = [
        "r",
        "loss_h",
        "pre",
        "c_kept",
        "n_kept",
        "m_kept",
        "c_first",
        "n_first",
        "m_first",
        "loss_c_last",
        "loss_n_last",
        "loss_h_last",
    ];
    let definition = inputs.into_iter().fold(definition, Definition::input);
    let numbers = ["batch", "heads", "s", "d"];
    let definition = numbers.into_iter().fold(definition, |all, number| all.scalar(number, DType::U32));
    let definition = definition.scalar("resume", DType::Bool).scalar("seeded", DType::Bool);
    let definition = definition.scalar("exponential", DType::Bool).threadgroup_memory("scratch", DType::F32);
    let outputs = ["dx", "dpre", "dc_first", "dn_first", "dh_first", "dm_first"];
    Program::new(outputs.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
});

pub(super) fn slstm_sequence_bw(
    stream: &Stream,
    sizes: &Sizes,
    x: &Tensor,
    r: &Tensor,
    state: Option<&SlstmState>,
    loss: &SlstmLoss<'_>,
    cell: &Slstm,
) -> Result<SlstmGradients> {
    let Sizes { b, nh, s, d } = *sizes;
    let made = kept(stream, sizes, x, r, state, cell)?;
    let group = Group::new(stream, d, x.dtype(), 8 * d)?;
    // Where there is none, something stands in its place, unread.
    let [c, n, _, m] = state.map_or([x; 4], SlstmState::parts);
    let [loss_c, loss_n, loss_h] = loss.last.unwrap_or([x; 3]);
    let launch = PROGRAM
        .launch(stream)
        .template("T", x.dtype())
        .template("NEAR", group.near)
        .input("r", r)
        .input("loss_h", loss.h)
        .input("pre", &made.pre)
        .input("c_kept", &made.c)
        .input("n_kept", &made.n)
        .input("m_kept", &made.m)
        .input("c_first", c)
        .input("n_first", n)
        .input("m_first", m)
        .input("loss_c_last", loss_c)
        .input("loss_n_last", loss_n)
        .input("loss_h_last", loss_h)
        .scalar("batch", b as u32)
        .scalar("heads", nh as u32)
        .scalar("s", s as u32)
        .scalar("d", d as u32)
        .scalar("resume", state.is_some())
        .scalar("seeded", loss.last.is_some())
        .scalar("exponential", cell.forget_gate == ForgetGate::Exponential)
        .output("dx", x.dtype(), sizes.x())
        .output("dpre", DType::F32, [nh, b, s, 4, d]);
    let firsts = ["dc_first", "dn_first", "dh_first", "dm_first"];
    let launch = firsts.into_iter().fold(launch, |all, name| all.output(name, DType::F32, sizes.state()));
    let launch = launch.threadgroup_bytes(group.bytes.max(4));
    let outputs = launch.grid(Grid::groups([b * nh, 1, 1]), [group.threads, 1, 1]).run()?;
    let [dx, dpre, c, n, h, m] = outputs.try_into().expect("six outputs are declared");
    let r = by_weights(stream, sizes, &dpre, &made.h_seen, x.dtype())?;
    Ok(SlstmGradients { x: dx, r, state: SlstmState { c, n, h, m } })
}

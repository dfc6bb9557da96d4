//! GPU path: the gradients are reads of the same kind as h, so the passes of the forward form make them.
//!
//! With the gradient of a score `g_1 . v_1` (see `rows.metal`), dq reads keys with queries g_1 and keys v_1; in reverse, dv reads g with queries k and keys q,
//! and dk reads queries with queries v_1 and keys g_1. Their states are `[Cᵀ; nᵀ]`, dC and `[dCᵀ; dnᵀ]`.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Tensor};
use tilewright_gpu::{Grid, Program};

use super::{MlstmGradients, MlstmLoss};
use crate::mlstm::mlstm_chunkwise::gpu::{Call, Pass, States, program};
use crate::mlstm::mlstm_sequence::gpu::give_cell;
use crate::mlstm::{MlstmInputs, MlstmState};

/// Threads of a group of the bodies that take tokens by SIMD groups.
const THREADS: usize = 256;

static TRANSPOSED: LazyLock<Program> = LazyLock::new(|| {
    let (body, flags) = (include_str!("transposed.metal"), ["has_c", "has_n"]);
    program("mlstm_transposed", body, &[], &["c", "n"], &["dqk", "dv"], &flags, &["out"])
});

static ROWS: LazyLock<Program> = LazyLock::new(|| {
    let (inputs, outputs) = (["dh", "o", "h", "v", "z", "m"], ["g", "g_1", "v_1", "do_out"]);
    let (body, flags) = (include_str!("rows.metal"), ["exact", "gated"]);
    program("mlstm_rows_bw", body, &["T"], &inputs, &["tokens", "dv"], &flags, &outputs)
});

static FLOW: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["q", "k", "i", "f", "dq_wide", "dk_wide", "c_states", "c_last", "dc_states", "dc_last"];
    let sizes = ["s", "dqk", "dv", "chunk", "chunks"];
    let outputs = ["dq", "dk", "di", "df", "dn", "dm"];
    program("mlstm_flow_bw", include_str!("flow.metal"), &["T"], &inputs, &sizes, &[], &outputs)
});

pub(super) fn mlstm_chunkwise_bw(
    call: &Call<'_>,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    loss: &MlstmLoss<'_>,
    exact: bool,
) -> Result<MlstmGradients> {
    let weights = call.gates(x, state)?;
    let forward = Pass {
        q: x.q,
        k: x.k,
        v: x.v,
        first: state.map(|state| &state.c),
        n_first: state.map(|state| &state.n),
        reverse: false,
    };
    let states = call.states(&weights, &forward)?;
    let [h, z] = call.read(&weights, &forward, Some(&states), None, DType::F32)?;
    let ([g, g_1, v_1], by_o) = rows(call, x, loss, [&h, &z, &weights.m], exact)?;

    let first = state.map(|state| transposed(call, Some(&state.c), Some(&state.n))).transpose()?;
    let by_query = Pass { q: &g_1, k: &v_1, v: x.k, first: first.as_ref(), n_first: None, reverse: false };
    let c_states = call.states(&weights, &by_query)?;
    let dq = call.sums(&weights, &by_query, &c_states, DType::F32)?;

    let dc_last = transposed(call, loss.c, loss.n)?;
    let by_key = Pass { q: &v_1, k: &g_1, v: x.q, first: Some(&dc_last), n_first: None, reverse: true };
    let dc_states = call.states(&weights, &by_key)?;
    let dk = call.sums(&weights, &by_key, &dc_states, DType::F32)?;

    let by_value = Pass { q: x.k, k: x.q, v: &g, first: loss.c, n_first: None, reverse: true };
    let value_states = call.states(&weights, &by_value)?;
    let dv = call.sums(&weights, &by_value, &value_states, x.v.dtype())?;
    let [dc, _] = value_states.last;

    let [dq, dk, di, df, dn, dm] = flow(call, x, [&dq, &dk], [&c_states, &dc_states])?;
    let state = MlstmState { c: dc, n: dn, m: dm };
    Ok(MlstmGradients { q: dq, k: dk, v: dv, i: di, f: df, o: by_o, state })
}

/// `g`, `g_1` and `v_1`, `[b, nh, s, dv]` and twice `[b, nh, s, dv + 1]`; and do where there is an output gate.
pub(in crate::mlstm) fn rows(
    call: &Call<'_>,
    x: &MlstmInputs<'_>,
    loss: &MlstmLoss<'_>,
    [h, z, m]: [&Tensor; 3],
    exact: bool,
) -> Result<([Tensor; 3], Option<Tensor>)> {
    let [b, nh, s, dv] = call.sizes.values();
    let tokens = b * nh * s;
    let launch = ROWS
        .launch(call.stream)
        .template("T", x.v.dtype())
        .input("dh", loss.h)
        // Where there is none, something of its dtype in its place, unread.
        .input("o", x.o.unwrap_or(x.v))
        .input("h", h)
        .input("v", x.v)
        .input("z", z)
        .input("m", m)
        .scalar("tokens", call.extent(tokens)?)
        .scalar("dv", call.extent(dv)?)
        .scalar("exact", exact)
        .scalar("gated", x.o.is_some());
    let outputs = give_cell(launch, call.cell, call.sizes.dqk)
        .output("g", DType::F32, [b, nh, s, dv])
        .output("g_1", DType::F32, [b, nh, s, dv + 1])
        .output("v_1", x.v.dtype(), [b, nh, s, dv + 1])
        .output("do_out", x.v.dtype(), [b, nh, s, if x.o.is_some() { dv } else { 0 }])
        .grid(Grid::groups([tokens.div_ceil(THREADS / 32), 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [g, g_1, v_1, by_o] = outputs.try_into().expect("four outputs are declared");
    Ok(([g, g_1, v_1], x.o.map(|_| by_o)))
}

/// `[b, nh, dv + 1, dqk]`: C by columns, and n.
pub(in crate::mlstm) fn transposed(
    call: &Call<'_>,
    c: Option<&Tensor>,
    n: Option<&Tensor>,
) -> Result<Tensor> {
    let [b, nh, dqk, dv] = call.sizes.c();
    // What is absent is not read.
    let nothing = Tensor::empty(call.stream, DType::F32, [1])?;
    let launch = TRANSPOSED
        .launch(call.stream)
        .input("c", c.unwrap_or(&nothing))
        .input("n", n.unwrap_or(&nothing))
        .scalar("dqk", call.extent(dqk)?)
        .scalar("dv", call.extent(dv)?)
        .scalar("has_c", c.is_some())
        .scalar("has_n", n.is_some());
    give_cell(launch, call.cell, dqk)
        .output("out", DType::F32, [b, nh, dv + 1, dqk])
        .grid(Grid::threads([dqk, dv + 1, b * nh]), [THREADS, 1, 1])
        .run_one()
}

/// dq and dk in the dtype of the data, di, df, dn and dm.
pub(in crate::mlstm) fn flow(
    call: &Call<'_>,
    x: &MlstmInputs<'_>,
    [dq, dk]: [&Tensor; 2],
    [states, gradients]: [&States; 2],
) -> Result<[Tensor; 6]> {
    let (sizes, chunks) = (call.sizes, call.chunks());
    let dtype = x.q.dtype();
    let launch = FLOW
        .launch(call.stream)
        .template("T", dtype)
        .input("q", x.q)
        .input("k", x.k)
        .input("i", x.i)
        .input("f", x.f)
        .input("dq_wide", dq)
        .input("dk_wide", dk)
        .input("c_states", &states.entering[0])
        .input("c_last", &states.last[0])
        .input("dc_states", &gradients.entering[0])
        .input("dc_last", &gradients.last[0])
        .scalar("s", call.extent(sizes.s)?)
        .scalar("dqk", call.extent(sizes.dqk)?)
        .scalar("dv", call.extent(sizes.dv)?)
        .scalar("chunk", call.extent(call.chunk())?)
        .scalar("chunks", call.extent(chunks)?);
    let outputs = give_cell(launch, call.cell, sizes.dqk)
        .output("dq", dtype, sizes.keys())
        .output("dk", dtype, sizes.keys())
        .output("di", DType::F32, sizes.gates())
        .output("df", DType::F32, sizes.gates())
        .output("dn", DType::F32, sizes.n())
        .output("dm", DType::F32, sizes.m())
        .grid(Grid::groups([sizes.heads() * chunks.max(1), 1, 1]), [THREADS, 1, 1])
        .run()?;
    Ok(outputs.try_into().expect("six outputs are declared"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn rows_compile_by_nvrtc() {
        use DType::{Bf16, F32};
        let dtypes = [Bf16, Bf16, F32, Bf16, F32, F32, F32, F32, Bf16, Bf16];
        crate::nvrtc::compiles(&ROWS, &[Bf16.into()], &dtypes);
    }
}

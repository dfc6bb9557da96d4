//! GPU path: the scan of all weights and the read of all chunks of `mlstm_chunkwise`, and a launch that makes denominators of what it read of n.

use std::sync::LazyLock;

use tilewright_core::{DType, Result};
use tilewright_gpu::{Grid, Program};

use crate::mlstm::boundaries::{entering, weights};
use crate::mlstm::mlstm_chunkwise::gpu::{Pass, program};
use crate::mlstm::mlstm_sequence::gpu::give_cell;
use crate::mlstm::parts::Part;
use crate::mlstm::{MlstmInputs, MlstmOutputs, MlstmStates};

const THREADS: usize = 256;

static DENOMINATORS: LazyLock<Program> = LazyLock::new(|| {
    let body = include_str!("denominators.metal");
    program("mlstm_denominators", body, &[], &["z", "m"], &["s"], &[], &["out"])
});

pub(super) fn mlstm_outputs(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
) -> Result<MlstmOutputs> {
    let (call, sizes) = (part.call(), part.sizes);
    let weights = weights(&call, x, states)?;
    let pass = Pass { q: x.q, k: x.k, v: x.v, first: Some(&states.c), n_first: None, reverse: false };
    let entering = entering([&states.c, &states.n], 0..part.stretches())?;
    let [h, z] = call.read(&weights, &pass, Some(&entering), x.o, x.q.dtype())?;
    let launch = DENOMINATORS
        .launch(part.stream)
        .input("z", &z)
        .input("m", &weights.m)
        .scalar("s", call.extent(sizes.s)?);
    let denominators = give_cell(launch, part.cell, sizes.dqk)
        .output("out", DType::F32, sizes.gates())
        .grid(Grid::threads([sizes.s, sizes.heads(), 1]), [THREADS, 1, 1])
        .run_one()?;
    Ok(MlstmOutputs { h, denominators, stabilisers: weights.m.reshape(sizes.gates())? })
}

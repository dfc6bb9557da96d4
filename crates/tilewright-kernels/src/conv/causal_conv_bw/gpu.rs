//! The portable bodies: dx as the forward form, and so dstate; the gradients of weights and bias by blocks of tokens, a thread for each channel.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{CausalConvGradients, NAME};
use crate::conv::block;
use crate::conv::causal_conv::{CausalConvInputs, Extents, definition, launch};

const THREADS: usize = 256;

static BY_X: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal")).template("T").template("W");
    let definition = definition.input("dy").input("weight").scalar("s", DType::U32).scalar("d", DType::U32);
    Program::new(definition.output("dx")).expect("the definition is valid")
});

static BY_STATE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("causal_conv_bw_state", include_str!("state.metal"));
    let definition = definition.template("T").template("W").input("dy").input("weight");
    let definition = definition.scalar("s", DType::U32).scalar("d", DType::U32);
    Program::new(definition.output("dstate")).expect("the definition is valid")
});

static PARTIAL: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition("causal_conv_bw_partial", include_str!("partial.metal")).input("dy");
    Program::new(definition.scalar("block", DType::U32).output("parts")).expect("the definition is valid")
});

static COMBINE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("causal_conv_bw_combine", include_str!("combine.metal"));
    let definition = definition.template("T").template("W").input("parts");
    let definition = definition.scalar("blocks", DType::U32).scalar("d", DType::U32);
    Program::new(definition.output("dweight").output("dbias")).expect("the definition is valid")
});

pub(super) fn causal_conv_bw(
    stream: &Stream,
    e: &Extents,
    dy: &Tensor,
    inputs: &CausalConvInputs<'_>,
) -> Result<CausalConvGradients> {
    let (dtype, tokens) = (dy.dtype(), e.b * e.s);
    let zeros = |shape: &[usize]| Tensor::zeros(dtype, shape)?.to(stream);
    let state = match inputs.state {
        Some(state) if dy.is_empty() || state.is_empty() => Some(zeros(state.dims())?),
        Some(state) => Some(by_token(&BY_STATE, stream, e, dy, inputs.weight, ("dstate", state))?),
        None => None,
    };
    if dy.is_empty() {
        return Ok(CausalConvGradients {
            x: zeros(dy.dims())?,
            weight: zeros(&[e.d, e.w])?,
            bias: zeros(&[e.d])?,
            state,
        });
    }
    let x = by_token(&BY_X, stream, e, dy, inputs.weight, ("dx", dy))?;
    let (block, columns) = (block(tokens), e.d.div_ceil(THREADS));
    let blocks = tokens.div_ceil(block);
    let parts = launch(&PARTIAL, stream, e, inputs)
        .input("dy", dy)
        .scalar("block", block as u32)
        .output("parts", DType::F32, [blocks, e.w + 1, e.d])
        .grid(Grid::groups([columns, blocks, 1]), [THREADS, 1, 1])
        .run_one()?;
    let made = COMBINE
        .launch(stream)
        .template("T", dtype)
        .template("W", e.w)
        .input("parts", &parts)
        .scalar("blocks", blocks as u32)
        .scalar("d", e.d as u32)
        .output("dweight", dtype, [e.d, e.w])
        .output("dbias", dtype, [e.d])
        .grid(Grid::groups([columns, 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [weight, bias] = made.try_into().expect("two outputs are declared");
    Ok(CausalConvGradients { x, weight, bias, state })
}

/// An output as `like`, of which each token has a group.
fn by_token(
    program: &Program,
    stream: &Stream,
    e: &Extents,
    dy: &Tensor,
    weight: &Tensor,
    (output, like): (&'static str, &Tensor),
) -> Result<Tensor> {
    let tokens = like.dims()[0] * like.dims()[1];
    program
        .launch(stream)
        .template("T", dy.dtype())
        .template("W", e.w)
        .input("dy", dy)
        .input("weight", weight)
        .scalar("s", e.s as u32)
        .scalar("d", e.d as u32)
        .output(output, dy.dtype(), like.shape())
        .grid(Grid::groups([tokens, 1, 1]), [e.d.next_multiple_of(32).min(THREADS), 1, 1])
        .run_one()
}

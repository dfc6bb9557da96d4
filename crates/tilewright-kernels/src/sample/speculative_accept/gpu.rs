//! GPU path: one threadgroup a row.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{Accepted, NAME, Plan};

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("speculative_accept", include_str!("gpu.metal"))
        .header(concat!(include_str!("../noise.header.metal"), include_str!("../race.header.metal")))
        .input("draft")
        .input("q")
        .input("p")
        .input("seeds")
        .input("positions")
        .scalar("k", DType::U32)
        .scalar("v", DType::U32)
        .output("tokens")
        .output("accepted");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn speculative_accept(
    stream: &Stream,
    draft: &Tensor,
    draft_probs: &Tensor,
    target_probs: &Tensor,
    [seeds, positions]: [&Tensor; 2],
    plan: &Plan,
) -> Result<Accepted> {
    let &Plan { b, k, v } = plan;
    if b == 0 {
        let empty = |shape: &[usize]| Tensor::empty(stream, DType::I32, shape);
        return Ok(Accepted { tokens: empty(&[b, k + 1])?, accepted: empty(&[b])? });
    }
    if b > i32::MAX as usize || k > i32::MAX as usize {
        return Err(Error::unsupported(NAME, stream.device(), "2^31 rows or drafted tokens"));
    }
    let outputs = PROGRAM
        .launch(stream)
        .input("draft", draft)
        .input("q", draft_probs)
        .input("p", target_probs)
        .input("seeds", seeds)
        .input("positions", positions)
        .scalar("k", k as u32)
        .scalar("v", v as u32)
        .output("tokens", DType::I32, [b, k + 1])
        .output("accepted", DType::I32, [b])
        .grid(Grid::groups([b, 1, 1]), [v.next_multiple_of(32).min(THREADS), 1, 1])
        .run()?;
    let [tokens, accepted] = outputs.try_into().expect("two outputs are declared");
    Ok(Accepted { tokens, accepted })
}

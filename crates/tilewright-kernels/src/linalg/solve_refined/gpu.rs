//! The portable bodies: residuals of twice the digits, and what becomes of corrections.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{Progress, Scales};

fn program(
    name: &'static str,
    body: &'static str,
    inputs: &[&'static str],
    scalars: &[&'static str],
) -> Definition {
    let definition = inputs.iter().copied().fold(Definition::new(name, body), Definition::input);
    scalars.iter().fold(definition, |definition, name| definition.scalar(*name, DType::U32))
}

static RESIDUAL: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["a", "x", "b", "permutation"];
    let definition = program("refine_residual", include_str!("gpu.metal"), &inputs, &["n", "k", "elements"]);
    let definition = definition.header(include_str!("gpu.header.metal")).template("S");
    Program::new(definition.output("out")).expect("the definition is valid")
});

static OVER: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("refine_over", include_str!("gpu.over.metal"), &["x", "size"], &["each"]);
    Program::new(definition.template("S").template("L").output("out")).expect("the definition is valid")
});

static ADVANCE: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["x", "d", "of_r", "size", "of_d", "of_x", "last", "state", "count"];
    let definition = program("refine_advance", include_str!("gpu.advance.metal"), &inputs, &["n", "k"]);
    let definition = definition.template("S").scalar("epsilon", DType::F32);
    let outputs = ["x_out", "last_out", "state_out", "count_out"];
    Program::new(outputs.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
});

static END: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["factors", "state", "count"];
    let definition = program("refine_end", include_str!("gpu.end.metal"), &inputs, &["n", "k"]);
    Program::new(definition.output("info").output("iterations")).expect("the definition is valid")
});

/// The numbers, rows of which belong to one of `size` each, over it, or over 1 where it is 0, as `low`.
pub(super) fn over(stream: &Stream, of: &Tensor, size: &Tensor, low: DType) -> Result<Tensor> {
    OVER.launch(stream)
        .template("S", of.dtype())
        .template("L", low)
        .input("x", of)
        .input("size", size)
        .scalar("each", (of.elements() / size.elements()) as u32)
        .output("out", low, of.shape())
        .grid(Grid::threads([of.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}

/// `b - a x` for rows x and b, in the order of the elimination, rounded once.
pub(super) fn residual(
    stream: &Stream,
    a: &Tensor,
    x: &Tensor,
    b: &Tensor,
    permutation: &Tensor,
) -> Result<Tensor> {
    let &[.., k, n] = x.dims() else { unreachable!("solutions are rows") };
    RESIDUAL
        .launch(stream)
        .template("S", x.dtype())
        .input("a", a)
        .input("x", x)
        .input("b", b)
        .input("permutation", permutation)
        .scalar("n", n as u32)
        .scalar("k", k as u32)
        .scalar("elements", x.elements() as u32)
        .output("out", x.dtype(), x.shape())
        .grid(Grid::threads([x.elements() * 32, 1, 1]), [256, 1, 1])
        .run_one()
}

/// The solutions with the corrections that are taken, and where their columns stand then.
pub(super) fn advanced(
    stream: &Stream,
    x: &Tensor,
    d: &Tensor,
    scales: &Scales<'_>,
    progress: &Progress,
) -> Result<(Tensor, Progress)> {
    let &[.., k, n] = x.dims() else { unreachable!("solutions are rows") };
    let columns = progress.last.shape();
    let outputs = ADVANCE
        .launch(stream)
        .template("S", x.dtype())
        .input("x", x)
        .input("d", d)
        .input("of_r", scales.left)
        .input("size", scales.size)
        .input("of_d", scales.d)
        .input("of_x", scales.x)
        .input("last", &progress.last)
        .input("state", &progress.state)
        .input("count", &progress.count)
        .scalar("n", n as u32)
        .scalar("k", k as u32)
        .scalar("epsilon", (2.0 * x.dtype().unit_roundoff()) as f32)
        .output("x_out", x.dtype(), x.shape())
        .output("last_out", x.dtype(), columns)
        .output("state_out", DType::I32, columns)
        .output("count_out", DType::I32, columns)
        .grid(Grid::threads([x.elements(), 1, 1]), [256, 1, 1])
        .run()?;
    let [x, last, state, count] = <[Tensor; 4]>::try_from(outputs).expect("four outputs are declared");
    Ok((x, Progress { last, state, count }))
}

/// What is told of each system: its info, and how often it was solved.
pub(super) fn ended(
    stream: &Stream,
    factors: &Tensor,
    progress: &Progress,
    n: usize,
) -> Result<(Tensor, Tensor)> {
    let items = factors.elements();
    let outputs = END
        .launch(stream)
        .input("factors", factors)
        .input("state", &progress.state)
        .input("count", &progress.count)
        .scalar("n", n as u32)
        .scalar("k", (progress.state.elements() / items) as u32)
        .output("info", DType::I32, factors.shape())
        .output("iterations", DType::I32, factors.shape())
        .grid(Grid::threads([items, 1, 1]), [256, 1, 1])
        .run()?;
    let [info, iterations] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((info, iterations))
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::*;
        for real in [F32, F64] {
            compiles(&RESIDUAL, &[real.into()], &[real, real, real, I32, real]);
            for low in [F32, F64] {
                compiles(&OVER, &[real.into(), low.into()], &[real, real, low]);
                let inputs = [real, low, real, real, low, real, real, I32, I32];
                compiles(&ADVANCE, &[real.into()], &[&inputs[..], &[real, real, I32, I32]].concat());
            }
        }
        compiles(&END, &[], &[I32; 5]);
    }
}

//! On a GPU: an element a thread.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::norm::{Fold, low};
use super::Rule;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("norm_bw", include_str!("gpu.metal")).template("S");
    let definition = ["x", "y", "dy", "ties"].into_iter().fold(definition, Definition::input);
    let definition = definition.scalar("n", DType::U32).scalar("rule", DType::U32);
    let definition = definition.scalar("power", DType::F32).scalar("power_low", DType::F32);
    Program::new(definition.output("out")).expect("the definition is valid")
});

/// Each element of `x`, `[.., n]`; it has elements.
pub(super) fn each(
    stream: &Stream,
    x: &Tensor,
    y: &Tensor,
    dy: &Tensor,
    ties: &Tensor,
    rule: Rule,
) -> Result<Tensor> {
    let (code, power) = match rule {
        Rule::Equal => (0u32, 0.0),
        Rule::Gradient(fold) => match fold {
            Fold::Count => (1, 0.0),
            Fold::Sum => (2, 0.0),
            Fold::Root => (3, 0.0),
            Fold::Power(p) => (4, p - 1.0),
            Fold::Largest | Fold::Smallest => (5, 0.0),
        },
    };
    PROGRAM
        .launch(stream)
        .template("S", x.dtype())
        .input("x", x)
        .input("y", y)
        .input("dy", dy)
        .input("ties", ties)
        .scalar("n", x.dims()[x.rank() - 1] as u32)
        .scalar("rule", code)
        .scalar("power", power as f32)
        .scalar("power_low", low(power))
        .output("out", x.dtype(), x.shape())
        .grid(Grid::threads([x.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}

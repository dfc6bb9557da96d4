//! The portable body.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::{Factors, NAME};
use crate::elementwise::gpu::{GROUP, groups};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal")).input("dp").scalar("n", DType::U64);
    let numbers = ["scale", "beta1", "fresh1", "beta2", "fresh2", "rate", "correction", "eps", "keep"];
    let definition = numbers.iter().fold(definition, |all, number| all.scalar(*number, DType::F32));
    Program::new(definition.in_place("p").in_place("m").in_place("v")).expect("the definition is valid")
});

pub(super) fn adamw(
    stream: &Stream,
    p: &mut Tensor,
    dp: &Tensor,
    m: &mut Tensor,
    v: &mut Tensor,
    by: &Factors,
) -> Result<()> {
    let elements = p.elements();
    if elements == 0 {
        return Ok(());
    }
    let launch = PROGRAM.launch(stream).input("dp", dp).scalar("n", elements as u64);
    let numbers = [
        ("scale", by.scale),
        ("beta1", by.beta1),
        ("fresh1", by.fresh1),
        ("beta2", by.beta2),
        ("fresh2", by.fresh2),
        ("rate", by.rate),
        ("correction", by.correction),
        ("eps", by.eps),
        ("keep", by.keep),
    ];
    let launch = numbers.into_iter().fold(launch, |all, (name, value)| all.scalar(name, value as f32));
    let launch = launch.in_place("p", p).in_place("m", m).in_place("v", v);
    launch.grid(groups(elements), [GROUP, 1, 1]).run().map(drop)
}

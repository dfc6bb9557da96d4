//! The portable body: two vectors of four elements a thread, a group's vectors side by side.

use std::sync::LazyLock;

use tilewright_core::{Result, Stream, Tensor};
use tilewright_gpu::Definition;

use super::NAME;
use crate::elementwise::gpu::Capped;

static PROGRAM: LazyLock<Capped> = LazyLock::new(|| {
    let header = concat!(include_str!("../exponential.header.metal"), include_str!("gpu.header.metal"));
    Capped::new(Definition::new(NAME, include_str!("gpu.metal")).header(header).input("x").output("out"))
});

pub(super) fn soft_cap(stream: &Stream, x: &Tensor, cap: f64) -> Result<Tensor> {
    if x.is_empty() {
        return Tensor::empty(stream, x.dtype(), x.shape());
    }
    PROGRAM.launch(stream, &[x], cap).input("x", x).output("out", x.dtype(), x.shape()).run_one()
}

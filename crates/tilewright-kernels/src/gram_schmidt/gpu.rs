//! What the GPU bodies of projections share: how sums are kept, and how much of a row one thread takes.

use tilewright_core::{DType, Tensor};
use tilewright_gpu::{Definition, Launch, Program};

use super::accumulator;

/// Threads of a group.
pub(super) const GROUP: usize = 256;

/// A body with plain sums and the same body with compensated ones, which must not be compiled with fused products.
pub(super) struct Pair {
    plain: Program,
    compensated: Program,
}

impl Pair {
    /// Of a definition without a header: templates `A`, the sum's type, and `COMPENSATED` are added.
    pub(super) fn new(definition: Definition) -> Self {
        let program = |header: &'static str| {
            let definition = definition.clone().header(header).template("A").template("COMPENSATED");
            Program::new(definition).expect("the definition is valid")
        };
        Pair {
            plain: program(include_str!("sums.header.metal")),
            compensated: program(concat!(
                include_str!("sums.header.metal"),
                include_str!("compensated.header.metal")
            )),
        }
    }

    pub(super) fn launch<'a>(
        &'a self,
        stream: &'a tilewright_core::Stream,
        dtype: DType,
        compensated: bool,
    ) -> Launch<'a> {
        let program = if compensated { &self.compensated } else { &self.plain };
        program.launch(stream).template("A", accumulator(dtype)).template("COMPENSATED", compensated)
    }
}

/// Neighbouring columns that one thread loads together: 4 where every row starts on a multiple of 4 elements.
pub(super) fn columns_per_thread(q: &Tensor, k: usize) -> usize {
    let aligned = !q.is_contiguous() || q.layout().offset().is_multiple_of(4);
    if k.is_multiple_of(4) && aligned { 4 } else { 1 }
}

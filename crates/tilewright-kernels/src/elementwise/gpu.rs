//! What the GPU bodies over whole vectors share: their geometry, and the type in which they compute.

use tilewright_core::{DType, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program, Scalar};

/// Elements that one thread handles, as two vectors of four.
const PER_THREAD: usize = 8;
/// Threads of a group.
pub(super) const GROUP: usize = 256;

/// The groups that cover `elements`.
pub(super) fn groups(elements: usize) -> Grid {
    groups_of(elements, GROUP)
}

/// The groups of so many threads that cover `elements`.
pub(super) fn groups_of(elements: usize, threads: usize) -> Grid {
    Grid::groups([elements.div_ceil(PER_THREAD * threads), 1, 1])
}

/// Whether vectors of four elements may be loaded from all of these tensors once they are row-major: device memory itself starts on
/// a multiple of 32 bytes, but a view may start anywhere.
pub(super) fn vectors_fit(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|tensor| !tensor.is_contiguous() || tensor.layout().offset().is_multiple_of(4))
}

/// A body with a `cap` of the type in which it computes: f32, and f64 where that exists.
pub(super) struct Capped {
    f32: Program,
    f64: Program,
}

impl Capped {
    /// Of a definition that has everything but the cap.
    pub(super) fn new(definition: Definition) -> Self {
        let program = |dtype| {
            let definition = definition.clone().template("T").template("ALIGNED").scalar("n", DType::U64);
            Program::new(definition.scalar("cap", dtype)).expect("the definition is valid")
        };
        Capped { f32: program(DType::F32), f64: program(DType::F64) }
    }

    /// A launch over all elements of these tensors, which are alike.
    pub(super) fn launch<'a>(
        &'a self,
        stream: &'a tilewright_core::Stream,
        tensors: &[&Tensor],
        cap: f64,
    ) -> Launch<'a> {
        let x = tensors[0];
        let (program, cap) = match x.dtype() {
            DType::F64 => (&self.f64, Scalar::from(cap)),
            _ => (&self.f32, Scalar::from(cap as f32)),
        };
        program
            .launch(stream)
            .template("T", x.dtype())
            .template("ALIGNED", vectors_fit(tensors))
            .scalar("n", x.elements() as u64)
            .scalar("cap", cap)
            .grid(groups(x.elements()), [GROUP, 1, 1])
    }
}

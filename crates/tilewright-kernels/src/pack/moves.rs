//! How a tensor lies, in as few axes as say it, and its bytes in row-major order.

use tilewright_core::{DType, Error, Result, Tensor};
use tilewright_gpu::Launch;

/// Axes that bodies know.
const AXES: usize = 6;

/// Axes from the innermost outwards, merged where one stride walks through two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moves {
    /// 0 beyond the last axis.
    extents: [usize; AXES],
    strides: [usize; AXES],
    axes: usize,
}

impl Moves {
    /// Of axes from the outermost inwards. Fails where more than [`AXES`] remain.
    pub(super) fn new(
        operation: &'static str,
        argument: &'static str,
        dims: &[usize],
        strides: &[usize],
    ) -> Result<Self> {
        let mut moves = Moves { extents: [0; AXES], strides: [0; AXES], axes: 0 };
        for (&extent, &stride) in dims.iter().zip(strides).rev() {
            let last = moves.axes.wrapping_sub(1);
            if extent == 1 {
                continue;
            }
            if moves.axes > 0 && stride == moves.strides[last] * moves.extents[last] {
                moves.extents[last] *= extent;
            } else if moves.axes == AXES {
                let why = "lies in more than 6 axes of unrelated strides";
                return Err(Error::layout(operation, argument, why));
            } else {
                (moves.extents[moves.axes], moves.strides[moves.axes]) = (extent, stride);
                moves.axes += 1;
            }
        }
        if moves.axes == 0 {
            (moves.extents[0], moves.strides[0], moves.axes) = (1, 1, 1);
        }
        Ok(moves)
    }

    /// Neighbours in the row-major order that are neighbours in memory.
    pub(super) fn run(&self) -> usize {
        if self.strides[0] == 1 { self.extents[0] } else { 1 }
    }

    /// Whether 16 bytes of the row-major order always are 16 bytes of memory, in a tensor that starts at a multiple of them.
    pub(super) fn in_words(&self, size: usize) -> bool {
        let fits = |elements: usize| (elements * size).is_multiple_of(16);
        fits(self.run()) && self.strides[1..self.axes].iter().all(|&stride| fits(stride))
    }

    /// Where element `at` of the row-major order lies.
    pub(super) fn place(&self, mut at: usize) -> usize {
        let mut place = 0;
        for axis in 0..self.axes {
            place += at % self.extents[axis] * self.strides[axis];
            at /= self.extents[axis];
        }
        place
    }

    /// The scalars of `moves.header.metal`.
    pub(super) fn scalars<'a>(&self, launch: Launch<'a>) -> Launch<'a> {
        const EXTENTS: [&str; AXES] = ["e0", "e1", "e2", "e3", "e4", "e5"];
        const STRIDES: [&str; AXES] = ["s0", "s1", "s2", "s3", "s4", "s5"];
        let launch = EXTENTS
            .into_iter()
            .zip(self.extents)
            .fold(launch, |launch, (name, extent)| launch.scalar(name, extent as u32));
        let strides = STRIDES.into_iter().zip(self.strides);
        strides.fold(launch, |launch, (name, stride)| launch.scalar(name, stride as u64))
    }

    /// The declarations of those scalars.
    pub(super) fn declare(definition: tilewright_gpu::Definition) -> tilewright_gpu::Definition {
        let extents = ["e0", "e1", "e2", "e3", "e4", "e5"].into_iter();
        let definition = extents.fold(definition, |definition, name| definition.scalar(name, DType::U32));
        let strides = ["s0", "s1", "s2", "s3", "s4", "s5"].into_iter();
        strides.fold(definition, |definition, name| definition.scalar(name, DType::U64))
    }
}

/// The same memory as a dtype that every device knows.
pub(super) fn moved(x: &Tensor, dtype: DType) -> Result<Tensor> {
    Tensor::from_buffer(x.buffer().clone(), known(dtype), *x.layout())
}

/// The dtype under which elements of `dtype` are moved: Metal has no f64.
pub(super) fn known(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::U64 } else { dtype }
}

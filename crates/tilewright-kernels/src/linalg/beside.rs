//! Two tensors side by side along their last axis. Matrices of equally many columns lie one above the other where both are taken as vectors.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::host::{Real, with_real};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("linalg_beside", include_str!("beside.metal")).input("x").input("y");
    let definition = definition.scalar("left", DType::U32).scalar("right", DType::U32);
    Program::new(definition.output("out")).expect("the definition is valid")
});

/// `[.., p + q]` of `x`, `[.., p]`, and `y`, `[.., q]`, which are f32 or f64.
pub(super) fn beside(stream: &Stream, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let (&[ref batch @ .., left], &[.., right]) = (x.dims(), y.dims()) else {
        unreachable!("what lies side by side has an axis")
    };
    let shape = [batch, &[left + right]].concat();
    if shape.contains(&0) {
        return Tensor::empty(stream, x.dtype(), shape);
    }
    if stream.device() == Device::Cpu {
        return with_real!(x.dtype(), T => on_the_host::<T>(x, y, [left, right], &shape));
    }
    PROGRAM
        .launch(stream)
        .input("x", x)
        .input("y", y)
        .scalar("left", left as u32)
        .scalar("right", right as u32)
        .output("out", x.dtype(), &shape[..])
        .grid(Grid::threads([shape.iter().product(), 1, 1]), [256, 1, 1])
        .run_one()
}

fn on_the_host<T: Real>(x: &Tensor, y: &Tensor, widths: [usize; 2], shape: &[usize]) -> Result<Tensor> {
    let [left, right] = widths;
    let (x, y) = (x.to_vec::<T>()?, y.to_vec::<T>()?);
    let mut out = vec![T::ZERO; shape.iter().product()];
    for (row, out) in out.chunks_exact_mut(left + right).enumerate() {
        out[..left].copy_from_slice(&x[row * left..][..left]);
        out[left..].copy_from_slice(&y[row * right..][..right]);
    }
    Tensor::from_vec(out, shape)
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::*;
        for real in [F32, F64] {
            compiles(&PROGRAM, &[], &[real; 3]);
        }
    }
}

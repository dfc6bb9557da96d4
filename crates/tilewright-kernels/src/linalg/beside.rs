//! Two tensors side by side along their last axis. Matrices of equally many columns lie one above the other where both are taken as vectors.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::convert::dense;
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

/// Results of the matrices of a batch on a GPU, one after the other, of this shape together.
pub(super) fn stacked(stream: &Stream, parts: &[Tensor], shape: Vec<usize>) -> Result<Tensor> {
    let flat = |part: &Tensor| dense(stream, part)?.reshape([part.elements()]);
    let mut parts = parts.iter().map(flat).collect::<Result<Vec<_>>>()?;
    while parts.len() > 1 {
        // In pairs, so that an element is moved as often as there are storeys.
        let pair = |pair: &[Tensor]| match pair {
            [x, y] => beside(stream, x, y),
            rest => Ok(rest[0].clone()),
        };
        parts = parts.chunks(2).map(pair).collect::<Result<_>>()?;
    }
    parts[0].reshape(shape)
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

#[cfg(test)]
mod tests {
    use tilewright_gpu::Present;

    use super::*;

    #[test]
    fn parts_are_stacked_in_their_order() {
        let Ok(device) = Device::emulated() else { return };
        let stream = device.stream().unwrap();
        for count in [1usize, 2, 3, 5, 8] {
            let part = |i: usize| {
                let lying = Tensor::from_vec((0..6).map(|e| (6 * i + e) as f32).collect(), [2, 3]).unwrap();
                // Every second one lies by columns.
                let values = lying.transpose().unwrap().to_vec::<f32>().unwrap();
                let turned = Tensor::from_vec(values, [3, 2]).unwrap();
                let tensor = if i.is_multiple_of(2) { lying } else { turned };
                let tensor = tensor.to(&stream).unwrap();
                if i.is_multiple_of(2) { tensor } else { tensor.transpose().unwrap() }
            };
            let parts: Vec<Tensor> = (0..count).map(part).collect();
            let all = stacked(&stream, &parts, vec![count, 2, 3]).unwrap();
            let truth: Vec<f32> = (0..6 * count).map(|e| e as f32).collect();
            assert_eq!(all.to_vec::<f32>().unwrap(), truth);
        }
    }

    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::*;
        for real in [F32, F64, I32] {
            compiles(&PROGRAM, &[], &[real; 3]);
        }
    }
}

//! A single large matrix of f32 on NVIDIA GPUs: the eigenvalues of `aᵀ a` in f64, which has room for the square of a condition that f32 knows.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::convert::convert;
use super::super::eigh::{Eigen, Eigh, eigh};
use super::super::extents::Extents;
use super::super::qr::{Qr, qr};
use super::super::vendor;
use super::{SvdFactors, SvdMode};
use crate::gemm::{Matmul, matmul};

/// Columns beyond which that is faster than a group of threads that sweeps along two diagonals.
const CHASED: usize = 128;

/// The least eigenvalue, beside the largest one, with whose root columns can be divided: what roundings of f64 add to their products is a rounding of f32.
const LEAST: f64 = 1.0 / (1u64 << 32) as f64;

static ROOTS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("svd_roots", include_str!("gpu.roots.metal"));
    let definition = definition.template("O").input("columns").input("squares").scalar("n", DType::U32);
    let definition = definition.scalar("elements", DType::U64).scalar("each", DType::Bool);
    Program::new(definition.output("over").output("roots")).expect("the definition is valid")
});

/// Whether such matrices are taken, of no fewer rows than columns: whatever the size, the library at least has their eigenvalues.
pub(super) fn takes(device: Device, dtype: DType, extents: &Extents, mode: SvdMode) -> bool {
    let shape =
        extents.batches() == 1 && extents.n > CHASED && (mode != SvdMode::Full || extents.m == extents.n);
    shape && dtype != DType::F64 && vendor::available(device)
}

/// The columns over the roots of `squares`, [n], which fall: each over its own, or all over the first one; and these roots.
fn over_roots(
    stream: &Stream,
    columns: &Tensor,
    squares: &Tensor,
    each: bool,
    shape: Vec<usize>,
) -> Result<(Tensor, Tensor)> {
    let (n, elements) = (squares.elements(), columns.elements());
    let outputs = ROOTS
        .launch(stream)
        .template("O", DType::F32)
        .input("columns", columns)
        .input("squares", squares)
        .scalar("n", n as u32)
        .scalar("elements", elements as u64)
        .scalar("each", each)
        .output("over", DType::F32, columns.shape())
        .output("roots", DType::F32, shape)
        .grid(Grid::elements(elements.max(n)), [256, 1, 1])
        .run()?;
    let [over, roots] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((over, roots))
}

/// The factors. `a`, of f32, is taken. Waits for the eigenvalues.
pub(super) fn svd(stream: &Stream, a: &Tensor, extents: &Extents, mode: SvdMode) -> Result<SvdFactors> {
    let n = extents.n;
    let vectors = mode != SvdMode::Values;
    let doubles = convert(stream, a, DType::F64)?;
    let transposed = Matmul { transpose_a: true, ..Matmul::default() };
    let gram = matmul(stream, &doubles, &doubles, None, &transposed)?;
    let args = Eigh { descending: true, values_only: !vectors, ..Eigh::default() };
    let Eigen { values, vectors, info } = eigh(stream, &gram, &args)?;
    let shape = extents.shape(&[n]);
    let Some(v) = vectors else {
        let (_, s) = over_roots(stream, &Tensor::empty(stream, DType::F64, [0])?, &values, true, shape)?;
        return Ok(SvdFactors { u: None, s, vt: None, info });
    };
    let columns = matmul(stream, &doubles, &v, None, &Matmul::default())?;
    let vt = Some(convert(stream, &v.transpose()?, DType::F32)?);
    let known = values.to_vec::<f64>()?;
    // Of a matrix without a result all is NaN.
    let apart = known[0].is_nan() || (known[0] > 0.0 && known[n - 1] >= LEAST * known[0]);
    let (over, s) = over_roots(stream, &columns, &values, apart, shape)?;
    if apart {
        return Ok(SvdFactors { u: Some(over), s, vt, info });
    }
    // Columns of next to nothing are orthogonal to others, and a basis, by reflections alone; r is diagonal to rounding.
    let u = qr(stream, &over, &Qr { nonnegative: true, ..Qr::default() })?.q;
    Ok(SvdFactors { u, s, vt, info })
}

#[cfg(test)]
mod tests {
    use tilewright_gpu::Present;

    use super::*;

    #[test]
    fn columns_are_divided_by_roots_and_nan_stays() {
        let Ok(device) = Device::emulated() else { return };
        let stream = device.stream().unwrap();
        let given = |values: &[f32], shape: &[usize]| {
            Tensor::from_vec(values.to_vec(), shape).unwrap().to(&stream).unwrap()
        };
        let columns = given(&[8.0, 6.0, -4.0, 2.0], &[2, 2]);
        let run = |squares: &[f32], each| {
            let (over, roots) = over_roots(&stream, &columns, &given(squares, &[2]), each, vec![2]).unwrap();
            (over.to_vec::<f32>().unwrap(), roots.to_vec::<f32>().unwrap())
        };
        assert_eq!(run(&[16.0, 4.0], true), (vec![2.0, 3.0, -1.0, 1.0], vec![4.0, 2.0]));
        assert_eq!(run(&[16.0, -1e-9], false), (vec![2.0, 1.5, -1.0, 0.5], vec![4.0, 0.0]));
        assert_eq!(run(&[0.0, -1e-9], false), (vec![8.0, 6.0, -4.0, 2.0], vec![0.0, 0.0]));
        let (over, roots) = run(&[f32::NAN, f32::NAN], true);
        assert!(over.iter().chain(&roots).all(|x| x.is_nan()));
        #[cfg(not(target_vendor = "apple"))]
        crate::nvrtc::compiles(
            &ROOTS,
            &[DType::F32.into()],
            &[DType::F64, DType::F64, DType::F32, DType::F32],
        );
    }

    #[test]
    fn only_single_large_matrices_are_taken() {
        let extents = |m, n| Extents { batch: Vec::new(), m, n };
        assert!(!takes(Device::Cpu, DType::F32, &extents(600, 600), SvdMode::Reduced));
        assert!(!takes(Device::Emulated, DType::F32, &extents(600, 600), SvdMode::Reduced));
    }
}
